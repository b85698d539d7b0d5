"""What the simulated org consists of: its people, channels and broker, the records beside that broker, and the bus that its events go to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.brokers.contract import Broker, Caller
from gateway.brokers.ground import Ground
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import Conversation, OrgChannel
from gateway.clock import Clock
from gateway.config import Channel, Org
from gateway.session.model import Rep, Session, Status
from gateway.store.contract import Store
from gateway.store.org_records import ConversationRow, OrgRecords

SECONDS_PER_HOUR: Final = 3600


class Bus(Protocol):
    """Where events are published; see `simulator/log.py`."""

    async def append(self, event_type: str, payload: Mapping[str, Any], event_id: str | None = None) -> bytes:
        """Publish; an id that is there already changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Estate:
    """See the module. `channels` and `served` have the same keys: what the broker knows of a channel, and what Salesforce does."""

    id: str
    people: Org
    channels: Mapping[str, Channel]
    served: Mapping[str, OrgChannel]
    broker: Broker
    store: Store
    ground: Ground
    records: OrgRecords
    bus: Bus
    uploads: Path
    clock: Clock

    def channel_id(self, address: str) -> str | None:
        """The broker's id of the channel with this ChannelAddressIdentifier."""
        return next((id for id, channel in self.served.items() if channel.address == address), None)

    def rep_with(self, user: str) -> Rep | None:
        """The rep with this user id, of 15 or 18 characters."""
        return next((rep for rep in self.people.reps.values() if ids.user_id(rep.login) == user[:15]), None)

    def row(self, session: Session) -> ConversationRow:
        """The conversation that a session belongs to."""
        address, customer = self.served[session.channel_id].address, session.end_user.id
        return ConversationRow(ids.conversation_id(address, customer), address, customer)

    async def open_session(self, conversation: Conversation) -> Session | None:
        """The conversation's session, unless there is none or it has ended."""
        channel_id, org = self.channel_id(conversation.address) or "", self.people.id
        newest: Callable[[Any], Session | None] = lambda stored: stored.sessions.newest_of_address(  # noqa: E731
            channel_id, conversation.customer, org
        )
        session = await self.store.read(newest)
        return None if session is None or session.status is Status.ended else session

    @property
    def observer(self) -> Caller:
        """Who sees everything in the org, as its supervisors do."""
        return Caller(login="", org=self.people.id, name="", supervisor=True, audiences=frozenset({"supervisors"}))  # type: ignore[arg-type]

    def hour(self, at: datetime | None = None) -> int:
        """The number of an hour, by which events are counted."""
        return int((at or self.clock()).timestamp()) // SECONDS_PER_HOUR
