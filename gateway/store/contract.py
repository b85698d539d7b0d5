"""What the rooms above the store share with it: the values that pass between them, and what a transaction offers, by noun. No store is named here.

`now` is when the job that is under way began, by the wall clock; whatever is written is stamped with it. `steady` is a moment on the clock that never jumps
(`gateway.clock`), in Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from pydantic import Field, JsonValue

from adapters.contract import Sent
from adapters.envelope import (
    ChannelId,
    EndUser,
    Inbound,
    InboundMessage,
    InboundReferral,
    MediaPart,
    MediaState,
    Notice,
    OutboundEvent,
    OutboundFile,
    Say,
    SignedReading,
)
from gateway.session.model import AuditRecord, DeliveryState, Entry, Page, Presence, RepPresence, Session, Status
from gateway.session.searching import words_of
from gateway.store.inbox_contract import Tally

T = TypeVar("T")
MOST_PARKED_PER_NAME: Final = 20
MOST_ASIDE: Final = 200
WITHDRAWN: Final = "customer_ended"  # the code of what was not sent because the customer had ended the conversation

# ------------------------------------------------------------------------------------------------------- what a send came to

EntryKey: TypeAlias = tuple[str, int]  # the session and the number
OverState: TypeAlias = Literal["failed", "unknown", "skipped"]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a message was not (surely) taken: our code, the sentence that a rep reads, and what the provider said: its own code, its words, and the
    status of its HTTP answer. Its words may quote the message."""

    code: str
    reason: str
    provider_code: str | None = None
    detail: str | None = field(default=None, repr=False)
    status: int | None = None

    @property
    def told(self) -> str:
        """For operators: `rate_limited 130429: (#130429) Rate limit hit`."""
        return " ".join(filter(None, (self.code, self.provider_code))) + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Again:
    """Not taken; it is sent again after `seconds`, or after `sooner` if a call of the account succeeds meanwhile (None: the failure is the
    message's own, so that says nothing of it). `remember`: as in `Sent`."""

    why: Why
    seconds: float
    sooner: float | None = None
    remember: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Over:
    """Not sent again by itself: `failed`, `unknown` (the customer may have it), or `skipped` (a notice, or what can't be said here)."""

    state: OverState
    why: Why
    remember: Mapping[str, Any] = field(default_factory=dict, repr=False)


Outcome: TypeAlias = Sent | Again | Over


# ------------------------------------------------------------------------------------------------------------------- values


class Call(OutboundEvent):
    """A row of the outbox that no customer sees: a call to the broker that controls the session. `channel_id` is that broker's lane, `to` the conversation
    there (`channel/address`), and `memory` what is known of it. `operation` and `body` are the broker's own. `about` is the channel whose customer it is
    about; `file` a customer's file that goes with it. `ref`: by which its holder knows the answer. `batch` names the list in `body` that may take up those of the next rows that are otherwise equal,
    `most` of them in all."""

    kind: Literal["call"] = "call"
    operation: str
    about: ChannelId
    body: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    file: OutboundFile | None = None
    ref: str = ""
    batch: str = ""
    most: int = 1

    def with_more(self, other: Call) -> Call | None:
        """Both in one call; None: they don't fit."""
        if not self.batch or (self.operation, self.batch) != (other.operation, other.batch):
            return None
        mine, theirs = self.body.get(self.batch), other.body.get(self.batch)
        rest = {key: value for key, value in self.body.items() if key != self.batch}
        if not isinstance(mine, list) or not isinstance(theirs, list) or len(mine) + len(theirs) > self.most:
            return None
        if rest != {key: value for key, value in other.body.items() if key != self.batch}:
            return None
        return self.model_copy(update={"body": {**rest, self.batch: [*mine, *theirs]}})


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that a customer is to see. `attempts` counts the next one too; `created_at` is when it was said, or sent again; `hastened`:
    how many times it was due before its time, because its account's calls succeeded again."""

    id: str
    org: str
    channel_id: str
    address: str
    session_id: str
    entry_number: int
    kind: str
    payload: str = field(repr=False)  # the message as JSON, without its kind
    media_id: str | None
    attempts: int
    hastened: int
    state: str
    code: str | None
    created_at: float
    lost_at: float | None  # when an earlier call began in which the process died: its outcome isn't known


class Ready(NamedTuple):
    """Rows to send now. `full`: they are as many as were asked for, so there may be more. `held`: one is due in a conversation that has a busy row."""

    rows: Sequence[OutboxRow] = ()
    full: bool = True
    held: bool = False


