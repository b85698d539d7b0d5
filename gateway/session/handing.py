"""L6, where several apps of the business share a conversation: who answers changes by the provider's word, not by ours.

While another app answers (a bot, the provider's own inbox), the customer asks nothing of our reps: the session rests, and what is said is kept
aside. Once the conversation is ours, reps are called as if the customer had just written, with what was said before in front of them.
"""

from __future__ import annotations

from pydantic import JsonValue

from gateway.session.commands import ThreadChanged, TimerKind
from gateway.session.decision import Decision, Facts
from gateway.session.draft import Draft
from gateway.session.idle import l6_rest
from gateway.session.leaving import l6_wake
from gateway.session.model import EntryKind, Session, Status, Visibility
from gateway.session.routing import PAUSE, start_round, take_back_offer
from gateway.session.saying import m1_take_in_earlier


def l6_thread_changed(session: Session, command: ThreadChanged, facts: Facts) -> Decision:
    """L6: given to us, the session wakes or is offered once more; taken away, it rests; asked for, reps are told, and nothing changes.

    An ended session stays as it is: a conversation that is given to us then opens a new one (`decide.open_handed_over`).
    """
    draft = Draft(session, facts)
    if session.status is Status.ended:
        return draft.decision()
    l6_write_handover(draft, command)
    if command.handover.change == "to_us":
        if draft.session.status is Status.inactive:
            l6_wake(draft, reason="handed_over")
        start_round(draft)
    elif command.handover.change == "away" and not command.handover.may_answer:
        l6_thread_taken(draft)
    return draft.decision()


def l6_write_handover(draft: Draft, command: ThreadChanged) -> None:
    """L6: what was said to the other app, then the line that tells reps of the change, with the other app's words."""
    m1_take_in_earlier(draft, command.earlier)
    handover = command.handover
    details: dict[str, JsonValue] = {"change": handover.change, "app": handover.app, "app_id": handover.app_id}
    if handover.may_answer:
        details["may_answer"] = True
    if handover.change != "requested":
        ours = handover.change == "to_us"
        draft.change(handed_over_at=(handover.provider_time or handover.received_at) if ours else None)
    if command.left_out:
        details["left_out"] = command.left_out
    if draft.session.entry_count == 0:  # else the transcript wouldn't say whose it is
        details["end_user"] = draft.session.end_user.id
    draft.write(EntryKind.handover, Visibility.reps, text=handover.metadata, details=details)


def l6_thread_taken(draft: Draft) -> None:
    """L6: nobody of ours can answer now, so nobody is held up: the offer is taken back, capacity is free."""
    if draft.session.status not in (Status.active, Status.waiting):
        return
    take_back_offer(draft, "handed_over")
    draft.cancel_timer(TimerKind.offer, PAUSE)
    draft.cancel_timer(TimerKind.idle, "")
    draft.change(passed=(), idle_at=None)
    l6_rest(draft, reason="handed_over")
