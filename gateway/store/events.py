"""What desks are told, by number. An event says what to look at; what it looks like is read when it is given out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row. `audience` are the names of those who may see it."""

    number: int
    at: float
    org: str
    session_id: str | None
    type: str
    audience: frozenset[str]
    data: Mapping[str, Any]


def add(
    connection: sqlite3.Connection,
    *,
    org: str,
    session_id: str | None,
    type: str,
    audience: Iterable[str],
    data: Mapping[str, Any],
    now: float,
) -> None:
    """Write one; it gets its number in the order of writing."""
    connection.execute(
        "INSERT INTO events (at, org, session_id, type, audience, data) VALUES (?, ?, ?, ?, ?, ?)",
        (now, org, session_id, type, json.dumps(sorted(audience)), json.dumps(data)),
    )


def after(connection: sqlite3.Connection, number: int, limit: int = 500) -> list[StoredEvent]:
    """Those after `number`, in order."""
    rows = connection.execute("SELECT * FROM events WHERE number > ? ORDER BY number LIMIT ?", (number, limit))
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


def newest(connection: sqlite3.Connection) -> int:
    """The highest number given so far."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def oldest(connection: sqlite3.Connection) -> int:
    """The lowest number still kept; one more than the newest when none is."""
    row = connection.execute("SELECT min(number) FROM events").fetchone()
    return int(row[0]) if row[0] is not None else newest(connection) + 1
