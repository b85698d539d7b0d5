"""A channel's checks, as a test runner wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from adapters.conformance.identity import (
    check_other_events_other_ids,
    check_quotations_name_their_message,
    check_receipts_find_their_message,
    check_redelivery_is_the_same_event,
    check_same_bytes_same_events,
)
from adapters.conformance.joining import (
    check_addresses_of_others_are_foreign,
    check_demo_settings_work,
    check_secrets_absent_from_repr,
    check_simulator_and_adapter_agree,
)
from adapters.conformance.limits import check_files_at_their_rules, check_longest_caption, check_longest_text, check_speaker_names
from adapters.conformance.proofs import (
    check_hostile_signatures_are_refused,
    check_no_secret_no_entry,
    check_one_byte_changed_is_refused,
    check_second_secret,
    check_unsigned_is_refused,
)
from adapters.conformance.receiving import (
    check_broken_body_is_not_understood_or_unknown,
    check_broken_letters_are_no_message,
    check_capabilities_have_fixtures,
    check_mutilated_bytes_are_taken_or_refused,
    check_parses,
    check_times_are_the_providers,
    check_unknown_events_are_kept,
)
from adapters.conformance.sending import (
    check_a_second_try_shows_nothing_twice,
    check_answers_are_judged_by_their_status,
    check_refusals_are_no_success,
    check_simulator_refuses_bad_credentials,
    check_the_same_words_are_shown_twice,
)
from adapters.conformance.subject import Subject

_Checks: TypeAlias = Sequence[Callable[[Subject], None]]

_ALONE: Final[_Checks] = (
    check_unsigned_is_refused,
    check_one_byte_changed_is_refused,
    check_hostile_signatures_are_refused,
    check_no_secret_no_entry,
    check_second_secret,
    check_same_bytes_same_events,
    check_unknown_events_are_kept,
    check_broken_body_is_not_understood_or_unknown,
    check_times_are_the_providers,
    check_broken_letters_are_no_message,
    check_mutilated_bytes_are_taken_or_refused,
    check_capabilities_have_fixtures,
    check_secrets_absent_from_repr,
)
_WITH_SIMULATOR: Final[_Checks] = (
    check_other_events_other_ids,
    check_redelivery_is_the_same_event,
    check_receipts_find_their_message,
    check_quotations_name_their_message,
    check_simulator_and_adapter_agree,
    check_demo_settings_work,
    check_addresses_of_others_are_foreign,
    check_the_same_words_are_shown_twice,
    check_a_second_try_shows_nothing_twice,
    check_answers_are_judged_by_their_status,
    check_refusals_are_no_success,
    check_simulator_refuses_bad_credentials,
    check_longest_text,
    check_longest_caption,
    check_speaker_names,
    check_files_at_their_rules,
)
CHECKS: Final[_Checks] = (*_ALONE, *_WITH_SIMULATOR)


def name_of(check: Callable[[Subject], None]) -> str:
    """Its name in `Suite.checks`, in `skip` and in the page: without `check_`."""
    return check.__name__.removeprefix("check_")


# What a channel skips whose simulator is no provider that our calls go to.
WITH_SIMULATOR: Final = frozenset(map(name_of, _WITH_SIMULATOR))


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
        named = [(name_of(check), check) for check in CHECKS]
        return parsing + [Check(name, partial(check, self)) for name, check in named if name not in self.skip]
