"""Reading beside the writer: a few connections, each used by one thread at a time."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.errors import StoreUnavailable
from gateway.outage import Outage
from gateway.store.group_commit import connect
from gateway.store.trouble import of_the_disk, unavailable

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Readers:
    """A small pool. What is committed before `run` begins is seen by it; a job sees one moment of the file."""

    def __init__(self, path: Path, size: int = 3) -> None:
        self._path, self._size = path, size
        self._free: asyncio.Queue[sqlite3.Connection] = asyncio.Queue()
        self._outage = Outage(_log, f"reading of {path.name}", "store")

    async def open(self) -> None:
        """After the writer has made the file."""
        for _ in range(self._size):
            connection = connect(self._path)
            connection.execute("PRAGMA query_only=ON")
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """When nobody reads any more."""
        while not self._free.empty():
            self._free.get_nowait().close()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a reading job in a thread. Raises StoreUnavailable when the file can't be read."""
        connection = await self._free.get()
        reading = asyncio.ensure_future(asyncio.to_thread(_in_one_moment, connection, job))
        # A cancelled reader doesn't stop its thread: the connection is free when the thread is done, not before.
        reading.add_done_callback(lambda _: self._free.put_nowait(connection))
        try:
            result = await asyncio.shield(reading)
        except sqlite3.Error as error:
            if not of_the_disk(error) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:  # that job would write
                raise
            reason = unavailable(self._path.name, error)
            self._outage.failed(reason)
            raise StoreUnavailable(reason) from error
        self._outage.worked()
        return result


def _in_one_moment(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return job(connection)
    finally:
        if connection.in_transaction:  # after some faults SQLite has ended it by itself
            connection.execute("COMMIT")
