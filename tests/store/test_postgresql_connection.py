"""A connection to PostgreSQL, as the stores' SQL uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.translating import translated
from gateway.store.statements import Conflict, Lost, StatementFailed
from tests import postgresql


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.fixture
def connection(url: str) -> Iterator[PostgresConnection]:
    one = PostgresConnection(lambda: psycopg.connect(url, autocommit=True))
    one.execute(
        "CREATE TABLE things (id text PRIMARY KEY, number bigint, part double precision, flag boolean, small integer, bytes bytea)"
    )
    yield one
    one.close()


def _add(connection: PostgresConnection, *ids: str) -> Any:
    return connection.executemany("INSERT INTO things (id) VALUES (?)", [(one,) for one in ids])


def _ids(connection: PostgresConnection) -> list[str]:
    return [row["id"] for row in connection.execute("SELECT id FROM things ORDER BY id")]


def test_values_come_back_as_they_were(connection: PostgresConnection) -> None:
    whole = ('ö"\\', 2**60, 0.1, True, 1, b"\0x")
    rows = [whole, ("none", None, None, None, None, None)]
    done = connection.executemany("INSERT INTO things (id, number, part, flag, small, bytes) VALUES (?, ?, ?, ?, ?, ?)", rows)
    assert done.rowcount == 2
    found = connection.execute(
        "SELECT * FROM things WHERE id = :id OR number = :number", {"id": whole[0], "number": 5}
    ).fetchone()
    assert tuple(found) == whole
    assert dict(found)["part"] == found["part"] == found[2] == 0.1
    assert list(found.keys()) == ["id", "number", "part", "flag", "small", "bytes"]
    assert connection.execute("SELECT * FROM things WHERE id = ?", ("nobody",)).fetchone() is None


def test_arrays_go_in_as_lists(connection: PostgresConnection) -> None:
    query = "SELECT u.a, u.b, u.c FROM unnest(?::text[], ?::float8[], ?::text[]) AS u (a, b, c)"
    found = connection.execute(query, (['x"\\,{}', ""], [1.5, None], [None, "NULL"])).fetchall()
    assert [tuple(row) for row in found] == [('x"\\,{}', 1.5, None), ("", None, "NULL")]


def test_nul_is_put_down_as_an_unknown_sign(connection: PostgresConnection) -> None:
    sent = ("a\0b", r'{"x": "\u0000", "y": "\\u0000"}')
    row = connection.execute("SELECT ?::text AS a, ?::text AS b", sent).fetchone()
    assert tuple(row) == ("a�b", r'{"x": "\ufffd", "y": "\\u0000"}')


def test_writes_wait_for_nothing_until_something_is_asked(connection: PostgresConnection) -> None:
    before = connection.round_trips
    connection.execute("BEGIN")
    for number in range(50):
        connection.execute("SAVEPOINT one")
        _add(connection, f"t{number}")
        connection.execute("RELEASE one")
    assert connection.round_trips == before
    assert len(_ids(connection)) == 50
    connection.execute("COMMIT")
    assert connection.round_trips == before + 2


def test_an_error_comes_up_with_the_next_answer_and_ends_the_transaction(connection: PostgresConnection) -> None:
    _add(connection, "there")
    connection.execute("BEGIN")
    _add(connection, "new", "there")
    _add(connection, "newer")
    with pytest.raises(Conflict):
        _ids(connection)
    with pytest.raises(Conflict):
        connection.execute("SELECT 1")
    assert connection.in_transaction
    connection.execute("ROLLBACK")
    assert not connection.in_transaction
    assert _ids(connection) == ["there"]


def test_a_commit_tells_what_failed_before_it(connection: PostgresConnection) -> None:
    connection.execute("BEGIN")
    connection.execute("INSERT INTO things (id, number) VALUES (?, ?)", ("a", 10**30))
    with pytest.raises(StatementFailed) as failed:
        connection.execute("COMMIT")
    assert str(10**30) not in repr(failed.value.__cause__)  # it may be a customer's
    connection.execute("ROLLBACK")
    assert _ids(connection) == []


def test_a_row_of_whom_it_is_is_in_no_error(connection: PostgresConnection) -> None:
    _add(connection, "+4915112345")
    with pytest.raises(Conflict) as met:
        assert _add(connection, "+4915112345").rowcount
    assert "+4915112345" not in f"{met.value!r} {met.value.__cause__!r}"


def test_a_savepoint_is_gone_back_to(connection: PostgresConnection) -> None:
    connection.execute("BEGIN")
    _add(connection, "kept")
    connection.execute("SAVEPOINT one")
    _add(connection, "not kept")
    connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    connection.execute("COMMIT")
    assert _ids(connection) == ["kept"]


def test_what_was_prepared_within_a_failed_transaction_is_prepared_again(connection: PostgresConnection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM nowhere")
    connection.execute("SELECT count(*) AS many FROM things")
    with pytest.raises(StatementFailed):
        connection.execute("SELECT 1").fetchone()
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) AS many FROM things").fetchone()["many"] == 0


def test_a_transaction_that_was_left_open_ends_with_the_next(connection: PostgresConnection) -> None:
    connection.execute("BEGIN")
    _add(connection, "left")
    connection.execute("BEGIN")
    assert _ids(connection) == []
    connection.commit_reading()
    assert not connection.in_transaction
    assert _ids(connection) == []


def test_a_lost_connection_says_so_and_is_made_anew(connection: PostgresConnection, url: str) -> None:
    connection.execute("BEGIN")
    _add(connection, "gone")
    pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(Lost):
        _ids(connection)
    assert connection.lost
    assert not connection.in_transaction
    connection.execute("ROLLBACK")
    connection.connect_anew()
    assert _ids(connection) == []


def test_tables_that_change_under_a_prepared_statement_cost_one_try(connection: PostgresConnection, url: str) -> None:
    assert connection.execute("SELECT * FROM things").fetchall() == []
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("ALTER TABLE things ADD COLUMN more text")
    with pytest.raises(Conflict):
        connection.execute("SELECT * FROM things").fetchall()
    assert connection.lost
    connection.connect_anew()
    assert connection.execute("SELECT * FROM things").fetchall() == []


def test_much_goes_both_ways_at_once(connection: PostgresConnection) -> None:
    long = "x" * 100_000
    given = [connection.execute("SELECT ?::text AS said", (f"{number}{long}",)) for number in range(200)]
    assert [one.fetchone()["said"] for one in given] == [f"{number}{long}" for number in range(200)]


@pytest.mark.parametrize(
    ("sql", "text", "names"),
    [
        ("SELECT '?', \"?\", ?::text -- ?\n, ':it''s'", "SELECT '?', \"?\", $1::text -- ?\n, ':it''s'", ()),
        ("SELECT :b, x::text, :a, :b", "SELECT $1, x::text, $2, $1", ("b", "a")),
        ("FROM a s INDEXED BY a_x WHERE +s.b = ? AND c + 1 = c +1", "FROM a s  WHERE s.b = $1 AND c + 1 = c +1", ()),
        ("FROM a r CROSS JOIN b s ON s.x = r.x CROSS JOIN c", "FROM a r JOIN b s ON s.x = r.x CROSS JOIN c", ()),
    ],
)
def test_text_is_put_as_postgresql_takes_it(sql: str, text: str, names: tuple[str, ...]) -> None:
    assert translated(sql) == (text, names)
