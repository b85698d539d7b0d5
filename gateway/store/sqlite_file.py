"""A SQLite file, as `gateway.store.database.Database`."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import cast

from gateway.errors import StoreUnavailable
from gateway.store.checkpoints import Checkpoints
from gateway.store.connecting import SqliteConnection, complete, connect, migrate
from gateway.store.statements import Connection
from gateway.store.trouble import of_the_disk, unavailable


class SqliteFile:
    """See the module. One for each writer; it may serve readers, too."""

    def __init__(self, path: Path, migrations: str | None = None) -> None:
        """`migrations`: the package that has the tables' scripts."""
        self._path, self._migrations = path, migrations
        self._checkpoints: Checkpoints | None = None

    @property
    def name(self) -> str:
        """See `Database`."""
        return self._path.name

    def open(self) -> SqliteConnection:
        """See `Database`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = connect(self._path)
            try:
                if self._migrations:
                    migrate(connection, self._migrations)
                complete(connection, self._path)
                checkpoints = Checkpoints(self._path, connection)
                checkpoints.open()
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(unavailable(f"{self._path} can't be opened", error)) from error
        self._checkpoints = checkpoints
        return connection

    def reader(self) -> SqliteConnection:
        """See `Database`."""
        connection = connect(self._path)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def begin(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("BEGIN IMMEDIATE")

    def begin_reading(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("BEGIN")

    def commit(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("COMMIT")

    def end_reading(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("COMMIT")

    def rollback(self, connection: Connection) -> None:
        """See `Database`."""
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")

    def close(self, connection: Connection) -> None:
        """See `Database`."""
        with contextlib.suppress(sqlite3.Error):
            cast(sqlite3.Connection, connection).close()

    def committed(self) -> None:
        """See `Database`."""
        if self._checkpoints is not None:
            self._checkpoints.committed()

    def closing(self) -> None:
        """See `Database`."""
        if self._checkpoints is not None:
            self._checkpoints.close()

    def probe(self, connection: Connection) -> None:
        """See `Database`. SQLite writes the first page whatever the number was."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version={version}")

    def of_all(self, error: BaseException, *, reading: bool = False) -> bool:
        """See `Database`."""
        would_write = reading and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
        return of_the_disk(error) and not would_write

    def unavailable(self, error: BaseException) -> str:
        """See `Database`."""
        return unavailable(self.name, error)
