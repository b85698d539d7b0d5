"""What a visitor says reaches the webhook once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.contract import Answer
from adapters.referral import Referral
from tests.webchat.conftest import NewWorld
from tests.webchat.world import DOWN, Browser, World, numbers


async def test_a_message_is_taken_shown_and_passed_on(world: World) -> None:
    kim = await world.browser(prechat={"name": "Kim"}, locale="de", page={"url": "https://shop.example/hinges"})
    reply = await kim.say("The hinge is broken", "client-0001")
    assert reply.status == 202
    assert (reply.json["seq"], reply.json["client_id"]) == (1, "client-0001")
    (shown,) = await kim.poll()
    assert (shown["type"], shown["text"], shown["client_id"], shown["id"]) == (
        "message",
        "The hinge is broken",
        "client-0001",
        reply.json["id"],
    )
    (message,) = world.inbox.of("message")
    assert (message.end_user.address, message.end_user.name, message.end_user.locale) == (kim.visitor_id, "Kim", "de")
    assert (message.message_id, message.plain) == (reply.json["id"], "The hinge is broken")
    assert message.referral == Referral(source="page", url="https://shop.example/hinges")


async def test_the_same_client_id_is_the_same_message(world: World) -> None:
    kim = await world.browser()
    first, again, other = await kim.say("one", "client-0001"), await kim.say("one", "client-0001"), await kim.say("two")
    assert first.json == again.json
    assert other.json["seq"] == 2
    assert len(world.inbox.requests) == 2
    assert await kim.texts() == ["one", "two"]


async def test_many_tries_at_one_instant_are_one_message(world: World) -> None:
    kim = await world.browser()
    replies = await asyncio.gather(*(kim.say("one", "client-0001") for _ in range(20)))
    assert {reply.status for reply in replies} == {202}
    assert {reply.json["seq"] for reply in replies} == {1}
    assert len(world.inbox.of("message")) == 1
    assert await kim.texts() == ["one"]


async def test_two_visitors_client_ids_have_nothing_to_do_with_each_other(world: World) -> None:
    kim, lea = await world.browser(), await world.browser()
    await kim.say("kim's", "client-0001")
    await lea.say("lea's", "client-0001")
    assert (await kim.texts(), await lea.texts()) == (["kim's"], ["lea's"])


@pytest.mark.parametrize("refusal", [DOWN, Answer(503), Answer(401)], ids=["raises", "503", "401"])
async def test_a_webhook_that_takes_nothing_is_told_later_and_once(world: World, refusal: Any) -> None:
    kim = await world.browser()
    world.inbox.refuse = refusal
    reply = await kim.say("one", "client-0001")
    assert (reply.status, reply.code) == (503, "unavailable")
    assert reply.headers["retry-after"]
    world.inbox.refuse = None
    assert (await kim.say("one", "client-0001")).status == 202
    assert [message.plain for message in world.inbox.of("message")] == ["one"]
    assert await kim.texts() == ["one"]


async def test_a_later_message_carries_what_was_left_behind_in_order(world: World) -> None:
    kim = await world.browser()
    world.inbox.refuse = DOWN
    await kim.say("one")
    await kim.say("two")
    world.inbox.refuse = None
    await kim.say("three")
    assert [message.plain for message in world.inbox.of("message")] == ["one", "two", "three"]
    assert len(world.inbox.requests) == 1


async def test_a_crash_between_both_writes_is_mended_at_the_next_start(new_world: NewWorld) -> None:
    world = new_world()
    async with world.running():
        kim = await world.browser()
        world.inbox.refuse = DOWN
        await kim.say("one", "client-0001")
    world.inbox.refuse = None
    async with world.running():
        await world.until(lambda: world.inbox.requests)
        assert (await kim.say("one", "client-0001")).json["seq"] == 1
        assert [message.plain for message in world.inbox.of("message")] == ["one"]
        assert await kim.texts() == ["one"]


async def test_order_is_the_services_and_numbers_are_dense(world: World) -> None:
    kim = await world.browser()
    await asyncio.gather(*(kim.say(f"text {n}") for n in range(30)))
    items = await kim.poll()
    assert numbers(items) == list(range(1, 31))
    assert [message.plain for message in world.inbox.of("message")] == [item["text"] for item in items]


async def test_typing_is_told_and_not_kept(world: World) -> None:
    kim = await world.browser()
    assert (await kim.call("POST", "/typing", {"on": True})).status == 204
    assert (await kim.call("POST", "/typing", {"on": False})).status == 204
    assert [event.on for event in world.inbox.of("typing")] == [True, False]
    assert await kim.poll() == []
    world.inbox.refuse = DOWN
    assert (await kim.call("POST", "/typing", {"on": True})).status == 204


async def test_the_visitor_ends_once_and_may_begin_again(world: World) -> None:
    kim = await world.browser()
    assert (await kim.call("POST", "/end", {})).status == 204
    assert world.inbox.events == []
    await kim.say("hello")
    for _ in range(3):
        assert (await kim.call("POST", "/end", {})).status == 204
    assert [event.kind for event in world.inbox.events] == ["message", "ended"]
    await kim.say("one more thing")
    await kim.call("POST", "/end", {})
    assert [event.kind for event in world.inbox.events] == ["message", "ended", "message", "ended"]
    assert [item.get("code") for item in await kim.poll()] == [None, "ended", None, "ended"]


async def test_a_quick_reply_is_a_choice(world: World) -> None:
    kim = await world.browser()
    await kim.say("Track my order", choice={"id": "track", "title": "Track my order"})
    (part,) = world.inbox.of("message")[0].parts
    assert (part.type, part.id, part.title) == ("choice", "track", "Track my order")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"client_id": "client-0001"}, "/text"),
        ({"client_id": "client-0001", "text": "   "}, "/text"),
        ({"client_id": "client-0001", "text": "a\0b"}, "/text"),
        ({"client_id": "client-0001", "text": "x" * 4001}, "/text"),
        ({"client_id": "short", "text": "x"}, "/client_id"),
        ({"text": "x"}, "/client_id"),
        ({"client_id": "client-0001", "text": "x", "colour": "red"}, "/colour"),
        ({"client_id": "client-0001", "text": 7}, "/text"),
    ],
)
async def test_bad_input_is_pointed_at(world: World, body: dict[str, Any], pointer: str) -> None:
    kim = await world.browser()
    reply = await kim.call("POST", "/messages", body)
    assert (reply.status, reply.code) == (422, "invalid_input")
    assert [fault["pointer"] for fault in reply.json["errors"]] == [pointer]
    assert world.inbox.requests == []


async def test_no_token_no_word(world: World) -> None:
    for token in (None, "nonsense", "a.b.c", "☂"):
        stranger = Browser(world)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        for method, path in (("POST", "/messages"), ("GET", "/events"), ("GET", "/messages"), ("POST", "/end")):
            reply = await stranger.call(method, path, {}, headers=headers)
            assert (reply.status, reply.code) == (401, "unauthenticated")
    assert world.inbox.requests == []
