"""Two processes on one database: a visitor may be at either, or at both, and nobody can tell."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.doorbell.local import LocalSignals
from gateway.store.postgresql.database import PostgresDatabase
from gateway.webchat import forget_profiles_in
from tests import postgresql
from tests.webchat.test_events import listening
from tests.webchat.world import DOWN, Browser, World, numbers

SITE_KEY = "site-identity-key-of-32-bytes-or-more"


@dataclass(frozen=True)
class Twins:
    """Both, with one webhook."""

    one: World
    other: World

    def at_the_other(self, browser: Browser) -> Browser:
        """The same visitor, in another tab or after another turn of the balancer."""
        same = Browser(self.other, browser.token)
        same.visitor_id = browser.visitor_id
        return same


@contextlib.asynccontextmanager
async def twins(folder: Path, database: str, *, signals: bool = True) -> AsyncIterator[Twins]:
    """`signals`: whether they hear each other."""
    one, other = (World(folder, identity_secrets=[SITE_KEY]) for _ in range(2))
    for world in (one, other):
        world.database = database
    if signals:
        one.signals = other.signals = LocalSignals()
    async with one.running():
        other.inbox = one.inbox
        async with other.running():
            other.inbox.account = one.account
            yield Twins(one, other)


def proof(world: World, subject: str = "user-42") -> str:
    claims = {"sub": subject, "aud": "web1", "exp": world.clock() + timedelta(minutes=30), "name": "Lea Paz"}
    return jwt.encode(claims, SITE_KEY, "HS256")


async def test_lines_of_both_are_numbered_without_a_hole_and_passed_on_in_their_order(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        kim = await both.one.browser()
        tabs = [kim, both.at_the_other(kim)]
        replies = await asyncio.gather(*(tabs[n % 2].say(f"text {n}", f"client-{n:04d}") for n in range(40)))
        assert {reply.status for reply in replies} == {202}
        items = await kim.poll()
        assert numbers(items) == list(range(1, 41))
        assert [message.plain for message in both.one.inbox.of("message")] == [item["text"] for item in items]


async def test_one_click_at_both_is_one_message(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        kim = await both.one.browser()
        tabs = [kim, both.at_the_other(kim)]
        replies = await asyncio.gather(*(tabs[n % 2].say("hello", "client-same") for n in range(10)))
        assert len({(reply.status, reply.json["id"], reply.json["seq"]) for reply in replies}) == 1
        assert numbers(await kim.poll()) == [1]
        assert len(both.one.inbox.of("message")) == 1


async def test_one_delivery_at_both_is_one_line(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        kim = await both.one.browser()
        messages = [both.one.say(kim.visitor_id, f"line {n}") for n in range(10)]
        await asyncio.gather(*(world.send(message) for message in messages for world in (both.one, both.other)))
        items = await kim.poll()
        assert numbers(items) == list(range(1, 11))
        assert sorted(item["text"] for item in items) == sorted(f"line {n}" for n in range(10))


async def test_a_line_reaches_a_stream_at_the_other_at_once(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        kim = await both.one.browser()
        async with listening(both.at_the_other(kim)) as stream:
            await both.one.send(both.one.types(kim.visitor_id))
            assert (await anext(stream))["event"] == "typing"
            await both.one.send(both.one.say(kim.visitor_id, "hello"))
            assert (await anext(stream))["data"]["text"] == "hello"
            await kim.call("POST", "/read", {"seq": 1})
            assert (await anext(stream))["event"] == "read"


async def test_a_lost_ring_costs_a_delay_and_no_line(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.webchat.live._HEARTBEAT_SECONDS", 1_000.0)
    monkeypatch.setattr("gateway.webchat.service._MAKE_UP_SECONDS", 0.2)
    async with twins(tmp_path, database, signals=False) as both:
        kim = await both.one.browser()
        async with listening(both.at_the_other(kim)) as stream:
            for n in range(3):
                await both.one.send(both.one.say(kim.visitor_id, f"line {n}"))
                assert (await anext(stream))["data"]["text"] == f"line {n}"


async def test_who_signs_out_at_one_is_heard_no_more_at_the_other(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.webchat.live._HEARTBEAT_SECONDS", 0.2)
    for signals in (True, False):  # a ring that is lost is made up for
        async with twins(tmp_path, database, signals=signals) as both:
            kim = await both.one.browser()
            async with listening(both.at_the_other(kim)) as stream:
                assert (await kim.call("DELETE", "/session")).status == 204
                assert [event async for event in stream] == []
            assert (await both.at_the_other(kim).call("GET", "/events")).status == 401


async def test_who_signs_in_at_both_is_one_visitor(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        for round in range(5):
            tabs = [await world.browser() for world in (both.one, both.other) for _ in range(3)]
            await asyncio.gather(*(tab.say("before", f"client-{n:04d}") for n, tab in enumerate(tabs)))
            replies = await asyncio.gather(*(tab.start(identity_jwt=proof(both.one, f"user-{round}")) for tab in tabs))
            assert {reply.status for reply in replies} == {201}
            assert len({reply.json["visitor_id"] for reply in replies}) == 1
            items = await tabs[0].poll()
            assert numbers(items) == list(range(1, len(tabs) + 1)), "what all had said is theirs, once"


async def test_lines_that_come_while_visitors_become_one(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        known = await both.one.browser(identity_jwt=proof(both.one))
        await known.say("long ago")
        kim = await both.other.browser()
        await kim.say("hello")
        to = kim.visitor_id
        messages = [both.one.say(to, f"line {n}") for n in range(20)]
        signed_in: Any
        signed_in, *_ = await asyncio.gather(
            kim.start(identity_jwt=proof(both.one)),
            *((both.one, both.other)[n % 2].send(message) for n, message in enumerate(messages)),
        )
        assert signed_in.json["visitor_id"] == known.visitor_id
        items = await kim.poll()
        assert numbers(items) == list(range(1, 23))
        assert sorted(item["text"] for item in items) == sorted(["long ago", "hello", *(f"line {n}" for n in range(20))])


async def test_what_was_left_behind_is_passed_on_by_one(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        both.one.inbox.refuse = DOWN
        visitors = [await both.one.browser() for _ in range(6)]
        for visitor in visitors:
            assert (await visitor.say("left behind")).status == 503
        both.one.inbox.refuse = None
        relays = [world.service._relay for world in (both.one, both.other)]
        assert await relays[0]._left_over() == [], "who wrote it may be about to pass it on"
        for world in (both.one, both.other):
            world.clock.ahead = timedelta(minutes=1)
        taken = [
            visitor.visitor_id for some in await asyncio.gather(*(relay._left_over() for relay in relays)) for visitor in some
        ]
        assert sorted(taken) == sorted(visitor.visitor_id for visitor in visitors)
        for world in (both.one, both.other):
            world.clock.ahead = timedelta(minutes=2)
        await World.until(lambda: len(both.one.inbox.of("message")) == len(visitors))


@pytest.fixture
def own_server() -> Iterator[postgresql.Server]:
    """Not in `tmp_path`, above which pytest lets no other user in."""
    with tempfile.TemporaryDirectory(prefix="byoc-pg-") as folder, postgresql.server(Path(folder) / "data") as server:
        yield server


async def test_a_server_that_stops_is_waited_for(tmp_path: Path, own_server: postgresql.Server) -> None:
    server = own_server
    url = server.url(server.new_database())
    async with twins(tmp_path, url) as both:
        kim = await both.one.browser()
        assert (await kim.say("before")).status == 202
        server.stop("immediate")
        assert (await kim.say("meanwhile", "client-meanwhile")).status == 503
        server.start()
        tab = both.at_the_other(kim)

        async def taken() -> int:
            return (await tab.say("meanwhile", "client-meanwhile")).status

        await World.until_async(taken, lambda status: status == 202)
        assert await kim.texts() == ["before", "meanwhile"]


async def test_a_start_before_its_server(tmp_path: Path, own_server: postgresql.Server) -> None:
    server = own_server
    url = server.url(server.new_database())
    server.stop()
    world = World(tmp_path)
    world.database = url
    async with world.running():
        kim = Browser(world)
        reply: Any = await kim.start()
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        server.start()

        async def started() -> int:
            return (await kim.start()).status

        await World.until_async(started, lambda status: status == 201)

        async def taken() -> int:
            return (await kim.say("hello", "client-0001")).status

        await World.until_async(taken, lambda status: status == 202)
        await world.service.ready()


async def test_what_visitors_told_one_org_is_not_told_to_the_next(tmp_path: Path, database: str) -> None:
    async with twins(tmp_path, database) as both:
        kim = await both.one.browser(prechat={"name": "Kim"})
        await kim.say("hello")
        forget_profiles_in(PostgresDatabase(database), "web2")
        await kim.say("again")
        forget_profiles_in(PostgresDatabase(database), "web1")
        await kim.say("and again")
    assert [message.end_user.name for message in both.one.inbox.of("message")] == ["Kim", "Kim", None]
