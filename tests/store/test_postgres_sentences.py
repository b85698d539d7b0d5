"""What a PostgreSQL server may refuse, on a real one: commands and the start of a gateway say it in a sentence, with what to do, and never show the password."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.errors import CannotStart, StoreUnavailable
from gateway.store.postgresql import connecting, migrating
from gateway.store.postgresql.database import PostgresDatabase
from tests import postgresql
from tests.acceptance.shims import built
from tests.ports import free_port

PASSWORD: Final = "not-to-be-shown"


@pytest.fixture
def url() -> Iterator[str]:
    """Of an empty database. The server lets everybody in, whatever the password."""
    with postgresql.database() as made:
        yield made.replace("postgres@", f"postgres:{PASSWORD}@")


@contextmanager
def folder_for_a_server() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="byoc-pg-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def migrated(url: str) -> str:
    PostgresDatabase(url).prepare()
    return url


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for one in statements:
            db.execute(one.encode())


def said_by_command(url: str, *words: str) -> str:
    """The one line that the command says on its way out."""
    done = CliRunner().invoke(main, list(words or ("inbox", "list")), env={"BYOC_STORE": url})
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert PASSWORD not in done.output
    assert done.stderr, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("byoc: ")
    return line


def said_by_start(url: str, kind: type[Exception] = CannotStart) -> str:
    with pytest.raises(kind) as refused:
        PostgresDatabase(url).prepare()
    assert PASSWORD not in str(refused.value)
    return str(refused.value)


def test_nobody_listens() -> None:
    url = f"postgresql://byoc:{PASSWORD}@127.0.0.1:{free_port()}/byoc"
    for said in (said_by_command(url), said_by_start(url, StoreUnavailable)):
        assert "can't be reached. Start the server, or correct `store`" in said


def test_what_is_no_address() -> None:
    for url in (f"postgresql://byoc:{PASSWORD}@[host/byoc", f"postgresql://h/byoc?sslmode={PASSWORD}&no=1"):
        assert "Write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE" in said_by_command(url)


def test_a_wrong_password() -> None:
    with folder_for_a_server() as folder, postgresql.server(folder / "pg", password="right") as server:
        url = server.url().replace("right", PASSWORD)
        for said in (said_by_command(url), said_by_start(url)):
            assert said.endswith("the server refuses the password. Correct `store` in the config.")


def test_a_database_that_does_not_exist(url: str) -> None:
    url = url.rpartition("/")[0] + "/nowhere"
    for said in (said_by_command(url), said_by_start(url)):
        assert said.endswith("the database does not exist. Create it (`createdb`), or correct `store`.")


def test_a_user_who_may_not_create_the_tables(url: str) -> None:
    execute(url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guests = url.replace("postgres:", "guest:")
    assert "Let the user own the database, or grant it CREATE on the database." in said_by_start(guests)
    assert "has no tables of a gateway: start the gateway on it first" in said_by_command(guests)
    migrated(url)
    assert "the user lacks the rights for it" in said_by_command(guests)
    assert "the user lacks the rights for it" in said_by_start(guests)


def test_a_server_that_is_too_old(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such server can be had: the oldest that is taken is made the next."""
    newest = postgresql.VERSIONS[-1]
    monkeypatch.setattr(migrating, "OLDEST", newest + 1)
    assert said_by_start(url).endswith(f"the server is PostgreSQL {newest}: version {newest + 1} or newer is needed")


def test_tables_from_the_future(url: str) -> None:
    execute(migrated(url), "UPDATE byoc.schema_version SET number = 900, works_with = 900")
    assert "start the newer version, or restore the backup from before the upgrade" in said_by_start(url)
    assert "use the commands of the newer version" in said_by_command(url)


def test_tables_from_the_past(url: str) -> None:
    execute(migrated(url), "UPDATE byoc.schema_version SET number = 0")
    assert "start the gateway of this version first" in said_by_command(url)


