"""Asking others in: invitations (C) and transfers (T), and what the asked say."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from gateway.brokers.contract import Effect
from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.destinations import AskableType
from gateway.edge.api.shapes import InvitationShape, JoinedShape, invitation_of, joined_of
from gateway.edge.input import Id, Input, Nothing, Words
from gateway.session.commands import AcceptInvitation, Asked, DeclineInvitation, Invite, WithdrawInvitation
from gateway.session.decision import Refusal
from gateway.session.inviting import c1_one_recipient
from gateway.session.model import InvitationId, Recipient

_ASKING: Final = (
    "permission_denied", "conferencing_not_supported", "not_a_participant", "session_not_active", "conferencing_controlled_by_salesforce", "recipient_type_not_allowed",
    "direct_routing_disabled", "recipient_not_found", "recipient_not_available", "recipient_at_capacity", "already_participant",
    "invitation_pending", "participant_limit_reached", "flow_yielded_no_recipient", "invalid_input",
)  # fmt: skip


class RecipientBody(Input):
    """Exactly one (C1): a rep's login, a queue's id, a flow's id."""

    type: AskableType
    id: Id


class InvitationBody(Input):
    """Whom to ask; `note` is shown to those who are asked."""

    recipient: Annotated[RecipientBody, BeforeValidator(c1_one_recipient)]
    note: Annotated[Words, Field(max_length=2_000)] | None = None


@call(
    "POST", "/sessions/{session_id}/invitations", "Invite somebody", tag="conference",
    body=InvitationBody, answer=InvitationShape, status=201, codes=_ASKING,
)  # fmt: skip
async def invite(ask: Ask[InvitationBody, Nothing]) -> InvitationShape | Refusal:
    """An agent is asked alone; of a queue all eligible reps are, and the first to accept joins (C2); a flow names one of the two (C3)."""
    return await _asked(ask, "invite")


@call(
    "POST", "/sessions/{session_id}/transfers", "Transfer the session", tag="conference",
    body=InvitationBody, answer=InvitationShape, status=201, codes=_ASKING,
)  # fmt: skip
async def transfer(ask: Ask[InvitationBody, Nothing]) -> InvitationShape | Refusal:
    """As an invitation; at its acceptance the recipient joins and the caller leaves, in one step (T1)."""
    return await _asked(ask, "transfer")


@call(
    "POST", "/sessions/{session_id}/invitations/{invitation_id}/accept", "Come in", tag="conference", answer=JoinedShape,
    codes=("permission_denied", "invitation_not_found", "invitation_already_taken", "invitation_closed", "already_participant",
           "recipient_at_capacity", "recipient_not_available", "participant_limit_reached", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def accept_invitation(ask: Ask[Nothing, Nothing]) -> JoinedShape | Refusal:
    """The caller is in, and may write at once (C7). Exactly one of those who were asked gets in (C2)."""
    answer = await _command(ask, AcceptInvitation(by=ask.caller.login, invitation_id=_id(ask)))
    return answer if isinstance(answer, Refusal) else joined_of(answer, ask.caller, ask.directory)


@call(
    "POST", "/sessions/{session_id}/invitations/{invitation_id}/decline", "Say no", tag="conference", answer=InvitationShape,
    codes=("invitation_not_found", "invitation_already_taken", "invitation_closed", "already_participant", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def decline_invitation(ask: Ask[Nothing, Nothing]) -> InvitationShape | Refusal:
    """Only the one who asked is told (C8)."""
    return await _invitation_after(ask, DeclineInvitation(by=ask.caller.login, invitation_id=_id(ask)))


@call(
    "POST", "/sessions/{session_id}/invitations/{invitation_id}/withdraw", "Withdraw a request", tag="conference", answer=InvitationShape,
    codes=("permission_denied", "invitation_not_found", "invitation_already_taken", "invitation_closed", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def withdraw_invitation(ask: Ask[Nothing, Nothing]) -> InvitationShape | Refusal:
    """By the one who asked, while it is open (C9)."""
    return await _invitation_after(ask, WithdrawInvitation(by=ask.caller.login, invitation_id=_id(ask)))


async def _asked(ask: Ask[InvitationBody, Nothing], purpose: Literal["invite", "transfer"]) -> InvitationShape | Refusal:
    recipient = Recipient(type=ask.body.recipient.type, id=ask.body.recipient.id)
    return await _invitation_after(ask, Invite(by=ask.caller.login, recipient=recipient, purpose=purpose, note=ask.body.note))


async def _invitation_after(
    ask: Ask[InvitationBody, Nothing] | Ask[Nothing, Nothing], command: Asked
) -> InvitationShape | Refusal:
    answer = await _command(ask, command)
    if isinstance(answer, Refusal):
        return answer
    if answer.invitation is None:
        raise ValueError("a request answers with its invitation")
    return invitation_of(answer.invitation, ask.caller, ask.directory, answer.warning)


async def _command(ask: Ask[InvitationBody, Nothing] | Ask[Nothing, Nothing], command: Asked) -> Effect | Refusal:
    return await ask.broker.command(ask.caller, ask.session_id, command, key=ask.key)


def _id(ask: Ask[Nothing, Nothing]) -> InvitationId:
    return InvitationId(ask.path["invitation_id"])


CALLS: Final[tuple[Call, ...]] = (invite, transfer, accept_invitation, decline_invitation, withdraw_invitation)
