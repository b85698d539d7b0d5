"""What can be asked of a session. Each is a value; `by` is the rep who asks (their org was checked at the door, E1).

What people ask for is checked as it comes in. What channels, connections and the clock bring is made here, of values that were checked already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue

from adapters.envelope import (
    ChannelId,
    EndUser,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundHandover,
    InboundMessage,
    InboundReaction,
    InboundReferral,
    MediaPart,
    Part,
    Value,
)
from gateway.session.model import Actor, InvitationId, Login, Recipient, Status

Earlier: TypeAlias = tuple[InboundMessage | InboundReferral, ...]


@dataclass(frozen=True, slots=True)
class CustomerSaid:
    """The customer (or our side by another tool, see `author`) said something.

    `earlier` are messages that were kept aside while another app answered. They go before the message, in order.
    """

    message: InboundMessage
    earlier: Earlier = ()
    answers: int | None = None  # the entry that `message.reply_to` names, when we have it


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    """The customer edited, took back or reacted to a message. `number` is the entry that it names, when we have it."""

    change: InboundEdit | InboundDeletion | InboundReaction
    number: int | None = None


@dataclass(frozen=True, slots=True)
class CustomerCame:
    """The customer arrived through an ad or a link, and said nothing."""

    came: InboundReferral


@dataclass(frozen=True, slots=True)
class ThreadChanged:
    """Another app of the business gave us the conversation, took it, or asks for it. `earlier`: as of `CustomerSaid`; `left_out` are
    messages before those that weren't kept."""

    handover: InboundHandover
    earlier: Earlier = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class CustomerEnded:
    """L4: the customer ended, closed or blocked the conversation, or opted out."""

    ended: InboundEnded


class AcceptWork(Value):
    """The rep takes the session that routing offers."""

    by: Login


class DeclineWork(Value):
    """The rep passes; the next one is asked."""

    by: Login


class SayToCustomer(Value):
    """M1. A text, a file (stored already, so `state` is ready), or both."""

    by: Login
    text: str | None = Field(default=None, max_length=100_000)
    file: MediaPart | None = None
    reply_to: int | None = None  # the entry that it answers


class Invite(Value):
    """C1-C6; with purpose `transfer`: T1."""

    by: Login
    recipient: Recipient
    purpose: Literal["invite", "transfer"] = "invite"
    note: str | None = Field(default=None, max_length=2_000)


class AcceptInvitation(Value):
    """A rep who was asked accepts (C2, C7); with purpose `transfer`, they take over (T1)."""

    by: Login
    invitation_id: InvitationId


class DeclineInvitation(Value):
    """A rep who was asked declines (C8)."""

    by: Login
    invitation_id: InvitationId


class WithdrawInvitation(Value):
    """The inviter takes an open request back (C9)."""

    by: Login
    invitation_id: InvitationId


class Leave(Value):
    """A rep leaves a session in which others stay (L1, L2)."""

    by: Login


class End(Value):
    """The last rep, or a supervisor, ends the session (L3)."""

    by: Login


class RaiseFlag(Value):
    """A rep in the session asks supervisors for help, with a message (M4)."""

    by: Login
    text: str = Field(min_length=1, max_length=4_000)


class LowerFlag(Value):
    """M4: by the rep or a supervisor. `raised_by`: whose; None: one's own, for a supervisor the one that was raised first."""

    by: Login
    raised_by: Login | None = None


class Whisper(Value):
    """M4: between the flagging rep and supervisors. `to`: about whose flag; None: as for `LowerFlag`."""

    by: Login
    to: Login | None = None
    text: str = Field(min_length=1, max_length=10_000)


@dataclass(frozen=True, slots=True)
class RepDisconnected:
    """The last of the rep's connections is gone: the grace time begins (L5)."""

    by: Login


@dataclass(frozen=True, slots=True)
class RepConnected:
    """A connection is back, so the grace time ends."""

    by: Login


@dataclass(frozen=True, slots=True)
class RepUnavailable:
    """The rep no longer takes messaging work: went away, offline or to voice only (R7)."""

    by: Login


@dataclass(frozen=True, slots=True)
class Route:
    """Look for a rep for a waiting session: someone became available. Changes nothing when there is none, or an offer is open.

    `became_free`: the rep who came online or finished another session. If all have passed, a new round starts. None when
    capacity was freed by a declined or lapsed offer: this must ask nobody who has passed, or it would never stop asking.
    """

    became_free: Login | None = None


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The gateway starts, perhaps with another config than the one this session was stored under."""


@dataclass(frozen=True, slots=True)
class RelayedSaid:
    """In a session that a broker elsewhere controls: somebody there said this to the customer. `automatic`: no person wrote it. Where no session is open, it
    opens one, on this channel with this customer."""

    by: Actor
    parts: tuple[Part, ...]
    details: dict[str, JsonValue]
    channel_id: ChannelId
    end_user: EndUser
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class RelayedPeople:
    """The broker elsewhere reports, as one step, who came in and who went. `announced`: the customer is told of it by us."""

    came: tuple[Actor, ...] = ()
    went: tuple[Actor, ...] = ()
    announced: bool = True


@dataclass(frozen=True, slots=True)
class RelayedStatus:
    """The broker elsewhere gave the session this status, for a reason in its own words."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class RelayedOffer:
    """With routing by this gateway, a broker elsewhere asks this rep for us until then; None: nobody is asked."""

    rep: Login | None
    expires_at: datetime


class TimerKind:
    """The kinds of timers, by name."""

    offer = "offer"  # ref: the rep's login; "": all have passed, and the pause until the next round
    invitation = "invitation"  # ref: the invitation's id
    grace = "grace"  # ref: the rep's login
    idle = "idle"  # ref: ""
    leave_notice = "leave_notice"  # ref: the rep's login


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer of the session is due. If its reason is gone (the offer was taken), it changes nothing.

    `due_at`: when it was due. That moment has passed, whatever the wall clock says now.
    """

    kind: str  # of TimerKind
    ref: str
    due_at: datetime | None = None


Asked: TypeAlias = (
    AcceptWork
    | DeclineWork
    | SayToCustomer
    | Invite
    | AcceptInvitation
    | DeclineInvitation
    | WithdrawInvitation
    | Leave
    | End
    | RaiseFlag
    | LowerFlag
    | Whisper
)
Command: TypeAlias = (
    Asked
    | CustomerSaid
    | CustomerChanged
    | CustomerCame
    | ThreadChanged
    | CustomerEnded
    | RepDisconnected
    | RepConnected
    | RepUnavailable
    | Route
    | Reconcile
    | RelayedSaid
    | RelayedPeople
    | RelayedStatus
    | RelayedOffer
    | TimerFired
)
