"""What comes of a command: a `Decision`, or a `Refusal`, which changes nothing (E3).

`decide(session, command, facts)` in decide.py is a pure function: the store commits a decision's session, entries, outgoing messages,
timers and signals in one transaction, or none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from adapters.envelope import MediaPart, Speaker
from gateway.session.model import (
    ChannelFacts,
    Entry,
    FlowDefinition,
    Invitation,
    Login,
    OrgSettings,
    Queue,
    Rep,
    RepPresence,
    Session,
)


class Facts(NamedTuple):
    """What the rules may know beside the session. The mappings are of the session's org alone (E1), and may read lazily.

    `presence` and `load` answer for every login (offline, 0); `load` counts the active sessions a rep is in and the offers they have.
    `new_id` gives a fresh opaque id with the given prefix. `reached`: a moment that has certainly passed (a timer set to it fires),
    should the wall clock have been set back since.
    """

    now: datetime
    new_id: Callable[[str], str]
    settings: OrgSettings
    channel: ChannelFacts
    reps: Mapping[str, Rep]
    queues: Mapping[str, Queue]
    flows: Mapping[str, FlowDefinition]
    presence: Mapping[str, RepPresence]
    load: Mapping[str, int]
    latest_text: str = ""  # the customer's latest words, for flows' conditions
    attributes: Mapping[str, str] = MappingProxyType({})  # what is known of the customer, for flows' conditions
    reached: datetime | None = None

    def has_come(self, moment: datetime) -> bool:
        """Whether a due time is reached."""
        return moment <= max(self.now, self.reached or self.now)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something the customer is to see. Made only from an entry of visibility `everyone` (see `gateway.session.outward.outgoing_for`)."""

    entry_number: int
    kind: Literal["say", "notice"]
    text: str | None = None
    file: MediaPart | None = None
    speaker: Speaker | None = None  # None: the customer needn't be told who speaks
    code: Literal["joined", "left", "transferred", "ended", "waiting"] | None = None  # of a notice
    about: Speaker | None = None
    human: bool = True
    reply_to: int | None = None  # an entry's number


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimerFired(kind, ref)` at `due_at`; one timer per (session, kind, ref), setting it again moves it."""

    kind: str
    ref: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget it, if it is there."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that these reps are told at once and that is not an entry.

    Types: `work_offered` {queue, queue_name, expires_at}; `work_withdrawn` {reason: accepted|declined|lapsed|ended|unavailable|handed_over}, to the rep who had the
    offer, whose other screens close it; `invitation_received` {invitation, from: {id, name}}; `invitation_closed` {invitation_id, reason:
    taken|withdrawn|expired|ended|declined|accepted|unavailable, from: {id, name}, customer: {name}}, to those asked (accepted, declined: to who did,
    for their other screens); `invitation_declined` {invitation_id, by: {id, name}, all}, `invitation_expired` {invitation_id} and
    `invitation_unavailable` {invitation_id, by: {id, name}} (R7), to the inviter alone.
    """

    to: tuple[Login, ...]
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Decision(NamedTuple):
    """The session afterwards, and all that must be committed with it. No change at all: `session` is the one given."""

    session: Session
    entries: tuple[Entry, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()
    timers: tuple[SetTimer | CancelTimer, ...] = ()
    signals: tuple[Signal, ...] = ()
    invitation: Invitation | None = None  # for the answer of invite, accept, decline, withdraw
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule said no: one code (of docs/conferencing.md), and one sentence that says what to do."""

    code: str
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)
