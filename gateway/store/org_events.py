"""The event bus of a simulated Salesforce org, on SQLite: rows in order, each with the replay id that was given out for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from gateway.store.group_commit import GroupCommit, Readers, Shared
from gateway.store.sqlite_file import SqliteFile

_FIRST: Final = 4_000_000  # an org's bus is never new
_EVENTS: Final = """SELECT number, replay_id, created_ms, event_id, event_type, payload FROM entry
    WHERE topic = ? AND number > ? AND created_ms > ? ORDER BY number LIMIT ?"""

Issue: TypeAlias = Callable[[int], bytes]  # the replay id of a number


class Place(NamedTuple):
    """A point in the stream. `created_ms`: Unix time."""

    number: int
    replay_id: bytes
    created_ms: int


class EventRow(NamedTuple):
    """An event as it is kept; `payload` is JSON text."""

    number: int
    replay_id: bytes
    created_ms: int
    event_id: str
    event_type: str
    payload: str


class Page(NamedTuple):
    """Events in order, and the newest place of the whole bus, both at one moment. `head` is None where there is nothing at all."""

    events: tuple[EventRow, ...]
    head: Place | None


class OrgEvents(Shared):
    """The file. What is written is on disk when the call returns; everything raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        file = SqliteFile(path, "gateway.store.migrations.org_events")
        super().__init__(GroupCommit(file), Readers(file))

    async def append(self, row: tuple[str, str, str, str], *, at_ms: int, gap: int, issue: Issue) -> Place:
        """The next event: (topic, id, type, payload), `gap` above the newest number. An id that is there already gives its place."""
        return await self.writer.run(lambda db: _known(db, row[1]) or _insert(db, row, at_ms, gap, issue))

    async def mark(self, *, at_ms: int, gap: int, issue: Issue) -> None:
        """A place without an event."""
        await self.writer.run(lambda db: _insert(db, (None, None, None, None), at_ms, gap, issue))

    async def place(self, replay_id: bytes, since_ms: int) -> Place | None:
        """Where this id was given out; None: never, or not after `since_ms`."""
        return await self.readers.run(lambda db: _place(db, replay_id, since_ms))

    async def page(self, topic: str, after: int, since_ms: int, most: int, most_chars: int) -> Page:
        """Events above a number that are younger than `since_ms`: at most so many with about so many characters, but one at least."""

        def read(db: sqlite3.Connection) -> Page:
            rows = (EventRow(*row) for row in db.execute(_EVENTS, (topic, after, since_ms, most)))
            return Page(tuple(_within(rows, most_chars)), _newest(db))

        return await self.readers.run(read)

    async def purge(self, until_ms: int) -> None:
        """Delete what is not younger, except for the newest row."""
        statement = "DELETE FROM entry WHERE created_ms <= ? AND number < (SELECT max(number) FROM entry)"
        await self.writer.run(lambda db: db.execute(statement, (until_ms,)) and None, patient=True)

    async def renumber(self, gap: int, issue: Issue) -> None:
        """Give every row a new number above all that were ever used, and a new replay id; the order stays."""
        await self.writer.run(lambda db: _renumber(db, gap, issue))


def _known(db: sqlite3.Connection, event_id: str) -> Place | None:
    row = db.execute("SELECT number, replay_id, created_ms FROM entry WHERE event_id = ?", (event_id,)).fetchone()
    return Place(*row) if row else None


def _insert(db: sqlite3.Connection, row: tuple[str | None, ...], at_ms: int, gap: int, issue: Issue) -> Place:
    newest = _newest(db)
    number = (newest.number if newest else _FIRST) + gap
    place = Place(number, issue(number), at_ms)
    statement = (
        "INSERT INTO entry (number, replay_id, created_ms, topic, event_id, event_type, payload) VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    db.execute(statement, (*place, *row))
    return place


def _newest(db: sqlite3.Connection) -> Place | None:
    row = db.execute("SELECT number, replay_id, created_ms FROM entry ORDER BY number DESC LIMIT 1").fetchone()
    return Place(*row) if row else None


def _place(db: sqlite3.Connection, replay_id: bytes, since_ms: int) -> Place | None:
    statement = "SELECT number, replay_id, created_ms FROM entry WHERE replay_id = ? AND created_ms > ?"
    row = db.execute(statement, (replay_id, since_ms)).fetchone()
    return Place(*row) if row else None


def _within(rows: Iterable[EventRow], most_chars: int) -> Iterable[EventRow]:
    taken = 0
    for row in rows:
        taken += len(row.payload)
        yield row
        if taken >= most_chars:
            return


def _renumber(db: sqlite3.Connection, gap: int, issue: Issue) -> None:
    numbers = [row[0] for row in db.execute("SELECT number FROM entry ORDER BY number")]
    shift = numbers[-1] + gap - numbers[0] if numbers else 0
    changed = [(number + shift, issue(number + shift), number) for number in numbers]
    db.executemany("UPDATE entry SET number = ?, replay_id = ? WHERE number = ?", changed)
