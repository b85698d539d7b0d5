"""Giving events out: one reader of the stored events, many listeners, each seeing what it may.

A listener first gets what it missed, then what comes, by number without a hole; typing comes between and has no number.
One that reads too slowly is let go and resumes by number.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.brokers.contract import Caller, Event, EventsGone, SlowListener
from gateway.brokers.ground import Ground
from gateway.brokers.reading import entries_of, file_shape, lines_of, shown
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell
from gateway.session.model import Session, SessionId
from gateway.store import events, media, sessions
from gateway.store.events import StoredEvent
from gateway.store.readers import Readers

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

    def __init__(self, readers: Readers, ground: Ground, bell: Doorbell, clock: Clock) -> None:
        self._readers, self._ground, self._bell, self._clock = readers, ground, bell, clock
        self._listeners: set[_Listener] = set()
        self._last = 0

    @property
    def position(self) -> int:
        """The number of the latest event given out."""
        return self._last

    async def start(self) -> None:
        """From now on."""
        self._last = await self._readers.run(events.newest)

    async def run(self) -> None:
        """Give out what is committed, until cancelled."""
        while True:
            known = set(self._listeners)
            callers = [listener.caller for listener in known]
            rows = await self._readers.run(lambda c, who=callers: self._hydrated(c, self._last, who))  # type: ignore[misc]
            if self._listeners - known:
                continue  # somebody came while we read: once more, for them too
            for row, data in rows:
                self._last = row.number
                for listener in self._listeners:
                    if row.number > listener.after and _may(listener.caller, row):
                        listener.give(self._event(listener.caller, row, data))
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

    async def _missed(self, caller: Caller, start: int, until: int) -> AsyncIterator[Event]:
        if start >= until:
            return
        if start + 1 < await self._readers.run(events.oldest):
            raise EventsGone
        at = start
        while at < until:
            rows = await self._readers.run(lambda c, at=at: self._hydrated(c, at, [caller]))  # type: ignore[misc]
            for row, data in rows:
                if row.number <= until and _may(caller, row):
                    yield self._event(caller, row, data)
            if not rows:
                return
            at = rows[-1][0].number

    def _hydrated(
        self, connection: sqlite3.Connection, after: int, callers: Sequence[Caller]
    ) -> Sequence[tuple[StoredEvent, Any]]:
        """The next events; what they are about is read only for those that one of the callers may see."""
        rows = events.after(connection, after, _CHUNK)
        now = self._clock()
        return [(row, self._read(connection, row, now) if any(_may(c, row) for c in callers) else None) for row in rows]

    def _read(self, connection: sqlite3.Connection, row: StoredEvent, now: datetime) -> Any:
        session_id = row.session_id or ""
        if row.type == "session":
            return sessions.load(connection, session_id)
        if row.type in ("entry", "delivery"):
            found = entries_of(connection, session_id, [row.data["number"]])
            return next(iter(lines_of(connection, self._ground, session_id, found, now)), None)
        if row.type == "media":
            stored = media.get(connection, row.data["media_id"])
            return {**row.data, **file_shape(self._ground, stored, now)} if stored else dict(row.data)
        return dict(row.data)

    def _event(self, caller: Caller, row: StoredEvent, data: Any) -> Event:
        if isinstance(data, Session):
            shape: dict[str, Any] = {"session": shown(data, self._ground, caller)}
        elif row.type == "entry":
            shape = {"entry": data}
        elif row.type == "delivery":
            shape = {"number": row.data["number"], "delivery": data.delivery if data else ()}
        else:
            shape = data or {}
        session_id = SessionId(row.session_id) if row.session_id else None
        return Event(number=row.number, type=row.type, session_id=session_id, at=datetime.fromtimestamp(row.at, UTC), data=shape)


def _may(caller: Caller, row: StoredEvent) -> bool:
    return row.org == caller.org and bool(row.audience & caller.audiences)
