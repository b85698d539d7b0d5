"""Giving things in their order to who applies them: as many at once as it can do with in a moment, and one by one if they fail together."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeAlias, TypeVar

from adapters.envelope import Inbound, InboundReceipt, ReceiptStatus
from gateway.brokers.contract import ReportedEvent, why_not_applied
from gateway.clock import elapsed
from gateway.errors import BrokerUnavailable
from gateway.metrics import Metrics

T = TypeVar("T")
Results: TypeAlias = Sequence[Exception | None]
Take: TypeAlias = Callable[[Sequence[T]], Awaitable[Results]]
_log = logging.getLogger(__name__)
# Of one commit of the broker's. Reps' commands wait behind it, and what a commit costs by itself is shared by its events.
_SECONDS_AT_ONCE: Final = 0.05
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 32, 512


class Pace:
    """How many events to give to the broker at once, by how long the last ones took, and how many it took while commands waited. Lanes that wait for each
    other give less."""

    def __init__(self) -> None:
        self._seconds_each = _SECONDS_AT_ONCE / _MOST_AT_ONCE
        self._taken = _MOST_AT_ONCE

    @property
    def most(self) -> int:
        """So many at once."""
        return min(max(int(_SECONDS_AT_ONCE / self._seconds_each), _FEWEST_AT_ONCE), _MOST_AT_ONCE, self._taken)

    def took(self, events: int, seconds: float, *, of: int) -> None:
        """So many were applied in this time, `of` these. Of a few, what a commit costs by itself would be taken for theirs."""
        self._taken = max(events, _FEWEST_AT_ONCE) if events < of else min(2 * self._taken, _MOST_AT_ONCE)
        if events >= _FEWEST_AT_ONCE:
            self._seconds_each += (seconds / events - self._seconds_each) / 4


class Giving(Generic[T]):
    """See the module."""

    def __init__(self) -> None:
        self._pace = Pace()

    async def some(self, things: Sequence[T], take: Take[T]) -> Results:
        """The first ones of these, one result each. `take` applies them: of many perhaps only the first, and the others have no result, since they are to be
        given again. Raises BrokerUnavailable, as that does."""
        given = things[: self._pace.most]
        begun = elapsed()
        results = await self._taken(given, take)
        self._pace.took(len(results), elapsed() - begun, of=len(given))
        return results

    async def _taken(self, things: Sequence[T], take: Take[T]) -> Results:
        """If they fail as a whole, they are applied one by one, so that a faulty one doesn't block the others."""
        try:
            return await take(things)
        except BrokerUnavailable:
            raise
        except Exception as error:
            if len(things) == 1:
                return [error]
            _log.exception("batch not applied", extra={"action": "inbox.one_by_one", "events": len(things)})
            return [result for one in things for result in await self._taken([one], take)]


def count(metrics: Metrics, events: Sequence[Inbound | ReportedEvent], results: Results) -> None:
    """What was applied, and what failed. A provider that takes everything and refuses later is heard of like one that refuses at once."""
    kinds = Counter(
        (event.channel_id, event.kind if result is None else "failed") for event, result in zip(events, results, strict=True)
    )
    for labels, number in kinds.items():
        metrics.inbound.labels(*labels).inc(number)
    for event, result in zip(events, results, strict=True):
        if result is None and isinstance(event, InboundReceipt) and event.status is ReceiptStatus.failed:
            metrics.sends.labels(event.channel_id, "failed_later").inc()
            about = {
                "channel": event.channel_id,
                "code": event.code,
                "provider_code": event.provider_code,
                "row": event.outbox_id,
            }
            _log.warning("message failed later", extra={"action": "outbox.failed_later", **about})


def not_applied(row_id: int, channel_id: str, error: Exception) -> str:
    """Why a webhook is stuck of which this event couldn't be applied; it is logged."""
    about = {"row": row_id, "channel": channel_id}
    _log.error("event not applied", exc_info=error, extra={"action": "inbox.stuck", **about})
    return why_not_applied(error)


class InProgress:
    """What this process is doing, by duty: a duty that is let go of is finished first."""

    def __init__(self) -> None:
        self._now: Counter[str] = Counter()
        self._ended = asyncio.Event()

    @contextmanager
    def of(self, duties: Collection[str]) -> Iterator[None]:
        """Within it, something of these duties is in progress."""
        self._now.update(duties)
        try:
            yield
        finally:
            self._now.subtract(duties)
            self._ended.set()

    async def end_of(self, duties: Collection[str]) -> None:
        """Return when nothing of them is."""
        while any(self._now[duty] > 0 for duty in duties):
            self._ended.clear()
            await self._ended.wait()
