"""What the API answers: one model a shape, one function each that makes it from our own value.

Kept apart from the inner models on purpose: what a rep is shown is chosen here, member by member, so that a new inner field (a
provider's media key, a held notice, somebody else's offer) reaches nobody until it is written down here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, WithJsonSchema

from gateway.brokers.contract import Caller, Directory, Effect
from gateway.session.audience import Access, e1_sight
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination
from gateway.session.inviting import c6_could_ask
from gateway.session.model import (
    Actor,
    AuditRecord,
    ChannelFacts,
    Flag,
    Invitation,
    InvitationStatus,
    Offer,
    Page,
    Participant,
    Presence,
    Purpose,
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
    """Base of all answers."""

    # An answer has all its members always, so its schema says "required" for those with a default, too.
    model_config = ConfigDict(
        frozen=True, populate_by_name=True, json_schema_serialization_defaults_required=True, defer_build=True
    )


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


def name_of_rep(directory: Directory, org: str, login: str) -> str:
    """The public name; the login of one whom the org no longer knows."""
    rep = directory.rep(org, login)
    return rep.name if rep else login


def name_of_queue(directory: Directory, org: str, id: str | None) -> str | None:
    """What people call it; the id of one that the org no longer has."""
    queue = directory.queue(org, id) if id is not None else None
    return queue.name if queue else id


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
    """Whom a request names: a rep's login, a queue's id, a flow's id; and what people call it."""

    type: RecipientType
    id: str
    name: str


def recipient_of(invitation: Invitation) -> RecipientShape:
    """Whom a request names."""
    recipient = invitation.recipient
    return RecipientShape(type=recipient.type, id=recipient.id, name=invitation.recipient_name or recipient.id)


class InvitationShape(Shape):
    """A request to come in. `asked` are the reps who were notified, `declined` those of them who said no (told to the inviter alone);
    `warning` is set when the recipient is a bot."""

    id: str
    purpose: Purpose
    recipient: RecipientShape
    from_: str = Field(alias="from", description="The login of the rep who asks.")
    from_name: str = Field(description="The rep's public name.")
    status: InvitationStatus
    created_at: Time
    expires_at: Time
    asked: list[str]
    declined: list[str]
    note: str | None
    warning: str | None


