"""Many callers' work in one job of a store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.errors import Fenced, StoreUnavailable
from gateway.store.contract import Store, Transaction

A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """What many callers ask of a store at about the same time, in one job: all who come while the writer is busy with others. It reads for all of them at
    once and writes for all of them at once, which takes a fraction of what as many jobs take. Each caller has an outcome of their own, when it is durable.

    `work` gives an outcome for each of those that it is given, in their order. It is called in the writer's thread.
    """

    def __init__(self, store: Store, work: Callable[[Transaction, Sequence[A]], Sequence[R | Exception]]) -> None:
        self._store, self._work = store, work
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._asked = False  # a job that has still to take those who wait is in the writer's queue
        self._under_way: set[asyncio.Task[None]] = set()

    async def do(self, one: A) -> R:
        """Its outcome. A cancelled caller doesn't tear the job. Raises what `work` gave for it, and StoreUnavailable."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if not self._asked:  # looked at after it waits, as the job takes those who wait after it says so
            self._asked = True
            task = asyncio.create_task(self._all())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return await done

    async def _all(self) -> None:
        taken: list[tuple[A, asyncio.Future[R]]] = []

        def job(stored: Transaction) -> Sequence[R | Exception]:
            if not taken:  # a job may be done once more: with the same ones
                self._take(taken)
            return self._work(stored, [one for one, _ in taken])

        outcomes: Sequence[R | Exception]
        try:
            outcomes = await self._store.write(job)
        except Exception as error:
            if not taken:  # it wasn't begun
                self._take(taken)
            outcomes = [_again(error) for _ in taken]
        for (_, done), outcome in zip(taken, outcomes, strict=True):
            if done.done():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

    def _take(self, taken: list[tuple[A, asyncio.Future[R]]]) -> None:
        self._asked = False
        while self._waiting:
            taken.append(self._waiting.popleft())


def _again(error: Exception) -> Exception:
    """One of each caller's own: an exception notes where it passes."""
    if not isinstance(error, StoreUnavailable) or isinstance(error, Fenced):
        return error
    again = StoreUnavailable(str(error))
    again.__cause__ = error
    return again
