"""Transferring: T1's swap and T2. A transfer is asked for like an invitation (inviting.py); T3 is destinations.py."""

from __future__ import annotations

from pydantic import JsonValue

from gateway.session.decision import Refusal
from gateway.session.draft import Draft
from gateway.session.membership import come_in, describe, go_out, reads_up_to_here
from gateway.session.model import EntryKind, Invitation, RecipientType, Rep, Visibility
from gateway.session.notices import m3_transferred
from gateway.session.refusals import e3_refuse


def t1_swap(draft: Draft, invitation: Invitation, taker: Rep) -> None:
    """T1: in one decision the one who asked leaves and the taker joins; others stay; the customer gets one notice for both.

    The leaving is written first, so that no reader of the transcript counts two reps where there never were (M2's conference).
    The swap needs the asker in the session; who leaves withdraws their requests by it, so they are.
    """
    giver = go_out(draft, invitation.inviter, reason="transferred")
    taker_actor = come_in(draft, taker, reason="transferred", invitation=invitation)
    both: dict[str, JsonValue] = {"from": giver.model_dump(mode="json"), "to": taker_actor.model_dump(mode="json")}
    details = {key: value for key, value in describe(invitation).items() if key != "purpose"} | both
    draft.write(EntryKind.transferred, Visibility.reps, sender=giver, details=details)
    t1_move_queue(draft, invitation)
    m3_transferred(draft, invitation.inviter, giver.name, taker.login)
    reads_up_to_here(draft, invitation.inviter)


def t2_not_others(type: RecipientType) -> Refusal | None:
    """T2: a brought channel's session never goes to a contact outside the org, neither by request nor in the list."""
    if type is not RecipientType.others:
        return None
    sentence = "A session can't be transferred to people outside the org: name an agent, a queue or a flow."
    return e3_refuse("recipient_type_not_allowed", sentence)


def t1_move_queue(draft: Draft, invitation: Invitation) -> None:
    """T1: transferred to a queue, the session is that queue's: there it waits if it ever has to again (L5, L6)."""
    if invitation.to_queue:
        draft.change(queue=(invitation.resolved or invitation.recipient).id)
