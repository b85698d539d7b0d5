"""What the rules read of reps' presence and load, lazily, inside the transaction that decides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from gateway.session.model import Presence, RepPresence


class StoredPresence(Mapping[str, RepPresence]):
    """Presence by login; one whose streams have all been gone for longer than `grace_seconds` counts as offline. `now` is the steady clock's."""

    def __init__(self, connection: sqlite3.Connection, org: str, now: datetime, grace_seconds: float) -> None:
        self._connection, self._org, self._now, self._grace = connection, org, now.timestamp(), grace_seconds

    def __getitem__(self, login: str) -> RepPresence:
        row = self._connection.execute("SELECT * FROM presence WHERE org = ? AND login = ?", (self._org, login)).fetchone()
        return self._read(row) if row else RepPresence()

    def _read(self, row: sqlite3.Row) -> RepPresence:
        gone = row["lost_at"] is not None and row["lost_at"] + self._grace <= self._now
        return RepPresence(
            status=Presence.offline if gone else Presence(row["status"]),
            idle_since=datetime.fromtimestamp(row["idle_since"], UTC) if row["idle_since"] is not None else None,
            connected=row["streams"] > 0,
        )

    def __iter__(self) -> Iterator[str]:
        for row in self._connection.execute("SELECT login FROM presence WHERE org = ?", (self._org,)).fetchall():
            yield row["login"]

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM presence WHERE org = ?", (self._org,)).fetchone()[0])


class StoredLoad(Mapping[str, int]):
    """How many active sessions and offers a rep has."""

    def __init__(self, connection: sqlite3.Connection, org: str) -> None:
        self._connection, self._org = connection, org

    def __getitem__(self, login: str) -> int:
        row = self._connection.execute(
            "SELECT coalesce(sum(counts), 0) FROM rep_sessions WHERE org = ? AND login = ? AND counts = 1", (self._org, login)
        ).fetchone()
        return int(row[0])

    def __iter__(self) -> Iterator[str]:
        rows = self._connection.execute("SELECT DISTINCT login FROM rep_sessions WHERE org = ? AND counts = 1", (self._org,))
        for row in rows.fetchall():
            yield row["login"]

    def __len__(self) -> int:
        return sum(1 for _ in self)


def set_presence(connection: sqlite3.Connection, org: str, login: str, status: Presence, now: datetime) -> None:
    """What the rep says. Saying anything proves that they are there."""
    connection.execute(
        """INSERT INTO presence (org, login, status, idle_since) VALUES (:org, :login, :status, :now)
           ON CONFLICT DO UPDATE SET lost_at = NULL, status = excluded.status,
               idle_since = CASE WHEN presence.status = excluded.status THEN presence.idle_since ELSE excluded.idle_since END""",
        {"org": org, "login": login, "status": status.value, "now": now.timestamp()},
    )


def took_work(connection: sqlite3.Connection, org: str, login: str, now: datetime) -> None:
    """The rep has got something to do: the longest idle is somebody else now."""
    connection.execute("UPDATE presence SET idle_since = ? WHERE org = ? AND login = ?", (now.timestamp(), org, login))


def is_connected(connection: sqlite3.Connection, org: str, login: str) -> bool:
    """Whether an event stream of the rep's is written down as open."""
    row = connection.execute("SELECT streams FROM presence WHERE org = ? AND login = ?", (org, login)).fetchone()
    return row is not None and row["streams"] > 0


def all_connected(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """(org, login) of all of whom a stream is written down as open."""
    return {(row["org"], row["login"]) for row in connection.execute("SELECT org, login FROM presence WHERE streams > 0")}


def begin_anew(connection: sqlite3.Connection, now: float) -> None:
    """A process starts, and with it the steady clock: by it nobody's streams can have gone later than `now`."""
    connection.execute("UPDATE presence SET lost_at = :now WHERE lost_at > :now", {"now": now})


def set_connected(connection: sqlite3.Connection, org: str, login: str, connected: bool, now: datetime) -> None:
    """The first of the rep's event streams has opened, or the last has closed. `now` is the steady clock's."""
    connection.execute(
        """INSERT INTO presence (org, login, status, idle_since, streams, lost_at) VALUES (:org, :login, 'offline', :now, :open, :lost)
           ON CONFLICT DO UPDATE SET streams = :open, lost_at = :lost""",
        {
            "org": org,
            "login": login,
            "now": now.timestamp(),
            "open": int(connected),
            "lost": None if connected else now.timestamp(),
        },
    )
