"""Idempotent answers and the audit in SQL, and what is thrown away when it is old."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.errors import BadCursor
from gateway.session.model import AuditRecord, Page
from gateway.store.gathering import Gathering

# How long each kind of memory lasts at least. Seen events must outlast the slowest provider's retries: Meta's 7 days.
_KEPT: Final[Mapping[str, timedelta]] = {
    "DELETE FROM seen_events WHERE at < ?": timedelta(days=9),
    "DELETE FROM signed_readings WHERE at < ?": timedelta(days=9),
    "DELETE FROM parked WHERE at < ?": timedelta(days=9),
    "DELETE FROM aside WHERE at < ?": timedelta(days=9),
    "DELETE FROM answers WHERE at < ?": timedelta(days=2),
    "DELETE FROM events WHERE at < ?": timedelta(days=2),
}


class Records:
    """See `gateway.store.contract.Records`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def first_answer(self, org: str, login: str, key: str) -> tuple[str, str] | None:
        """See the contract."""
        query = "SELECT fingerprint, answer FROM answers WHERE org = ? AND login = ? AND key = ?"
        row = self._gathering.run(query, (org, login, key)).fetchone()
        return (row["fingerprint"], row["answer"]) if row else None

    def keep_answer(self, org: str, login: str, key: str, fingerprint: str, answer: str) -> None:
        """See the contract."""
        statement = "INSERT INTO answers (org, login, key, fingerprint, answer, at) VALUES (?, ?, ?, ?, ?, ?)"
        self._gathering.run(statement, (org, login, key, fingerprint, answer, self._gathering.at))

    def audit(
        self, *, org: str, session_id: str, login: str | None, command: str, outcome: str, details: Mapping[str, Any]
    ) -> None:
        """See the contract."""
        self._gathering.run(
            "INSERT INTO audit (org, session_id, at, login, command, outcome, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (org, session_id, self._gathering.at, login, command, outcome, json.dumps(details)),
        )

    def audit_page(self, session_id: str, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """See the contract."""
        rows = self._gathering.run(
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

    def purge(self) -> None:
        """See the contract."""
        for statement, age in _KEPT.items():
            self._gathering.run(statement, ((self._gathering.now - age).timestamp(),))


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
