"""Processes that share one PostgreSQL: each reads channels and applies lanes that a test gives it, and dies at the point that the test chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.brokers.embedded import EmbeddedBroker
from gateway.clock import now
from gateway.doorbell.local import LocalDoorbell
from gateway.journal.lane_receiver import LaneReceiver
from gateway.journal.receiver import Receiver, duty_of
from gateway.journal.spreading import Spreader
from gateway.sharing.alone import AllMine
from gateway.store.lanes import ALL_LANES
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.inbox import PostgresInbox
from gateway.store.postgresql.store import PostgresStore
from tests.journal.outpost import Outpost


class Share(AllMine):
    """What a test says."""

    def __init__(self, lanes: Collection[int], channels: Collection[str]) -> None:
        self.duties = {f"broker {lane}" for lane in lanes} | {duty_of(channel_id) for channel_id in channels}
        self._calls: list[Callable[[], None]] = []
        self._hooks: list[Callable[[frozenset[str]], Awaitable[None]]] = []

    def lanes(self, role: str) -> frozenset[int]:
        return frozenset(lane for lane in ALL_LANES if f"{role} {lane}" in self.duties)

    def has(self, duty: str) -> bool:
        return duty in self.duties

    def on_change(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def before_letting_go(self, hook: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        self._hooks.append(hook)

    async def let_go(self, duties: Collection[str]) -> None:
        """Return when nothing of them is in progress any more."""
        self.duties -= set(duties)
        for hook in self._hooks:
            await hook(frozenset(duties))

    def get(self, duties: Collection[str]) -> None:
        self.duties |= set(duties)
        for call in self._calls:
            call()


class Bell(LocalDoorbell):
    """As one that reaches all processes."""

    def __init__(self, all_of_them: list[Bell]) -> None:
        super().__init__()
        self._all = all_of_them
        all_of_them.append(self)

    def ring(self, topic: str) -> None:
        for one in self._all:
            one.wake(topic)


class Mortal:
    """Walks through the points of commits, and dies at one of them: nothing is written by it any more."""

    def __init__(self, dies_at: int | None = None) -> None:
        self._left = dies_at
        self.dead = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.over = False

    def __call__(self, point: str) -> None:
        if self._left is not None:
            self._left -= 1
        if self.over or self._left == 0:
            self.over = True
            self._loop.call_soon_threadsafe(self.dead.set)
            raise OSError(f"killed at {point}")


@dataclass
class Process:
    """One of them."""

    inbox: PostgresInbox
    broker: EmbeddedBroker
    receiver: Receiver
    lanes: LaneReceiver
    share: Share
    fault: Mortal
    bell: Bell


@dataclass
class Estate:
    """The database, and the config that all go by."""

    url: str
    outpost: Outpost
    bells: list[Bell] = field(default_factory=list)

    @asynccontextmanager
    async def process(
        self, lanes: Collection[int] = ALL_LANES, channels: Collection[str] = ("line",), *, dies_at: int | None = None
    ) -> AsyncIterator[Process]:
        """Open."""
        share, fault, bell = Share(lanes, channels), Mortal(dies_at), Bell(self.bells)
        gateway = self.outpost.gateway
        ground = replace(gateway.broker._ground, fault=fault)
        broker = EmbeddedBroker(PostgresStore(self.url, now, fault, bell.ring), ground, bell, now, gateway.files)
        inbox = PostgresInbox(PostgresDatabase(self.url), now)
        spreader = Spreader(broker.lanes, broker, bell, share)
        sources = gateway.shards[0].sources
        receiver = Receiver(inbox, broker, sources, bell, spreader=spreader, share=share)
        lane_receiver = LaneReceiver(broker.lanes, bell, share)
        await inbox.open()
        await broker.store.open()
        try:
            yield Process(inbox, broker, receiver, lane_receiver, share, fault, bell)
        finally:
            await inbox.close()
            await broker.store.close()


async def heard(process: Process) -> dict[str, list[str]]:
    """By session, what customers said, in order."""

    def read(connection: Any) -> list[Any]:
        return list(connection.execute("SELECT session_id, body FROM entries ORDER BY session_id, number"))

    found: dict[str, list[str]] = {}
    store = process.broker.store
    assert isinstance(store, PostgresStore)
    for session_id, body in await store.readers.run(read):
        entry = json.loads(body)
        if entry["kind"] == "message":
            found.setdefault(session_id, []).append(entry["text"])
    return found


def estate(url: str, folder: Path, channels: dict[str, Any]) -> Estate:
    return Estate(url, Outpost(folder, channels))
