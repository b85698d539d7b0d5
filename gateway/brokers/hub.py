"""Giving events out: one reader of the stored events, many listeners, each seeing what it may at that moment.

A listener first gets what it missed, then what comes, by number without a hole; typing comes between and has no number.
One that reads too slowly is let go and resumes by number.

A row says what to look at and whom it may concern. What one caller is told of it is judged when it is read out: by the session as it is at that moment, not
as it was when it happened. Who may no longer see that is told nothing of it; who could see a session that has changed, and can't any more, is told
`session_gone`, so that lists forget it.

A row touches only those whom it concerns, and is judged once for all who are alike to it (`_Happening.reader`): a thousand supervisors are given one object.
While nobody listens, nothing is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.brokers.contract import Caller, Event, EventsGone, Line, SlowListener
from gateway.brokers.ground import Ground, org_of
from gateway.brokers.views import lines_of, may_read, shown, sight_of
from gateway.doorbell.contract import Doorbell
from gateway.session.audience import c10_shown, named_in
from gateway.session.model import Session, SessionId
from gateway.store.contract import EntryKey, Store, StoredEvent, Transaction

Data = dict[str, Any]
_MOST_WAITING = 2_000
_CHUNK = 500
_OF_ENTRIES: Final = ("entry", "delivery", "media")


class _Listener:
    """One stream of one caller: what waits for it."""

    __slots__ = ("_lost", "_waiting", "_woken", "after", "caller")

    def __init__(self, caller: Caller, after: int) -> None:
        self.caller, self.after = caller, after
        self._waiting: list[Event] = []
        self._woken: asyncio.Future[None] | None = None
        self._lost = False

    def give(self, event: Event) -> None:
        """One more, unless one was lost: after a hole nothing may follow."""
        if self._lost:
            return
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(event)
        else:
            self._lost = True
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def take(self) -> list[Event]:
        """What waits, at least one. Raises SlowListener: what would come next is lost."""
        while not self._waiting:
            if self._lost:
                raise SlowListener
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        taken, self._waiting = self._waiting, []
        return taken


class Hub:
    """See the module."""

    def __init__(self, store: Store, ground: Ground, bell: Doorbell) -> None:
        self._store, self._ground, self._bell = store, ground, bell
        self._listeners: dict[tuple[str, str], set[_Listener]] = {}  # by org and audience
        self._somebody = asyncio.Event()
        self._last = 0

    @property
    def position(self) -> int:
        """The number of the latest event given out."""
        return self._last

    async def run(self) -> None:
        """Give out what is committed, until cancelled."""
        while True:
            await self._somebody.wait()
            rows = await self._store.read(lambda stored: self._happened(stored, self._last, self._listeners))
            if self._given_out(rows) and len(rows) < _CHUNK:
                await self._bell.wait("events", 1.0)

    def _given_out(self, rows: Collection[_Happening]) -> bool:
        """False: somebody came while they were read, whom one of them concerns that concerned nobody: read once more from there, for them too."""
        for one in rows:
            number = one.row.number
            if number <= self._last:
                continue
            listeners = [listener for listener in self._whom(one.row.org, one.row.audience) if number > listener.after]
            if listeners and not one.read:
                return False
            told: dict[Hashable, Event | None] = {}
            for listener in listeners:
                reader = one.reader(self._ground, listener.caller)
                if reader not in told:
                    told[reader] = _told_to(one, self._ground, listener.caller)
                if (event := told[reader]) is not None:
                    listener.give(event)
            self._last = number
        return True

    def tell_now(self, org: str, audience: frozenset[str], event: Event) -> None:
        """Something that isn't stored (typing), to who listens at this moment."""
        for listener in self._whom(org, audience):
            listener.give(event)

    def _whom(self, org: str, audience: Collection[str]) -> Collection[_Listener]:
        found = [self._listeners[org, name] for name in audience if (org, name) in self._listeners]
        return found[0] if len(found) == 1 else set().union(*found)

    async def listen(self, caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        """See `Broker.events`. Raises EventsGone, SlowListener."""
        start = after
        if start is None or start > self._last or not self._listeners:
            newest = await self.newest()
            start = newest if start is None else start
            if start > newest:
                raise EventsGone  # a number of a time that was undone: an older backup was restored
            if not self._listeners:  # nothing was given out for a while, and nobody waits for that
                self._last = max(self._last, newest)
        listener = _Listener(caller, max(start, self._last))
        self._add(listener)
        try:
            async for some in self._missed(caller, start, listener.after):
                yield some
            while True:
                yield await listener.take()
        finally:
            self._remove(listener)

    def _add(self, listener: _Listener) -> None:
        caller = listener.caller
        for name in caller.audiences:
            self._listeners.setdefault((caller.org, name), set()).add(listener)
        self._somebody.set()

    def _remove(self, listener: _Listener) -> None:
        caller = listener.caller
        for name in caller.audiences:
            others = self._listeners[caller.org, name]
            others.discard(listener)
            if not others:
                del self._listeners[caller.org, name]
        if not self._listeners:
            self._somebody.clear()

    async def newest(self) -> int:
        """The number of the latest event that is stored, given out or not."""
        return await self._store.read(lambda stored: stored.events.newest())

    async def _missed(self, caller: Caller, start: int, until: int) -> AsyncIterator[Sequence[Event]]:
        whose = {(caller.org, name) for name in caller.audiences}

        def read(stored: Transaction, after: int) -> list[_Happening]:
            if after == start and start + 1 < stored.events.oldest():
                raise EventsGone
            return self._happened(stored, after, whose)

        at = start
        while at < until:
            rows = await self._store.read(lambda stored, at=at: read(stored, at))  # type: ignore[misc]
            told = [_told_to(one, self._ground, caller) for one in rows if one.read and one.row.number <= until]
            if some := [event for event in told if event is not None]:
                yield some
            if not rows:
                return
            at = rows[-1].row.number

    def _happened(self, stored: Transaction, after: int, whose: Collection[tuple[str, str]]) -> list[_Happening]:
        """The next events. What they are about is read for those that concern one of these audiences: by one statement a table, however many they are."""
        rows = stored.events.after(after, _CHUNK)
        concern = [row for row in rows if any((row.org, name) in whose for name in row.audience)]
        read = {one.row.number: one for one in _read(stored, self._ground, concern)}
        return [read.get(row.number) or _Happening(row, read=False) for row in rows]


# ----------------------------------------------------------------------------------------------------- what one caller is told


@dataclass(frozen=True, slots=True)
class _Happening:
    """An event's row, with the current state of what it is about, if that was `read`. `named` are those whom the session names."""

    row: StoredEvent
    read: bool
    session: Session | None = None
    line: Line | None = None
    named: frozenset[str] = frozenset()

    def reader(self, ground: Ground, caller: Caller) -> Hashable:
        """As what the caller reads it: all who read it as the same are told the same, by `_told_to` and in the frame that is made of it."""
        session = self.session
        if session is None:
            return None
        if caller.login in self.named:
            return caller.login
        return caller.supervisor, session.queue in org_of(ground.orgs, caller.org).queues_of(caller.login)


def _read(stored: Transaction, ground: Ground, rows: Collection[StoredEvent]) -> list[_Happening]:
    """What the rows are about."""
    ids = {row.session_id for row in rows if row.session_id is not None}
    sessions = stored.sessions.several(ids) if ids else {}
    named = {session_id: named_in(session) for session_id, session in sessions.items()}
    keys = {_key(row) for row in rows if row.type in _OF_ENTRIES and row.session_id in sessions}
    lines = lines_of(stored, ground, sessions, stored.sessions.entries_at(keys)) if keys else {}
    return [
        _Happening(
            row, True, sessions.get(str(row.session_id)), lines.get(_key(row)), named.get(str(row.session_id), frozenset())
        )
        for row in rows
    ]


def _key(row: StoredEvent) -> EntryKey:
    return str(row.session_id), int(row.data.get("number", 0))


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
    file = line.media.get(happening.row.data["media_id"])
    return None if file is None else {**happening.row.data, **file}


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
