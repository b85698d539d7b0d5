"""Writing raw webhooks by SQLAlchemy Core, as a ratio to plain `executemany`: the question behind docs/decisions/0001.

    python bench/sqlalchemy_insert.py [--seconds 2] [--rounds 5]

Needs SQLAlchemy, which the gateway doesn't: run it in a venv of its own (`python -m venv /tmp/v && /tmp/v/bin/pip install sqlalchemy`). Both
write the same rows in the same batches, one commit a batch, WAL with `synchronous=FULL`; rounds alternate. Processor time is
told beside time, because a commit waits for the disk whoever asks for it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

COLUMNS = ("channel_id", "received_at", "method", "url", "path", "query", "headers", "body")
TABLE = f"CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join(COLUMNS)})"
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536")
HEADERS = json.dumps({"content-type": "application/json", "x-hub-signature-256": "sha256=" + "0" * 64, "user-agent": "bench"})
ROW = ("whatsapp", 1789640000.0, "POST", "https://byoc.example.com/webhooks/whatsapp", "", "[]", HEADERS, b"x" * 650)
Write = Callable[[int], None]


class Speed(NamedTuple):
    """Rows a second, and microseconds of the processor's a row."""

    rows_per_second: float
    cpu_microseconds: float


def plain(path: Path) -> Write:
    """As the inbox did when the question was asked; since then a commit's webhooks are one value (docs/decisions/0014)."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(TABLE)
    insert = f"INSERT INTO inbox ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

    def write(count: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, [ROW] * count)
        connection.execute("COMMIT")

    return write


def core(path: Path) -> Write:
    """SQLAlchemy Core at its best: one compiled statement, a list of parameters, one commit."""
    sa: Any = importlib.import_module("sqlalchemy")
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.StaticPool)
    table = sa.Table("inbox", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *(sa.Column(c) for c in COLUMNS))
    connection = engine.connect()
    for pragma in PRAGMAS:
        connection.exec_driver_sql(f"PRAGMA {pragma}")
    connection.exec_driver_sql(TABLE)
    connection.commit()
    insert = table.insert()

    def write(count: int) -> None:
        rows: list[dict[str, Any]] = [dict(zip(COLUMNS, ROW, strict=True)) for _ in range(count)]
        connection.execute(insert, rows)
        connection.commit()

    return write


def measure(write: Write, batch: int, seconds: float) -> Speed:
    """Write batches for a while."""
    write(batch)  # compiled, pages there
    begun, cpu, rows = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds:
        write(batch)
        rows += batch
    return Speed(rows / (time.perf_counter() - begun), (time.process_time() - cpu) / rows * 1e6)


def compare(batch: int, seconds: float, rounds: int) -> None:
    """Rounds of both, one line."""
    speeds: dict[str, list[Speed]] = {"plain": [], "core": []}
    for _ in range(rounds):
        for name, build in (("plain", plain), ("core", core)):
            with tempfile.TemporaryDirectory() as folder:
                speeds[name].append(measure(build(Path(folder) / "inbox.db"), batch, seconds))
    by_plain, by_core = (median(speeds[name]) for name in ("plain", "core"))
    print(
        f"{batch:4} rows a commit: plain {by_plain.rows_per_second:8,.0f}/s {by_plain.cpu_microseconds:5.1f} us CPU a row, "
        f"core {by_core.rows_per_second:8,.0f}/s {by_core.cpu_microseconds:5.1f} us; "
        f"core to plain: {by_core.rows_per_second / by_plain.rows_per_second:.2f} in rows, "
        f"{by_core.cpu_microseconds / by_plain.cpu_microseconds:.1f} in CPU"
    )


def median(speeds: Sequence[Speed]) -> Speed:
    """Of each figure."""
    return Speed(*(statistics.median(column) for column in zip(*speeds, strict=True)))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for batch in (1, 16, 64, 256):
        compare(batch, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
