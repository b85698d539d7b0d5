"""A PostgreSQL database, as `gateway.store.database.Database`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, cast

import psycopg

from gateway.errors import CannotStart, StoreUnavailable
from gateway.store.connecting import of_unfinished
from gateway.store.postgresql.connecting import connect, place_of, well_formed
from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.migrating import migrate
from gateway.store.postgresql.trouble import FINAL, code_of, sentence
from gateway.store.statements import Connection, Lost

READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresDatabase:
    """See the module. Any number of writers and readers may share it."""

    def __init__(self, url: str, *, worker: Callable[[], str] = lambda: "") -> None:
        """`worker`: the id under which this process is registered with the others; empty: it isn't. What a process writes that counts as gone is refused."""
        well_formed(url)
        self._url, self._worker = url, worker
        self.name: Final = f"PostgreSQL {place_of(url)}"

    def open(self) -> PostgresConnection:
        """See `Database`. Raises CannotStart too."""
        self.prepare()
        return self._connected()

    def prepare(self) -> None:
        """Bring the tables up to date, if need be. Raises CannotStart and StoreUnavailable."""
        try:
            with contextlib.closing(connect(self._url)) as plain:
                migrate(plain)
                self._complete(plain)
        except CannotStart as error:
            raise CannotStart(f"{self.name}: {error}") from error
        except psycopg.Error as error:
            kind = CannotStart if code_of(error) in FINAL else StoreUnavailable
            raise kind(self.unavailable(error)) from error

    def _complete(self, plain: psycopg.Connection[Any]) -> None:
        """Not where a copy of another store was begun, and not finished (`gateway.store.copying`)."""
        there = plain.execute("SELECT to_regclass('copied')").fetchone()
        if there is not None and there[0] is not None:
            unfinished = plain.execute("SELECT after FROM copied WHERE name = '' AND rows = 0").fetchone()
            if unfinished is not None:
                raise CannotStart(of_unfinished("it", unfinished[0]))

    def reader(self) -> PostgresConnection:
        """See `Database`."""
        return self._connected()

    def _connected(self) -> PostgresConnection:
        try:
            return PostgresConnection(lambda: connect(self._url))
        except Lost as error:
            raise StoreUnavailable(self.unavailable(error)) from error

    def begin(self, connection: Connection) -> None:
        """See `Database`."""
        _anew_if_lost(connection)
        connection.execute("BEGIN")
        if worker := self._worker():
            connection.execute(
                "SELECT fence(?)", (worker,)
            )  # refuses with an error of its own, which comes up with the next wait

    def begin_reading(self, connection: Connection) -> None:
        """See `Database`."""
        _anew_if_lost(connection)
        connection.execute(READING)

    def commit(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("COMMIT")

    def end_reading(self, connection: Connection) -> None:
        """See `Database`."""
        cast(PostgresConnection, connection).commit_reading()

    def rollback(self, connection: Connection) -> None:
        """See `Database`."""
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")

    def close(self, connection: Connection) -> None:
        """See `Database`."""
        cast(PostgresConnection, connection).close()

    def committed(self) -> None:
        """See `Database`."""

    def closing(self) -> None:
        """See `Database`."""

    def probe(self, connection: Connection) -> None:
        """See `Database`."""
        connection.execute("UPDATE schema_version SET number = number")

    def of_all(self, error: BaseException, *, reading: bool = False) -> bool:
        """See `Database`."""
        return isinstance(error, Lost | OSError)

    def unavailable(self, error: BaseException) -> str:
        """See `Database`."""
        return sentence(self.name, error)


def _anew_if_lost(connection: Connection) -> None:
    ours = cast(PostgresConnection, connection)
    if ours.lost:
        ours.connect_anew()
