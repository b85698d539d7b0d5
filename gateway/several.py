"""Several stores as one, for the doors: each org's people, channels and files are in one of them, and only there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from adapters.contract import RawRequest
from adapters.envelope import Inbound, MediaPart
from gateway.brokers.contract import Broker, Caller, Connector, Contact, Effect, Event, Line, ReportedEvent
from gateway.doorbell.contract import Doorbell
from gateway.session.commands import Asked
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination
from gateway.session.model import AuditRecord, Page, Presence, Purpose, RecipientType, RepPresence, Session, Status
from gateway.store.inbox_contract import Keeper


class Some:
    """Some of several are enough."""

    def __init__(self) -> None:
        self._trouble: str | None = None

    async def ready(self, checks: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Raises what one of them raises when all do."""
        outcomes = await asyncio.gather(*(check() for check in checks), return_exceptions=True)
        errors = [one for one in outcomes if one is not None]
        self._trouble = "; ".join(map(str, errors)) or None
        if errors and len(errors) == len(outcomes):
            raise errors[0]

    def told(self) -> str | None:
        """What those that weren't ready said, if some were."""
        return self._trouble


class BrokerByOrg:
    """See `gateway.brokers.contract.Broker`: the broker of the caller's org answers."""

    def __init__(self, by_org: Mapping[str, Broker], by_channel: Mapping[str, Broker]) -> None:
        """`by_channel`: also by the lanes of brokers elsewhere."""
        self._by_org, self._by_channel = by_org, by_channel
        self.stores = Some()

    async def take_in(self, inbound: Sequence[Inbound | ReportedEvent]) -> Sequence[Exception | None]:
        """See the contract. The first ones that are of one store are applied."""
        broker = self._by_channel[inbound[0].channel_id]
        of_others = (n for n, one in enumerate(inbound) if self._by_channel[one.channel_id] is not broker)
        return await broker.take_in(inbound[: next(of_others, len(inbound))])

    async def command(self, caller: Caller, session_id: str, command: Asked, *, key: str | None = None) -> Effect | Refusal:
        """See the contract."""
        return await self._by_org[caller.org].command(caller, session_id, command, key=key)

    async def typing(self, caller: Caller, session_id: str, on: bool) -> Refusal | None:
        """See the contract."""
        return await self._by_org[caller.org].typing(caller, session_id, on)

    async def sessions(
        self, caller: Caller, *, status: Status | None, mine: bool, q: str | None, cursor: str | None, limit: int
    ) -> Page[Session]:
        """See the contract."""
        broker = self._by_org[caller.org]
        return await broker.sessions(caller, status=status, mine=mine, q=q, cursor=cursor, limit=limit)

    async def session(self, caller: Caller, session_id: str) -> Session | Refusal:
        """See the contract."""
        return await self._by_org[caller.org].session(caller, session_id)

    async def entries(
        self, caller: Caller, session_id: str, *, before: int | None, after: int | None, limit: int
    ) -> Page[Line] | Refusal:
        """See the contract."""
        return await self._by_org[caller.org].entries(caller, session_id, before=before, after=after, limit=limit)

    async def destinations(
        self, caller: Caller, session_id: str, *, purpose: Purpose, type: RecipientType, q: str, cursor: str | None, limit: int
    ) -> Page[Destination] | Refusal:
        """See the contract."""
        broker = self._by_org[caller.org]
        return await broker.destinations(caller, session_id, purpose=purpose, type=type, q=q, cursor=cursor, limit=limit)

    async def audit(self, caller: Caller, session_id: str, *, cursor: str | None, limit: int) -> Page[AuditRecord] | Refusal:
        """See the contract."""
        return await self._by_org[caller.org].audit(caller, session_id, cursor=cursor, limit=limit)

    async def resend(self, caller: Caller, session_id: str, outbox_id: str, *, key: str | None = None) -> Effect | Refusal:
        """See the contract."""
        return await self._by_org[caller.org].resend(caller, session_id, outbox_id, key=key)

    async def store_file(self, caller: Caller, name: str, mime_type: str, content: bytes) -> MediaPart:
        """See the contract."""
        return await self._by_org[caller.org].store_file(caller, name, mime_type, content)

    async def presence(self, caller: Caller) -> RepPresence:
        """See the contract."""
        return await self._by_org[caller.org].presence(caller)

    async def set_presence(self, caller: Caller, status: Presence) -> RepPresence:
        """See the contract."""
        return await self._by_org[caller.org].set_presence(caller, status)

    async def connected(self, caller: Caller) -> None:
        """See the contract."""
        await self._by_org[caller.org].connected(caller)

    async def disconnected(self, caller: Caller) -> None:
        """See the contract."""
        await self._by_org[caller.org].disconnected(caller)

    async def position(self, caller: Caller) -> int:
        """See the contract."""
        return await self._by_org[caller.org].position(caller)

    def events(self, caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        """See the contract."""
        return self._by_org[caller.org].events(caller, after)

    async def ready(self) -> None:
        """See the contract. While one store is away, the others' orgs go on."""
        await self.stores.ready(broker.ready for broker in dict.fromkeys(self._by_org.values()))


class ConnectorByOrg:
    """See `gateway.brokers.contract.Connector`."""

    def __init__(self, by_org: Mapping[str, Connector]) -> None:
        self._by_org = by_org

    async def contacts(
        self, caller: Caller, work_item: str, *, types: Sequence[RecipientType], q: str, free: bool, offset: int, limit: int
    ) -> Sequence[Contact] | Refusal:
        """See the contract."""
        connector = self._by_org.get(caller.org)
        if connector is None:
            return _NO_CONNECTOR
        return await connector.contacts(caller, work_item, types=types, q=q, free=free, offset=offset, limit=limit)

    async def work_changed(self, caller: Caller, work_item: str, work: str, change: str) -> Refusal | None:
        """See the contract."""
        connector = self._by_org.get(caller.org)
        return _NO_CONNECTOR if connector is None else await connector.work_changed(caller, work_item, work, change)


_NO_CONNECTOR = Refusal("session_not_found", "You have no such session in Salesforce. Open one that you are in.")


class KeeperByChannel:
    """See `gateway.store.inbox_contract.Keeper`. Each inbox is opened and closed with the store that it belongs to."""

    def __init__(self, by_channel: Mapping[str, Keeper]) -> None:
        self._by_channel = by_channel
        self._all: Collection[Keeper] = tuple(dict.fromkeys(by_channel.values()))
        self.stores = Some()

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract."""
        self._by_channel[channel_id].put(channel_id, request, done)

    async def ready(self) -> None:
        """See the contract. While one is away, the others go on."""
        await self.stores.ready(one.ready for one in self._all)

    def backlog_seconds(self, channel_id: str) -> float:
        """See the contract."""
        return self._by_channel[channel_id].backlog_seconds(channel_id)

    def unwritten_bytes(self) -> int:
        """See the contract."""
        return sum(one.unwritten_bytes() for one in self._all)


class RingingByTopic:
    """Rings the doorbell that a topic belongs to; nobody waits here."""

    def __init__(self, by_topic: Mapping[str, Doorbell]) -> None:
        self._by_topic = by_topic

    def ring(self, topic: str) -> None:
        """See `gateway.doorbell.contract.Doorbell`."""
        self._by_topic[topic].ring(topic)

    def wake(self, topic: str) -> None:
        """See `gateway.doorbell.contract.Doorbell`."""
        self._by_topic[topic].wake(topic)

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """See `gateway.doorbell.contract.Doorbell`."""
        await self._by_topic[topic].wait(topic, timeout_seconds)