@dataclass(frozen=True, slots=True)
class OutboxReport:
    """A message as operators see it. `next_at` is on the steady clock; `first`: none of its conversation waits before it."""

    id: str
    channel_id: str
    session_id: str
    entry_number: int
    kind: str
    state: str
    code: str | None
    reason: str | None
    provider_code: str | None
    payload: str = field(repr=False)  # the message as JSON, without its kind
    created_at: float
    updated_at: float
    sent_at: float | None
    next_at: float
    first: bool


class Attempt(NamedTuple):
    """One try to send a message, and what came of it."""

    at: float
    outcome: str
    detail: str


class Conversation(NamedTuple):
    """The adapter's memory, and when the customer last wrote (Unix seconds)."""

    memory: Mapping[str, Any]
    last_inbound_at: float | None


class MessageRef(NamedTuple):
    """Which entry a provider's message id names; `outbox_id` when it is ours."""

    session_id: str
    number: int
    outbox_id: str | None


class Whose(NamedTuple):
    """The key that a person is kept under, and who was moved for it, as (old key, new key), in order."""

    address: str
    moved: tuple[tuple[str, str], ...] = ()


class DueTimer(NamedTuple):
    """A timer that is due: `due_at` is the moment that the rules named, `fires_at` the same on the steady clock."""

    session_id: str
    kind: str
    ref: str
    due_at: float
    fires_at: float


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """What desks are told. `audience` are the names of those who may see it."""

    number: int
    at: float
    org: str
    session_id: str | None
    type: str
    audience: frozenset[str]
    data: Mapping[str, Any]


class PendingFile(NamedTuple):
    """A customer's file that is still to be fetched."""

    id: str
    channel_id: str
    part: MediaPart
    attempts: int


class StoredFile(NamedTuple):
    """The state of a file: `pending`, `ready` or `failed`."""

    id: str
    org: str
    session_id: str | None
    entry_number: int | None
    state: str
    name: str | None
    mime_type: str | None
    size_bytes: int | None
    reason: str | None


class ChannelWas(NamedTuple):
    """Whose the channel was, and of which kind, at the last start."""

    org: str
    kind: str


class Place(NamedTuple):
    """An org, channel and queue in which sessions are open."""

    channel_id: str
    org: str
    queue: str | None
    kind: str
    set_aside: bool
    broker: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions of an org a list is of. `everything`: all, as for a supervisor; else those that the rep is or was in, is offered or asked to, and those that
    wait in `queues`. `mine`: those that the rep is in, or was in when they ended. `q`: a session's id, or words of the customer's name and address."""

    org: str
    login: str
    everything: bool
    queues: frozenset[str]
    mine: bool = False
    status: Status | None = None
    q: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Of the search; none: it is for all."""
        return words_of(self.q)


class Waiting(NamedTuple):
    """Messages that wait to go out by a channel for sessions of an org. `about`: of calls to a broker elsewhere, on its lane, the customer's channel."""

    channel_id: str
    org: str
    messages: int
    about: str = ""


# -------------------------------------------------------------------------------------------------------------------- nouns


