"""What the edge and the journal ask of a session broker: our embedded one, or Salesforce's.

Every method that changes something is durable when it returns (E4). A refusal is a value, `Refusal`. The caller's org bounds all that is seen and
touched: what belongs to another org answers as if it weren't there (E1). A cursor that none of a list's pages gave raises BadCursor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from pydantic import Field, JsonValue

from adapters.envelope import ChannelId, Inbound, MediaPart, Value
from gateway.session.commands import Asked
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination
from gateway.session.model import (
    AuditRecord,
    ChannelFacts,
    DeliveryState,
    Entry,
    Invitation,
    Login,
    OrgSettings,
    Page,
    Presence,
    Purpose,
    Queue,
    RecipientType,
    Rep,
    RepPresence,
    Session,
    SessionId,
    Status,
)

T = TypeVar("T")
PASSING: Final = ("typing", "rep_types")  # kinds of events that are stored nowhere


class Caller(Value):
    """Who asks: a rep of an org. `audiences` are the names under which events may be seen by them (`rep:ana`, `queue:support`, `supervisors`)."""

    login: Login
    org: str
    name: str
    supervisor: bool = False
    audiences: frozenset[str] = frozenset()

    @property
    def queues(self) -> frozenset[str]:
        """The queues that they serve."""
        return frozenset(name.removeprefix("queue:") for name in self.audiences if name.startswith("queue:"))


class Effect(Value):
    """What a command gave: the session as it now is, and what the command made."""

    session: Session
    entry: Entry | None = None  # the first entry the command wrote
    invitation: Invitation | None = None
    warning: str | None = None


class Line(Value):
    """An entry as its readers see it: with how its delivery fares, its files' state, and later changes.

    `media` gives for each media part's `media_id` its state now (`{"state", "url", "mime_type", "size_bytes", "name", "reason"}`; `url` is signed, relative to
    the gateway, and expires). `deleted` lines have lost their text and parts.
    """

    entry: Entry
    delivery: tuple[DeliveryState, ...] = ()
    media: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    edited: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Event:
    """Something that happened, as one caller may see it. All who are to be shown the same of it are given the same object. `number` counts within the broker; None: it isn't stored (typing) and can't be resumed from.

    Types: `entry` {entry: a Line}, `session` {session}, `session_gone` {} (it has changed so that the caller sees nothing of it any more), `delivery` {number, delivery: […]}, `media` {number, media_id, …}, `typing` {who, on}, `presence` {login, status},
    and the signals of `gateway.session.decision.Signal` by their own names.
    """

    number: int | None
    type: str
    session_id: SessionId | None
    at: datetime
    data: dict[str, Any]


class EventsGone(Exception):
    """The events after this number are no longer kept, or the number was never given out here (a backup was restored): reload the state."""


class SlowListener(Exception):
    """The listener has not read for too long; it may come again and resume."""


class ReportedEvent(Value):
    """What a broker elsewhere reports of sessions that it controls. `channel_id` is its lane in the inbox; `event_id`, by which doubles are found, is
    unique there."""

    channel_id: ChannelId
    event_id: str
    kind: str

    @property
    def conversation_key(self) -> str:
        """The same for all events of a conversation, which keep their order; of others nothing is known."""
        return self.event_id


def why_not_applied(error: Exception) -> str:
    """Why a webhook is stuck, for operators. Words of the error's may be a customer's."""
    return f"could not be applied: {type(error).__name__}"


class Broker(Protocol):
    """The central session broker. Methods that take a `caller` see and change only the caller's org (E1)."""

    async def take_in(self, inbound: Sequence[Inbound | ReportedEvent]) -> Sequence[Exception | None]:
        """Events of customers, and of brokers elsewhere, in order. Each is applied once: a duplicate (channel_id, event_id) does nothing. Durable on return.
        One result an event: None, or why it alone could not be applied. Of many events perhaps only the first ones are applied, because a command waits:
        the others have no result, and are to be given again. Raises BrokerUnavailable; then giving all again is right."""
        ...

    async def command(self, caller: Caller, session_id: str, command: Asked, *, key: str | None = None) -> Effect | Refusal:
        """A rep's command. With an idempotency `key` (scoped to the caller) a repetition gives the first answer and does nothing (E2);
        the same key with another command: `idempotency_key_reused`."""
        ...

    async def typing(self, caller: Caller, session_id: str, on: bool) -> Refusal | None:
        """The caller started or stopped typing (M5). Shown to the other reps and, if the channel can, to the customer; never stored."""
        ...

    async def sessions(
        self, caller: Caller, *, status: Status | None, mine: bool, q: str | None, cursor: str | None, limit: int
    ) -> Page[Session]:
        """Sessions the caller may see: their own, those offered to them, those waiting in their queues; supervisors: all of their org. Latest activity first."""
        ...

    async def session(self, caller: Caller, session_id: str) -> Session | Refusal:
        """One session: `session_not_found` unless the caller may see it."""
        ...

    async def entries(
        self, caller: Caller, session_id: str, *, before: int | None, after: int | None, limit: int
    ) -> Page[Line] | Refusal:
        """The transcript as the caller may see it, oldest first within the page. Without `after`: the newest `limit` (below `before`); `remaining` counts the older ones."""
        ...

    async def destinations(
        self, caller: Caller, session_id: str, *, purpose: Purpose, type: RecipientType, q: str, cursor: str | None, limit: int
    ) -> Page[Destination] | Refusal:
        """Whom the caller can name in a request with this purpose, of one type, sorted by name (T3). `q` filters by words in name or id. A refusal if the caller
        isn't in the session or it isn't active, or if the cursor is not of this list."""
        ...

    async def audit(self, caller: Caller, session_id: str, *, cursor: str | None, limit: int) -> Page[AuditRecord] | Refusal:
        """Every command and refusal of the session, newest first, for supervisors; others get `permission_denied`. Raises BadCursor."""
        ...

    async def resend(self, caller: Caller, session_id: str, outbox_id: str, *, key: str | None = None) -> Effect | Refusal:
        """Queue a failed, skipped or unknown message again; `key` as in `command` (E2). `not_resendable` for any other state."""
        ...

    async def store_file(self, caller: Caller, name: str, mime_type: str, content: bytes) -> MediaPart:
        """Keep a rep's file, to be said by `SayToCustomer(file=…)`. Its id is new each time, and `command` passes over it when it
        compares a repeated command with the first (E2)."""
        ...

    async def presence(self, caller: Caller) -> RepPresence:
        """The caller's own."""
        ...

    async def set_presence(self, caller: Caller, status: Presence) -> RepPresence:
        """Set the caller's presence; durable on return. Going online offers waiting sessions; going away withdraws offers and requests (R7)."""
        ...

    async def connected(self, caller: Caller) -> None:
        """One more of the rep's event streams is open (L5). Counted whatever the store says; it is written down as soon as it can be."""
        ...

    async def disconnected(self, caller: Caller) -> None:
        """One fewer, once for each `connected`; with the last, the grace time of the rep's sessions begins (L5)."""
        ...

    async def position(self, caller: Caller) -> int:
        """The number of the latest event: `events` after it misses nothing that happens from now on (0: none happened yet)."""
        ...

    def events(self, caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        """What the caller may see, as it happens, one or more at a time; first what happened after number `after` (None: from now on), then on and on.
        Raises EventsGone when `after` is older than what is kept or newer than all, SlowListener when it isn't read for too long."""
        ...

    async def ready(self) -> None:
        """Raises BrokerUnavailable, with the reason, when commands would fail."""
        ...


class Contact(Value):
    """Whom a rep can name in the console of a broker elsewhere. `record` is that broker's id. `waits_seconds`: of a queue, how long the customer who has
    waited longest does."""

    type: RecipientType
    record: str
    name: str
    transfer: bool
    conference: bool
    busy: bool = False
    remark: str = ""
    waits_seconds: int | None = None


class Connector(Protocol):
    """What the page of ours that is embedded in the console of a broker elsewhere asks for its rep, where this gateway routes. `work_item` is that broker's
    id of a session."""

    async def contacts(
        self, caller: Caller, work_item: str, *, types: Sequence[RecipientType], q: str, free: bool, offset: int, limit: int
    ) -> Sequence[Contact] | Refusal:
        """A page of whom the rep can name, by type and name. `free`: only those who can take the session now. Never anybody outside the org."""
        ...

    async def work_changed(self, caller: Caller, work_item: str, work: str, change: str) -> Refusal | None:
        """The rep was given work, or answered it: `Assigned`, `Accepted`, `Declined` or `Closed`."""
        ...


class Directory(Protocol):
    """Who is who: tokens to callers, and the org's people. Read from the config, or a company's own directory."""

    def caller_of(self, token: str, now: datetime) -> Caller | None:
        """Whose token this is; compared in constant time. None: nobody's."""
        ...

    def rep(self, org: str, login: str) -> Rep | None:
        """A rep of the org."""
        ...

    def queue(self, org: str, id: str) -> Queue | None:
        """A queue of the org."""
        ...

    def channel(self, org: str, id: str) -> ChannelFacts | None:
        """A channel of the org; None also when it is no longer configured."""
        ...

    def settings(self, org: str) -> OrgSettings:
        """The org's settings for the rules. Raises KeyError for an unknown org."""
        ...
