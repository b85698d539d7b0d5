"""Puts events into the inbox in the stream's order, and says when they are durable. While the store is unavailable it puts the same events again.

What follows waits until all before it is on disk: a commit that fails between two that work would turn the order of a conversation around. One commit takes
what has gathered meanwhile, so waiting costs no speed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from adapters.contract import RawRequest
from gateway.backoff import backoff
from gateway.brokers.salesforce.progress import Ticket
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.errors import StoreUnavailable
from gateway.store.inbox_contract import Inbox

_log = logging.getLogger(__name__)
# Of one commit, well below what the inbox takes into one.
_MOST_AT_ONCE, _MOST_BYTES_AT_ONCE = 200, 1 << 19
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 10.0  # seconds


class Waiting(NamedTuple):
    """An event that is to be kept."""

    ticket: Ticket
    request: RawRequest


class Keeper:
    """See the module. `durable` is called with the ticket of each event that is on disk, in order."""

    def __init__(self, lane: str, inbox: Inbox, bell: Doorbell, durable: Callable[[Ticket], None]) -> None:
        self._lane, self._inbox, self._bell, self._durable = lane, inbox, bell, durable
        self._waiting: deque[Waiting] = deque()
        self._putting = 0
        self._news = asyncio.Event()
        self._moved = asyncio.Condition()
        self._reported: set[Ticket] = set()

    @property
    def unkept(self) -> int:
        """How many events it has that aren't on disk."""
        return len(self._waiting) + self._putting

    def take(self, one: Waiting) -> None:
        """Keep this, after all before it."""
        self._waiting.append(one)
        self._news.set()

    async def at_most(self, unkept: int) -> None:
        """Wait until there are no more than so many that aren't on disk; 0: until all are."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.unkept <= unkept)

    async def run(self) -> None:
        """Work until cancelled; what was put then is not waited for."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._keep(self._next())

    def _next(self) -> list[Waiting]:
        taken: list[Waiting] = []
        size = 0
        while self._waiting and len(taken) < _MOST_AT_ONCE and size < _MOST_BYTES_AT_ONCE:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].request.body)
        self._putting = len(taken)
        return taken

    async def _keep(self, chunk: Sequence[Waiting]) -> None:
        attempts = 0
        while chunk:
            chunk = await self._put(chunk)
            self._putting = len(chunk)
            async with self._moved:
                self._moved.notify_all()
            if chunk:
                attempts += 1
                await asyncio.sleep(_LEAST_PAUSE + backoff(attempts, first_seconds=_LEAST_PAUSE, most_seconds=_MOST_PAUSE))

    async def _put(self, chunk: Sequence[Waiting]) -> list[Waiting]:
        """Those of them that weren't kept."""
        outcomes: dict[Ticket, Exception | None] = {}
        all_told = asyncio.get_running_loop().create_future()

        def told(ticket: Ticket, error: Exception | None) -> None:
            outcomes[ticket] = error
            if len(outcomes) == len(chunk) and not all_told.done():
                all_told.set_result(None)

        for one in chunk:
            self._inbox.put(self._lane, one.request, partial(told, one.ticket))
        await all_told
        failed = [one for one in chunk if outcomes[one.ticket] is not None]
        for one in chunk:
            if (error := outcomes[one.ticket]) is None:
                self._durable(one.ticket)
            elif not isinstance(error, StoreUnavailable) and one.ticket not in self._reported:
                self._report(one, error)
        if len(failed) < len(chunk):
            self._bell.ring(inbox_topic(self._lane))
        return failed

    def _report(self, one: Waiting, error: Exception) -> None:
        """The store works, and this one can't be kept. It is tried again: to leave it out would lose it."""
        self._reported.add(one.ticket)
        extra = {"action": "salesforce.unkept", "lane": self._lane, "replay_id": one.request.headers["replay-id"]}
        _log.error("an event can't be kept, and holds up the stream", extra=extra, exc_info=error)
