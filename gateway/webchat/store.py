"""The chat service's data: visitors' streams, events that the webhook hasn't received yet, and files.

On SQLite one process has all of it. On PostgreSQL any number of processes do: whoever writes something of a visitor's holds the visitor's row first, so that lines are numbered, and
events for the webhook are queued, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.clock import Clock
from gateway.errors import GatewayError, StoreUnavailable
from gateway.store.database import Database
from gateway.store.group_commit import GroupCommit, Readers, Shared
from gateway.store.sqlite_file import SqliteFile
from gateway.store.statements import Connection, Row
from gateway.webchat.model import Line, Pending, StoredFile, Visitor

T = TypeVar("T")
_AGAIN_SECONDS: Final = 1.0
MOST_PENDING: Final = 100  # in one request to the webhook
_FILE: Final = "chat.db"
_VISITOR: Final = """SELECT channel_id, visitor_id, generation, subject, profile, first_seq, last_seq, delivered_seq, read_seq, open, merged_into
    FROM visitor WHERE channel_id = ? AND visitor_id = ?"""
_HELD: Final = {"sqlite": _VISITOR, "postgresql": f"{_VISITOR} FOR UPDATE"}


def chat_file(data_dir: Path) -> SqliteFile:
    """The file that one process keeps it in."""
    return SqliteFile(data_dir / _FILE, "gateway.webchat.migrations")


class ChatStore(Shared):
    """The database. A job gets `Kept`, its transaction; what it has written is on disk when `write` returns. Everything raises StoreUnavailable."""

    def __init__(self, database: Database, clock: Clock, *, shared: bool = False) -> None:
        """`shared`: other processes work on it, too, and its server may come later than this process: until then everything raises StoreUnavailable."""
        self._clock, self.shared = clock, shared
        self._opening: asyncio.Task[None] | None = None
        super().__init__(GroupCommit(database), Readers(database, size=2) if shared else Readers(database))

    async def open(self) -> None:
        """Open it, and bring its tables up to date. Raises StoreUnavailable, unless it is shared."""
        try:
            await super().open()
        except StoreUnavailable:
            if not self.shared:
                raise
            self._opening = asyncio.create_task(self._open_at_last(), name="chat opening")

    async def _open_at_last(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            with contextlib.suppress(GatewayError):  # what waiting doesn't heal, the sessions' store tells, too
                return await super().open()

    async def close(self) -> None:
        """Commit what is queued, then close."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await super().close()

    async def read(self, job: Callable[[Kept], T]) -> T:
        """A job that only reads."""
        return await self.readers.run(lambda db: job(Kept(db, self._clock())))

    async def write(self, job: Callable[[Kept], T]) -> T:
        """A job that is done whole, or not at all when it raises."""
        return await self.writer.run(lambda db: job(Kept(db, self._clock())))

    def submit(self, job: Callable[[Kept], T]) -> asyncio.Future[T]:
        """As `write`, for whoever doesn't wait for it."""
        return self.writer.submit(lambda db: job(Kept(db, self._clock())))


