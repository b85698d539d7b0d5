"""What a visitor hears: every line once, in order, by any of three ways, from wherever they were."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from adapters.errors import SendFailed, Verdict
from tests.webchat.conftest import NewWorld
from tests.webchat.world import ANA, SECRET, SHOP, Browser, World, numbers, sse


@contextlib.asynccontextmanager
async def listening(kim: Browser, after: int = 0, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """An open stream of events."""
    given = {"authorization": f"Bearer {kim.token}", "accept": "text/event-stream", **headers}
    async with kim.world.http.get(f"{kim.world.base}/events?after={after}", headers=given) as reply:
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield sse(reply.content)


async def test_a_delivery_is_appended_once_by_its_outbox_id(world: World) -> None:
    kim = await world.browser()
    message = world.say(kim.visitor_id, "Hello, Ana here")
    first, again = await world.send(message), await world.send(message)
    assert first == again
    (line,) = await kim.poll()
    assert (line["id"], line["type"], line["text"]) == (first[0], "message", "Hello, Ana here")
    assert line["from"] == {"kind": "rep", "name": "Ana", "avatar": ANA.avatar_url}
    assert "msg_" not in str(line), "our outbox id is nobody's business"


async def test_a_notice_is_an_event_of_its_own(world: World) -> None:
    kim = await world.browser()
    await world.send(world.notice(kim.visitor_id, "Ana joined the chat."))
    (line,) = await kim.poll()
    assert (line["type"], line["code"], line["text"]) == ("notice", "joined", "Ana joined the chat.")
    assert line["participant"]["name"] == "Ana"


async def test_the_stream_tells_what_was_and_what_comes(world: World) -> None:
    kim = await world.browser()
    await kim.say("hello")
    async with listening(kim) as stream:
        assert (await anext(stream))["data"]["text"] == "hello"
        await world.send(world.types(kim.visitor_id))
        typing = await anext(stream)
        assert (typing["event"], typing["data"]["on"], "id" in typing) == ("typing", True, False)
        await world.send(world.say(kim.visitor_id, "Hi!"))
        message = await anext(stream)
        assert (message["id"], message["event"], message["data"]["seq"], message["data"]["text"]) == ("2", "message", 2, "Hi!")


async def test_a_browsers_own_resume_works(world: World) -> None:
    kim = await world.browser()
    for text in ("one", "two", "three"):
        await kim.say(text)
    given = {"authorization": f"Bearer {kim.token}", "accept": "text/event-stream", "last-event-id": "2"}
    async with world.http.get(f"{world.base}/events", headers=given) as reply:
        assert (await anext(sse(reply.content)))["data"]["text"] == "three"


async def test_a_long_poll_waits_for_the_next_line(world: World) -> None:
    kim = await world.browser()
    waiting = asyncio.create_task(kim.poll(wait=20))
    await world.until(lambda: world.service.streams.count(("web1", kim.visitor_id)))
    await world.send(world.say(kim.visitor_id, "Hi!"))
    assert [line["text"] for line in await waiting] == ["Hi!"]


async def test_a_long_poll_without_news_keeps_its_place(world: World) -> None:
    kim = await world.browser()
    await kim.say("one")
    reply = await kim.call("GET", "/events?after=1&wait=0")
    assert reply.json == {"items": [], "next": "1"}


async def test_the_same_frames_by_web_socket(world: World) -> None:
    kim = await world.browser()
    await kim.say("one")
    async with world.http.ws_connect(f"{world.base}/ws", origin=SHOP) as ws:
        await ws.send_json({"op": "hello", "token": kim.token, "after": 0})
        assert (await ws.receive_json())["text"] == "one"
        await world.send(world.say(kim.visitor_id, "Hi!"))
        assert (await ws.receive_json())["seq"] == 2


@pytest.mark.parametrize("hello", ["", "{}", "[]", '{"op": "hello"}', '{"op": "hello", "token": 7}', "[" * 9000])
async def test_a_web_socket_that_doesnt_say_hello_is_closed(world: World, hello: str) -> None:
    async with world.http.ws_connect(f"{world.base}/ws") as ws:
        await ws.send_str(hello)
        assert (await ws.receive_json())["code"] == "malformed_request"
        closing = await ws.receive()
        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 4400)


async def test_a_web_socket_with_a_wrong_token_is_closed(world: World) -> None:
    async with world.http.ws_connect(f"{world.base}/ws") as ws:
        await ws.send_json({"op": "hello", "token": "nobody's", "after": 0})
        assert (await ws.receive_json())["code"] == "unauthenticated"
        assert (await ws.receive()).data == 4401


async def test_two_tabs_hear_the_same(world: World) -> None:
    kim = await world.browser()
    other = Browser(world, kim.token)
    await other.start()
    assert other.visitor_id == kim.visitor_id
    async with listening(kim) as one, listening(other) as two:
        await kim.say("from the first tab")
        assert (await anext(one))["data"] == (await anext(two))["data"]
        await world.send(world.say(kim.visitor_id, "Hi!"))
        assert (await anext(one))["data"]["seq"] == (await anext(two))["data"]["seq"] == 2
        await kim.call("POST", "/read", {"seq": 2})
        assert (await anext(two))["data"] == {"type": "read", "up_to_seq": 2}


async def test_receipts_name_our_outbox_ids_once(world: World) -> None:
    kim = await world.browser()
    await kim.say("hello")
    message, notice = world.say(kim.visitor_id, "Hi!"), world.notice(kim.visitor_id, "Ana joined")
    (message_id,), (notice_id,) = await world.send(message), await world.send(notice)
    for _ in range(2):
        assert (await kim.call("POST", "/delivered", {"seq": 2})).status == 204
        assert (await kim.call("POST", "/read", {"seq": 999})).status == 204
    await kim.call("POST", "/read", {"seq": 1})
    receipts = [(str(one.status), one.outbox_id, one.message_ids) for one in world.inbox.of("receipt")]
    assert receipts == [
        ("delivered", message.id, (message_id,)),
        ("read", message.id, (message_id,)),
        ("read", notice.id, (notice_id,)),
    ]


async def test_history_comes_in_pages_without_a_gap(world: World) -> None:
    kim = await world.browser()
    for number in range(1, 26):
        await kim.say(f"text {number}")
    seen: list[int] = []
    before: str | None = None
    while True:
        reply = await kim.call("GET", "/messages?limit=10" + (f"&before={before}" if before else ""))
        seen = numbers(reply.json["items"]) + seen
        before = reply.json["next"]
        if before is None:
            break
    assert seen == list(range(1, 26))


@pytest.mark.parametrize("after", [26, 10**15])
async def test_a_cursor_of_another_time_is_reset(world: World, after: int) -> None:
    kim = await world.browser()
    await kim.say("one")
    assert await kim.poll(after=after) == [{"type": "reset", "cursor": "1"}]


async def test_a_cursor_older_than_what_is_kept_is_reset(new_world: NewWorld) -> None:
    async with new_world(token_days=400).running() as world:
        kim = await world.browser()
        for text in ("one", "two"):
            await kim.say(text)
        world.clock.ahead = timedelta(days=60)
        await kim.say("three")
        world.clock.ahead = timedelta(days=100)
        await world.service.prune(world.account)
        assert await kim.poll(after=0) == [{"type": "reset", "cursor": "3"}]
        reply = await kim.call("GET", "/messages")
        assert ([item["text"] for item in reply.json["items"]], reply.json["next"]) == (["three"], None)
        assert numbers(await kim.poll(after=2)) == [3]


async def test_a_visitor_of_long_ago_is_forgotten(new_world: NewWorld) -> None:
    async with new_world(token_days=400).running() as world:
        kim = await world.browser()
        await kim.say("one")
        world.clock.ahead = timedelta(days=100)
        await world.service.prune(world.account)
        assert (await kim.call("GET", "/events")).status == 401
        gone, _ = kim.visitor_id, await kim.start()
        assert kim.visitor_id != gone


@pytest.mark.parametrize("query", ["after=x", "after=-1", "wait=soon", "after=1e3", "after=١"])
async def test_a_cursor_that_is_no_number_is_refused(world: World, query: str) -> None:
    kim = await world.browser()
    reply = await kim.call("GET", f"/events?{query}")
    assert (reply.status, reply.code) == (422, "invalid_input")


async def test_too_many_streams_of_one_visitor_are_refused(new_world: NewWorld) -> None:
    async with new_world(limits={"streams": 2}).running() as world:
        kim = await world.browser()
        async with listening(kim), listening(kim):
            await world.until(lambda: world.service.streams.count(("web1", kim.visitor_id)) == 2)
            reply = await kim.call("GET", "/events")
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "too_many_streams", "10")
        async with asyncio.timeout(10):
            while world.service.streams.count(("web1", kim.visitor_id)):
                await world.send(world.say(kim.visitor_id, "anyone there?"))
        assert (await kim.call("GET", "/events")).status == 200


async def test_a_stream_ends_with_its_token(world: World) -> None:
    kim = await world.browser()
    async with listening(kim) as stream:
        await kim.say("one")
        await anext(stream)
        await kim.call("DELETE", "/session")
        assert [event async for event in stream] == []
    assert (await kim.call("GET", "/events")).status == 401


async def test_a_token_past_half_of_its_life_is_renewed_on_the_stream(world: World) -> None:
    kim = await world.browser()
    world.clock.ahead = timedelta(days=16)
    async with listening(kim) as stream:
        renewed = await anext(stream)
    assert renewed["event"] == "token"
    world.clock.ahead = timedelta(days=40)
    assert (await kim.call("GET", "/events")).status == 401
    kim.token = renewed["data"]["visitor_token"]
    assert (await kim.call("GET", "/events")).status == 200


async def test_streams_end_when_the_server_stops_and_go_on_after(new_world: NewWorld) -> None:
    world = new_world()
    async with world.running():
        kim = await world.browser()
        await kim.say("one")
        async with listening(kim) as stream:
            await anext(stream)
            async with asyncio.timeout(10):
                await world.server.close()
                with contextlib.suppress(aiohttp.ClientError):
                    assert [event async for event in stream] == []
    async with world.running():
        await world.send(world.say(kim.visitor_id, "back again"))
        async with listening(kim, after=1) as stream:
            assert (await anext(stream))["data"]["text"] == "back again"


async def test_a_delivery_to_nobody_is_dead(world: World) -> None:
    with pytest.raises(SendFailed) as failed:
        await world.send(world.say("v_nobody", "hello?"))
    assert (failed.value.code, failed.value.provider_code) == ("recipient_unreachable", "visitor_not_found")
    with pytest.raises(SendFailed):
        await world.send(world.types("v_nobody"))


async def test_a_delivery_with_another_secret_is_refused(world: World) -> None:
    kim = await world.browser()
    world.account = world.account.model_copy(update={"secrets": (type(world.account.secrets[0])("wrong" + SECRET),)})
    with pytest.raises(SendFailed) as failed:
        await world.send(world.say(kim.visitor_id, "hello"))
    assert failed.value.code == "not_authorised"
    assert await kim.poll() == []


async def test_notices_of_an_end_close_the_conversation_for_the_visitor_too(world: World) -> None:
    kim = await world.browser()
    await kim.say("hello")
    await world.send(world.notice(kim.visitor_id, "The chat was ended.", "ended"))
    assert (await kim.start()).json["open"] is False
    await kim.call("POST", "/end", {})
    assert world.inbox.of("ended") == []


async def test_no_line_of_a_conversation_follows_its_end(world: World) -> None:
    """Whatever the gateway still sends of it, also when the visitor has begun another; of that, lines come as ever."""
    kim = await world.browser()
    await kim.say("hello")
    before = world.say(kim.visitor_id, "on time")
    await world.send(before)
    assert (await kim.call("POST", "/end", {})).status == 204
    (ended,) = world.inbox.of("ended")
    late = world.say(kim.visitor_id, "too late")
    for _ in range(2):
        with pytest.raises(SendFailed) as refused:
            await world.send(late)
        assert (refused.value.verdict, refused.value.code) == (Verdict.dead, "conversation_closed")
        await kim.say("and another thing")
    await world.send(before)  # a repetition of what was shown is no new line
    await world.send(world.say(kim.visitor_id, "gladly", memory=ended.remember))
    assert await kim.texts() == ["hello", "on time", None, "and another thing", "and another thing", "gladly"]
