"""What operators see and do at the command line, in the store of a gateway that may be running.

`where` is its data folder, or whatever else it keeps its sessions and webhooks in.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from gateway import clock as clocks
from gateway.clock import Clock
from gateway.store.beside import InFolder, Stored, Working
from gateway.store.contract import OutboxReport
from gateway.store.inbox_contract import InboxCounts, InboxRow, Replayed

_SILENT_SECONDS: Final = 3.0  # processes say every second that they live

Where: TypeAlias = Path | Stored


def _at(where: Where) -> Stored:
    return InFolder(where) if isinstance(where, Path) else where


def _time(at: datetime | float) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Listed(NamedTuple):
    """One line each, and how many there are in all."""

    lines: list[str]
    total: int


def stuck_webhooks(where: Where, limit: int) -> Listed:
    """Those that could not be read or applied."""
    with _at(where).inbox() as rows:
        return Listed([_webhook_line(row) for row in rows.kept("stuck", limit)], rows.counts().stuck)


def unknown_webhooks(where: Where, limit: int) -> Listed:
    """Those that held something that has no meaning here."""
    with _at(where).inbox() as rows:
        return Listed([_webhook_line(row) for row in rows.kept("unknown", limit)], rows.counts().unknown)


def webhook_counts(where: Where) -> InboxCounts:
    """What else there is."""
    with _at(where).inbox() as rows:
        return rows.counts()


def _webhook_line(row: InboxRow) -> str:
    return f"{row.id}  {_time(row.request.received_at)}  {row.channel_id}  {row.reason}"


def webhook(where: Where, row_id: int) -> InboxRow | None:
    """The row with its raw request."""
    with _at(where).inbox() as rows:
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


def replay_webhooks(where: Where, ids: list[int] | None, *, unknown: bool = False) -> Replayed:
    """Without ids: all that are stuck, or all that were kept as unknown, except those that arrived for another org."""
    with _at(where).inbox() as rows:
        return rows.replay(ids, "unknown" if unknown else "stuck")


def troubled_messages(where: Where, limit: int) -> Listed:
    """Those that are over and were not delivered, or perhaps not."""
    with _at(where).transaction() as stored:
        rows, (troubled, _) = stored.outbox.troubled(limit), stored.outbox.counts()
    return Listed([f"{row.id}  {_time(row.updated_at)}  {row.channel_id}  {row.state}  {_why(row)}" for row in rows], troubled)


def waiting_messages(where: Where, limit: int) -> Listed:
    """Those that are to be sent still: since when, and when they are tried next."""
    now = datetime.now(UTC).timestamp()
    with _at(where).transaction() as stored:
        rows, (_, waiting) = stored.outbox.waiting(limit), stored.outbox.counts()
    lines = [
        f"{row.id}  since {_time(row.created_at)}  {row.channel_id}  {row.state}  {_next(row, now)}  {_why(row)}".rstrip()
        for row in rows
    ]
    return Listed(lines, waiting)


def waiting_count(where: Where) -> int:
    """How many are to be sent still."""
    with _at(where).transaction() as stored:
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


def message(where: Where, outbox_id: str) -> dict[str, Any] | None:
    """The row and its attempts."""
    with _at(where).transaction() as stored:
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


def replay_messages(where: Where, ids: list[str] | None, *, clock: Clock = clocks.now) -> int:
    """How many are sent again."""
    with _at(where).transaction(clock) as stored:
        wanted = ids if ids is not None else [row.id for row in stored.outbox.troubled(1_000_000)]
        return sum(stored.outbox.requeue(one, str(uuid.uuid4())) is not None for one in wanted)


def workers(where: Where) -> list[str] | None:
    """Of each process that shares the store: who it is, since when, and what it does. None: one process has the store to itself."""
    found = _at(where).workers()
    return None if found is None else [_worker_line(one) for one in found]


def _worker_line(one: Working) -> str:
    duties = ", ".join(_in_short(one.duties)) or "no duties"
    silent = f"  silent for {one.silent:.0f} s" if one.silent > _SILENT_SECONDS else ""
    roles = ", ".join(json.loads(one.roles)) or "stopping"  # who stops has no role any more
    return f"{one.id}  {one.host}:{one.pid}  {roles}  {one.version}  since {_time(one.started_at)}{silent}  {duties}"


def _in_short(duties: Iterable[str]) -> Iterator[str]:
    """`broker 0-31`, where there are so many."""
    lanes: dict[str, list[int]] = {}
    for duty in sorted(duties):
        name, _, number = duty.rpartition(" ")
        if name and number.isascii() and number.isdigit():
            lanes.setdefault(name, []).append(int(number))
        else:
            yield duty
    for name, numbers in sorted(lanes.items()):
        yield f"{name} {','.join(_ranges(sorted(numbers)))}"


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in (*numbers[1:], -1):
        if number == last + 1:
            last = number
            continue
        yield f"{first}" if first == last else f"{first}-{last}"
        first = last = number