def invitation_of(invitation: Invitation, caller: Caller, directory: Directory, warning: str | None = None) -> InvitationShape:
    """An invitation, with the answer's warning if it doesn't have one. Who said no is for the inviter and supervisors (C8); others see
    at most themselves there."""
    told = caller.supervisor or caller.login == invitation.inviter
    return InvitationShape(
        id=invitation.id,
        purpose=invitation.purpose,
        recipient=recipient_of(invitation),
        from_=invitation.inviter,
        from_name=invitation.inviter_name or name_of_rep(directory, caller.org, invitation.inviter),
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
    raised_by_name: str
    text: str
    raised_at: Time


def flag_of(flag: Flag, caller: Caller, directory: Directory) -> FlagShape | None:
    """The flag, for those who may know of it: supervisors, the rep who raised it, other reps only where the org says so (M4)."""
    open_to_reps = directory.settings(caller.org).flags_visible_to_reps
    if not (caller.supervisor or caller.login == flag.raised_by or open_to_reps):
        return None
    name = name_of_rep(directory, caller.org, flag.raised_by)
    return FlagShape(raised_by=flag.raised_by, raised_by_name=name, text=flag.text, raised_at=flag.raised_at)


class OfferShape(Shape):
    """Routing asks a rep to take the session, until `expires_at`."""

    rep: str
    rep_name: str
    queue: str | None
    queue_name: str | None
    offered_at: Time
    expires_at: Time


def offer_of(offer: Offer, caller: Caller, directory: Directory) -> OfferShape | None:
    """The offer, for the rep who has it, and for supervisors."""
    if not (caller.supervisor or caller.login == offer.rep):
        return None
    return OfferShape(
        rep=offer.rep,
        rep_name=name_of_rep(directory, caller.org, offer.rep),
        queue=offer.queue,
        queue_name=name_of_queue(directory, caller.org, offer.queue),
        offered_at=offer.offered_at,
        expires_at=offer.expires_at,
    )


class EndUserShape(Shape):
    """The customer; `id` is the address on the channel."""

    id: str
    name: str


class AllowedShape(Shape):
    """Whether something can be asked for now; if not, the code and the sentence that a request would be refused with."""

    allowed: bool
    code: str | None
    reason: str | None


def allowed_of(refusal: Refusal | None) -> AllowedShape:
    """What a refusal, or none, means for a button."""
    return AllowedShape(
        allowed=refusal is None, code=refusal.code if refusal else None, reason=refusal.sentence if refusal else None
    )


class CanShape(Shape):
    """What the caller may ask for in the session, whomever they name: `invite` somebody in, `transfer` it."""

    invite: AllowedShape
    transfer: AllowedShape


def can_of(session: Session, caller: Caller, directory: Directory) -> CanShape:
    """By the very rules that judge the requests. A channel that is no longer configured takes none."""
    channel = directory.channel(caller.org, session.channel_id) or ChannelFacts(
        id=session.channel_id, kind=session.channel_type, org=caller.org, chat=False, gone="removed"
    )
    settings = directory.settings(caller.org)

    def judged(purpose: Purpose) -> AllowedShape:
        return allowed_of(c6_could_ask(session, caller.login, purpose, settings, channel))

    return CanShape(invite=judged(Purpose.invite), transfer=judged(Purpose.transfer))


class SessionShape(Shape):
    """A messaging session. `invitations` are the open ones, `offer` is routing's to the caller, `version` grows with every change.

    `access` says how much of it the caller sees: `full`; `preview`, who is asked in and hasn't answered: their request, the customer's name and the latest
    message; `past`, who was in: the transcript until they left; `none`, in the answer to a command by which they lost it. What they don't see is
    empty here.
    """

    id: str
    access: Access
    can: CanShape
    channel_id: str
    channel_type: str
    channel_title: str
    status: Status
    end_user: EndUserShape
    participants: list[ParticipantShape]
    invitations: list[InvitationShape]
    flag: FlagShape | None = Field(description="The caller's own flag, otherwise the first of `flags`.")
    flags: list[FlagShape] = Field(description="The flags that the caller may know of, in the order they were raised.")
    offer: OfferShape | None
    queue: str | None
    queue_name: str | None
    locale: str
    conferenced: bool = Field(description="Two or more reps have been in the session at once.")
    entry_count: int
    version: int
    opened_at: Time
    last_message_at: Time | None
    last_inbound_at: Time | None


def session_of(session: Session, caller: Caller, directory: Directory) -> SessionShape:
    """The session as this caller may see it; the broker has taken away what they may not."""
    channel = directory.channel(caller.org, session.channel_id)
    flags = [shown for flag in session.flags if (shown := flag_of(flag, caller, directory))]
    return SessionShape(
        id=session.id,
        access=e1_sight(session, caller.login, caller.supervisor, caller.queues).access,
        can=can_of(session, caller, directory),
        channel_id=session.channel_id,
        channel_type=session.channel_type,
        channel_title=channel.title if channel else session.channel_id,
        status=session.status,
        end_user=EndUserShape(id=session.end_user.id, name=session.end_user.name),
        participants=[participant_of(p) for p in session.participants],
        invitations=[invitation_of(i, caller, directory) for i in session.invitations],
        flag=next((flag for flag in flags if flag.raised_by == caller.login), flags[0] if flags else None),
        flags=flags,
        offer=offer_of(session.offer, caller, directory) if session.offer else None,
        queue=session.queue,
        queue_name=name_of_queue(directory, caller.org, session.queue),
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
    """Whom a rep may ask. Agents carry `load` and `capacity`, queues `available`: how many of their reps are.

    A request to one that is `allowed` would be granted now; else `code` and `reason` are those of the refusal.
    """

    type: RecipientType
    id: str
    name: str
    load: int | None
    capacity: int | None
    available: int | None
    bot: bool
    allowed: bool
    code: str | None
    reason: str | None


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
        allowed=destination.code is None,
        code=destination.code,
        reason=destination.reason,
    )


class AuditShape(Shape):
    """A command, who gave it, and its outcome: `done`, or the refusal's code. It contains no customer text."""

    at: Time
    login: str | None
    name: str | None
    command: str
    outcome: str
    details: Json


def audit_of(record: AuditRecord, caller: Caller, directory: Directory) -> AuditShape:
    """One record."""
    return AuditShape(
        at=record.at,
        login=record.login,
        name=name_of_rep(directory, caller.org, record.login) if record.login else None,
        command=record.command,
        outcome=record.outcome,
        details=record.details,
    )


class JoinedShape(InvitationShape):
    """An accepted invitation, and the session as it is with the caller in it."""

    session: SessionShape


def joined_of(answer: Effect, caller: Caller, directory: Directory) -> JoinedShape:
    """What an acceptance gave. Raises ValueError when the answer has no invitation."""
    if answer.invitation is None:
        raise ValueError("an acceptance answers with its invitation")
    invitation = invitation_of(answer.invitation, caller, directory, answer.warning)
    return JoinedShape(**dict(invitation), session=session_of(answer.session, caller, directory))
