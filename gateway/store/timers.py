"""Timers as rows: they fire after a restart, once.

The rules set `due_at` by the wall clock. `fires_at` is the same moment on the steady clock, which decides: so a timer runs its time though
the wall clock is set meanwhile. At a start the two clocks agree, and what waits fires by `due_at`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from gateway.session.decision import CancelTimer, SetTimer


class DueTimer(NamedTuple):
    """A timer that is due."""

    session_id: str
    kind: str
    ref: str
    due_at: float
    fires_at: float


def apply(
    connection: sqlite3.Connection, session_id: str, changes: Iterable[SetTimer | CancelTimer], *, ahead: timedelta
) -> None:
    """Set and forget, in order. `ahead`: how far the steady clock is ahead of the wall clock now."""
    for change in changes:
        if isinstance(change, SetTimer):
            connection.execute(
                "INSERT OR REPLACE INTO timers (session_id, kind, ref, due_at, fires_at) VALUES (?, ?, ?, ?, ?)",
                (session_id, change.kind, change.ref, change.due_at.timestamp(), (change.due_at + ahead).timestamp()),
            )
        else:
            connection.execute(
                "DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ?", (session_id, change.kind, change.ref)
            )


def due(connection: sqlite3.Connection, now: float, limit: int = 200) -> list[DueTimer]:
    """Timers to fire, the oldest first."""
    rows = connection.execute(
        "SELECT session_id, kind, ref, due_at, fires_at FROM timers WHERE fires_at <= ? ORDER BY fires_at LIMIT ?", (now, limit)
    )
    return [DueTimer(*row) for row in rows]


def take(connection: sqlite3.Connection, timer: DueTimer) -> bool:
    """Remove it, in the transaction of its effect; False: it was moved, cancelled, or fired by another process."""
    done = connection.execute(
        "DELETE FROM timers WHERE session_id = ? AND kind = ? AND ref = ? AND due_at = ? AND fires_at = ?", tuple(timer)
    )
    return done.rowcount == 1


def begin_anew(connection: sqlite3.Connection) -> None:
    """A process starts, and with it the steady clock."""
    connection.execute("UPDATE timers SET fires_at = due_at WHERE fires_at != due_at")


def next_due(connection: sqlite3.Connection) -> float | None:
    """When the next one fires."""
    row = connection.execute("SELECT min(fires_at) FROM timers").fetchone()
    return float(row[0]) if row[0] is not None else None
