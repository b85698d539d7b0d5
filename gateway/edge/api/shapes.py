"""What the API answers: one model a shape, one function each that makes it from our own value.

Kept apart from the inner models on purpose: what a rep is shown is chosen here, member by member, so that a new inner field (a
provider's media key, a held notice, somebody else's offer) reaches nobody until it is written down here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, WithJsonSchema

from gateway.brokers.contract import Answer, AuditRecord, Caller, Destination, Page
from gateway.session.model import (
    Actor,
    Flag,
    Invitation,
    InvitationStatus,
    Offer,
    OrgSettings,
    Participant,
    Presence,
    Purpose,
    Recipient,
    RecipientType,
    Rep,
    RepPresence,
    Role,
    Session,
    Status,
)

S = TypeVar("S", bound="Shape")


def rfc3339(moment: datetime) -> str:
    """`2026-11-23T15:04:05.123456Z`: always UTC, always with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "Z$"}, mode="serialization"),
]
Json = dict[str, JsonValue]


class Shape(BaseModel):
    """Ground of all answers."""

    # An answer has all its members always, so its schema says "required" for those with a default, too.
    model_config = ConfigDict(frozen=True, populate_by_name=True, json_schema_serialization_defaults_required=True)


class Listing(Shape, Generic[S]):
    """One page. `next` is the cursor of the following page, null on the last; `remaining` how many lie beyond it, where that is known."""

    items: list[S]
    next: str | None
    remaining: int | None = None


def listing_of(page: Page[Any], items: list[S]) -> Listing[S]:
    """The page with its items shaped."""
    return Listing(items=items, next=page.next, remaining=page.remaining)


# --------------------------------------------------------------------------------------------------- people


class PresenceShape(Shape):
    """What a rep says of themself. `connected`: at least one event stream is open."""

    status: Presence
    idle_since: Time | None
    connected: bool


def presence_of(presence: RepPresence) -> PresenceShape:
    """The caller's own presence."""
    return PresenceShape(status=presence.status, idle_since=presence.idle_since, connected=presence.connected)


class MeShape(Shape):
    """Who the token is. `permissions`, `licences` and `capacity` are the rep record's; a token without one has none."""

    login: str
    name: str
    org: str
    supervisor: bool
    kind: Literal["human", "bot"]
    avatar_url: str | None
    permissions: list[str]
    licences: list[str]
    capacity: int
    presence: PresenceShape


def me_of(caller: Caller, rep: Rep | None, presence: RepPresence) -> MeShape:
    """The caller as the directory knows them."""
    return MeShape(
        login=caller.login,
        name=rep.name if rep else caller.name,
        org=caller.org,
        supervisor=caller.supervisor,
        kind=rep.kind if rep else "human",
        avatar_url=rep.avatar_url if rep else None,
        permissions=sorted(rep.permissions) if rep else [],
        licences=sorted(rep.licences) if rep else [],
        capacity=rep.capacity if rep else 0,
        presence=presence_of(presence),
    )


class ActorShape(Shape):
    """Somebody: a rep's `id` is the login, the end user's the address on the channel."""

    role: Role
    id: str
    name: str


def actor_of(actor: Actor) -> ActorShape:
    """Who did something."""
    return ActorShape(role=actor.role, id=actor.id, name=actor.name)


class ParticipantShape(ActorShape):
    """Somebody in the session."""

    joined_at: Time


def participant_of(participant: Participant) -> ParticipantShape:
    """Somebody in the session."""
    return ParticipantShape(role=participant.role, id=participant.id, name=participant.name, joined_at=participant.joined_at)


# -------------------------------------------------------------------------------------------------- session


class RecipientShape(Shape):
    """Whom a request names: a rep's login, a queue's id, a flow's id."""

    type: RecipientType
    id: str


def recipient_of(recipient: Recipient) -> RecipientShape:
    """Whom a request names."""
    return RecipientShape(type=recipient.type, id=recipient.id)


class InvitationShape(Shape):
    """A request to come in. `asked` are the reps who were notified, `declined` those of them who said no (told to the inviter alone);
    `warning` is set when the recipient is a bot."""

    id: str
    purpose: Purpose
    recipient: RecipientShape
    from_: str = Field(alias="from", description="The login of the rep who asks.")
    status: InvitationStatus
    created_at: Time
    expires_at: Time
    asked: list[str]
    declined: list[str]
    note: str | None
    warning: str | None


