"""What the journal's workers ask of the stores behind them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from pydantic import AwareDatetime

from adapters.contract import Fetched, Flow, RawRequest, Sent
from adapters.envelope import EndUser, Inbound, InboundEvent, MediaPart, Outbound, OutboundFile, TypingSignal, Value
from gateway.brokers.contract import ReportedEvent
from gateway.store.contract import Call, Outcome, PendingFile

# How long a message is tried; after that it has failed, because what was said a day ago may no longer be wanted.
TRIED_FOR: Final = timedelta(hours=24)


class OutboxItem(Value):
    """A row of the outbox whose turn it is. `hastened`: how many times it was due before its time, because its account's calls succeeded
    again. `lost_at`: when an earlier call began in which the process died, so that its outcome isn't known. `also`: rows behind it that its call takes along.
    `lane`: of its conversation. `worker`: the name under which the process took it up (`gateway.sharing`)."""

    id: str
    channel_id: str
    message: Outbound | Call
    media_id: str | None
    attempts: int
    hastened: int = 0
    lost_at: AwareDatetime | None = None
    also: tuple[str, ...] = ()
    lane: int = 0
    worker: str = ""


class Room(NamedTuple):
    """How many more messages of a channel can be sent now, and which rows of it are being sent."""

    most: int
    busy: Sequence[str] = ()


class Look(NamedTuple):
    """`items`: of the channels with room, the first open row of each conversation that is due and of which no row is busy, with the customer's
    addresses and the conversation's memory as they are now. `due`: the channels that have a row to send now, those without room too.
    `later`: in how many seconds the next later row falls due. `full`: channels that may have more to send than there is room for.
    `held`: those with a row to send whose conversation has a busy row."""

    items: Sequence[OutboxItem] = ()
    due: Sequence[str] = ()
    later: float | None = None
    full: Collection[str] = ()
    held: Collection[str] = ()


class Source(Protocol):
    """Whose requests the inbox keeps: a provider, or a broker elsewhere."""

    def parse(self, request: RawRequest) -> Sequence[Inbound | ReportedEvent]:
        """What one says. Raises NotUnderstood."""
        ...


class Told(NamedTuple):
    """An event, and the inbox's row of the webhook that told it."""

    row_id: int
    event: Inbound | ReportedEvent


class LaneItem(NamedTuple):
    """A row on its way to who applies it. `event` is None where it can't be read back; `fault` says why."""

    id: int
    lane: int
    channel_id: str
    row_id: int
    event: Inbound | ReportedEvent | None
    fault: Exception | None = None


class Lanes(Protocol):
    """Events on their way from who reads webhooks to who applies them, by lane, in order within each conversation. `by`: the name under which this process took
    up what it writes (`gateway.sharing.contract.Share.worker`). All of it raises BrokerUnavailable."""

    async def persons(self, events: Sequence[InboundEvent]) -> Sequence[str]:
        """By what address the person of each event is known here; for strangers, the event's own. All of them name a person."""
        ...

    async def spread(self, told: Sequence[tuple[int, Told]], *, by: str | None = None) -> None:
        """Keep these in their lanes; durable on return."""
        ...

    async def room(self, most: int) -> bool:
        """Whether fewer than so many wait in all lanes."""
        ...

    async def waiting(self, lanes: Collection[int], *, limit: int) -> Sequence[LaneItem]:
        """The oldest of these lanes, in order."""
        ...

    async def apply(self, items: Sequence[LaneItem], *, by: str | None = None) -> Sequence[Exception | None]:
        """As `Broker.take_in`. In the same transaction, those that have a result are waiting no more, and the webhooks of those that failed are stuck."""
        ...

    async def give_up(self, item: LaneItem, reason: str, *, by: str | None = None) -> None:
        """It can't be applied, not even alone: it waits no more, and its webhook is stuck."""
        ...


class Peer(Protocol):
    """Who is at the other end: an account at a provider, or a broker elsewhere."""

    @property
    def messages_per_second(self) -> float:
        """How fast it may be called."""
        ...

    @property
    def takes(self) -> bool:
        """Whether it may be called now. What isn't sent waits, and is no failure."""
        ...

    def send(self, message: Outbound | Call, now: datetime) -> Flow[Sent | None]:
        """The calls that send it; `now` is what the sender takes the time to be. Raises SendFailed, Unsupported."""
        ...

    def media(self, part: MediaPart, now: datetime) -> Flow[Fetched]:
        """The calls that fetch a file of theirs. Raises SendFailed, Unsupported."""
        ...

    def may_repeat(self, message: Outbound | Call, lost_at: datetime, now: datetime) -> bool:
        """Whether a message whose outcome isn't known may be sent once more without being shown twice."""
        ...


class Outbox(Protocol):
    """Rows that wait to be sent, in order per conversation; what is done to one is durable on return."""

    async def look(self, room: Mapping[str, Room]) -> Look:
        """What is to be sent now. Nothing changes: one process at a time works on a lane, and says what it is working on."""
        ...

    async def file(self, item: OutboxItem) -> OutboundFile | None:
        """The file of a message, with its bytes. Raises OSError when they can't be read."""
        ...

    async def begin(self, item: OutboxItem) -> bool:
        """Written down before the call that the customer may see: should the process die from now on, its outcome isn't known.
        False if it must not be sent as it is: the row is final (for example, the customer has ended the conversation), the customer has other
        addresses by now, or the lane is another process's."""
        ...

    async def settle(self, item: OutboxItem, outcome: Outcome) -> bool:
        """Write down what the call came to. Whether something of its conversation waits to be sent then, perhaps itself. Raises Fenced: the lane is another process's
        by now, which takes the outcome for unknown."""
        ...

    async def hasten(self, channel_id: str) -> None:
        """A call of the account has succeeded after others failed: let what waits for that be due (`Again.sooner`), and written so."""
        ...

    async def typing(self) -> list[TypingSignal]:
        """Typing signals to send now; they are not kept."""
        ...


class MediaShelf(Protocol):
    """Files that wait to be fetched."""

    async def pending(self, *, limit: int, busy: frozenset[str]) -> list[PendingFile]:
        """Due rows that aren't in `busy`, oldest first."""
        ...

    async def ready(self, file: PendingFile, fetched: Fetched) -> None:
        """Keep the bytes, then say that the file is ready."""
        ...

    async def later(self, file: PendingFile, *, seconds: float, reason: str) -> None:
        """The file can't be fetched yet: try again after so many seconds. `reason`: a sentence for the rep."""
        ...

    async def failed(self, file: PendingFile, *, reason: str) -> None:
        """It won't be fetched. `reason` is a sentence for the rep."""
        ...


class Profiles(Protocol):
    """What is known of the persons behind the conversations."""

    async def unknown(self, channels: Sequence[str], *, limit: int) -> list[tuple[str, str]]:
        """(channel, address) of conversations whose person was never looked up, newest first."""
        ...

    async def end_user(self, channel_id: str, address: str) -> EndUser:
        """What is known so far."""
        ...

    async def learned(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """Keep it, and let the open session show the name; the person is not looked up again."""
        ...
