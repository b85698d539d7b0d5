"""Sessions and their transcripts in SQL. Every function takes a connection and runs inside the caller's transaction."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from gateway.brokers.contract import BadCursor, Page
from gateway.session.model import Entry, EntryKind, Role, Session, Status

_CLOSED: Final = Status.ended.value


class StaleSession(Exception):
    """The session changed since it was read; decide once more."""


def load(connection: sqlite3.Connection, session_id: str) -> Session | None:
    """The session of that id."""
    row = connection.execute("SELECT state FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return Session.model_validate_json(row["state"]) if row else None


def newest_of_address(connection: sqlite3.Connection, channel_id: str, address: str, org: str) -> Session | None:
    """The latest session of this end user with this org, ended or not. The channel may have been another org's before (E1)."""
    row = connection.execute(
        "SELECT state FROM sessions WHERE channel_id = ? AND address = ? AND org = ? ORDER BY ordinal DESC LIMIT 1",
        (channel_id, address, org),
    ).fetchone()
    return Session.model_validate_json(row["state"]) if row else None


def open_of_address(connection: sqlite3.Connection, channel_id: str, address: str) -> list[Session]:
    """The sessions with this end user that haven't ended, oldest first: one, unless two people turned out to be the same."""
    rows = connection.execute(
        "SELECT state FROM sessions WHERE channel_id = ? AND address = ? AND status != 'ended' ORDER BY ordinal",
        (channel_id, address),
    )
    return [Session.model_validate_json(row["state"]) for row in rows.fetchall()]


def readdress(connection: sqlite3.Connection, channel_id: str, old: str, new: str) -> None:
    """Move everything under one address of a person to another, including messages that wait to be sent.

    Sessions that are open must have been saved under the new one; here are those that have ended, and the outbox rows of all.
    """
    connection.execute(
        """UPDATE sessions SET address = :new, state = json_set(state, '$.end_user.id', :new, '$.participants[0].id', :new)
           WHERE channel_id = :channel AND address = :old""",
        {"channel": channel_id, "old": old, "new": new},
    )
    connection.execute(
        """UPDATE outbox SET address = :new WHERE address = :old
           AND session_id IN (SELECT id FROM sessions WHERE channel_id = :channel AND address = :new)""",
        {"channel": channel_id, "old": old, "new": new},
    )


def save(connection: sqlite3.Connection, session: Session, *, before: Session | None, now: datetime, quiet: bool = False) -> None:
    """Write the session as it now is; `quiet` counts as no activity. Raises StaleSession unless the stored version is that of `before`
    (None: it is new)."""
    values = {
        "id": session.id,
        "org": session.org,
        "channel_id": session.channel_id,
        "address": session.end_user.id,
        "name": session.end_user.name.casefold(),
        "status": session.status.value,
        "queue": session.queue,
        "offered": int(session.offer is not None),
        "version": session.version,
        "last_activity": now.timestamp(),
        "state": session.model_dump_json(exclude_defaults=True),
        "before": before.version if before else None,
        "quiet": quiet,
    }
    if before is None:
        connection.execute(
            """INSERT INTO sessions (id, ordinal, org, channel_id, address, name, status, queue, offered, version, last_activity, state)
               VALUES (:id, (SELECT coalesce(max(ordinal), 0) + 1 FROM sessions), :org, :channel_id, :address, :name, :status,
                       :queue, :offered, :version, :last_activity, :state)""",
            values,
        )
        return
    done = connection.execute(
        """UPDATE sessions SET status = :status, address = :address, name = :name, queue = :queue, offered = :offered, version = :version,
               last_activity = CASE WHEN :quiet THEN last_activity ELSE :last_activity END, state = :state WHERE id = :id AND version = :before""",
        values,
    )
    if done.rowcount != 1:
        raise StaleSession(session.id)


