"""From the inbox to the broker: reads a batch, parses, gives it on in order, settles the rows.

Each channel has its own lane, one batch at a time: a conversation never crosses channels, so order within a channel is all that order
demands, and what holds up one channel (a broker that can't take its events, a fault in a batch) holds up no other. A batch is kept until it is
settled: while the broker or the store is unavailable it is given again, whole and before anything that came later, which is harmless since each
event takes effect once. What can't be parsed is stuck with its reason, and later rows go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.contract import RawRequest
from adapters.envelope import Inbound, InboundReceipt, InboundUnknown, ReceiptStatus
from adapters.errors import NotUnderstood
from gateway.backoff import backoff
from gateway.brokers.contract import Broker, ReportedEvent
from gateway.clock import elapsed
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.journal.contract import Source
from gateway.journal.misdirected import Misdirected
from gateway.metrics import Metrics
from gateway.outage import Outage
from gateway.store.inbox_contract import Inbox

_log = logging.getLogger(__name__)
_BATCH: Final = 512
# Of one commit of the broker's. Reps' commands wait behind it, and what a commit costs by itself is shared by its events.
_SECONDS_AT_ONCE: Final = 0.05
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 32, 512
_AT_A_STRETCH: Final = 32  # webhooks parsed before others have a turn: a millisecond
_LOOK_SECONDS: Final = 1.0  # for what no bell told of: rows of before the start, replayed ones, lost rings
_SILENCE_SECONDS: Final = 60.0


class _Pace:
    """How many events to give to the broker at once, by how long the last ones took, and how many it took while commands waited. Lanes that wait for each
    other give less."""

    def __init__(self) -> None:
        self._seconds_each = _SECONDS_AT_ONCE / _MOST_AT_ONCE
        self._taken = _MOST_AT_ONCE

    @property
    def most(self) -> int:
        return min(max(int(_SECONDS_AT_ONCE / self._seconds_each), _FEWEST_AT_ONCE), _MOST_AT_ONCE, self._taken)

    def took(self, events: int, seconds: float, *, of: int) -> None:
        """So many were applied in this time, `of` these. Of a few, what a commit costs by itself would be taken for theirs."""
        self._taken = max(events, _FEWEST_AT_ONCE) if events < of else min(2 * self._taken, _MOST_AT_ONCE)
        if events >= _FEWEST_AT_ONCE:
            self._seconds_each += (seconds / events - self._seconds_each) / 4


class Receiver:
    """See the module. One per inbox."""

    def __init__(
        self, inbox: Inbox, broker: Broker, sources: Mapping[str, Source], bell: Doorbell, metrics: Metrics | None = None
    ) -> None:
        self._metrics = metrics or Metrics()
        self._inbox, self._broker, self._sources, self._bell = inbox, broker, sources, bell
        self._outage = Outage(_log, "the broker", "inbox")
        self._pace = _Pace()
        self._misdirected = Misdirected(sources, self._metrics)

    async def run(self) -> None:
        """Work until cancelled."""
        lanes: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                waiting = await self._waiting()
                for channel_id in {*self._sources, *waiting} - lanes:  # also of channels that aren't configured any more
                    tasks.create_task(self._lane(channel_id), name=f"receive {channel_id}")
                    lanes.add(channel_id)
                for channel_id in waiting:
                    self._bell.ring(inbox_topic(channel_id))
                await asyncio.sleep(_LOOK_SECONDS)

    async def _waiting(self) -> list[str]:
        try:
            return await self._inbox.channels()
        except StoreUnavailable:  # the store has reported it; the next look may find it well
            return []

    async def _lane(self, channel_id: str) -> None:
        while True:
            try:
                worked = await self.work(channel_id)
            except StoreUnavailable:
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
        events: list[Inbound | ReportedEvent] = []
        owners: list[int] = []
        stuck: dict[int, str] = {}
        remarks: dict[int, str] = {}
        for count, (row_id, request) in enumerate(zip(batch.ids, batch.requests, strict=True), start=1):
            if count % _AT_A_STRETCH == 0:
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
            events += found
            owners += [row_id] * len(found)
            if unknown := [e for e in found if isinstance(e, InboundUnknown)]:
                self._misdirected.note(row_id, unknown)
                remarks[row_id] = "unknown: " + ", ".join(e.reason for e in unknown[:5])
        await self._give(channel_id, events, owners, stuck)
        await self._inbox.settle(batch, remarks, stuck)
        return len(batch.ids)

    async def _give(
        self, channel_id: str, events: Sequence[Inbound | ReportedEvent], owners: Sequence[int], stuck: dict[int, str]
    ) -> None:
        results: list[Exception | None] = []
        while len(results) < len(events):
            results += await self._taken_at_last(channel_id, events[len(results) : len(results) + self._pace.most])
        kinds = Counter(event.kind if result is None else "failed" for event, result in zip(events, results, strict=True))
        for kind, count in kinds.items():
            self._metrics.inbound.labels(channel_id, kind).inc(count)
        for owner, event, result in zip(owners, events, results, strict=True):
            if result is None:
                self._failed_later(event)
            else:
                about = {"row": owner, "channel": event.channel_id}
                _log.error("event not applied", exc_info=result, extra={"action": "inbox.stuck", **about})
                stuck[owner] = f"could not be applied: {type(result).__name__}"

    async def _taken_at_last(self, channel_id: str, events: Sequence[Inbound | ReportedEvent]) -> Sequence[Exception | None]:
        """Keep the batch while the broker can't take it."""
        failures = 0
        while True:
            begun = elapsed()
            try:
                results = await self._taken_in(events)
            except BrokerUnavailable as error:
                failures += 1
                self._outage.failed(str(error), channel=channel_id)
                await asyncio.sleep(backoff(failures, first_seconds=0.05, most_seconds=5))
            else:
                self._outage.worked()
                self._pace.took(len(results), elapsed() - begun, of=len(events))
                return results

    async def _taken_in(self, events: Sequence[Inbound | ReportedEvent]) -> Sequence[Exception | None]:
        """Like the broker's. If the batch fails as a whole, its events are applied one by one, so that a faulty one doesn't block the others."""
        try:
            return await self._broker.take_in(events)
        except BrokerUnavailable:
            raise
        except Exception as error:
            if len(events) == 1:
                return [error]
            _log.exception("batch not applied", extra={"action": "inbox.one_by_one", "events": len(events)})
            return [result for event in events for result in await self._taken_in([event])]

    def _failed_later(self, event: Inbound | ReportedEvent) -> None:
        """A provider that takes everything and refuses later is heard of like one that refuses at once."""
        if isinstance(event, InboundReceipt) and event.status is ReceiptStatus.failed:
            self._metrics.sends.labels(event.channel_id, "failed_later").inc()
            about = {
                "channel": event.channel_id,
                "code": event.code,
                "provider_code": event.provider_code,
                "row": event.outbox_id,
            }
            _log.warning("message failed later", extra={"action": "outbox.failed_later", **about})

    def _parse(self, channel_id: str, request: RawRequest) -> Sequence[Inbound | ReportedEvent]:
        source = self._sources.get(channel_id)
        if source is None:
            raise NotUnderstood(f"channel {channel_id!r} is no longer configured: add it again, then replay")
        return source.parse(request)


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
