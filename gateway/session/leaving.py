"""Leaving and ending: rules L1 to L6."""

from __future__ import annotations

from datetime import timedelta

from gateway.session.admission import actor_of, end_user_of, not_in_it, p2_rights, p5_online
from gateway.session.commands import CustomerEnded, End, Leave, RepConnected, RepDisconnected, TimerKind
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.idle import l6_set_idle_timer
from gateway.session.membership import go_out, lower_all_flags, withdraw_all
from gateway.session.model import Actor, Login, Participant, Session, Status
from gateway.session.notices import m3_flush, m3_left, m3_silence, m3_state
from gateway.session.refusals import e3_refuse
from gateway.session.routing import PAUSE, offer_next, take_back_offer


def l1_leave(session: Session, command: Leave, facts: Facts) -> Decision | Refusal:
    """L1: a rep leaves; reps see it, the customer gets the leave notice (which may be held, see notices.py)."""
    refusal = not_in_it(session, command.by) or l2_last_rep_must_end(session)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    l1_go(draft, command.by, reason="left")
    return draft.decision()


def l1_go(draft: Draft, login: Login, reason: str) -> None:
    """L1's effects, however the rep came to leave."""
    actor = go_out(draft, login, reason)
    m3_left(draft, login, actor.name)


def l2_last_rep_must_end(session: Session) -> Refusal | None:
    """L2: the last rep can't leave. Of two who leave at once, one commits first; the other is judged by what is left."""
    if len(session.reps) > 1:
        return None
    return e3_refuse("last_rep_must_end", "You are the last rep here: end the conversation, or transfer it to someone.")


def l3_end(session: Session, command: End, facts: Facts) -> Decision | Refusal:
    """L3: the last rep ends the session, or a supervisor of the org does."""
    refusal = l3_may_end(session, command.by, facts)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    sender = actor_of(session, facts, command.by)
    l3_close(draft, reason="ended_by_rep" if session.has_rep(command.by) else "ended_by_supervisor", sender=sender)
    return draft.decision()


def l3_may_end(session: Session, by: Login, facts: Facts) -> Refusal | None:
    """L3: for a rep, only as the last one and with P2's rights; supervisors may end any session of theirs."""
    if facts.reps[by].supervisor:
        return None
    return not_in_it(session, by) or l3_nobody_else_is_in(session, by) or p2_rights(facts.reps[by], facts.channel)


def l3_nobody_else_is_in(session: Session, by: Login) -> Refusal | None:
    """L3: while others are in, one leaves instead of ending."""
    others = [rep.name for rep in session.reps if rep.id != by]
    if not others:
        return None
    sentence = (
        f"{', '.join(others)} {'are' if len(others) > 1 else 'is'} still here: leave the conversation instead of ending it."
    )
    return e3_refuse("other_reps_present", sentence, others=[rep.id for rep in session.reps if rep.id != by])


def l3_close(draft: Draft, reason: str, sender: Actor | None, *, tell_customer: bool = True) -> None:
    """L3, L4: ending withdraws open requests and the offer, lowers the flag, and lets all timers go."""
    take_back_offer(draft, "ended")
    withdraw_all(draft, reason="ended")
    lower_all_flags(draft, reason="ended")
    if tell_customer:
        m3_flush(draft)
    else:
        m3_silence(draft)
    for login in draft.session.absent:
        draft.cancel_timer(TimerKind.grace, login)
    draft.cancel_timer(TimerKind.idle, "")
    draft.cancel_timer(TimerKind.offer, PAUSE)
    draft.change(absent={}, passed=(), last_reps=(), set_aside=None)
    draft.turn(Status.ended, reason=reason, sender=sender)
    if tell_customer:
        m3_state(draft, "ended")


def l4_customer_ended(session: Session, command: CustomerEnded, facts: Facts) -> Decision:
    """L4: the customer ends it; reps are told by the transcript, and the customer is sent nothing more."""
    draft = Draft(session, facts)
    if session.status is not Status.ended:
        l3_close(draft, reason=command.ended.reason, sender=end_user_of(session), tell_customer=False)
    return draft.decision()


def l5_disconnected(session: Session, command: RepDisconnected, facts: Facts) -> Decision:
    """L5: the rep's connections are all gone; the grace time begins. In an inactive session it begins when the session wakes."""
    draft = Draft(session, facts)
    if session.status is not Status.ended and session.has_rep(command.by) and command.by not in session.absent:
        l5_begin_grace(draft, command.by)
    return draft.decision()


def l5_begin_grace(draft: Draft, login: Login) -> None:
    """L5: gone since now; the timer runs only while the session is active."""
    draft.change(absent={**draft.session.absent, login: draft.facts.now})
    if draft.session.status is Status.active:
        draft.set_timer(TimerKind.grace, login, draft.after(draft.facts.settings.disconnect_grace_seconds))


def l5_connected(session: Session, command: RepConnected, facts: Facts) -> Decision:
    """L5: back within the grace time; nothing has happened."""
    draft = Draft(session, facts)
    if command.by in session.absent:
        draft.change(absent={who: since for who, since in session.absent.items() if who != command.by})
        draft.cancel_timer(TimerKind.grace, command.by)
    return draft.decision()


def l5_grace_over(draft: Draft, ref: str) -> None:
    """L5: the rep leaves as in L1; if it was the last one, the session is routed again."""
    session = draft.session
    member = next((rep for rep in session.reps if rep.id == ref), None)
    since = session.absent.get(Login(ref))
    if since is None or member is None or session.status is not Status.active:
        return
    due_at = since + timedelta(seconds=draft.facts.settings.disconnect_grace_seconds)
    if not draft.facts.has_come(due_at):  # an old timer; the rep was back, and is gone again
        draft.set_timer(TimerKind.grace, ref, due_at)
        return
    l1_go(draft, Login(ref), reason="disconnected")
    if not draft.session.reps:
        l5_wait_for_another(draft, reason="disconnected", passed=(Login(ref),))


def l5_wait_for_another(draft: Draft, reason: str, passed: tuple[Login, ...] = ()) -> None:
    """L5, L6: nobody is left, so the session waits and is routed again. `passed`: reps who aren't asked in this round.

    No request is open here: each was withdrawn when the rep who made it left.
    """
    draft.cancel_timer(TimerKind.idle, "")
    draft.change(passed=passed, last_reps=(), absent={})
    draft.turn(Status.waiting, reason=reason)
    m3_state(draft, "waiting")
    offer_next(draft)


def l6_wake(draft: Draft, reason: str = "customer_wrote") -> None:
    """L6: the customer writes to an inactive session, or it is handed to us: the same reps go on if they are online, the others leave; nobody: route it.

    A rep's capacity doesn't count here, because their own session continues.
    """
    gone = [rep for rep in draft.session.reps if not l6_still_there(rep, draft.facts)]
    draft.change(last_reps=())
    if len(gone) < len(draft.session.reps):
        draft.turn(Status.active, reason=reason)
    for rep in gone:
        l1_go(draft, Login(rep.id), reason="away")
    if draft.session.reps:
        for login in draft.session.absent:  # who lost the connection meanwhile, has the grace time from now
            l5_begin_grace(draft, login)
        l6_set_idle_timer(draft)
    else:
        l5_wait_for_another(draft, reason=reason)


def l6_still_there(rep: Participant, facts: Facts) -> bool:
    """L6: known to the org, online for messaging, and with P2's rights, as they receive the session once more."""
    known = facts.reps.get(rep.id)
    return known is not None and p5_online(rep.id, facts) and p2_rights(known, facts.channel) is None
