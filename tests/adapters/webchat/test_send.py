"""Deliveries to the chat service, played by hand."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters import standard_webhooks
from adapters.contract import HttpCall
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.text import prepare
from adapters.webchat import ADAPTER, wire
from tests.adapters.outgoing import play
from tests.adapters.webchat.account import ACCOUNT, BASE, HOOK, NOW, PICTURE, an_account, notice, reply, say, typing

TAKEN = reply(200, {"id": "m_x", "seq": 4})


def told(call: HttpCall) -> Any:
    """The delivery's body, once its signature holds."""
    standard_webhooks.check(dict(call.headers), call.body, ACCOUNT.secrets, NOW)
    return json.loads(call.body)


def test_a_text_goes_with_its_speaker_under_our_outbox_id() -> None:
    (call,), sent = play(ADAPTER.send(say(reply_to="m_3"), ACCOUNT, NOW), TAKEN)
    assert (call.method, call.url, call.visible, call.foreign) == ("POST", f"{BASE}/deliver", True, False)
    assert call.headers["webhook-id"] == "msg_7"
    assert told(call) == {
        "type": "message",
        "id": "msg_7",
        "to": "v_kim",
        "at": "2026-11-02T12:00:00+00:00",
        "from": {"kind": "rep", "name": "Ana", "avatar": "https://cdn.example.test/ana.png"},
        "text": "Hello, this is Ana.",
        "reply_to": "m_3",
    }
    assert sent.message_ids == ("m_x",)


def test_who_needs_no_naming_isnt_named_and_a_bot_is_told_apart() -> None:
    (call,), _ = play(ADAPTER.send(say(speaker=None, human=False), ACCOUNT, NOW), TAKEN)
    assert told(call)["from"] == {"kind": "bot", "name": None, "avatar": None}


def test_a_notice_is_an_event_of_its_own() -> None:
    (call,), _ = play(ADAPTER.send(notice(), ACCOUNT, NOW), TAKEN)
    assert told(call) == {
        "type": "notice",
        "id": "ntc_8",
        "to": "v_kim",
        "at": "2026-11-02T12:00:00+00:00",
        "code": "joined",
        "text": "Ana joined the chat.",
        "participant": {"kind": "rep", "name": "Ana", "avatar": "https://cdn.example.test/ana.png"},
    }


@pytest.mark.parametrize("on", [True, False])
def test_typing(on: bool) -> None:
    (call,), sent = play(ADAPTER.send(typing(on), ACCOUNT, NOW), reply(200, {"id": None, "seq": None}))
    assert told(call)["on"] is on
    assert sent.message_ids == ()


def test_a_files_bytes_go_first_and_its_caption_with_its_name() -> None:
    (message,) = prepare(say(file=PICTURE, text="like this?"), ADAPTER.capabilities)
    (upload, call), _ = play(ADAPTER.send(message, ACCOUNT, NOW), reply(200, {"id": "f_1"}), TAKEN)
    assert (upload.url, upload.body, upload.visible) == (f"{BASE}/deliver/file", PICTURE.content, False)
    standard_webhooks.check(dict(upload.headers), upload.body, ACCOUNT.secrets, NOW)
    delivery = told(call)
    assert delivery["file"] == {"id": "f_1", "name": "hinge.png", "mime_type": "image/png", "size_bytes": 8}
    assert delivery["text"] == "like this?"


def test_a_file_whose_bytes_arent_at_hand_goes_by_our_link() -> None:
    by_link = PICTURE.model_copy(update={"content": b""})
    (call,), _ = play(ADAPTER.send(say(file=by_link, text=None), ACCOUNT, NOW), TAKEN)
    assert told(call)["file"]["url"] == PICTURE.url


def test_every_try_is_the_same_delivery() -> None:
    (first,), _ = play(ADAPTER.send(say(), ACCOUNT, NOW), TAKEN)
    (second,), _ = play(ADAPTER.send(say(), ACCOUNT, NOW + timedelta(minutes=9)), TAKEN)
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


@pytest.mark.parametrize(
    ("status", "problem", "verdict", "code", "throttles"),
    [
        (404, "visitor_not_found", Verdict.dead, "recipient_unreachable", False),
        (401, "unauthenticated", Verdict.dead, "not_authorised", False),
        (404, "not_found", Verdict.dead, "account_fault", False),
        (409, "file_missing", Verdict.again, "provider_unavailable", False),
        (413, "too_large", Verdict.dead, "media_refused", False),
        (422, "invalid_input", Verdict.dead, "content_refused", False),
        (429, "rate_limited", Verdict.again, "rate_limited", True),
        (503, "unavailable", Verdict.again, "provider_unavailable", False),
        (500, None, Verdict.again, "provider_unavailable", False),
        (400, None, Verdict.dead, "refused", False),
    ],
)
def test_refusals(status: int, problem: str | None, verdict: Verdict, code: str, throttles: bool) -> None:
    with pytest.raises(SendFailed) as failed:
        play(ADAPTER.send(say(), ACCOUNT, NOW), reply(status, {"code": problem} if problem else ["?"]))
    assert (failed.value.verdict, failed.value.code, failed.value.throttles_account) == (verdict, code, throttles)


def test_retry_after_is_obeyed() -> None:
    with pytest.raises(SendFailed) as failed:
        play(ADAPTER.send(say(), ACCOUNT, NOW), reply(503, {"code": "unavailable"}, retry_after="7"))
    assert failed.value.again_at == NOW + timedelta(seconds=7)


def test_without_a_base_the_service_stands_beside_the_webhook() -> None:
    (call,), _ = play(ADAPTER.send(say(), an_account(api_base=""), NOW), TAKEN)
    assert call.url == f"{HOOK.removesuffix('/webhooks/web1')}/chat/web1/deliver"


PART = MediaPart(media="image", mime_type="image/png", name="hinge.png", source={"file_id": "f_1"})


def test_a_visitors_file_is_fetched_by_a_link_that_we_sign() -> None:
    (call,), fetched = play(ADAPTER.media(PART, ACCOUNT, NOW), reply(200, "bytes"))
    path, _, query = call.url.partition("?")
    assert path == f"{BASE}/files/f_1"
    wire.check_file_query(ACCOUNT.secrets, "web1", "f_1", dict(pair.split("=") for pair in query.split("&")), NOW)
    assert (fetched.content, fetched.mime_type, fetched.name) == (b'"bytes"', "image/png", "hinge.png")


@pytest.mark.parametrize(("status", "verdict", "code"), [(404, "dead", "media_gone"), (503, "again", "provider_unavailable")])
def test_a_file_that_cant_be_fetched(status: int, verdict: str, code: str) -> None:
    with pytest.raises(SendFailed) as failed:
        play(ADAPTER.media(PART, ACCOUNT, NOW), reply(status, {"code": "file_not_found"}))
    assert (failed.value.verdict, failed.value.code) == (verdict, code)
