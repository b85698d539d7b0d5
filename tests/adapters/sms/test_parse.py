"""What the fixtures can't show: how parsing behaves over many webhooks, settings and strange input. The rest is in the fixtures."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from adapters._twilio import wire
from adapters._twilio.wire import MAX_FORM_FIELDS
from adapters.conformance import NOW, Case
from adapters.contract import RawRequest
from adapters.envelope import Inbound, InboundEnded, InboundMessage, InboundReceipt, InboundUnknown, MediaPart, ReceiptStatus
from adapters.errors import NotUnderstood
from adapters.sms import ADAPTER
from adapters.sms.account import TwilioAccount
from tests.adapters.sms.account import ACCOUNT
from tests.adapters.sms.suite import SUITE
from tests.adapters.sms.test_send import say

SID = "SM" + "1" * 32
MMS = "MM" + "1" * 32
HEADERS = {"content-type": "application/x-www-form-urlencoded"}


def request(body: bytes = b"", path: str = "", query: tuple[tuple[str, str], ...] = (), **fields: str) -> RawRequest:
    return RawRequest("POST", ACCOUNT.webhook_url + path, path, query, HEADERS, body or form(fields).body, NOW)


def form(fields: dict[str, str]) -> RawRequest:
    known = {"MessageSid": SID, "From": "+15550001111", "To": "+15550002222"} | fields
    return RawRequest("POST", ACCOUNT.webhook_url, "", (), HEADERS, urlencode(known).encode(), NOW)


def parse(given: RawRequest, account: TwilioAccount = ACCOUNT) -> list[Inbound]:
    return ADAPTER.parse(given, account)


def message(given: RawRequest, account: TwilioAccount = ACCOUNT) -> InboundMessage:
    found = parse(given, account)[0]
    assert isinstance(found, InboundMessage)
    return found


@pytest.mark.parametrize("case", SUITE.cases, ids=str)
def test_the_raw_event_is_kept_as_it_came(case: Case) -> None:
    if case.request.headers.get("content-type") == "application/json":
        return
    for event in parse(case.request):
        assert event.raw == wire.read(case.request, wire.form(case.request))


def test_receipts_go_up_by_rank_whatever_order_they_come_in() -> None:
    """Status going backwards: each callback has an id and a rank of its own, so a late `sent` can be told from `delivered`."""
    found = [
        parse(request(path="/status", query=(("m", "msg_1"),), MessageStatus=status))[0]
        for status in ("delivered", "sent", "read", "delivered")
    ]
    assert [one.event_id for one in found] == [f"{SID}:{status}" for status in ("delivered", "sent", "read", "delivered")]
    ranks = [one.status.rank for one in found if isinstance(one, InboundReceipt)]
    assert ranks == [2, 1, 3, 2]


def test_a_receipt_that_overtakes_the_answer_names_our_own_id() -> None:
    found = parse(request(path="/status", query=(("m", "msg_018f"),), MessageStatus="failed", ErrorCode="30005"))[0]
    assert isinstance(found, InboundReceipt)
    assert (found.outbox_id, found.message_ids, found.status) == ("msg_018f", (SID,), ReceiptStatus.failed)
    assert (found.code, found.provider_code) == ("recipient_unreachable", "30005")


def test_opt_out_in_the_callback_only() -> None:
    """With a service 21610 comes in the callback alone; it counts as much as STOP."""
    found = parse(request(path="/status", MessageStatus="failed", ErrorCode="21610"))[0]
    assert found.remember == {"opted_out": True}


def test_words_are_settings() -> None:
    account = ACCOUNT.model_copy(update={"stop_words": ("Basta",), "start_words": ()})
    assert [type(one) for one in parse(request(Body="BASTA "), account)] == [InboundMessage, InboundEnded]
    assert len(parse(request(Body="stop"), account)) == 1
    assert "opted_out" not in message(request(Body="START"), account).remember


def test_stop_ends_the_conversation_and_is_kept_as_a_message() -> None:
    said, ended = parse(request(Body="Stop"))
    assert isinstance(said, InboundMessage)
    assert isinstance(ended, InboundEnded)
    assert said.plain == "Stop"
    assert ended.reason == "opted_out"
    assert said.id != ended.id


@pytest.mark.parametrize("hostile", ["\u202e", "🏴‍☠️" * 300, "\ufeff", "\u0000", "<script>", "%00%ff", "𐏿", "\x1b[2J"])
def test_hostile_unicode_is_taken_as_it_is(hostile: str) -> None:
    assert message(request(Body=f"a{hostile}b")).plain == f"a{hostile}b".replace("\0", "")


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert message(request(b"MessageSid=" + SID.encode() + b"&From=%2B1&Body=%ff%fe+ok\xff")).plain == "\ufffd\ufffd ok\ufffd"


@pytest.mark.parametrize("count", ["-1", "99999999999999999999", "many", "1e9", ""])
def test_the_count_of_files_is_not_believed(count: str) -> None:
    assert message(request(Body="x", NumMedia=count)).plain == "x"


def test_files_beyond_those_that_twilio_sends_are_not_read() -> None:
    fields = {f"MediaUrl{n}": f"https://api.twilio.com/{n}" for n in range(500)}
    assert len(message(request(urlencode({"MessageSid": MMS, "From": "+1", **fields}).encode())).parts) == 20


@pytest.mark.parametrize(
    ("mime_type", "media"),
    [
        ("image/heic", "image"),
        ("IMAGE/PNG", "image"),
        ("video/x", "video"),
        ("audio/amr", "audio"),
        ("", "file"),
        ("☂/☂", "file"),
    ],
)
def test_kinds_of_files(mime_type: str, media: str) -> None:
    part = message(request(MediaUrl0="https://api.twilio.com/1", MediaContentType0=mime_type)).parts[0]
    assert isinstance(part, MediaPart)
    assert part.media == media


@pytest.mark.parametrize(
    "body", ["a" * 60, "A" * 59 + "=", "word" * 20, "Zm9v" * 14 + "Zm8", "////" * 20, "hello there " * 6, "AAAA" * 20]
)
def test_long_words_are_not_taken_for_base64(body: str) -> None:
    assert message(request(MessageSid=MMS, Body=body)).plain == body


LONG = "Grüße aus Köln, und bis nächste Woche! ☂☂☂ Wir sehen uns dann am Bahnhof."


@pytest.mark.parametrize("sid", [SID, MMS])
@pytest.mark.parametrize("lost", range(9))
def test_a_text_in_base64_is_read_wherever_the_carrier_cut_it(sid: str, lost: int) -> None:
    """Cut between bytes of a character, or between the four letters that stand for three bytes."""
    wrapped = base64.b64encode((LONG + "☂☂☂").encode()).decode()
    text = message(request(MessageSid=sid, Body=wrapped[: len(wrapped) - lost])).plain
    assert text.startswith(LONG)
    assert set(text.removeprefix(LONG)) <= {"☂"}


@pytest.mark.parametrize("data", ["{", "NaN", '{"a":NaN}', "[" * 5_000, '"x"', "null", "0"])
def test_form_answers_that_are_no_json_cost_nothing(data: str) -> None:
    assert isinstance(message(request(Body="x", FlowData=data)), InboundMessage)


def test_one_form_is_one_event_even_where_it_makes_no_sense() -> None:
    found = parse(request(Latitude="9" * 400, Longitude="1"))
    assert len(found) == 1
    assert isinstance(found[0], InboundMessage | InboundUnknown)


@pytest.mark.parametrize(
    "given",
    [
        request(b"&" * (MAX_FORM_FIELDS + 1)),
        request(b"a=" + b"x" * 300_000),
        request(b"&&&"),
        replace(request(b"{"), headers={"content-type": "application/json"}),
        replace(request(b"hello"), headers={"content-type": "text/plain"}),
    ],
)
def test_what_is_no_form_is_not_understood(given: RawRequest) -> None:
    with pytest.raises(NotUnderstood):
        parse(given)


@pytest.mark.parametrize("sid", ["SM1", "SM" + "1" * 33, "XX" + "1" * 32, f"{SID}NumMedia0", f" {SID}", "SM" + "g" * 32])
def test_a_message_id_that_is_none_of_twilios_is_no_message(sid: str) -> None:
    for status in ({}, {"MessageStatus": "sent"}):
        (found,) = parse(form({"MessageSid": sid, "Body": "x", **status}))
        assert isinstance(found, InboundUnknown)
        assert found.reason == "malformed"


@pytest.mark.parametrize("name", [f"SmsSid{SID}To", "Body hello", "from", "To+1555", "☂", "", "A" * 100])
def test_parameters_without_a_name_of_twilios_form_are_left_out(name: str) -> None:
    (found,) = parse(form({"Body": "x", name: "y"}))
    assert isinstance(found, InboundMessage)
    assert name not in found.raw


def test_the_same_unknown_event_has_the_same_id_and_another_has_another() -> None:
    def event_id(**fields: Any) -> str:
        return parse(request(urlencode(fields).encode()))[0].event_id

    assert event_id(CallSid="CA1", N=1) == event_id(CallSid="CA1", N=1) != event_id(CallSid="CA1", N=2)


# ------------------------------------------------------------------------------------------- which number was written to


@pytest.mark.parametrize("to", ["+15550002223", "15550002223", "72345", "rcs:acme_agent"])
def test_a_message_to_another_number_of_the_account_is_put_aside(to: str) -> None:
    """An answer from ours would come from a stranger: another number is another channel."""
    (found,) = parse(request(To=to, Body="hi"))
    assert isinstance(found, InboundUnknown)
    assert (found.reason, found.meant_for) == ("other_number", to)


@pytest.mark.parametrize("to", ["+15550002222", "15550002222", ""])
def test_our_own_number_is_known_in_each_form(to: str) -> None:
    assert isinstance(parse(request(To=to, Body="hi"))[0], InboundMessage)


def test_whoever_writes_under_a_name_may_be_written_to_at_any_number() -> None:
    named = ACCOUNT.model_copy(update={"number": "ACME"})
    assert isinstance(parse(request(To="+15550007777", Body="hi"), named)[0], InboundMessage)


SERVICE = "MG" + "1" * 32


@pytest.mark.parametrize(
    ("to", "by", "sender"),
    [
        ("+15550007777", SERVICE, [("MessagingServiceSid", SERVICE), ("From", "+15550007777")]),
        ("+15550002222", SERVICE, [("MessagingServiceSid", SERVICE), ("From", "+15550002222")]),
        ("72345", SERVICE, [("MessagingServiceSid", SERVICE), ("From", "72345")]),
        ("+15550007777", "", [("From", "+15550007777")]),  # not by the service: it may not have that number
        ("rcs:acme_agent", SERVICE, [("MessagingServiceSid", SERVICE)]),
        ("", "", [("MessagingServiceSid", SERVICE)]),
    ],
)
def test_with_a_service_the_answer_comes_from_the_number_that_was_written_to(
    to: str, by: str, sender: list[tuple[str, str]]
) -> None:
    account = ACCOUNT.model_copy(update={"messaging_service_sid": SERVICE})
    found = message(form({"To": to, "Body": "hi", **({"MessagingServiceSid": by} if by else {})}), account)
    memory = {key: value for key, value in found.remember.items() if value is not None}
    call = next(ADAPTER.send(say(text="hello", memory=memory), account, NOW))
    told = [(name, value) for name, value in parse_qsl(call.body.decode()) if name in ("From", "MessagingServiceSid")]
    assert told == sender


def test_a_message_by_another_service_is_put_aside() -> None:
    account = ACCOUNT.model_copy(update={"messaging_service_sid": SERVICE})
    (found,) = parse(request(Body="hi", MessagingServiceSid="MG" + "2" * 32), account)
    assert isinstance(found, InboundUnknown)
    assert (found.reason, found.meant_for) == ("other_number", "MG" + "2" * 32)


@pytest.mark.parametrize(("one", "other"), [("+5511987654321", "+551187654321"), ("+5491122223333", "+541122223333")])
def test_both_spellings_of_a_mobile_number_name_the_same_person(one: str, other: str) -> None:
    for given, spelt in ((one, other), (other, one)):
        person = message(request(From=given, Body="oi")).end_user
        assert (person.address, person.aliases) == (given, (spelt,)), "answers go to the number as it came"


@pytest.mark.parametrize("number", ["+551133334444", "+5511", "+15550001111", "+34600111222", "72345", "ACME", "+4911987654321"])
def test_a_number_with_one_spelling_stands_alone(number: str) -> None:
    assert message(request(From=number, Body="hi")).end_user.aliases == ()


def test_half_a_letter_in_a_form_s_answer_costs_that_letter_alone() -> None:
    found = message(request(Body="x", FlowData='{"name": "Ana \\ud83d"}'))
    (part,) = [one for one in found.parts if one.type == "choice"]
    assert part.fields == {"name": "Ana \ufffd"}
    found.model_dump_json()
