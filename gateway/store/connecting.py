"""Connecting to a SQLite file: for a store, and beside one that may be at work."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.errors import CannotStart, GatewayError, StoreUnavailable
from gateway.session.searching import found_by
from gateway.store.trouble import of_the_disk, unavailable

_log = logging.getLogger(__name__)


class SqliteConnection(sqlite3.Connection):
    """As `gateway.store.statements.Connection`."""

    dialect: Final = "sqlite"

    def at_commit(self, sql: str, rows: Sequence[Sequence[Any]], /) -> None:
        """See there."""
        raise NotImplementedError


def connect(path: Path) -> SqliteConnection:
    """A connection with our settings: no implicit transactions, WAL, every commit on disk, foreign keys kept."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256, factory=SqliteConnection
    )
    connection.row_factory = sqlite3.Row
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:  # the file is damaged, or no database
        connection.close()
        raise
    connection.create_function("found_by", 2, found_by, deterministic=True)
    return connection


@contextmanager
def beside(path: Path) -> Iterator[SqliteConnection]:
    """One transaction on the file of a gateway that may be running: SQLite lets both work at once. Raises GatewayError where there is no file, or none
    that can be used."""
    if not path.is_file():
        raise GatewayError(f"{path} does not exist: pass the gateway's data_dir with --data")
    with _told(path), closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if not _made(connection):
            raise GatewayError(f"{path} is empty: start the gateway on this folder first")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def to_read(path: Path) -> Iterator[SqliteConnection | None]:
    """One moment of the file of a gateway that may be running, or of an older one, which can't be changed. None: there is nothing in it yet."""
    if not path.is_file():
        yield None
        return
    file = f"file:{quote(str(path.absolute()))}?mode=ro"
    with _told(path), closing(sqlite3.connect(file, uri=True, isolation_level=None, factory=SqliteConnection)) as connection:
        connection.row_factory = sqlite3.Row
        for pragma in ("query_only=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        yield connection if _made(connection) else None


def _made(connection: sqlite3.Connection) -> bool:
    """Whether there are tables; else the file was never opened to the end."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if not of_the_disk(error):
            raise
        raise StoreUnavailable(unavailable(path.name, error)) from error


def complete(connection: sqlite3.Connection, path: Path) -> None:
    """Raises CannotStart for a file that a copy of another store was begun in, and not finished (`gateway.store.copying`)."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'copied'").fetchone():
        unfinished = connection.execute("SELECT after FROM copied WHERE name = '' AND rows = 0").fetchone()
        if unfinished is not None:
            raise CannotStart(of_unfinished(str(path), unfinished[0]))


def of_unfinished(name: str, source: str) -> str:
    """A store that has a part of another."""
    return f"{name} has a copy of {source} that is not complete: run `byoc store copy` until it says so, or use another store"


def migrate(connection: sqlite3.Connection, package: str) -> None:
    """Bring the file up to the newest of the numbered `.sql` files of `package` (`0001_….sql`). Each runs once; those that are due run in one transaction."""
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    scripts = sorted((f for f in resources.files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    if due := scripts[done:]:
        text = "\n".join(script.read_text() for script in due)
        number = int(due[-1].name.split("_", 1)[0])
        if done:
            about = {"action": "store.upgrading", "from_version": done, "to_version": number}
            _log.warning("the tables are brought up to date, which takes minutes where much is stored: let it end", extra=about)
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version={number};\nCOMMIT;")
