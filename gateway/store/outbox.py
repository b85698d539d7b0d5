"""The outbox in SQL: one row per message that a customer will see, in order per conversation.

States: `queued` (waits for `next_at`, and until the call that the customer may see), `sending` (that call has begun; at a start: the process
died in it), `sent`, `delivered`, `read` (only upwards), `failed` (the provider refused it for good, or called it failed later), `unknown` (it may or may not have
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

from adapters.contract import Sent
from adapters.envelope import OUTBOUND, Notice, Outbound, Say
from gateway.brokers.contract import DeliveryState
from gateway.store.contract import Again, Outcome, Over, Why

_MOST_DETAIL: Final = 1_200
WITHDRAWN: Final = "customer_ended"
WITHDRAWN_REASON: Final = "The customer ended the conversation before this was sent. Write it again when they write again."
_NEVER_AGAIN: Final = -1.0  # as `next_at` of a row that is `sending`
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
    """The first open row of each conversation of the channel that is due; conversations that one of the rows in `busy` belongs to
    are left alone, under whatever address they are by now.

    Messages of reps come before notices where conversations compete.
    """
    in_hand = connection.execute(f"SELECT address FROM outbox WHERE id IN ({','.join('?' * len(busy))})", tuple(busy)).fetchall()  # noqa: S608
    taken = {row["address"] for row in in_hand}
    rows = connection.execute(
        """SELECT o.* FROM outbox o JOIN (
               SELECT min(ordinal) AS first FROM outbox
               WHERE channel_id = :channel AND state IN ('queued', 'sending') GROUP BY address
           ) f ON o.ordinal = f.first
           WHERE o.state = 'sending' OR o.next_at <= :now
           ORDER BY o.kind = 'notice', o.ordinal LIMIT :limit""",
        {"channel": channel_id, "now": now, "limit": limit + len(busy)},
    ).fetchall()
    return [_row(row) for row in rows if row["address"] not in taken][:limit]


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
    """From now on the customer may have it. False: it is final and must not be sent."""
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


def begin_anew(connection: sqlite3.Connection, latest: float) -> None:
    """A process starts, and with it the steady clock: by it nothing waits beyond `latest`, however far the old one was ahead."""
    connection.execute(
        "UPDATE outbox SET next_at = :latest WHERE state IN ('queued', 'sending') AND next_at > :latest", {"latest": latest}
    )


def settle(connection: sqlite3.Connection, row: OutboxRow, outcome: Outcome, *, now: float, steady: float) -> None:
    """Write down what the call came to. A row that is over already (a receipt came first) keeps what it says."""
    if isinstance(outcome, Sent):
        _sent(connection, row, outcome.message_ids, now)
        word, detail = "sent", ",".join(outcome.message_ids)
    elif isinstance(outcome, Over):
        _not_sent(connection, row, outcome.state, outcome.why, at=0.0, now=now)
        word, detail = outcome.state, outcome.why.told
    elif _withdrawn(connection, row, now):
        word, detail = "skipped", outcome.why.told
    else:
        _not_sent(connection, row, "queued", outcome.why, at=steady + outcome.seconds, now=now)
        word, detail = "again", outcome.why.told
    log_attempt(connection, row.id, word, detail, now)


def _not_sent(connection: sqlite3.Connection, row: OutboxRow, state: str, why: Why, *, at: float, now: float) -> None:
    """It holds its place in the conversation while it waits for its next try; once it is final, later messages are sent."""
    connection.execute(
        """UPDATE outbox SET state = ?, next_at = ?, code = ?, reason = ?, provider_code = ?, updated_at = ?, attempts = attempts + 1
           WHERE id = ? AND state IN ('queued', 'sending')""",
        (state, at, why.code, why.reason, why.provider_code, now, row.id),
    )


def _sent(connection: sqlite3.Connection, row: OutboxRow, message_ids: Sequence[str], now: float) -> None:
    """The provider has taken it; a receipt that came earlier has its rank already."""
    connection.execute(
        """UPDATE outbox SET state = CASE WHEN state IN ('sending', 'queued', 'unknown', 'failed') THEN 'sent' ELSE state END,
               rank = max(rank, 1), sent_at = coalesce(sent_at, ?), updated_at = ?, attempts = attempts + 1,
               code = NULL, reason = NULL, provider_code = NULL
           WHERE id = ?""",
        (now, now, row.id),
    )
    connection.executemany(
        # Where a channel's ids are the same on each try, one that was written off counts again.
        """INSERT INTO message_ids (channel_id, message_id, session_id, number, outbox_id) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET written_off = 0 WHERE outbox_id = excluded.outbox_id""",
        [(row.channel_id, message_id, row.session_id, row.entry_number, row.id) for message_id in message_ids],
    )


def _withdrawn(connection: sqlite3.Connection, row: OutboxRow, now: float) -> bool:
    """Whether the customer has ended the conversation while the call went on: then that was the last try."""
    done = connection.execute(
        """UPDATE outbox SET state = 'skipped', code = ?, reason = ?, provider_code = NULL, updated_at = ?, attempts = attempts + 1
           WHERE id = ? AND state = 'sending' AND next_at = ?""",
        (WITHDRAWN, WITHDRAWN_REASON, now, row.id, _NEVER_AGAIN),
    )
    return done.rowcount == 1


def give_up(connection: sqlite3.Connection, outbox_id: str, over: Over, *, now: float) -> None:
    """A row that no call will be made for: its channel is gone. Those who see it are to be told by the caller."""
    connection.execute(
        """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = NULL, updated_at = ?
           WHERE id = ? AND state IN ('queued', 'sending')""",
        (over.state, over.why.code, over.why.reason, now, outbox_id),
    )


def withdraw(connection: sqlite3.Connection, channel_id: str, address: str, *, now: float) -> list[sqlite3.Row]:
    """What waits to be sent to this customer is skipped; those rows. A call that has begun goes on, and is the last try."""
    connection.execute(
        "UPDATE outbox SET next_at = ? WHERE channel_id = ? AND address = ? AND state = 'sending'",
        (_NEVER_AGAIN, channel_id, address),
    )
    return connection.execute(
        """UPDATE outbox SET state = 'skipped', code = ?, reason = ?, provider_code = NULL, updated_at = ?
           WHERE channel_id = ? AND address = ? AND state = 'queued' RETURNING *""",
        (WITHDRAWN, WITHDRAWN_REASON, now, channel_id, address),
    ).fetchall()


def log_attempt(connection: sqlite3.Connection, outbox_id: str, outcome: str, detail: str, now: float) -> None:
    """Attempts stand apart from messages."""
    connection.execute(
        """INSERT INTO outbox_attempts (outbox_id, attempt, at, outcome, detail)
           SELECT ?, coalesce(max(attempt), 0) + 1, ?, ?, ? FROM outbox_attempts WHERE outbox_id = ?""",
        (outbox_id, now, outcome, detail[:_MOST_DETAIL], outbox_id),
    )


def requeue(connection: sqlite3.Connection, outbox_id: str, retry_key: str, now: float) -> sqlite3.Row | None:
    """Send a troubled row again; None: it isn't troubled, or was withdrawn because the customer ended the conversation.

    One that was refused is a new message to the provider: with a new retry key and a new time limit. An unknown one keeps both, so that
    the provider can tell it from a new one.
    """
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM outbox WHERE id = ? AND state IN ('failed', 'unknown', 'skipped')", (outbox_id,)
    ).fetchone()
    if row is None or (row["state"], row["code"]) == ("skipped", WITHDRAWN):
        return None
    if row["state"] != "unknown":
        write_off(connection, row)
        renewed = {"retry_key": retry_key, "created_at": datetime.fromtimestamp(now, UTC).isoformat()}
        connection.execute(
            "UPDATE outbox SET retry_key = ?, payload = json_patch(payload, ?), created_at = ? WHERE id = ?",
            (retry_key, json.dumps(renewed), now, outbox_id),
        )
    connection.execute(
        """UPDATE outbox SET state = 'queued', next_at = 0, attempts = 0, resent = 0, rank = 0, sent_at = NULL,
               code = NULL, reason = NULL, provider_code = NULL, updated_at = ? WHERE id = ?""",
        (now, outbox_id),
    )
    return row


def know(connection: sqlite3.Connection, row: sqlite3.Row, message_ids: Sequence[str]) -> None:
    """These ids of the provider's name the row."""
    connection.executemany(
        "INSERT OR IGNORE INTO message_ids (channel_id, message_id, session_id, number, outbox_id) VALUES (?, ?, ?, ?, ?)",
        [(row["channel_id"], one, row["session_id"], row["entry_number"], row["id"]) for one in message_ids],
    )