class Kept:
    """What is kept, within one transaction. `now` stamps what is written."""

    def __init__(self, db: Connection, now: datetime) -> None:
        self._db, self.now = db, now

    def visitor(self, channel_id: str, visitor_id: str) -> Visitor | None:
        """The visitor, or whom they were merged into; None: nobody."""
        return self._visitor(_VISITOR, channel_id, visitor_id)

    def hold(self, channel_id: str, visitor_id: str) -> Visitor | None:
        """As `visitor`; and until this transaction ends, no other process writes anything of theirs. To be called before anything is written or decided."""
        return self._visitor(_HELD[self._db.dialect], channel_id, visitor_id)

    def _visitor(self, query: str, channel_id: str, visitor_id: str) -> Visitor | None:
        row = self._db.execute(query, (channel_id, visitor_id)).fetchone()
        if row is None:
            return None
        if row["merged_into"]:
            return self._visitor(query, channel_id, row["merged_into"])
        aliases = self._db.execute(
            "SELECT visitor_id FROM visitor WHERE channel_id = ? AND merged_into = ?", (channel_id, visitor_id)
        )
        known = {**dict(row), "profile": json.loads(row["profile"]), "open": bool(row["open"])}
        return Visitor(**known, aliases=tuple(one[0] for one in aliases))

    def visitor_of_subject(self, channel_id: str, subject: str) -> Visitor | None:
        """Who signed in as this; held."""
        row = self._db.execute(
            "SELECT visitor_id FROM visitor WHERE channel_id = ? AND subject = ?", (channel_id, subject)
        ).fetchone()
        return self.hold(channel_id, row[0]) if row else None

    def save_visitor(self, one: Visitor) -> None:
        """A new visitor, or the outcome for a known one."""
        self._db.execute(
            """INSERT INTO visitor (channel_id, visitor_id, created_at, seen_at, subject, profile, generation)
            VALUES (:channel_id, :visitor_id, :at, :at, :subject, :profile, :generation)
            ON CONFLICT (channel_id, visitor_id) DO UPDATE SET seen_at = :at, subject = :subject, profile = :profile, generation = :generation""",
            {
                "channel_id": one.channel_id,
                "visitor_id": one.visitor_id,
                "at": self.now.isoformat(),
                "subject": one.subject,
                "profile": json.dumps(dict(one.profile), ensure_ascii=False),
                "generation": one.generation,
            },
        )

    def merge(self, old: Visitor, into: Visitor) -> None:
        """What `old` said and was told comes after what `into` has; from now on `old` is but another name of `into`. Both are held."""
        here = (into.channel_id, old.visitor_id)
        shift = into.last_seq - old.first_seq + 1
        self._db.execute(
            "UPDATE event SET visitor_id = ?, seq = seq + ? WHERE channel_id = ? AND visitor_id = ?",
            (into.visitor_id, shift, *here),
        )
        self._db.execute(
            "UPDATE visitor SET last_seq = ?, open = ? WHERE channel_id = ? AND visitor_id = ?",
            (max(into.last_seq, old.last_seq + shift), int(into.open or old.open), *into.key),
        )
        self._db.execute("UPDATE relay SET visitor_id = ? WHERE channel_id = ? AND visitor_id = ?", (into.visitor_id, *here))
        self._db.execute(
            "UPDATE visitor SET merged_into = ?, generation = generation + 1 WHERE channel_id = ? AND ? IN (visitor_id, merged_into)",
            (into.visitor_id, *here),
        )

    def append(self, who: Visitor, key: str, body: Mapping[str, Any], *, opens: bool | None = None) -> Line:
        """The next line of the stream; a key that is there already gives the line that has it."""
        if found := self.find(who, [key]):
            return found
        seq = self._db.execute(
            "UPDATE visitor SET last_seq = last_seq + 1, open = coalesce(?, open) WHERE channel_id = ? AND visitor_id = ? RETURNING last_seq",
            (None if opens is None else int(opens), *who.key),
        ).fetchone()[0]
        text = json.dumps(dict(body), ensure_ascii=False)
        self._db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", (*who.key, seq, key, self.now.isoformat(), text))
        return Line(seq, self.now, body, _outbox_id(key))

    def ended(self, who: Visitor) -> None:
        """The visitor has ended the conversation, under whatever name it was held."""
        self._db.execute(
            "UPDATE visitor SET ended_at = ? WHERE channel_id = ? AND ? IN (visitor_id, merged_into)",
            (self.now.isoformat(), *who.key),
        )

    def ended_at(self, channel_id: str, visitor_id: str) -> datetime | None:
        """When the conversation that was held under this name was last ended by the visitor."""
        row = self._db.execute(
            "SELECT ended_at FROM visitor WHERE channel_id = ? AND visitor_id = ?", (channel_id, visitor_id)
        ).fetchone()
        return datetime.fromisoformat(row["ended_at"]) if row and row["ended_at"] else None

    def find(self, who: Visitor, keys: Sequence[str]) -> Line | None:
        """The line that has one of these keys."""
        row = self._db.execute(
            f"SELECT seq, key, at, body FROM event WHERE channel_id = ? AND key IN ({_marks(keys)})",  # noqa: S608 - only question marks
            (who.channel_id, *keys),
        ).fetchone()
        return _event(row) if row else None

    def events_after(self, who: Visitor, after: int, limit: int) -> list[Line]:
        """Lines with higher numbers, in order."""
        rows = self._db.execute(
            "SELECT seq, key, at, body FROM event WHERE channel_id = ? AND visitor_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            (*who.key, after, limit),
        )
        return [_event(row) for row in rows]

    def events_before(self, who: Visitor, before: int, limit: int) -> list[Line]:
        """The nearest lines with lower numbers, in order."""
        rows = self._db.execute(
            "SELECT seq, key, at, body FROM event WHERE channel_id = ? AND visitor_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (*who.key, before, limit),
        )
        return [_event(row) for row in rows][::-1]

    def mark(self, who: Visitor, column: str, seq: int) -> tuple[int, list[Line]]:
        """Move `read_seq` or `delivered_seq` up to `seq` (never back): the new mark, and the lines of ours that it passed."""
        assert column in ("read_seq", "delivered_seq")  # noqa: S101
        row = self._db.execute(
            f"SELECT {column}, last_seq FROM visitor WHERE channel_id = ? AND visitor_id = ?",  # noqa: S608 - one of two names
            who.key,
        ).fetchone()
        old, new = row[0], min(seq, row["last_seq"])
        if new <= old:
            return old, []
        self._db.execute(f"UPDATE visitor SET {column} = ? WHERE channel_id = ? AND visitor_id = ?", (new, *who.key))  # noqa: S608
        passed = [one for one in self.events_after(who, old, new - old) if one.seq <= new and one.outbox_id]
        return new, passed

    def queue(self, who: Visitor, body: Mapping[str, Any]) -> None:
        """Keep an event for the webhook."""
        text = json.dumps(dict(body), ensure_ascii=False)
        self._db.execute(
            "INSERT INTO relay (channel_id, visitor_id, at, body) VALUES (?, ?, ?, ?)", (*who.key, self.now.isoformat(), text)
        )

    def pending(self, who: Visitor) -> list[Pending]:
        """What the webhook has not taken of this visitor, in order."""
        rows = self._db.execute(
            "SELECT number, body FROM relay WHERE channel_id = ? AND visitor_id = ? ORDER BY number LIMIT ?",
            (*who.key, MOST_PENDING),
        )
        return [Pending(row["number"], json.loads(row["body"])) for row in rows]

    def relayed(self, numbers: Sequence[int]) -> None:
        """The webhook has taken these."""
        self._db.executemany("DELETE FROM relay WHERE number = ?", [(number,) for number in numbers])

    def waiting_visitors(self, limit: int = 500) -> list[Visitor]:
        """Visitors with something that the webhook has not taken, longest waiting first."""
        rows = self._db.execute(
            "SELECT channel_id, visitor_id FROM relay GROUP BY 1, 2 ORDER BY min(number) LIMIT ?", (limit,)
        ).fetchall()
        return [found for row in rows if (found := self.visitor(row[0], row[1]))]

    def left_over(self, channel_ids: Sequence[str], before: datetime, limit: int = 500) -> list[Visitor]:
        """As `waiting_visitors`, of what has waited since then, and of these channels. Nobody else is given them before it has waited so long again."""
        if not channel_ids:
            return []
        values = (*channel_ids, before.isoformat(), limit)
        waiting = f"SELECT number FROM relay WHERE channel_id IN ({_marks(channel_ids)}) AND at < ? ORDER BY number LIMIT ?"  # noqa: S608
        if self._db.execute(waiting, values).fetchone() is None:
            return []
        locked = f"{waiting} FOR UPDATE SKIP LOCKED" if self._db.dialect == "postgresql" else waiting
        rows = self._db.execute(
            f"UPDATE relay SET at = ? WHERE number IN ({locked}) RETURNING number, channel_id, visitor_id",  # noqa: S608
            (self.now.isoformat(), *values),
        ).fetchall()
        keys = dict.fromkeys((row["channel_id"], row["visitor_id"]) for row in sorted(rows, key=lambda row: int(row["number"])))
        return [found for key in keys if (found := self.visitor(*key))]

    def last_lines(self, since: datetime) -> list[tuple[str, str, int]]:
        """Visitors' channels, ids and newest lines, of those who were told something since then."""
        query = "SELECT channel_id, visitor_id, max(seq) AS last FROM event WHERE at > ? GROUP BY channel_id, visitor_id"
        return [(row[0], row[1], row[2]) for row in self._db.execute(query, (since.isoformat(),))]

    def save_file(self, channel_id: str, file: StoredFile) -> None:
        """A file's description; the same id again is the same file."""
        self._db.execute(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (channel_id, file_id) DO NOTHING",
            (channel_id, file.file_id, file.name, file.mime_type, file.size_bytes, self.now.isoformat()),
        )

    def file(self, channel_id: str, file_id: str) -> StoredFile | None:
        """A file's description."""
        row = self._db.execute(
            "SELECT file_id, name, mime_type, size_bytes FROM file WHERE channel_id = ? AND file_id = ?", (channel_id, file_id)
        ).fetchone()
        return StoredFile(**dict(row)) if row else None

    def old_files(self, channel_id: str, before: datetime, limit: int) -> list[str]:
        """The ids of files from before then."""
        rows = self._db.execute(
            "SELECT file_id FROM file WHERE channel_id = ? AND at < ? LIMIT ?", (channel_id, before.isoformat(), limit)
        )
        return [row["file_id"] for row in rows]

    def forget_files(self, channel_id: str, file_ids: Iterable[str]) -> None:
        """Their bytes are gone."""
        self._db.executemany(
            "DELETE FROM file WHERE channel_id = ? AND file_id = ?", [(channel_id, file_id) for file_id in file_ids]
        )

    def forget_lines(self, channel_id: str, before: datetime, limit: int) -> bool:
        """Forget so many lines from before then; whether there may be more."""
        done = self._db.execute(
            "DELETE FROM event WHERE channel_id = ? AND key IN (SELECT key FROM event WHERE channel_id = ? AND at < ? LIMIT ?)",
            (channel_id, channel_id, before.isoformat(), limit),
        )
        return done.rowcount == limit

    def prune(self, channel_id: str, before: datetime) -> None:
        """After lines were forgotten: the first that is left of each visitor, and no visitors who have none."""
        limit = (channel_id, before.isoformat())
        self._db.execute(
            """UPDATE visitor SET first_seq = coalesce((SELECT min(seq) FROM event e
                WHERE e.channel_id = visitor.channel_id AND e.visitor_id = visitor.visitor_id), last_seq + 1)
            WHERE channel_id = ? AND created_at < ? AND first_seq <= last_seq AND NOT EXISTS (SELECT 1 FROM event e
                WHERE e.channel_id = visitor.channel_id AND e.visitor_id = visitor.visitor_id AND e.seq = visitor.first_seq)""",
            limit,
        )
        self._db.execute(
            "DELETE FROM visitor WHERE channel_id = ? AND seen_at < ? AND first_seq > last_seq AND subject IS NULL", limit
        )

    def session(
        self,
        known: Visitor | None,
        proven: tuple[str, Mapping[str, Any]] | None,
        fresh: Visitor,
        told: Mapping[str, Any],
    ) -> tuple[Visitor, Visitor | None]:
        """The visitor of a session, and the one whose streams and tokens end with it: whoever signs in, lest an older token read on.

        `known` is the token's visitor, `proven` the identity (subject and profile) that the site vouches for. An unnamed visitor who signs
        in becomes the proven one; if that one was known already, what was said unnamed is put behind what was said before.
        """
        known = self._as_they_are(known)
        unnamed = known if known and known.subject is None else None
        if proven is None:
            visitor = known or fresh
            told = (
                told if visitor.subject is None else {key: value for key, value in told.items() if key not in ("name", "email")}
            )
            visitor = _told(visitor, told)
            self.save_visitor(visitor)
            return visitor, None
        subject, profile = proven
        before = self.visitor_of_subject(fresh.channel_id, subject)
        visitor = before or (replace(unnamed, generation=unnamed.generation + 1) if unnamed else fresh)
        self.save_visitor(replace(_told(visitor, {**told, **profile}), subject=subject))
        if unnamed and before:
            self.merge(unnamed, before)
        saved = self.visitor(*visitor.key)
        assert saved is not None  # noqa: S101 - in this transaction
        return saved, unnamed

    def _as_they_are(self, known: Visitor | None) -> Visitor | None:
        """As they are by now, and held; None: their token has become nobody's meanwhile."""
        current = self.hold(*known.key) if known else None
        return current if current and known and (current.key, current.generation) == (known.key, known.generation) else None


def forget_profiles(data_dir: Path, channel_id: str) -> None:
    """As `forget_profiles_in`, of the file; where there is none, none is made."""
    if (data_dir / _FILE).is_file():
        forget_profiles_in(chat_file(data_dir), channel_id)


def forget_profiles_in(database: Database, channel_id: str) -> None:
    """Another org has the channel now: what its visitors answered to the old one's forms is forgotten. Before the service opens. It blocks."""
    connection = database.open()
    try:
        database.begin(connection)
        connection.execute("UPDATE visitor SET profile = '{}' WHERE channel_id = ?", (channel_id,))
        database.commit(connection)
    finally:
        database.closing()
        database.close(connection)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _told(one: Visitor, profile: Mapping[str, Any]) -> Visitor:
    """What is newly told goes over what was; nothing told leaves it."""
    return replace(one, profile={**one.profile, **{key: value for key, value in profile.items() if value}})


def _event(row: Row) -> Line:
    return Line(row["seq"], datetime.fromisoformat(row["at"]), json.loads(row["body"]), _outbox_id(row["key"]))


def _outbox_id(key: str) -> str | None:
    return key.removeprefix("o:") if key.startswith("o:") else None
