"""A connection to PostgreSQL, as `gateway.store.statements.Connection`, on psycopg's libpq.

All goes through libpq's pipeline. A statement is only put into it; whoever wants rows, or how many rows a statement changed, waits for all that was sent until then: one
round trip to the server. So a transaction costs as many as it has reads, and one for its commit, however many rows it writes. An error of a statement comes up
with the next wait, and the server does nothing of the transaction any more.

Each text is prepared once on a connection. Values are sent as text without a type, which the server takes from the place where each stands: so a text is
one prepared statement whatever its values, and a null has the type of the others.
"""

from __future__ import annotations

import contextlib
import re
import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.string import TextLoader

from gateway.store.postgresql.connecting import LOCKS
from gateway.store.postgresql.failing import changed_tables, ends_connection, meaning
from gateway.store.postgresql.translating import translated
from gateway.store.statements import Conflict, Lost, StatementFailed, Values

_MOST_PREPARED: Final = 1_000  # our texts are fewer; those that are made up as needed don't fill the server's memory
_PATIENCE_SECONDS: Final = 30.0
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_Failure: TypeAlias = Conflict | Lost | StatementFailed


class Row(tuple[Any, ...]):
    """See `gateway.store.statements.Row`. Of each statement there is a class, which knows its columns."""

    __slots__ = ()
    columns: ClassVar[Mapping[str, int]] = {}

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self.columns[key] if type(key) is str else key)

    def keys(self) -> Iterable[str]:
        """See `gateway.store.statements.Row`."""
        return self.columns.keys()


class PostgresCursor:
    """See `gateway.store.statements.Cursor`. It waits when it is asked."""

    __slots__ = ("_at", "_changed", "_connection", "_rows", "left")

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self.left = 0  # results that are to come
        self._rows: list[Any] = []
        self._at = 0
        self._changed = 0

    def take(self, rows: list[Any], changed: int) -> None:
        """For the connection: a result is there."""
        self.left -= 1
        self._changed += changed
        if rows:
            self._rows = rows

    @property
    def rowcount(self) -> int:
        """See `gateway.store.statements.Cursor`."""
        self._wait()
        return self._changed

    def fetchone(self) -> Any:
        """See `gateway.store.statements.Cursor`."""
        self._wait()
        self._at += 1
        return self._rows[self._at - 1] if self._at <= len(self._rows) else None

    def fetchall(self) -> list[Any]:
        """See `gateway.store.statements.Cursor`."""
        self._wait()
        at, self._at = self._at, len(self._rows)
        return self._rows[at:] if at else self._rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def _wait(self) -> None:
        if self.left:
            self._connection.wait()


