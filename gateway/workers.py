"""What runs in the background: named, watched, and started again when it fails, so that a fault in one message stops no channel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from gateway.errors import BrokerUnavailable, CannotStart, StoreUnavailable
from gateway.sharing.contract import Share

_log = logging.getLogger(__name__)
Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Workers:
    """See the module."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Work) -> None:
        """Until `stop`."""
        self._tasks.append(asyncio.create_task(self._keep(name, work), name=name))

    async def _keep(self, name: str, work: Work) -> None:
        while True:
            try:
                return await work()
            except (StoreUnavailable, BrokerUnavailable):  # reported where it fails; the worker waits for its return
                await asyncio.sleep(1)
            except CannotStart:
                raise
            except Exception as error:
                if isinstance(error, ExceptionGroup) and error.split((StoreUnavailable, BrokerUnavailable))[1] is None:
                    await asyncio.sleep(1)  # the same, of one that works on several things at once
                    continue
                _log.exception("worker %s failed and is restarted", name, extra={"action": "worker.failed", "worker": name})
                await asyncio.sleep(1)

    async def stop(self) -> None:
        """All of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class OnDuty:
    """Lets work run only while its duty is this process's."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._news: dict[str, asyncio.Event] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        share.on_change(self._look)
        share.before_letting_go(self._let_go)

    def only(self, duty: str, work: Work) -> Work:
        """The work, as it is to be run."""

        async def on_duty() -> None:
            news = self._news[duty] = asyncio.Event()
            while True:
                news.clear()
                if self._share.has(duty):
                    await self._run(duty, work)
                else:
                    await news.wait()

        return on_duty

    async def _run(self, duty: str, work: Work) -> None:
        """Until the duty is gone. Raises what the work does."""
        task = self._running[duty] = asyncio.create_task(work(), name=duty)
        try:
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        finally:
            self._running.pop(duty, None)
            await _ended(task)
        news = self._news[duty]
        while not task.cancelled() and self._share.has(duty):  # it had nothing to do, and ended by itself
            news.clear()
            await news.wait()

    def _look(self) -> None:
        for duty, news in self._news.items():
            news.set()
            if duty in self._running and not self._share.has(duty):
                self._running[duty].cancel()

    async def _let_go(self, duties: frozenset[str]) -> None:
        await asyncio.gather(*(_ended(self._running[duty]) for duty in duties & self._running.keys()))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task])
