"""Reps' presence and connections in SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from gateway.clock import Clock
from gateway.session.model import Presence, RepPresence
from gateway.store.gathering import Gathering
from gateway.store.rep_streams import RepStreams


class _Row(NamedTuple):
    """`presence` counts until `lost_at` is longer ago than the grace time, and who is `gone` from then on."""

    presence: RepPresence
    lost_at: float | None = None
    gone: RepPresence = RepPresence()


_NEVER_SEEN: Final = _Row(RepPresence())


def _row_of(said: Any) -> _Row:
    idle_since = datetime.fromtimestamp(said["idle_since"], UTC) if said["idle_since"] is not None else None
    presence = RepPresence(status=Presence(said["status"]), idle_since=idle_since, connected=said["streams"] > 0)
    if said["lost_at"] is None:
        return _Row(presence)
    return _Row(presence, said["lost_at"], presence.model_copy(update={"status": Presence.offline}))


class Reps:
    """See `gateway.store.contract.Reps`. Who reads it to decide, or changes it, holds the org."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._rows: dict[tuple[str, str], _Row] = gathering.held()
        self._asked: dict[str, int] = gathering.held()  # how many reps of an org
        self._streams = RepStreams(gathering) if gathering.dialect == "postgresql" else None  # None: one process has them all

    def presence(self, org: str, login: str, *, steady: Clock, grace_seconds: float) -> RepPresence:
        """See the contract."""
        row = self._row(org, login)
        if row.lost_at is None or row.lost_at + grace_seconds > steady().timestamp():
            return row.presence
        return row.gone

    def _row(self, org: str, login: str) -> _Row:
        if (org, login) not in self._rows:
            self._gathering.lock_org(org)
            self._asked[org] = asked = self._asked.get(org, 0) + 1
            if asked <= self._gathering.one_by_one:
                query = "SELECT * FROM presence WHERE org = ? AND login = ?"
                said = self._gathering.point(query, (org, login)).fetchone()
                self._rows[org, login] = _row_of(said) if said is not None else _NEVER_SEEN
            elif asked == self._gathering.one_by_one + 1:
                everybody = self._gathering.point("SELECT * FROM presence WHERE org = ?", (org,))
                self._rows.update({(org, said["login"]): _row_of(said) for said in everybody})
        return self._rows.get((org, login), _NEVER_SEEN)

    def _changed(self) -> None:
        self._rows.clear()
        self._asked.clear()

    def set_presence(self, org: str, login: str, status: Presence) -> None:
        """See the contract."""
        self._gathering.lock_org(org)
        self._gathering.run(
            """INSERT INTO presence (org, login, status, idle_since) VALUES (:org, :login, :status, :now)
               ON CONFLICT (org, login) DO UPDATE SET lost_at = NULL, status = excluded.status,
                   idle_since = CASE WHEN presence.status = excluded.status THEN presence.idle_since ELSE excluded.idle_since END""",
            {"org": org, "login": login, "status": status.value, "now": self._gathering.at},
        )
        self._changed()

    def took_work(self, org: str, login: str) -> None:
        """See the contract."""
        self._gathering.lock_org(org)
        statement = "UPDATE presence SET idle_since = ? WHERE org = ? AND login = ?"
        self._gathering.run(statement, (self._gathering.at, org, login))
        self._changed()

    def is_connected(self, org: str, login: str) -> bool:
        """See the contract."""
        return self._row(org, login).presence.connected

    def is_held_here(self, org: str, login: str) -> bool:
        """See the contract."""
        return self._streams.is_here(org, login) if self._streams else self.is_connected(org, login)

    def held_here(self) -> set[tuple[str, str]]:
        """See the contract."""
        if self._streams:
            return self._streams.here()
        rows = self._gathering.run("SELECT org, login FROM presence WHERE streams > 0")
        return {(row["org"], row["login"]) for row in rows}

    def set_connected(self, org: str, login: str, connected: bool, steady: datetime) -> bool:
        """See the contract."""
        before = self._row(org, login).presence.connected  # which holds the org
        others = self._streams.note(org, login, connected) if self._streams else False
        if not others:
            self._set_connected(org, login, connected, steady)
        return not others and before != connected

    def adrift(self) -> set[tuple[str, str]]:
        """See the contract."""
        return self._streams.adrift() if self._streams else set()

    def let_go(self, org: str, login: str, steady: datetime) -> bool:
        """See the contract."""
        before = self._row(org, login).presence.connected
        if self._streams is None or not self._streams.let_go(org, login):
            return False
        self._set_connected(org, login, False, steady)
        return before

    def _set_connected(self, org: str, login: str, connected: bool, steady: datetime) -> None:
        at = steady.timestamp()
        self._gathering.lock_org(org)
        self._gathering.run(
            """INSERT INTO presence (org, login, status, idle_since, streams, lost_at) VALUES (:org, :login, 'offline', :now, :open, :lost)
               ON CONFLICT (org, login) DO UPDATE SET streams = excluded.streams, lost_at = excluded.lost_at""",
            {"org": org, "login": login, "now": at, "open": int(connected), "lost": None if connected else at},
        )
        self._changed()

    def begin_anew(self, steady: float) -> None:
        """See the contract."""
        self._gathering.run("UPDATE presence SET lost_at = :now WHERE lost_at > :now", {"now": steady})
        self._changed()
