"""What partner-owned routing does to a session of the org's broker, each in one transaction."""

from __future__ import annotations

from datetime import timedelta

from gateway.brokers.ground import Ground
from gateway.brokers.unit import Unit
from gateway.session.commands import RepDisconnected, RepUnavailable, TimerFired, TimerKind
from gateway.session.decision import Refusal
from gateway.session.draft import Draft
from gateway.session.model import Login, SessionId, Status
from gateway.session.routing import offer_to
from gateway.store.contract import Transaction


def offer(stored: Transaction, ground: Ground, session_id: SessionId, login: Login) -> str | None:
    """Offer a waiting session to this rep alone. None: it is; else why it can't be."""
    session, unit = stored.sessions.load(session_id), Unit(stored, ground)
    if session is None or session.status is not Status.waiting:
        return "The conversation doesn't wait for a rep."
    if session.offer is not None:
        return "Another rep is asked already: cancel that work first."
    draft = Draft(session, unit.facts(session))
    draft.change(passed=())
    offer_to(draft, login)
    unit.carry_out(session, draft.decision())
    return None


def ask_no_longer(stored: Transaction, ground: Ground, session_id: SessionId, login: Login) -> None:
    """Take back the offer to this rep, and what they were invited to in this session."""
    session = stored.sessions.load(session_id)
    if session is not None:
        Unit(stored, ground).do(session, RepUnavailable(by=login))


def let_go(stored: Transaction, ground: Ground, session_id: SessionId, login: Login) -> None:
    """The rep leaves as one who has lost the connection for good: the only way out that the last one has."""
    unit, session = Unit(stored, ground), stored.sessions.load(session_id)
    gone = unit.do(session, RepDisconnected(by=login)) if session is not None else None
    if gone is None or isinstance(gone, Refusal):
        return
    due = unit.now + timedelta(days=1)
    unit.do(gone.session, TimerFired(kind=TimerKind.grace, ref=login, due_at=due))
