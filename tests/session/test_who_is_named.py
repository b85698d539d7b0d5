"""`named_in`: everyone whom a session names, in whatever member. To all others it is shown alike."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from adapters.envelope import ChannelId, Value
from adapters.referral import Referral
from gateway.session.audience import named_in
from gateway.session.model import (
    ClosedInvitation,
    Flag,
    HeldNotice,
    Invitation,
    InvitationId,
    InvitationStatus,
    Login,
    Offer,
    Participant,
    Purpose,
    Recipient,
    RecipientType,
    Role,
    Session,
    SessionEndUser,
    SessionId,
    Status,
)
from tests.session.world import START

_count = itertools.count(1)


def who() -> Login:
    """Somebody else each time."""
    return Login(f"who-{next(_count)}-")


def a_full_session() -> Session:
    """Every member of it is set, and says something."""
    return Session(
        id=SessionId("ses_1"),
        org="acme",
        channel_id=ChannelId("sms"),
        channel_type="sms",
        broker="",
        end_user=SessionEndUser(id="+1", name="Kim"),
        locale="en",
        status=Status.active,
        participants=tuple(
            Participant(role=role, id=who(), name="x", joined_at=START) for role in Role if role is not Role.end_user
        ),
        invitations=(
            Invitation(
                id=InvitationId("inv_1"),
                purpose=Purpose.invite,
                recipient=Recipient(type=RecipientType.agent, id=who()),
                recipient_name="x",
                inviter=who(),
                inviter_name="x",
                status=InvitationStatus.open,
                created_at=START,
                expires_at=START,
                asked=(who(), who()),
                declined=(who(),),
                unavailable=(who(),),
                warning="w",
                note="n",
                resolved=Recipient(type=RecipientType.agent, id=who()),
            ),
        ),
        flags=(Flag(raised_by=who(), text="help", raised_at=START),),
        queue="support",
        referral=Referral(source="other"),
        handed_over_at=START,
        offer=Offer(rep=who(), queue="support", offered_at=START, expires_at=START),
        passed=(who(),),
        absent={who(): START},
        held_notices=(HeldNotice(rep=who(), name="x", due_at=START),),
        idle_at=START,
        last_reps=(who(),),
        set_aside=Status.active,
        closed_invitations={
            InvitationId("inv_0"): ClosedInvitation(
                status=InvitationStatus.accepted, inviter=who(), asked=(who(),), unavailable=(who(),), accepted_by=who()
            )
        },
        been_in=(who(),),
        left={who(): 3},
        last_message=1,
        conferenced=True,
        entry_count=1,
        version=1,
        opened_at=START,
        last_message_at=START,
        last_inbound_at=START,
    )


def values(one: Value) -> Iterator[Value]:
    """This one and those in it."""
    yield one
    for member in dict(one).values():
        several = member.values() if isinstance(member, dict) else member if isinstance(member, tuple) else (member,)
        for inner in several:
            if isinstance(inner, Value):
                yield from values(inner)


def test_everyone_is_named() -> None:
    session = a_full_session()
    for value in values(session):
        if not isinstance(value, Referral):  # the customer's
            assert value.model_fields_set == type(value).model_fields.keys(), "a member of the model that this test doesn't know"
    everyone = set(re.findall(r"who-\d+-", session.model_dump_json()))
    assert len(everyone) > 20
    assert named_in(session) == everyone
