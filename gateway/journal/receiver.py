"""From the inbox to the broker: reads a batch, parses, gives it on in order, settles the rows.

Each channel has its own lane, one batch at a time: a conversation never crosses channels, so order within a channel is all that order
demands, and what holds up one channel (a broker that can't take its events, a fault in a batch) holds up no other. A batch is kept until it is
settled: while the broker or the store is unavailable it is given again, whole and before anything that came later, which is harmless since each
event takes effect once. What can't be parsed is stuck with its reason, and later rows go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.contract import RawRequest
from adapters.envelope import Inbound, InboundUnknown
from adapters.errors import NotUnderstood
from gateway.backoff import backoff
from gateway.brokers.contract import Broker, ReportedEvent
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.journal.contract import Source, Told
from gateway.journal.giving import Giving, InProgress, Results, count, not_applied
from gateway.journal.misdirected import Misdirected
from gateway.journal.spreading import Spreader
from gateway.metrics import Metrics
from gateway.outage import Outage
from gateway.sharing.contract import Share
from gateway.store.inbox_contract import Inbox

_log = logging.getLogger(__name__)
_BATCH: Final = 512
_AT_A_STRETCH: Final = 32  # webhooks parsed before others have a turn: a millisecond
_LOOK_SECONDS: Final = 1.0  # for what no bell told of: rows of before the start, replayed ones, lost rings
_SILENCE_SECONDS: Final = 60.0
_NO_ROOM_SECONDS: Final = 0.1  # between looks whether others have caught up
_OF_OTHERS: Final = "sort others"  # channels that aren't configured any more


class _LetGo(Exception):
    """The channel is another process's now: what is in progress is left to it."""


