"""A PostgreSQL database, as one end of a move (`gateway.store.copying`). Rows go in by COPY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from gateway.errors import CannotStart, GatewayError, StoreUnavailable
from gateway.store.contract import Lists
from gateway.store.copying.ends import COPIED, Come, dumped, loaded
from gateway.store.copying.tables import Table
from gateway.store.inbox_rows import StoredInboxRows
from gateway.store.postgresql.connecting import SCHEMA, connect, place_of, well_formed
from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.migrating import migrate, scripts
from gateway.store.postgresql.trouble import sentence
from gateway.store.statements import Conflict, Lost, StatementFailed
from gateway.store.transaction import SqlTransaction

# Nobody waits for us, and what we do takes its time.
_PATIENT: Final = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0; "
    "SET application_name = 'byoc copy'; SET synchronous_commit = off"
)


class Database:
    """See `gateway.store.copying.ends.End`."""

    dialect: Final = "postgresql"

    def __init__(self, url: str) -> None:
        """Raises GatewayError when it can't be read as an address."""
        well_formed(url)
        self._url = url
        self.name = f"PostgreSQL {place_of(url)}"
        self._drivers: list[psycopg.Connection[Any]] = []
        self._stores: PostgresConnection | None = None  # for the stores' own SQL

    def open_source(self) -> None:
        """Raises GatewayError when there is none, or one of another version."""
        self._connect()
        there = self._one("SELECT to_regclass(%s)", f"{SCHEMA}.schema_version")
        if there[0] is None:
            raise GatewayError(f"{self.name} has no tables of a gateway")
        done, newest = self._one("SELECT number FROM schema_version")[0], scripts()[-1].number
        if done != newest:
            fix = "start the gateway on it once, then stop it" if done < newest else "take that version to copy"
            raise GatewayError(f"{self.name} is of another version (schema {done}; this version has {newest}): {fix}")

    def open_target(self) -> None:
        """Makes what is missing."""
        self._connect()
        with self._told():
            migrate(self._db)

    def _connect(self) -> None:
        with self._told():
            self._db = self._connected()
            self._other = self._connected()  # reads while the first one writes

    def _connected(self) -> psycopg.Connection[Any]:
        made = connect(self._url)
        made.execute(_PATIENT)
        self._drivers.append(made)
        return made

    def close(self) -> None:
        """Never raises."""
        for one in self._drivers:
            one.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except CannotStart as error:
            raise CannotStart(f"{self.name}: {error}") from error
        except psycopg.Error as error:
            raise StoreUnavailable(sentence(self.name, error)) from error

    def _one(self, statement: str, *values: Any) -> Any:
        with self._told():
            return self._db.execute(statement.encode(), values).fetchone()

    # ------------------------------------------------------------------------------------------------------------ reading

    def columns(self, table: Table) -> tuple[str, ...]:
        """See `End`."""
        with self._told():
            rows = self._db.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                (f"{SCHEMA}.{table.name}",),
            ).fetchall()
        return tuple(row[0] for row in rows)

    def count(self, table: Table) -> int:
        """See `End`."""
        with self._told():
            row = self._db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
        return int(row[0]) if row else 0

    def is_empty(self, table: Table) -> bool:
        """See `End`."""
        with self._told():
            return self._db.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table.name))).fetchone() is None

    def read(self, table: Table, columns: Sequence[str], after: tuple[Any, ...] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """See `End`."""
        key = sql.SQL(", ").join(map(sql.Identifier, table.key))
        where = sql.SQL("WHERE ({}) > ({})").format(key, sql.SQL(", ").join([sql.Placeholder()] * len(table.key)))
        query = sql.SQL("SELECT {} FROM {} {} ORDER BY {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier(table.name),
            where if after is not None else sql.SQL(""),
            key,
        )
        with self._told(), self._other.transaction(), self._other.cursor("moved") as cursor:
            cursor.execute(query, after or (), binary=True)
            while rows := cursor.fetchmany(table.at_a_time):
                yield rows

    def key_of(self, table: Table, columns: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `End`."""
        return tuple(row[columns.index(one)] for one in table.key)

    def counter(self, table: Table) -> int:
        """See `End`."""
        if table.name == "events":
            return int(self._one("SELECT last FROM event_numbers")[0])
        sequence = self._sequence(table)
        last, called = self._one(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
        return int(last) if called else 0

    # ------------------------------------------------------------------------------------------------------------ writing

    def set_counter(self, table: Table, number: int) -> None:
        """See `End`."""
        if table.name == "events":
            self._one("UPDATE event_numbers SET last = greatest(last, %s) RETURNING last", number)
        elif number:
            self._one("SELECT setval(%s, %s)", self._sequence(table), number)

    def _sequence(self, table: Table) -> str:
        """Its name. Webhooks are counted by one of their own."""
        if table.name == "inbox":
            return f"{SCHEMA}.webhook_ids"
        return str(self._one("SELECT pg_get_serial_sequence(%s, %s)", f"{SCHEMA}.{table.name}", table.counter)[0])

    def moved(self) -> tuple[str, bool] | None:
        """See `End`."""
        if self._one("SELECT to_regclass(%s)", f"{SCHEMA}.{COPIED}")[0] is None:
            return None
        row = self._one(f"SELECT after, rows FROM {COPIED} WHERE name = ''")  # noqa: S608
        return (row[0], bool(row[1])) if row else None

    def begin_move(self, source: str) -> None:
        """See `End`."""
        with self._told(), self._db.transaction():
            self._db.execute(f"CREATE TABLE {SCHEMA}.{COPIED} (name text PRIMARY KEY, after text NOT NULL, rows bigint NOT NULL)")
            self._db.execute(f"INSERT INTO {COPIED} VALUES ('', %s, 0)".encode(), (source,))  # noqa: S608

    def end_move(self) -> None:
        """See `End`."""
        with self._told():
            self._db.execute("ANALYZE")
            self._db.execute("SET synchronous_commit = on")
            with self._db.transaction():
                self._db.execute(f"DELETE FROM {COPIED} WHERE name <> ''".encode())  # noqa: S608
                self._db.execute(f"UPDATE {COPIED} SET rows = 1".encode())  # noqa: S608

    def come(self, table: Table) -> Come:
        """See `End`."""
        row = self._one(f"SELECT after, rows FROM {COPIED} WHERE name = %s", table.name)  # noqa: S608
        return Come(loaded(row[0]), row[1]) if row else Come()

    def put(self, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]], come: Come) -> None:
        """See `End`."""
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, (*columns, *table.again)))
        )
        again = tuple(table.again.values())
        with self._told(), self._db.transaction():
            with self._db.cursor() as cursor, cursor.copy(into) as copy:
                for row in rows:
                    copy.write_row(row + again)
            self._db.execute(
                f"INSERT INTO {COPIED} VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE SET after = excluded.after, rows = excluded.rows".encode(),  # noqa: S608
                (table.name, dumped(come.after), come.rows),
            )

    def on_their_way(self) -> list[int]:
        """See `End`."""
        with self._told():
            return [row[0] for row in self._db.execute("SELECT DISTINCT row_id FROM lane_events ORDER BY 1")]

    def read_again(self, webhooks: Sequence[int]) -> None:
        """See `End`."""
        with self._begun() as connection:
            StoredInboxRows(connection).replay(webhooks)

    @contextmanager
    def _begun(self) -> Iterator[PostgresConnection]:
        try:
            if self._stores is None:
                self._stores = PostgresConnection(self._connected)
            self._stores.execute("BEGIN")
            yield self._stores
            self._stores.execute("COMMIT")
        except (Conflict, Lost, StatementFailed) as error:
            raise StoreUnavailable(sentence(self.name, error)) from error

    @contextmanager
    def lists(self) -> Iterator[Lists]:
        """See `End`."""
        with self._begun() as connection:
            transaction = SqlTransaction(connection, lambda: datetime.now(UTC))
            yield transaction.lists
            transaction.finish()

    def in_use(self) -> str | None:
        """See `End`."""
        row = self._one(
            "SELECT application_name, client_addr, pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^byoc' "
            "AND pid <> ALL (%s) AND backend_type = 'client backend' LIMIT 1",
            [one.info.backend_pid for one in self._drivers if not one.closed],
        )
        return f"{row[0]}, at {row[1] or 'this machine'}" if row else None
