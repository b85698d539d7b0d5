"""Drivers of PostgreSQL for what the stores do: a batch of 5 reads and 4 writes of 50 rows in a transaction, from the writer's thread.

python -m bench.drivers            (asyncpg's line needs it installed: `uv pip install asyncpg`)
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from gateway.store.postgresql.connection import PostgresConnection
from tests import postgresql, proxy

_READS, _WRITES, _ROWS, _BATCHES = 5, 4, 50, 60
_READ: Final = "SELECT * FROM t WHERE id = ANY({})"
_WRITE: Final = "INSERT INTO t (id, a, b, n) VALUES ({}) ON CONFLICT (id) DO UPDATE SET n = excluded.n"
_IDS: Final = list(range(_ROWS))
_numbers = itertools.count(1_000)


def _rows() -> list[tuple[int, str, str, int]]:
    return [(next(_numbers), "x" * 200, "y", number) for number in range(_ROWS)]


@contextmanager
def _ours(url: str) -> Iterator[Callable[[], None]]:
    connection = PostgresConnection(lambda: psycopg.connect(url, autocommit=True))
    read, write = _READ.format("?::bigint[]"), _WRITE.format("?, ?, ?, ?")

    def batch() -> None:
        connection.execute("BEGIN")
        for _ in range(_READS):
            connection.execute(read, (_IDS,)).fetchall()
        for _ in range(_WRITES):
            connection.executemany(write, _rows())
        connection.execute("COMMIT")

    yield batch
    connection.close()


@contextmanager
def _psycopg(url: str) -> Iterator[Callable[[], None]]:
    connection = psycopg.connect(url, autocommit=True)
    read, write = _READ.format("%s").encode(), _WRITE.format("%s, %s, %s, %s").encode()

    def batch() -> None:
        with connection.pipeline():
            connection.execute(b"BEGIN")
            for _ in range(_READS):
                connection.execute(read, (_IDS,)).fetchall()
            for _ in range(_WRITES):
                connection.cursor().executemany(write, _rows())
            connection.execute(b"COMMIT")

    yield batch
    connection.close()


@contextmanager
def _asyncpg(url: str) -> Iterator[Callable[[], None]]:
    import asyncpg

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait(what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, loop).result()

    connection = wait(asyncpg.connect(url))
    read, write = _READ.format("$1"), _WRITE.format("$1, $2, $3, $4")

    def batch() -> None:
        wait(connection.execute("BEGIN"))
        for _ in range(_READS):
            wait(connection.fetch(read, _IDS))
        for _ in range(_WRITES):
            wait(connection.executemany(write, _rows()))
        wait(connection.execute("COMMIT"))

    yield batch
    wait(connection.close())
    loop.call_soon_threadsafe(loop.stop)


def _measured(batch: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds a batch, and of them this process's own."""
    for _ in range(10):
        batch()
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(_BATCHES):
        batch()
    return (time.perf_counter() - begun) / _BATCHES * 1e3, (time.process_time() - used) / _BATCHES * 1e3


def main() -> None:
    """Print a line for each driver and network."""
    drivers = {
        "our connection on psycopg's libpq": _ours,
        "psycopg, pipeline mode": _psycopg,
        "asyncpg, called from the thread": _asyncpg,
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgresql.server(Path(folder) / "pg") as server:
            server.execute("CREATE TABLE t (id bigint PRIMARY KEY, a text, b text, n integer)")
            for milliseconds in (0, 2):
                with proxy.link(server.port, milliseconds / 2_000) as link:
                    url = server.url(port=link.port if milliseconds else None)
                    for name, driver in drivers.items():
                        try:
                            with driver(url) as batch:
                                found = [_measured(batch) for _ in range(3)]
                        except ModuleNotFoundError as missing:
                            print(f"{name}: {missing.name} is not installed")
                            continue
                        took, used = (statistics.median(one) for one in zip(*found, strict=True))
                        print(
                            f"{milliseconds} ms network, {name}: {took:.1f} ms a batch, {used:.1f} ms of this process", flush=True
                        )


if __name__ == "__main__":
    main()
