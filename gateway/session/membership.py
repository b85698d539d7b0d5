"""Coming in and going out, and requests that close: the bookkeeping that the rules C, L and T share. No rule decides here."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from gateway.session.admission import actor_of
from gateway.session.commands import TimerKind
from gateway.session.draft import Draft
from gateway.session.model import (
    Actor,
    ClosedInvitation,
    EntryKind,
    Invitation,
    InvitationId,
    InvitationStatus,
    Login,
    Participant,
    Rep,
    Role,
    Visibility,
)

# How many closed requests are remembered, and how many logins of reps who were asked by them (a queue may have hundreds). A late
# answer to an older one gets "not found" instead of "taken"; nobody answers that late.
CLOSED_KEPT = 20
ASKED_KEPT = 2_000


def come_in(draft: Draft, rep: Rep, reason: str, invitation: Invitation | None = None) -> Actor:
    """The rep becomes a participant; reps see it in the transcript."""
    role = Role.bot if rep.kind == "bot" else Role.rep
    session = draft.session
    draft.change(
        participants=(*session.participants, Participant(role=role, id=rep.login, name=rep.name, joined_at=draft.facts.now)),
        been_in=session.been_in if rep.login in session.been_in else (*session.been_in, rep.login),
        conferenced=session.conferenced or len(session.reps) >= 1,
    )
    actor = Actor(role=role, id=rep.login, name=rep.name)
    details: dict[str, JsonValue] = {"participant": actor.model_dump(mode="json"), "reason": reason}
    if invitation is not None:
        details["invitation_id"] = invitation.id
    if draft.warning is not None:
        details["warning"] = draft.warning
    draft.write(EntryKind.participant_joined, Visibility.reps, sender=actor, details=details)
    return actor


def go_out(draft: Draft, login: Login, reason: str) -> Actor:
    """The rep is a participant no more; reps see it. Their open requests and their flag go with them."""
    actor = actor_of(draft.session, draft.facts, login)
    session = draft.session
    draft.change(participants=tuple(p for p in session.participants if p.id != login or p.role is Role.end_user))
    if login in session.absent:
        draft.change(absent={who: since for who, since in session.absent.items() if who != login})
        draft.cancel_timer(TimerKind.grace, login)
    details: dict[str, JsonValue] = {"participant": actor.model_dump(mode="json"), "reason": reason}
    draft.write(EntryKind.participant_left, Visibility.reps, sender=actor, details=details)
    for invitation in draft.session.invitations:
        if invitation.inviter == login:
            withdraw(draft, invitation, reason="inviter_left")
    lower_flag(draft, login, reason="left")
    reads_up_to_here(draft, login)
    return actor


def reads_up_to_here(draft: Draft, login: Login) -> None:
    """A rep who is out keeps the transcript as it is now (E1)."""
    draft.change(left={**draft.session.left, login: draft.session.entry_count})


def describe(invitation: Invitation, **more: JsonValue) -> dict[str, JsonValue]:
    """An invitation as the details of an entry."""
    details: dict[str, JsonValue] = {
        "invitation_id": invitation.id,
        "purpose": invitation.purpose.value,
        "recipient": {
            "type": invitation.recipient.type.value,
            "id": invitation.recipient.id,
            "name": invitation.recipient_name or invitation.recipient.id,
        },
    }
    if invitation.warning is not None:
        details["warning"] = invitation.warning
    return details | more


def close(draft: Draft, invitation: Invitation, status: InvitationStatus, accepted_by: Login | None = None) -> Invitation:
    """Take a request from the open ones, remember how it ended, and forget its timer."""
    remembered = ClosedInvitation(
        status=status,
        inviter=invitation.inviter,
        asked=invitation.asked,
        unavailable=invitation.unavailable,
        accepted_by=accepted_by,
    )
    closed = newest({**draft.session.closed_invitations, invitation.id: remembered})
    draft.change(
        invitations=tuple(i for i in draft.session.invitations if i.id != invitation.id),
        closed_invitations=closed,
    )
    draft.cancel_timer(TimerKind.invitation, invitation.id)
    return invitation.model_copy(update={"status": status})


def newest(closed: dict[InvitationId, ClosedInvitation]) -> dict[InvitationId, ClosedInvitation]:
    """The newest closed requests, within the bounds; at least one."""
    kept: list[InvitationId] = []
    asked = 0
    for id in reversed(closed):
        asked += len(closed[id].asked)
        if kept and (len(kept) == CLOSED_KEPT or asked > ASKED_KEPT):
            break
        kept.append(id)
    return {id: closed[id] for id in reversed(kept)}


def withdraw(draft: Draft, invitation: Invitation, *, reason: str, sender: Actor | None = None) -> Invitation:
    """Close a request before it was answered; reps see it, those asked are told."""
    closed = close(draft, invitation, InvitationStatus.withdrawn)
    details = describe(invitation, reason=reason)
    draft.write(EntryKind.invitation_withdrawn, Visibility.reps, sender=sender, details=details)
    tell_closed(draft, invitation, invitation.waits_for, "ended" if reason == "ended" else "withdrawn")
    return closed


def tell_closed(draft: Draft, invitation: Invitation, to: Iterable[Login], reason: str) -> None:
    """Tell those asked that the request is closed, with its inviter and customer, because they may no longer look it up."""
    about = {"from": {"id": invitation.inviter, "name": invitation.inviter_name or invitation.inviter}}
    customer = {"name": draft.session.end_user.name}
    draft.tell(to, "invitation_closed", invitation_id=invitation.id, reason=reason, customer=customer, **about)


def withdraw_all(draft: Draft, reason: str) -> None:
    """Close every open request."""
    for invitation in draft.session.invitations:
        withdraw(draft, invitation, reason=reason)


def lower_flag(draft: Draft, raised_by: str, reason: str, sender: Actor | None = None) -> None:
    """Lower this rep's flag, if it is raised; supervisors and the rep see it."""
    flag = draft.session.flag_of(raised_by)
    if flag is None:
        return
    draft.change(flags=tuple(one for one in draft.session.flags if one is not flag))
    details: dict[str, JsonValue] = {"raised_by": flag.raised_by, "reason": reason}
    draft.write(EntryKind.flag_lowered, Visibility.supervisors, sender=sender, details=details)


def lower_all_flags(draft: Draft, reason: str) -> None:
    """Lower whatever is raised."""
    for flag in draft.session.flags:
        lower_flag(draft, flag.raised_by, reason)