def append(connection: sqlite3.Connection, session_id: str, entries: Iterable[Entry]) -> None:
    """Add entries to the transcript; a number that is taken fails the transaction."""
    connection.executemany(
        "INSERT INTO entries (session_id, number, kind, visibility, body) VALUES (?, ?, ?, ?, ?)",
        [(session_id, e.number, e.kind.value, e.visibility.value, e.model_dump_json(exclude_none=True)) for e in entries],
    )


def mark_changed(connection: sqlite3.Connection, session_id: str, number: int, change: str) -> None:
    """A later entry edited or took back this one."""
    connection.execute("UPDATE entries SET change = ? WHERE session_id = ? AND number = ?", (change, session_id, number))


def entry(connection: sqlite3.Connection, session_id: str, number: int) -> tuple[Entry, str | None] | None:
    """One entry and how a later one changed it."""
    row = connection.execute(
        "SELECT body, change FROM entries WHERE session_id = ? AND number = ?", (session_id, number)
    ).fetchone()
    return (Entry.model_validate_json(row["body"]), row["change"]) if row else None


def ended_by_customer(connection: sqlite3.Connection, session_id: str) -> bool:
    """L4: whether the session has ended, and the customer ended it."""
    row = connection.execute(
        """SELECT body FROM entries WHERE session_id = ? AND kind = 'status_changed' ORDER BY number DESC LIMIT 1""",
        (session_id,),
    ).fetchone()
    turned = Entry.model_validate_json(row["body"]) if row else None
    by = turned.sender if turned is not None and turned.details.get("to") == Status.ended else None
    return by is not None and by.role is Role.end_user


def newest_first(
    connection: sqlite3.Connection, session_id: str, *, before: int | None = None, chunk: int = 100
) -> Iterator[tuple[Entry, str | None]]:
    """The transcript backwards from below `before`, read a chunk at a time."""
    below = before if before is not None else 2**62
    while True:
        rows = connection.execute(
            "SELECT body, change FROM entries WHERE session_id = ? AND number < ? ORDER BY number DESC LIMIT ?",
            (session_id, below, chunk),
        ).fetchall()
        for row in rows:
            found = Entry.model_validate_json(row["body"])
            below = found.number
            yield found, row["change"]
        if len(rows) < chunk:
            return


def oldest_first(
    connection: sqlite3.Connection, session_id: str, *, after: int = 0, chunk: int = 100
) -> Iterator[tuple[Entry, str | None]]:
    """The transcript onwards from above `after`."""
    while True:
        rows = connection.execute(
            "SELECT body, change FROM entries WHERE session_id = ? AND number > ? ORDER BY number LIMIT ?",
            (session_id, after, chunk),
        ).fetchall()
        for row in rows:
            found = Entry.model_validate_json(row["body"])
            after = found.number
            yield found, row["change"]
        if len(rows) < chunk:
            return


def for_supervisors(connection: sqlite3.Connection, session_id: str, below: int) -> list[Entry]:
    """Entries below a number that not everybody in the session may see; they are few."""
    # SQLite takes a partial index only where its condition is written out, and here only when told to: else it reads the whole transcript.
    rows = connection.execute(
        """SELECT body FROM entries INDEXED BY entries_for_supervisors
           WHERE session_id = ? AND number < ? AND visibility = 'supervisors'""",
        (session_id, below),
    )
    return [Entry.model_validate_json(row["body"]) for row in rows]


def latest_text(connection: sqlite3.Connection, session_id: str) -> str:
    """The customer's latest words, for flows' conditions."""
    for found, _ in newest_first(connection, session_id, chunk=20):
        if found.kind is EntryKind.message and found.sender and found.sender.role.value == "end_user":
            return found.text or ""
    return ""


def to_route(connection: sqlite3.Connection, org: str, queue: str, limit: int = 50) -> list[str]:
    """Waiting sessions of a queue that nobody is offered, oldest first."""
    rows = connection.execute(
        "SELECT id FROM sessions WHERE org = ? AND queue = ? AND status = 'waiting' AND offered = 0 ORDER BY ordinal LIMIT ?",
        (org, queue, limit),
    )
    return [row["id"] for row in rows]