class _Preparing:
    """Waits for the preparation of a text."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Sync:
    """Waits for the end of what was sent: after it, the server does what is sent next even if something before it failed."""


_Awaited: TypeAlias = tuple[PostgresCursor, str] | _Preparing | _Sync


class PostgresConnection:
    """See the module. `connect` gives a connection with autocommit, whose search path is ours. Used by one thread at a time."""

    dialect: Final = "postgresql"

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """`patience_seconds`: a server that says nothing for so long counts as lost. Raises `Lost`."""
        self._driver: psycopg.Connection[Any] | None = None
        self._connect, self._patience = connect, patience_seconds
        self.round_trips = 0  # how many times it has waited for the server
        self.statements = 0
        self.connect_anew()

    def connect_anew(self) -> None:
        """In place of what was lost. Raises `Lost`, and `StatementFailed` where the server refuses a setting."""
        self.close()
        try:
            self._driver = driver = self._connect()
            self._libpq = libpq = driver.pgconn
            libpq.nonblocking = 1
            libpq.enter_pipeline_mode()
        except psycopg.Error as error:
            raise meaning(error) from error
        driver.adapters.register_loader("json", TextLoader)
        driver.adapters.register_loader("jsonb", TextLoader)
        self._loading = Transformer(driver)
        self._poll = select.poll()
        self._awaited: deque[_Awaited] = deque()
        self._prepared: dict[str, bytes] = {}
        self._rows_of: dict[str, Callable[[Sequence[Any]], Any]] = {}
        self._number = 0
        self._failure: _Failure | None = None
        self._last: dict[str, list[Sequence[Any]]] = {}
        self._in_transaction = self.lost = False

    @property
    def in_transaction(self) -> bool:
        """See `gateway.store.statements.Connection`. Also after an error: until `ROLLBACK`, or until the connection is lost."""
        return self._in_transaction and not self.lost

    # --------------------------------------------------------------------------------------------------------- statements

    def execute(self, sql: str, values: Values = (), /) -> PostgresCursor:
        """See `gateway.store.statements.Connection`. `COMMIT` and `ROLLBACK` wait until they are done, and so does what is in no transaction."""
        cursor = PostgresCursor(self)
        if sql == "ROLLBACK":
            self._roll_back()
            return cursor
        beginning = sql.startswith("BEGIN")
        if beginning and (self._in_transaction or self._failure) and not self.lost:  # whoever had it last left it so
            self._roll_back()
        with self._told():
            if sql == "COMMIT":
                self._send_last()
            self._send(cursor, sql, values)
            if beginning:
                self._in_transaction = True
            elif sql == "COMMIT":
                self._sync()
                self._in_transaction = False
            elif not self._in_transaction:
                self._sync()
        return cursor

    def executemany(self, sql: str, rows: Iterable[Values], /) -> PostgresCursor:
        """See `gateway.store.statements.Connection`."""
        cursor = PostgresCursor(self)
        with self._told():
            for values in rows:
                self._send(cursor, sql, values)
            if not self._in_transaction:
                self._sync()
        return cursor

    def at_commit(self, sql: str, rows: Sequence[Sequence[Any]], /) -> None:
        """See `gateway.store.statements.Connection`."""
        self._last.setdefault(sql, []).extend(rows)

    def _send_last(self) -> None:
        """It waits for others' commits only, which wait for nobody: so with all patience, even where a decision had little (`gateway.store.gathering`)."""
        if self._last:
            self._send(PostgresCursor(self), f"SET LOCAL {LOCKS}", ())
        for sql, rows in self._last.items():
            columns = {f"c{number}": list(column) for number, column in enumerate(zip(*rows, strict=True))}
            self._send(PostgresCursor(self), sql, columns)
        self._last.clear()

    def commit_reading(self) -> None:
        """End a transaction that has only read. It doesn't wait: there is nothing that could fail."""
        with self._told():
            self._send(PostgresCursor(self), "COMMIT", ())
            self._libpq.pipeline_sync()
            self._awaited.append(_Sync())
            self._libpq.flush()
            self._in_transaction = False

    def wait(self) -> None:
        """For a cursor: until its results are there, and those of all that was sent since, which were asked for at the same time."""
        with self._told():
            self._libpq.send_flush_request()
            self._flush()
            while self._awaited:
                self._take_next()
            if self._failure is not None:
                raise self._failure

    def close(self) -> None:
        """Never raises."""
        if self._driver is not None:
            with contextlib.suppress(psycopg.Error):
                self._driver.close()

    def __del__(self) -> None:
        """A reader's thread may end after all who would close its connection."""
        self.close()

    # ------------------------------------------------------------------------------------------------------- into the pipeline

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What fails here is told as the stores' own errors."""
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args) from self._failure.__cause__
        try:
            yield
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: psycopg.Error) -> _Failure:
        failure = meaning(error)
        if self._failure is None or ends_connection(error):
            self._failure = failure
        if ends_connection(error) or changed_tables(error) or self._libpq.status != ConnStatus.OK:
            self.lost = True
        return failure

    def _send(self, cursor: PostgresCursor, sql: str, values: Values) -> None:
        text, names = translated(sql)
        sent = _as_text([values[name] for name in names] if isinstance(values, Mapping) else values)
        name = self._prepared.get(text)
        if name is None and len(self._prepared) < _MOST_PREPARED:
            self._number += 1
            name = self._prepared[text] = b"s%d" % self._number
            self._libpq.send_prepare(name, text.encode())
            self._awaited.append(_Preparing(text))
        if name is None:
            self._libpq.send_query_params(text.encode(), sent)
        else:
            self._libpq.send_query_prepared(name, sent)
        cursor.left += 1
        self.statements += 1
        self._awaited.append((cursor, text))

    def _sync(self) -> None:
        """Wait for all that was sent. Raises the first of its errors."""
        self._libpq.pipeline_sync()
        self._awaited.append(_Sync())
        self._flush()
        while self._awaited:
            self._take_next()
        if (failure := self._failure) is not None:
            if not self._in_transaction and not self.lost:
                self._failure = None
            raise failure

    def _roll_back(self) -> None:
        """Also of a pipeline that failed: after the first sync the server listens again."""
        self._in_transaction = False
        self._last.clear()
        if self.lost:
            return
        try:
            for statement in (None, b"ROLLBACK"):
                if statement is not None:
                    self._libpq.send_query_params(statement, None)
                    self._awaited.append((PostgresCursor(self), "ROLLBACK"))
                self._libpq.pipeline_sync()
                self._awaited.append(_Sync())
            self._flush()
            while self._awaited:
                self._take_next()
        except psycopg.Error as error:
            raise self._failed(error) from error
        if not self.lost:
            self._failure = None

    # ------------------------------------------------------------------------------------------------------- out of the pipeline

    def _take_next(self) -> None:
        awaited = self._awaited[0]
        result = self._result()
        if result is None:
            raise psycopg.OperationalError("the server ended the pipeline")
        status = result.status
        if not isinstance(awaited, _Sync):
            while self._result() is not None:  # the end of this statement's results
                pass
        self._awaited.popleft()
        if status == ExecStatus.FATAL_ERROR:
            self._failed(psycopg.errors.error_from_result(result, encoding="utf-8"))
        if isinstance(awaited, _Preparing):
            if status != ExecStatus.COMMAND_OK:
                self._prepared.pop(awaited.text, None)
        elif not isinstance(awaited, _Sync):
            cursor, text = awaited
            rows = self._rows(result, text) if status == ExecStatus.TUPLES_OK else []
            cursor.take(rows, (result.command_tuples or 0) if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK) else 0)

    def _rows(self, result: psycopg.pq.abc.PGresult, text: str) -> list[Any]:
        make = self._rows_of.get(text)
        if make is None:
            names = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
            columns = {name: number for number, name in enumerate(names)}
            make = type("Row", (Row,), {"__slots__": (), "columns": columns})
            if len(self._rows_of) < _MOST_PREPARED:
                self._rows_of[text] = make
        self._loading.set_pgresult(result)
        return self._loading.load_rows(0, result.ntuples, make)

    def _result(self) -> psycopg.pq.abc.PGresult | None:
        libpq = self._libpq
        while libpq.is_busy():
            self._await(select.POLLIN)
            libpq.consume_input()
        return libpq.get_result()

    def _flush(self) -> None:
        """Give all to the network. The server may have to be heard meanwhile, lest each waits for the other."""
        self.round_trips += 1
        while self._libpq.flush():
            if self._await(select.POLLIN | select.POLLOUT) & select.POLLIN:
                self._libpq.consume_input()

    def _await(self, wanted: int) -> int:
        self._poll.register(self._libpq.socket, wanted)
        happened = self._poll.poll(self._patience * 1_000)
        if not happened:
            self.close()
            raise psycopg.OperationalError(f"no answer for {self._patience:.0f} s")
        return happened[0][1]


