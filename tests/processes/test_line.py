"""Calls between two processes: each gets its own answer, and none waits for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.processes.line import Line, RefusedThere


async def answering(what: str, given: list[Any], body: bytes) -> Any:
    if what == "fails":
        raise ValueError("words of a customer")
    if what == "full":
        raise StoreUnavailable("the disk is full")
    if what == "sleeps":
        await asyncio.sleep(given[0])
    return [what, given, len(body)]


@asynccontextmanager
async def lines() -> AsyncIterator[tuple[Line, Line]]:
    ours, theirs = socket.socketpair()
    here = Line(*await asyncio.open_unix_connection(sock=ours), answering)
    there = Line(*await asyncio.open_unix_connection(sock=theirs), answering)
    running = [asyncio.create_task(line.run()) for line in (here, there)]
    try:
        yield here, there
    finally:
        here.hang_up()
        there.hang_up()
        await asyncio.gather(*running)


async def test_calls_go_both_ways_many_at_a_time_and_each_has_its_own_answer() -> None:
    async with lines() as (here, there):
        slow = asyncio.create_task(here.call("sleeps", 0.05))
        quick = [line.call("says", number, body=b"x" * number) for number in range(100) for line in (here, there)]
        assert await asyncio.gather(*quick) == [["says", [number], number] for number in range(100) for _ in (here, there)]
        assert not slow.done()
        assert await slow == ["sleeps", [0.05], 0]


@pytest.mark.parametrize("text", ["Grüße", "\udcff\udc80", "\x00\n", "👋"])
async def test_any_text_arrives_as_it_was(text: str) -> None:
    async with lines() as (here, _):
        assert await here.call("says", {text: text}) == ["says", [{text: text}], 0]


async def test_what_goes_wrong_there_is_raised_here_without_its_words() -> None:
    async with lines() as (here, _):
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await here.call("full")
        with pytest.raises(RefusedThere, match=r"^ValueError$"):
            await here.call("fails")
        here.tell("fails")
        assert await here.call("says") == ["says", [], 0], "it goes on"


async def test_who_waits_is_told_when_the_other_end_is_gone() -> None:
    async with lines() as (here, there):
        waiting = asyncio.create_task(here.call("sleeps", 60))
        await asyncio.sleep(0.01)
        there.hang_up()
        with pytest.raises(StoreUnavailable, match="started again by itself"):
            await waiting
        with pytest.raises(StoreUnavailable):
            await here.call("says")
        here.tell("says")
