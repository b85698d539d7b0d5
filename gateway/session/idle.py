"""L6, first half: a session in which nobody writes becomes inactive. leaving.py has how the customer's message wakes it."""

from __future__ import annotations

from gateway.session.commands import TimerKind
from gateway.session.draft import Draft
from gateway.session.membership import withdraw_all
from gateway.session.model import Status


def l6_set_idle_timer(draft: Draft) -> None:
    """Restarts the idle time: a message was sent, or the session has just become active.

    A session that was active has a timer. It isn't moved with each message: it fires when it was first set to, and is set again then
    (`l6_turn_inactive`).
    """
    if (
        draft.session.status is not Status.active or draft.session.broker
    ):  # a broker elsewhere says itself when one turns inactive
        return
    idle_at, before = draft.after(draft.facts.settings.idle_seconds), draft.before
    draft.change(idle_at=idle_at)
    if before.status is not Status.active or before.idle_at is None or before.idle_at > idle_at:
        draft.set_timer(TimerKind.idle, "", idle_at)


def l6_turn_inactive(draft: Draft) -> None:
    """The idle time has passed: the session frees its reps' capacity. They stay in it; open requests are withdrawn."""
    session = draft.session
    if session.status is not Status.active:
        return
    if session.idle_at is not None and not draft.facts.has_come(session.idle_at):  # something was said since this timer was set
        draft.set_timer(TimerKind.idle, "", session.idle_at)
        return
    l6_rest(draft, reason="idle")


def l6_rest(draft: Draft, reason: str) -> None:
    """The reps' capacity is free. They stay in the session; open requests are withdrawn."""
    session = draft.session
    withdraw_all(draft, reason="inactive")
    for login in session.absent:  # who goes home while nothing happens hasn't left (L5 is for active sessions)
        draft.cancel_timer(TimerKind.grace, login)
    draft.change(last_reps=tuple(rep.id for rep in session.reps))
    draft.turn(Status.inactive, reason=reason)
