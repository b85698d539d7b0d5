"""Giving events out: one reader of the stored events, many listeners, each seeing what it may at that moment (`telling.py`).

A listener first gets what it missed, then what comes, by number without a hole; typing comes between and has no number.
One that reads too slowly is let go and resumes by number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from gateway.brokers.contract import Caller, Event, EventsGone, SlowListener
from gateway.brokers.ground import Ground
from gateway.brokers.telling import Happening, concerns, read, told
from gateway.doorbell.contract import Doorbell
from gateway.store.contract import Store, Transaction

_MOST_WAITING = 2_000
_CHUNK = 500


class _Listener:
    def __init__(self, caller: Caller, after: int) -> None:
        self.caller = caller
        self.after = after
        self.waiting: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)
        self.lost = False

    def give(self, event: Event) -> None:
        try:
            self.waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.lost = True


class Hub:
    """See the module."""

    def __init__(self, store: Store, ground: Ground, bell: Doorbell) -> None:
        self._store, self._ground, self._bell = store, ground, bell
        self._listeners: set[_Listener] = set()
        self._last = 0

    @property
    def position(self) -> int:
        """The number of the latest event given out."""
        return self._last

    async def start(self) -> None:
        """From now on."""
        self._last = await self._newest()

    async def run(self) -> None:
        """Give out what is committed, until cancelled."""
        while True:
            known = set(self._listeners)
            callers = [listener.caller for listener in known]
            rows = await self._store.read(lambda stored, who=callers: self._happened(stored, self._last, who))  # type: ignore[misc]
            if self._listeners - known:
                continue  # somebody came while we read: once more, for them too
            for one in rows:
                self._last = one.row.number
                for listener in self._listeners:
                    if one.row.number > listener.after and (event := self._event(listener.caller, one)):
                        listener.give(event)
            if len(rows) < _CHUNK:
                await self._bell.wait("events", 1.0)

    def tell_now(self, org: str, audience: frozenset[str], event: Event) -> None:
        """Something that isn't stored (typing), to who listens at this moment."""
        for listener in self._listeners:
            caller = listener.caller
            if caller.org == org and audience & caller.audiences:
                listener.give(event)

    async def listen(self, caller: Caller, after: int | None) -> AsyncIterator[Event]:
        """See `Broker.events`. Raises EventsGone, SlowListener."""
        start = self._last if after is None else after
        if start > self._last and start > await self._newest():
            raise EventsGone  # a number of a time that was undone: an older backup was restored
        listener = _Listener(caller, max(start, self._last))
        self._listeners.add(listener)
        try:
            async for event in self._missed(caller, start, listener.after):
                yield event
            while True:
                if listener.lost and listener.waiting.empty():
                    raise SlowListener
                yield await listener.waiting.get()
        finally:
            self._listeners.discard(listener)

    async def _newest(self) -> int:
        return await self._store.read(lambda stored: stored.events.newest())

    async def _missed(self, caller: Caller, start: int, until: int) -> AsyncIterator[Event]:
        if start >= until:
            return
        if start + 1 < await self._store.read(lambda stored: stored.events.oldest()):
            raise EventsGone
        at = start
        while at < until:
            rows = await self._store.read(lambda stored, at=at: self._happened(stored, at, [caller]))  # type: ignore[misc]
            for one in rows:
                if one.row.number <= until and (event := self._event(caller, one)):
                    yield event
            if not rows:
                return
            at = rows[-1].row.number

    def _happened(self, stored: Transaction, after: int, callers: Sequence[Caller]) -> Sequence[Happening]:
        """The next events; what they are about is read only for those that concern one of the callers."""
        return [
            read(stored, self._ground, row) if any(concerns(c, row) for c in callers) else Happening(row)
            for row in stored.events.after(after, _CHUNK)
        ]

    def _event(self, caller: Caller, happening: Happening) -> Event | None:
        return told(happening, self._ground, caller) if concerns(caller, happening.row) else None
