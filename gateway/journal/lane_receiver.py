"""From the lanes to the broker: reads what waits in the lanes that are this process's, in order, and applies it; a row goes with what it did.

Nothing is held in memory beyond what is being applied: what fails because the store is away, or because the process lost its lanes, is read again by whoever has them. What
can't be applied makes its webhook stuck, and holds up nothing behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from gateway.backoff import backoff
from gateway.doorbell.contract import Doorbell
from gateway.errors import BrokerUnavailable
from gateway.journal.contract import LaneItem, Lanes
from gateway.journal.giving import Giving, InProgress, Results, count, not_applied
from gateway.journal.spreading import LANES_TOPIC
from gateway.metrics import Metrics
from gateway.outage import Outage
from gateway.sharing.contract import Share

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 512
_LOOK_SECONDS: Final = 1.0  # for what no bell told of
_PARTS: Final = 2  # while one waits for the database, the other reads or decides
_ROLE: Final = "broker"


class LaneReceiver:
    """See the module. One per store."""

    def __init__(self, lanes: Lanes, bell: Doorbell, share: Share, metrics: Metrics | None = None) -> None:
        self._lanes, self._bell, self._share = lanes, bell, share
        self._metrics = metrics or Metrics()
        self._outage = Outage(_log, "the broker", "lanes")
        self._giving = Giving[LaneItem]()
        self._in_progress = InProgress()
        self._rung = [asyncio.Event() for _ in range(_PARTS)]
        share.on_change(self._ring)
        share.before_letting_go(self._in_progress.end_of)

    def _ring(self) -> None:
        for one in self._rung:
            one.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in range(_PARTS):
                tasks.create_task(self._part(part), name=f"lanes {part}")
            while True:
                await self._bell.wait(LANES_TOPIC, _LOOK_SECONDS)
                self._ring()

    async def _part(self, part: int) -> None:
        failures = 0
        while True:
            self._rung[part].clear()
            try:
                worked = await self.work(part)
            except BrokerUnavailable as error:
                failures += 1
                self._outage.failed(str(error))
                await asyncio.sleep(backoff(failures, first_seconds=0.05, most_seconds=5))
            except Exception:  # the rows wait still
                _log.exception("the receiver of lanes failed", extra={"action": "worker.failed", "worker": "lanes"})
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                failures = 0
                self._outage.worked()
                if not worked:
                    await self._rung[part].wait()

    async def work(self, part: int | None = None) -> int:
        """What waits in our lanes, or in a part of them, about once; how many rows there were. Raises BrokerUnavailable."""
        lanes = [lane for lane in self._share.lanes(_ROLE) if part is None or lane % _PARTS == part]
        if not lanes:
            return 0
        by = self._share.worker
        items = await self._lanes.waiting(lanes, limit=_AT_ONCE)
        await self._apply(items, by)
        return len(items)

    async def _apply(self, items: Sequence[LaneItem], by: str) -> None:
        """As long as they are ours: a lane that is let go of needs wait for what is being written alone."""
        left = self._ours(items, by)
        while left:
            with self._in_progress.of(_duties({one.lane for one in left})):
                left = self._ours(left[await self._first(left, by) :], by)

    async def _first(self, items: Sequence[LaneItem], by: str) -> int:
        """Of these, the first ones; how many."""
        unreadable = next((place for place, one in enumerate(items) if one.event is None), len(items))
        if unreadable == 0:
            await self._give_up(items[0], items[0].fault or ValueError(), by)
            return 1
        given = items[:unreadable]
        results = await self._giving.some(given, partial(self._taken, by))
        count(self._metrics, [one.event for one in given[: len(results)] if one.event is not None], results)
        return len(results)

    def _ours(self, items: Sequence[LaneItem], by: str) -> Sequence[LaneItem]:
        lanes = self._share.lanes(_ROLE) if self._share.worker == by else frozenset[int]()
        return [one for one in items if one.lane in lanes]

    async def _taken(self, by: str, items: Sequence[LaneItem]) -> Results:
        try:
            results = await self._lanes.apply(items, by=by)
        except BrokerUnavailable:
            raise
        except Exception as error:
            if len(items) == 1:
                await self._give_up(items[0], error, by)
                return [error]
            raise
        for one, result in zip(items, results, strict=False):
            if result is not None:
                not_applied(one.row_id, one.channel_id, result)
        return results

    async def _give_up(self, item: LaneItem, error: Exception, by: str) -> None:
        await self._lanes.give_up(item, not_applied(item.row_id, item.channel_id, error), by=by)


def _duties(lanes: Collection[int]) -> list[str]:
    return [f"{_ROLE} {lane}" for lane in lanes]
