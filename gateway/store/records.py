"""Idempotent answers, the audit, and what is thrown away when it is old."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.brokers.contract import AuditRecord, BadCursor, Page


def first_answer(connection: sqlite3.Connection, org: str, login: str, key: str) -> tuple[str, str] | None:
    """(fingerprint of the command, the answer as JSON) of an idempotency key that was used."""
    row = connection.execute(
        "SELECT fingerprint, answer FROM answers WHERE org = ? AND login = ? AND key = ?", (org, login, key)
    ).fetchone()
    return (row["fingerprint"], row["answer"]) if row else None


def keep_answer(
    connection: sqlite3.Connection, org: str, login: str, key: str, fingerprint: str, answer: str, now: float
) -> None:
    """In the transaction of the command's effect."""
    connection.execute(
        "INSERT INTO answers (org, login, key, fingerprint, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
        (org, login, key, fingerprint, answer, now),
    )


def audit(
    connection: sqlite3.Connection,
    *,
    org: str,
    session_id: str,
    login: str | None,
    command: str,
    outcome: str,
    details: Mapping[str, Any],
    now: float,
) -> None:
    """Who asked what and what came of it; `details` never hold a customer's words."""
    connection.execute(
        "INSERT INTO audit (org, session_id, at, login, command, outcome, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (org, session_id, now, login, command, outcome, json.dumps(details)),
    )


def audit_page(connection: sqlite3.Connection, session_id: str, cursor: str | None, limit: int) -> Page[AuditRecord]:
    """Newest first."""
    rows = connection.execute(
        "SELECT * FROM audit WHERE session_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (session_id, _below(cursor), limit + 1),
    ).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    records = tuple(
        AuditRecord(
            at=datetime.fromtimestamp(row["at"], UTC),
            login=row["login"],
            command=row["command"],
            outcome=row["outcome"],
            details=json.loads(row["details"]),
        )
        for row in rows
    )
    return Page(records, str(rows[-1]["id"]) if more else None)


def _below(cursor: str | None) -> int:
    if cursor is None:
        return 2**62
    try:
        number = int(cursor)
    except ValueError as wrong:
        raise BadCursor(cursor) from wrong
    if not 0 <= number <= 2**62:  # more than SQLite counts
        raise BadCursor(cursor)
    return number


# How long each kind of memory lasts at least. Seen events must outlast the slowest provider's retries: Meta's 7 days.
_KEPT: Mapping[str, timedelta] = {
    "DELETE FROM seen_events WHERE at < ?": timedelta(days=9),
    "DELETE FROM signed_readings WHERE at < ?": timedelta(days=9),
    "DELETE FROM parked WHERE at < ?": timedelta(days=9),
    "DELETE FROM aside WHERE at < ?": timedelta(days=9),
    "DELETE FROM answers WHERE at < ?": timedelta(days=2),
    "DELETE FROM events WHERE at < ?": timedelta(days=2),
}


def purge(connection: sqlite3.Connection, now: datetime) -> None:
    """Throw away what is older than it need be."""
    for statement, age in _KEPT.items():
        connection.execute(statement, ((now - age).timestamp(),))