def test_a_database_that_keeps_texts_in_another_encoding(url: str) -> None:
    execute(url, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        assert "keeps texts as LATIN1: create one with ENCODING 'UTF8'" in said_by_start(url.rpartition("/")[0] + "/latin")
    finally:
        execute(url, "DROP DATABASE latin WITH (FORCE)")


def test_no_connection_is_left() -> None:
    with folder_for_a_server() as folder, postgresql.server(folder / "pg", max_connections="6") as server:
        url = migrated(server.url().replace("postgres@", f"postgres:{PASSWORD}@"))
        execute(url, "CREATE ROLE guest LOGIN", "GRANT USAGE ON SCHEMA byoc TO guest")
        guests = url.replace("postgres:", "guest:")
        held: list[psycopg.Connection[Any]] = []
        with contextlib.suppress(psycopg.OperationalError):
            while len(held) < 6:
                held.append(psycopg.connect(guests))
        assert len(held) < 6
        try:
            for said in (said_by_command(guests), said_by_start(guests, StoreUnavailable)):
                assert "has no connection left. Raise max_connections, or run fewer processes" in said
        finally:
            for one in held:
                one.close()


def test_a_standby() -> None:
    with folder_for_a_server() as folder, postgresql.server(folder / "primary", wal_level="replica") as primary:
        migrated(primary.url())
        programs, user = primary._bin, postgresql._user()
        if user is not None:
            shutil.chown(folder, user)
        copying = [programs / "pg_basebackup", "-D", folder / "standby", "-d", primary.url(), "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(copying, check=True, user=user, cwd="/")
        with postgresql.server(folder / "standby", hot_standby="on") as standby:
            url = standby.url().replace("postgres@", f"postgres:{PASSWORD}@")
            said = said_by_command(url, "inbox", "replay", "--all")
            assert "takes no writes: it is a standby, or set so. Let `store` name the primary." in said
            assert CliRunner().invoke(main, ["inbox", "list"], env={"BYOC_STORE": url}).output == "no webhook is stuck\n"
            with pytest.raises(StoreUnavailable, match="Let `store` name the primary"), closing(Writing(url)) as writing:
                writing.write()


def test_a_statement_that_takes_too_long(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated(url)
    impatient = tuple(one.replace("= 25000", "= 300").replace("= 20000", "= 10000") for one in connecting._SESSION)
    monkeypatch.setattr(connecting, "_SESSION", impatient)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE byoc.inbox")
        assert "the server took longer than" in said_by_command(url)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with folder_for_a_server() as folder:
        folder.chmod(0o755)
        library, control = built("faulty_disk", folder), folder / "control"
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(library))
            patch.setenv("FAULTY_DISK", str(control))
            patch.setenv("FAULTY_FILES", "/base/")
            server = postgresql.Server(folder / "pg")
            server.start()
        try:
            url = migrated(server.url().replace("postgres@", f"postgres:{PASSWORD}@"))
            control.write_text("full")
            control.chmod(0o644)
            with closing(Writing(url)) as writing, pytest.raises(StoreUnavailable, match=r"disk is full\. Free space there"):
                writing.write_until_refused()
            control.unlink()
            with closing(Writing(url)) as writing:
                writing.write()
        finally:
            server.stop("immediate")


class Writing:
    """What a gateway's writer does, in this thread."""

    def __init__(self, url: str) -> None:
        self._database = PostgresDatabase(url)
        self._connection = self._database.reader()

    def write(self) -> None:
        try:
            self._database.begin(self._connection)
            self._connection.execute(
                "INSERT INTO answers (org, login, key, fingerprint, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
                ("acme", "ana", os.urandom(16).hex(), "", os.urandom(4_000).hex(), 1.0),
            )
            self._database.commit(self._connection)
        except Exception as error:
            if not self._database.of_all(error):
                raise
            raise StoreUnavailable(self._database.unavailable(error)) from error

    def write_until_refused(self) -> None:
        for _ in range(200):
            self.write()

    def close(self) -> None:
        self._database.close(self._connection)
