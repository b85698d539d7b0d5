"""What a simulated Salesforce org keeps beside its broker's store, on SQLite: the names that Salesforce has for conversations, sessions and entries, and how
far the org's events are published.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from gateway.store.group_commit import GroupCommit, Readers, Shared
from gateway.store.sqlite_file import SqliteFile

NewWorkItem: TypeAlias = Callable[[str, int], str]  # the id of a conversation's session with this ordinal


class ConversationRow(NamedTuple):
    """A pair of channel address and customer."""

    id: str
    address: str
    customer: str


class SessionRow(NamedTuple):
    """A MessagingSession. `session_id`: the broker's, None while the customer has said nothing."""

    work_item: str
    conversation_id: str
    session_id: str | None


class Published(NamedTuple):
    """An entry that was published under this id."""

    entry_id: str
    session_id: str
    number: int


class OrgRecords(Shared):
    """The file. What is written is on disk when the call returns; everything raises StoreUnavailable."""

    def __init__(self, path: Path, work_item: NewWorkItem) -> None:
        file = SqliteFile(path, "gateway.store.migrations.org_records")
        super().__init__(GroupCommit(file), Readers(file))
        self._work_item = work_item

    # ------------------------------------------------------------------------------------------------------ publishing

    async def place(self, stream: str) -> int | None:
        """How far this stream was read."""
        return await self.readers.run(
            lambda db: _value(db.execute("SELECT number FROM place WHERE stream = ?", (stream,)).fetchone())
        )

    async def note(self, entries: Sequence[Published]) -> None:
        """These entries are about to be published: receipts may come at once."""
        statement = "INSERT OR IGNORE INTO published (entry_id, session_id, number) VALUES (?, ?, ?)"
        if entries:
            await self.writer.run(lambda db: db.executemany(statement, entries) and None)

    async def advance(self, stream: str, number: int, *, events: int, hour: int) -> None:
        """The stream is read up to here, and that brought so many events."""

        def job(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO place (stream, number) VALUES (?, ?)", (stream, number))
            _count(db, "published", hour, events)

        await self.writer.run(job)

    async def published(self, entry_ids: Sequence[str]) -> dict[str, Published]:
        """Those of these entries that were published, or are about to be."""

        def read(db: sqlite3.Connection) -> dict[str, Published]:
            query = "SELECT entry_id, session_id, number FROM published WHERE entry_id = ?"
            rows = [db.execute(query, (one,)).fetchone() for one in entry_ids]
            return {row[0]: Published(*row) for row in rows if row is not None}

        return await self.readers.run(read)

    async def count(self, what: str, hour: int, number: int = 1) -> None:
        """So many more in this hour."""
        await self.writer.run(lambda db: _count(db, what, hour, number))

    async def counted(self, since_hour: int) -> dict[str, int]:
        """What was counted since this hour began."""
        query = "SELECT what, sum(number) FROM counted WHERE hour >= ? GROUP BY what"
        return await self.readers.run(lambda db: {row[0]: int(row[1]) for row in db.execute(query, (since_hour,))})

    # --------------------------------------------------------------------------------------- conversations and sessions

    async def converse(self, row: ConversationRow) -> ConversationRow:
        """The conversation of this address and customer, made if there is none."""

        def job(db: sqlite3.Connection) -> ConversationRow:
            db.execute("INSERT OR IGNORE INTO conversation (id, address, customer) VALUES (?, ?, ?)", row)
            return _conversation(db, "address = ? AND customer = ?", (row.address, row.customer)) or row

        known = await self.conversation(row.id)  # nearly always it is there, and reading waits for no disk
        return known if known is not None else await self.writer.run(job)

    async def conversation(self, id: str) -> ConversationRow | None:
        """The conversation with this id."""
        return await self.readers.run(lambda db: _conversation(db, "id = ?", (id,)))

    async def newest(self, conversation_id: str) -> SessionRow | None:
        """The newest MessagingSession."""
        return await self.readers.run(lambda db: _newest(db, conversation_id))

    async def session(self, work_item: str) -> SessionRow | None:
        """The MessagingSession with this id."""
        return await self.readers.run(lambda db: _session(db, "work_item = ?", (work_item,)))

    async def fresh(self, conversation_id: str) -> SessionRow:
        """The newest MessagingSession, if the customer has said nothing in it yet, or a new one."""

        def job(db: sqlite3.Connection) -> SessionRow:
            newest = _newest(db, conversation_id)
            return newest if newest is not None and newest.session_id is None else self._add(db, conversation_id, None)

        return await self.writer.run(job)

    async def tie(self, conversation: ConversationRow, session_id: str) -> SessionRow:
        """The MessagingSession of the broker's session: the one that waits for it, or a new one."""

        def job(db: sqlite3.Connection) -> SessionRow:
            known = _session(db, "session_id = ?", (session_id,))
            if known is not None:
                return known
            db.execute("INSERT OR IGNORE INTO conversation (id, address, customer) VALUES (?, ?, ?)", conversation)
            newest = _newest(db, conversation.id)
            if newest is None or newest.session_id is not None:
                return self._add(db, conversation.id, session_id)
            db.execute("UPDATE messaging_session SET session_id = ? WHERE work_item = ?", (session_id, newest.work_item))
            return newest._replace(session_id=session_id)

        known = await self.readers.run(lambda db: _session(db, "session_id = ?", (session_id,)))
        return known if known is not None else await self.writer.run(job)

    def _add(self, db: sqlite3.Connection, conversation_id: str, session_id: str | None) -> SessionRow:
        query = "SELECT coalesce(max(ordinal), 0) + 1 FROM messaging_session WHERE conversation_id = ?"
        ordinal = int(db.execute(query, (conversation_id,)).fetchone()[0])
        row = SessionRow(self._work_item(conversation_id, ordinal), conversation_id, session_id)
        statement = "INSERT INTO messaging_session (work_item, conversation_id, session_id, ordinal) VALUES (?, ?, ?, ?)"
        db.execute(statement, (*row, ordinal))
        return row

    # ---------------------------------------------------------------------------------------------------- other records

    async def keep(self, kind: str, id: str, content: Mapping[str, Any]) -> None:
        """Keep a record, in place of one that has its id."""
        statement = "INSERT OR REPLACE INTO record (kind, id, content) VALUES (?, ?, ?)"
        await self.writer.run(lambda db: db.execute(statement, (kind, id, json.dumps(content))) and None)

    async def record(self, kind: str, id: str) -> dict[str, Any] | None:
        """The record with this id."""
        query = "SELECT content FROM record WHERE kind = ? AND id = ?"
        row = await self.readers.run(lambda db: db.execute(query, (kind, id)).fetchone())
        return None if row is None else dict(json.loads(row[0]))

    async def records(self, kind: str) -> dict[str, dict[str, Any]]:
        """All records of a kind, by id."""
        query = "SELECT id, content FROM record WHERE kind = ? ORDER BY rowid"
        rows = await self.readers.run(lambda db: db.execute(query, (kind,)).fetchall())
        return {row[0]: json.loads(row[1]) for row in rows}

    async def drop(self, kind: str, id: str) -> None:
        """Forget a record."""
        await self.writer.run(lambda db: db.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, id)) and None)


def _value(row: Any) -> int | None:
    return None if row is None else int(row[0])


def _count(db: sqlite3.Connection, what: str, hour: int, number: int) -> None:
    statement = "INSERT INTO counted (hour, what, number) VALUES (?, ?, ?) ON CONFLICT (hour, what) DO UPDATE SET number = number + excluded.number"
    if number:
        db.execute(statement, (hour, what, number))


def _conversation(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> ConversationRow | None:
    row = db.execute(f"SELECT id, address, customer FROM conversation WHERE {where}", values).fetchone()  # noqa: S608 - our own words
    return None if row is None else ConversationRow(*row)


def _session(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> SessionRow | None:
    query = f"SELECT work_item, conversation_id, session_id FROM messaging_session WHERE {where}"  # noqa: S608 - our own words
    row = db.execute(query, values).fetchone()
    return None if row is None else SessionRow(*row)


def _newest(db: sqlite3.Connection, conversation_id: str) -> SessionRow | None:
    return _session(db, "conversation_id = ? ORDER BY ordinal DESC LIMIT 1", (conversation_id,))