def write_off(connection: sqlite3.Connection, row: sqlite3.Row, message_ids: Sequence[str] | None = None) -> None:
    """The tries with these ids (None: all so far) have failed: what is said of them from now on says nothing of the row."""
    known = [one["message_id"] for one in _ids(connection, row)]
    connection.executemany(
        "UPDATE message_ids SET written_off = 1 WHERE channel_id = ? AND message_id = ?",
        [(row["channel_id"], one) for one in known if message_ids is None or one in message_ids],
    )


def all_written_off(connection: sqlite3.Connection, row: sqlite3.Row, message_ids: Sequence[str]) -> bool:
    """Whether these ids, one at least, are all of tries that have failed."""
    gone = {one["message_id"] for one in _ids(connection, row) if one["written_off"]}
    return bool(message_ids) and gone.issuperset(message_ids)


def knows_others_only(connection: sqlite3.Connection, row: sqlite3.Row, message_ids: Sequence[str]) -> bool:
    """Whether the row has ids that count, and none of these (one at least) is among them."""
    counting = {one["message_id"] for one in _ids(connection, row) if not one["written_off"]}
    return bool(counting and message_ids) and counting.isdisjoint(message_ids)


def _ids(connection: sqlite3.Connection, row: sqlite3.Row) -> list[sqlite3.Row]:
    query = "SELECT message_id, written_off FROM message_ids WHERE session_id = ? AND number = ? AND outbox_id = ?"
    return connection.execute(query, (row["session_id"], row["entry_number"], row["id"])).fetchall()


