"""What a messaging session is: its transcript, and the state that the transcript adds up to.

Pure values. The rules that change them are in the other modules of this package, a file for each letter of docs/conferencing.md:
people (P), inviting (C), leaving (L), transferring (T), saying (M). Names are that page's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Literal, NewType, TypeVar

from pydantic import AliasChoices, AwareDatetime, BeforeValidator, ConfigDict, Field, JsonValue

from adapters.envelope import ChannelId, Part, Referral, ReferralSource, Value

Login = NewType("Login", str)
SessionId = NewType("SessionId", str)
InvitationId = NewType("InvitationId", str)
T = TypeVar("T")


class Status(StrEnum):
    """The status of a session."""

    waiting = "waiting"  # no rep yet, or none any more: it is being routed
    active = "active"
    inactive = "inactive"  # idle for long; its reps' capacity is free (L6)
    ended = "ended"


class Visibility(StrEnum):
    """Who may see an entry. What isn't `everyone` can't reach a customer: `gateway.session.decision` has no way to send it."""

    everyone = "everyone"
    reps = "reps"
    supervisors = "supervisors"  # supervisors, and the rep who raised the flag


class Role(StrEnum):
    """The role of a participant, or of an entry's author."""

    end_user = "end_user"
    rep = "rep"
    supervisor = "supervisor"
    bot = "bot"
    system = "system"


class EntryKind(StrEnum):
    """The kind of a transcript entry."""

    message = "message"
    participant_joined = "participant_joined"
    participant_left = "participant_left"
    invited = "invited"
    invitation_expired = "invitation_expired"
    invitation_withdrawn = "invitation_withdrawn"
    transferred = "transferred"
    notice = "notice"
    flag_raised = "flag_raised"
    flag_lowered = "flag_lowered"
    whisper = "whisper"
    status_changed = "status_changed"
    message_edited = "message_edited"  # details: {"number": …} of the message, when known
    message_deleted = "message_deleted"
    reaction = "reaction"
    referral = "referral"  # the customer arrived through an ad or a link, without a message; with one, it is on the message
    handover = "handover"  # another app of the business gave us the conversation, took it, or asks for it


class Actor(Value):
    """Who did it. `name` is the public name; `id` a rep's login or the end user's id."""

    role: Role
    id: str
    name: str


class Entry(Value):
    """One line of the transcript. `number` counts from 1 without gaps; `details` hold what the kind has beyond the text.

    `referral`, on a message or alone: the ad, link or product that brought the customer.
    `details` by kind: message `{"message_id", "reply_to", "reply_to_message_id", "said_at", "author", "outside", "standby"}` (`reply_to`
    is an entry's number; `standby`: said while another app answered); handover `{"change", "app", "app_id", "may_answer", "end_user", "left_out"}` (the text
    is what the other app told us; `left_out`: messages before it that weren't kept); participant_* `{"participant": {role, id, name}, "reason",
    "invitation_id", "warning"}`; invited, invitation_* `{"invitation_id", "purpose", "recipient", "warning"}`; flag_*, whisper `{"raised_by"}`; transferred `{"invitation_id", "from", "to", "recipient"}`;
    notice `{"code", "about", "skipped"}`; status_changed `{"from", "to", "reason"}`, and `"from_queue", "to_queue"` where a new config gave the session another queue; reaction `{"emoji", "message_id", "number"}`.
    """

    number: int = Field(ge=1)
    kind: EntryKind
    visibility: Visibility
    at: AwareDatetime
    sender: Actor | None = None
    text: str | None = None
    parts: tuple[Part, ...] = ()
    referral: Referral | None = None
    details: dict[str, Any] = Field(default_factory=dict)  # JSON; checking every value takes as long as all the rest


class Participant(Value):
    """Someone in the session."""

    role: Role
    id: str
    name: str
    joined_at: AwareDatetime


class RecipientType(StrEnum):
    """Whom a request may name. `others` (a contact outside the org) exists only to be refused (C4, T2)."""

    agent = "agent"
    queue = "queue"
    flow = "flow"
    others = "others"


class Recipient(Value):
    """The recipient of a request: a rep's login, a queue's id or a flow's id."""

    type: RecipientType = Field(description="`agent`, `queue` or `flow`.")
    id: str = Field(description="A rep's login, a queue's or a flow's id.")


