"""What waits, how much and for how long, for /metrics: read from the stores just before each reading."""

from __future__ import annotations

import sqlite3
from typing import Any

from gateway.brokers.embedded import EmbeddedBroker
from gateway.clock import Clock
from gateway.journal.inbox import SqliteInbox
from gateway.metrics import Metrics

_INBOX_STATES = {0: "waiting", 1: "done", 2: "stuck"}


class Watching:
    """See the module."""

    def __init__(self, inbox: SqliteInbox, broker: EmbeddedBroker, metrics: Metrics, clock: Clock) -> None:
        self._inbox, self._broker, self._metrics, self._clock = inbox, broker, metrics, clock

    def install(self) -> None:
        """Have the gauges set before each reading."""
        self._metrics.before_reading(self._refresh)

    async def _refresh(self) -> None:
        now = self._clock().timestamp()
        m = self._metrics
        inbox = await self._inbox.read(_inbox_counts)
        outbox, sessions = await self._broker.read(_broker_counts)
        for gauge in (m.inbox_rows, m.inbox_oldest, m.outbox_rows, m.outbox_oldest, m.sessions):
            gauge.clear()
        for channel, state, count, oldest in inbox:
            m.inbox_rows.labels(channel, _INBOX_STATES[state]).set(count)
            if state == 0:
                m.inbox_oldest.labels(channel).set(max(0.0, now - oldest))
        for channel, word, count, oldest in outbox:
            m.outbox_rows.labels(channel, word).set(count)
            if word == "queued":
                m.outbox_oldest.labels(channel).set(max(0.0, now - oldest))
        for status, count in sessions:
            m.sessions.labels(status).set(count)


def _inbox_counts(connection: sqlite3.Connection) -> list[tuple[str, int, int, float]]:
    # One part for each partial index: together in one condition they would have every row of the last days read.
    query = "SELECT channel_id, state, count(*), min(received_at) FROM inbox INDEXED BY {} WHERE state = {} GROUP BY channel_id, state"
    return _rows(connection, query.format("inbox_waiting", 0), query.format("inbox_stuck", 2))


def _broker_counts(
    connection: sqlite3.Connection,
) -> tuple[list[tuple[str, str, int, float]], list[tuple[str, int]]]:
    query = "SELECT channel_id, state, count(*), min(created_at) FROM outbox INDEXED BY {} WHERE state IN {} GROUP BY channel_id, state"
    waiting = query.format("outbox_open", ("queued", "sending"))
    troubled = query.format("outbox_troubled", ("failed", "unknown", "skipped"))
    sessions = "SELECT status, count(*) FROM sessions INDEXED BY sessions_open WHERE status != 'ended' GROUP BY status"
    return _rows(connection, waiting, troubled), _rows(connection, sessions)


def _rows(connection: sqlite3.Connection, *queries: str) -> list[Any]:
    return [tuple(row) for query in queries for row in connection.execute(query)]
