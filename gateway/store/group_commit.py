"""One writer for a database that makes many callers' work durable in one commit, and a few readers beside it.

A thread owns the connection. It takes all jobs that have gathered while the last commit ran, runs each in a savepoint of one
transaction, commits once (one fsync for all), and only then wakes the callers. A job that raises is rolled back alone
and its caller gets the exception; when the disk fails, all callers of the commit get StoreUnavailable and nothing of it is stored. (A server that is lost during
a commit may have stored it: so whatever is done again after StoreUnavailable must bear to be done twice.) There is
no linger: below a hundred callers at a time waiting for more gains nothing.

Where other processes write, too, a job may meet one of theirs (`Conflict`): then it is done again.

A patient job has much to do that nobody waits for. While others come it is in every second commit only, and asks (`hurried`) whether to be short.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast

from gateway.errors import Fenced, StoreUnavailable
from gateway.outage import Outage
from gateway.store.database import Database
from gateway.store.statements import Conflict, Connection, Held, Lost, StatementFailed
from gateway.store.trouble import HANGING

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MOST_JOBS_PER_COMMIT = 512
_FRESH_SECONDS: Final = 2.0  # for so long the last commit says how the next will end
_HANGING_SECONDS: Final = 2.0  # a commit takes milliseconds
_LONGEST_PAUSE_SECONDS: Final = 1.0
_MOST_TRIES: Final = 12  # of a job that meets others at the same thing


class _Raised:
    def __init__(self, error: Exception) -> None:
        self.error = error


class GroupCommit:
    """The writer. `submit` queues a job, a callable of the connection, for the next commit; the future is done when the commit is on disk."""

    def __init__(
        self,
        database: Database,
        *,
        fault: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._fault = fault or (lambda point: None)
        self._jobs: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._patient: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._passed_over = False  # the last commit went without the patient ones
        self._among_others = False  # the commit that is under way has others, too
        self._wake = threading.Condition()
        self._closing = False
        self._asleep = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outage = Outage(_log, f"writing to {database.name}", "store")
        self._began: float | None = None  # the commit that is under way
        self._ended = float("-inf")  # the last one
        self.commits = 0

    async def open(self) -> None:
        """Open the database, bring its tables up to date, and start the writer. Raises StoreUnavailable; then it may be tried again, and until it works every
        job ends with StoreUnavailable."""
        if self._thread is not None:  # the readers could not be opened, and this is the next try
            return
        try:
            self._connection = await asyncio.to_thread(self._database.open)
        except StoreUnavailable as error:
            self._outage.failed(str(error))
            raise
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"writer {self._database.name}", daemon=True)
        self._thread.start()

    def is_missing(self, why: str) -> None:
        """It isn't open, for this reason."""
        if self._thread is None:
            self._outage.reason = why

    async def close(self) -> None:
        """Commit what is queued, then stop and close the connection."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            await asyncio.to_thread(self._database.closing)
            self._database.close(self._connection)

    def submit(self, job: Callable[[Any], Any], *, patient: bool = False) -> asyncio.Future[Any]:
        """Queue a job. Must be called on the loop that opened the writer."""
        future: asyncio.Future[Any] = (self._loop or asyncio.get_running_loop()).create_future()
        if self._closing or self._loop is None:
            why = "the store is closing" if self._closing else self._outage.reason or f"{self._database.name} is not open yet"
            future.set_exception(StoreUnavailable(why))
            return future
        (self._patient if patient else self._jobs).append((job, future))
        if self._asleep:  # read after the job is there, as the writer looks for jobs after it says that it sleeps
            with self._wake:
                self._wake.notify()
        return future

    async def run(self, job: Callable[[Any], T], *, patient: bool = False) -> T:
        """Run a job in the writer's next transaction; durable on return. A cancelled caller doesn't tear the job."""
        return cast(T, await asyncio.shield(self.submit(job, patient=patient)))

    def hurried(self) -> bool:
        """For a patient job: whether others wait until it is done."""
        return self._among_others or bool(self._jobs)

    async def insist(self, job: Callable[[Any], T]) -> T:
        """As `run`, again and again while the store is unavailable: for writing down what has happened elsewhere already.
        Raises StoreUnavailable only once the writer closes, and Fenced."""
        pause = 0.02
        while True:
            try:
                return await self.run(job)
            except Fenced:
                raise
            except StoreUnavailable:
                if self._closing:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def ready(self) -> None:
        """Raises StoreUnavailable unless the last commit was good. When there was none of late, one is made that really writes."""
        if self._closing:
            raise StoreUnavailable("the store is closing")
        now = time.monotonic()
        if self._began is not None and now - self._began > _HANGING_SECONDS:
            raise StoreUnavailable(f"{self._database.name}: a commit has been waiting for {now - self._began:.0f} s. {HANGING}")
        if now - self._ended > _FRESH_SECONDS:
            await self.run(self._database.probe)
        elif self._outage.reason is not None:
            raise StoreUnavailable(self._outage.reason)

    def _run(self) -> None:
        while batch := self._next_batch():
            results = self._commit([job for job, _ in batch])
            assert self._loop is not None  # noqa: S101
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, [future for _, future in batch], results)
            self._database.committed()

    def _next_batch(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        with self._wake:
            self._asleep = True
            while not self._jobs and not self._patient and not self._closing:
                self._wake.wait()
            self._asleep = False
            return self._taken()

    def _taken(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        taken = [self._jobs.popleft() for _ in range(min(len(self._jobs), _MOST_JOBS_PER_COMMIT))]
        self._among_others = bool(taken)
        self._passed_over = bool(taken and self._patient) and not self._passed_over
        if not self._passed_over:
            taken += [self._patient.popleft() for _ in range(len(self._patient))]
        return taken

    def _commit(self, jobs: list[Any]) -> Sequence[Any]:
        self._began = time.monotonic()
        try:
            return self._committed(jobs)
        finally:
            self._began, self._ended = None, time.monotonic()

    def _committed(self, jobs: list[Any], tries: int = 1) -> Sequence[Any]:
        begun = committing = False
        database, connection = self._database, self._connection
        try:
            database.begin(connection)
            begun = True
            results = self._each_apart(jobs)
            self._fault("before_commit")
            committing = True
            database.commit(connection)
            begun = False
            self._fault("after_commit")
        except Exception as error:
            database.rollback(connection)
            if isinstance(error, Conflict) and len(jobs) == 1 and tries < _MOST_TRIES:
                time.sleep(random.uniform(0, 0.002 * 2 ** min(tries, 6)))  # noqa: S311 - lest the same two meet again
                return self._committed(jobs, tries + 1)
            if isinstance(error, Lost) and tries == 1 and not committing:  # while nobody wrote, the server was restarted, perhaps
                return self._committed(jobs, tries + 1)
            if isinstance(error, Held) and len(jobs) == 1:  # no fault of the job's: whoever asks again may have it
                return self._lost(jobs, error)
            if begun and not database.of_all(error):
                return self._apart(jobs, error)
            return self._lost(jobs, error)
        self._outage.worked()
        self.commits += 1
        return results

    def _each_apart(self, jobs: Sequence[Callable[[Connection], Any]]) -> list[Any]:
        """Each job's result, from a savepoint of its own; one that is alone in its commit needs none."""
        if len(jobs) == 1:
            return [jobs[0](self._connection)]
        return [self._one(job) for job in jobs]

    def _one(self, job: Callable[[Any], Any]) -> Any:
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            result = job(connection)
        except Exception as error:
            # A database may have rolled back everything by itself. A statement that failed may be another job's.
            if isinstance(error, Conflict | StatementFailed) or self._database.of_all(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            return _Raised(error)
        connection.execute("RELEASE job")
        return result

    def _apart(self, jobs: list[Any], error: Exception) -> Sequence[Any]:
        """One job made the commit fail, and the database is fine: halve the batch until that job is alone, so that only it fails."""
        if len(jobs) == 1:
            return [_Raised(error)]
        half = len(jobs) // 2
        return [*self._committed(jobs[:half]), *self._committed(jobs[half:])]

    def _lost(self, jobs: list[Any], error: Exception) -> Sequence[Any]:
        reason = self._database.unavailable(error)
        self._outage.failed(reason)
        return [_Raised(_caused(StoreUnavailable(reason), error)) for _ in jobs]


class Readers:
    """A small pool. What is committed before `run` begins is seen by it; a job sees one moment of the database."""

    def __init__(self, database: Database, size: int = 3) -> None:
        self._database, self._size = database, size
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._outage = Outage(_log, f"reading of {database.name}", "store")
        self._reading: set[asyncio.Future[Any]] = set()
        self._closed = True

    async def open(self) -> None:
        """After the writer has made the tables. Raises StoreUnavailable; then it may be tried again."""
        while self._free.qsize() < self._size:
            self._free.put_nowait(await asyncio.to_thread(self._database.reader))
        self._closed = False

    async def close(self) -> None:
        """When nobody waits for what they read any more."""
        self._closed = True
        while self._reading:  # those who went away left their threads to end by themselves
            await asyncio.wait(self._reading)
        while not self._free.empty():
            self._database.close(self._free.get_nowait())

    def _give_back(self, reading: asyncio.Future[Any], connection: Connection) -> None:
        self._reading.discard(reading)
        if self._closed:  # its reader was cancelled, and its thread has only now ended
            self._database.close(connection)
        else:
            self._free.put_nowait(connection)

    async def run(self, job: Callable[[Any], T]) -> T:
        """Run a reading job in a thread. Raises StoreUnavailable when the database can't be read."""
        if self._closed:
            raise StoreUnavailable(f"{self._database.name} is not open")
        connection = await self._free.get()
        reading = asyncio.ensure_future(asyncio.to_thread(self._in_one_moment, connection, job))
        # A cancelled reader doesn't stop its thread: the connection is free when the thread is done, not before.
        self._reading.add(reading)
        reading.add_done_callback(lambda _: self._give_back(reading, connection))
        try:
            result = await asyncio.shield(reading)
        except Exception as error:
            if not self._database.of_all(error, reading=True):  # that job's own fault
                raise
            reason = self._database.unavailable(error)
            self._outage.failed(reason)
            raise StoreUnavailable(reason) from error
        self._outage.worked()
        return result

    def _in_one_moment(self, connection: Connection, job: Callable[[Any], T]) -> T:
        try:
            return self._read(connection, job)
        except Lost:  # while nobody read, the server was restarted, perhaps
            return self._read(connection, job)

    def _read(self, connection: Connection, job: Callable[[Any], T]) -> T:
        self._database.begin_reading(connection)
        try:
            return job(connection)
        finally:
            if connection.in_transaction:  # after some faults the database has ended it by itself
                self._database.end_reading(connection)


class Shared:
    """A database with its writer and its readers, which open and close together."""

    def __init__(self, writer: GroupCommit, readers: Readers) -> None:
        self.writer, self.readers = writer, readers

    async def open(self) -> None:
        """Connect and bring the tables up to date. Raises StoreUnavailable."""
        await self.writer.open()
        await self.readers.open()

    def is_missing(self, why: str) -> None:
        """The database can't be reached yet, which somebody else has reported: whoever asks is told so."""
        self.writer.is_missing(why)

    async def close(self) -> None:
        """Commit pending work and close."""
        await self.writer.close()
        await self.readers.close()

    async def ready(self) -> None:
        """Raises StoreUnavailable when nothing can be made durable."""
        await self.writer.ready()


def _caused(made: StoreUnavailable, by: Exception) -> StoreUnavailable:
    made.__cause__ = by
    return made


def _settle(futures: list[asyncio.Future[Any]], results: Sequence[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue
        if isinstance(result, _Raised):
            future.set_exception(result.error)
        else:
            future.set_result(result)
