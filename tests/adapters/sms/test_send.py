"""Sending, played by hand: what is asked of Twilio, and what its answers mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from adapters._twilio.failures import MEANINGS
from adapters.conformance import NOW
from adapters.contract import HttpCall, HttpReply, Sent
from adapters.envelope import Address, ChannelId, Notice, OutboundFile, Say, Speaker, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import CODES
from adapters.sms import ADAPTER
from adapters.sms.account import TwilioAccount
from adapters.text import prepare
from tests.adapters.sms.account import ACCOUNT

PHOTO = OutboundFile(
    name="hinge.jpg", mime_type="image/jpeg", size_bytes=9, url="https://gw.example.net/files/1?s=x", content=b"x"
)
COMMON: dict[str, Any] = {
    "channel_id": ChannelId("sms"),
    "to": Address("+15550001111"),
    "retry_key": "0f3b6d62-6c3e-4a39-9a3f-000000000001",
    "created_at": NOW,
}


def say(**more: Any) -> Say:
    return Say(**{"id": "msg_018f", **COMMON, **more})


def first_call(message: Any, account: TwilioAccount = ACCOUNT) -> HttpCall:
    return next(ADAPTER.send(message, account, NOW))


def form(call: HttpCall) -> list[tuple[str, str]]:
    return parse_qsl(call.body.decode(), keep_blank_values=True)


def answered(message: Any, reply: HttpReply) -> Sent:
    flow = ADAPTER.send(message, ACCOUNT, NOW)
    next(flow)
    return ended(flow, reply)


def ended(flow: Generator[HttpCall, HttpReply, Sent], reply: HttpReply) -> Sent:
    with pytest.raises(StopIteration) as end:
        flow.send(reply)
    sent = end.value.value
    assert isinstance(sent, Sent)
    return sent


def refused(status: int, code: object = None, **headers: str) -> SendFailed:
    body = json.dumps({"code": code, "message": "no", "more_info": "", "status": status}).encode() if code else b"<html>"
    flow = ADAPTER.send(say(text="hi"), ACCOUNT, NOW)
    next(flow)
    with pytest.raises(SendFailed) as error:
        flow.send(HttpReply(status, headers, body))
    return error.value


def test_a_text_is_one_form() -> None:
    call = first_call(say(text="Ana: your part ships today ☂"))
    assert (call.method, call.visible) == ("POST", True)
    assert call.url == "https://api.twilio.com/2010-04-01/Accounts/AC10000000000000000000000000000001/Messages.json"
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (
        base64.b64decode(call.headers["authorization"].removeprefix("Basic "))
        == b"AC10000000000000000000000000000001:test_auth_token"
    )
    assert form(call) == [
        ("To", "+15550001111"),
        ("From", "+15550002222"),
        ("Body", "Ana: your part ships today ☂"),
        ("StatusCallback", "https://gw.example.net/webhooks/sms/status?m=msg_018f#rc=5&rp=all"),
    ]


def test_sent_has_the_sid() -> None:
    sent = answered(say(text="hi"), HttpReply(201, {}, b'{"sid": "SM0c", "status": "queued", "error_code": null}'))
    assert sent.message_ids == ("SM0c",)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"sid": 7}'])
def test_taken_with_an_answer_that_says_nothing_is_sent_all_the_same(body: bytes) -> None:
    assert answered(say(text="hi"), HttpReply(201, {}, body)).message_ids == ()


def test_a_picture_and_its_text_are_one_mms() -> None:
    assert form(first_call(say(text="Ana: here", file=PHOTO)))[2:4] == [("Body", "Ana: here"), ("MediaUrl", PHOTO.url)]


def test_a_picture_alone_has_no_body() -> None:
    assert [name for name, _ in form(first_call(say(file=PHOTO)))] == ["To", "From", "MediaUrl", "StatusCallback"]


def test_no_mms_goes_abroad_so_a_link_does() -> None:
    call = first_call(say(text="Ana: here", file=PHOTO, to=Address("+34600111222")))
    assert dict(form(call))["Body"] == "Ana: here\nhinge.jpg: https://gw.example.net/files/1?s=x"
    assert "MediaUrl" not in dict(form(call))
    alone = first_call(say(file=PHOTO, to=Address("+34600111222")))
    assert dict(form(alone))["Body"] == "hinge.jpg: https://gw.example.net/files/1?s=x"


@pytest.mark.parametrize(
    ("mime_type", "size", "carried"),
    [
        ("image/jpeg", 5_000_000, True),
        ("image/jpeg", 5_000_001, False),
        ("application/pdf", 500_000, True),
        ("application/pdf", 500_001, False),
        ("text/vcard; charset=utf-8", 1_000, True),
        ("application/zip", 10, False),
        ("video/mp4", 400_000, True),
    ],
)
def test_a_file_that_twilio_would_refuse_goes_as_a_link(mime_type: str, size: int, carried: bool) -> None:
    file = PHOTO.model_copy(update={"mime_type": mime_type, "size_bytes": size})
    parts = prepare(say(text="here", file=file, speaker=Speaker(id="ana", name="Ana")), ADAPTER.capabilities)
    assert [part.file is not None for part in parts] == [carried]
    assert parts[0].text == ("Ana: here" if carried else f"Ana: here\nhinge.jpg: {PHOTO.url}")


def test_a_long_text_is_split_below_the_limit() -> None:
    parts = prepare(say(text="👩‍👩‍👧‍👦 " * 500, speaker=Speaker(id="ana", name="Ana")), ADAPTER.capabilities)
    assert all(len((part.text or "").encode("utf-16-le")) // 2 <= 1_600 for part in parts)
    assert [(part.text or "").startswith("Ana: ") for part in parts] == [True] + [False] * (len(parts) - 1)


def test_a_notice_is_a_plain_text_with_its_id_in_the_callback() -> None:
    notice = Notice(**{"id": "ntc_1", **COMMON}, code="joined", text="Ana joined")
    fields = dict(form(first_call(notice)))
    assert fields["Body"] == "Ana joined"
    assert fields["StatusCallback"].startswith("https://gw.example.net/webhooks/sms/status?m=ntc_1#")


def test_typing_can_not_be_shown() -> None:
    with pytest.raises(Unsupported):
        first_call(TypingSignal(**{"id": "typ_1", **COMMON}, on=True))


def test_a_service_picks_the_sender() -> None:
    service = ACCOUNT.model_copy(update={"messaging_service_sid": "MG1"})
    assert form(first_call(say(text="hi"), service))[1] == ("MessagingServiceSid", "MG1")


def test_an_api_key_calls_instead_of_the_token() -> None:
    keyed = ACCOUNT.model_copy(update={"api_key_sid": "SK1", "api_key_secret": SecretStr("key_secret")})
    assert (
        base64.b64decode(first_call(say(text="hi"), keyed).headers["authorization"].removeprefix("Basic ")) == b"SK1:key_secret"
    )


def test_the_first_of_two_tokens_is_used() -> None:
    both = ACCOUNT.model_copy(update={"auth_tokens": (SecretStr("new"), SecretStr("old"))})
    assert base64.b64decode(first_call(say(text="hi"), both).headers["authorization"].removeprefix("Basic ")).endswith(b":new")


def test_how_long_a_message_may_wait_and_retries_are_settings() -> None:
    account = ACCOUNT.model_copy(update={"validity_seconds": 600, "connection_overrides": ""})
    fields = dict(form(first_call(say(text="hi"), account)))
    assert fields["ValidityPeriod"] == "600"
    assert fields["StatusCallback"] == "https://gw.example.net/webhooks/sms/status?m=msg_018f"


def test_opt_out_by_surprise_nothing_is_sent_after_stop() -> None:
    """With a service Twilio says 21610 only later; what we know already is refused before any call."""
    with pytest.raises(SendFailed) as error:
        first_call(say(text="hi", memory={"opted_out": True}))
    assert (error.value.verdict, error.value.code) == (Verdict.dead, "opted_out")
    assert first_call(say(text="hi", memory={"opted_out": None, "last_sid": "SM1"})).method == "POST"


def test_opt_out_that_twilio_tells_is_remembered() -> None:
    error = refused(400, 21610)
    assert (error.code, dict(error.remember)) == ("opted_out", {"opted_out": True})


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_every_code_of_the_table_has_a_sentence(code: str) -> None:
    error = refused(400, int(code))
    assert (error.verdict, error.code, error.provider_code) == (MEANINGS[code].verdict, MEANINGS[code].code, code)
    assert error.code in CODES


@pytest.mark.parametrize(
    ("status", "code", "verdict", "meaning", "throttles"),
    [
        (429, 20429, Verdict.again, "rate_limited", True),
        (429, None, Verdict.again, "rate_limited", True),
        (401, 20003, Verdict.dead, "not_authorised", False),
        (403, None, Verdict.dead, "not_authorised", False),
        (404, 20404, Verdict.dead, "account_fault", False),
        (400, 21211, Verdict.dead, "recipient_unreachable", False),
        (400, 21610, Verdict.dead, "opted_out", False),
        (400, 21617, Verdict.dead, "too_long", False),
        (400, 21606, Verdict.dead, "account_fault", False),
        (400, 21408, Verdict.dead, "account_fault", False),
        (400, 30007, Verdict.dead, "filtered", False),
        (400, 77777, Verdict.dead, "refused", False),
        (400, "21211", Verdict.dead, "refused", False),
        (400, True, Verdict.dead, "refused", False),
        (503, None, Verdict.again, "provider_unavailable", False),
        (500, 20500, Verdict.unknown, "no_answer", False),
        (500, None, Verdict.unknown, "no_answer", False),
        (502, None, Verdict.unknown, "no_answer", False),
        (504, 99999, Verdict.unknown, "no_answer", False),
    ],
)
def test_what_refusals_mean(status: int, code: object, verdict: Verdict, meaning: str, throttles: bool) -> None:
    error = refused(status, code)
    assert (error.verdict, error.code, error.throttles_account) == (verdict, meaning, throttles)


def test_retry_after_is_obeyed() -> None:
    assert refused(429, 20429, **{"retry-after": "7"}).again_at == NOW + timedelta(seconds=7)
    assert refused(400, 30001).again_at == NOW + timedelta(minutes=1)


def test_no_second_try_that_could_double_a_message() -> None:
    """Twilio has no idempotency key: after a crash in the middle of a send only the status callback tells."""
    assert ADAPTER.capabilities.retry_key is False
    assert ADAPTER.retry_safe is None
