"""What Instagram has otherwise than Messenger; what they share is tested there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.conformance import World
from adapters.contract import HttpCall, HttpReply
from adapters.envelope import EndUser, OutboundFile
from adapters.errors import SendFailed
from adapters.instagram import ADAPTER
from adapters.instagram.inbound import parse
from adapters.instagram.outbound import profile, send
from adapters.instagram.wire import plain_name
from adapters.simulation import Action, CannotAct
from adapters.text import measure, prepare
from tests.adapters.instagram.account import ANA, KIM, NOW, PHOTO, account, event, events, notice, request, say, typing
from tests.adapters.instagram.suite import SUITE
from tests.adapters.outgoing import play

OK = HttpReply(200, {}, b'{"recipient_id":"6100000000000001","message_id":"m_OUT"}')
UPLOADED = HttpReply(200, {}, b'{"attachment_id":"98001"}')


@pytest.fixture
def world() -> World:
    world = World(SUITE)
    world.says_text("hola")
    return world


def body(call: HttpCall) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(call.body)
    return loaded


def test_messages_go_by_the_page_or_by_instagram_login() -> None:
    (call,), _ = play(send(say("Hi"), account(), NOW), OK)
    assert call.url == "https://graph.facebook.com/v25.0/101000000000009/messages"
    login = account(page_id=None, api_base="https://graph.instagram.com")
    (call,), _ = play(send(say("Hi"), login, NOW), OK)
    assert call.url == "https://graph.instagram.com/v25.0/me/messages"


def test_no_persona_is_made() -> None:
    (call,), sent = play(send(say("Ana: Hi", speaker=ANA), account(), NOW), OK)
    assert body(call) == {
        "recipient": {"id": KIM},
        "messaging_type": "RESPONSE",
        "message": {"text": "Ana: Hi", "metadata": "msg_1"},
    }
    assert sent.remember == {}
    (_, dots), _ = play(send(typing(speaker=ANA), account(), NOW), OK, OK)
    assert "persona_id" not in body(dots)


def test_texts_are_split_at_a_thousand_bytes() -> None:
    parts = prepare(say("ñ☂ " * 300, speaker=ANA), ADAPTER.capabilities)
    assert len(parts) == 2
    assert all(measure(part.text or "", "bytes") <= 1000 for part in parts)


def test_uploads_say_instagram_and_names_are_ascii() -> None:
    file = PHOTO.model_copy(update={"name": "góznę ☂.png"})
    (upload, message), _ = play(send(say(file=file), account(), NOW), UPLOADED, OK)
    assert upload.fields["platform"] == "instagram"
    assert upload.files[0].name == "g_zn.png"
    assert body(message)["message"]["attachment"]["payload"] == {"attachment_id": "98001"}


@pytest.mark.parametrize(
    ("name", "plain"), [("a.png", "a.png"), ("☂.png", "file.png"), ("☂", "file"), ("", "file"), ("señal 1.pdf", "se_al_1.pdf")]
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_what_instagram_doesn_t_take_goes_as_a_link() -> None:
    odd = OutboundFile(name="a.zip", mime_type="application/zip", size_bytes=9, url="https://x.test/a", content=b"x")
    assert [part.text for part in prepare(say(file=odd), ADAPTER.capabilities)] == ["a.zip: https://x.test/a"]


def test_the_human_agent_tag_is_for_people() -> None:
    late: dict[str, Any] = {"last_inbound_at": NOW - timedelta(hours=30)}
    (call,), _ = play(send(say("Hi", **late), account(human_agent=True), NOW), OK)
    assert body(call)["tag"] == "HUMAN_AGENT"
    for message in (say("Hi", human=False, **late), notice(**late)):
        with pytest.raises(SendFailed):
            next(send(message, account(human_agent=True), NOW))


def test_a_story_s_picture_is_never_kept() -> None:
    """Keeping it has cost others their app review."""
    item = event(message={"mid": "m_1", "attachments": [{"type": "story_mention", "payload": {"url": "https://cdn.example/s"}}]})
    (found,) = parse(request(events(item)), account())
    assert "cdn.example" not in repr(found)
    assert "cdn.example" not in found.model_dump_json(exclude={"raw"})


def test_a_message_taken_back_is_gone(world: World) -> None:
    mine = world.handset()[0]
    (call,) = world.act(Action(kind="unsend", customer="kim", target=mine.id))
    (found,) = world.understood(call)
    assert (found.kind, getattr(found, "message_id", None)) == ("deletion", mine.id)


def test_reads_name_a_message_each(world: World) -> None:
    world.hears_text("one")
    world.hears_text("two")
    found = [event for call in world.act(Action(kind="read", customer="kim")) for event in world.understood(call)]
    shown = [line.id for line in world.handset() if line.sender == "them"]
    assert [getattr(one, "message_ids", None) for one in found] == [(mid,) for mid in shown]


def test_the_simulator_is_strict(world: World) -> None:
    with pytest.raises(SendFailed):
        world.send(world.say(text="ñ" * 501))
    for action in (
        Action(kind="location", customer="kim", details={"latitude": 1, "longitude": 2}),
        Action(kind="edit", customer="kim", target=world.handset()[0].id, text="x"),
    ):
        with pytest.raises(CannotAct):
            world.act(action)


def test_an_answer_to_a_story(world: World) -> None:
    (call,) = world.act(Action(kind="say", customer="kim", text="How much?", details={"story": "1799"}))
    (found,) = world.understood(call)
    assert getattr(found, "plain", "") == "[in answer to your story]\nHow much?"


def test_the_profile_has_a_username(world: World) -> None:
    person = world.run(profile(EndUser(address=world.address), account(), NOW))
    assert (person.name, person.username) == ("Kim", "kim")
