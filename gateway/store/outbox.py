"""The outbox in SQL: one row per message that a customer will see, in order per conversation.

States: `queued` (waits for `next_at`, and until the call that the customer may see), `sending` (that call has begun; at a start: the process
died in it), `sent`, `delivered`, `read` (only upwards), `failed` (the provider refused it for good, or called it failed later), `unknown` (it may or may not have
been shown: a receipt or a person settles it), `skipped` (it can't be delivered now; stops nothing).

`next_at` is on the steady clock (`gateway.clock`), all other times are the wall clock's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json

from adapters.contract import Sent
from adapters.envelope import OUTBOUND, Notice, Outbound, Say
from gateway.session.model import DeliveryState
from gateway.store.contract import (
    WITHDRAWN,
    Again,
    Attempt,
    Call,
    EntryKey,
    OutboxReport,
    OutboxRow,
    Outcome,
    Over,
    Ready,
    Waiting,
    Why,
)
from gateway.store.conversations import MessageIds
from gateway.store.gathering import Gathering, among, at
from gateway.store.inbox_contract import Tally
from gateway.store.statements import Conflict, Cursor, Row

_MOST_DETAIL: Final = 1_200
_WITHDRAWN_REASON: Final = "The customer ended the conversation before this was sent. Write it again when they write again."
_OPEN: Final = "state IN ('queued', 'sending')"  # a partial index is taken where its condition is written out
_NEVER_AGAIN: Final = -1.0  # as `next_at` of a row that is `sending`
# Where several processes send, a row that is `sending` is its sender's until that is gone (`gateway.sharing`), whosever its lane is.
_NOBODYS: Final = "(sender IS NULL OR sender = :me OR NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = sender AND NOT gone))"
_RANKS: Final = {"sent": 1, "delivered": 2, "read": 3}


class Outbox:
    """See `gateway.store.contract.Outbox`."""

    def __init__(self, gathering: Gathering, message_ids: MessageIds) -> None:
        self._gathering, self._message_ids = gathering, message_ids
        self._run = gathering.run
        self._shared = gathering.dialect == "postgresql"
        self._new = gathering.rows(
            """INSERT INTO outbox (id, org, channel_id, address, session_id, entry_number, kind, payload, media_id, retry_key, created_at, updated_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            types="tttttittttff",
            news="outbox",
        )
        # The provider has taken it; a receipt that came earlier has its rank already.
        self._sent = gathering.rows(
            """UPDATE outbox SET state = CASE WHEN state IN ('sending', 'queued', 'unknown', 'failed') THEN 'sent' ELSE state END,
                   rank = max(rank, 1), sent_at = coalesce(sent_at, ?), updated_at = ?, attempts = attempts + 1,
                   code = NULL, reason = NULL, provider_code = NULL
               WHERE id = ?""",
            types="fft",
        )
        # It holds its place in the conversation while it waits for its next try; once it is final, later messages are sent.
        self._not_sent = gathering.rows(
            """UPDATE outbox SET state = ?, next_at = ?, sooner_at = ?, code = ?, reason = ?, provider_code = ?, updated_at = ?,
                   attempts = attempts + 1
               WHERE id = ? AND state IN ('queued', 'sending')""",
            types="tfftttft",
        )
        # Attempts are stored separately from messages.
        self._attempts = gathering.rows(
            """INSERT INTO outbox_attempts (outbox_id, attempt, at, outcome, detail)
               SELECT ?, coalesce(max(attempt), 0) + 1, ?, ?, ? FROM outbox_attempts WHERE outbox_id = ?"""
        )

    def add(self, message: Say | Notice | Call, *, org: str, session_id: str, entry_number: int, media_id: str | None) -> None:
        """See the contract."""
        has_file = not isinstance(message, Notice) and message.file is not None
        file_left_out = message.model_copy(update={"file": None}) if has_file else message
        at = message.created_at.timestamp()
        self._new.add(
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
            )
        )

    # ------------------------------------------------------------------------------------------------------- sending

    def ready(
        self, channel_id: str, *, steady: float, limit: int, busy: Sequence[str], lanes: Collection[int] | None = None
    ) -> Ready:
        """See the contract."""
        taken = set(self.addresses_of(busy).values()) if busy else set()
        rows = self._run(
            f"""SELECT o.* FROM outbox o JOIN (
                   SELECT min(ordinal) AS first FROM outbox
                   WHERE channel_id = :channel AND state IN ('queued', 'sending') {self._of_lanes(lanes)} GROUP BY address
               ) f ON o.ordinal = f.first
               WHERE o.state = 'sending' {self._nobodys} OR o.state = 'queued' AND o.next_at <= :now
               ORDER BY o.kind = 'notice', o.ordinal LIMIT :limit""",  # noqa: S608
            {"channel": channel_id, "now": steady, "limit": limit + len(busy), **self._whose(lanes)},
        ).fetchall()
        free = [_row(row) for row in rows if row["address"] not in taken]
        return Ready(free[:limit], len(free) >= limit, any(row["address"] in taken and row["id"] not in busy for row in rows))

    @property
    def _nobodys(self) -> str:
        return f"AND {_NOBODYS}" if self._shared else ""

    @staticmethod
    def _of_lanes(lanes: Collection[int] | None) -> str:
        return "AND lane = ANY(:lanes)" if lanes is not None else ""

    def _whose(self, lanes: Collection[int] | None) -> dict[str, Any]:
        whose: dict[str, Any] = {"me": self._gathering.worker()} if self._shared else {}
        return whose if lanes is None else {**whose, "lanes": sorted(lanes)}

    def following(self, row: OutboxRow, *, limit: int) -> list[OutboxRow]:
        """See the contract."""
        rows = self._run(
            """SELECT * FROM outbox WHERE channel_id = :channel AND address = :address AND state IN ('queued', 'sending')
                   AND ordinal > (SELECT ordinal FROM outbox WHERE id = :id) AND attempts = 0 AND state = 'queued'
               ORDER BY ordinal LIMIT :limit""",
            {"channel": row.channel_id, "address": row.address, "id": row.id, "limit": limit},
        )
        return [_row(one) for one in rows]

    def has_open(self, channel_id: str, address: str) -> bool:
        """See the contract."""
        query = "SELECT 1 FROM outbox WHERE channel_id = ? AND address = ? AND state IN ('queued', 'sending') LIMIT 1"
        return self._run(query, (channel_id, address)).fetchone() is not None

    def readdress(self, channel_id: str, old: str, new: str) -> None:
        """See the contract."""
        for states in ("'queued', 'sending'", "'failed', 'unknown', 'skipped'"):  # an index each
            query = f"UPDATE outbox SET address = ? WHERE channel_id = ? AND address = ? AND state IN ({states})"  # noqa: S608
            self._run(query, (new, channel_id, old))

    def go_on(self, rows: Collection[OutboxRow]) -> set[str]:
        """See the contract."""
        places = json.dumps([[row.id, row.channel_id, row.address] for row in rows])
        found = self._run(
            """SELECT json_extract(value, '$[0]') AS id FROM json_each(?) WHERE EXISTS (
                   SELECT 1 FROM outbox WHERE channel_id = json_extract(value, '$[1]') AND address = json_extract(value, '$[2]')
                   AND state IN ('queued', 'sending'))""",
            (places,),
        )
        return {row["id"] for row in found}

    def one(self, outbox_id: str) -> OutboxRow | None:
        """See the contract."""
        return self.several([outbox_id]).get(outbox_id)

    def several(self, outbox_ids: Sequence[str]) -> dict[str, OutboxRow]:
        """See the contract."""
        which, value = among("id", outbox_ids)
        return {row["id"]: _row(row) for row in self._run(f"SELECT * FROM outbox WHERE {which}", (value,))}  # noqa: S608

    def addresses_of(self, outbox_ids: Sequence[str]) -> dict[str, str]:
        """See the contract."""
        which, value = among("id", outbox_ids)
        return {row["id"]: row["address"] for row in self._run(f"SELECT id, address FROM outbox WHERE {which}", (value,))}  # noqa: S608

    def begin(self, outbox_ids: Sequence[str], *, read_under: Mapping[str, str] | None = None) -> set[str]:
        """See the contract."""
        which, value = among("id", outbox_ids)
        which = which.replace("?", ":ids")
        sets, only = ("sender = :me,", f"AND (state = 'queued' OR {_NOBODYS})") if self._shared else ("", "")
        rows = self._run(
            f"""UPDATE outbox SET state = 'sending', {sets} updated_at = :now
                WHERE {which} AND state IN ('queued', 'sending') {only} RETURNING id, address""",  # noqa: S608
            {"now": self._gathering.at, "ids": value, **self._whose(None)},
        ).fetchall()
        _as_read(rows, read_under or {})
        return {row["id"] for row in rows}

    def look_again(self, rows: Collection[OutboxRow]) -> Callable[[], None]:
        """Where others write, too: whether these are still under the addresses that they were read under, when what is given back is called."""
        if not self._gathering.shared or not rows:
            return lambda: None
        which, value = among("id", [row.id for row in rows])
        found = self._gathering.point(f"SELECT id, address FROM outbox WHERE {which}", (value,))  # noqa: S608
        return lambda: _as_read(found, {row.id: row.address for row in rows})

    def heads(self, lanes: Collection[int] | None = None) -> list[tuple[str, float]]:
        """See the contract."""
        rows = self._run(
            f"""SELECT channel_id, CASE state WHEN 'queued' THEN next_at ELSE 0 END AS due FROM outbox
               WHERE ordinal IN (
                   SELECT min(ordinal) FROM outbox WHERE state IN ('queued', 'sending') {self._of_lanes(lanes)} GROUP BY channel_id, address
               ) {f"AND (state = 'queued' OR {_NOBODYS})" if self._shared else ""}""",  # noqa: S608
            self._whose(lanes),
        )
        return [(row["channel_id"], row["due"]) for row in rows]

    def begin_anew(self, latest: float) -> None:
        """See the contract."""
        statement = "UPDATE outbox SET next_at = :latest WHERE state IN ('queued', 'sending') AND next_at > :latest"
        self._run(statement, {"latest": latest})

    def settle(self, row: OutboxRow, outcome: Outcome, *, steady: float) -> None:
        """See the contract."""
        if isinstance(outcome, Sent):
            self._sent.add((self._gathering.at, self._gathering.at, row.id), row.id)
            # Where a channel's ids are the same on each try, one that was written off counts again.
            self._message_ids.stand_for(row, outcome.message_ids, again=True)
            word, detail = "sent", ",".join(outcome.message_ids)
        elif isinstance(outcome, Over):
            self._ends(row, outcome.state, outcome.why)
            word, detail = outcome.state, outcome.why.told
        elif self._is_withdrawn(row):
            word, detail = "skipped", outcome.why.told
        else:
            sooner = steady + outcome.sooner if outcome.sooner is not None and outcome.sooner < outcome.seconds else None
            self._ends(row, "queued", outcome.why, at=steady + outcome.seconds, sooner=sooner)
            word, detail = "again", outcome.why.told
        self._log_attempt(row, word, detail)

    def _ends(self, row: OutboxRow, state: str, why: Why, *, at: float = 0.0, sooner: float | None = None) -> None:
        self._not_sent.add((state, at, sooner, why.code, why.reason, why.provider_code, self._gathering.at, row.id), row.id)

    def hasten(self, channel_id: str, *, limit: int) -> int:
        """See the contract."""
        self._gathering.news.add("outbox")
        done = self._run(
            """UPDATE outbox SET next_at = min(next_at, sooner_at), sooner_at = NULL, hastened = hastened + 1 WHERE ordinal IN (
                   SELECT ordinal FROM outbox INDEXED BY outbox_hastens
                   WHERE channel_id = ? AND state = 'queued' AND sooner_at IS NOT NULL ORDER BY ordinal LIMIT ?
               )""",
            (channel_id, limit),
        )
        return done.rowcount

    def _is_withdrawn(self, row: OutboxRow) -> bool:
        """Whether the customer has ended the conversation while the call went on: then that was the last try."""
        done = self._run(
            """UPDATE outbox SET state = 'skipped', code = ?, reason = ?, provider_code = NULL, updated_at = ?, attempts = attempts + 1
               WHERE id = ? AND state = 'sending' AND next_at = ?""",
            (WITHDRAWN, _WITHDRAWN_REASON, self._gathering.at, row.id, _NEVER_AGAIN),
        )
        return done.rowcount == 1

    def _log_attempt(self, row: OutboxRow, outcome: str, detail: str) -> None:
        self._attempts.add((row.id, self._gathering.at, outcome, detail[:_MOST_DETAIL], row.id))

    # ------------------------------------------------------------------------------------------ what is sent no more, or again

    def give_up(self, row: OutboxRow, over: Over) -> None:
        """See the contract."""
        self._gathering.news.add("outbox")
        self._run(
            """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = NULL, updated_at = ?
               WHERE id = ? AND state IN ('queued', 'sending')""",
            (over.state, over.why.code, over.why.reason, self._gathering.at, row.id),
        )

    def open_of(self, what: Waiting, limit: int) -> list[OutboxRow]:
        """See the contract."""
        about = f"{what.about}/" if what.about else ""
        rows = self._run(
            """SELECT * FROM outbox WHERE channel_id = ? AND org = ? AND substr(address, 1, length(?)) = ? AND state IN ('queued', 'sending')
               ORDER BY ordinal LIMIT ?""",
            (what.channel_id, what.org, about, about, limit),
        )
        return [_row(row) for row in rows.fetchall()]

    def withdraw(self, channel_id: str, address: str) -> list[OutboxRow]:
        """See the contract."""
        self._gathering.news.add("outbox")
        self._run(
            f"UPDATE outbox SET next_at = ? WHERE channel_id = ? AND address = ? AND {_OPEN} AND state = 'sending'",  # noqa: S608
            (_NEVER_AGAIN, channel_id, address),
        )
        rows = self._run(
            f"""UPDATE outbox SET state = 'skipped', code = ?, reason = ?, provider_code = NULL, updated_at = ?
                WHERE channel_id = ? AND address = ? AND {_OPEN} AND state = 'queued' RETURNING *""",  # noqa: S608
            (WITHDRAWN, _WITHDRAWN_REASON, self._gathering.at, channel_id, address),
        )
        return [_row(row) for row in rows.fetchall()]

    def requeue(self, outbox_id: str, retry_key: str) -> OutboxRow | None:
        """See the contract."""
        self._gathering.news.add("outbox")
        self._run(f"SELECT 1 FROM outbox WHERE id = ?{self._gathering.for_update}", (outbox_id,))  # noqa: S608
        row, now = self.one(outbox_id), self._gathering.now
        if row is None or row.state not in ("failed", "unknown", "skipped") or (row.state, row.code) == ("skipped", WITHDRAWN):
            return None
        if row.state != "unknown":
            self._message_ids.write_off(row)
            renewed = {"retry_key": retry_key, "created_at": now.astimezone(UTC).isoformat()}
            self._run(
                "UPDATE outbox SET retry_key = ?, payload = json_patch(payload, ?), created_at = ? WHERE id = ?",
                (retry_key, json.dumps(renewed), now.timestamp(), outbox_id),
            )
        self._run(
            """UPDATE outbox SET state = 'queued', next_at = 0, sooner_at = NULL, hastened = 0, attempts = 0, resent = 0, rank = 0, sent_at = NULL,
                   code = NULL, reason = NULL, provider_code = NULL, updated_at = ? WHERE id = ?""",
            (now.timestamp(), outbox_id),
        )
        return row

    # ------------------------------------------------------------------------------------------------------ receipts

    def raise_state(self, row: OutboxRow, status: str) -> bool:
        """See the contract."""
        done = self._run(
            """UPDATE outbox SET state = :status, rank = :rank, sent_at = coalesce(sent_at, :now), updated_at = :now,
                   code = NULL, reason = NULL, provider_code = NULL
               WHERE id = :id AND rank < :rank AND state NOT IN ('failed', 'skipped')""",
            {"id": row.id, "status": status, "rank": _RANKS[status], "now": self._gathering.at},
        )
        return done.rowcount == 1

    def fail_late(self, row: OutboxRow, over: Over) -> bool:
        """See the contract."""
        done = self._run(
            """UPDATE outbox SET state = ?, code = ?, reason = ?, provider_code = ?, updated_at = ?
               WHERE id = ? AND rank < 2 AND state IN ('sent', 'unknown')""",
            (over.state, over.why.code, over.why.reason, over.why.provider_code, self._gathering.at, row.id),
        )
        return self._failed_later(row, done, over.why)

    def resend_late(self, row: OutboxRow, again: Again, *, retry_key: str, steady: float) -> bool:
        """See the contract."""
        self._gathering.news.add("outbox")
        at, why = steady + again.seconds, again.why
        renewed = json.dumps({"retry_key": retry_key})
        done = self._run(
            """UPDATE outbox SET state = 'queued', next_at = ?, sooner_at = NULL, hastened = 0, attempts = 0, resent = 1, rank = 0, sent_at = NULL,
                   retry_key = ?, payload = json_patch(payload, ?), code = ?, reason = ?, provider_code = ?, updated_at = ?
               WHERE id = ? AND rank < 2 AND state IN ('sent', 'unknown') AND resent = 0""",
            (at, retry_key, renewed, why.code, why.reason, why.provider_code, self._gathering.at, row.id),
        )
        return self._failed_later(row, done, why)

    def _failed_later(self, row: OutboxRow, done: Cursor, why: Why) -> bool:
        if done.rowcount != 1:
            return False
        self._message_ids.write_off(row)
        self._log_attempt(row, "failed_later", why.told)
        return True

    def sent_until(self, channel_id: str, address: str, up_to: float) -> list[str]:
        """See the contract."""
        rows = self._run(
            """SELECT id FROM outbox WHERE channel_id = ? AND address = ? AND sent_at <= ? AND state IN ('sent', 'delivered')
               ORDER BY ordinal DESC LIMIT 500""",
            (channel_id, address, up_to),
        )
        return [row["id"] for row in rows]

    # ------------------------------------------------------------------------------------------------------- reading

    def of_entries(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[DeliveryState, ...]]:
        """See the contract."""
        rows, values = at(keys, "outbox", "entry_number")
        found: dict[EntryKey, list[DeliveryState]] = {}
        for row in self._run(f"SELECT outbox.* FROM {rows} ORDER BY ordinal", values):  # noqa: S608
            found.setdefault((row["session_id"], row["entry_number"]), []).append(_state(row))
        return {key: tuple(states) for key, states in found.items()}

    # ------------------------------------------------------------------------------------------------ for operators

    def waiting(self, limit: int) -> list[OutboxReport]:
        """See the contract."""
        query = """SELECT *, ordinal = min(ordinal) OVER (PARTITION BY channel_id, address) AS first FROM outbox
                   WHERE state IN ('queued', 'sending') ORDER BY ordinal LIMIT ?"""
        return [_report(row) for row in self._run(query, (limit,))]

    def troubled(self, limit: int) -> list[OutboxReport]:
        """See the contract."""
        query = "SELECT *, 1 AS first FROM outbox WHERE state IN ('failed', 'unknown', 'skipped') ORDER BY ordinal LIMIT ?"
        return [_report(row) for row in self._run(query, (limit,))]

    def report(self, outbox_id: str) -> tuple[OutboxReport, list[Attempt]] | None:
        """See the contract."""
        row = self._run("SELECT *, 1 AS first FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
        if row is None:
            return None
        query = "SELECT at, outcome, detail FROM outbox_attempts WHERE outbox_id = ? ORDER BY attempt"
        return _report(row), [Attempt(*one) for one in self._run(query, (outbox_id,))]

    def counts(self) -> tuple[int, int]:
        """See the contract."""
        troubled = "SELECT count(*) FROM outbox WHERE state IN ('failed', 'unknown', 'skipped')"
        waiting = "SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')"
        return self._run(troubled).fetchone()[0], self._run(waiting).fetchone()[0]

    def tallies(self) -> list[Tally]:
        """See the contract. One statement for each partial index."""
        query = "SELECT channel_id, state, count(*), min(created_at) FROM outbox INDEXED BY {} WHERE state IN {} GROUP BY channel_id, state"
        parts = (("outbox_open", ("queued", "sending")), ("outbox_troubled", ("failed", "unknown", "skipped")))
        return [Tally(*row) for part in parts for row in self._run(query.format(*part))]


def message_of(row: OutboxRow, **known: Any) -> Outbound | Call:
    """What it says, with what is `known` now instead of what was then. Most of those who look at a row don't need it."""
    if row.kind == "call":
        return Call.model_validate({**from_json(row.payload), **known})
    return OUTBOUND.validate_python({"kind": row.kind, **from_json(row.payload), **known})


def _as_read(rows: Iterable[Row], addresses: Mapping[str, str]) -> None:
    """A person who moves takes along what waits to be sent to them. Who read it before, and then waited for that, does it all once more."""
    for row in rows:
        if addresses.get(row["id"], row["address"]) != row["address"]:
            raise Conflict(row["id"])


def _row(row: Row) -> OutboxRow:
    return OutboxRow(
        id=row["id"],
        org=row["org"],
        channel_id=row["channel_id"],
        address=row["address"],
        session_id=row["session_id"],
        entry_number=row["entry_number"],
        kind=row["kind"],
        payload=row["payload"],
        media_id=row["media_id"],
        attempts=row["attempts"] + 1,
        hastened=row["hastened"],
        state=row["state"],
        code=row["code"],
        created_at=row["created_at"],
        lost_at=row["updated_at"] if row["state"] == "sending" else None,
    )


def _report(row: Row) -> OutboxReport:
    return OutboxReport(**{one.name: row[one.name] for one in fields(OutboxReport)})


def _state(row: Row) -> DeliveryState:
    return DeliveryState(
        outbox_id=row["id"],
        status=row["state"],
        code=row["code"],
        reason=row["reason"],
        at=datetime.fromtimestamp(row["updated_at"], UTC),
    )
