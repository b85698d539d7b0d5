"""What the simulated org's event log promises: order, replay ids that nobody can count on, 72 hours, and that an event that was appended is there."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.brokers.salesforce.simulator.log import WINDOW, EventLog, TooLarge
from tests.brokers.salesforce.bus import TOPIC, SteppedClock, bus_world

APPENDING: Final = """
import asyncio, sys
from pathlib import Path
from gateway.brokers.salesforce.simulator.log import EventLog

async def main():
    async with EventLog(Path(sys.argv[1]), "/event/byoc__Message__e") as log:
        async def one(n):
            replay_id = await log.append("Interaction", {}, f"e{n}")
            print(f"e{n}", replay_id.hex(), flush=True)
        n = 0
        while True:
            await asyncio.gather(*(one(n + k) for k in range(5)))
            n += 5

asyncio.run(main())
"""


async def ids(log: EventLog, after: int = 0) -> list[str]:
    return [event.event_id for event in (await log.after(after)).events]


async def test_replay_ids_grow_with_gaps_and_a_javascript_number_holds_them(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        given_out = [await log.append("Interaction", {}) for _ in range(20)]
    numbers = [int.from_bytes(one, "big") for one in given_out]
    assert {len(one) for one in given_out} == {8}
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**53
    assert any(later - earlier > 1 for earlier, later in pairwise(numbers))


async def test_hostile_replay_ids_say_nothing_and_still_lead_back(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC, hostile=True) as log:
        given_out = [await log.append("Interaction", {}, f"e{n}") for n in range(20)]
        assert len({len(one) for one in given_out}) > 1
        assert min(map(len, given_out)) > 8
        assert given_out != sorted(given_out)
        place = await log.find(given_out[4])
        assert place is not None
        assert await ids(log, place.number) == [f"e{n}" for n in range(5, 20)]


async def test_an_id_that_was_not_given_out_is_unknown(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        known = await log.append("Interaction", {})
        number = int.from_bytes(known, "big")
        for wrong in (b"", b"x", known + b"\0", known[:-1], (number + 1).to_bytes(8, "big"), b"\xff" * 8):
            assert await log.find(wrong) is None, wrong
        assert await log.find(known) is not None


async def test_events_are_there_for_72_hours(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with EventLog(tmp_path, TOPIC, clock) as log:
        first = await log.append("Interaction", {}, "e0")
        clock.move(hours=1)
        second = await log.append("Interaction", {}, "e1")
        clock.move(hours=71, seconds=-1)
        assert await ids(log) == ["e0", "e1"]
        assert await log.find(first) is not None
        clock.move(seconds=1)
        assert await ids(log) == ["e1"]
        assert await log.find(first) is None
        assert await log.find(second) is not None
        clock.move(hours=1)
        assert await ids(log) == []
        assert await log.find(second) is None
        head = await log.head()
        assert await log.find(head.replay_id) is not None


async def test_what_is_older_is_deleted_and_no_number_is_used_again(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with EventLog(tmp_path, TOPIC, clock) as log:
        before = await log.append("Interaction", {"text": "old"}, "e0")
        clock.move(hours=73)
        after = await log.append("Interaction", {}, "e1")
        assert after > before
    assert b'"text":"old"' not in (tmp_path / "events.db").read_bytes()
    clock.at -= WINDOW + timedelta(hours=1)  # nothing but the file can know
    async with EventLog(tmp_path, TOPIC, clock) as log:
        assert await ids(log) == ["e1"]


async def test_the_same_event_again_is_one_event(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        first = await log.append("Interaction", {"n": 1}, "e0")
        assert await log.append("Interaction", {"n": 1}, "e0") == first
        assert await ids(log) == ["e0"]


async def test_an_event_has_a_megabyte_at_most(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        await log.append_text("Interaction", "é" * 500_000)
        with pytest.raises(TooLarge):
            await log.append_text("Interaction", "é" * 500_000 + "x")


async def test_another_topic_s_events_are_not_delivered(tmp_path: Path) -> None:
    async with EventLog(tmp_path, "/event/byoc__Before__e") as log:
        await log.append("Interaction", {}, "e0")
    async with EventLog(tmp_path, TOPIC) as log:
        await log.append("Interaction", {}, "e1")
        assert await ids(log) == ["e1"]


async def test_who_waits_is_woken(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        moved = asyncio.Event()
        log.moved.add(moved)
        await log.append("Interaction", {})
        assert moved.is_set()


async def test_after_a_migration_the_order_stays_and_old_ids_are_invalid(tmp_path: Path) -> None:
    async with EventLog(tmp_path, TOPIC) as log:
        old = [await log.append("Interaction", {}, f"e{n}") for n in range(5)]
        await log.forget_replay_ids()
        assert [await log.find(one) for one in old] == [None] * 5
        assert await ids(log) == [f"e{n}" for n in range(5)]
        new = [event.replay_id for event in (await log.after(0)).events]
        assert not {*old} & {*new}
        assert await log.append("Interaction", {}, "e5") > max(new)


@pytest.mark.acceptance
async def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", APPENDING, str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    said = [(await process.stdout.readline()).decode().split() for _ in range(37)]
    process.send_signal(signal.SIGKILL)
    said += [line.split() for line in (await process.stdout.read()).decode().splitlines(keepends=True) if line.endswith("\n")]
    await process.wait()
    async with EventLog(tmp_path, TOPIC) as log:
        found: dict[str, str] = {}
        number = 0
        while events := (await log.after(number)).events:
            found |= {event.event_id: event.replay_id.hex() for event in events}
            number = events[-1].number
        assert {event_id: replay_id for event_id, replay_id in said if found.get(event_id) != replay_id} == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["cut", "go"]), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=25)
@given(steps=STEPS, hostile=st.booleans())
def test_whatever_happens_each_event_is_delivered_once_and_in_order(steps: list[tuple[str, int | None]], hostile: bool) -> None:
    """Subscribers that resume after what they read last, in any mixture with appends; half of them are cut by the org."""
    asyncio.run(_delivered_once(steps, hostile))


async def _delivered_once(steps: list[tuple[str, int | None]], hostile: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with bus_world(Path(folder), hostile=hostile) as world:
            start = await world.log.head()
            reader, last = await world.after(start.replay_id, 100), start.replay_id
            appended = 0
            got: list[str] = []
            for what, count in [*steps, ("append", 1), ("read", 10_000)]:
                if what == "append":
                    for _ in range(count or 0):
                        await world.log.append("Interaction", {}, f"e{appended}")
                        appended += 1
                elif what == "read":
                    until = min(len(got) + (count or 0), appended)
                    while len(got) < until:
                        response = await reader.read()
                        assert response is not None
                        got += [one.event.id for one in response.events]
                        last = response.latest_replay_id
                        await reader.ask(len(response.events))
                else:
                    if what == "cut":
                        world.bus.faults.disconnect()
                    reader.call.cancel()
                    reader = await world.after(last, 100)
            assert got == [f"e{n}" for n in range(appended)]
