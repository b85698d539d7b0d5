"""Sessions and their transcripts in SQL, and which rep has to do with which."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import from_json, to_json

from gateway.session.model import Entry, EntryKind, Role, Session, Status
from gateway.session.searching import found_by
from gateway.store.contract import EntryKey
from gateway.store.gathering import Gathering, Rows, among, at
from gateway.store.statements import Conflict

Ties: TypeAlias = Mapping[
    str, tuple[str, int]
]  # by login: `in`, `offered`, `asked` or `was`, and 1 where it takes the rep's capacity

RESTING: Final = (Status.ended, Status.inactive)
_MOST_HELD: Final = 2_000  # a start may look at all that are open
_MOST_IN_MEMO: Final = 4_000  # of 3 kB each
_INSERT: Final = """INSERT INTO sessions (id, {column}org, channel_id, address, name, status, queue, offered, filed, version, last_activity, state)
    VALUES (:id, {ordinal}:org, :channel_id, :address, :name, :status, :queue, :offered, 0, :version, :last_activity, :state)"""
# PostgreSQL has a sequence for it, from which several transactions may take at once.
_INSERTS: Final = {
    "sqlite": _INSERT.format(column="ordinal, ", ordinal="(SELECT coalesce(max(ordinal), 0) + 1 FROM sessions), "),
    "postgresql": _INSERT.format(column="", ordinal=""),
}
_UPDATE: Final = """UPDATE sessions SET status = :status, address = :address, name = :name, queue = :queue, offered = :offered, filed = 0,
    version = :version, last_activity = coalesce(:last_activity, last_activity), state = :state WHERE id = :id AND version = :before"""
# Most changes are a line more in the transcript: all indexes but that of the lists stay as they are.
_CONTINUE: Final = """UPDATE sessions SET version = :version, last_activity = coalesce(:last_activity, last_activity), state = :state
    WHERE id = :id AND version = :before"""


class StaleSession(Conflict):
    """The session changed since it was read; decide once more."""


class _Saved(NamedTuple):
    """A session that is to be written. `before`: the version that is stored; None: none is. `at`: of its latest activity; None: as it was."""

    session: Session
    before: int | None
    at: float | None


class Sessions:
    """See `gateway.store.contract.Sessions`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._known: dict[str, Session | None] = gathering.held()
        self._newest: dict[tuple[str, str, str], str | None] = gathering.held()  # by channel, address and org
        self._ties: dict[str, Ties] = gathering.held()
        self._load: dict[tuple[str, str], int] = gathering.held()  # by org and login
        self._loads: dict[str, bool] = gathering.held()  # orgs of which all that is not nothing is held
        self._asked: dict[str, int] = gathering.held()  # for how many reps of an org
        self._inserts = gathering.rows(_INSERTS[gathering.dialect], _row, types="tttttttiift")
        self._updates = gathering.rows(_UPDATE, _row, _all_as_expected, types="ttttiiftti")
        self._continued = gathering.rows(_CONTINUE, _continued, _all_as_expected, types="iftti")
        self._woken = gathering.rows(
            "UPDATE rep_sessions SET rests = NULL, place = NULL WHERE session_id = ? AND rests IS NOT NULL", types="t"
        )
        self._entries = gathering.rows(
            "INSERT INTO entries (session_id, number, kind, visibility, body) VALUES (?, ?, ?, ?, ?)", types="tittt"
        )
        self._marks = gathering.rows("UPDATE entries SET change = ? WHERE session_id = ? AND number = ?", types="tti")
        self._untied = gathering.rows("DELETE FROM rep_sessions WHERE org = ? AND login = ? AND session_id = ?", types="ttt")
        self._tied = gathering.rows(
            """INSERT INTO rep_sessions (org, login, session_id, tie, counts) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (org, login, session_id) DO UPDATE SET tie = excluded.tie, counts = excluded.counts""",
            types="tttti",
        )

    # -------------------------------------------------------------------------------------------------------- sessions

    def load(self, session_id: str) -> Session | None:
        """See the contract."""
        if session_id not in self._known:
            if len(self._known) >= _MOST_HELD and not self._waits():
                self._known.clear()
            self._gathering.lock_sessions([session_id])
            row = self._gathering.point("SELECT state FROM sessions WHERE id = ?", (session_id,)).fetchone()
            self._known[session_id] = parsed(row["state"]) if row else None
        return self._known[session_id]

    def several(self, session_ids: Collection[str]) -> dict[str, Session]:
        """See the contract."""
        condition, value = among("id", tuple(session_ids))
        rows = self._gathering.run(f"SELECT id, state FROM sessions WHERE {condition}", (value,))  # noqa: S608
        return {row["id"]: parsed(row["state"]) for row in rows}

    def newest_of_address(self, channel_id: str, address: str, org: str) -> Session | None:
        """See the contract."""
        place = (channel_id, address, org)
        if place not in self._newest:
            query = (
                "SELECT id, state FROM sessions WHERE channel_id = ? AND address = ? AND org = ? ORDER BY ordinal DESC LIMIT 1"
            )
            self._gathering.lock_conversations([(channel_id, address)])
            self._hold_newest(place, self._gathering.point(query, place).fetchone())
        session_id = self._newest[place]
        return self.load(session_id) if session_id is not None else None

    def read_ahead(self, channel_id: str, addresses: Sequence[str], org: str) -> Callable[[], None]:
        """Hold the newest session of each of these addresses, when what is given back is called."""
        self._gathering.lock_conversations((channel_id, address) for address in addresses)
        found = self._gathering.point(
            """SELECT wanted.value AS address, s.id, s.state FROM json_each(:addresses) wanted JOIN sessions s ON s.id =
                   (SELECT id FROM sessions WHERE channel_id = :channel AND address = wanted.value AND org = :org ORDER BY ordinal DESC LIMIT 1)""",
            {"addresses": json.dumps(addresses), "channel": channel_id, "org": org},
        )

        def hold() -> None:
            rows = {address: row for address, *row in found}
            for address in addresses:
                self._hold_newest((channel_id, address, org), rows.get(address))

        return hold

    def read_ahead_sessions(self, session_ids: Sequence[str]) -> None:
        """Hold these sessions."""
        self._gathering.lock_sessions(session_ids)
        self._known |= dict.fromkeys(session_ids)
        which, value = among("id", session_ids)
        for row in self._gathering.point(f"SELECT id, state FROM sessions WHERE {which}", (value,)):  # noqa: S608
            self._known[row["id"]] = parsed(row["state"])

    def _hold_newest(self, place: tuple[str, str, str], row: Sequence[str] | None) -> None:
        session_id, state = row or (None, "")
        self._newest[place] = session_id
        if session_id is not None and session_id not in self._known:
            self._known[session_id] = parsed(state)

    def before(self, session: Session) -> Session | None:
        """See the contract."""
        row = self._gathering.run(
            """SELECT id FROM sessions WHERE channel_id = ? AND address = ? AND org = ?
                   AND ordinal < (SELECT ordinal FROM sessions WHERE id = ?) ORDER BY ordinal DESC LIMIT 1""",
            (session.channel_id, session.end_user.id, session.org, session.id),
        ).fetchone()
        return self.load(row["id"]) if row else None

    def open_of_address(self, channel_id: str, address: str) -> list[Session]:
        """See the contract."""
        self._gathering.lock_conversations([(channel_id, address)])
        rows = self._gathering.run(
            "SELECT id FROM sessions WHERE channel_id = ? AND address = ? AND status != 'ended' ORDER BY ordinal",
            (channel_id, address),
        ).fetchall()
        return [session for row in rows if (session := self.load(row["id"]))]

    def readdress(self, channel_id: str, old: str, new: str) -> None:
        """See the contract."""
        values = {"channel": channel_id, "old": old, "new": new}
        self._gathering.lock_conversations([(channel_id, old), (channel_id, new)])
        query = "SELECT id, state FROM sessions WHERE channel_id = :channel AND address = :old"
        self._gathering.run_many(
            "UPDATE sessions SET address = ?, name = ?, filed = 0, state = ? WHERE id = ?",
            [(new, *_readdressed(row["state"], new), row["id"]) for row in self._gathering.run(query, values).fetchall()],
        )
        self._gathering.run(
            """UPDATE rep_sessions SET rests = NULL, place = NULL
               WHERE session_id IN (SELECT id FROM sessions WHERE channel_id = :channel AND address = :new)""",
            values,
        )
        self._gathering.news.add("outbox")
        self._gathering.run(
            """UPDATE outbox SET address = :new WHERE address = :old
               AND session_id IN (SELECT id FROM sessions WHERE channel_id = :channel AND address = :new)""",
            values,
        )
        self._known.clear()
        self._newest.clear()

    def save(self, session: Session, *, before: Session | None, quiet: bool = False) -> None:
        """See the contract."""
        held = self._known.get(session.id)
        if before is not None and held is not None and held.version != before.version:
            raise StaleSession(session.id)
        waits, rows = self._way_of(session, before)
        stored = waits.before if waits else before.version if before else None
        at = self._gathering.at if not quiet else waits.at if waits else None
        rows.add(_Saved(session, stored, at), session.id)
        if before is not None and before.status in RESTING:
            self._woken.add((session.id,), session.id)
        change = self._gathering.change
        change(self._known, session.id, session)
        if before is None:
            change(self._newest, (session.channel_id, session.end_user.id, session.org), session.id)
        self._tie(session, before)

    def _way_of(self, session: Session, before: Session | None) -> tuple[_Saved | None, Rows]:
        """What of it waits to be written, and which statement writes it."""
        for rows in (self._inserts, self._updates):
            if session.id in rows.waiting:
                return rows.waiting[session.id], rows
        if before is None:
            return None, self._inserts
        waits: _Saved | None = self._continued.waiting.get(session.id)
        if before.status not in RESTING and _found_in(before) == _found_in(session):
            return waits, self._continued
        self._continued.drop(session.id)
        return waits, self._updates

    def _waits(self) -> bool:
        return bool(self._inserts.waiting or self._updates.waiting or self._continued.waiting)

    # ------------------------------------------------------------------------------------------------------ transcript

    def append(self, session_id: str, entries: Iterable[Entry]) -> None:
        """See the contract."""
        for e in entries:
            body = e.model_dump_json(exclude_none=True)
            self._entries.add((session_id, e.number, e.kind.value, e.visibility.value, body))

    def mark_changed(self, session_id: str, number: int, change: str) -> None:
        """See the contract."""
        self._marks.add((change, session_id, number), (session_id, number))

    def entry(self, session_id: str, number: int) -> tuple[Entry, str | None] | None:
        """See the contract."""
        query = "SELECT body, change FROM entries WHERE session_id = ? AND number = ?"
        row = self._gathering.run(query, (session_id, number)).fetchone()
        return (Entry.model_validate_json(row["body"]), row["change"]) if row else None

    def entries_at(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[Entry, str | None]]:
        """See the contract."""
        entries, values = at(keys, "entries", "number")
        rows = self._gathering.run(f"SELECT session_id, number, body, change FROM {entries}", values)  # noqa: S608
        return {(row["session_id"], row["number"]): (Entry.model_validate_json(row["body"]), row["change"]) for row in rows}

    def ended_by_customer(self, session_id: str) -> bool:
        """See the contract."""
        row = self._gathering.run(
            "SELECT body FROM entries WHERE session_id = ? AND kind = 'status_changed' ORDER BY number DESC LIMIT 1",
            (session_id,),
        ).fetchone()
        turned = Entry.model_validate_json(row["body"]) if row else None
        by = turned.sender if turned is not None and turned.details.get("to") == Status.ended else None
        return by is not None and by.role is Role.end_user

    def newest_first(self, session_id: str, *, before: int | None = None, chunk: int = 100) -> Iterator[tuple[Entry, str | None]]:
        """See the contract."""
        query = "SELECT body, change FROM entries WHERE session_id = ? AND number < ? ORDER BY number DESC LIMIT ?"
        return self._walk(query, session_id, before if before is not None else 2**62, chunk)

    def oldest_first(self, session_id: str, *, after: int = 0, chunk: int = 100) -> Iterator[tuple[Entry, str | None]]:
        """See the contract."""
        query = "SELECT body, change FROM entries WHERE session_id = ? AND number > ? ORDER BY number LIMIT ?"
        return self._walk(query, session_id, after, chunk)

    def _walk(self, query: str, session_id: str, at: int, chunk: int) -> Iterator[tuple[Entry, str | None]]:
        while True:
            rows = self._gathering.run(query, (session_id, at, chunk)).fetchall()
            for row in rows:
                found = Entry.model_validate_json(row["body"])
                at = found.number
                yield found, row["change"]
            if len(rows) < chunk:
                return

    def for_supervisors(self, session_id: str, below: int) -> list[Entry]:
        """See the contract."""
        # SQLite takes a partial index only where its condition is written out, and here only when told to: else it reads the whole transcript.
        rows = self._gathering.run(
            """SELECT body FROM entries INDEXED BY entries_for_supervisors
               WHERE session_id = ? AND number < ? AND visibility = 'supervisors'""",
            (session_id, below),
        )
        return [Entry.model_validate_json(row["body"]) for row in rows]

    def latest_text(self, session_id: str) -> str:
        """See the contract."""
        for found, _ in self.newest_first(session_id, chunk=20):
            if found.kind is EntryKind.message and found.sender and found.sender.role is Role.end_user:
                return found.text or ""
        return ""

    # ----------------------------------------------------------------------------------------------- whose sessions they are

    def load_of(self, org: str, login: str) -> int:
        """See the contract."""
        if (org, login) not in self._load and org not in self._loads:
            self._gathering.lock_org(org)
            # What is gathered of a rep's ties is in their load only where that is held.
            read = self._gathering.run if self._tied.waiting or self._untied.waiting else self._gathering.point
            self._asked[org] = asked = self._asked.get(org, 0) + 1
            if asked <= self._gathering.one_by_one:
                query = "SELECT count(*) FROM rep_sessions WHERE org = ? AND login = ? AND counts = 1"
                self._load[org, login] = int(read(query, (org, login)).fetchone()[0])
            else:
                query = "SELECT login, count(*) FROM rep_sessions WHERE org = ? AND counts = 1 GROUP BY login"
                self._load |= {(org, login): count for login, count in read(query, (org,))}
                self._loads[org] = True
        return self._load.get((org, login), 0)

    def _tie(self, session: Session, before: Session | None) -> None:
        if before is not None and (session.same_people(before) or _ties(session) == _ties(before)):
            return
        ties = _ties(session)
        known = self._ties.get(session.id, {} if before is None else None)
        if known is None:
            query = "SELECT login, tie, counts FROM rep_sessions WHERE session_id = ?"
            found = self._gathering.point(query, (session.id,))
            known = {row["login"]: (row["tie"], row["counts"]) for row in found}
        for login in known.keys() - ties.keys():
            place = (session.org, login, session.id)
            self._tied.drop(place)
            self._untied.add(place, place)
        for login, tie in ties.items():
            if known.get(login) != tie:
                place = (session.org, login, session.id)
                self._tied.add((*place, *tie), place)
        for login in known.keys() | ties.keys():
            more = ties.get(login, ("", 0))[1] - known.get(login, ("", 0))[1]
            whose = (session.org, login)
            if more and (whose in self._load or session.org in self._loads):
                self._gathering.change(self._load, whose, self._load.get(whose, 0) + more)
        self._gathering.change(self._ties, session.id, ties)

    def to_route(self, org: str, queue: str, limit: int) -> list[str]:
        """See the contract."""
        self._gathering.lock_org(org)
        rows = self._gathering.run(
            "SELECT id FROM sessions WHERE org = ? AND queue = ? AND status = 'waiting' AND offered = 0 ORDER BY ordinal LIMIT ?",
            (org, queue, limit),
        )
        return [row["id"] for row in rows]

    def of_rep(self, org: str, login: str, *ties: str) -> list[str]:
        """See the contract."""
        rows = self._gathering.run(
            """SELECT r.session_id, r.tie FROM rep_sessions r INDEXED BY rep_sessions_listed CROSS JOIN sessions s ON s.id = r.session_id
               WHERE r.org = :org AND r.login = :login AND r.rests IS NULL AND s.status != 'ended'
               UNION ALL SELECT session_id, tie FROM rep_sessions WHERE org = :org AND login = :login AND rests = 'inactive'""",
            {"org": org, "login": login},
        )
        return [row["session_id"] for row in rows if row["tie"] in ties]

    def been_in(self, session_ids: Collection[str]) -> dict[str, list[str]]:
        """See the contract."""
        condition, value = among("session_id", tuple(session_ids))
        query = f"SELECT session_id, login FROM rep_sessions WHERE {condition} AND tie IN ('in', 'was')"  # noqa: S608
        found: dict[str, list[str]] = {session_id: [] for session_id in session_ids}
        for row in self._gathering.run(query, (value,)):
            found[row["session_id"]].append(row["login"])
        return found

    def kinds_of(self, session_ids: Collection[str]) -> dict[str, str]:
        """See the contract."""
        condition, value = among("id", tuple(session_ids))
        query = f"SELECT id, json_extract(state, '$.channel_type') AS kind FROM sessions WHERE {condition}"  # noqa: S608
        return {row["id"]: row["kind"] for row in self._gathering.run(query, (value,))}

    def open_by_status(self) -> dict[str, int]:
        """See the contract."""
        query = "SELECT status, count(*) FROM sessions INDEXED BY sessions_open WHERE status != 'ended' GROUP BY status"
        return {row[0]: row[1] for row in self._gathering.run(query)}


