"""Answering a request, and what ends one unanswered: rules C2 (who wins), C7, C8, C9.

A request is judged on the session as it is when the answer comes: rights, room, bots and capacity once more (P2, P6, C5, R8), since others may
may have joined meanwhile, and the one who accepts may have other work by now. Presence isn't checked: a rep who goes away is no longer asked (R7).
"""

from __future__ import annotations

from gateway.session.admission import actor_of, p2_rights, p6_room_for_one, r8_room_to_accept
from gateway.session.commands import AcceptInvitation, DeclineInvitation, TimerKind, WithdrawInvitation
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.inviting import c5_bots, c6_not_in_yet
from gateway.session.membership import close, come_in, describe, tell_closed, withdraw
from gateway.session.model import EntryKind, Invitation, InvitationId, InvitationStatus, Login, Purpose, Session, Visibility
from gateway.session.notices import m3_joined
from gateway.session.refusals import e3_refuse
from gateway.session.transferring import t1_swap


def c7_accept(session: Session, command: AcceptInvitation, facts: Facts) -> Decision | Refusal:
    """C7: the rep joins, reps see it, the customer is told, the rep can write at once. For a transfer: T1."""
    invitation = c2_first_acceptance_wins(session, command.invitation_id, command.by, facts)
    if isinstance(invitation, Refusal):
        return invitation
    leaving = 1 if invitation.purpose is Purpose.transfer else 0
    rep = facts.reps[command.by]
    warning = c5_bots(session, [rep], invitation.inviter, invitation.purpose, facts)  # others may have joined meanwhile
    refusal = (
        c6_not_in_yet(session, rep)
        or p2_rights(rep, facts.channel)
        or p6_room_for_one(session, facts, leaving=leaving)
        or r8_room_to_accept(rep, facts)
        or (warning if isinstance(warning, Refusal) else None)
    )
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    accepted = close(draft, invitation, InvitationStatus.accepted, accepted_by=command.by)
    others = [login for login in invitation.waits_for if login != command.by]
    tell_closed(draft, invitation, others, "taken")
    tell_closed(draft, invitation, [command.by], "accepted")
    draft.warning = warning if isinstance(warning, str) else None
    if invitation.purpose is Purpose.transfer:
        t1_swap(draft, accepted, rep)
    else:
        come_in(draft, rep, reason="invited", invitation=accepted)
        m3_joined(draft, command.by)
    return draft.decision(accepted)


def c2_first_acceptance_wins(session: Session, invitation_id: str, by: Login, facts: Facts) -> Invitation | Refusal:
    """C2: the open request, if `by` may still answer it. The store commits one decision a version, so the first one is alone."""
    invitation = session.invitation(invitation_id)
    if invitation is None:
        return c2_too_late(session, invitation_id, by)
    if by not in invitation.asked:
        return _no_such_request()
    if by in invitation.unavailable:
        return _closed("you were away")
    if by in invitation.declined or facts.now >= invitation.expires_at:
        return _closed("you have declined it" if by in invitation.declined else "it has expired")
    return invitation


def c2_too_late(session: Session, invitation_id: str, by: Login) -> Refusal:
    """C2: the refusal of a late answer: another rep was faster, or the request was closed in another way."""
    closed = session.closed_invitations.get(InvitationId(invitation_id))
    if closed is None or (by not in closed.asked and by != closed.inviter):
        return _no_such_request()
    if closed.accepted_by == by and session.has_rep(by):
        return e3_refuse("already_participant", "You have accepted this request already: continue in the session.", login=by)
    if closed.status is InvitationStatus.accepted and closed.accepted_by != by:
        return e3_refuse("invitation_already_taken", "Another rep was faster: there is nothing left to do.")
    if by in closed.unavailable:
        return _closed("you were away")
    return _closed(f"it was {closed.status.value}")


def c8_decline(session: Session, command: DeclineInvitation, facts: Facts) -> Decision | Refusal:
    """C8: the inviter alone is told, above the log and not in it; a queue's request lasts until all have declined."""
    invitation = c2_first_acceptance_wins(session, command.invitation_id, command.by, facts)
    if isinstance(invitation, Refusal):
        return invitation
    draft = Draft(session, facts)
    tell_closed(draft, invitation, [command.by], "declined")
    answered = invitation.model_copy(update={"declined": (*invitation.declined, command.by)})
    if answered.waits_for:
        others = session.invitations
        draft.change(invitations=tuple(answered if i.id == invitation.id else i for i in others))
        return draft.decision(answered)
    closed = close(draft, answered, InvitationStatus.declined)
    by = {"id": command.by, "name": facts.reps[command.by].name}
    draft.tell([invitation.inviter], "invitation_declined", invitation_id=invitation.id, by=by, all=True)
    return draft.decision(closed)


def c9_withdraw(session: Session, command: WithdrawInvitation, facts: Facts) -> Decision | Refusal:
    """C9: the inviter takes an open request back; reps see it."""
    invitation = session.invitation(command.invitation_id)
    if invitation is None:
        return c2_too_late(session, command.invitation_id, command.by)
    if invitation.inviter != command.by:
        return c9_only_the_inviter(session, invitation, command.by)
    draft = Draft(session, facts)
    sender = actor_of(session, facts, command.by)
    return draft.decision(withdraw(draft, invitation, reason="withdrawn", sender=sender))


def c9_only_the_inviter(session: Session, invitation: Invitation, by: Login) -> Refusal:
    """C9: only the inviter can withdraw. Reps who don't know of the request are told that it doesn't exist."""
    if not session.has_rep(by) and by not in invitation.asked:
        return _no_such_request()
    sentence = "Only the rep who asked can withdraw the request: decline it if it is for you, or ask them to."
    return e3_refuse("permission_denied", sentence, missing=["inviter"])


def c9_expired(draft: Draft, ref: str) -> None:
    """C9: nobody answered in time; reps see it, the inviter is told, and so are those who were asked."""
    invitation = draft.session.invitation(ref)
    if invitation is None:
        return
    if not draft.facts.has_come(invitation.expires_at):
        draft.set_timer(TimerKind.invitation, ref, invitation.expires_at)
        return
    close(draft, invitation, InvitationStatus.expired)
    draft.write(EntryKind.invitation_expired, Visibility.reps, details=describe(invitation))
    draft.tell([invitation.inviter], "invitation_expired", invitation_id=invitation.id)
    tell_closed(draft, invitation, invitation.waits_for, "expired")


def _no_such_request() -> Refusal:
    return e3_refuse("invitation_not_found", "There is no such request for you in this session: reload the session.")


def _closed(why: str) -> Refusal:
    return e3_refuse("invitation_closed", f"This request is no longer open, {why}: ask to be invited again.")