class Purpose(StrEnum):
    """What an invitation asks for: joining or taking over."""

    invite = "invite"
    transfer = "transfer"


class InvitationStatus(StrEnum):
    """A session contains only `open` ones."""

    open = "open"
    accepted = "accepted"
    declined = "declined"
    expired = "expired"
    withdrawn = "withdrawn"


class Invitation(Value):
    """A request to a rep to come in. `asked` are the reps who were notified, `declined` those of them who said no (C2, C8), `unavailable` those who
    went away (R7). Names are as they were when it was made; empty in a request that was kept without."""

    id: InvitationId
    purpose: Purpose
    recipient: Recipient
    recipient_name: str = ""
    inviter: Login
    inviter_name: str = ""
    status: InvitationStatus = InvitationStatus.open
    created_at: AwareDatetime
    expires_at: AwareDatetime
    asked: tuple[Login, ...]
    declined: tuple[Login, ...] = ()
    unavailable: tuple[Login, ...] = ()
    warning: str | None = None  # C5: the recipient is a bot
    note: str | None = None  # the inviter's note to those asked
    resolved: Recipient | None = None  # what a flow yielded (C3); None: the recipient itself

    @property
    def waits_for(self) -> tuple[Login, ...]:
        """Who was asked, hasn't said no and is still there."""
        return tuple(login for login in self.asked if login not in self.declined and login not in self.unavailable)

    @property
    def to_queue(self) -> bool:
        """Whether a whole queue was asked, be it by way of a flow."""
        return (self.resolved or self.recipient).type is RecipientType.queue


class ClosedInvitation(Value):
    """What is kept of an invitation that is no longer open, so that a late answer can be told why (C2)."""

    status: InvitationStatus
    inviter: Login
    asked: tuple[Login, ...]
    unavailable: tuple[Login, ...] = ()
    accepted_by: Login | None = None


class Offer(Value):
    """Routing asks one rep to take a waiting session."""

    rep: Login
    queue: str | None  # None: offered back to a rep who had it before (L6)
    offered_at: AwareDatetime
    expires_at: AwareDatetime


class Flag(Value):
    """A rep asks a supervisor for help (M4)."""

    raised_by: Login
    text: str
    raised_at: AwareDatetime


def _several(given: object) -> object:
    if given is None:
        return ()
    return given if isinstance(given, list | tuple) else (given,)


class SessionEndUser(Value):
    """The customer of a session; `id` is the address on the channel."""

    id: str
    name: str


class HeldNotice(Value):
    """A leave notice that waits for the coalescing window, in case the rep comes straight back."""

    rep: Login
    name: str
    due_at: AwareDatetime