class _Memo(dict[str, Session]):
    """Sessions by their stored text: those that were read or written last. Values are never changed, and a text means the same whatever becomes of the
    transaction that wrote it."""

    def keep(self, state: str, session: Session) -> None:
        """Instead of the oldest, if there are many."""
        while len(self) >= _MOST_IN_MEMO:
            with suppress(KeyError, StopIteration, RuntimeError):  # readers keep theirs, too, in other threads
                del self[next(iter(self))]
        self[state] = session


_MEMO: Final = _Memo()


def parsed(state: str) -> Session:
    session = _MEMO.get(state)
    if session is None:
        session = Session.model_validate_json(state)
        _MEMO.keep(state, session)
    return session


def _state(session: Session) -> str:
    state = session.model_dump_json(exclude_defaults=True)
    _MEMO.keep(state, session)
    return state


def _row(saved: _Saved) -> dict[str, Any]:
    session = saved.session
    return {
        **_continued(saved),
        "org": session.org,
        "channel_id": session.channel_id,
        "address": session.end_user.id,
        "name": found_by(session.end_user.id, session.end_user.name),
        "status": session.status.value,
        "queue": session.queue,
        "offered": int(session.offer is not None),
    }


def _continued(saved: _Saved) -> dict[str, Any]:
    return {
        "id": saved.session.id,
        "version": saved.session.version,
        "before": saved.before,
        "last_activity": saved.at,
        "state": _state(saved.session),
    }


def _readdressed(state: str, address: str) -> tuple[str, str]:
    """What the session is found by, and its state, with its customer under this address."""
    changed = from_json(state)
    changed["end_user"]["id"] = address
    if changed.get("participants"):
        changed["participants"][0]["id"] = address
    return found_by(address, changed["end_user"].get("name") or ""), to_json(changed).decode()


def _found_in(session: Session) -> tuple[object, ...]:
    """What lists and queries find it by, beside its activity."""
    return (session.status, session.queue, session.offer is None, session.end_user)


def _all_as_expected(rows: int, changed: int) -> None:
    if changed != rows:
        raise StaleSession


def _ties(session: Session) -> Ties:
    ties: dict[str, tuple[str, int]] = dict.fromkeys(session.been_in, ("was", 0))
    for invitation in session.invitations:
        for login in invitation.asked:
            if login not in invitation.declined:
                ties[login] = ("asked", 0)
    if session.offer:
        ties[session.offer.rep] = ("offered", 1)
    for rep in session.reps:
        ties[rep.id] = ("in", int(session.status is Status.active))
    return ties
