"""What of a stored event one caller is told, judged when it is read out: by the session as it is at that moment, not as it was when it happened.

A row says what to look at and whom it may concern. Who may no longer see that is told nothing of it; who could see a session that has changed, and can't
any more, is told `session_gone`, so that lists forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.brokers.contract import Caller, Event, Line
from gateway.brokers.ground import Ground
from gateway.brokers.reading import entries_of, file_shape, lines_of, may_read, shown, sight_of
from gateway.session.audience import c10_shown
from gateway.session.model import Session, SessionId
from gateway.store.contract import StoredEvent, Transaction

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """A row, with what it is about as it stands when the row is read."""

    row: StoredEvent
    session: Session | None = None
    line: Line | None = None
    file: Mapping[str, Any] = field(default_factory=dict)


def concerns(caller: Caller, row: StoredEvent) -> bool:
    """Whether it was meant for the caller when it happened; what they may see of it now is `told`."""
    return row.org == caller.org and bool(row.audience & caller.audiences)


def read(stored: Transaction, ground: Ground, row: StoredEvent) -> Happening:
    """What the row is about."""
    if row.session_id is None:
        return Happening(row)
    session = stored.sessions.load(row.session_id)
    if session is None or row.type not in ("entry", "delivery", "media"):
        return Happening(row, session)
    found = entries_of(stored, session.id, [row.data["number"]])
    line = next(iter(lines_of(stored, ground, session, found)), None)
    file = stored.media.get(row.data["media_id"]) if row.type == "media" else None
    return Happening(row, session, line, file_shape(ground, file, stored.now) if file else {})


def told(happening: Happening, ground: Ground, caller: Caller) -> Event | None:
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


def _session(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    return {"session": shown(session, ground, caller)}


def _entry(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {"entry": line.model_copy(update={"entry": c10_shown(line.entry, sight_of(session, ground, caller))})}


def _delivery(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {"number": line.entry.number, "delivery": line.delivery}


def _media(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    line = happening.line
    if line is None or not may_read(line.entry, session, ground, caller):
        return None
    return {**happening.row.data, **happening.file}


def _offered(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """Only their current offer; older ones have ended."""
    offer = session.offer
    if offer is None or offer.rep != caller.login or offer.expires_at.isoformat() != happening.row.data.get("expires_at"):
        return None
    return dict(happening.row.data)


def _asked(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """Only while it is open and waits for them, and as it is now."""
    invitation = session.invitation(happening.row.data["invitation"]["id"])
    if invitation is None or caller.login not in invitation.waits_for:
        return None
    seen = shown(session, ground, caller).invitation(invitation.id)
    return {**happening.row.data, "invitation": seen}


def _own(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """What became of a request or an offer to the caller: it says nothing of the session beyond what the request said."""
    return dict(happening.row.data)


def _to_who_is_in(happening: Happening, session: Session, ground: Ground, caller: Caller) -> Data | None:
    """How others answered is for who is still in the session."""
    return dict(happening.row.data) if sight_of(session, ground, caller).whole else None


_TOLD: Final[Mapping[str, Callable[[Happening, Session, Ground, Caller], Data | None]]] = {
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
