"""The simulated org behind its REST API: what customers' side sends goes to the org's own broker, whose desk is the org's console."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from adapters.envelope import (
    Address,
    Author,
    ChannelId,
    ChoicePart,
    EndUser,
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundReceipt,
    InboundTyping,
    MediaPart,
    Part,
    ReceiptStatus,
    TextPart,
)
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import (
    Acknowledged,
    CancelReason,
    Chosen,
    ConsentStatus,
    Content,
    Conversation,
    CustomerSays,
    Filled,
    History,
    HistoryEntry,
    Link,
    OrgChannel,
    OrgRefusal,
    RouteMade,
    RoutingDone,
    RoutingType,
    Target,
    Text,
    Upload,
    WorkAsked,
    WorkMade,
    WorkStatus,
)
from gateway.brokers.salesforce.simulator.estate import Estate
from gateway.brokers.salesforce.simulator.exporter import upload_name
from gateway.brokers.salesforce.simulator.hosting import Hosting
from gateway.brokers.unit import Unit
from gateway.session.commands import TimerFired, TimerKind
from gateway.session.model import Status
from gateway.store.contract import Transaction
from gateway.store.org_records import ConversationRow, Published

T = TypeVar("T")
_HOURS_PER_DAY: Final = 24


class SimulatedOrg:
    """See `gateway.brokers.salesforce.simulator.contract.Org`, whose methods these are."""

    def __init__(self, estate: Estate, hosting: Hosting) -> None:
        self._estate, self._hosting = estate, hosting

    @property
    def id(self) -> str:
        """See the contract."""
        return self._estate.id

    @property
    def definitions(self) -> frozenset[str]:
        """See the contract."""
        return frozenset(channel.definition for channel in self._estate.served.values() if channel.definition is not None)

    def channel(self, address: str) -> OrgChannel | None:
        """See the contract."""
        channel_id = self._estate.channel_id(address)
        return None if channel_id is None else self._estate.served[channel_id]

    # --------------------------------------------------------------------------------------------------- conversations

    async def converse(self, address: str, customer: str, attributes: Mapping[str, str]) -> Conversation:
        """See the contract."""
        records = self._estate.records
        row = await records.converse(ConversationRow(ids.conversation_id(address, customer), address, customer))
        conversation = Conversation(row.id, address, customer, None)
        session = await self._estate.open_session(conversation)
        tied = await (records.fresh(row.id) if session is None else records.tie(row, session.id))
        return Conversation(row.id, address, customer, tied.work_item)

    async def conversation(self, id: str) -> Conversation | None:
        """See the contract."""
        row = await self._estate.records.conversation(id)
        if row is None:
            return None
        newest = await self._estate.records.newest(id)
        return Conversation(row.id, row.address, row.customer, newest.work_item if newest else None)

    # ------------------------------------------------------------------------------------------------------- customers

    async def said(self, conversation: Conversation, says: CustomerSays) -> None:
        """See the contract."""
        channel_id = self._channel_of(conversation)
        known = await self._estate.store.read(lambda stored: stored.message_ids.of(channel_id, says.entry_id))
        if known is not None and not says.anew:
            return  # taken before, perhaps before a restart
        message_id = says.entry_id if known is None else f"{says.entry_id}#{uuid.uuid4()}"
        parts = await asyncio.to_thread(self._parts, says.content, message_id)
        message = InboundMessage(
            **self._about(conversation), message_id=message_id, provider_time=says.at, parts=parts, reply_to=says.reply_to
        )
        await self._take_in(message)

    def _parts(self, content: Content, message_id: str) -> tuple[Part, ...]:
        if isinstance(content, Text):
            return (TextPart(text=content.text),)
        if isinstance(content, Link):
            return (TextPart(text=content.url),)
        if isinstance(content, Chosen):
            return tuple(ChoicePart(id=id, title=title or id) for id, title in content.options)
        if isinstance(content, Filled):
            words = "; ".join(f"{name}: {value}" for name, value in content.values)
            return (ChoicePart(title=words, fields=dict(content.values)),)
        return self._uploaded(content, message_id)

    def _uploaded(self, upload: Upload, message_id: str) -> tuple[Part, ...]:
        """The bytes are on disk before the message is, so that a stop in between loses nothing."""
        self._estate.uploads.mkdir(parents=True, exist_ok=True)
        name = upload_name(message_id)
        (self._estate.uploads / name).write_bytes(upload.content)
        family = upload.mime_type.partition("/")[0]
        file = MediaPart(
            media=family if family in ("image", "video", "audio") else "file",  # type: ignore[arg-type]
            mime_type=upload.mime_type,
            name=upload.name,
            size_bytes=len(upload.content),
            source={"file": name},
        )
        return (TextPart(text=upload.text), file) if upload.text else (file,)

    async def typing(self, conversation: Conversation, on: bool) -> None:
        """See the contract."""
        if not self._served(conversation).typing_disabled:
            await self._take_in(InboundTyping(**self._about(conversation), on=on))

    async def not_delivered(self, conversation: Conversation, entry_id: str, code: str, message: str | None) -> None:
        """See the contract."""
        failed = {"status": ReceiptStatus.failed, "code": "refused", "provider_code": code, "detail": message}
        if message:
            failed["sentence"] = message
        await self._receive(conversation, {entry_id: failed})

    async def acknowledged(self, conversation: Conversation, receipts: Sequence[Acknowledged]) -> None:
        """See the contract."""
        by_entry: dict[str, dict[str, Any]] = {}
        for one in receipts:
            status = ReceiptStatus.read if one.status == "Read" else ReceiptStatus.delivered
            if one.entry_id not in by_entry or status is ReceiptStatus.read:
                by_entry[one.entry_id] = {"status": status, "provider_time": one.at}
        await self._receive(conversation, by_entry)

    async def _receive(self, conversation: Conversation, by_entry: Mapping[str, Mapping[str, Any]]) -> None:
        known = await self._estate.records.published(list(by_entry))
        messages = await self._estate.store.read(lambda stored: _outbox_of(stored, known))
        receipts = [
            InboundReceipt(**self._about(conversation), message_ids=(outbox_id,), **by_entry[entry_id])
            for entry_id, outbox_ids in messages.items()
            for outbox_id in outbox_ids
        ]
        await self._take_in(*receipts)

    async def history(self, address: str, history: History) -> Conversation:
        """See the contract."""
        records, subject = self._estate.records, history.participants[0].subject
        customer = next((one.subject for one in history.participants if one.role == "EndUser"), subject)
        channel_id = self._estate.channel_id(address)
        if history.session_id is not None and await records.session(history.session_id) is None:
            raise OrgRefusal(10071)
        taken = await self._estate.store.read(
            lambda stored: [e for e in history.entries if stored.message_ids.of(channel_id or "", e.entry_id)]
        )
        if taken:
            raise OrgRefusal(10073)
        conversation = await self.converse(address, customer, {})
        names = {one.subject: one.name for one in history.participants}
        earlier = [self._earlier(conversation, one, names, customer) for one in sorted(history.entries, key=lambda one: one.at)]
        await self._take_in(*earlier)
        return conversation

    def _earlier(self, conversation: Conversation, one: HistoryEntry, names: Mapping[str, str], customer: str) -> InboundMessage:
        """Kept aside until the customer's next message, before which it then stands."""
        theirs = one.sender == customer
        content = one.content if theirs and one.content is not None else Text(one.text)
        parts = self._parts(content, one.entry_id) if theirs else (TextPart(text=f"{names.get(one.sender, 'Bot')}: {one.text}"),)
        about = self._about(conversation)
        if theirs and names.get(customer):
            about["end_user"] = about["end_user"].model_copy(update={"name": names[customer]})
        author = Author.end_user if theirs else Author.business
        return InboundMessage(**about, message_id=one.entry_id, provider_time=one.at, author=author, parts=parts, standby=True)

    async def end(
        self, conversation: Conversation, operation: Literal["End", "Inactivate"], by: str, session_id: str | None
    ) -> str | None:
        """See the contract."""
        session = await self._estate.open_session(conversation)
        if session_id is not None:
            named = await self._estate.records.session(session_id[:15])
            if named is None or named.conversation_id != conversation.id:
                return "SESSION_NOT_FOUND"
            if session is None or named.session_id != session.id:
                return "ACTIVE_CONVERSATION_NOT_FOUND"
        if session is None:
            return "ACTIVE_CONVERSATION_NOT_FOUND"
        if operation == "End":
            reason: Literal["ended", "closed"] = "ended" if by == "EndUser" else "closed"
            await self._take_in(InboundEnded(**self._about(conversation), reason=reason))
        elif session.status is Status.active:
            await self._estate.store.write(lambda stored: self._rest(stored, session.id))
        return None

    def _rest(self, stored: Transaction, session_id: str) -> None:
        session = stored.sessions.load(session_id)
        if session is not None and session.status is Status.active:
            unit = Unit(stored, self._estate.ground)
            unit.do(session, TimerFired(kind=TimerKind.idle, ref="", due_at=session.idle_at))

    async def consent(self, address: str, customer: str, status: ConsentStatus) -> None:
        """See the contract."""
        await self._estate.records.keep("consent", f"{address}\0{customer}", {"status": status})

    async def capabilities(self, definition: str, capabilities: Mapping[str, object]) -> None:
        """See the contract."""
        await self._estate.records.keep("capabilities", definition, dict(capabilities))

    # ------------------------------------------------------------------------------------------------ routing by a partner

    async def route(self, conversation: Conversation, routing: RoutingType, target: Target) -> RouteMade:
        """See the contract."""
        return await self._hosting.route(conversation, routing, target)

    async def unroute(self, conversation: Conversation, reason: CancelReason) -> None:
        """See the contract."""
        await self._hosting.unroute(conversation, reason)

    async def agent_work(self, asked: WorkAsked) -> WorkMade:
        """See the contract."""
        return await self._hosting.agent_work(asked)

    async def close_agent_work(self, work_id: str, status: WorkStatus) -> None:
        """See the contract."""
        await self._hosting.close_agent_work(work_id, status)

    async def routing_result(self, done: RoutingDone) -> None:
        """See the contract."""
        await self._hosting.routing_result(done)

    async def remove(self, conversation: Conversation, user: str) -> None:
        """See the contract."""
        await self._hosting.remove(conversation, user)

    # --------------------------------------------------------------------------------------------------------- numbers

    async def numbers(self) -> dict[str, Any]:
        """How much of its limits the org has used: events of the last 24 hours, conferences, and what its channels registered."""
        estate = self._estate
        counted = await estate.records.counted(estate.hour() - _HOURS_PER_DAY + 1)
        limit = estate.people.settings.conference_limit
        return {
            "events_24h": counted,
            "conference_limit": limit,
            "channels": {
                id: {"address": channel.address, "conference_limit": min(limit, channel.max_participants or limit)}
                for id, channel in estate.served.items()
            },
            "capabilities": sorted(await estate.records.records("capabilities")),
        }

    # ----------------------------------------------------------------------------------------------------------- parts

    def _channel_of(self, conversation: Conversation) -> str:
        channel_id = self._estate.channel_id(conversation.address)
        if channel_id is None:
            raise OrgRefusal(10017)
        return channel_id

    def _served(self, conversation: Conversation) -> OrgChannel:
        return self._estate.served[self._channel_of(conversation)]

    def _about(self, conversation: Conversation) -> dict[str, Any]:
        """What every event of this customer carries; its id is new, since the org tells no repetition from a new event."""
        return {
            "channel_id": ChannelId(self._channel_of(conversation)),
            "event_id": str(uuid.uuid4()),
            "end_user": EndUser(address=Address(conversation.customer)),
            "received_at": self._estate.clock(),
        }

    async def _take_in(self, *events: Inbound) -> None:
        """Apply them all. Raises what one of them raised."""
        left = list(events)
        while left:
            results = await self._estate.broker.take_in(left)
            for failed in filter(None, results):
                raise failed
            left = left[len(results) :]


def _outbox_of(stored: Transaction, known: Mapping[str, Published]) -> dict[str, list[str]]:
    """The broker's ids of the messages that these entries are."""
    keys = {entry_id: (one.session_id, one.number) for entry_id, one in known.items()}
    found = stored.outbox.of_entries(tuple(keys.values())) if keys else {}
    return {entry_id: [one.outbox_id for one in found.get(key, ())] for entry_id, key in keys.items()}