class Sessions(Protocol):
    """Sessions, their transcripts, and which rep has to do with which."""

    def load(self, session_id: str) -> Session | None:
        """The session of that id."""
        ...

    def newest_of_address(self, channel_id: str, address: str, org: str) -> Session | None:
        """The latest session of this end user with this org, ended or not. The channel may have been another org's before (E1)."""
        ...

    def before(self, session: Session) -> Session | None:
        """The session that this customer had before it, on the same channel and in the same org."""
        ...

    def open_of_address(self, channel_id: str, address: str) -> list[Session]:
        """The sessions with this end user that haven't ended, oldest first: one, unless two people turned out to be the same."""
        ...

    def readdress(self, channel_id: str, old: str, new: str) -> None:
        """Move everything under one address of a person to another, including messages that wait to be sent.
        Sessions that are open must have been saved under the new one; here are those that have ended, and the outbox rows of all."""
        ...

    def save(self, session: Session, *, before: Session | None, quiet: bool = False) -> None:
        """Write the session as it now is, and who has to do with it; `quiet` counts as no activity. Raises StaleSession, here or when the transaction
        ends, unless the stored version is that of `before` (None: it is new)."""
        ...

    def append(self, session_id: str, entries: Iterable[Entry]) -> None:
        """Add entries to the transcript; a number that is taken fails the transaction."""
        ...

    def mark_changed(self, session_id: str, number: int, change: str) -> None:
        """A later entry edited or took back this one: `edited` or `deleted`."""
        ...

    def several(self, session_ids: Collection[str]) -> dict[str, Session]:
        """Those of them that there are."""
        ...

    def entry(self, session_id: str, number: int) -> tuple[Entry, str | None] | None:
        """One entry and how a later one changed it."""
        ...

    def entries_at(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[Entry, str | None]]:
        """As `entry`, for each of them that there is."""
        ...

    def ended_by_customer(self, session_id: str) -> bool:
        """L4: whether the session has ended, and the customer ended it."""
        ...

    def newest_first(self, session_id: str, *, before: int | None = None, chunk: int = 100) -> Iterator[tuple[Entry, str | None]]:
        """The transcript backwards from below `before`, read a chunk at a time."""
        ...

    def oldest_first(self, session_id: str, *, after: int = 0, chunk: int = 100) -> Iterator[tuple[Entry, str | None]]:
        """The transcript onwards from above `after`."""
        ...

    def for_supervisors(self, session_id: str, below: int) -> list[Entry]:
        """Entries below a number that not everybody in the session may see; they are few."""
        ...

    def latest_text(self, session_id: str) -> str:
        """The customer's latest words, for flows' conditions."""
        ...

    def load_of(self, org: str, login: str) -> int:
        """How many active sessions and offers the rep has."""
        ...

    def to_route(self, org: str, queue: str, limit: int) -> list[str]:
        """Waiting sessions of a queue that nobody is offered, oldest first."""
        ...

    def of_rep(self, org: str, login: str, *ties: str) -> list[str]:
        """Sessions that have not ended, and that the rep is tied to in one of these ways: `in`, `offered`, `asked` (by an invitation), `was`."""
        ...

    def been_in(self, session_ids: Collection[str]) -> dict[str, list[str]]:
        """Reps who are or were in each of these sessions."""
        ...

    def kinds_of(self, session_ids: Collection[str]) -> dict[str, str]:
        """Of which kind the channel was when each of these sessions was opened."""
        ...

    def open_by_status(self) -> dict[str, int]:
        """How many sessions haven't ended."""
        ...


class Lists(Protocol):
    """Sessions by their latest activity, and search."""

    def walk(self, wanted: Wanted, *, after: int | None, chunk: int) -> Iterator[tuple[int, Session]]:
        """All that are wanted and perhaps a few more (what of a session the rep may know is for the rules to say), each with its place in lists, from after
        that place on: latest activity first, and the last opened first where it is the same. They are read a chunk at a time."""
        ...

    def file(self, most: int) -> int:
        """File sessions that rest (are ended or inactive), so that search finds them without looking through all; how many were filed. It finds the others
        too, at the price of looking through them."""
        ...


