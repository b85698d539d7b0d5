"""A channel as the checks want to know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from adapters._conformance import joining, proofs, reading
from adapters._conformance.cases import Case, load_cases
from adapters._conformance.secrets import rotate_all
from adapters.contract import Adapter, RawRequest

CHECKS: Final[Sequence[Callable[[Suite], None]]] = (
    proofs.check_unsigned_is_refused,
    proofs.check_one_byte_changed_is_refused,
    proofs.check_hostile_signatures_are_refused,
    proofs.check_no_secret_no_entry,
    proofs.check_second_secret,
    reading.check_same_bytes_same_events,
    reading.check_unknown_events_are_kept,
    reading.check_broken_body_is_not_understood_or_unknown,
    reading.check_mutilated_bytes_are_taken_or_refused,
    joining.check_secrets_absent_from_repr,
    reading.check_capabilities_have_fixtures,
    joining.check_simulator_and_adapter_agree,
    joining.check_redelivery_is_the_same_event,
    joining.check_simulator_refuses_bad_credentials,
)


class Check(NamedTuple):
    """One thing that is checked: `(name, run)`."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Suite:
    """A channel, and what the checks must know of it.

    `account` is the test account that the fixtures are signed for. `sign(request, account)` gives the request with the headers (and
    query) that the provider would send with this body, signed with the account's first secret. `proof_headers` carry the proof.
    `body_is_signed` False: the proof covers no body (Apple's token, say), so a changed body can't be told.
    `rotate` gives the account with a new secret before the old; by default every tuple of secrets is rotated. `customer` is the
    handset's owner. `skip` names checks that can't hold on this channel, each with its reason.
    """

    adapter: Adapter[Any]
    account: Any
    fixtures: Path
    sign: Callable[[RawRequest, Any], RawRequest]
    proof_headers: tuple[str, ...]
    body_is_signed: bool = True
    rotate: Callable[[Any], Any] = rotate_all
    customer: str = "kim"
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The channel's fixtures."""
        return load_cases(self.fixtures, self.adapter, self.account)

    @property
    def events(self) -> tuple[Case, ...]:
        """The fixtures that are events, not handshakes."""
        return tuple(case for case in self.cases if isinstance(case.expected, list))

    def checks(self) -> list[Check]:
        """Every check, those of single fixtures once for each."""
        parsing = [Check(f"parses[{case.name}]", partial(reading.check_parses, self, case)) for case in self.cases]
        named = [(check.__name__.removeprefix("check_"), check) for check in CHECKS]
        return parsing + [Check(name, partial(check, self)) for name, check in named if name not in self.skip]