class Receiver:
    """See the module. One per inbox."""

    def __init__(
        self,
        inbox: Inbox,
        broker: Broker,
        sources: Mapping[str, Source],
        bell: Doorbell,
        metrics: Metrics | None = None,
        *,
        spreader: Spreader | None = None,
        share: Share | None = None,
    ) -> None:
        """`spreader`: where several processes apply what one reads; None: this one applies it. `share`: which channels are this process's (`sort CHANNEL`); None: all."""
        self._metrics = metrics or Metrics()
        self._inbox, self._broker, self._sources, self._bell, self._share = inbox, broker, sources, bell, share
        self._outage = Outage(_log, "the broker", "inbox")
        self._spreader = spreader
        self._take = self._apply if spreader is None else spreader.spread
        self._giving = Giving[Told]()
        self._misdirected = Misdirected(sources, self._metrics)
        self._in_progress = InProgress()
        self._lanes: set[str] = set()
        if share is not None:
            share.on_change(self._look_anew)
            share.before_letting_go(self._in_progress.end_of)

    def _look_anew(self) -> None:
        for channel_id in self._lanes:
            self._bell.wake(inbox_topic(channel_id))

    def _mine(self, channel_id: str) -> bool:
        return self._share is None or self._share.has(self._duty(channel_id))

    def _duty(self, channel_id: str) -> str:
        return duty_of(channel_id) if channel_id in self._sources else _OF_OTHERS

    @property
    def duties(self) -> tuple[str, ...]:
        """To be shared out among processes."""
        return (*map(duty_of, self._sources), _OF_OTHERS)

    async def run(self) -> None:
        """Work until cancelled."""
        self._lanes.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                waiting = await self._waiting()
                for channel_id in {*self._sources, *waiting} - self._lanes:  # also of channels that aren't configured any more
                    tasks.create_task(self._lane(channel_id), name=f"receive {channel_id}")
                    self._lanes.add(channel_id)
                for channel_id in waiting:
                    self._bell.wake(inbox_topic(channel_id))
                await asyncio.sleep(_LOOK_SECONDS)

    async def _waiting(self) -> list[str]:
        try:
            return await self._inbox.channels()
        except StoreUnavailable:  # the store has reported it; the next look may find it well
            return []

    async def _lane(self, channel_id: str) -> None:
        while True:
            try:
                if self._mine(channel_id) and self._spreader is not None and not await self._spreader.room():
                    await asyncio.sleep(_NO_ROOM_SECONDS)
                    continue
                with self._in_progress.of([self._duty(channel_id)]):
                    worked = await self.work(channel_id) if self._mine(channel_id) else 0
            except (StoreUnavailable, BrokerUnavailable, _LetGo):
                await asyncio.sleep(_LOOK_SECONDS)
            except Exception:  # the rows wait still; the other lanes go on
                _log.exception(
                    "the receiver failed", extra={"action": "worker.failed", "worker": "receiver", "channel": channel_id}
                )
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                if not worked:
                    await self._bell.wait(inbox_topic(channel_id), _SILENCE_SECONDS)

    async def work(self, channel_id: str) -> int:
        """One batch of one channel; how many rows it held."""
        batch = await self._inbox.waiting(channel_id, limit=_BATCH)
        if batch is None:
            return 0
        told: list[Told] = []
        stuck: dict[int, str] = {}
        remarks: dict[int, str] = {}
        for number, (row_id, request) in enumerate(zip(batch.ids, batch.requests, strict=True), start=1):
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # webhooks that wait to be answered come first
            about = {"action": "inbox.stuck", "row": row_id, "channel": channel_id}
            try:
                found = self._parse(channel_id, request)
            except NotUnderstood as error:
                _log.warning("webhook not understood", extra={**about, "reason": str(error)})
                stuck[row_id] = str(error)
                continue
            except Exception as error:  # a fault of the adapter's: the bytes stay, and later rows go on
                _log.exception("adapter failed", extra=about)
                stuck[row_id] = f"the adapter failed: {type(error).__name__}"
                continue
            told += [Told(row_id, event) for event in found]
            if unknown := [e for e in found if isinstance(e, InboundUnknown)]:
                self._misdirected.note(row_id, unknown)
                remarks[row_id] = "unknown: " + ", ".join(e.reason for e in unknown[:5])
        await self._give(channel_id, told, stuck)
        await self._inbox.settle(batch, remarks, stuck)
        return len(batch.ids)

    async def _give(self, channel_id: str, told: Sequence[Told], stuck: dict[int, str]) -> None:
        results: list[Exception | None] = []
        while len(results) < len(told):
            results += await self._taken_at_last(channel_id, told[len(results) :])
        if self._spreader is None:  # else who applies them counts them
            count(self._metrics, [one.event for one in told], results)
        for one, result in zip(told, results, strict=True):
            if result is not None:
                stuck[one.row_id] = not_applied(one.row_id, one.event.channel_id, result)

    async def _taken_at_last(self, channel_id: str, told: Sequence[Told]) -> Results:
        """Keep the batch while the broker can't take it."""
        failures = 0
        while True:
            try:
                results = await self._giving.some(told, self._take)
            except BrokerUnavailable as error:
                failures += 1
                self._outage.failed(str(error), channel=channel_id)
                await asyncio.sleep(backoff(failures, first_seconds=0.05, most_seconds=5))
                if not self._mine(channel_id):
                    raise _LetGo from None
            else:
                self._outage.worked()
                return results

    async def _apply(self, told: Sequence[Told]) -> Results:
        return await self._broker.take_in([one.event for one in told])

    def _parse(self, channel_id: str, request: RawRequest) -> Sequence[Inbound | ReportedEvent]:
        source = self._sources.get(channel_id)
        if source is None:
            raise NotUnderstood(f"channel {channel_id!r} is no longer configured: add it again, then replay")
        return source.parse(request)


def duty_of(channel_id: str) -> str:
    """Reading this channel's webhooks: one process's at a time, so that they are read in order."""
    return f"sort {channel_id}"


class ChannelSource:
    """A channel's webhooks, as `gateway.journal.contract.Source`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def parse(self, request: RawRequest) -> Sequence[Inbound | ReportedEvent]:
        """See the contract."""
        return self._channel.adapter.parse(request, self._channel.account)


def sources_of(channels: Mapping[str, Channel]) -> dict[str, Source]:
    """By channel id."""
    return {key: ChannelSource(channel) for key, channel in channels.items()}
