"""Events by number: whoever comes back misses nothing and gets nothing twice, and sees only what is theirs to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.contract import Event, EventsGone, SlowListener
from gateway.session.commands import RaiseFlag
from gateway.session.model import Login
from tests.brokers.desk import Desk, desk
from tests.world import wait_until


@asynccontextmanager
async def giving_out(one: Desk) -> AsyncIterator[None]:
    """The hub at work."""
    task = asyncio.create_task(one.broker.hub.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(one: Desk, login: str, after: int | None, count: int) -> list[Event]:
    """The next so many."""
    found: list[Event] = []
    async with asyncio.timeout(10):
        stream = one.broker.events(one.caller(login), after)
        async for some in stream:
            found += some
            if len(found) >= count:
                break
        await stream.aclose()  # type: ignore[attr-defined]
    return found[:count]


async def read_on(stream: AsyncIterator[Sequence[Event]], numbers: list[int | None]) -> None:
    """For ever."""
    async for some in stream:
        numbers += [event.number for event in some]


async def newest(one: Desk) -> int:
    ((number,),) = await one.rows("SELECT max(number) FROM events")
    return int(number)


async def test_a_stream_resumed_anywhere_gives_the_rest_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        for number in range(5):
            await one.say(session_id, f"line {number}")
        async with giving_out(one):
            last = await newest(one)
            everything = await heard(one, "sam", 0, 13)
            numbers = [event.number for event in everything]
            assert numbers == sorted(set(filter(None, numbers)))
            for start in numbers[:-1]:
                rest = await heard(one, "sam", start, len([n for n in numbers if n and start and n > start]))
                assert [event.number for event in rest] == [n for n in numbers if n and start and n > start]
            assert last >= 13


async def test_nothing_is_missed_between_what_was_and_what_comes(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        async with giving_out(one):
            begin = await newest(one)
            listening = asyncio.create_task(heard(one, "ana", begin, 60))
            for number in range(30):  # each an entry and a session event
                await one.say(session_id, f"line {number}")
            numbers = [event.number for event in await listening]
            assert numbers == list(range(begin + 1, begin + 61))


async def test_after_a_restart_numbers_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        before = await newest(one)
        await one.restart()
        await one.say(session_id, "still here")
        async with giving_out(one):
            (event, *_) = await heard(one, "ana", before, 2)
            assert event.number == before + 1
            assert event.data["entry"].entry.text == "still here"


async def test_numbers_that_are_no_longer_kept_are_said_to_be_gone(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        one.later(3 * 24 * 3_600)
        await one.broker.purge()
        await one.say(session_id, "later")
        await one.restart()
        async with giving_out(one):
            with pytest.raises(EventsGone):
                await heard(one, "ana", 0, 1)


async def test_who_doesnt_read_is_let_go_and_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.brokers.hub._MOST_WAITING", 10)
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        begin = await newest(one)
        async with giving_out(one):
            stream = one.broker.events(one.caller("ana"), begin)
            await one.say(session_id, "line 0")
            got = [event.number for event in await anext(stream)]
            for number in range(1, 30):
                await one.say(session_id, f"line {number}")
            last = await newest(one)
            await wait_until(lambda: one.broker.hub.position == last)
            with pytest.raises(SlowListener):
                await read_on(stream, got)
            rest = await heard(one, "ana", got[-1], begin + 60 - (got[-1] or 0))
            assert got + [event.number for event in rest] == list(range(begin + 1, begin + 61))


async def test_after_what_a_slow_reader_lost_nothing_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads on a little, and there is room again: what comes then would hide the hole."""
    monkeypatch.setattr("gateway.brokers.hub._MOST_WAITING", 10)
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        begin = await newest(one)
        got: list[int | None] = []
        async with giving_out(one):
            stream = one.broker.events(one.caller("ana"), begin)

            async def all_given_out() -> None:
                last = await newest(one)
                await wait_until(lambda: one.broker.hub.position == last)

            await one.say(session_id, "line 0")
            got += [event.number for event in await anext(stream)]
            for number in range(1, 30):
                await one.say(session_id, f"line {number}")
            await all_given_out()
            got += [event.number for event in await anext(stream)]
            await one.say(session_id, "and more")
            await all_given_out()
            with pytest.raises(SlowListener):
                await read_on(stream, got)
        assert got == list(range(begin + 1, begin + 1 + len(got)))


async def test_while_nobody_listens_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        reads = 0
        read = one.broker.store.read

        async def counted(job: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(job)

        monkeypatch.setattr(one.broker.store, "read", counted)
        async with giving_out(one):
            for number in range(3):
                await one.say(session_id, f"line {number}")
            assert reads == 0
            listening = asyncio.create_task(heard(one, "ana", None, 1))
            await wait_until(lambda: reads > 0)
            await one.say(session_id, "heard")
            (event,) = await listening
            assert event.data["entry"].entry.text == "heard"


async def test_M4_a_flag_is_told_to_the_one_who_raised_it_and_to_supervisors(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        begin = await newest(one)
        await one.does(RaiseFlag(by=Login("ana"), text="SECRET"), session_id)
        await one.say(session_id, "the end")
        async with giving_out(one):
            for login, sees in (("ana", True), ("sam", True), ("ben", False)):
                told: list[str] = []
                after = begin
                while "the end" not in "".join(told):
                    (event,) = await heard(one, login, after, 1)
                    after = event.number or after
                    told.append(str(event))
                assert ("SECRET" in "".join(told)) is sees, login


async def test_strangers_to_a_session_are_told_nothing_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        begin = await newest(one)
        await one.say(session_id, "between us")
        await one.present("ben")  # told to Ben: the first that he hears
        async with giving_out(one):
            (event,) = await heard(one, "ben", begin, 1)
            assert event.type == "presence"


async def test_a_number_that_was_never_given_out_is_gone_too(tmp_path: Path) -> None:
    """An older backup was restored: whoever comes back with a number of the time that was undone must load anew, or would stay deaf."""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        async with giving_out(one):
            last = await newest(one)
            with pytest.raises(EventsGone):
                await heard(one, "ana", last + 1, 1)
            listening = asyncio.create_task(heard(one, "ana", last, 1))
            await one.say(session_id, "still heard")
            (event,) = await listening
            assert event.number == last + 1


async def test_from_now_on_begins_after_the_newest_event_not_after_the_last_one_given_out(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.say(session_id, "before")  # given out to nobody yet: the hub isn't at work
        begin = await newest(one)
        assert await one.broker.position(one.caller("ana")) == begin
        listening = asyncio.create_task(heard(one, "ana", None, 1))
        await asyncio.sleep(0.1)
        async with giving_out(one):
            await one.say(session_id, "after")
            (event,) = await listening
            assert event.number == begin + 1
