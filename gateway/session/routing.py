"""Who is offered a waiting session: one rep of its queue at a time.

In turn: whose capacity is used least, among those the longest idle. A rep who declines or lets the offer lapse is passed over for
the rest of the round. When all available reps have passed, the session waits without an offer, and a new round starts when
someone comes online or gets free, when the customer writes again, or after a pause: never at once, so nobody is asked in a hot loop.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.session.admission import can_receive, p2_rights, r8_room_to_accept, reps_of
from gateway.session.commands import AcceptWork, DeclineWork, Route, TimerKind
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.idle import l6_set_idle_timer
from gateway.session.membership import come_in
from gateway.session.model import Login, Offer, Rep, Session, Status
from gateway.session.notices import m3_joined
from gateway.session.refusals import e3_refuse

PAUSE = ""  # the offer timer's ref while all have passed
_LATE = datetime.max.replace(tzinfo=UTC)


def in_turn(session: Session, facts: Facts) -> list[Rep]:
    """Who could be offered the session, the first in turn first; also those who have passed."""
    queue = facts.queues.get(session.queue) if session.queue is not None else None
    if queue is None or facts.channel.gone is not None:
        return []
    ready = [rep for rep in reps_of(queue, facts) if can_receive(rep, session, facts)]
    return sorted(ready, key=lambda rep: _turn(rep, facts))


def _turn(rep: Rep, facts: Facts) -> tuple[float, datetime, str]:
    """Share of the capacity in use, then since when idle (unknown: last), then login, so that the order is total."""
    presence = facts.presence[rep.login]
    return (facts.load[rep.login] / rep.capacity, presence.idle_since or _LATE, rep.login)


def offer_next(draft: Draft) -> None:
    """Offer a waiting session to the next who hasn't passed in this round. Nobody: it waits."""
    session = draft.session
    if session.status is not Status.waiting or session.offer is not None:
        return
    ready = in_turn(session, draft.facts)
    rep = next((rep for rep in ready if rep.login not in session.passed), None)
    if rep is not None:
        offer_to(draft, rep.login)
    # Only if somebody could take it: without anybody, coming online starts the round, and a timer would fire for nothing.
    elif ready:
        draft.set_timer(TimerKind.offer, PAUSE, draft.after(draft.facts.settings.routing_pause_seconds))


def offer_to(draft: Draft, login: Login) -> None:
    """This rep is asked, for a while."""
    expires_at = draft.after(draft.facts.settings.offer_seconds)
    queue = draft.session.queue
    draft.change(offer=Offer(rep=login, queue=queue, offered_at=draft.facts.now, expires_at=expires_at))
    draft.cancel_timer(TimerKind.offer, PAUSE)
    draft.set_timer(TimerKind.offer, login, expires_at)
    known = draft.facts.queues.get(queue) if queue is not None else None
    name = known.name if known is not None else queue
    draft.tell([login], "work_offered", queue=queue, queue_name=name, expires_at=expires_at.isoformat())


def start_round(draft: Draft) -> None:
    """Whoever has passed may be asked again, if there is nobody else to ask."""
    session = draft.session
    if session.status is not Status.waiting or session.offer is not None:
        return
    ready = in_turn(session, draft.facts)
    # Not while somebody hasn't been asked: who passed would be asked before them.
    if ready and all(rep.login in session.passed for rep in ready):
        draft.change(passed=())
    if ready:
        offer_next(draft)


def take_back_offer(draft: Draft, reason: str) -> None:
    """End the offer, and tell its rep why."""
    offer = draft.session.offer
    if offer is None:
        return
    draft.change(offer=None)
    draft.cancel_timer(TimerKind.offer, offer.rep)
    draft.tell([offer.rep], "work_withdrawn", reason=reason)


def pass_over(draft: Draft, reason: str) -> None:
    """The rep who was asked won't: the next one is."""
    offer = draft.session.offer
    if offer is None:
        return
    take_back_offer(draft, reason)
    draft.change(passed=(*draft.session.passed, offer.rep))
    offer_next(draft)


def route_again(session: Session, command: Route, facts: Facts) -> Decision:
    """Someone became available. Who comes afresh may be asked again, and with them all, when all have passed."""
    draft = Draft(session, facts)
    if command.became_free is not None:
        start_round(draft)
    elif any(rep.login not in session.passed for rep in in_turn(session, facts)):
        offer_next(draft)
    return draft.decision()


def offer_lapsed(draft: Draft, ref: str) -> None:
    """No answer in time counts as declined. Or the pause after a round has passed."""
    if ref == PAUSE:
        start_round(draft)
        return
    offer = draft.session.offer
    if offer is None or offer.rep != ref:
        return
    if not draft.facts.has_come(offer.expires_at):  # an old timer; the same rep was offered it again since
        draft.set_timer(TimerKind.offer, offer.rep, offer.expires_at)
        return
    pass_over(draft, "lapsed")


def offered_to(session: Session, by: str) -> Refusal | None:
    """Only the rep who has the offer may answer it."""
    if session.offer is not None and session.offer.rep == by:
        return None
    return e3_refuse("work_not_offered", "This session isn't offered to you: wait until routing offers it.")


def accept_work(session: Session, command: AcceptWork, facts: Facts) -> Decision | Refusal:
    """The rep accepts the session: it becomes active, and the customer is told who joined (M3; P2 is checked again)."""
    rep = facts.reps[command.by]
    refusal = offered_to(session, command.by) or p2_rights(rep, facts.channel) or r8_room_to_accept(rep, facts, reserved=1)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    take_back_offer(draft, "accepted")
    draft.change(passed=(), last_reps=())
    actor = come_in(draft, rep, reason="accepted")
    draft.turn(Status.active, reason="accepted", sender=actor)
    m3_joined(draft, command.by)
    l6_set_idle_timer(draft)
    return draft.decision()


def decline_work(session: Session, command: DeclineWork, facts: Facts) -> Decision | Refusal:
    """The rep passes."""
    refusal = offered_to(session, command.by)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    pass_over(draft, "declined")
    return draft.decision()
