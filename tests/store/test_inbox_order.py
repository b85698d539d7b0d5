"""Whatever the order of putting, failing commits, dying, settling and replaying: each channel's webhooks are given in order, at least once, and none is lost."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store import inbox as module
from gateway.store import putting
from gateway.store.inbox_contract import Batch, Inbox
from gateway.store.postgresql import inbox as on_postgresql
from tests.store.backends import Backend, Time
from tests.store.test_inbox import request

CHANNELS = st.sampled_from(("line", "sms"))
STEPS = st.lists(
    st.tuples(st.just("put"), CHANNELS, st.integers(1, 7))
    | st.tuples(st.just("wait"), CHANNELS, st.integers(0, 3))
    | st.tuples(st.just("fail"), CHANNELS, st.integers(1, 2))
    | st.tuples(st.just("settle"), CHANNELS, st.integers(1, 5))
    | st.tuples(st.just("stuck"), CHANNELS, st.integers(1, 5))
    | st.tuples(st.just("replay"), CHANNELS, st.integers(0, 9))
    | st.tuples(st.just("look"), CHANNELS, st.just(0))
    | st.tuples(st.just("die"), CHANNELS, st.just(0)),
    min_size=3,
    max_size=25,
)


class World:
    """An inbox that is killed and opened again, and what a provider and a receiver know of it."""

    def __init__(self, store: Backend, folder: Path) -> None:
        self._store, self._folder = store, folder
        self.inbox: Inbox
        self._dead: list[tuple[Inbox, dict[str, int]]] = []
        self._alive: dict[str, int] = {}
        self._puts = self.deaths = 0
        self.put: dict[str, list[bytes]] = defaultdict(list)
        self.kept: dict[str, list[bytes]] = defaultdict(list)
        self.refused: set[bytes] = set()
        self.given: dict[str, list[bytes]] = defaultdict(list)
        self.ids: dict[bytes, int] = {}
        self.again: set[bytes] = set()

    async def start(self) -> None:
        """The process begins."""
        mine = self._alive = {"fails": 0, "dead": 0, "asked": 0}
        committing = self._committing = threading.Lock()  # a process that is killed in a commit is dead before another begins

        def fault(point: str) -> None:
            if point == "after_commit":
                committing.release()
                return
            if point != "before_commit":
                return
            committing.acquire()
            if mine["dead"] or mine["fails"]:
                mine["fails"] = max(0, mine["fails"] - 1)
                committing.release()
                raise OSError(errno.EIO, "Input/output error")

        self.inbox = self._store.inbox(self._folder, Time(), fault=fault)
        await self.inbox.open()

    async def do(self, step: str, channel_id: str, number: int) -> None:
        """One thing that happens."""
        if step == "put":
            for _ in range(number):
                self._put(channel_id)
        elif step == "wait":
            await asyncio.sleep(number / 1000)
        elif step == "fail":
            self._alive["fails"] = number
        elif step in ("settle", "stuck"):
            await self.take(channel_id, number, stuck=step == "stuck")
        elif step == "replay":
            self._replay(channel_id, number)
        elif step == "look":
            await self.inbox.channels()
        else:
            await asyncio.to_thread(self._committing.acquire)
            self._alive["dead"] = 1
            self._committing.release()
            self.deaths += 1
            self._dead.append((self.inbox, self._alive))
            await self.start()

    def _put(self, channel_id: str) -> None:
        self._puts += 1
        body = str(self._puts).encode()
        alive = self._alive
        alive["asked"] += 1

        def done(error: Exception | None) -> None:
            alive["asked"] -= 1
            if alive["dead"] and error is None:  # it was on disk when the process died, and nobody heard of it
                return
            self.refused.add(body) if error else self.kept[channel_id].append(body)

        self.put[channel_id].append(body)
        self.inbox.put(channel_id, request(body), done)

    async def take(self, channel_id: str, limit: int, *, stuck: bool = False) -> Batch | None:
        """As a receiver does."""
        batch = await self.inbox.waiting(channel_id, limit=limit)
        if batch is not None:
            assert list(batch.ids) == sorted(set(batch.ids))
            self.ids |= {one.body: row_id for row_id, one in zip(batch.ids, batch.requests, strict=True)}
            self.given[channel_id] += [one.body for one in batch.requests]
            await self.inbox.settle(batch, {}, {batch.ids[0]: "no JSON"} if stuck else {})
        return batch

    def _replay(self, channel_id: str, number: int) -> None:
        known = [body for body in self.given[channel_id] if body in self.ids]
        if known:
            body = known[number % len(known)]
            with self._store.inbox_rows(self._folder) as rows:
                if rows.replay([self.ids[body]]).again:
                    self.again.add(body)

    async def end(self) -> None:
        """All is read, and the files are closed."""
        self._alive["fails"] = 0
        while self._alive["asked"] or await self.inbox.channels():
            await asyncio.sleep(0)
            for channel_id in ("line", "sms"):
                await self.take(channel_id, 100)
        for inbox, alive in [*self._dead, (self.inbox, self._alive)]:
            await inbox.close()
            assert alive["dead"] == (inbox is not self.inbox)

    def judge(self, channel_id: str) -> None:
        """What must hold of a channel."""
        given = self.given[channel_id]
        first = list(dict.fromkeys(given))
        assert set(first) >= set(self.kept[channel_id]), "none is lost"
        assert not set(first) & self.refused, "none that was refused is given"
        assert first == [body for body in self.put[channel_id] if body in set(first)], "in order"
        if not self.deaths:
            assert {body for body in given if given.count(body) > 1} <= self.again, "without a crash, each once"


@given(steps=STEPS, most=st.integers(1, 4), in_memory=st.integers(1, 6))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_webhook_is_given_in_order_and_none_is_lost(
    store: Backend, steps: list[tuple[str, str, int]], most: int, in_memory: int
) -> None:
    async def run(folder: Path) -> None:
        world = World(store, folder)
        await world.start()
        for step in steps:
            await world.do(*step)
        await world.end()
        for channel_id in ("line", "sms"):
            world.judge(channel_id)

    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(putting, "_MOST_PER_COMMIT", most)
        patch.setattr(module, "_MOST_IN_MEMORY", in_memory)
        for one in (module, on_postgresql):
            patch.setattr(one, "_NOTED_AFTER_SECONDS", 0.001)
        asyncio.run(run(Path(folder)))
