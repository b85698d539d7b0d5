"""An open channel beyond what every channel must do: trying out, sending, files, refusals, and its server's own side."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import standard_webhooks
from adapters.conformance import PICTURE as DOT
from adapters.conformance import World, as_request
from adapters.contract import HttpReply
from adapters.envelope import InboundEnded, InboundReceipt, InboundUnknown, MediaPart
from adapters.errors import NotAuthentic, SendFailed, Verdict
from adapters.open import ADAPTER, OpenAccount
from adapters.open.inbound import handshake, parse, verify
from adapters.open.outbound import media, send
from adapters.simulation import Action, CannotAct
from tests.adapters.open.account import ACCOUNT, NOW, PICTURE, SECRET, SERVER, an_account, notice, reply, request, say, typing
from tests.adapters.open.suite import SUITE
from tests.adapters.outgoing import play

# ------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"secrets": []}, "secrets"),
        ({"secrets": ["short"]}, "shorter than 16 bytes"),
        ({"secrets": ["whsec_not base64!!!!!!!!!!!!!!!"]}, "no base64"),
        ({"deliver_url": "shop.example.test/byoc"}, "deliver_url"),
        ({"deliver_secrets": ["whsec_####"]}, "no base64"),
    ],
)
def test_faulty_settings_are_told_without_the_secret(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError) as caught:
        an_account(**changes)
    assert word in str(caught.value)
    assert "####" not in str(caught.value)
    assert "base64!!!" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------- in


def test_the_published_vector_of_standard_webhooks() -> None:
    """Source: Standard Webhooks, the example that its reference libraries share."""
    given = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert standard_webhooks.signature(*given) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_request_signed_too_long_ago_or_ahead_is_refused(seconds: int) -> None:
    with pytest.raises(NotAuthentic):
        verify(request({"type": "typing", "from": "kim-17"}), ACCOUNT, NOW + timedelta(seconds=seconds))
    verify(request({"type": "typing", "from": "kim-17"}), ACCOUNT, NOW + timedelta(seconds=seconds // 2))


def test_an_event_sent_again_under_the_same_id_is_the_same_event() -> None:
    first, again = (
        parse(request({"type": "message", "from": "kim-17", "text": "x"}, at=at), ACCOUNT)
        for at in (NOW, NOW + timedelta(days=3))
    )
    assert [one.event_id for one in first] == [one.event_id for one in again] == ["req_1"]


def test_an_id_named_twice_in_a_batch_is_one_event() -> None:
    event = {"type": "message", "id": "ev_1", "from": "kim-17", "text": "x"}
    assert len(parse(request({"events": [event, event]}), ACCOUNT)) == 1


def test_what_we_post_is_no_event_when_it_comes_back() -> None:
    """Both directions may share a secret: a post of ours that is thrown back at us is authentic, and still nothing a customer said."""
    (call,), _ = play(send(say(), ACCOUNT, NOW), reply())
    thrown = request(call.body, request_id="msg_7")
    verify(thrown, ACCOUNT, NOW)
    (_event,) = parse(thrown, ACCOUNT)


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ({"type": "message", "text": "x"}, "from: an object with an id is required, or the id itself"),
        ({"type": "message", "from": {"name": "Kim"}, "text": "x"}, "from.id: a text is needed"),
        ({"type": "message", "from": "k" * 256, "text": "x"}, "from.id: at most 255 characters"),
        ({"type": "message", "from": "kim"}, "text: a message needs a text, files, location, contact, choice, sticker or other"),
        ({"type": "message", "from": "kim", "files": [{"url": "ftp://x/y"}]}, "files.0: url: an http(s) address is required"),
        ({"type": "message", "from": "kim", "files": [{"url": "http://["}]}, "files.0: url: an http(s) address is required"),
        (
            {"type": "message", "from": "kim", "location": {"latitude": 91, "longitude": 0}},
            "location: latitude must be within ±90",
        ),
        ({"type": "message", "from": "kim", "contact": "Leo"}, "contact: an object is required"),
        ({"type": "receipt", "from": "kim", "ids": ["msg_7"]}, "status: one of sent, delivered, read, failed is required"),
        ({"type": "receipt", "from": "kim", "status": "read"}, "ids: the ids of our messages are required"),
        ({"type": "ended", "from": "kim", "reason": "bored"}, "reason: one of ended, closed, blocked, opted_out is required"),
        ({"type": "edit", "from": "kim", "text": "x"}, "message_id: a text is needed"),
        ({"type": "coffee", "from": "kim"}, "type: 'coffee' is none of message, receipt"),
        ({"from": "kim"}, "type: a text is needed"),
    ],
)
def test_trying_out_tells_what_is_wrong(event: dict[str, Any], fault: str) -> None:
    answer = handshake(request(event, path="/check"), ACCOUNT)
    assert answer is not None
    assert answer.status == 422
    (told,) = json.loads(answer.body)["faults"]
    assert fault in told["fault"]
    (kept,) = parse(request(event), ACCOUNT)
    assert isinstance(kept, InboundUnknown)


def test_trying_out_needs_the_proof_too() -> None:
    unsigned = request({"type": "typing", "from": "kim"}, path="/check")
    unsigned.headers = {}
    with pytest.raises(NotAuthentic):
        handshake(unsigned, ACCOUNT)


def test_trying_out_broken_json_tells_so() -> None:
    answer = handshake(request(b"{", path="/check"), ACCOUNT)
    assert answer is not None
    assert "not JSON" in json.loads(answer.body)["faults"][0]["fault"]


# ------------------------------------------------------------------------------------------------------ out


def test_a_message_is_one_signed_post_under_our_id() -> None:
    (call,), sent = play(send(say(file=PICTURE, reply_to="kim-17/m_1"), ACCOUNT, NOW), reply())
    assert (call.method, call.url, call.visible) == ("POST", SERVER, True)
    assert json.loads(call.body) == {
        "type": "message",
        "id": "msg_7",
        "to": "kim-17",
        "at": "2026-11-02T12:00:00Z",
        "text": "Hello, this is Ana.",
        "file": {"name": "hinge.png", "mime_type": "image/png", "size_bytes": 8, "url": "https://gw.example.test/media/1"},
        "reply_to": "m_1",
        "human": True,
        "from": {"name": "Ana", "avatar_url": "https://cdn.example.test/ana.png"},
    }
    assert standard_webhooks.check(call.headers, call.body, ACCOUNT.secrets, NOW) == "msg_7"
    assert sent.message_ids == ("msg_7",)


def test_notices_and_typing_have_forms_of_their_own() -> None:
    (call,), _ = play(send(notice(), ACCOUNT, NOW), reply())
    told = json.loads(call.body)
    assert (told["type"], told["code"], told["text"], told["about"]["name"]) == (
        "notice",
        "joined",
        "Ana joined the chat.",
        "Ana",
    )
    (call,), _ = play(send(typing(), ACCOUNT, NOW), reply())
    assert json.loads(call.body)["on"] is True
    assert not call.visible


def test_while_secrets_rotate_a_post_is_signed_by_all_of_them() -> None:
    new = "whsec_" + "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3"
    (call,), _ = play(send(say(), an_account(secrets=[new, SECRET]), NOW), reply())
    for known in (new, SECRET):
        standard_webhooks.check(call.headers, call.body, an_account(secrets=[known]).secrets, NOW)


def test_the_other_direction_may_have_secrets_of_its_own() -> None:
    account = an_account(deliver_secrets=["another-secret-for-that-way"])
    (call,), _ = play(send(say(), account, NOW), reply())
    standard_webhooks.check(call.headers, call.body, account.deliver_secrets, NOW)
    with pytest.raises(NotAuthentic):
        standard_webhooks.check(call.headers, call.body, account.secrets, NOW)


def test_409_means_that_an_earlier_try_was_taken() -> None:
    _, sent = play(send(say(), ACCOUNT, NOW), reply(409))
    assert sent.message_ids == ("msg_7",)


@pytest.mark.parametrize(
    ("answer", "verdict", "code"),
    [
        (reply(422, {"code": "blocked"}), Verdict.dead, "blocked"),
        (reply(422, {"code": "opted_out"}), Verdict.dead, "opted_out"),
        (reply(422, {"code": "outside_window"}), Verdict.dead, "outside_window"),
        (reply(400, {"code": "made up"}), Verdict.dead, "refused"),
        (reply(400), Verdict.dead, "refused"),
        (reply(302, location="https://elsewhere.example.test/"), Verdict.dead, "refused"),
        (reply(401), Verdict.dead, "not_authorised"),
        (reply(404), Verdict.dead, "refused"),
        (reply(429), Verdict.again, "rate_limited"),
        (reply(400, {"code": "rate_limited"}), Verdict.again, "rate_limited"),
        (reply(503), Verdict.again, "provider_unavailable"),
        (reply(500, [1]), Verdict.again, "provider_unavailable"),
        (HttpReply(502, {}, b"<html>"), Verdict.again, "provider_unavailable"),
        (reply(422, {"code": "quota_exhausted"}), Verdict.again, "quota_exhausted"),
    ],
)
def test_refusals(answer: HttpReply, verdict: Verdict, code: str) -> None:
    with pytest.raises(SendFailed) as caught:
        play(send(say(), ACCOUNT, NOW), answer)
    assert (caught.value.verdict, caught.value.code) == (verdict, code)


def test_a_server_that_asks_to_wait_is_obeyed_and_slows_its_own_account_alone() -> None:
    with pytest.raises(SendFailed) as caught:
        play(send(say(), ACCOUNT, NOW), reply(429, retry_after="7"))
    assert caught.value.again_at == NOW + timedelta(seconds=7)
    assert caught.value.throttles_account


# ---------------------------------------------------------------------------------------------------- files

FILE = MediaPart(media="image", name="a.png", source={"url": "https://shop.example.test/a.png"})


def test_a_file_is_fetched_as_from_a_stranger() -> None:
    (call,), fetched = play(media(FILE, ACCOUNT, NOW), HttpReply(200, {"content-type": "image/png; x=y"}, b"bytes"))
    assert (call.method, call.url, call.foreign, dict(call.headers)) == ("GET", "https://shop.example.test/a.png", True, {})
    assert (fetched.content, fetched.mime_type, fetched.name) == (b"bytes", "image/png", "a.png")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(404, Verdict.dead), (403, Verdict.dead), (410, Verdict.dead), (503, Verdict.again), (202, Verdict.again)],
)
def test_a_file_that_is_not_there(status: int, verdict: Verdict) -> None:
    with pytest.raises(SendFailed) as caught:
        play(media(FILE, ACCOUNT, NOW), HttpReply(status))
    assert caught.value.verdict is verdict


# ------------------------------------------------------------------------------------------------ the server


def world() -> World:
    made = World(SUITE)
    made.says_text("hello")
    return made


def test_what_is_delivered_and_read_comes_back_as_receipts() -> None:
    there = world()
    seen: list[InboundReceipt] = []

    def settle(calls: Any) -> None:
        seen.extend(one for call in calls for one in there.understood(call) if isinstance(one, InboundReceipt))
        there.settle(calls)

    flow = ADAPTER.send(there.say(text="good day"), ACCOUNT, NOW)
    outcome = there.simulator.handle(there.as_request(next(flow)), NOW)
    settle(outcome.calls)
    settle(there.simulator.act(Action(kind="read", customer="kim"), NOW).calls)
    assert [(one.status, one.outbox_id) for one in seen] == [("delivered", "msg_1"), ("read", "msg_1")]


def test_a_phone_that_is_offline_gets_it_later() -> None:
    there = world()
    there.act(Action(kind="offline", customer="kim"))
    there.send(there.say(text="later"))
    assert "later" not in [line.text for line in there.handset()]
    with pytest.raises(CannotAct):
        there.act(Action(kind="say", customer="kim", text="no"))
    calls = there.act(Action(kind="online", customer="kim"))
    assert [line.text for line in there.handset()][-1] == "later"
    assert [one.kind for call in calls for one in there.understood(call)] == ["receipt"]


def test_blocking_ends_the_session_and_nothing_more_gets_through() -> None:
    there = world()
    (call,) = there.act(Action(kind="block", customer="kim"))
    (ended,) = there.understood(call)
    assert isinstance(ended, InboundEnded)
    assert ended.reason == "blocked"
    with pytest.raises(SendFailed) as caught:
        there.send(there.say(text="hello?"))
    assert (caught.value.verdict, caught.value.code) == (Verdict.dead, "blocked")
    there.act(Action(kind="unblock", customer="kim"))
    there.send(there.say(text="hello again"))


def test_the_same_post_twice_is_shown_once() -> None:
    there = world()
    once = there.say(text="once")
    there.send(once, once)
    assert [line.text for line in there.handset()].count("once") == 1


def test_a_500_after_it_was_taken_shows_it_once_when_it_is_tried_again() -> None:
    there = world()
    there.act(
        Action(
            kind="say",
            customer="kim",
            text="x",
            details={"mischief": [{"status": 500, "taken": True}, {"status": 429, "retry_after": 3}]},
        )
    )
    message = there.say(text="once")
    for code in ("provider_unavailable", "rate_limited"):
        with pytest.raises(SendFailed) as caught:
            there.send(message)
        assert caught.value.code == code
    there.send(message)
    assert [line.text for line in there.handset()].count("once") == 1


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Action(kind="location", customer="kim", details={"latitude": 1.5, "longitude": 2}), "message"),
        (Action(kind="contact", customer="kim", text="Leo Paz"), "message"),
        (Action(kind="sticker", customer="kim", text="ok"), "message"),
        (Action(kind="choose", customer="kim", details={"id": "y", "title": "Yes"}), "message"),
        (Action(kind="react", customer="kim", target="m1", text="👍"), "reaction"),
        (Action(kind="edit", customer="kim", target="m1", text="hello!"), "edit"),
        (Action(kind="unsend", customer="kim", target="m1"), "deletion"),
        (Action(kind="typing", customer="kim"), "typing"),
        (Action(kind="end", customer="kim"), "ended"),
    ],
    ids=lambda value: value.kind if isinstance(value, Action) else "",
)
def test_everything_that_a_customer_can_do_is_understood(action: Action, kind: str) -> None:
    there = world()
    (call,) = there.act(action)
    (event,) = there.understood(call)
    assert event.kind == kind


def test_what_can_not_be_done_changes_nothing() -> None:
    there = world()
    before = there.handset()
    for action in (
        Action(kind="say", customer="kim"),
        Action(kind="edit", customer="kim", target="m9", text="x"),
        Action(kind="say", customer="kim", text="x", details={"times": "many"}),
        Action(kind="say", customer="kim", text="x", details={"mischief": [{"colour": 1}]}),
    ):
        with pytest.raises(CannotAct):
            there.act(action)
    assert there.handset() == before


def test_a_webhook_that_fails_is_sent_again_with_the_same_id() -> None:
    there = world()
    (call,) = there.simulator.act(Action(kind="say", customer="kim", text="again"), NOW).calls
    (again,) = there.simulator.settled(call, None, NOW)
    assert (again.body, again.headers, again.attempt) == (call.body, call.headers, 2)
    assert again.delay_seconds > 0
    first, second = (ADAPTER.parse(as_request(one, ACCOUNT, NOW), ACCOUNT)[0].event_id for one in (call, again))
    assert first == second


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text": "x" * 10_001}, 422),
        ({"colour": "red"}, 400),
        ({"type": "song"}, 400),
        ({"id": "msg_other"}, 400),
        ({"to": "nobody"}, 422),
        ({"text": ""}, 422),
    ],
)
def test_the_server_refuses_what_the_page_does_not_promise(change: dict[str, Any], status: int) -> None:
    there = world()
    event = {
        "type": "message",
        "id": "msg_1",
        "to": "user-kim",
        "at": "2026-11-02T12:00:00Z",
        "text": "x",
        "human": True,
        **change,
    }
    body = json.dumps(event).encode()
    headers = standard_webhooks.signed_headers(ACCOUNT.secrets, "msg_1", body, NOW) | {"content-type": "application/json"}
    made = there.as_request(next(ADAPTER.send(there.say(text="x"), ACCOUNT, NOW)))
    made.body, made.headers = body, headers
    assert there.simulator.handle(made, NOW).answer.status == status


def test_the_demo_has_a_sound_account() -> None:
    settings = ADAPTER.demo("open", "http://127.0.0.1:1/sim/open", "http://127.0.0.1:1/webhooks/open")
    OpenAccount.model_validate({**settings, "channel_id": "open", "webhook_url": "http://127.0.0.1:1/webhooks/open"})
    assert DOT.mime_type == "image/png"
