"""What is stored under names of the config: channels, orgs, queues, reps. All but the last three functions only read, and read files of any age.

A start looks at all sessions that have not ended; what it picks out for a closer look are few.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.session.model import Session
from gateway.store import outbox, sessions
from gateway.store.contract import Over


class ChannelWas(NamedTuple):
    """Whose the channel was, and of which kind, at the last start."""

    org: str
    kind: str


class Place(NamedTuple):
    """Where open sessions stand."""

    channel_id: str
    org: str
    queue: str | None
    kind: str
    set_aside: bool


class Waiting(NamedTuple):
    """Messages that wait to go out by a channel for sessions of an org."""

    channel_id: str
    org: str
    messages: int


def channels_were(connection: sqlite3.Connection) -> Mapping[str, ChannelWas]:
    """By id. A file that is older than the table says so by its newest sessions."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'channels'").fetchone()
    query = "SELECT channel_id, org, kind FROM channels"
    if not known:
        query = """SELECT channel_id, org, json_extract(state, '$.channel_type') AS kind FROM sessions
                   WHERE ordinal IN (SELECT max(ordinal) FROM sessions GROUP BY channel_id)"""
    return {row["channel_id"]: ChannelWas(row["org"], row["kind"]) for row in connection.execute(query)}


def places(connection: sqlite3.Connection) -> list[Place]:
    """Every place in which an open session stands."""
    rows = connection.execute(
        """SELECT DISTINCT channel_id, org, queue, json_extract(state, '$.channel_type') AS kind,
               json_extract(state, '$.set_aside') IS NOT NULL AS set_aside
           FROM sessions WHERE status != 'ended'"""
    )
    return [Place(row["channel_id"], row["org"], row["queue"], row["kind"], bool(row["set_aside"])) for row in rows]


def sessions_in(connection: sqlite3.Connection, place: Place) -> Iterator[str]:
    """The open sessions of a place, the first opened first."""
    rows = connection.execute(
        """SELECT id FROM sessions WHERE status != 'ended' AND channel_id = ? AND org = ? AND queue IS ?
               AND json_extract(state, '$.channel_type') = ? AND (json_extract(state, '$.set_aside') IS NOT NULL) = ?
           ORDER BY ordinal""",
        place,
    )
    return (row["id"] for row in rows)


def reps(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """(org, login) of everyone who has to do with a session; by steps over the key, since each may have thousands."""
    at: tuple[str, str] | None = ("", "")
    while at is not None:
        row = connection.execute(
            "SELECT org, login FROM rep_sessions WHERE (org, login) > (?, ?) ORDER BY org, login LIMIT 1", at
        ).fetchone()
        at = (row["org"], row["login"]) if row else None
        if at is not None:
            yield at


def sessions_with(connection: sqlite3.Connection, org: str, login: str) -> Iterator[str]:
    """Open sessions that the rep is in."""
    rows = connection.execute(
        """SELECT s.id FROM rep_sessions r JOIN sessions s ON s.id = r.session_id
           WHERE r.org = ? AND r.login = ? AND r.tie = 'in' AND s.status != 'ended' ORDER BY s.ordinal""",
        (org, login),
    )
    return (row["id"] for row in rows)


def sessions_that_ask(connection: sqlite3.Connection) -> Iterator[str]:
    """Those with an open offer or request: each has a timer."""
    rows = connection.execute("SELECT DISTINCT session_id AS id FROM timers WHERE kind IN ('offer', 'invitation') ORDER BY id")
    return (row["id"] for row in rows)


def conferences(connection: sqlite3.Connection, more_than: int) -> Iterator[str]:
    """Active sessions with more reps than this."""
    rows = connection.execute(
        "SELECT session_id AS id FROM rep_sessions WHERE tie = 'in' AND counts = 1 GROUP BY session_id HAVING count(*) > ?",
        (more_than,),
    )
    return (row["id"] for row in rows)


def loaded(connection: sqlite3.Connection, ids: Iterable[str]) -> Iterator[Session]:
    """The sessions of these ids, each once."""
    for session_id in dict.fromkeys(ids):
        session = sessions.load(connection, session_id)
        if session is not None:
            yield session


def kind_of(connection: sqlite3.Connection, session_id: str) -> str:
    """Of which kind the channel was when the session was opened."""
    row = connection.execute("SELECT json_extract(state, '$.channel_type') AS kind FROM sessions WHERE id = ?", (session_id,))
    return str(row.fetchone()["kind"])


def waiting(connection: sqlite3.Connection) -> list[Waiting]:
    """What waits to go out, by channel and org."""
    rows = connection.execute(
        "SELECT channel_id, org, count(*) AS messages FROM outbox WHERE state IN ('queued', 'sending') GROUP BY channel_id, org"
    )
    return [Waiting(row["channel_id"], row["org"], row["messages"]) for row in rows]


def give_up(
    connection: sqlite3.Connection, what: Waiting, *, unsent: Over, cut: Over, limit: int, now: float
) -> list[sqlite3.Row]:
    """Some of the messages that wait will not go out: `unsent` is for those that were not called out, `cut` for one whose call was cut off and
    that may have arrived. The rows, the oldest first."""
    rows = connection.execute(
        """SELECT * FROM outbox WHERE channel_id = ? AND org = ? AND state IN ('queued', 'sending') ORDER BY ordinal LIMIT ?""",
        (what.channel_id, what.org, limit),
    ).fetchall()
    for row in rows:
        outbox.give_up(connection, row["id"], unsent if row["state"] == "queued" else cut, now=now)
    return rows


def record_channels(connection: sqlite3.Connection, now: Mapping[str, ChannelWas]) -> None:
    """All is dealt with: this is whose they are. A channel that the config lacks keeps what it was, until it is back."""
    connection.executemany(
        "INSERT OR REPLACE INTO channels (channel_id, org, kind) VALUES (?, ?, ?)",
        [(channel_id, is_now.org, is_now.kind) for channel_id, is_now in now.items()],
    )
