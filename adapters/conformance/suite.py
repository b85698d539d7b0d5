"""A channel's checks, as a test runner wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from adapters.conformance.joining import (
    check_redelivery_is_the_same_event,
    check_secrets_absent_from_repr,
    check_simulator_and_adapter_agree,
    check_simulator_refuses_bad_credentials,
)
from adapters.conformance.proofs import (
    check_hostile_signatures_are_refused,
    check_no_secret_no_entry,
    check_one_byte_changed_is_refused,
    check_second_secret,
    check_unsigned_is_refused,
)
from adapters.conformance.reading import (
    check_broken_body_is_not_understood_or_unknown,
    check_capabilities_have_fixtures,
    check_mutilated_bytes_are_taken_or_refused,
    check_parses,
    check_same_bytes_same_events,
    check_unknown_events_are_kept,
)
from adapters.conformance.subject import Subject

CHECKS: Final[Sequence[Callable[[Subject], None]]] = (
    check_unsigned_is_refused,
    check_one_byte_changed_is_refused,
    check_hostile_signatures_are_refused,
    check_no_secret_no_entry,
    check_second_secret,
    check_same_bytes_same_events,
    check_unknown_events_are_kept,
    check_broken_body_is_not_understood_or_unknown,
    check_mutilated_bytes_are_taken_or_refused,
    check_secrets_absent_from_repr,
    check_capabilities_have_fixtures,
    check_simulator_and_adapter_agree,
    check_redelivery_is_the_same_event,
    check_simulator_refuses_bad_credentials,
)


class Check(NamedTuple):
    """One thing that is checked: `(name, run)`. `run()` raises NotConforming, or whatever else the adapter lets out."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Suite(Subject):
    """A channel, described for the checks, and the checks that it must pass."""

    def checks(self) -> list[Check]:
        """Every check, those of single fixtures once for each. Raises NotConforming where the fixtures can't be loaded."""
        parsing = [Check(f"parses[{case.name}]", partial(check_parses, self, case)) for case in self.cases]
        named = [(check.__name__.removeprefix("check_"), check) for check in CHECKS]
        return parsing + [Check(name, partial(check, self)) for name, check in named if name not in self.skip]
