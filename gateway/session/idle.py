"""L6, first half: a session in which nobody writes turns inactive. How the customer wakes it stands in leaving.py."""

from __future__ import annotations

from datetime import timedelta

from gateway.session.commands import TimerKind
from gateway.session.draft import Draft
from gateway.session.membership import withdraw_all
from gateway.session.model import Status


def l6_set_idle_timer(draft: Draft) -> None:
    """Something was said, or the session has just become active: the idle time begins anew."""
    if draft.session.status is Status.active:
        draft.set_timer(TimerKind.idle, "", draft.after(draft.facts.settings.idle_seconds))


def l6_turn_inactive(draft: Draft) -> None:
    """The idle time is over: the session frees its reps' capacity. They stay in it; open requests are withdrawn."""
    session = draft.session
    if session.status is not Status.active:
        return
    due_at = (session.last_message_at or session.opened_at) + timedelta(seconds=draft.facts.settings.idle_seconds)
    if draft.facts.now < due_at:  # something was said since this timer was set
        draft.set_timer(TimerKind.idle, "", due_at)
        return
    withdraw_all(draft, reason="inactive")
    for login in session.absent:  # who goes home while nothing happens hasn't left (L5 is for active sessions)
        draft.cancel_timer(TimerKind.grace, login)
    draft.change(last_reps=tuple(rep.id for rep in session.reps))
    draft.turn(Status.inactive, reason="idle")
