"""Telegram does what every channel must, by the kit, and what is Telegram's own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from byoc_telegram import ADAPTER
from byoc_telegram.suite import SUITE

from adapters.conformance import NOW, Check, World
from adapters.contract import HttpReply
from adapters.envelope import Say, TypingSignal
from adapters.errors import SendFailed, Verdict
from adapters.simulation import Action

ACCOUNT = SUITE.account


@pytest.mark.parametrize("check", SUITE.checks(), ids=str)
def test_conformance(check: Check) -> None:
    check.run()


def test_the_secret_proves_the_caller_and_binds_nothing_of_the_request() -> None:
    """Telegram signs nothing, so an update is as trustworthy as the connection that it came over."""
    request = SUITE.sign(SUITE.events[0].request, ACCOUNT)
    ADAPTER.verify(replace(request, body=b'{"update_id": 1}'), ACCOUNT, NOW)


def there() -> World:
    world = World(SUITE)
    world.says_text("hello")
    return world


def refusal(status: int, description: str, **parameters: int) -> SendFailed:
    """What a send ends in when Telegram answers that."""
    flow = ADAPTER.send(there().say(text="hello"), ACCOUNT, NOW)
    next(flow)
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    with pytest.raises(SendFailed) as caught:
        flow.send(HttpReply(status, {}, json.dumps(body).encode()))
    return caught.value


@pytest.mark.parametrize(
    ("status", "description", "verdict", "code"),
    [
        (403, "Forbidden: bot was blocked by the user", Verdict.dead, "blocked"),
        (403, "Forbidden: user is deactivated", Verdict.dead, "recipient_unreachable"),
        (403, "Forbidden: bot can't initiate conversation with a user", Verdict.dead, "recipient_unreachable"),
        (400, "Bad Request: chat not found", Verdict.dead, "recipient_unreachable"),
        (400, "Bad Request: message is too long", Verdict.dead, "too_long"),
        (400, "Bad Request: something new", Verdict.dead, "refused"),
        (401, "Unauthorized", Verdict.dead, "not_authorised"),
        (413, "Request Entity Too Large", Verdict.dead, "media_refused"),
        (502, "Bad Gateway", Verdict.again, "provider_unavailable"),
    ],
)
def test_refusals(status: int, description: str, verdict: Verdict, code: str) -> None:
    failed = refusal(status, description)
    assert (failed.verdict, failed.code) == (verdict, code)


def test_the_time_to_wait_stands_in_the_body() -> None:
    failed = refusal(429, "Too Many Requests: retry after 7", retry_after=7)
    assert (failed.code, failed.again_at, failed.throttles_account) == ("rate_limited", NOW + timedelta(seconds=7), True)


def test_the_token_is_in_the_address_and_in_no_repr() -> None:
    call = next(ADAPTER.send(there().say(text="hello"), ACCOUNT, NOW))
    assert call.url == "https://api.telegram.org/bot1000:a-token-for-tests/sendMessage"
    assert "a-token-for-tests" not in repr(call)


def test_an_answer_quotes_the_message_by_its_number() -> None:
    world = there()
    call = next(ADAPTER.send(world.say(text="this one", reply_to=f"{world.address}/1"), ACCOUNT, NOW))
    assert json.loads(call.body)["reply_parameters"] == {"message_id": 1, "allow_sending_without_reply": True}


def test_a_document_goes_up_with_its_words() -> None:
    world = there()
    file: dict[str, Any] = {
        "name": "a.pdf",
        "mime_type": "application/pdf",
        "size_bytes": 4,
        "url": "https://x.test",
        "content": b"%PDF",
    }
    say = Say.model_validate({**world.say(text="the bill").model_dump(), "file": file})
    call = next(ADAPTER.send(say, ACCOUNT, NOW))
    assert call.url.endswith("/sendDocument")
    assert (dict(call.fields), call.files[0].content) == ({"chat_id": world.address, "caption": "the bill"}, b"%PDF")


def test_an_answer_after_blocking_is_dead_and_the_session_ends() -> None:
    world = there()
    (call,) = world.act(Action(kind="block", customer="kim"))
    assert [one.kind for one in world.understood(call)] == ["ended"]
    with pytest.raises(SendFailed, match="blocked"):
        world.send(world.say(text="hello?"))


def test_typing_is_a_chat_action_and_has_no_end() -> None:
    world = there()
    on = {**world.say().model_dump(exclude={"kind", "text", "file", "speaker", "reply_to"}), "kind": "typing"}
    assert json.loads(next(ADAPTER.send(TypingSignal(**on, on=True), ACCOUNT, NOW)).body)["action"] == "typing"
    with pytest.raises(StopIteration):
        next(ADAPTER.send(TypingSignal(**on, on=False), ACCOUNT, NOW))


@pytest.mark.parametrize("kind", ["contact", "location", "sticker", "choose", "edit"])
def test_what_a_customer_does_is_understood(kind: Any) -> None:
    details: dict[str, Any] = {
        "contact": {"first_name": "Leo", "phone_number": "+34600000000"},
        "location": {"latitude": 1.5, "longitude": 2},
        "sticker": {"file_id": "CAAC", "emoji": "👍"},
        "choose": {"id": "yes"},
    }
    world = there()
    (call,) = world.act(
        Action(kind=kind, customer="kim", target="1" if kind == "edit" else None, text="x", details=details.get(kind, {}))
    )
    assert [one.kind for one in world.understood(call)] == ["edit" if kind == "edit" else "message"]
