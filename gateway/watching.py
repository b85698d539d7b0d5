"""What waits, how much and for how long, for /metrics: read from the stores just before each reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prometheus_client import Gauge

from gateway.clock import Clock
from gateway.metrics import Metrics
from gateway.store.contract import Store
from gateway.store.inbox_contract import Inbox, Tally


class Watching:
    """See the module."""

    def __init__(self, watched: Sequence[tuple[Inbox | None, Store]], metrics: Metrics, clock: Clock) -> None:
        """`watched`: each store, and the inbox beside it if that is of interest here."""
        self._watched, self._metrics, self._clock = watched, metrics, clock

    def install(self) -> None:
        """Have the gauges set before each reading."""
        self._metrics.before_reading(self._refresh)

    async def _refresh(self) -> None:
        inboxes: list[Tally] = []
        outboxes: list[Tally] = []
        sessions: Counter[str] = Counter()
        for inbox, store in self._watched:
            inboxes += await inbox.read(lambda rows: rows.tallies()) if inbox is not None else []
            outbox, by_status = await store.read(lambda stored: (stored.outbox.tallies(), stored.sessions.open_by_status()))
            outboxes += outbox
            sessions.update(by_status)
        m = self._metrics
        self._set(m.inbox_rows, m.inbox_oldest, inboxes, waits="waiting")
        self._set(m.outbox_rows, m.outbox_oldest, outboxes, waits="queued")
        m.sessions.clear()
        for status, count in sessions.items():
            m.sessions.labels(status).set(count)

    def _set(self, rows: Gauge, oldest: Gauge, tallies: Sequence[Tally], *, waits: str) -> None:
        now = self._clock().timestamp()
        rows.clear()
        oldest.clear()
        for one in tallies:
            rows.labels(one.channel_id, one.state).set(one.rows)
            if one.state == waits:
                oldest.labels(one.channel_id).set(max(0.0, now - one.oldest))
