"""Partner-owned routing within the unit of work: what happens is given to `partner`'s rules, and what they decide is written.

A conversation's routing is kept in what is known of the conversation on the org's lane; the rep who is being asked has the session's offer, so that it
counts towards their capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from adapters.contract import Sent
from gateway.brokers.ground import Work
from gateway.brokers.salesforce import partner
from gateway.brokers.salesforce.partner_people import name_of
from gateway.brokers.salesforce.partner_values import (
    Answered,
    Around,
    CameFree,
    CustomerEnded,
    Fired,
    Happened,
    RemoveRep,
    dump,
    load,
)
from gateway.brokers.salesforce.places import Places, key_of
from gateway.config.salesforce import SalesforceOrg
from gateway.session.commands import RelayedOffer
from gateway.session.decision import Refusal, SetTimer
from gateway.session.model import Login, Session
from gateway.store.contract import Call, DueTimer, Outcome, Over

TIMER: Final = "salesforce:routing"
_KEPT: Final = "routing"  # in what is known of the conversation
Tell = Callable[..., None]


class Partnering:
    """Of one org. `tell`: a call to Salesforce, in the conversation's turn."""

    def __init__(self, org: SalesforceOrg, places: Places, tell: Tell) -> None:
        self._org, self._places, self._tell = org, places, tell

    def happened(self, work: Work, session: Session, what: Happened) -> None:
        """Let the rules decide, and write all of it."""
        conversations, key = work.stored.conversations, key_of(session)
        kept = conversations.of(self._places.lane, key).memory.get(_KEPT)
        routing = load(kept if isinstance(kept, str) else None)
        step = partner.decide(routing, what, Around(session, work.facts(session, words=True), self._org))
        if step.routing is not routing:
            conversations.remember(self._places.lane, key, {_KEPT: dump(step.routing)})
        for call in step.calls:
            self._tell(work, session, call.operation, call.body, ref=call.ref)
        for timer in step.timers:
            if isinstance(timer, SetTimer):
                fires_at = timer.due_at + (work.ground.steady() - work.now)
                work.stored.timers.set(session.id, TIMER, timer.ref, timer.due_at, fires_at)
            else:
                work.stored.timers.cancel(session.id, TIMER, timer.ref)
        self._offer(work, session, step.routing.asked)

    def _offer(self, work: Work, session: Session, user: str | None) -> None:
        login = name_of(user, self._org.reps) if user is not None else None
        asked = session.offer.rep if session.offer is not None else None
        if login == asked:
            return
        seconds = work.facts(session).settings.offer_seconds
        done = work.do(session, RelayedOffer(Login(login) if login else None, work.now + timedelta(seconds=seconds)))
        if isinstance(done, Refusal):
            raise RuntimeError(f"an offer was refused: {done.code}")

    def answered(self, work: Work, session: Session, call: Call, outcome: Outcome) -> None:
        """A call of ours was answered, or given up."""
        if isinstance(outcome, Sent):
            known = outcome.remember
            work_id, correlation = known.get("agent_work"), known.get("routing_correlation")
            self.happened(work, session, Answered(ref=call.ref, ok=True, work_id=work_id, correlation=correlation))
        elif isinstance(outcome, Over):
            code = outcome.why.provider_code or ""
            self.happened(work, session, Answered(ref=call.ref, ok=False, code=int(code) if code.isdecimal() else None))

    def came_free(self, work: Work, session: Session, *, anew: bool) -> None:
        """A rep may take work."""
        kept = work.stored.conversations.of(self._places.lane, key_of(session)).memory.get(_KEPT)
        if isinstance(kept, str) and load(kept).waits:
            self.happened(work, session, CameFree(again=anew))

    def customer_ended(self, work: Work, session: Session) -> None:
        """L4."""
        self.happened(work, session, CustomerEnded())

    def fire(self, work: Work, session: Session, timer: DueTimer) -> None:
        """A timer of ours, or the grace time of a rep who is gone (L5): then Salesforce is asked to let them go, and says so when it has."""
        if timer.kind == TIMER:
            self.happened(work, session, Fired(ref=timer.ref))
            return
        user = self._org.reps.get(Login(timer.ref))
        if user is not None and session.has_rep(timer.ref) and timer.ref in session.absent:
            self.happened(work, session, RemoveRep(user=user, replace=len(session.reps) == 1))
