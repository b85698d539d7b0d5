"""What desks are told, by number, and when the clock calls, in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from gateway.store.contract import DueTimer, StoredEvent
from gateway.store.gathering import Gathering


class Events:
    """See `gateway.store.contract.Events`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._new = gathering.rows(
            "INSERT INTO events (at, org, session_id, type, audience, data) VALUES (?, ?, ?, ?, ?, ?)", news="events"
        )

    def add(self, *, org: str, session_id: str | None, type: str, audience: Iterable[str], data: Mapping[str, Any]) -> None:
        """See the contract."""
        names = _names(frozenset(audience))
        key = (
            (session_id, names) if type == "session" else None
        )  # one says it all: who is told reads the session as it is by then
        self._new.add((self._gathering.at, org, session_id, type, names, to_json(data).decode() if data else "{}"), key)

    def after(self, number: int, limit: int = 500) -> list[StoredEvent]:
        """See the contract."""
        rows = self._gathering.run("SELECT * FROM events WHERE number > ? ORDER BY number LIMIT ?", (number, limit))
        return [
            StoredEvent(
                row["number"],
                row["at"],
                row["org"],
                row["session_id"],
                row["type"],
                frozenset(json.loads(row["audience"])),
                json.loads(row["data"]),
            )
            for row in rows
        ]

    def newest(self) -> int:
        """See the contract."""
        row = self._gathering.run("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return int(row[0]) if row else 0

    def oldest(self) -> int:
        """See the contract."""
        row = self._gathering.run("SELECT min(number) FROM events").fetchone()
        return int(row[0]) if row[0] is not None else self.newest() + 1


@lru_cache(1_000)
def _names(audience: frozenset[str]) -> str:
    """The same few audiences hear of almost everything."""
    return json.dumps(sorted(audience))


class Timers:
    """See `gateway.store.contract.Timers`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._off = gathering.rows("DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ?")
        self._on = gathering.rows(
            "INSERT OR REPLACE INTO timers (session_id, kind, ref, due_at, fires_at) VALUES (?, ?, ?, ?, ?)", news="timers"
        )

    def set(self, session_id: str, kind: str, ref: str, due_at: datetime, fires_at: datetime) -> None:
        """See the contract."""
        place = (session_id, kind, ref)
        self._on.add((*place, due_at.timestamp(), fires_at.timestamp()), place)

    def cancel(self, session_id: str, kind: str, ref: str) -> None:
        """See the contract."""
        place = (session_id, kind, ref)
        self._on.drop(place)
        self._off.add(place, place)

    def due(self, steady: float, limit: int = 200) -> list[DueTimer]:
        """See the contract."""
        query = "SELECT session_id, kind, ref, due_at, fires_at FROM timers WHERE fires_at <= ? ORDER BY fires_at LIMIT ?"
        return [DueTimer(*row) for row in self._gathering.run(query, (steady, limit))]

    def take(self, timer: DueTimer) -> bool:
        """See the contract."""
        statement = "DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ? AND due_at = ? AND fires_at = ?"
        return self._gathering.run(statement, tuple(timer)).rowcount == 1

    def next_due(self) -> float | None:
        """See the contract."""
        row = self._gathering.run("SELECT min(fires_at) FROM timers").fetchone()
        return float(row[0]) if row[0] is not None else None

    def begin_anew(self) -> None:
        """See the contract."""
        self._gathering.run("UPDATE timers SET fires_at = due_at WHERE fires_at != due_at")
