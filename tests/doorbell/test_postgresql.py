"""Rings and signals between processes, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from gateway.doorbell.contract import Data
from gateway.doorbell.postgresql import PostgresDoorbell
from tests import postgresql
from tests.world import wait_until

LONG = 60.0


@asynccontextmanager
async def bells(url: str, count: int = 2) -> AsyncIterator[list[PostgresDoorbell]]:
    """As many processes have them; all of them listen."""
    async with AsyncExitStack() as stack:
        made = [PostgresDoorbell(partial(psycopg.connect, url, autocommit=True)) for _ in range(count)]
        for one in made:
            await one.start()
            stack.push_async_callback(one.close)
        for one in made:
            await heard_by_all(one, made)
        yield made


async def heard_by_all(one: PostgresDoorbell, others: list[PostgresDoorbell]) -> None:
    """Also after the server was away: a signal that nobody listened to is told once more."""
    told: set[int] = set()
    ends = [other.subscribe("hello", lambda data, n=number: told.add(n)) for number, other in enumerate(others)]  # type: ignore[misc]

    async def all_told() -> bool:
        one.publish("hello", {})
        await asyncio.sleep(0.02)
        return len(told) == len(others)

    await wait_until(all_told, what="all listen")
    for end in ends:
        end()


async def rung(bell: PostgresDoorbell, topic: str) -> bool:
    """Whether it rings, sooner than the time is up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bell.wait(topic, LONG)
    return loop.time() - began < LONG


async def settled(one: PostgresDoorbell, *topics: str) -> None:
    """Forget what rang so far."""
    for topic in topics:
        await one.wait(topic, 0.0)


async def test_a_ring_reaches_all_processes_and_a_wake_only_its_own() -> None:
    with postgresql.database() as url:
        async with bells(url, 3) as (here, there, elsewhere):
            await asyncio.gather(*(settled(one, "outbox", "events") for one in (here, there, elsewhere)))
            here.wake("outbox")
            here.ring("events")
            assert all(await asyncio.gather(*(rung(one, "events") for one in (here, there, elsewhere))))
            await here.wait("outbox", LONG)
            assert not there._here._bells["outbox"].is_set(), "it would have come before the other"


async def test_a_ring_while_nobody_waits_is_kept() -> None:
    with postgresql.database() as url:
        async with bells(url) as (here, there):
            await settled(there, "media", "events")
            here.ring("media")
            here.ring("events")
            assert await rung(there, "events")
            assert await rung(there, "media")


async def test_a_thousand_rings_are_told_by_few_statements() -> None:
    with postgresql.database() as url:
        async with bells(url) as (here, there):
            heard: list[str] = []
            take: Callable[[str], None] = there._heard
            there._heard = lambda payload: (heard.append(payload), take(payload))[1]  # type: ignore[func-returns-value,method-assign]
            for _ in range(50):
                for _ in range(20):
                    here.ring("outbox")
                await asyncio.sleep(0.001)
            here.ring("the last")
            assert await rung(there, "the last")
            assert 1 <= len(heard) < 50


async def test_signals_reach_the_subscribers_of_all_processes_once() -> None:
    with postgresql.database() as url:
        async with bells(url) as (here, there):
            told: dict[str, list[Data]] = {"here": [], "there": []}
            ends = [here.subscribe("typing", told["here"].append), there.subscribe("typing", told["there"].append)]
            here.publish("typing", {"who": "José \N{PARTY POPPER}\u0000", "on": True})
            assert len(told["here"]) == 1, "at once"
            await wait_until(lambda: told["there"] == told["here"], what="it is heard there")
            for end in ends:
                end()
            here.publish("typing", {})
            await heard_by_all(here, [here, there])
            assert len(told["there"]) == 1


async def test_many_at_once_are_split_and_one_that_is_too_large_stays_here() -> None:
    with postgresql.database() as url:
        async with bells(url) as (here, there):
            told: dict[str, list[Any]] = {"here": [], "there": []}
            here.subscribe("line", lambda data: told["here"].append(data["n"]))
            there.subscribe("line", lambda data: told["there"].append(data["n"]))
            here.publish("line", {"n": -1, "text": "\N{PARTY POPPER}" * 2_000})
            for number in range(200):
                here.publish("line", {"n": number, "text": "x" * 500})
            for number in range(600):
                here.ring(f"inbox channel-with-a-rather-long-name-{number}")
            await wait_until(lambda: len(told["there"]) == 200, what="all that fit are heard")
            assert told["there"] == list(range(200)), "in order"
            assert told["here"] == [-1, *range(200)]
            assert here.too_large == 1
            for number in (0, 599):
                assert await rung(there, f"inbox channel-with-a-rather-long-name-{number}")


async def test_what_a_subscriber_does_wrong_is_not_the_others_fault() -> None:
    with postgresql.database() as url:
        async with bells(url) as (here, there):
            told: list[Data] = []
            there.subscribe("typing", lambda data: told.append({"missing": data["missing"]}))
            there.subscribe("typing", told.append)
            here.publish("typing", {})
            await wait_until(lambda: bool(told), what="the other one hears it")


async def test_after_the_server_was_away_everybody_looks_and_hears_again(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "data") as server:
        async with bells(server.url()) as (here, there):
            await settled(there, "outbox")
            await asyncio.to_thread(server.stop)
            await wait_until(lambda: here._outage.reason is not None and there._outage.reason is not None, what="they notice")
            here.ring("events")
            assert await rung(here, "events"), "whoever waits in this process doesn't need the server"
            await asyncio.to_thread(server.start)
            assert await rung(there, "outbox"), "nobody knows what rang meanwhile"
            await heard_by_all(here, [here, there])
            await heard_by_all(there, [here, there])


async def test_a_server_that_is_not_there_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "data") as server:
        await asyncio.to_thread(server.stop)
        one = PostgresDoorbell(partial(psycopg.connect, server.url(), autocommit=True, connect_timeout=2))
        await one.start()
        try:
            await wait_until(lambda: one._outage.reason is not None, what="it can't listen")
            one.ring("events")
            assert await rung(one, "events")
            await asyncio.to_thread(server.start)
            await wait_until(lambda: one._outage.reason is None, what="it listens")
        finally:
            await one.close()
