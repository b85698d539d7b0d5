"""What operators see and do at the command line, on the files of a gateway that may be running: SQLite lets both work at once."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.journal import inbox
from gateway.store import outbox
from gateway.store.group_commit import connect


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise GatewayError(f"{path} isn't there: give the gateway's data_dir with --data")
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stuck_webhooks(data_dir: Path, limit: int) -> list[str]:
    """One line a webhook."""
    with _open(data_dir / "inbox.db") as connection:
        rows = inbox.stuck_rows(connection, limit)
    return [f"{row['id']}  {_time(row['received_at'])}  {row['channel_id']}  {row['reason']}" for row in rows]


def webhook(data_dir: Path, row_id: int) -> dict[str, Any] | None:
    """The raw request."""
    with _open(data_dir / "inbox.db") as connection:
        row = inbox.one_row(connection, row_id)
    if row is None:
        return None
    request = inbox.read_row(row)
    states = {inbox.WAITING: "waiting", inbox.DONE: "done", inbox.STUCK: "stuck"}
    return {
        "id": row["id"],
        "channel_id": row["channel_id"],
        "received_at": _time(row["received_at"]),
        "state": states[row["state"]],
        "reason": row["reason"],
        "attempts": row["attempts"],
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": request.body.decode("utf-8", "backslashreplace"),
    }


def replay_webhooks(data_dir: Path, ids: list[int] | None) -> int:
    """How many are read again."""
    with _open(data_dir / "inbox.db") as connection:
        return inbox.replay(connection, ids)


def troubled_messages(data_dir: Path, limit: int) -> list[str]:
    """One line a message."""
    with _open(data_dir / "sessions.db") as connection:
        rows = outbox.troubled(connection, limit)
    return [
        f"{row['id']}  {_time(row['updated_at'])}  {row['channel_id']}  {row['state']}  {row['code']}"
        f"{' (' + row['provider_code'] + ')' if row['provider_code'] else ''}  {row['reason']}"
        for row in rows
    ]


def message(data_dir: Path, outbox_id: str) -> dict[str, Any] | None:
    """The row and its attempts."""
    with _open(data_dir / "sessions.db") as connection:
        row = connection.execute("SELECT * FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
        tries = connection.execute("SELECT * FROM outbox_attempts WHERE outbox_id = ? ORDER BY attempt", (outbox_id,)).fetchall()
    if row is None:
        return None
    return {
        **{
            key: row[key]
            for key in ("id", "channel_id", "session_id", "entry_number", "kind", "state", "code", "reason", "provider_code")
        },
        "created_at": _time(row["created_at"]),
        "sent_at": _time(row["sent_at"]) if row["sent_at"] else None,
        "message": json.loads(row["payload"]),
        "attempts": [{"at": _time(t["at"]), "outcome": t["outcome"], "detail": t["detail"]} for t in tries],
    }


def replay_messages(data_dir: Path, ids: list[str] | None, *, now: datetime | None = None) -> int:
    """How many are sent again."""
    at = (now or datetime.now(UTC)).timestamp()
    with _open(data_dir / "sessions.db") as connection:
        wanted = ids if ids is not None else [row["id"] for row in outbox.troubled(connection, 1_000_000)]
        return sum(outbox.requeue(connection, one, str(uuid.uuid4()), at) is not None for one in wanted)
