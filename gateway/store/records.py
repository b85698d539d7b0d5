"""Idempotent answers and the audit in SQL, and what is thrown away when it is old."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import to_json

from gateway.errors import BadCursor
from gateway.session.model import AuditRecord, Page
from gateway.store.gathering import Gathering

# How long each kind of memory lasts at least, by table and key. Seen events must outlast the slowest provider's retries: Meta's 7 days.
_KEPT: Final[Mapping[tuple[str, str], timedelta]] = {
    ("seen_events", "channel_id, event_id"): timedelta(days=9),
    ("signed_readings", "channel_id, proof"): timedelta(days=9),
    ("parked", "channel_id, names, event_id"): timedelta(days=9),
    ("aside", "ordinal"): timedelta(days=9),
    ("answers", "org, login, key"): timedelta(days=2),
    ("events", "number"): timedelta(days=2),
}


class Records:
    """See `gateway.store.contract.Records`. Of two who come under a key at the same time, the second is refused by the key, and finds the first's answer when it is
    done once more."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._answers: dict[tuple[str, str, str], tuple[str, str] | None] = gathering.held()  # by org, login and key
        self._kept = gathering.rows(
            "INSERT INTO answers (org, login, key, fingerprint, answer, at) VALUES (?, ?, ?, ?, ?, ?)", types="tttttf"
        )
        self._audited = gathering.rows(
            "INSERT INTO audit (org, session_id, at, login, command, outcome, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
            types="ttftttt",
        )

    def first_answer(self, org: str, login: str, key: str) -> tuple[str, str] | None:
        """See the contract."""
        place = (org, login, key)
        if place not in self._answers:
            query = "SELECT fingerprint, answer FROM answers WHERE org = ? AND login = ? AND key = ?"
            row = self._gathering.point(query, place).fetchone()
            self._answers[place] = (row["fingerprint"], row["answer"]) if row else None
        return self._answers[place]

    def keep_answer(self, org: str, login: str, key: str, fingerprint: str, answer: str) -> None:
        """See the contract."""
        self._gathering.change(self._answers, (org, login, key), (fingerprint, answer))
        self._kept.add((org, login, key, fingerprint, answer, self._gathering.at))

    def audit(
        self, *, org: str, session_id: str, login: str | None, command: str, outcome: str, details: Mapping[str, Any]
    ) -> None:
        """See the contract."""
        self._audited.add((org, session_id, self._gathering.at, login, command, outcome, to_json(details).decode()))

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

    def purge(self, most: int) -> bool:
        """See the contract."""
        gone = [self._purge(table, key, self._gathering.now - age, most) for (table, key), age in _KEPT.items()]
        return max(gone) == most

    def _purge(self, table: str, key: str, before: datetime, most: int) -> int:
        statement = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE at < ? ORDER BY at LIMIT ?)"  # noqa: S608
        return self._gathering.run(statement, (before.timestamp(), most)).rowcount


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