class Session(Value):
    """A messaging session as its entries add up. `version` grows with every change, also with those that write no entry."""

    id: SessionId
    org: str
    channel_id: ChannelId
    channel_type: str
    # Who controls it: a broker elsewhere, by its kind and name (`salesforce:production`); empty: this gateway, by the rules of this package.
    broker: str = ""
    end_user: SessionEndUser
    locale: str = "en"
    status: Status = Status.waiting
    participants: tuple[Participant, ...] = ()
    invitations: tuple[Invitation, ...] = ()  # the open ones, oldest first
    # One for each rep who asks for help, the first raised first. What was kept with one at most has it as `flag`.
    flags: Annotated[tuple[Flag, ...], BeforeValidator(_several)] = Field(
        default=(), validation_alias=AliasChoices("flags", "flag")
    )
    queue: str | None = None  # where it is routed while it waits
    referral: Referral | None = None  # what last brought the customer, for flows' conditions
    handed_over_at: AwareDatetime | None = None  # when another app gave us the conversation, until one takes it
    offer: Offer | None = None
    passed: tuple[Login, ...] = ()  # who declined or let the offer lapse in this round of routing
    absent: dict[Login, AwareDatetime] = Field(default_factory=dict)  # reps without a connection, since when (L5)
    held_notices: tuple[HeldNotice, ...] = ()
    idle_at: AwareDatetime | None = None  # when it turns inactive, unless something is said before (L6)
    last_reps: tuple[Login, ...] = ()  # who was in when it turned inactive (L6)
    set_aside: Status | None = None  # what it was when its channel left the config; it is inactive until the channel is back
    closed_invitations: dict[InvitationId, ClosedInvitation] = Field(default_factory=dict)  # the newest ones, oldest first
    been_in: tuple[Login, ...] = ()  # every rep who is or was in, in the order they first came
    left: dict[Login, int] = Field(default_factory=dict)  # how far the transcript was when each rep last left
    last_message: int = 0  # the entry of the latest message; 0: none yet
    conferenced: bool = False  # two or more reps have been in at once: a conferencing session until it ends
    entry_count: int = 0
    version: int = 0
    opened_at: AwareDatetime
    last_message_at: AwareDatetime | None = None
    last_inbound_at: AwareDatetime | None = None

    def flag_of(self, login: str) -> Flag | None:
        """The flag that this rep has raised."""
        return next((flag for flag in self.flags if flag.raised_by == login), None)

    @property
    def reps(self) -> tuple[Participant, ...]:
        """The participants that count as reps: human reps and bots, not supervisors."""
        return tuple([p for p in self.participants if p.role is Role.rep or p.role is Role.bot])

    def has_rep(self, login: str) -> bool:
        """Whether this rep is in."""
        return any(p.id == login for p in self.reps)

    def same_people(self, other: Session) -> bool:
        """Whether the same reps are in, are offered or asked to it, and wait for it as in the `other` state. Cheap: nothing is compared but whether
        the one was copied from the other with these fields as they were, so only True is certain."""
        return (
            self.participants is other.participants
            and self.invitations is other.invitations
            and self.offer is other.offer
            and self.status is other.status
            and self.queue == other.queue
            and self.been_in is other.been_in
        )

    def invitation(self, invitation_id: str) -> Invitation | None:
        """The open invitation of that id."""
        return next((i for i in self.invitations if i.id == invitation_id), None)


# ------------------------------------------------------------------------------------------ people and settings


class Presence(StrEnum):
    """What a rep says of themself. Only `online` is a messaging presence status."""

    online = "online"
    online_voice = "online_voice"  # online, but not for messaging
    busy = "busy"
    away = "away"
    offline = "offline"


class RepPresence(Value):
    """A rep's presence and since when they have had nothing new to do ("longest idle first")."""

    status: Presence = Presence.offline
    idle_since: AwareDatetime | None = None
    connected: bool = False


class Rep(Value):
    """A rep as the org knows them. `name` is the public one."""

    login: Login
    org: str
    name: str
    kind: Literal["human", "bot"] = "human"
    avatar_url: str | None = None
    licences: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    supervisor: bool = False
    capacity: int = 5


class Queue(Value):
    """A queue and the reps who serve it."""

    id: str
    org: str
    name: str
    reps: tuple[Login, ...]


class ReferralCondition(Value):
    """What last brought the customer in this session. All conditions must match; customers without a referral never match."""

    sources: tuple[ReferralSource, ...] = Field(
        default=(), description="`ad`, `post`, `link`, `product`, `story`, `optin`, `page` or `other`."
    )
    ids: tuple[str, ...] = Field(default=(), description="The provider's ids of ads, posts or stories.")
    refs: tuple[str, ...] = Field(
        default=(), description="Your own values in links and ads: Messenger's `ref`, Apple's `intent`."
    )
    groups: tuple[str, ...] = Field(default=(), description="Apple's `group` in links.")
    products: tuple[str, ...] = Field(default=(), description="Ids of products that the customer asked about.")


class FlowCondition(Value):
    """The condition of a rule. Every member that is set must match."""

    channels: tuple[str, ...] = Field(default=(), description="Matches on these channels, by id or kind.")
    locales: tuple[str, ...] = Field(default=(), description="Matches in these languages; `pt` also matches `pt-BR`.")
    text_matches: str | None = Field(default=None, description="A regular expression to find in the customer's latest message.")
    attributes: dict[str, str] = Field(
        default_factory=dict,
        description="Exact values of what is known about the customer, such as the answers to a web chat's form.",
    )
    referral: ReferralCondition | None = Field(default=None, description="The ad, link or product that brought the customer.")
    hours: tuple[str, str] | None = Field(
        default=None,
        description="From the first time until just before the second, `HH:MM` in UTC; over midnight if the first is later.",
    )
    weekdays: tuple[int, ...] = Field(default=(), description="Days of the week in UTC; 0 is Monday.")


