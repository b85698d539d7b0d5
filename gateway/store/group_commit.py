"""One writer for a SQLite file that makes many callers' work durable in one commit.

A thread owns the connection. It takes all jobs that have gathered while the last commit ran, runs each in a savepoint of one
transaction, commits once (WAL, `synchronous=FULL`: one fsync for all), and only then wakes the callers. A job that raises is rolled back alone
and its caller gets the exception; a commit that fails gives StoreUnavailable to all. There is no linger: below a hundred callers
at a time waiting for more gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from gateway.errors import StoreUnavailable

T = TypeVar("T")
_MOST_JOBS_PER_COMMIT = 512


def connect(path: Path) -> sqlite3.Connection:
    """A connection with our settings: no implicit transactions, WAL, every commit on disk, foreign keys kept."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that can't write, to the file of a gateway that may be running, or of an older one."""
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("query_only=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def migrate(connection: sqlite3.Connection, package: str) -> None:
    """Bring the file up to the newest of the numbered `.sql` files of `package` (`0001_….sql`); each runs once, in a transaction."""
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    scripts = sorted(f.name for f in resources.files(package).iterdir() if f.name.endswith(".sql"))
    for name in scripts[done:]:
        text = (resources.files(package) / name).read_text()
        number = int(name.split("_", 1)[0])
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version={number};\nCOMMIT;")


class Savepoints:
    """Runs each job of a batch in a savepoint of its own."""

    def __call__(self, connection: sqlite3.Connection, jobs: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        return [self._one(connection, job) for job in jobs]

    @staticmethod
    def _one(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], Any]) -> Any:
        connection.execute("SAVEPOINT job")
        try:
            result = job(connection)
        except Exception as error:
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            if _of_the_disk(error):
                raise
            return _Raised(error)
        connection.execute("RELEASE job")
        return result


# What fails for every job, as https://www.sqlite.org/rescode.html names it. The rest (a fault in one statement, a value that is too big) is one
# job's own: held against all, an event that brings it about would stand in everybody's way for ever.
_DISK: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def _of_the_disk(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class GroupCommit:
    """The writer. `submit` queues a job for the next commit; the future is done when the commit is on disk.

    `apply(connection, jobs)` runs a batch inside the transaction and gives one result a job; the default takes callables of the
    connection. A writer of plain rows passes its own (see inbox.py), and spares the savepoints.
    """

    def __init__(
        self,
        path: Path,
        *,
        apply: Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]] | None = None,
        migrations: str | None = None,
        fault: Callable[[str], None] | None = None,
    ) -> None:
        self._path = path
        self._apply = apply or Savepoints()
        self._migrations = migrations
        self._fault = fault or (lambda point: None)
        self._jobs: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._asleep = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.commits = 0

    async def open(self) -> None:
        """Open the file, bring its tables up to date, and start the writer. Raises StoreUnavailable."""
        self._loop = asyncio.get_running_loop()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(self._path)
            if self._migrations:
                migrate(self._connection, self._migrations)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{self._path} can't be opened: {error}") from error
        self._thread = threading.Thread(target=self._run, name=f"writer {self._path.name}", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what is queued, then stop and close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()

    def submit(self, job: Any) -> asyncio.Future[Any]:
        """Queue a job. Must be called on the loop that opened the writer."""
        assert self._loop is not None, "open() comes first"  # noqa: S101
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closing:
            future.set_exception(StoreUnavailable("the store is closing"))
            return future
        self._jobs.append((job, future))
        if self._asleep:  # read after the job is there, as the writer looks for jobs after it says that it sleeps
            with self._wake:
                self._wake.notify()
        return future

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job in the writer's next transaction; durable on return. A cancelled caller doesn't tear the job."""
        return cast(T, await asyncio.shield(self.submit(job)))

    def _run(self) -> None:
        while batch := self._next_batch():
            results = self._commit([job for job, _ in batch])
            assert self._loop is not None  # noqa: S101
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, [future for _, future in batch], results)

    def _next_batch(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        with self._wake:
            self._asleep = True
            while not self._jobs and not self._closing:
                self._wake.wait()
            self._asleep = False
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _MOST_JOBS_PER_COMMIT))]

    def _commit(self, jobs: list[Any]) -> Sequence[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = self._apply(self._connection, jobs)
            self._fault("before_commit")
            self._connection.execute("COMMIT")
            self._fault("after_commit")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            lost = StoreUnavailable(f"{self._path.name}: {error}")
            lost.__cause__ = error
            return [_Raised(lost)] * len(jobs)
        self.commits += 1
        return results


def _settle(futures: list[asyncio.Future[Any]], results: Sequence[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue
        if isinstance(result, _Raised):
            future.set_exception(result.error)
        else:
            future.set_result(result)
