"""What the inbox and the lanes cost on PostgreSQL, as a ratio to SQLite in the same run: processor time of this process and of the server, for each webhook.

python -m bench.inbox            # 20,000 webhooks, by 256 callers at a time
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from adapters.contract import RawRequest
from gateway.clock import now
from gateway.store.inbox import SqliteInbox
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.inbox import PostgresInbox
from gateway.store.putting import Putting
from tests import postgresql
from tests.journal.outpost import line, outpost
from tests.journal.sharing_out import estate
from tests.store.backends import migrated

CHANNELS = {"line": line("http://127.0.0.1:9")}


class Spent(NamedTuple):
    """Of one thing, in microseconds."""

    wall: float
    here: float
    server: float


def server_seconds() -> float:
    """Processor time of the PostgreSQL server that this process started, and of all that it started and that have ended."""
    process = postgresql.shared()._process
    assert process is not None
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(folder.name) == process.pid:
                ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
            elif int(fields[1]) == process.pid:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def spent(count: int, work: Callable[[], Any]) -> Spent:
    """By doing so many."""
    begun, here, server = time.perf_counter(), time.process_time(), server_seconds()
    await work()
    each = 1e6 / count
    return Spent((time.perf_counter() - begun) * each, (time.process_time() - here) * each, (server_seconds() - server) * each)


def webhook(number: int, events: int = 1) -> RawRequest:
    """As LINE sends them, of 500 people."""
    found = [
        {
            "type": "message",
            "webhookEventId": f"event {number}.{part}",
            "timestamp": 1_789_640_000_000,
            "source": {"type": "user", "userId": f"U{number % 500}"},
            "deliveryContext": {"isRedelivery": False},
            "message": {"type": "text", "id": f"id {number}.{part}", "text": f"Good morning, this is message {number}"},
        }
        for part in range(events)
    ]
    headers = {
        "x-line-signature": "x" * 44,
        "content-type": "application/json",
        "user-agent": "LineBotWebhook/2.0",
        "host": "gateway.example.com",
    }
    return RawRequest(
        "POST",
        "https://x/webhooks/line",
        "",
        (),
        headers,
        json.dumps({"destination": "U0", "events": found}).encode(),
        datetime.now(UTC),
    )


async def accepted(inbox: Putting, count: int, callers: int) -> None:
    """Webhooks, so many at a time."""
    left, over = iter(range(count)), asyncio.Event()
    waiting = 0

    def next_one(error: Exception | None = None) -> None:
        nonlocal waiting
        if error is not None:
            raise error
        number = next(left, None)
        if number is None:
            waiting -= 1
            if not waiting:
                over.set()
            return
        inbox.put("line", webhook(number), next_one)

    for _ in range(callers):
        waiting += 1
        next_one()
    await over.wait()


async def on_sqlite(folder: Path, count: int, callers: int) -> dict[str, Spent]:
    """One process for all."""
    inbox = SqliteInbox(folder / "alone", now)
    await inbox.open()
    accept = await spent(count, lambda: accepted(inbox, count, callers))
    await inbox.close()
    async with outpost(folder, CHANNELS) as one:
        await accepted(one.gateway.inbox, count, callers)

        async def apply() -> None:
            while await one.gateway.receiver.work("line"):
                pass

        return {"accept": accept, "apply": await spent(count, apply)}


async def on_postgresql(url: str, folder: Path, count: int, callers: int) -> dict[str, Spent]:
    """The same, with lanes between."""
    inbox = PostgresInbox(PostgresDatabase(url), now)
    await inbox.open()
    accept = await spent(count, lambda: accepted(inbox, count, callers))
    await inbox.close()
    async with estate(url, folder, CHANNELS).process() as one:

        async def spread() -> None:
            while await one.receiver.work("line"):
                pass

        async def apply() -> None:
            while sum(await asyncio.gather(*(one.lanes.work(part) for part in range(2)))):
                pass

        return {"accept": accept, "spread": await spent(count, spread), "apply": await spent(count, apply)}


def main() -> None:
    """See the module."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--count", type=int, default=20_000)
    asked.add_argument("--callers", type=int, default=256)
    args = asked.parse_args()
    with TemporaryDirectory() as folder, postgresql.database(migrated) as url:
        sqlite = asyncio.run(on_sqlite(Path(folder) / "sqlite", args.count, args.callers))
        shared = asyncio.run(on_postgresql(url, Path(folder) / "postgresql", args.count, args.callers))
    print(f"{'':24}{'wall':>10}{'here':>10}{'server':>10}   µs a webhook")
    for place, found in (("sqlite", sqlite), ("postgresql", shared)):
        for what, one in found.items():
            ratio = (
                f"   {sqlite[what].here / one.here:.2f} of SQLite's speed, by this process's time"
                if place != "sqlite" and what in sqlite
                else ""
            )
            print(f"{place + ' ' + what:24}{one.wall:10.0f}{one.here:10.0f}{one.server:10.0f}{ratio}")


if __name__ == "__main__":
    main()
