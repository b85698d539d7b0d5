"""What operators see and do at the command line, on the files of a gateway that may be running."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gateway import clock as clocks
from gateway.clock import Clock
from gateway.store import inbox_rows, sqlite
from gateway.store.contract import OutboxReport
from gateway.store.inbox_contract import InboxCounts, InboxRow, Replayed


def _time(at: datetime | float) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Listed(NamedTuple):
    """One line each, and how many there are in all."""

    lines: list[str]
    total: int


def stuck_webhooks(data_dir: Path, limit: int) -> Listed:
    """Those that could not be read or applied."""
    with inbox_rows.opened(data_dir) as rows:
        return Listed([_webhook_line(row) for row in rows.kept("stuck", limit)], rows.counts().stuck)


def unknown_webhooks(data_dir: Path, limit: int) -> Listed:
    """Those that held something that has no meaning here."""
    with inbox_rows.opened(data_dir) as rows:
        return Listed([_webhook_line(row) for row in rows.kept("unknown", limit)], rows.counts().unknown)


def webhook_counts(data_dir: Path) -> InboxCounts:
    """What else there is."""
    with inbox_rows.opened(data_dir) as rows:
        return rows.counts()


def _webhook_line(row: InboxRow) -> str:
    return f"{row.id}  {_time(row.request.received_at)}  {row.channel_id}  {row.reason}"


def webhook(data_dir: Path, row_id: int) -> InboxRow | None:
    """The row with its raw request."""
    with inbox_rows.opened(data_dir) as rows:
        return rows.one(row_id)


def webhook_shown(row: InboxRow) -> dict[str, Any]:
    """As JSON can hold it."""
    request = row.request
    return {
        "id": row.id,
        "channel_id": row.channel_id,
        "received_at": _time(request.received_at),
        "state": row.state,
        "reason": row.reason,
        "attempts": row.attempts,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "backslashreplace"),
    }


def replay_webhooks(data_dir: Path, ids: list[int] | None, *, unknown: bool = False) -> Replayed:
    """Without ids: all that are stuck, or all that were kept as unknown, except those that arrived for another org."""
    with inbox_rows.opened(data_dir) as rows:
        return rows.replay(ids, "unknown" if unknown else "stuck")


def troubled_messages(data_dir: Path, limit: int) -> Listed:
    """Those that are over and were not delivered, or perhaps not."""
    with sqlite.opened(data_dir) as stored:
        rows, (troubled, _) = stored.outbox.troubled(limit), stored.outbox.counts()
    return Listed([f"{row.id}  {_time(row.updated_at)}  {row.channel_id}  {row.state}  {_why(row)}" for row in rows], troubled)


def waiting_messages(data_dir: Path, limit: int) -> Listed:
    """Those that are to be sent still: since when, and when they are tried next."""
    now = datetime.now(UTC).timestamp()
    with sqlite.opened(data_dir) as stored:
        rows, (_, waiting) = stored.outbox.waiting(limit), stored.outbox.counts()
    lines = [
        f"{row.id}  since {_time(row.created_at)}  {row.channel_id}  {row.state}  {_next(row, now)}  {_why(row)}".rstrip()
        for row in rows
    ]
    return Listed(lines, waiting)


def waiting_count(data_dir: Path) -> int:
    """How many are to be sent still."""
    with sqlite.opened(data_dir) as stored:
        return stored.outbox.counts()[1]


def _next(row: OutboxReport, now: float) -> str:
    if row.state == "sending":
        return "in the call"
    if not row.first:
        return "after earlier messages"
    return f"next try {_time(row.next_at)}" if row.next_at > now else "due now"


def _why(row: OutboxReport) -> str:
    """Code, the provider's own code, and the sentence that the rep reads; nothing for a message that was never refused."""
    if row.code is None:
        return ""
    return f"{row.code}{f' ({row.provider_code})' if row.provider_code else ''}  {row.reason or ''}"


def message(data_dir: Path, outbox_id: str) -> dict[str, Any] | None:
    """The row and its attempts."""
    with sqlite.opened(data_dir) as stored:
        found = stored.outbox.report(outbox_id)
    if found is None:
        return None
    row, attempts = found
    as_it_is = ("id", "channel_id", "session_id", "entry_number", "kind", "state", "code", "reason", "provider_code")
    return {
        **{key: getattr(row, key) for key in as_it_is},
        "created_at": _time(row.created_at),
        "sent_at": _time(row.sent_at) if row.sent_at else None,
        "message": json.loads(row.payload),
        "attempts": [{"at": _time(one.at), "outcome": one.outcome, "detail": one.detail} for one in attempts],
    }


def replay_messages(data_dir: Path, ids: list[str] | None, *, clock: Clock = clocks.now) -> int:
    """How many are sent again."""
    with sqlite.opened(data_dir, clock) as stored:
        wanted = ids if ids is not None else [row.id for row in stored.outbox.troubled(1_000_000)]
        return sum(stored.outbox.requeue(one, str(uuid.uuid4())) is not None for one in wanted)
