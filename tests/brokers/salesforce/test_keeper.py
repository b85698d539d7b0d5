"""Events are put into the inbox in order, again and again until each is there, and are told durable only then."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.contract import RawRequest
from gateway.brokers.salesforce.keeper import Keeper, Waiting
from gateway.brokers.salesforce.progress import Ticket
from gateway.clock import now
from gateway.doorbell.contract import inbox_topic
from gateway.doorbell.local import LocalDoorbell
from gateway.store.inbox import SqliteInbox
from tests.brokers.salesforce.bus import START
from tests.store.backends import webhooks

LANE = "salesforce:prod"


class World:
    """A keeper on a real inbox. `failing`: what the next commits fail with. `durable`: the tickets that it was told, and `put`: how many puts there were."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.failing = folder, list[Exception]()
        self.durable, self.bell = list[int](), LocalDoorbell()
        self.inbox = SqliteInbox(folder, now, fault=self._fault)
        self.keeper = Keeper(LANE, self.inbox, self.bell, self.durable.append)

    def _fault(self, point: str) -> None:
        if point == "before_commit" and self.failing:
            raise self.failing.pop(0)

    def take(self, *numbers: int, size: int = 10) -> None:
        for number in numbers:
            body = str(number).encode().ljust(size)
            request = RawRequest(
                "EVENT", "/event/X__e", "", (), {"event-id": str(number), "replay-id": f"{number:x}"}, body, START
            )
            self.keeper.take(Waiting(Ticket(number), request))

    def kept(self) -> list[int]:
        return [int(row.request.body) for row in webhooks(self.folder)]


@asynccontextmanager
async def keeping(folder: Path) -> AsyncIterator[World]:
    world = World(folder)
    await world.inbox.open()
    task = asyncio.create_task(world.keeper.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.inbox.close()


async def test_events_are_kept_in_order_and_the_receiver_is_woken(tmp_path: Path) -> None:
    async with keeping(tmp_path) as world:
        world.take(*range(700))
        assert world.keeper.unkept == 700
        await world.keeper.at_most(0)
        assert world.kept() == world.durable == list(range(700))
        await world.bell.wait(inbox_topic(LANE), 60)


async def test_large_events_are_shared_out_among_commits(tmp_path: Path) -> None:
    async with keeping(tmp_path) as world:
        world.take(*range(8), size=300_000)
        await world.keeper.at_most(0)
        assert world.kept() == list(range(8))


def _full() -> Exception:
    return OSError(errno.ENOSPC, "No space left on device")


async def test_what_could_not_be_kept_is_put_again_before_what_follows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with keeping(tmp_path) as world:
        world.failing = [_full() for _ in range(3)]
        world.take(*range(5))
        await asyncio.sleep(0)
        world.take(*range(5, 10))
        await world.keeper.at_most(0)
        assert world.kept() == world.durable == list(range(10))
    assert "salesforce.unkept" not in [vars(record).get("action") for record in caplog.records]  # the store says so itself


async def test_an_event_that_alone_can_not_be_kept_is_reported_once_and_not_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keeping(tmp_path) as world:
        world.failing = [ValueError("an odd one") for _ in range(30)]
        world.take(*range(5))
        await world.keeper.at_most(0)
        assert sorted(world.kept()) == sorted(world.durable) == list(range(5))
    told = [vars(record)["replay_id"] for record in caplog.records if vars(record).get("action") == "salesforce.unkept"]
    assert told
    assert len(told) == len(set(told))


async def test_what_waits_for_fewer_goes_on_when_there_are(tmp_path: Path) -> None:
    async with keeping(tmp_path) as world:
        await world.keeper.at_most(0)
        world.failing = [_full(), _full()]
        world.take(*range(5))
        waiting = asyncio.create_task(world.keeper.at_most(3))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await waiting
        assert world.durable == list(range(5))
