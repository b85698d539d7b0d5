"""Jobs on the sessions' file, at times that a test sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from gateway.store.sqlite import SqliteTransaction

T = TypeVar("T")


def done(file: sqlite3.Connection, job: Callable[[SqliteTransaction], T], now: float = 0) -> T:
    """A job that is written at once. `now` in Unix seconds."""
    transaction = SqliteTransaction(file, lambda: datetime.fromtimestamp(now, UTC))
    result = job(transaction)
    transaction.finish()
    return result