class Conversations(Protocol):
    """What is known beyond sessions: which events had their effect, what waits for its message, adapters' memory, and the person."""

    def first_sight(self, channel_id: str, event_id: str) -> bool:
        """Whether the event is new; from now on it is not."""
        ...

    def first_reading(self, channel_id: str, signed: SignedReading) -> bool:
        """Whether the proof stands for this reading of the request: for the first that came under it, and for no other."""
        ...

    def park(self, inbound: Inbound, names: Iterable[str]) -> None:
        """Keep an event that came before the message it names; at most MOST_PARKED_PER_NAME of each, so that nonsense can't fill the disk."""
        ...

    def unpark(self, channel_id: str, names: Sequence[str]) -> list[Inbound]:
        """The events that waited for these messages, for each the oldest first. They wait no longer."""
        ...

    def of(self, channel_id: str, address: str) -> Conversation:
        """What is remembered of the conversation."""
        ...

    def remember(self, channel_id: str, address: str, changes: Mapping[str, Any], *, wrote_at: float | None = None) -> None:
        """Merge into the memory, key by key; None removes. `wrote_at`: when the customer wrote."""
        ...

    def keep_profile(self, channel_id: str, address: str, profile: Mapping[str, Any]) -> None:
        """What the customer or the channel told of the person (a form's answers, say), merged into what is known."""
        ...

    def attributes(self, channel_id: str, address: str) -> dict[str, str]:
        """What is known of the customer, for flows' conditions: the profile's plain values, as texts."""
        ...

    def keep_name(self, channel_id: str, address: str, end_user: EndUser) -> bool:
        """What an event calls the person; whether that is new."""
        ...

    def learn(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """What the provider told when it was asked: it is not asked again."""
        ...

    def known_name(self, channel_id: str, address: str) -> str | None:
        """What the person is called: by an event, or as the provider told when it was asked; the name, else the username."""
        ...

    def unknown(self, channels: Sequence[str], limit: int) -> list[tuple[str, str]]:
        """(channel, address) of conversations whose person was never looked up, newest first."""
        ...

    def ask_anew(self, channel_id: str, address: str) -> None:
        """Whom another org knew is new to this one."""
        ...

    def forget_persons(self, channel_id: str, limit: int) -> int:
        """What is known of the people of a channel that another org has now: names, and what they answered to forms. How many were forgotten.
        What the adapter remembers stays (say, that a customer has opted out). Providers aren't asked about everybody again, but about who comes to
        write (`ask_anew`)."""
        ...

    def forget_all(self, channel_id: str) -> None:
        """The channel is of another kind now: its addresses and what its adapter remembered mean nothing to the new one."""
        ...

    def forget_words(self, channel_id: str) -> None:
        """What was kept aside, and edits that wait for their message, were meant for the org that had the channel; receipts are nobody's words."""
        ...


class MessageIds(Protocol):
    """Which entry a provider's message id names."""

    def of(self, channel_id: str, message_id: str) -> MessageRef | None:
        """The entry that it names."""
        ...

    def of_entry(self, session_id: str, number: int) -> str | None:
        """The provider's id of an entry (its first, when it became several messages)."""
        ...

    def name(self, channel_id: str, message_id: str, session_id: str, number: int) -> None:
        """It stands for this entry, unless it stands for another."""
        ...

    def stand_for(self, row: OutboxRow, message_ids: Sequence[str], *, again: bool = False) -> None:
        """They name the row, those that name nothing yet; with `again`, those count too that had been written off."""
        ...

    def write_off(self, row: OutboxRow, message_ids: Sequence[str] | None = None) -> None:
        """The tries with these ids (None: all so far) have failed: what is said of them from now on says nothing of the row."""
        ...

    def of_row(self, row: OutboxRow) -> Mapping[str, bool]:
        """The ids that name the row, and whether each was written off."""
        ...


class Aside(Protocol):
    """What is kept aside of a conversation: messages while another app answers, and ads or links that brought a customer without a message. The newest
    MOST_ASIDE of a conversation are kept, for as long as `Records.purge` lets them be."""

    def keep(self, inbound: InboundMessage | InboundReferral, address: str) -> None:
        """Keep it; the oldest makes room, and is counted."""
        ...

    def take(self, channel_id: str, address: str) -> tuple[tuple[InboundMessage | InboundReferral, ...], int]:
        """All of the conversation, in the order in which it arrived, and how many before it weren't kept. It is aside no longer."""
        ...

    def forget(self, channel_id: str, address: str, message_id: str) -> None:
        """The customer took this message back: nobody of ours gets to read it."""
        ...

    def move(self, channel_id: str, old: str, new: str) -> None:
        """The person is kept under another address from now on."""
        ...


class Addresses(Protocol):
    """Which person an address leads to (the rules are in `gateway.store.addresses`)."""

    def known(self, channel_id: str, end_user: EndUser) -> str:
        """The key of this person, without writing anything down; for a stranger, the address itself."""
        ...

    def read_ahead(self, channel_id: str, end_users: Sequence[EndUser]) -> list[str]:
        """These people are about to be asked for: read what that needs in one statement; their keys, each once."""
        ...

    def settle(self, channel_id: str, end_user: EndUser, *, at: float) -> Whose:
        """The key of this person, who had these addresses at that time (Unix seconds); what follows from it is written down.
        Aliases and conversations follow a person who moves; sessions and outbox rows are the caller's to move."""
        ...

    def learn(self, channel_id: str, end_user: EndUser, *, at: float) -> str:
        """The key of the person whom a receipt is about. It speaks of where a message went, perhaps long ago: so it moves nothing, and only tells
        which ids the owner of a number has."""
        ...

    def current(self, channel_id: str, address: str) -> tuple[str, ...]:
        """The person's other addresses that are theirs now, the last used first."""
        ...


class Reps(Protocol):
    """Reps' presence and connections."""

    def presence(self, org: str, login: str, *, steady: Callable[[], datetime], grace_seconds: float) -> RepPresence:
        """A rep's; one whose event streams have all been gone for longer than `grace_seconds` counts as offline. `steady`: the steady clock."""
        ...

    def set_presence(self, org: str, login: str, status: Presence) -> None:
        """What the rep says. Saying anything proves that they are there."""
        ...

    def took_work(self, org: str, login: str) -> None:
        """The rep has got something to do: the longest idle is somebody else now."""
        ...

    def is_connected(self, org: str, login: str) -> bool:
        """Whether an event stream of the rep's is written down as open."""
        ...

    def is_held_here(self, org: str, login: str) -> bool:
        """The same of those streams that this process has."""
        ...

    def held_here(self) -> set[tuple[str, str]]:
        """(org, login) of all reps with a stream that is recorded as open in this process."""
        ...

    def set_connected(self, org: str, login: str, connected: bool, steady: datetime) -> bool:
        """The first of the rep's event streams in this process has opened, or the last has closed. Whether it is the first, or the last, of all processes."""
        ...

    def adrift(self) -> set[tuple[str, str]]:
        """(org, login) of all reps with a stream that is recorded as open in a process that is gone."""
        ...

    def let_go(self, org: str, login: str, steady: datetime) -> bool:
        """Those streams of the rep are closed. Whether they were the last."""
        ...

    def begin_anew(self, steady: float) -> None:
        """Called at startup, when the steady clock starts: no stream can have ended later than that by it."""
        ...


class Events(Protocol):
    """What desks are told, by number. An event says what to look at; what it looks like is read when it is given out."""

    def add(self, *, org: str, session_id: str | None, type: str, audience: Iterable[str], data: Mapping[str, Any]) -> None:
        """Write one; it gets its number in the order of writing. Of those of a transaction that tell the same audience that a session changed
        (`session`), only the first may be stored: whoever reads it sees all that the transaction did."""
        ...

    def after(self, number: int, limit: int = 500) -> list[StoredEvent]:
        """Those after `number`, in order."""
        ...

    def newest(self) -> int:
        """The highest number given so far."""
        ...

    def oldest(self) -> int:
        """The lowest number still kept; one more than the newest when none is."""
        ...


class Timers(Protocol):
    """Timers fire once, also after a restart. The steady clock decides, so one runs its time though the wall clock is set meanwhile. At a start the two
    clocks agree, and what waits fires by the moment that the rules named."""

    def set(self, session_id: str, kind: str, ref: str, due_at: datetime, fires_at: datetime) -> None:
        """One for each session, kind and ref: setting it again moves it."""
        ...

    def cancel(self, session_id: str, kind: str, ref: str) -> None:
        """Forget it, if it is there."""
        ...

    def due(self, steady: float, limit: int = 200) -> list[DueTimer]:
        """Timers to fire, the oldest first."""
        ...

    def take(self, timer: DueTimer) -> bool:
        """Remove it, in the transaction of its effect; False: it was moved, cancelled, or fired by another process."""
        ...

    def next_due(self) -> float | None:
        """When the next one fires."""
        ...

    def begin_anew(self) -> None:
        """A process starts, and with it the steady clock."""
        ...


class Outbox(Protocol):
    """One row for each message that a customer will see, in order per conversation. Its states are listed in `gateway.store.outbox`."""

    def add(self, message: Say | Notice | Call, *, org: str, session_id: str, entry_number: int, media_id: str | None) -> None:
        """Queue one message; its `id` and `retry_key` were made by the caller."""
        ...

    def ready(
        self, channel_id: str, *, steady: float, limit: int, busy: Sequence[str], lanes: Collection[int] | None = None
    ) -> Ready:
        """The first open row of each conversation of the channel that is due; conversations that one of the rows in `busy` belongs to
        are left alone, under whatever address they are by now. Messages of reps come before notices where conversations compete. `lanes`: only of these; rows
        that another process is sending, which is alive, are left alone, too."""
        ...

    def following(self, row: OutboxRow, *, limit: int) -> list[OutboxRow]:
        """Rows of the same conversation that wait behind this one and were never tried, in order."""
        ...

    def has_open(self, channel_id: str, address: str) -> bool:
        """Whether something of this conversation waits to be sent, or is being sent."""
        ...

    def readdress(self, channel_id: str, old: str, new: str) -> None:
        """A conversation of a broker's lane has another name: what is to be sent, or may be once more, is of that from now on. (For a channel's own,
        `Sessions.readdress` does it.)"""
        ...

    def one(self, outbox_id: str) -> OutboxRow | None:
        """A row by its id; rows are never removed."""
        ...

    def several(self, outbox_ids: Sequence[str]) -> dict[str, OutboxRow]:
        """Rows by their ids."""
        ...

    def addresses_of(self, outbox_ids: Sequence[str]) -> dict[str, str]:
        """To whom these rows go, by now."""
        ...

    def begin(self, outbox_ids: Sequence[str], *, read_under: Mapping[str, str] | None = None) -> set[str]:
        """From now on the customer may have these, if they are in the result. Others are final, or being sent by another process, and must not be sent.
        `read_under`: their addresses as they were read before their people were held; where one has changed since, the job is done once more."""
        ...

    def go_on(self, rows: Collection[OutboxRow]) -> set[str]:
        """Those of these rows in whose conversations something waits to be sent, perhaps they themselves."""
        ...

    def heads(self, lanes: Collection[int] | None = None) -> list[tuple[str, float]]:
        """(channel, when it is due on the steady clock) of the first open row of every conversation that has one. `lanes`: as in `ready`."""
        ...

    def begin_anew(self, latest: float) -> None:
        """A process starts, and with it the steady clock: by it nothing waits beyond `latest`, however far the old one was ahead."""
        ...

    def settle(self, row: OutboxRow, outcome: Outcome, *, steady: float) -> None:
        """Record the outcome of the call. A row that is final already (a receipt came first) keeps its state; one whose conversation the customer has
        ended is not tried again."""
        ...

    def hasten(self, channel_id: str, *, limit: int) -> int:
        """A call of the account has succeeded: messages that waited for that are due when they asked to be in this case (`Again.sooner`), the
        oldest first. How many."""
        ...

    def give_up(self, row: OutboxRow, over: Over) -> None:
        """No call will be made for it: its channel is gone. Those who see it are to be told by the caller."""
        ...

    def open_of(self, what: Waiting, limit: int) -> list[OutboxRow]:
        """What waits to go out by a channel for an org, or was cut off in its call, the oldest first."""
        ...

    def withdraw(self, channel_id: str, address: str) -> list[OutboxRow]:
        """Skip what waits to be sent to this customer, and return those rows. A call that has begun continues and is the last try."""
        ...

    def requeue(self, outbox_id: str, retry_key: str) -> OutboxRow | None:
        """Send a troubled row again; None: it isn't troubled, or was withdrawn because the customer ended the conversation.
        One that was refused is a new message to the provider: with a new retry key and a new time limit. An unknown one keeps both, so that
        the provider can tell it from a new one."""
        ...

    def raise_state(self, row: OutboxRow, status: str) -> bool:
        """A receipt says `sent`, `delivered` or `read`: only upwards, and out of `unknown` too. Whether anything changed."""
        ...

    def fail_late(self, row: OutboxRow, over: Over) -> bool:
        """A receipt says that what was taken has failed after all. What was delivered stays so, and what waits for another try has been refused before.
        Whether anything changed."""
        ...

    def resend_late(self, row: OutboxRow, again: Again, *, retry_key: str, steady: float) -> bool:
        """As `fail_late`, but it is sent once more, which happens once: queued in its old place, and a new message to the provider."""
        ...

    def sent_until(self, channel_id: str, address: str, up_to: float) -> list[str]:
        """Rows of a conversation that were sent until then and aren't read yet, for watermark receipts. An `unknown` one isn't among them: a
        watermark speaks of all that the provider has, and whether it has that one is what isn't known."""
        ...

    def of_entries(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[DeliveryState, ...]]:
        """How the messages of these entries fare, for each that has some."""
        ...

    def waiting(self, limit: int) -> list[OutboxReport]:
        """What is to be sent still, oldest first."""
        ...

    def troubled(self, limit: int) -> list[OutboxReport]:
        """What was not delivered, or perhaps not, oldest first."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many rows `troubled` and `waiting` would give without a limit."""
        ...

    def report(self, outbox_id: str) -> tuple[OutboxReport, list[Attempt]] | None:
        """A row, whatever its state, and its attempts in order."""
        ...

    def tallies(self) -> list[Tally]:
        """Of what waits and what is in trouble, by channel and state."""
        ...


class Media(Protocol):
    """The state of files. Their bytes are in the media folder, under the same id."""

    def add(
        self,
        media_id: str,
        part: MediaPart,
        *,
        org: str,
        channel_id: str | None = None,
        session_id: str | None = None,
        entry_number: int | None = None,
    ) -> None:
        """Write a file down; a `pending` one will be fetched."""
        ...

    def belongs(self, media_id: str, session_id: str, entry_number: int, channel_id: str) -> None:
        """A rep's file was said in this entry."""
        ...

    def pending(self, steady: float, limit: int, busy: frozenset[str]) -> list[PendingFile]:
        """Files to fetch now, oldest first; those in `busy` are being fetched."""
        ...

    def settle(
        self,
        media_id: str,
        state: MediaState,
        *,
        mime_type: str | None = None,
        name: str | None = None,
        size_bytes: int | None = None,
        reason: str | None = None,
    ) -> None:
        """It is ready, or it failed for good."""
        ...

    def try_later(self, media_id: str, steady: float, reason: str) -> None:
        """It could not be fetched yet."""
        ...

    def begin_anew(self, latest: float) -> None:
        """As `Outbox.begin_anew`."""
        ...

    def get(self, media_id: str) -> StoredFile | None:
        """One file."""
        ...

    def of_entries(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[StoredFile, ...]]:
        """The files of these entries, for each that has some."""
        ...

    def unnamed(self, before: float, limit: int) -> list[str]:
        """Files written down before this that no entry names: a rep's upload whose message was refused, or was a repetition."""
        ...

    def forget(self, media_ids: Iterable[str]) -> None:
        """Strike out files that no entry names."""
        ...


class Records(Protocol):
    """Idempotent answers and the audit."""

    def first_answer(self, org: str, login: str, key: str) -> tuple[str, str] | None:
        """(fingerprint of the command, the answer as JSON) of an idempotency key that was used."""
        ...

    def keep_answer(self, org: str, login: str, key: str, fingerprint: str, answer: str) -> None:
        """In the transaction of the command's effect."""
        ...

    def audit(
        self, *, org: str, session_id: str, login: str | None, command: str, outcome: str, details: Mapping[str, Any]
    ) -> None:
        """A command, who gave it, and its outcome; `details` never contain customer text."""
        ...

    def audit_page(self, session_id: str, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """Newest first. Raises BadCursor."""
        ...

    def purge(self, most: int) -> bool:
        """Throw away what is older than it need be, at most so many of each kind; whether there may be more."""
        ...


class Standing(Protocol):
    """What is stored under names of the config: channels, orgs, queues, reps. Sessions are given by id, open ones only."""

    def channels_were(self) -> Mapping[str, ChannelWas]:
        """By id."""
        ...

    def places(self) -> list[Place]:
        """Every place that has an open session."""
        ...

    def sessions_in(self, place: Place) -> Iterator[str]:
        """Those of a place, the first opened first."""
        ...

    def reps(self) -> Iterator[tuple[str, str]]:
        """(org, login) of everyone who has to do with a session."""
        ...

    def sessions_with(self, org: str, login: str) -> Iterator[str]:
        """Those that the rep is in."""
        ...

    def sessions_that_ask(self) -> Iterator[str]:
        """Those with an open offer or request."""
        ...

    def conferences(self, more_than: int) -> Iterator[str]:
        """Active ones with more reps than this."""
        ...

    def waiting(self) -> list[Waiting]:
        """What waits to go out, by channel and org."""
        ...

    def record_channels(self, now: Mapping[str, ChannelWas]) -> None:
        """All is dealt with: this is whose they are. A channel that the config lacks keeps what it was, until it is back."""
        ...


class StreamPosition(NamedTuple):
    """A place in a stream of events: everything up to it is in the inbox. `replay_id` is opaque; empty: the stream was begun at `at` and no place is known yet.
    `at`: when that was so."""

    replay_id: bytes
    at: datetime


class Positions(Protocol):
    """Where streams of platform events are to be read on, and how many events they brought; by lane (`salesforce:NAME`)."""

    def of(self, lane: str) -> StreamPosition | None:
        """None: it was never begun."""
        ...

    def keep(self, lane: str, position: StreamPosition) -> None:
        """In place of the one before."""
        ...

    def events(self, lane: str) -> dict[int, int]:
        """How many came, by hour since 1970; of the last two days at least."""
        ...

    def keep_events(self, lane: str, events: Mapping[int, int]) -> None:
        """So many came in these hours, in place of what was known of them. Hours long past are forgotten."""
        ...


class LaneEvent(NamedTuple):
    """An event on its way to who applies it. `row_id`: the inbox's, of its webhook; `event`: as JSON."""

    id: int
    lane: int
    channel_id: str
    row_id: int
    event: str


class LaneEvents(Protocol):
    """Events that were read out of webhooks and aren't applied yet, by lane (`gateway.store.lanes`). Only where several processes share a store."""

    def put(self, rows: Iterable[tuple[int, str, int, str]]) -> None:
        """Keep these (lane, channel, row of the inbox, event), in order."""
        ...

    def waiting(self, lanes: Collection[int], *, limit: int) -> list[LaneEvent]:
        """The oldest of these lanes, in order; about `limit` of them."""
        ...

    def done(self, ids: Sequence[int]) -> None:
        """They wait no more."""
        ...

    def stick(self, reasons: Mapping[int, str]) -> None:
        """By the inbox's rows: webhooks of which something couldn't be applied. They wait for an operator."""
        ...

    def count(self, most: int) -> int:
        """How many wait; no more than `most` are counted."""
        ...


class Transaction(Protocol):
    """One transaction: all that is written in it is stored, or nothing. What is read is as it would be if all were stored already."""

    @property
    def now(self) -> datetime:
        """When the job that is under way began."""
        ...

    @property
    def distant(self) -> bool:
        """Whether each question goes to a server, which others ask, too: what will be read is better asked at once, even for one."""
        ...

    def read_ahead_sessions(self, session_ids: Sequence[str]) -> None:
        """Read what `load` will be asked for, and hold it against others."""
        ...

    @property
    def worker(self) -> str:
        """The process's name among those that share the store (`gateway.sharing`); empty: it is alone."""
        ...

    @property
    def sessions(self) -> Sessions:
        """See `Sessions`."""
        ...

    @property
    def lists(self) -> Lists:
        """See `Lists`."""
        ...

    @property
    def conversations(self) -> Conversations:
        """See `Conversations`."""
        ...

    @property
    def message_ids(self) -> MessageIds:
        """See `MessageIds`."""
        ...

    @property
    def aside(self) -> Aside:
        """See `Aside`."""
        ...

    @property
    def addresses(self) -> Addresses:
        """See `Addresses`."""
        ...

    @property
    def reps(self) -> Reps:
        """See `Reps`."""
        ...

    @property
    def events(self) -> Events:
        """See `Events`."""
        ...

    @property
    def timers(self) -> Timers:
        """See `Timers`."""
        ...

    @property
    def outbox(self) -> Outbox:
        """See `Outbox`."""
        ...

    @property
    def media(self) -> Media:
        """See `Media`."""
        ...

    @property
    def records(self) -> Records:
        """See `Records`."""
        ...

    @property
    def standing(self) -> Standing:
        """See `Standing`."""
        ...

    @property
    def positions(self) -> Positions:
        """See `Positions`."""
        ...

    @property
    def lanes(self) -> LaneEvents:
        """See `LaneEvents`."""
        ...

    def read_ahead(self, inbound: Sequence[Inbound], org: str) -> None:
        """These events of one channel, which is this org's, are about to be applied: read what they need in a few statements. It changes nothing
        but the time that it takes."""
        ...

    def read_ahead_persons(self, places: Iterable[tuple[str, str]]) -> None:
        """What is known of these people, by channel and address, is about to be asked for: read it in a few statements."""
        ...

    def read_ahead_sent(self, sent: Iterable[tuple[OutboxRow, Sequence[str]]]) -> None:
        """Outcomes of these rows, with the provider's ids, are about to be recorded: read what that needs in a few statements."""
        ...

    def each(self, jobs: Sequence[Callable[[], T]], *, at_least: int | None = None) -> list[T | Exception]:
        """Do each job, in order, whole or not at all, each with its own `now`. A job that raises leaves nothing, and its place in the result has the exception.
        A job may be done twice, so it has no effect outside the transaction. Raises what concerns all of them: the disk's errors.
        With `at_least`, so many are done, and the rest unless somebody waits for the commit: those that aren't have no result."""
        ...


class Store(Protocol):
    """Where the embedded broker keeps everything. Every method may raise StoreUnavailable."""

    async def open(self) -> None:
        """Bring the tables up to date."""
        ...

    async def close(self) -> None:
        """Commit pending work and close."""
        ...

    async def ready(self) -> None:
        """Returns if a write would succeed now."""
        ...

    async def write(self, job: Callable[[Transaction], T], *, patient: bool = False, by: str | None = None) -> T:
        """Do the job in a transaction; durable on return. A job that raises changes nothing. It may be done twice, so it has no effect outside the
        transaction. A cancelled caller doesn't tear it. A patient one lets others go first, those that came later too. `by`: the name under which the process
        took up what it writes now; Fenced when that isn't its name any more."""
        ...

    async def insist(self, job: Callable[[Transaction], T], *, by: str | None = None) -> T:
        """As `write`, again and again while the store is unavailable: for writing down what has happened elsewhere already."""
        ...

    async def read(self, job: Callable[[Transaction], T]) -> T:
        """Read in one moment of the store, beside whoever writes."""
        ...
