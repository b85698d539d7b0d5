"""The outbox in SQL: one row per message that a customer will see, in order per conversation.

States: `queued` (waits for `next_at`, and until the call that the customer may see), `sending` (that call has begun; at a start: the process
died in it), `sent`, `delivered`, `read` (only upwards), `failed` (the provider refused it for good), `unknown` (it may or may not have
been shown: a receipt or a person tells), `skipped` (it can't be delivered now; stops nothing).

`next_at` is on the steady clock (`gateway.clock`), all other times are the wall clock's.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.envelope import OUTBOUND, Notice, Outbound, Say
from gateway.brokers.contract import DeliveryState

RANKS: Final = {"sent": 1, "delivered": 2, "read": 3}


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row whose turn it is."""

    id: str
    org: str
    channel_id: str
    address: str
    session_id: str
    entry_number: int
    kind: str
    message: Outbound
    media_id: str | None
    attempts: int
    lost_at: float | None  # when an earlier call began in which the process died: its outcome isn't known


def add(
    connection: sqlite3.Connection, *, org: str, session_id: str, entry_number: int, message: Say | Notice, media_id: str | None
) -> None:
    """Queue one message; its `id` and `retry_key` were made by the caller."""
    file_left_out = message.model_copy(update={"file": None}) if isinstance(message, Say) else message
    at = message.created_at.timestamp()
    connection.execute(
        """INSERT INTO outbox (id, org, channel_id, address, session_id, entry_number, kind, payload, media_id, retry_key, created_at, updated_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            message.id,
            org,
            message.channel_id,
            message.to,
            session_id,
            entry_number,
            message.kind,
            file_left_out.model_dump_json(exclude_defaults=True, exclude={"memory"}),
            media_id,
            message.retry_key,
            at,
            at,
        ),
    )


def _message(row: sqlite3.Row) -> Outbound:
    payload = json.loads(row["payload"])
    return OUTBOUND.validate_python({"kind": row["kind"], **payload})


def ready(connection: sqlite3.Connection, channel_id: str, *, now: float, limit: int, busy: Sequence[str]) -> list[OutboxRow]:
    """The first open row of each conversation of the channel whose time has come; conversations in `busy` are left alone.

    Messages of reps come before notices where conversations compete.
    """
    rows = connection.execute(
        """SELECT o.* FROM outbox o JOIN (
               SELECT min(ordinal) AS first FROM outbox
               WHERE channel_id = :channel AND state IN ('queued', 'sending') GROUP BY address
           ) f ON o.ordinal = f.first
           WHERE o.state = 'sending' OR o.next_at <= :now
           ORDER BY o.kind = 'notice', o.ordinal LIMIT :limit""",
        {"channel": channel_id, "now": now, "limit": limit + len(busy)},
    ).fetchall()
    return [_row(row) for row in rows if row["address"] not in set(busy)][:limit]


def _row(row: sqlite3.Row) -> OutboxRow:
    return OutboxRow(
        id=row["id"],
        org=row["org"],
        channel_id=row["channel_id"],
        address=row["address"],
        session_id=row["session_id"],
        entry_number=row["entry_number"],
        kind=row["kind"],
        message=_message(row),
        media_id=row["media_id"],
        attempts=row["attempts"] + 1,
        lost_at=row["updated_at"] if row["state"] == "sending" else None,
    )


def one(connection: sqlite3.Connection, outbox_id: str) -> OutboxRow:
    """A row by its id; rows are never removed."""
    return _row(connection.execute("SELECT * FROM outbox WHERE id = ?", (outbox_id,)).fetchone())


def begin(connection: sqlite3.Connection, outbox_id: str, now: float) -> bool:
    """From now on the customer may have it. False: it is over, and must not be sent."""
    done = connection.execute(
        "UPDATE outbox SET state = 'sending', updated_at = ? WHERE id = ? AND state IN ('queued', 'sending')", (now, outbox_id)
    )
    return done.rowcount == 1


def heads(connection: sqlite3.Connection) -> list[tuple[str, float]]:
    """(channel, when it is due) of the first open row of every conversation that has one."""
    rows = connection.execute(
        """SELECT channel_id, CASE state WHEN 'queued' THEN next_at ELSE 0 END AS due FROM outbox
           WHERE ordinal IN (SELECT min(ordinal) FROM outbox WHERE state IN ('queued', 'sending') GROUP BY channel_id, address)"""
    )
    return [(row["channel_id"], row["due"]) for row in rows]


def mark_sent(connection: sqlite3.Connection, row: OutboxRow, message_ids: Sequence[str], now: float) -> None:
    """The provider has taken it; a receipt that came earlier has its rank already."""
    connection.execute(
        """UPDATE outbox SET state = CASE WHEN state IN ('sending', 'queued', 'unknown', 'failed') THEN 'sent' ELSE state END,
               rank = max(rank, 1), sent_at = coalesce(sent_at, ?), updated_at = ?, attempts = attempts + 1, code = NULL, reason = NULL
           WHERE id = ?""",
        (now, now, row.id),
    )
    connection.executemany(
        """INSERT INTO message_ids (channel_id, message_id, session_id, number, outbox_id) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO NOTHING""",
        [(row.channel_id, message_id, row.session_id, row.entry_number, row.id) for message_id in message_ids],
    )
    log_attempt(connection, row, "sent", ",".join(message_ids), now)


def mark_again(connection: sqlite3.Connection, row: OutboxRow, *, at: float, code: str, detail: str, now: float) -> None:
    """Not taken; it waits for its next try and holds its place in the conversation."""
    connection.execute(
        """UPDATE outbox SET state = 'queued', next_at = ?, code = ?, updated_at = ?, attempts = attempts + 1
           WHERE id = ? AND state IN ('queued', 'sending')""",
        (at, code, now, row.id),
    )
    log_attempt(connection, row, "again", detail, now)


def mark_over(
    connection: sqlite3.Connection, row: OutboxRow, state: str, *, code: str, reason: str, provider_code: str | None, now: float
) -> None:
    """`failed`, `unknown` or `skipped`: it waits for an operator, a receipt or the rep; later messages go on."""
    connection.execute(
        """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = ?, updated_at = ?, attempts = attempts + 1
           WHERE id = ? AND state IN ('queued', 'sending')""",
        (state, code, reason, provider_code, now, row.id),
    )
    log_attempt(connection, row, state, f"{code} {provider_code or ''}".strip(), now)


def give_up(connection: sqlite3.Connection, outbox_id: str, state: str, *, code: str, reason: str, now: float) -> None:
    """A row that no call will be made for: its channel is gone. Those who see it are to be told by the caller."""
    connection.execute(
        """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = NULL, updated_at = ?
           WHERE id = ? AND state IN ('queued', 'sending')""",
        (state, code, reason, now, outbox_id),
    )


def log_attempt(connection: sqlite3.Connection, row: OutboxRow, outcome: str, detail: str, now: float) -> None:
    """Attempts stand apart from messages."""
    connection.execute(
        """INSERT INTO outbox_attempts (outbox_id, attempt, at, outcome, detail)
           SELECT ?, coalesce(max(attempt), 0) + 1, ?, ?, ? FROM outbox_attempts WHERE outbox_id = ?""",
        (row.id, now, outcome, detail[:500], row.id),
    )


def requeue(connection: sqlite3.Connection, outbox_id: str, retry_key: str, now: float) -> sqlite3.Row | None:
    """Send a troubled row again; None: it isn't troubled.

    One that was refused is a new message to the provider: with a new retry key, and time anew to try. An unknown one keeps both, so that
    the provider can tell it from a new one.
    """
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM outbox WHERE id = ? AND state IN ('failed', 'unknown', 'skipped')", (outbox_id,)
    ).fetchone()
    if row is None:
        return None
    payload, key = json.loads(row["payload"]), row["retry_key"]
    if row["state"] != "unknown":
        key = retry_key
        payload |= {"retry_key": key, "created_at": datetime.fromtimestamp(now, UTC).isoformat()}
    connection.execute(
        """UPDATE outbox SET state = 'queued', next_at = 0, attempts = 0, code = NULL, reason = NULL, provider_code = NULL,
               sent_at = NULL, retry_key = ?, payload = ?, updated_at = ? WHERE id = ?""",
        (key, json.dumps(payload), now, outbox_id),
    )
    return row


def troubled(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """What operators look at, oldest first."""
    query = "SELECT * FROM outbox WHERE state IN ('failed', 'unknown', 'skipped') ORDER BY ordinal LIMIT ?"
    return connection.execute(query, (limit,)).fetchall()


def raise_state(connection: sqlite3.Connection, outbox_id: str, status: str, now: float) -> bool:
    """A receipt: only upwards, and out of `unknown` too. Whether anything changed."""
    done = connection.execute(
        """UPDATE outbox SET state = :status, rank = :rank, sent_at = coalesce(sent_at, :now), updated_at = :now, code = NULL, reason = NULL
           WHERE id = :id AND rank < :rank AND state != 'failed'""",
        {"id": outbox_id, "status": status, "rank": RANKS[status], "now": now},
    )
    return done.rowcount == 1


def fail_late(
    connection: sqlite3.Connection, outbox_id: str, *, code: str, reason: str, provider_code: str | None, now: float
) -> bool:
    """A receipt says that what was taken has failed after all; what was delivered stays so."""
    done = connection.execute(
        """UPDATE outbox SET state = 'failed', code = ?, reason = ?, provider_code = ?, updated_at = ?
           WHERE id = ? AND rank < 2 AND state != 'failed'""",
        (code, reason, provider_code, now, outbox_id),
    )
    return done.rowcount == 1


def of_entries(connection: sqlite3.Connection, session_id: str, numbers: Sequence[int]) -> dict[int, tuple[DeliveryState, ...]]:
    """How the messages of these entries fare."""
    if not numbers:
        return {}
    rows = connection.execute(
        "SELECT * FROM outbox WHERE session_id = ? AND entry_number BETWEEN ? AND ? ORDER BY ordinal",
        (session_id, min(numbers), max(numbers)),
    )
    found: dict[int, list[DeliveryState]] = {}
    for row in rows:
        found.setdefault(row["entry_number"], []).append(state_of(row))
    return {number: tuple(states) for number, states in found.items()}


def state_of(row: sqlite3.Row) -> DeliveryState:
    """The reader's view of a row."""
    return DeliveryState(
        outbox_id=row["id"],
        status=row["state"],
        code=row["code"],
        reason=row["reason"],
        at=datetime.fromtimestamp(row["updated_at"], UTC),
    )


def sent_until(connection: sqlite3.Connection, channel_id: str, address: str, up_to: float) -> list[str]:
    """Rows of a conversation that were sent until then and aren't read yet, for watermark receipts. An `unknown` one isn't among them: a
    watermark speaks of all that the provider has, and whether it has that one is what isn't known."""
    rows = connection.execute(
        """SELECT id FROM outbox WHERE channel_id = ? AND address = ? AND sent_at <= ? AND state IN ('sent', 'delivered')
           ORDER BY ordinal DESC LIMIT 500""",
        (channel_id, address, up_to),
    )
    return [row["id"] for row in rows]
