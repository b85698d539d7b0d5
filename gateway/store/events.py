"""What desks are told, by number, and when the clock calls, in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pydantic_core import to_json

from gateway.store.contract import DueTimer, StoredEvent
from gateway.store.gathering import Gathering

_ADD: Final = {
    "sqlite": "INSERT INTO events (at, org, session_id, type, audience, data) VALUES (?, ?, ?, ?, ?, ?)",
    # Whoever gives numbers holds the row that has the last one until the commit is done: so numbers are committed in their order.
    "postgresql": """WITH given AS (
        UPDATE event_numbers SET last = last + cardinality(:c0::double precision[]) RETURNING last - cardinality(:c0::double precision[]) AS before)
        INSERT INTO events (number, at, org, session_id, type, audience, data)
        SELECT given.before + new.nth, new.at, new.org, new.session_id, new.type, new.audience, new.data
        FROM given, unnest(:c0::double precision[], :c1::text[], :c2::text[], :c3::text[], :c4::text[], :c5::text[])
            WITH ORDINALITY AS new (at, org, session_id, type, audience, data, nth)""",
}
_NEWEST: Final = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
    "postgresql": "SELECT last FROM event_numbers",
}


class Events:
    """See `gateway.store.contract.Events`.

    A reader goes on after the last number that it has read, so a smaller one may never become visible after a larger one. SQLite's writer is one. On PostgreSQL the
    events of a commit get their numbers with it, one commit after the other (docs/decisions/0025); until then no job sees them.
    """

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._new = gathering.rows(_ADD[gathering.dialect], news="events", last=True)

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
        row = self._gathering.run(_NEWEST[self._gathering.dialect]).fetchone()
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
    """See `gateway.store.contract.Timers`. Of several who take one, the row is deleted by one; its session is held first, as whoever sets and cancels timers holds it."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._off = gathering.rows("DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ?", types="ttt")
        self._on = gathering.rows(
            """INSERT INTO timers (session_id, kind, ref, due_at, fires_at) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (session_id, kind, ref) DO UPDATE SET due_at = excluded.due_at, fires_at = excluded.fires_at""",
            types="tttff",
            news="timers",
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
        self._gathering.lock_sessions([timer.session_id])
        statement = "DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ? AND due_at = ? AND fires_at = ?"
        return self._gathering.run(statement, tuple(timer)).rowcount == 1

    def next_due(self) -> float | None:
        """See the contract."""
        row = self._gathering.run("SELECT min(fires_at) FROM timers").fetchone()
        return float(row[0]) if row[0] is not None else None

    def begin_anew(self) -> None:
        """See the contract."""
        self._gathering.run("UPDATE timers SET fires_at = due_at WHERE fires_at != due_at")
