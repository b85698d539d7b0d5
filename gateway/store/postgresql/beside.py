"""A PostgreSQL database that gateways may be working on, as `gateway.store.beside.Stored`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from gateway.clock import Clock, now
from gateway.errors import CannotStart, GatewayError, StoreUnavailable
from gateway.store.beside import Working
from gateway.store.inbox_rows import StoredInboxRows
from gateway.store.postgresql.connecting import SCHEMA, connect, place_of, well_formed
from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.database import READING
from gateway.store.postgresql.migrating import scripts
from gateway.store.postgresql.trouble import sentence
from gateway.store.statements import Conflict, Lost, StatementFailed
from gateway.store.transaction import SqlTransaction

_WORKERS: Final = """
    SELECT id, roles, host, pid, version, extract(epoch FROM started_at)::double precision AS started_at,
        extract(epoch FROM clock_timestamp() - seen_at)::double precision AS silent,
        (SELECT string_agg(duty, chr(10)) FROM leases WHERE worker = workers.id) AS duties
    FROM workers WHERE NOT gone ORDER BY started_at, id
"""


class InDatabase:
    """See the module."""

    def __init__(self, url: str) -> None:
        """Raises GatewayError when it can't be read as an address."""
        well_formed(url)
        self._url = url
        self.name = f"PostgreSQL {place_of(url)}"

    @contextmanager
    def transaction(self, clock: Clock = now) -> Iterator[SqlTransaction]:
        """See `Stored`."""
        with self._begun("BEGIN") as connection:
            transaction = SqlTransaction(connection, clock)
            yield transaction
            transaction.finish()

    @contextmanager
    def inbox(self) -> Iterator[StoredInboxRows]:
        """See `Stored`."""
        with self._begun("BEGIN") as connection:
            yield StoredInboxRows(connection)

    @contextmanager
    def sessions_to_read(self, clock: Clock = now) -> Iterator[SqlTransaction | None]:
        """See `Stored`."""
        with self._begun(READING, or_none=True) as connection:
            yield SqlTransaction(connection, clock, writes=False) if connection else None

    @contextmanager
    def inbox_to_read(self) -> Iterator[StoredInboxRows | None]:
        """See `Stored`."""
        with self._begun(READING, or_none=True) as connection:
            yield StoredInboxRows(connection) if connection else None

    def workers(self) -> list[Working]:
        """See `Stored`."""
        with self._begun(READING) as connection:
            return [
                Working(
                    row["id"],
                    row["roles"],
                    row["host"],
                    row["pid"],
                    row["version"],
                    row["started_at"],
                    row["silent"],
                    tuple((row["duties"] or "").split("\n")) if row["duties"] else (),
                )
                for row in connection.execute(_WORKERS)
            ]

    @contextmanager
    def _begun(self, begin: str, *, or_none: bool = False) -> Iterator[PostgresConnection]:
        try:
            connection = PostgresConnection(lambda: connect(self._url))
            try:
                there = self._is_ours(connection)
                if not there and not or_none:
                    raise GatewayError(f"{self.name} has no tables of a gateway: start the gateway on it first")
                if there:
                    connection.execute(begin)
                yield connection if there else None  # type: ignore[misc]
                if there:
                    connection.execute("COMMIT")
            finally:
                connection.close()
        except Conflict as error:
            raise GatewayError(f"{self.name}: a gateway was at the same thing at the same time. Try again") from error
        except (Lost, StatementFailed, psycopg.Error) as error:
            raise StoreUnavailable(sentence(self.name, error)) from error

    def _is_ours(self, connection: PostgresConnection) -> bool:
        there = connection.execute("SELECT to_regclass(?) IS NOT NULL", (f"{SCHEMA}.schema_version",)).fetchone()[0]
        row = connection.execute("SELECT number, works_with FROM schema_version").fetchone() if there else None
        if row is None:
            return False
        newest = scripts()[-1].number
        if row["number"] > newest and row["works_with"] > newest:
            raise CannotStart(
                f"{self.name} has tables of a newer version (schema {row['number']}; this version knows up to {newest}): use the commands of the newer version"
            )
        if row["number"] < newest:
            raise CannotStart(
                f"{self.name} has tables of an older version (schema {row['number']}; this version has {newest}): start the gateway of this version first"
            )
        return True