def waiting(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """What is to be sent still, oldest first; `first`: 1 where none of its conversation is before it."""
    query = """SELECT *, ordinal = min(ordinal) OVER (PARTITION BY channel_id, address) AS first FROM outbox
               WHERE state IN ('queued', 'sending') ORDER BY ordinal LIMIT ?"""
    return connection.execute(query, (limit,)).fetchall()


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many rows `troubled` and `waiting` would give without a limit."""
    troubled = "SELECT count(*) FROM outbox WHERE state IN ('failed', 'unknown', 'skipped')"
    waiting = "SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')"
    return connection.execute(troubled).fetchone()[0], connection.execute(waiting).fetchone()[0]


def troubled(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """What operators look at, oldest first."""
    query = "SELECT * FROM outbox WHERE state IN ('failed', 'unknown', 'skipped') ORDER BY ordinal LIMIT ?"
    return connection.execute(query, (limit,)).fetchall()


def with_attempts(connection: sqlite3.Connection, outbox_id: str) -> tuple[sqlite3.Row | None, list[sqlite3.Row]]:
    """A row whatever its state, and its attempts in order."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
    query = "SELECT * FROM outbox_attempts WHERE outbox_id = ? ORDER BY attempt"
    return row, connection.execute(query, (outbox_id,)).fetchall()


def raise_state(connection: sqlite3.Connection, outbox_id: str, status: str, now: float) -> bool:
    """A receipt: only upwards, and out of `unknown` too. Whether anything changed."""
    done = connection.execute(
        """UPDATE outbox SET state = :status, rank = :rank, sent_at = coalesce(sent_at, :now), updated_at = :now,
               code = NULL, reason = NULL, provider_code = NULL
           WHERE id = :id AND rank < :rank AND state NOT IN ('failed', 'skipped')""",
        {"id": outbox_id, "status": status, "rank": RANKS[status], "now": now},
    )
    return done.rowcount == 1


def fail_late(connection: sqlite3.Connection, row: sqlite3.Row, over: Over, *, now: float) -> bool:
    """A receipt says that what was taken has failed after all: `failed` or `skipped`. What was delivered stays so, and what waits for another
    try has been refused before. Whether anything changed."""
    done = connection.execute(
        """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = ?, updated_at = ?
           WHERE id = ? AND rank < 2 AND state IN ('sent', 'unknown')""",
        (over.state, over.why.code, over.why.reason, over.why.provider_code, now, row["id"]),
    )
    return _failed_later(connection, row, done, over.why, now)


def resend_late(
    connection: sqlite3.Connection, row: sqlite3.Row, again: Again, *, retry_key: str, now: float, steady: float
) -> bool:
    """As `fail_late`, but it is sent once more: queued in its old place, and a new message to the provider."""
    at, why = steady + again.seconds, again.why
    done = connection.execute(
        """UPDATE outbox SET state = 'queued', next_at = ?, attempts = 0, resent = 1, rank = 0, sent_at = NULL,
               retry_key = ?, payload = json_patch(payload, ?), code = ?, reason = ?, provider_code = ?, updated_at = ?
           WHERE id = ? AND rank < 2 AND state IN ('sent', 'unknown') AND NOT resent""",
        (at, retry_key, json.dumps({"retry_key": retry_key}), why.code, why.reason, why.provider_code, now, row["id"]),
    )
    return _failed_later(connection, row, done, why, now)


def _failed_later(connection: sqlite3.Connection, row: sqlite3.Row, done: sqlite3.Cursor, why: Why, now: float) -> bool:
    if done.rowcount != 1:
        return False
    write_off(connection, row)
    log_attempt(connection, row["id"], "failed_later", why.told, now)
    return True


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
