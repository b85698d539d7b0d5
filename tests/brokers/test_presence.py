"""L5 on a store that fails at the wrong moment: who is connected is what sockets are open, not what could be written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.session.commands import DeclineWork
from gateway.session.model import Login, Presence
from tests.brokers.desk import Desk, desk
from tests.world import wait_until

COMMIT = "before_commit"  # no commit gets further


@asynccontextmanager
async def repairing(one: Desk) -> AsyncIterator[None]:
    """The worker that brings the file up to what is so."""
    task = asyncio.create_task(one.broker.run_presence())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_connected(one: Desk, login: str) -> bool:
    return (await one.broker.presence(one.caller(login))).connected


async def test_L5_a_rep_whose_last_stream_closed_while_nothing_could_be_written_is_gone(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        for login in ("ana", "ben"):
            await one.broker.connected(one.caller(login))
        async with repairing(one):
            with one.failing_at(COMMIT):
                await one.broker.disconnected(one.caller("ben"))
                await asyncio.sleep(0.1)

            async def gone() -> bool:
                return not await is_connected(one, "ben")

            await wait_until(gone, what="the file knows that Ben is gone")
        one.later(121)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana"}
        assert (await one.broker.presence(one.caller("ben"))).status is Presence.offline


async def test_L5_a_rep_is_as_often_connected_as_streams_are_open_whatever_could_be_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as one, repairing(one):
        ana = one.caller("ana")
        await one.broker.connected(ana)
        with one.failing_at(COMMIT):
            await one.broker.connected(one.caller("ben"))
            await one.broker.disconnected(one.caller("ben"))
            await one.broker.connected(ana)
            await one.broker.disconnected(ana)
        await one.broker.connected(ana)
        await one.broker.disconnected(ana)
        assert await is_connected(one, "ana"), "one is still open"
        assert not await is_connected(one, "ben")
        await one.broker.disconnected(ana)
        assert not await is_connected(one, "ana")


async def test_L5_who_came_back_while_nothing_could_be_written_stays(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.conversation()
        ana = one.caller("ana")
        await one.broker.connected(ana)
        with one.failing_at(COMMIT):
            await one.broker.disconnected(ana)
            await one.broker.connected(ana)
        async with repairing(one):
            await asyncio.sleep(0.1)
        one.later(121)
        await one.timers_fire()
        assert [rep.id for rep in (await one.session()).reps] == ["ana"]


async def test_L5_a_start_gives_the_grace_time_with_the_count_or_not_at_all(tmp_path: Path) -> None:
    """Were the count forgotten in a commit of its own, a kill in between would leave a rep whom nobody misses."""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.broker.connected(one.caller("ben"))
        with one.failing_at("entries_written"), pytest.raises(ValueError, match="as the test asked"):
            await one.restart()
        await one.restart()
        one.later(121)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana"}


async def test_those_who_come_at_once_are_written_down_together(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        before = one.broker.store.writer.commits  # type: ignore[attr-defined]
        sam = one.caller("sam")
        crowd = [sam.model_copy(update={"login": f"rep{number}"}) for number in range(100)]
        await asyncio.gather(*(one.broker.connected(caller) for caller in crowd))
        assert all([(await one.broker.presence(caller)).connected for caller in crowd])
        assert one.broker.store.writer.commits - before <= 2, "the first, and all who came while it was written"  # type: ignore[attr-defined]
        await asyncio.gather(*(one.broker.disconnected(caller) for caller in crowd))
        assert not any([(await one.broker.presence(caller)).connected for caller in crowd])


async def test_who_opens_a_page_while_away_starts_no_new_round(tmp_path: Path) -> None:
    """A session that all have passed is offered again when somebody comes online, not when somebody looks in."""
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.take_in(one.message())
        session = await one.session()
        await one.does(DeclineWork(by=Login("ana")), session.id)
        await one.present("ben", status=Presence.away)
        await one.broker.connected(one.caller("ben"))
        assert (await one.session()).offer is None
        await one.present("ben")
        offer = (await one.session()).offer
        assert offer is not None
        assert offer.rep == "ben"