# ------------------------------------------------------------------------------------ who has to do with which


def tie(connection: sqlite3.Connection, session: Session) -> None:
    """Write down which reps have to do with the session, after it changed."""
    ties: dict[str, tuple[str, int]] = dict.fromkeys(session.been_in, ("was", 0))
    for invitation in session.invitations:
        for login in invitation.asked:
            if login not in invitation.declined:
                ties[login] = ("asked", 0)
    if session.offer:
        ties[session.offer.rep] = ("offered", 1)
    for rep in session.reps:
        ties[rep.id] = ("in", int(session.status is Status.active))
    known = {
        row["login"]: (row["tie"], row["counts"])
        for row in connection.execute("SELECT login, tie, counts FROM rep_sessions WHERE session_id = ?", (session.id,))
    }
    for login in known.keys() - ties.keys():
        connection.execute(
            "DELETE FROM rep_sessions WHERE org = ? AND login = ? AND session_id = ?", (session.org, login, session.id)
        )
    connection.executemany(
        """INSERT INTO rep_sessions (org, login, session_id, tie, counts) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET tie = excluded.tie, counts = excluded.counts""",
        [
            (session.org, login, session.id, kind, counts)
            for login, (kind, counts) in ties.items()
            if known.get(login) != (kind, counts)
        ],
    )


def sessions_of_rep(connection: sqlite3.Connection, org: str, login: str, *ties: str) -> list[str]:
    """Sessions that the rep is tied to in one of these ways."""
    rows = connection.execute("SELECT session_id, tie FROM rep_sessions WHERE org = ? AND login = ?", (org, login))
    return [row["session_id"] for row in rows if row["tie"] in ties]


def page(
    connection: sqlite3.Connection,
    *,
    org: str,
    login: str,
    everything: bool,
    queues: frozenset[str],
    mine: bool,
    status: Status | None,
    q: str | None,
    cursor: str | None,
    limit: int,
) -> Page[Session]:
    """Sessions that this rep may see, latest activity first. The cursor is `activity:ordinal` of the last one given."""
    where = ["s.org = :org"]
    values: dict[str, object] = {"org": org, "login": login, "limit": limit + 1}
    if mine:
        where.append("r.tie = 'in'")
    elif not everything:
        marks = {f"queue{i}": name for i, name in enumerate(sorted(queues))}
        values |= marks
        waiting = f"(s.status = 'waiting' AND s.queue IN ({','.join(':' + m for m in marks)}))" if marks else "0"
        where.append(f"(r.tie IS NOT NULL OR {waiting})")
    if status:
        where.append("s.status = :status")
        values["status"] = status.value
    if q:
        where.append("(instr(s.name, :q) > 0 OR s.id = :q OR instr(s.address, :q) > 0)")
        values["q"] = q.casefold()
    if cursor:
        where.append("(s.last_activity, s.ordinal) < (:activity, :ordinal)")
        values |= _place(cursor)
    rows = connection.execute(
        f"""SELECT s.state, s.last_activity, s.ordinal FROM sessions s
            LEFT JOIN rep_sessions r ON r.org = s.org AND r.login = :login AND r.session_id = s.id
            WHERE {" AND ".join(where)} ORDER BY s.last_activity DESC, s.ordinal DESC LIMIT :limit""",  # noqa: S608
        values,
    ).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    following = f"{rows[-1]['last_activity']!r}:{rows[-1]['ordinal']}" if more else None
    return Page(tuple(Session.model_validate_json(row["state"]) for row in rows), following)


def _place(cursor: str) -> dict[str, float | int]:
    activity, _, ordinal = cursor.partition(":")
    try:
        place: dict[str, float | int] = {"activity": float(activity), "ordinal": int(ordinal)}
    except ValueError as wrong:
        raise BadCursor(cursor) from wrong
    if not (math.isfinite(place["activity"]) and 0 <= place["ordinal"] < 2**63):  # more than SQLite counts
        raise BadCursor(cursor)
    return place
