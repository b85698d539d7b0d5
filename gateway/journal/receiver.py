"""From the inbox to the broker: leases a batch, parses, gives it on in order, settles the rows.

Events of one batch go to the broker together, so that their effects share a commit. What can't be parsed is stuck with its reason;
what the broker can't take now is put back, and waits with everything behind it, so that order holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from adapters.contract import RawRequest
from adapters.envelope import Inbound, InboundUnknown
from adapters.errors import NotUnderstood
from gateway.brokers.contract import Broker
from gateway.clock import Clock
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.journal.contract import Inbox, InboxRow
from gateway.journal.retries import backoff
from gateway.metrics import Metrics

_log = logging.getLogger(__name__)
_BATCH: Final = 200
_AT_A_STRETCH: Final = 8  # rows parsed before others have a turn: under 2 ms
_LEASE_SECONDS: Final = 60.0


class Receiver:
    """See the module. One per inbox."""

    def __init__(
        self,
        inbox: Inbox,
        broker: Broker,
        channels: Mapping[str, Channel],
        bell: Doorbell,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._inbox, self._broker, self._channels, self._bell, self._clock = inbox, broker, channels, bell, clock

    async def run(self) -> None:
        """Work until cancelled."""
        failures = 0
        while True:
            try:
                worked = await self.work_once()
                failures = 0
            except (BrokerUnavailable, StoreUnavailable) as error:
                failures += 1
                _log.warning("broker unavailable", extra={"action": "inbox.wait", "reason": str(error)})
                await self._bell.wait("inbox_retry", backoff(failures, most_seconds=30))
                continue
            if not worked:
                await self._bell.wait("inbox", 1.0)

    async def work_once(self) -> int:
        """One batch; how many rows it held."""
        rows = await self._inbox.lease(seconds=_LEASE_SECONDS, limit=_BATCH)
        if not rows:
            return 0
        events: list[Inbound] = []
        owners: list[int] = []
        trouble: dict[int, str] = {}
        remarks: dict[int, str] = {}
        for count, row in enumerate(rows, start=1):
            if count % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # webhooks that wait to be answered come first
            try:
                found = self._parse(row)
            except NotUnderstood as error:
                trouble[row.id] = str(error)
                continue
            except Exception as error:  # a fault of the adapter's: the bytes stay, and later rows go on
                _log.exception("adapter failed", extra={"action": "inbox.stuck", "row": row.id, "channel": row.channel_id})
                trouble[row.id] = f"the adapter failed: {type(error).__name__}"
                continue
            events += found
            owners += [row.id] * len(found)
            if unknown := [e.reason for e in found if isinstance(e, InboundUnknown)]:
                remarks[row.id] = "unknown: " + ", ".join(unknown[:5])
        await self._give(rows, events, owners, trouble)
        done = [(row.id, remarks.get(row.id)) for row in rows if row.id not in trouble]
        await self._inbox.settle(done, list(trouble.items()))
        return len(rows)

    async def _give(
        self, rows: Sequence[InboxRow], events: Sequence[Inbound], owners: Sequence[int], trouble: dict[int, str]
    ) -> None:
        try:
            results = await self._taken_in(events)
        except BrokerUnavailable as error:
            at = self._clock() + timedelta(milliseconds=50)
            await self._inbox.put_back([row.id for row in rows], at=at, reason=str(error))
            raise
        for owner, event, result in zip(owners, events, results, strict=True):
            self._metrics.inbound.labels(event.channel_id, event.kind if result is None else "failed").inc()
            if result is not None:
                _log.error("event not applied", exc_info=result, extra={"action": "inbox.stuck", "row": owner})
                trouble[owner] = f"could not be applied: {type(result).__name__}"

    async def _taken_in(self, events: Sequence[Inbound]) -> Sequence[Exception | None]:
        """As the broker's own. When it fails as a whole, its fault is looked for event by event, so that none stands in the others' way."""
        try:
            return await self._broker.take_in(events)
        except BrokerUnavailable:
            raise
        except Exception as error:
            if len(events) == 1:
                return [error]
            _log.exception("batch not applied", extra={"action": "inbox.one_by_one", "events": len(events)})
            return [result for event in events for result in await self._taken_in([event])]

    def _parse(self, row: InboxRow) -> list[Inbound]:
        channel = self._channels.get(row.channel_id)
        if channel is None:
            raise NotUnderstood(f"channel {row.channel_id!r} is no longer configured: add it again, then replay")
        request = RawRequest(
            method=row.method,
            url=row.url,
            path=row.path,
            query=row.query,
            headers=row.headers,
            body=row.body,
            received_at=row.received_at,
        )
        return channel.adapter.parse(request, channel.account)
