"""Giving events out: one reader of the stored events, many listeners, each seeing what it may at that moment.

A listener first gets what it missed, then what comes, by number without a hole; typing comes between and has no number.
One that reads too slowly is let go and resumes by number.

A row says what to look at and whom it may concern. What one caller is told of it is judged when it is read out: by the session as it is at that moment, not
as it was when it happened. Who may no longer see that is told nothing of it; who could see a session that has changed, and can't any more, is told
`session_gone`, so that lists forget it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.brokers.contract import Caller, Event, EventsGone, Line, SlowListener
from gateway.brokers.ground import Ground
from gateway.brokers.views import entries_of, file_shape, lines_of, may_read, shown, sight_of
from gateway.doorbell.contract import Doorbell
from gateway.session.audience import c10_shown
from gateway.session.model import Session, SessionId
from gateway.store.contract import Store, StoredEvent, Transaction

Data = dict[str, Any]
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
        self._last = await self.newest()

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
        start = await self.newest() if after is None else after
        if start > self._last and start > await self.newest():
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

    async def newest(self) -> int:
        """The number of the latest event that is stored, given out or not."""
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

    def _happened(self, stored: Transaction, after: int, callers: Sequence[Caller]) -> Sequence[_Happening]:
        """The next events; what they are about is read only for those that concern one of the callers."""
        return [
            _read(stored, self._ground, row) if any(_concerns(c, row) for c in callers) else _Happening(row)
            for row in stored.events.after(after, _CHUNK)
        ]

    def _event(self, caller: Caller, happening: _Happening) -> Event | None:
        return _told_to(happening, self._ground, caller) if _concerns(caller, happening.row) else None


# ----------------------------------------------------------------------------------------------------- what one caller is told


@dataclass(frozen=True, slots=True)
class _Happening:
    """An event's row, with the current state of what it is about."""

    row: StoredEvent
    session: Session | None = None
    line: Line | None = None
    file: Mapping[str, Any] = field(default_factory=dict)


def _concerns(caller: Caller, row: StoredEvent) -> bool:
    """Whether it was meant for the caller when it happened; what they may see of it now is `_told_to`."""
    return row.org == caller.org and bool(row.audience & caller.audiences)


def _read(stored: Transaction, ground: Ground, row: StoredEvent) -> _Happening:
    """What the row is about."""
    if row.session_id is None:
        return _Happening(row)
    session = stored.sessions.load(row.session_id)
    if session is None or row.type not in ("entry", "delivery", "media"):
        return _Happening(row, session)
    found = entries_of(stored, session.id, [row.data["number"]])
    line = next(iter(lines_of(stored, ground, session, found)), None)
    file = stored.media.get(row.data["media_id"]) if row.type == "media" else None
    return _Happening(row, session, line, file_shape(ground, file, stored.now) if file else {})


def _told_to(happening: _Happening, ground: Ground, caller: Caller) -> Event | None:
    """The event as this caller may see it now; None: not at all."""
    row, session = happening.row, happening.session
    if row.session_id is None:
        return _event(row, row.type, dict(row.data))
    if session is None or row.type not in _TOLD:
        return None
    if row.type == "session" and not sight_of(session, ground, caller):
        return _event(row, "session_gone", {})
    data = _TOLD[row.type](happening, session, ground, caller)
    return None if data is None else _event(row, row.type, data)


def _event(row: StoredEvent, type: str, data: Data) -> Event:
    session_id = SessionId(row.session_id) if row.session_id else None
    return Event(number=row.number, type=type, session_id=session_id, at=datetime.fromtimestamp(row.at, UTC), data=data)


def _session(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    return {"session": shown(session, ground, caller)}


def _entry(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {"entry": line.model_copy(update={"entry": c10_shown(line.entry, sight_of(session, ground, caller))})}


def _delivery(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {"number": line.entry.number, "delivery": line.delivery}


def _media(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {**happening.row.data, **happening.file}


def _offered(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """Only their current offer; older ones have ended."""
    offer = session.offer
    if offer is None or offer.rep != caller.login or offer.expires_at.isoformat() != happening.row.data.get("expires_at"):
        return None
    return dict(happening.row.data)


def _asked(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """Only while it is open and waits for them, and as it is now."""
    invitation = session.invitation(happening.row.data["invitation"]["id"])
    if invitation is None or caller.login not in invitation.waits_for:
        return None
    seen = shown(session, ground, caller).invitation(invitation.id)
    return {**happening.row.data, "invitation": seen}


def _own(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """What became of a request or an offer to the caller: it says nothing of the session beyond what the request said."""
    return dict(happening.row.data)


def _to_who_is_in(happening: _Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """How others answered is for who is still in the session."""
    return dict(happening.row.data) if sight_of(session, ground, caller).whole else None


_TOLD: Final[Mapping[str, Callable[[_Happening, Session, Ground, Caller], Data | None]]] = {
    "session": _session,
    "entry": _entry,
    "delivery": _delivery,
    "media": _media,
    "work_offered": _offered,
    "work_withdrawn": _own,
    "invitation_received": _asked,
    "invitation_closed": _own,
    "invitation_declined": _to_who_is_in,
    "invitation_expired": _to_who_is_in,
    "invitation_unavailable": _to_who_is_in,
}