def _as_text(values: Sequence[Any]) -> list[bytes | None]:
    return [None if value is None else _TEXTS.get(type(value), _other)(value) for value in values]


def _str(value: str) -> bytes:
    return _without_nul(value).encode()


def _without_nul(value: str) -> str:
    """PostgreSQL has no NUL in a text, libpq takes it for the end, and functions of JSON refuse it when it is escaped there."""
    if "\0" in value:
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return _ESCAPED_NUL.sub(r"\1\\ufffd", value) if "\\u0000" in value else value


def _list(values: Sequence[Any]) -> bytes:
    """An array. Its parts are put together before they are quoted, since NUL is in none."""
    if not values:
        return b"{}"
    if all(type(value) is str for value in values):
        whole = "\0".join(map(_without_nul, values))
        return ('{"' + whole.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","') + '"}').encode()
    return (
        b"{"
        + b",".join([b"NULL" if value is None else _quoted(_TEXTS.get(type(value), _other)(value)) for value in values])
        + b"}"
    )


def _quoted(part: bytes) -> bytes:
    return b'"' + part.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _other(value: Any) -> bytes:
    for kind, text in _TEXTS.items():
        if isinstance(value, kind):
            return text(value)
    raise TypeError(f"no value of SQL: {type(value).__name__}")


_TEXTS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: _str,
    bool: lambda value: b"1" if value else b"0",  # right for a number and for a boolean
    int: lambda value: b"%d" % value,
    float: lambda value: repr(float(value)).encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
    list: _list,
    tuple: _list,
}
