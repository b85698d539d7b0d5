"""The lock, and readers beside the writer."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.store.group_commit import GroupCommit, Readers
from gateway.store.sole import sole_user
from gateway.store.sqlite_file import SqliteFile
from tests.acceptance.processes import run


def test_one_gateway_at_a_time(tmp_path: Path) -> None:
    with sole_user(tmp_path), pytest.raises(GatewayError, match="another gateway"), sole_user(tmp_path):
        pass
    with sole_user(tmp_path):
        pass


async def test_who_dies_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from gateway.store.sole import sole_user\n"
        "with sole_user(Path(sys.argv[1])): os._exit(9)"
    )
    died = await run(sys.executable, "-c", code, str(tmp_path))
    assert died.code == 9
    with sole_user(tmp_path):
        pass


async def test_a_reader_sees_one_moment_though_the_writer_goes_on(tmp_path: Path) -> None:
    writer, readers = GroupCommit(SqliteFile(tmp_path / "x.db")), Readers(SqliteFile(tmp_path / "x.db"))
    await writer.open()
    await writer.run(lambda c: c.execute("CREATE TABLE notes (text TEXT)") and None)
    await readers.open()
    begun, written = threading.Event(), threading.Event()

    def read(connection: sqlite3.Connection) -> list[int]:
        counts = [connection.execute("SELECT count(*) FROM notes").fetchone()[0]]
        begun.set()
        assert written.wait(10)
        return [*counts, connection.execute("SELECT count(*) FROM notes").fetchone()[0]]

    reading = asyncio.create_task(readers.run(read))
    await asyncio.to_thread(begun.wait, 10)
    await writer.run(lambda c: c.execute("INSERT INTO notes VALUES ('a')") and None)
    written.set()
    assert await reading == [0, 0]
    assert await readers.run(lambda c: c.execute("SELECT count(*) FROM notes").fetchone()[0]) == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await readers.run(lambda c: c.execute("INSERT INTO notes VALUES ('b')"))
    await readers.close()
    await writer.close()


async def test_readers_who_go_away_leave_their_connections_behind(tmp_path: Path) -> None:
    writer, readers = GroupCommit(SqliteFile(tmp_path / "x.db")), Readers(SqliteFile(tmp_path / "x.db"), size=2)
    await writer.open()
    await readers.open()
    go_on = threading.Event()
    impatient = [asyncio.create_task(readers.run(lambda c: go_on.wait(10))) for _ in range(2)]
    await asyncio.sleep(0)
    for task in impatient:
        task.cancel()
    await asyncio.gather(*impatient, return_exceptions=True)
    go_on.set()
    async with asyncio.timeout(10):
        for _ in range(5):
            assert await readers.run(lambda c: c.execute("SELECT 1").fetchone()[0]) == 1
    await readers.close()
    await writer.close()
