"""The SQLite files of a data folder, as one end of a move."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError, StoreUnavailable
from gateway.store.connecting import SqliteConnection, connect, migrate
from gateway.store.contract import Lists
from gateway.store.copying.ends import COPIED, Come, dumped, loaded, without_nul
from gateway.store.copying.tables import Part, Table
from gateway.store.inbox_rows import StoredInboxRows
from gateway.store.transaction import SqlTransaction
from gateway.store.trouble import of_the_disk, unavailable

_FILES: Final[dict[Part, tuple[str, str]]] = {
    "sessions": ("sessions.db", "gateway.store.migrations.sessions"),
    "inbox": ("inbox.db", "gateway.store.migrations.inbox"),
    "chat": ("chat.db", "gateway.webchat.migrations"),
}
_OF_WEBHOOKS: Final = (("batches", "id"), ("watermarks", "done_to"))
_ORDER: Final[tuple[Part, ...]] = ("inbox", "chat", "sessions")  # the last one has the note of the whole


class Files:
    """See `gateway.store.copying.ends.End`. The folder's lock is the caller's."""

    dialect: Final = "sqlite"

    def __init__(self, folder: Path, *, for_postgresql: bool) -> None:
        """`for_postgresql`: what it keeps in no text is read as it keeps it."""
        self._folder, self._for_postgresql = folder, for_postgresql
        self.name = str(folder.resolve())
        self._open: dict[Part, SqliteConnection] = {}

    def open_source(self) -> None:
        """Raises GatewayError when there is none, or one of another version."""
        if not (self._folder / "sessions.db").is_file():
            raise GatewayError(f"{self._folder} has no sessions.db: name the gateway's data_dir")
        for part, (file, package) in _FILES.items():
            path = self._folder / file
            if path.is_file():  # there is no chat.db where nobody uses web chat
                self._open[part] = self._opened(path)
                self._same_version(path, package)

    def open_target(self) -> None:
        """Makes what is missing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for part, (file, package) in _FILES.items():
            connection = self._open[part] = self._opened(self._folder / file)
            migrate(connection, package)
            connection.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is moved once more; the end is synced
            connection.create_function("without_nul", 1, without_nul, deterministic=True)

    @staticmethod
    def _opened(path: Path) -> SqliteConnection:
        try:
            connection = connect(path)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(unavailable(f"{path} can't be opened", error)) from error
        connection.row_factory = None
        connection.create_function("without_nul", 1, without_nul, deterministic=True)
        return connection

    @staticmethod
    def _same_version(path: Path, package: str) -> None:
        with closing(connect(path)) as connection:
            done = connection.execute("PRAGMA user_version").fetchone()[0]
        newest = max(int(one.name[:4]) for one in resources.files(package).iterdir() if one.name.endswith(".sql"))
        if done < newest:
            raise GatewayError(
                f"{path} is of an older version (schema {done}; this version has {newest}): start the gateway on it once, then stop it and copy again"
            )
        if done > newest:
            raise GatewayError(
                f"{path} is of a newer version (schema {done}; this version knows up to {newest}): copy with that version"
            )

    def close(self) -> None:
        """Never raises."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    # ------------------------------------------------------------------------------------------------------------ reading

    def _of(self, table: Table) -> SqliteConnection | None:
        return self._open.get(table.part)

    def columns(self, table: Table) -> tuple[str, ...]:
        """See `End`."""
        db = self._of(table)
        rows = db.execute(f"SELECT name FROM pragma_table_info('{table.name}')").fetchall() if db else []  # noqa: S608
        return tuple(row[0] for row in rows)  # generated columns aren't among them

    def count(self, table: Table) -> int:
        """See `End`."""
        db = self._of(table)
        return int(db.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]) if db else 0  # noqa: S608

    def is_empty(self, table: Table) -> bool:
        """See `End`."""
        db = self._of(table)
        return not db or db.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is None  # noqa: S608

    def read(self, table: Table, columns: Sequence[str], after: tuple[Any, ...] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """See `End`."""
        db = self._of(table)
        if db is None:
            return
        key = ("rowid",) if table.by_rowid else table.key
        order = ", ".join(key)
        where = f"WHERE ({order}) > ({', '.join('?' * len(key))})" if after is not None else ""
        shown = ", ".join(self._read_as(db, table, column) for column in columns)
        cursor = db.execute(f"SELECT {shown} FROM {table.name} {where} ORDER BY {order}", after or ())  # noqa: S608
        while rows := cursor.fetchmany(table.at_a_time):
            yield rows

    def _read_as(self, db: SqliteConnection, table: Table, column: str) -> str:
        if column in table.raw:
            return f"CAST({column} AS BLOB)"
        shown = table.read_as.get(column, column)
        if not self._for_postgresql:
            return shown
        kind = db.execute(
            f"SELECT type FROM pragma_table_info('{table.name}') WHERE name = ?",  # noqa: S608
            (column,),
        ).fetchone()[0]
        if kind != "TEXT":
            return shown
        return f"CASE WHEN instr({shown}, char(0)) OR instr({shown}, '\\u0000') THEN without_nul({shown}) ELSE {shown} END"

    def key_of(self, table: Table, columns: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `End`."""
        key = tuple(row[columns.index(one)] for one in table.key)
        db = self._of(table)
        if not table.by_rowid or db is None:
            return key
        where = " AND ".join(f"{one} = ?" for one in table.key)
        return tuple(db.execute(f"SELECT rowid FROM {table.name} WHERE {where}", key).fetchone())  # noqa: S608

    def counter(self, table: Table) -> int:
        """See `End`."""
        db = self._of(table)
        if db is None:
            return 0
        given = None
        if self._numbers(db):
            given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        most = [db.execute(f"SELECT max({table.counter}) FROM {table.name}").fetchone()[0]]  # noqa: S608
        if table.name == "inbox":  # its numbers are the webhooks', whose rows may be gone
            most += [db.execute(f"SELECT max({of}) FROM {one}").fetchone()[0] for one, of in _OF_WEBHOOKS]  # noqa: S608
        return max(given[0] if given else 0, *(number or 0 for number in most))

    @staticmethod
    def _numbers(db: sqlite3.Connection) -> bool:
        return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone())

    # ------------------------------------------------------------------------------------------------------------ writing

    def set_counter(self, table: Table, number: int) -> None:
        """See `End`. Tables without AUTOINCREMENT go by their highest number."""
        db = self._of(table)
        name = table.name
        if db is None or not number or not self._numbers_itself(db, name):
            return
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))
        db.execute("COMMIT")

    @staticmethod
    def _numbers_itself(db: sqlite3.Connection, name: str) -> bool:
        made = db.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
        return bool(made) and "AUTOINCREMENT" in made[0]

    def moved(self) -> tuple[str, bool] | None:
        """See `End`."""
        db = self._open["sessions"]
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (COPIED,)).fetchone():
            return None
        row = db.execute(f"SELECT after, rows FROM {COPIED} WHERE name = ''").fetchone()  # noqa: S608
        return (row[0], bool(row[1])) if row else None

    def begin_move(self, source: str) -> None:
        """See `End`. In each file, since what is written with a row must be in its file."""
        for part in _ORDER:
            db = self._open[part]
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"CREATE TABLE IF NOT EXISTS {COPIED} (name TEXT PRIMARY KEY, after TEXT NOT NULL, rows INTEGER NOT NULL)")
            if part == "sessions":
                db.execute(f"INSERT INTO {COPIED} VALUES ('', ?, 0)", (source,))  # noqa: S608
            db.execute("COMMIT")

    def end_move(self) -> None:
        """See `End`."""
        for part in _ORDER:
            db = self._open[part]
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            if part == "sessions":
                db.execute(f"UPDATE {COPIED} SET rows = 1 WHERE name = ''")  # noqa: S608
            else:
                db.execute(f"DROP TABLE {COPIED}")
            db.execute("COMMIT")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def come(self, table: Table) -> Come:
        """See `End`."""
        row = self._open[table.part].execute(f"SELECT after, rows FROM {COPIED} WHERE name = ?", (table.name,)).fetchone()  # noqa: S608
        return Come(loaded(row[0]), row[1]) if row else Come()

    def put(self, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]], come: Come) -> None:
        """See `End`."""
        db = self._open[table.part]
        marks = ", ".join("?" * len(columns))
        given = "".join(f", {name}" for name in table.again)
        values = "".join(", NULL" if value is None else f", {value}" for value in table.again.values())
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                f"INSERT INTO {table.name} ({', '.join(columns)}{given}) VALUES ({marks}{values})",  # noqa: S608
                rows,
            )
            db.execute(
                f"INSERT INTO {COPIED} VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET after = excluded.after, rows = excluded.rows",  # noqa: S608
                (table.name, dumped(come.after), come.rows),
            )
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if not of_the_disk(error):
                raise
            raise StoreUnavailable(unavailable(self.name, error)) from error

    @contextmanager
    def lists(self) -> Iterator[Lists]:
        """See `End`."""
        db = self._open["sessions"]
        db.row_factory = sqlite3.Row
        db.execute("BEGIN IMMEDIATE")
        transaction = SqlTransaction(db, lambda: datetime.now(UTC))
        yield transaction.lists
        transaction.finish()
        db.execute("COMMIT")
        db.row_factory = None

    def on_their_way(self) -> list[int]:
        """See `End`. Here an event takes effect with its webhook."""
        return []

    def read_again(self, webhooks: Sequence[int]) -> None:
        """See `End`."""
        db = self._open["inbox"]
        db.row_factory = sqlite3.Row
        db.execute("BEGIN IMMEDIATE")
        StoredInboxRows(db).replay(webhooks)
        db.execute("COMMIT")
        db.row_factory = None

    def in_use(self) -> str | None:
        """See `End`. The folder's lock says so."""
        return None
