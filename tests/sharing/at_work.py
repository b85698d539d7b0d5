"""A process that works on a shared store: what it has of the lanes, it takes in hand, calls out, and writes down. Run as `python -m tests.sharing.at_work URL LEASE CALLS`.

Each row that it writes says whose lane that was at the moment of writing. Each call is a line of the file CALLS: its name, and the time.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gateway.doorbell.postgresql import PostgresDoorbell
from gateway.errors import StoreUnavailable
from gateway.sharing.contract import of_lanes
from gateway.sharing.worker import Worker
from gateway.store.group_commit import GroupCommit
from gateway.store.leases import About, Leases
from gateway.store.postgresql.connecting import PROCESS, connect
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.statements import Connection

WRITE = """INSERT INTO work (lane, worker, process, holder)
           VALUES (?, ?, ?, (SELECT worker FROM leases WHERE duty = 'broker ' || ?::text))"""
AT_ONCE = 8


class AtWork:
    def __init__(self, url: str, lease_seconds: float, calls: Path) -> None:
        self.calls = calls
        self.bell = PostgresDoorbell(partial(connect, url))
        about = About(PROCESS, "here", os.getpid(), "1")
        self.worker = Worker(
            Leases(PostgresDatabase(url), lease_seconds=lease_seconds), about, bell=self.bell, lease_seconds=lease_seconds
        )
        self.worker.before_letting_go(self.finish)
        self.writer = GroupCommit(PostgresDatabase(url, worker=lambda: self.worker.worker))
        self.in_hand: Counter[str] = Counter()
        self.stands_still = False

    async def finish(self, duties: frozenset[str]) -> None:
        while any(self.in_hand[duty] for duty in duties):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def run(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        loop.add_signal_handler(signal.SIGUSR1, partial(setattr, self, "stands_still", True))
        await self.bell.start()
        await self.worker.start([of_lanes("broker")])
        await self.writer.open()
        tasks = [asyncio.create_task(self.works()) for _ in range(AT_ONCE)]
        await ended.wait()
        await self.worker.leave()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.writer.close()
        await self.worker.close()
        await self.bell.close()

    async def works(self) -> None:
        while True:
            lanes, name = sorted(self.worker.lanes("broker")), self.worker.worker
            if not lanes:
                await asyncio.sleep(0.01)
                continue
            lane = random.choice(lanes)
            self.in_hand[f"broker {lane}"] += 1
            try:
                await asyncio.sleep(random.uniform(0, 0.1))
                moment = time.clock_gettime(time.CLOCK_BOOTTIME)  # before it looks: it may stand still right after that
                if self.worker.worker == name and self.worker.still_ours():
                    with self.calls.open("a") as file:
                        file.write(f"{name} {moment}\n")
                await self.writer.run(self.job(lane, name))
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            finally:
                self.in_hand[f"broker {lane}"] -= 1

    def job(self, lane: int, name: str) -> Callable[[Any], None]:
        def write(connection: Connection) -> None:
            if self.worker.worker != name:
                raise StoreUnavailable("begun under another name")
            connection.execute(WRITE, (lane, name, PROCESS, lane))
            if self.stands_still:  # in the middle of a transaction
                connection.execute("SELECT 1").fetchone()
                self.calls.with_suffix(".still").touch()
                os.kill(os.getpid(), signal.SIGSTOP)
                self.stands_still = False

        return write


if __name__ == "__main__":
    asyncio.run(AtWork(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])).run())
