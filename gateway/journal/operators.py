"""What operators see and do at the command line, on the files of a gateway that may be running: SQLite lets both work at once."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from adapters.contract import RawRequest
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


class Listed(NamedTuple):
    """One line each, and how many there are in all."""

    lines: list[str]
    total: int


def stuck_webhooks(data_dir: Path, limit: int) -> Listed:
    """Those that could not be read or applied."""
    with _open(data_dir / "inbox.db") as connection:
        return Listed([_webhook_line(row) for row in inbox.stuck_rows(connection, limit)], inbox.counts(connection).stuck)


def unknown_webhooks(data_dir: Path, limit: int) -> Listed:
    """Those that held something that has no meaning here."""
    with _open(data_dir / "inbox.db") as connection:
        return Listed([_webhook_line(row) for row in inbox.unknown_rows(connection, limit)], inbox.counts(connection).unknown)


def webhook_counts(data_dir: Path) -> inbox.Counts:
    """What else there is."""
    with _open(data_dir / "inbox.db") as connection:
        return inbox.counts(connection)


def _webhook_line(row: sqlite3.Row) -> str:
    return f"{row['id']}  {_time(row['received_at'])}  {row['channel_id']}  {row['reason']}"


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


def raw_webhook(data_dir: Path, row_id: int) -> tuple[str, RawRequest] | None:
    """The channel's id, and the request as its adapter got it."""
    with _open(data_dir / "inbox.db") as connection:
        row = inbox.one_row(connection, row_id)
    if row is None:
        return None
    kept = inbox.read_row(row)
    request = RawRequest(kept.method, kept.url, kept.path, kept.query, kept.headers, kept.body, kept.received_at)
    return kept.channel_id, request


class Replayed(NamedTuple):
    """How many are read again, and how many are not, because they came while their channel was another org's."""

    again: int
    skipped: int


def replay_webhooks(data_dir: Path, ids: list[int] | None, *, unknown: bool = False) -> Replayed:
    """Without ids: all that are stuck, or all that were kept as unknown, but for those that came for another org."""
    with _open(data_dir / "inbox.db") as connection:
        again = inbox.replay(connection, ids, unknown=unknown)
        return Replayed(again, inbox.kept_aside(connection, unknown=unknown) if ids is None else 0)


def troubled_messages(data_dir: Path, limit: int) -> Listed:
    """Those that are over and were not delivered, or perhaps not."""
    with _open(data_dir / "sessions.db") as connection:
        rows, (troubled, _) = outbox.troubled(connection, limit), outbox.counts(connection)
    return Listed(
        [f"{row['id']}  {_time(row['updated_at'])}  {row['channel_id']}  {row['state']}  {_why(row)}" for row in rows], troubled
    )


def waiting_messages(data_dir: Path, limit: int) -> Listed:
    """Those that are to be sent still: since when, and when they are tried next."""
    now = datetime.now(UTC).timestamp()
    with _open(data_dir / "sessions.db") as connection:
        rows, (_, waiting) = outbox.waiting(connection, limit), outbox.counts(connection)
    lines = [
        f"{row['id']}  since {_time(row['created_at'])}  {row['channel_id']}  {row['state']}  {_next(row, now)}  {_why(row)}".rstrip()
        for row in rows
    ]
    return Listed(lines, waiting)


def waiting_count(data_dir: Path) -> int:
    """How many are to be sent still."""
    with _open(data_dir / "sessions.db") as connection:
        return outbox.counts(connection)[1]


def _next(row: sqlite3.Row, now: float) -> str:
    if row["state"] == "sending":
        return "in the call"
    if not row["first"]:
        return "after those before it"
    return f"next try {_time(row['next_at'])}" if row["next_at"] > now else "due now"


def _why(row: sqlite3.Row) -> str:
    """Code, the provider's own code, and the sentence that the rep reads; nothing for a message that was never refused."""
    if row["code"] is None:
        return ""
    return f"{row['code']}{' (' + row['provider_code'] + ')' if row['provider_code'] else ''}  {row['reason'] or ''}"


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
