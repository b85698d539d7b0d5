"""Many callers' work in one job of the store: fewer jobs, and an outcome for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway import clock
from gateway.errors import StoreUnavailable
from gateway.store.contract import Transaction
from gateway.store.sqlite import SqliteStore
from gateway.store.together import Together


class Store(SqliteStore):
    """It fails at a point of its commits, if asked to."""

    def __init__(self, folder: Path) -> None:
        self.fails: list[Exception] = []
        super().__init__(folder, clock.now, self._fault)

    def _fault(self, point: str) -> None:
        if point == "before_commit" and self.fails:
            raise self.fails.pop()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = Store(tmp_path)
    await one.open()
    yield one
    await one.close()


class Noting:
    """Work that notes an event for each name, refuses "bad", and says which it was given together."""

    def __init__(self) -> None:
        self.together: list[list[str]] = []

    def __call__(self, stored: Transaction, names: Sequence[str]) -> list[str | Exception]:
        self.together.append(list(names))
        return stored.each([lambda name=name: self._note(stored, name) for name in names])  # type: ignore[misc]

    def _note(self, stored: Transaction, name: str) -> str:
        stored.events.add(org="acme", session_id=None, type=name, audience=["supervisors"], data={})
        if name == "bad":
            raise ValueError(name)
        return name.upper()


async def noted(store: Store) -> list[str]:
    return [event.type for event in await store.read(lambda stored: stored.events.after(0))]


async def test_who_asks_at_the_same_time_shares_a_job_and_has_an_outcome_of_their_own(store: Store) -> None:
    work = Noting()
    together = Together(store, work)
    outcomes = await asyncio.gather(*map(together.do, ["a", "bad", "b"]), return_exceptions=True)
    assert (outcomes[0], str(outcomes[1]), outcomes[2]) == ("A", "bad", "B")
    assert work.together == [["a", "bad", "b"]]
    assert await noted(store) == ["a", "b"], "what failed has left nothing"
    assert await together.do("c") == "C"


async def test_the_disk_fails_all_of_them_and_nothing_after_them(store: Store) -> None:
    together = Together(store, Noting())
    store.fails = [OSError("the disk fails")]
    failed = await asyncio.gather(*map(together.do, "ab"), return_exceptions=True)
    assert [type(one) for one in failed] == [StoreUnavailable, StoreUnavailable]
    assert failed[0] is not failed[1], "each has its own"
    assert await together.do("c") == "C"
    assert await noted(store) == ["c"]


async def test_another_job_that_makes_the_commit_fail_changes_no_outcome(store: Store) -> None:
    work, begun, gate, broken = Noting(), threading.Event(), threading.Event(), False

    def holds_up(stored: Transaction) -> None:
        begun.set()
        gate.wait()

    def breaks(stored: Transaction) -> None:
        nonlocal broken
        if not broken:
            broken = True
            store.fails.append(ValueError("a job has broken the commit"))

    together = Together(store, work)
    first = asyncio.create_task(store.write(holds_up))
    await asyncio.to_thread(begun.wait)
    others = [asyncio.create_task(one) for one in (store.write(breaks), together.do("a"), together.do("b"))]
    for _ in range(5):
        await asyncio.sleep(0)  # until all of them are in the writer's queue
    gate.set()
    assert await asyncio.gather(first, *others) == [None, None, "A", "B"]
    assert work.together == [["a", "b"], ["a", "b"]], "done once more, with the same ones"
    assert await noted(store) == ["a", "b"]


async def test_a_cancelled_caller_stops_nobody(store: Store) -> None:
    together = Together(store, Noting())
    first, second = (asyncio.create_task(together.do(name)) for name in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "B"
    assert await noted(store) == ["a", "b"]


async def test_a_closed_store_takes_nothing(store: Store) -> None:
    together = Together(store, Noting())
    await store.close()
    with pytest.raises(StoreUnavailable):
        await together.do("a")