def invitation_of(invitation: Invitation, caller: Caller, warning: str | None = None) -> InvitationShape:
    """An invitation, with the answer's warning if it has none of its own. Who said no is for the inviter and supervisors (C8); others see
    at most themselves there."""
    told = caller.supervisor or caller.login == invitation.inviter
    return InvitationShape(
        id=invitation.id,
        purpose=invitation.purpose,
        recipient=recipient_of(invitation.recipient),
        from_=invitation.inviter,
        status=invitation.status,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        asked=list(invitation.asked),
        declined=[login for login in invitation.declined if told or login == caller.login],
        note=invitation.note,
        warning=invitation.warning or warning,
    )


class FlagShape(Shape):
    """A rep asks a supervisor for help (M4)."""

    raised_by: str
    text: str
    raised_at: Time


def flag_of(flag: Flag, caller: Caller, settings: OrgSettings) -> FlagShape | None:
    """The flag, for those who may know of it: supervisors, the rep who raised it, other reps only where the org says so (M4)."""
    if not (caller.supervisor or caller.login == flag.raised_by or settings.flags_visible_to_reps):
        return None
    return FlagShape(raised_by=flag.raised_by, text=flag.text, raised_at=flag.raised_at)


class OfferShape(Shape):
    """Routing asks a rep to take the session, until `expires_at`."""

    rep: str
    queue: str | None
    offered_at: Time
    expires_at: Time


def offer_of(offer: Offer, caller: Caller) -> OfferShape | None:
    """The offer, for the rep who has it, and for supervisors."""
    if not (caller.supervisor or caller.login == offer.rep):
        return None
    return OfferShape(rep=offer.rep, queue=offer.queue, offered_at=offer.offered_at, expires_at=offer.expires_at)


class EndUserShape(Shape):
    """The customer; `id` is the address on the channel."""

    id: str
    name: str


class SessionShape(Shape):
    """A messaging session. `invitations` are the open ones, `offer` is routing's to the caller, `version` grows with every change."""

    id: str
    channel_id: str
    channel_type: str
    status: Status
    end_user: EndUserShape
    participants: list[ParticipantShape]
    invitations: list[InvitationShape]
    flag: FlagShape | None
    offer: OfferShape | None
    queue: str | None
    locale: str
    conferenced: bool = Field(description="Two or more reps have been in at once.")
    entry_count: int
    version: int
    opened_at: Time
    last_message_at: Time | None
    last_inbound_at: Time | None


def session_of(session: Session, caller: Caller, settings: OrgSettings) -> SessionShape:
    """The session as this caller may see it."""
    return SessionShape(
        id=session.id,
        channel_id=session.channel_id,
        channel_type=session.channel_type,
        status=session.status,
        end_user=EndUserShape(id=session.end_user.id, name=session.end_user.name),
        participants=[participant_of(p) for p in session.participants],
        invitations=[invitation_of(i, caller) for i in session.invitations],
        flag=flag_of(session.flag, caller, settings) if session.flag else None,
        offer=offer_of(session.offer, caller) if session.offer else None,
        queue=session.queue,
        locale=session.locale,
        conferenced=session.conferenced,
        entry_count=session.entry_count,
        version=session.version,
        opened_at=session.opened_at,
        last_message_at=session.last_message_at,
        last_inbound_at=session.last_inbound_at,
    )


# ------------------------------------------------------------------------------------- destinations and audit


class DestinationShape(Shape):
    """Whom a rep may ask. Agents carry `load` and `capacity`, queues `available`: how many of their reps are."""

    type: RecipientType
    id: str
    name: str
    load: int | None
    capacity: int | None
    available: int | None
    bot: bool


def destination_of(destination: Destination) -> DestinationShape:
    """Whom a rep may ask."""
    return DestinationShape(
        type=destination.type,
        id=destination.id,
        name=destination.name,
        load=destination.load,
        capacity=destination.capacity,
        available=destination.available,
        bot=destination.bot,
    )


class AuditShape(Shape):
    """Who asked what, and what came of it: `done`, or the refusal's code. No customer's words."""

    at: Time
    login: str | None
    command: str
    outcome: str
    details: Json


def audit_of(record: AuditRecord) -> AuditShape:
    """One record."""
    return AuditShape(at=record.at, login=record.login, command=record.command, outcome=record.outcome, details=record.details)


class JoinedShape(InvitationShape):
    """An accepted invitation, and the session as it is with the caller in it."""

    session: SessionShape


def joined_of(answer: Answer, caller: Caller, settings: OrgSettings) -> JoinedShape:
    """What an acceptance gave. Raises ValueError when the answer has no invitation."""
    if answer.invitation is None:
        raise ValueError("an acceptance answers with its invitation")
    invitation = invitation_of(answer.invitation, caller, answer.warning)
    return JoinedShape(**dict(invitation), session=session_of(answer.session, caller, settings))
