"""What every adapter must do, as checks that a few lines of pytest run. For our own channels and for plug-ins alike.

A channel describes itself once as a `Suite`; its test is then:

    @pytest.mark.parametrize("check", SUITE.checks(), ids=str)
    def test_conformance(check):
        check.run()

The checks raise `NotConforming` (an AssertionError). They do no I/O but reading the fixtures, and need no pytest.
adapters/README.md says how to write a suite and fixtures.
"""

from __future__ import annotations

from adapters.conformance.cases import Case, NotConforming, load_cases, require, told
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
from adapters.conformance.network import as_reply, as_request
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
from adapters.conformance.samples import BROKEN, HOSTILE, NOW, PICTURE, UNICODE
from adapters.conformance.sending import (
    check_a_second_try_shows_nothing_twice,
    check_answers_are_judged_by_their_status,
    check_refusals_are_no_success,
    check_simulator_refuses_bad_credentials,
    check_the_same_words_are_shown_twice,
)
from adapters.conformance.suite import CHECKS, WITH_SIMULATOR, Check, Suite
from adapters.conformance.world import World

__all__ = [
    "BROKEN",
    "CHECKS",
    "HOSTILE",
    "NOW",
    "PICTURE",
    "UNICODE",
    "WITH_SIMULATOR",
    "Case",
    "Check",
    "NotConforming",
    "Suite",
    "World",
    "as_reply",
    "as_request",
    "check_a_second_try_shows_nothing_twice",
    "check_addresses_of_others_are_foreign",
    "check_answers_are_judged_by_their_status",
    "check_broken_body_is_not_understood_or_unknown",
    "check_broken_letters_are_no_message",
    "check_capabilities_have_fixtures",
    "check_demo_settings_work",
    "check_files_at_their_rules",
    "check_hostile_signatures_are_refused",
    "check_longest_caption",
    "check_longest_text",
    "check_mutilated_bytes_are_taken_or_refused",
    "check_no_secret_no_entry",
    "check_one_byte_changed_is_refused",
    "check_other_events_other_ids",
    "check_parses",
    "check_quotations_name_their_message",
    "check_receipts_find_their_message",
    "check_redelivery_is_the_same_event",
    "check_refusals_are_no_success",
    "check_same_bytes_same_events",
    "check_second_secret",
    "check_secrets_absent_from_repr",
    "check_simulator_and_adapter_agree",
    "check_simulator_refuses_bad_credentials",
    "check_speaker_names",
    "check_the_same_words_are_shown_twice",
    "check_times_are_the_providers",
    "check_unknown_events_are_kept",
    "check_unsigned_is_refused",
    "load_cases",
    "require",
    "told",
]