class FlowRule(Value):
    """If the condition matches, the flow names this recipient (an agent, a bot's login as agent, or a queue)."""

    when: FlowCondition = Field(default=FlowCondition(), description="The condition. An empty one always matches.")
    to: Recipient = Field(description="The recipient: an agent (a bot's login counts as one) or a queue.")


class FlowDefinition(Value):
    """A flow: the first rule that holds decides; none: it yields nothing (C3)."""

    id: str
    org: str
    name: str
    rules: tuple[FlowRule, ...] = ()


MOST_SECONDS: Final = 10 * 366 * 24 * 3600.0  # a longer time is a slip, and would leave the calendar


class OrgSettings(Value):
    """The org's switches and times."""

    model_config = ConfigDict(allow_inf_nan=False)

    skills_and_direct_to_agent_routing: bool = Field(default=True, description="Whether reps can be invited by name (P4).")
    conference_limit: int = Field(default=6, ge=1, description="Most reps and open invitations in one session (P6).")
    bots_in_conference: Literal["refuse", "warn"] = Field(default="refuse", description="Whether bots may join conferences (C5).")
    invitation_seconds: float = Field(
        default=60, gt=0, le=MOST_SECONDS, description="Time after which an unanswered invitation expires (C9)."
    )
    offer_seconds: float = Field(
        default=30, gt=0, le=MOST_SECONDS, description="Time after which offered work goes to the next rep."
    )
    routing_pause_seconds: float = Field(
        default=60, gt=0, le=MOST_SECONDS, description="Pause before a session that all reps have passed over is offered again."
    )
    disconnect_grace_seconds: float = Field(
        default=120, gt=0, le=MOST_SECONDS, description="Time after which a rep who has lost all connections leaves (L5)."
    )
    idle_seconds: float = Field(
        default=24 * 3600,
        gt=0,
        le=MOST_SECONDS,
        description="Time without a message after which a session becomes inactive (L6).",
    )
    leave_notice_hold_seconds: float = Field(
        default=2,
        ge=0,
        le=MOST_SECONDS,
        description="How long a leave notice waits; it is dropped if the rep comes back within this time (M3).",
    )
    flags_visible_to_reps: bool = Field(default=False, description="Whether reps see other reps' flags and whispers (M4).")


class ChannelFacts(Value):
    """What the rules must know of the session's channel."""

    id: ChannelId
    kind: str
    title: str = ""  # as reps see it
    org: str
    chat: bool  # P2: web and in-app
    broker: str = ""  # who controls its sessions: see `Session.broker`
    edition: Literal["enhanced", "standard"] = "enhanced"
    locale: str = "en"
    queue: str | None = None
    max_conference_participants: int | None = None
    name_speaker: Literal["always", "conference", "never"] = "conference"  # M2
    speaks_natively: bool = False  # the channel itself shows a name beside each message
    notices: dict[str, dict[str, str | None]] = Field(default_factory=dict)  # locale or "*" -> code -> template; None: off
    # Why nothing can be sent by it any more for this session: the config has no such channel, gave it to another org, or made it another kind.
    gone: Literal["removed", "moved", "kind_changed"] | None = None
    can_notify: bool = True
    cannot_notify_reason: str | None = None  # why not, as a sentence for reps on the skipped notice


# ---------------------------------------------------------------------------------------------------- what is kept beside


class DeliveryState(Value):
    """How one message to the customer fares: `queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `skipped`, `unknown`.

    `code` and `reason` (a sentence for the rep, with what can be done) stand with the last three, and with one that is `queued` for another try.
    """

    outbox_id: str
    status: str
    code: str | None = None
    reason: str | None = None
    at: AwareDatetime


class AuditRecord(Value):
    """Who asked what of a session and what came of it, without customers' words."""

    at: AwareDatetime
    login: str | None
    command: str
    outcome: str  # "done", or the refusal's code
    details: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` is the cursor of the following one. `remaining` where it is known (C10's grey lines)."""

    items: tuple[T, ...]
    next: str | None = None
    remaining: int | None = None
