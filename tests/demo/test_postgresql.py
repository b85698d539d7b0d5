"""The demo's own PostgreSQL server: it is made once, ends with whoever started it, and starts again whatever the last one left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.demo import postgresql
from gateway.demo.postgresql import Server
from gateway.errors import GatewayError

ROOT = Path(__file__).resolve().parents[2]
# Starts one in the folder that is named, says its address, and does nothing until it is killed.
OF_ANOTHER = """
import sys, time
from pathlib import Path
from gateway.demo.postgresql import Server
server = Server(Path(sys.argv[1]))
server.start()
print(server.pid, server.url(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may enter; those of pytest are their owner's alone."""
    with tempfile.TemporaryDirectory(prefix="byoc-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 40
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def count(url: str) -> int:
    """One more row than at the last call."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (n int)")
        connection.execute("INSERT INTO visits VALUES (1)")
        row = connection.execute("SELECT count(*) FROM visits").fetchone()
        assert row
        return int(row[0])


def test_it_keeps_what_it_was_told_from_one_start_to_the_next(folder: Path) -> None:
    for visit in (1, 2):
        with Server(folder / "pg") as server:
            assert count(server.url()) == visit
            pid = server.pid
        assert not lives(pid)


def test_it_ends_with_who_started_it_and_starts_again(folder: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OF_ANOTHER, folder / "pg"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert owner.stdout
        pid, url = owner.stdout.readline().split()
        assert count(url) == 1
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    with Server(folder / "pg") as server:  # at once: it waits for the one before
        assert count(server.url()) == 2
        assert server.pid != int(pid)
        assert not lives(int(pid))


def test_it_starts_after_the_server_itself_was_killed(folder: Path) -> None:
    server = Server(folder / "pg")
    server.start()
    assert count(server.url()) == 1
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid))
    server.stop()
    with server:
        assert count(server.url()) == 2


def test_the_number_of_a_process_that_is_gone_may_be_anothers_now(folder: Path) -> None:
    with Server(folder / "pg"):
        pass
    with subprocess.Popen(["sleep", "600"], **postgresql._Owner().options) as another:
        try:
            left = folder / "pg" / "data" / "postmaster.pid"
            left.write_text(f"{another.pid}\n{folder / 'pg' / 'data'}\n1\n5432\n\n\n\nready\n")
            with Server(folder / "pg") as server:
                assert count(server.url()) == 1
        finally:
            another.kill()


def test_a_folder_that_was_half_made_is_made_again(folder: Path) -> None:
    half = folder / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("1")
    with Server(folder / "pg") as server:
        assert count(server.url()) == 1


def test_by_tcp_it_asks_for_the_password(folder: Path, unused_tcp_port: int) -> None:
    with Server(folder / "pg", port=unused_tcp_port, password="to/be:sure") as server:
        assert count(server.url()) == 1
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url().replace("to%2Fbe%3Asure", "wrong"))


def test_another_user_than_root_may_start_it(folder: Path) -> None:
    folder.chmod(0o777)
    child = os.fork()
    if child == 0:  # by a new Python this user might not reach its modules
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            with Server(folder / "pg") as server:
                code = 0 if count(server.url()) == 1 else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_package_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_PACKAGE", "not_installed_here")
    with pytest.raises(GatewayError, match=r"install byoc-gateway\[demo-postgresql\]"):
        Server(folder / "pg").start()


def test_a_version_that_is_missing_is_named(folder: Path) -> None:
    (folder / "pg" / "data").mkdir(parents=True)
    (folder / "pg" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(GatewayError, match="the data are of PostgreSQL 9"):
        Server(folder / "pg").start()


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    with pytest.raises(GatewayError, match=r"can't be started: .*max_connections.* Its log: .*postgresql\.log"):
        Server(folder / "pg", settings={"max_connections": "0"}).start()


def test_root_is_told_which_folder_the_servers_user_may_not_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    if os.geteuid() != 0:  # then the server runs as who starts it
        server = Server(closed / "pg")
        server.start()
        server.stop()
        return
    with pytest.raises(GatewayError, match=f"may not enter {closed}: run this as another user"):
        Server(closed / "pg").start()
