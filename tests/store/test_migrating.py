"""The tables of a PostgreSQL database are brought up to date once, by one process, and a version that is too old for them says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from gateway.errors import CannotStart
from gateway.store.postgresql import connecting, migrating
from gateway.store.postgresql.connecting import connect
from gateway.store.postgresql.migrating import Script, migrate
from tests import postgresql

ONE = Script(1, 1, "CREATE TABLE one (n integer)")
TWO = Script(2, 1, "ALTER TABLE one ADD COLUMN more text")  # code of the first version works on it
THREE = Script(3, 3, "ALTER TABLE one DROP COLUMN n")  # and not on this


@pytest.fixture(params=postgresql.VERSIONS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with postgresql.database(version=request.param) as url:
        yield url


def brought_to(url: str, *steps: Script) -> None:
    with closing(connect(url)) as connection:
        migrate(connection, list(steps))


def columns(url: str) -> list[str]:
    with closing(connect(url)) as connection:
        rows = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'byoc' AND table_name = 'one' ORDER BY 1"
        )
        return [row[0] for row in rows]


def test_each_step_is_done_once_and_in_order(url: str) -> None:
    brought_to(url, ONE)
    assert columns(url) == ["n"]
    brought_to(url, ONE, TWO)
    brought_to(url, ONE, TWO)
    assert columns(url) == ["more", "n"]


def test_a_step_that_fails_changes_nothing(url: str) -> None:
    brought_to(url, ONE)
    with pytest.raises(psycopg.Error):
        brought_to(url, ONE, TWO, Script(3, 3, "ALTER TABLE nothing DROP COLUMN n"))
    assert columns(url) == ["n"]
    brought_to(url, ONE, TWO)


def test_many_processes_that_start_at_once_do_it_once(url: str) -> None:
    failed: list[BaseException] = []

    def start() -> None:
        try:
            brought_to(url, ONE, TWO, THREE)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert columns(url) == ["more"]


def test_an_older_version_starts_on_tables_that_are_one_compatible_step_ahead(url: str) -> None:
    brought_to(url, ONE, TWO)
    brought_to(url, ONE)
    assert columns(url) == ["more", "n"]


def test_an_older_version_refuses_tables_that_it_cant_work_with(url: str) -> None:
    brought_to(url, ONE, TWO, THREE)
    with pytest.raises(CannotStart, match=r"newer version \(schema 3; this version knows up to 2\): start the newer version"):
        brought_to(url, ONE, TWO)
    assert columns(url) == ["more"]


def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "OLDEST", 99)
    with pytest.raises(CannotStart, match=r"the server is PostgreSQL 1[68]: version 99 or newer is needed"):
        brought_to(url, ONE)


def test_a_database_in_another_encoding_is_refused() -> None:
    server = postgresql.shared()
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(CannotStart, match=r"keeps texts as LATIN1: create one with ENCODING 'UTF8'"):
            brought_to(server.url("latin"), ONE)
    finally:
        server.drop("latin")


@pytest.mark.parametrize("url", ["postgresql://byoc:se cret@h/db", "postgresql://byoc:s@ecret@h/db?x=y"])
def test_an_address_that_cant_be_read_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CannotStart) as told:
        connecting.well_formed(url)
    assert "cret" not in str(told.value)
    assert told.value.__cause__ is None


def test_the_scripts_are_numbered_from_one_and_say_what_they_work_with() -> None:
    found = migrating.scripts()
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert all(one.works_with <= one.number for one in found)
