"""What the embedded broker is given: reps, channels, brokers elsewhere, and how to make ids and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from adapters import registry
from adapters.envelope import TypingSignal
from gateway import clock as clocks
from gateway.brokers.contract import ReportedEvent
from gateway.clock import Clock
from gateway.config import Channel, Org, OrgConfig
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.links import MediaLinks
from gateway.session.commands import Command
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.model import ChannelFacts, Entry, Invitation, Session
from gateway.store.contract import DueTimer, OutboxRow, Outcome, Transaction

Gone = Literal["removed", "moved", "kind_changed"]


@contextmanager
def of_the_broker() -> Iterator[None]:
    """What the store raises, as the broker's own: whoever is above knows a broker, and no store."""
    try:
        yield
    except StoreUnavailable as error:
        raise BrokerUnavailable(str(error)) from error


class Done(NamedTuple):
    """What came of a command: the session as it now is, after all that followed, and what the command made."""

    session: Session
    entries: tuple[Entry, ...] = ()
    invitation: Invitation | None = None
    warning: str | None = None


class Work(Protocol):
    """The unit of work (`gateway.brokers.unit.Unit`), as a holder uses it: each of the two uses the other."""

    @property
    def stored(self) -> Transaction:
        """What is stored, within the transaction."""
        ...

    @property
    def ground(self) -> Ground:
        """The channels and orgs."""
        ...

    @property
    def now(self) -> datetime:
        """When the transaction began."""
        ...

    def do(self, session: Session | None, command: Command) -> Done | Refusal:
        """Let the rules decide, and write all of it."""
        ...

    def facts(self, session: Session, *, words: bool = False) -> Facts:
        """What the rules may know for this session; `words`: also the customer's, for a flow's conditions."""
        ...


class Holder(Protocol):
    """A broker elsewhere that controls the sessions of some channels. Everything here happens in the transaction of what it is about, and calls nobody: what is
    to be told to that broker becomes rows of the outbox (`gateway.store.contract.Call`) on one of its `lanes`."""

    kind: str
    broker: str  # as its sessions name it (`Session.broker`)
    lanes: frozenset[str]

    def relay(self, work: Work, before: Session | None, decision: Decision) -> None:
        """A session that it controls has changed so: it is told what of that comes from the customer."""
        ...

    def delivered(self, work: Work, row: OutboxRow) -> None:
        """How a message to its customer fares has changed."""
        ...

    def answered(self, work: Work, row: OutboxRow, outcome: Outcome) -> None:
        """What a call of its own came to."""
        ...

    def came_free(self, work: Work, session: Session, *, anew: bool) -> None:
        """A rep who serves the queue that this session waits in may take work. `anew`: they came online, or finished a session."""
        ...

    def apply(self, work: Work, event: ReportedEvent) -> None:
        """What it reports, once. Raises when it can't be applied: it then waits for an operator."""
        ...

    def read(self, kept: str) -> ReportedEvent:
        """An event of its own, of what `model_dump_json` gave. Raises ValueError."""
        ...

    def readdressed(self, work: Work, channel_id: str, old: str, new: str) -> None:
        """The customer has another address now; over there they stay who they were."""
        ...

    def fire(self, work: Work, session: Session, timer: DueTimer) -> None:
        """A timer of its own is due (its kind begins with `kind` and a colon), or the grace time of a rep who lost their connections (L5)."""
        ...

    def customer_types(self, session: Session, on: bool) -> TypingSignal | None:
        """The signal for it that the customer types, if it wants one."""
        ...

    def rep_types(self, stored: Transaction, event: ReportedEvent) -> tuple[Session, TypingSignal] | None:
        """If the event is one of typing: the signal to the customer, or None when it isn't wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """Given once, at start."""

    channels: Mapping[str, Channel]
    orgs: Mapping[str, Org]
    links: MediaLinks
    new_id: Callable[[str], str]
    steady: Clock = clocks.steady  # what due times are set and looked at by
    # Walks through every point between two steps in tests; does nothing otherwise.
    fault: Callable[[str], None] = lambda point: None
    # Brokers elsewhere, by the channels whose sessions they control, and by their lanes.
    holders: Mapping[str, Holder] = field(default_factory=dict)

    def holder_of(self, session: Session) -> Holder | None:
        """The broker elsewhere that controls the session, while its channel is so configured."""
        holder = self.holders.get(session.channel_id) if session.broker else None
        return holder if holder is not None and holder.broker == session.broker else None

    def serves(self, session: Session) -> bool:
        """Whether the session's channel is still its own: what isn't so can't be sent, and nobody is asked to take it."""
        return gone(self.channels, session) is None


def org_of(orgs: Mapping[str, Org], org_id: str) -> Org:
    """The org; one that the config no longer has is empty, so that its sessions can still be read and ended."""
    return orgs.get(org_id) or Org(org_id, OrgConfig())


def gone(channels: Mapping[str, Channel], session: Session) -> Gone | None:
    """What has become of the session's channel; None: it is still its own."""
    return gone_by(channels, session.channel_id, session.org, session.channel_type)


def gone_by(channels: Mapping[str, Channel], channel_id: str, org: str, kind: str) -> Gone | None:
    """As `gone`, by what a session's row says."""
    channel = channels.get(channel_id)
    if channel is None:
        return "removed"
    if channel.config.org != org:
        return "moved"
    return "kind_changed" if channel.config.kind != kind else None


def channel_of(conversation: str) -> str:
    """The customer's channel, of a call's address (`CHANNEL/ADDRESS`)."""
    return conversation.partition("/")[0]


def channel_facts(channels: Mapping[str, Channel], session: Session) -> ChannelFacts:
    """The channel's facts; for a channel that is gone, what the session itself says about it."""
    lost = gone(channels, session)
    if lost is None:
        return channels[session.channel_id].facts
    adapter = registry.load().get(session.channel_type)
    return ChannelFacts(
        id=session.channel_id,
        kind=session.channel_type,
        org=session.org,
        chat=adapter.capabilities.chat if adapter else False,
        gone=lost,
        can_notify=False,
        cannot_notify_reason="The channel is no longer in the config.",
    )
