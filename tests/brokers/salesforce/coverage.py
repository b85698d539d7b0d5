"""The tables at the end of docs/salesforce.md: every endpoint, event type and error code, what the gateway makes of it, and which test shows it.

`python -m tests.brokers.salesforce.coverage` writes them into the page. A test compares, and looks for each test that is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.brokers.salesforce.codes import RULINGS, Ruling
from gateway.brokers.salesforce.stream_codes import ADVICE, Course

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "docs" / "salesforce.md"
BEGIN: Final = "<!-- written by python -m tests.brokers.salesforce.coverage -->"


class Row(NamedTuple):
    """`subject`: names in backquotes. `made`: whether and how it is supported. `tests`: `module::test`, below tests/brokers/salesforce."""

    subject: str
    made: str
    tests: tuple[str, ...] = ()


ENDPOINTS: Final = (
    Row(
        "`POST /services/oauth2/token`",
        "yes: JWT bearer flow, renewed before its end and once when a token is refused",
        (
            "test_tokens::test_the_assertion_says_who_and_for_whom_and_is_short_lived",
            "test_tokens::test_a_refused_token_is_renewed_once_for_all",
        ),
    ),
    Row("`GET /services/oauth2/userinfo`", "yes, by `byoc check --online`", ("test_online::test_a_token_for_another_org",)),
    Row(
        "`POST /interactions`",
        "yes: texts, files, typing, choices, failed deliveries",
        (
            "test_calls::test_a_text",
            "test_calls::test_a_file_and_its_caption",
            "test_calls::test_typing_has_its_time",
            "test_calls::test_a_failed_delivery_names_the_customer",
            "test_calls_at_an_org::test_whatever_customers_send",
            "test_whole::test_there_and_back",
        ),
    ),
    Row(
        "`POST /conversation`",
        "yes, where a call needs ids that aren't known",
        ("test_calls::test_an_unknown_conversation_is_asked_for_first",),
    ),
    Row(
        "`POST /conversationHistory`",
        "yes, with BYOC for CCaaS",
        (
            "test_calls_at_an_org::test_what_was_said_before",
            "test_switching::test_with_byoc_for_ccaas_what_was_said_before_is_handed_over",
        ),
    ),
    Row(
        "`POST /acknowledgement`",
        "yes: delivered and read, at most 25 in a call",
        ("test_calls::test_receipts_in_one_call_each_with_an_id_that_stays",),
    ),
    Row(
        "`POST /route`",
        "yes, with partner-owned routing",
        ("test_calls_at_an_org::test_routing_a_conversation_and_adding_a_rep",),
    ),
    Row("`DELETE /route`", "yes, with partner-owned routing", ("test_calls_at_an_org::test_a_request_that_is_withdrawn",)),
    Row(
        "`POST /agentWork`",
        "yes, with partner-owned routing",
        (
            "test_calls_at_an_org::test_routing_a_conversation_and_adding_a_rep",
            "test_calls::test_work_is_remembered_for_each_rep_until_it_is_closed",
        ),
    ),
    Row(
        "`PATCH /agentWork`",
        "yes, with partner-owned routing: unanswered work is cancelled before anybody else gets it",
        (
            "test_partner::test_an_unanswered_work_is_cancelled_before_the_next_is_assigned",
            "test_calls::test_work_is_remembered_for_each_rep_until_it_is_closed",
        ),
    ),
    Row(
        "`POST /routingResult`",
        "yes, with partner-owned routing",
        ("test_calls_at_an_org::test_routing_a_conversation_and_adding_a_rep",),
    ),
    Row(
        "`POST /participant`",
        "yes, with partner-owned routing: removes a rep",
        (
            "test_calls_at_an_org::test_routing_a_conversation_and_adding_a_rep",
            "test_partner::test_the_only_rep_who_lost_the_connection_is_replaced",
        ),
    ),
    Row(
        "`POST /messagingSession`",
        "yes, with partner-owned routing: ends or inactivates a session",
        (
            "test_partner_whole::test_the_customer_who_ends_it_ends_it_there",
            "test_calls::test_what_has_ended_already_is_no_fault",
        ),
    ),
    Row(
        "`PATCH /consent`",
        "yes, with `consent: partner`: of customers who opt out or block, until they write again",
        ("test_consent::test_stopped_and_given_again",),
    ),
    Row(
        "`PATCH /capabilities`",
        "yes: what the channel's adapter can show, at startup and then daily",
        ("test_calls_at_an_org::test_capabilities_are_registered", "test_capabilities::test_every_adapter_can_be_registered"),
    ),
    Row("`POST /conversationEntry`, `GET /conversationEntry`, `POST /attachment`", "no: they are for external bots"),
    Row(
        "`GetTopic`, `GetSchema`",
        "yes",
        (
            "test_online::test_an_org_that_is_set_up_has_no_fault",
            "test_subscription::test_a_changed_schema_is_fetched_in_the_middle",
        ),
    ),
    Row(
        "`Subscribe`",
        "yes: flow control, resuming, keepalives",
        (
            "test_subscription::test_many_events_come_in_order_though_only_100_are_on_their_way",
            "test_subscription::test_nothing_is_lost_by_a_kill_and_what_comes_twice_has_the_same_id",
        ),
    ),
    Row("`Publish`, `PublishStream`", "no: the gateway publishes no events (the simulated org takes them)"),
    Row("`ManagedSubscribe`", "no: it is a beta, and the gateway keeps its own position"),
)

_ENTRY: Final = "test_parsing::test_an_entry"
_NEVER: Final = "test_parsing::test_nothing_but_a_message_is_ever_said"
_INTERNAL: Final = "nothing: it is internal, and its words are not read"
EVENTS: Final = (
    Row(
        "`Message`",
        "sent to the customer, if it is addressed to them and its sender may speak",
        ("test_parsing::test_a_reps_words", "test_whole::test_there_and_back", _NEVER),
    ),
    Row("`MessageUpdated`", "a customer's file that Salesforce couldn't keep is shown as failed", (_ENTRY,)),
    Row(
        "`ParticipantChanged`",
        "join, leave and transfer notices",
        ("test_whole::test_a_conference_and_its_notices", "test_whole::test_a_transfer_is_one_notice"),
    ),
    Row(
        "`TypingStartedIndicator`, `TypingStoppedIndicator`",
        "shown on channels that can show typing, while it is fresh",
        (_ENTRY, "test_whole::test_typing_both_ways"),
    ),
    Row(
        "`SessionStatusChanged`",
        "the session's status here; Ended ends it",
        (_ENTRY, "test_whole::test_the_end_there_is_the_end_here_and_the_next_message_begins_anew"),
    ),
    Row(
        "`DeliveryAcknowledgement`, `ReadAcknowledgement`", "the state of the row that brought the customer's message", (_ENTRY,)
    ),
    Row("`MessageDeliveryFailed`", "counted", (_ENTRY,)),
    Row("`QueuePosition`", "counted", (_ENTRY,)),
    Row(
        "`RoutingResult`",
        "with partner-owned routing: how a request ended; else counted",
        (_ENTRY, "test_partner::test_a_rep_who_cancels_their_request"),
    ),
    Row(
        "`RoutingWorkResult`",
        "with partner-owned routing: whether a rep accepted; else counted",
        (_ENTRY, "test_partner_whole::test_who_declines_is_followed_by_the_next"),
    ),
    Row(
        "`EndUserConsentUpdated`",
        "who stopped it gets no notices of the gateway's",
        (_ENTRY, "test_whole::test_who_stopped_consent_gets_no_notices"),
    ),
    Row(
        "`RoutingRequested` (the event's type)",
        "with partner-owned routing: the gateway routes",
        ("test_parsing::test_a_routing_request", "test_partner_whole::test_a_conference_is_asked_for_there_and_routed_here"),
    ),
    Row(
        "`Note`",
        "nothing: a supervisor's whisper is never read",
        (_NEVER, "test_whole::test_whispers_and_flags_never_reach_the_customer"),
    ),
    Row("`FlagRaise`, `FlagLower`", _INTERNAL, (_NEVER, "test_whole::test_whispers_and_flags_never_reach_the_customer")),
    Row("`ConsultConversationInfo`", _INTERNAL, (_NEVER,)),
    Row("`ProgressIndicator`", "nothing: its capability isn't registered", (_NEVER,)),
    Row("`TransferProgress`, `ParticipantsConferenced`", "nothing: what they hold isn't published", (_NEVER,)),
    Row("any other", "nothing: it is counted", (_NEVER,)),
    Row(
        "what can't be read",
        "stuck in the inbox, with its replay position",
        ("test_whole::test_unreadable_events_are_stuck_with_their_place",),
    ),
)

_FATE: Final = "test_coverage::test_each_code_has_the_fate_that_its_row_tells"
_STREAM: Final = "test_stream_codes::test_a_code_has_its_course"
_SERVED: Final = "test_subscription::test_each_code_takes_its_course"


def tables() -> str:
    """All of them, in Markdown."""
    return "\n".join(
        (
            *_table("### Endpoints", "endpoint", "supported", ENDPOINTS),
            *_table("### Event types", "entry type", "what becomes of it", EVENTS),
            *_table("### Error codes of the Interaction Service", "code", "what becomes of the row", codes()),
            *_table("### Error codes of the Pub/Sub API", "code", "what the stream does", stream_codes()),
        )
    )


def _table(title: str, subject: str, made: str, rows: Iterable[Row]) -> Iterator[str]:
    yield from ("", title, "", f"| {subject} | {made} | tested by |", "| --- | --- | --- |")
    for row in rows:
        tests = ", ".join(f"`{test}`" for test in row.tests)
        yield f"| {row.subject} | {row.made} | {tests} |"


def codes() -> Iterator[Row]:
    """Codes of one meaning in one row."""
    grouped: dict[Ruling, list[str]] = {}
    for code, ruling in RULINGS.items():
        grouped.setdefault(ruling, []).append(code)
    for ruling, several in grouped.items():
        yield Row(", ".join(f"`{code}`" for code in several), f"{_fate(ruling)}. {ruling.fix}", _tests(ruling))
    rate = "test_codes::test_over_the_rate_limit_the_whole_account_slows_down"
    yield Row("`Interaction request rate limit exceeded`", "all of the org's rows slow down, and go on", (rate,))
    yield Row("any other", "by the HTTP status", ("test_codes::test_an_unknown_code_goes_by_its_status",))


def _fate(ruling: Ruling) -> str:
    if ruling.kind == "token":
        return "**new token**, once; then the org's rows are held"
    if ruling.kind == "hold":
        return f"**held**, with all rows of the {ruling.scope}"
    return "**sent again**" if ruling.kind == "again" else f"**failed** (`{ruling.code}`)"


def _tests(ruling: Ruling) -> tuple[str, ...]:
    if ruling.kind == "token":
        return (_FATE, "test_calls::test_a_refused_token_is_renewed_once_and_then_holds_the_org")
    return (
        _FATE,
        *(("test_whole::test_a_fault_of_the_org_holds_the_rows_and_its_repair_loses_none",) if ruling.kind == "hold" else ()),
    )


_COURSES: Final = {
    Course.again: "**connects again**, later each time",
    Course.refresh: "**new token**, connects at once",
    Course.lost: "**reads again** what the org still has",
    Course.slow: "**slows down**",
    Course.allowance: "**waits** half an hour",
    Course.hold: "**held** until somebody has changed something",
}


def stream_codes() -> Iterator[Row]:
    """Each code, without its prefix `sfdc.platform.eventbus.grpc.`."""
    for code, advice in ADVICE.items():
        yield Row(f"`{code}`", f"{_COURSES[advice.course]}. {advice.sentence}", (_STREAM, _SERVED))
    yield Row("`managed.subscription.…`", f"{_COURSES[Course.hold]}. The gateway doesn't use managed subscriptions.", (_STREAM,))
    yield Row("any other", _COURSES[Course.again], ("test_stream_codes::test_an_answer_without_a_code_is_judged_by_its_status",))


def written(page: str) -> str:
    """The page with the tables of now."""
    return page.partition(BEGIN)[0] + BEGIN + "\n" + tables() + "\n"


def named(text: str) -> set[str]:
    """Every `module::test` in a text."""
    return set(re.findall(r"`(\w+::\w+)`", text))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
