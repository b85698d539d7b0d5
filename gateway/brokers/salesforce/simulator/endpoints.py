"""What each endpoint of the Interaction Service does: reads the body, checks the channel, and asks the org.

Whether `/interactions` with an entry id seen before is a new entry isn't published: `Faults.state.idempotent` chooses.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from gateway.brokers.salesforce.simulator import declared, interactions, past, validation
from gateway.brokers.salesforce.simulator.checking import Json
from gateway.brokers.salesforce.simulator.contract import Conversation, CustomerSays, Org, OrgChannel, OrgRefusal, WorkMade
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.interactions import Interaction, SentFile, Typing
from gateway.clock import Clock

_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A call whose headers are right. `definition`: the AuthorizationContext."""

    definition: str
    body: Json
    files: tuple[SentFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of a success without its `success`; or a valid request that the org refuses, which is answered with the status of a success."""

    body: Mapping[str, Any] = field(default_factory=dict)
    refusal: OrgRefusal | None = None


async def no_bot(endpoints: Endpoints, asked: Asked) -> NoReturn:
    """Endpoints of external bots, of which the org has none: the headers are refused before this."""
    raise OrgRefusal(10086)


class Endpoints:
    """Each method answers one endpoint, or raises OrgRefusal."""

    def __init__(self, org: Org, faults: Faults, now: Clock) -> None:
        self._org = org
        self._faults = faults
        self._now = now
        self._answers: OrderedDict[tuple[str, str, str], Mapping[str, Any]] = OrderedDict()

    # ---------------------------------------------------------------------------------------------- channels

    def _channel(
        self, address: str, asked: Asked, *, unknown: int = 10017, type_wrong: int = 10035, mismatch: int = 10001
    ) -> OrgChannel:
        channel = self._org.channel(address)
        if channel is None or address in self._faults.state.unknown:
            raise OrgRefusal(unknown)
        if channel.message_type != "Custom":
            raise OrgRefusal(type_wrong)
        if channel.definition is None:
            raise OrgRefusal(10026)
        if channel.definition != asked.definition:
            raise OrgRefusal(mismatch)
        if not channel.active or address in self._faults.state.inactive:
            raise OrgRefusal(10031)
        return channel

    async def _conversation(self, id: str, asked: Asked) -> tuple[Conversation, OrgChannel]:
        conversation = await self._org.conversation(id)
        if conversation is None:
            raise OrgRefusal(10018)
        return conversation, self._channel(conversation.address, asked, mismatch=10025)

    async def _routed_by_us(self, id: str, asked: Asked) -> tuple[Conversation, OrgChannel]:
        conversation, channel = await self._conversation(id, asked)
        _partner_routes(channel)
        return conversation, channel

    # --------------------------------------------------------------------------------------- what customers do

    async def interactions(self, asked: Asked) -> Answered:
        """POST /interactions."""
        interaction = interactions.read(asked.body, asked.files)
        channel = self._channel(interaction.to, asked, type_wrong=10002)
        _check_attributes(interaction.attributes, channel)
        key = (interaction.to, interaction.customer, interaction.id)
        if not self._faults.state.idempotent and isinstance(interaction.deed, CustomerSays):
            interaction = replace(interaction, deed=replace(interaction.deed, anew=True))
        elif key in self._answers:
            return Answered(self._answers[key])
        conversation = await self._org.converse(interaction.to, interaction.customer, interaction.attributes)
        await self._apply(conversation, interaction)
        answer = {
            "id": str(uuid.uuid4()),
            "conversationIdentifier": conversation.id,
            "workItemIds": [conversation.session_id] if conversation.session_id else [],
        }
        self._answers[key] = answer
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return Answered(answer)

    async def _apply(self, conversation: Conversation, interaction: Interaction) -> None:
        deed = interaction.deed
        if isinstance(deed, CustomerSays):
            await self._org.said(conversation, deed)
        elif isinstance(deed, Typing):
            await self._org.typing(conversation, deed.on)
        else:
            await self._org.not_delivered(conversation, deed.entry_id, deed.code, deed.message)

    async def conversation(self, asked: Asked) -> Answered:
        """POST /conversation."""
        wanted = validation.conversation(asked.body)
        channel = self._channel(wanted.address, asked, unknown=10052)
        _check_attributes(wanted.attributes, channel)
        return _ids(await self._org.converse(wanted.address, wanted.customer, wanted.attributes))

    async def history(self, asked: Asked) -> Answered:
        """POST /conversationHistory."""
        wanted = past.read(asked.body, self._now())
        channel = self._channel(wanted.address, asked, mismatch=10070)
        if channel.product != "ccaas":
            raise OrgRefusal(10057)
        return _ids(await self._org.history(wanted.address, wanted.history))

    async def acknowledgement(self, asked: Asked) -> Answered:
        """POST /acknowledgement."""
        wanted = validation.acknowledgement(asked.body)
        conversation, _ = await self._conversation(wanted.conversation, asked)
        if wanted.sender != conversation.customer:
            raise OrgRefusal(10036)
        await self._org.acknowledged(conversation, wanted.receipts)
        return Answered()

    # ------------------------------------------------------------------------------------------- routing

    async def route(self, asked: Asked) -> Answered:
        """POST /route."""
        wanted = validation.route(asked.body)
        conversation, channel = await self._routed_by_us(wanted.conversation, asked)
        if wanted.routing == "Conference" and not channel.conference_supported:
            raise OrgRefusal(10075)
        _check_attributes(wanted.target.attributes, channel)
        made = await self._org.route(conversation, wanted.routing, wanted.target)
        body: dict[str, Any] = {
            "routingCorrelationId": made.correlation_id,
            "psrId": made.psr_id,
            "workItemId": made.work_item,
            "contextParamMap": dict(made.context),
        }
        return Answered(body | ({"reasonForNotRouting": made.reason} if made.reason else {}))

    async def unroute(self, asked: Asked) -> Answered:
        """DELETE /route."""
        id, reason = validation.unroute(asked.body)
        conversation, channel = await self._routed_by_us(id, asked)
        if reason is not None and not channel.conference_supported:
            raise OrgRefusal(10076)
        await self._org.unroute(conversation, reason or "Unknown")
        return Answered()

    async def agent_work(self, asked: Asked) -> Answered:
        """POST /agentWork."""
        wanted = validation.agent_work(asked.body)
        if wanted.context is not None:
            conversation = await self._org.conversation(wanted.context.conversation)
            if conversation is None:
                raise OrgRefusal(25006)
            channel = self._channel(conversation.address, asked, mismatch=10025)
            _partner_routes(channel)
            if not channel.conference_supported:
                _no_conference(wanted.context.routing == "Conference", wanted.actions)
        return Answered(_work(await self._org.agent_work(wanted)))

    async def close_agent_work(self, asked: Asked) -> Answered:
        """PATCH /agentWork."""
        work_id, status = validation.work_closing(asked.body)
        try:
            await self._org.close_agent_work(work_id, status)
        except OrgRefusal as refusal:
            return Answered(refusal=refusal)
        return Answered()

    async def routing_result(self, asked: Asked) -> Answered:
        """POST /routingResult."""
        done = validation.routing_result(asked.body)
        await self._routed_by_us(done.conversation, asked)
        try:
            await self._org.routing_result(done)
        except OrgRefusal as refusal:
            return Answered(refusal=refusal)
        return Answered()

    async def participant(self, asked: Asked) -> Answered:
        """POST /participant."""
        id, user = validation.participant(asked.body)
        conversation, _ = await self._routed_by_us(id, asked)
        try:
            await self._org.remove(conversation, user)
        except OrgRefusal as refusal:
            return Answered(refusal=refusal)
        return Answered()

    # ------------------------------------------------------------------------------------- sessions, consent, channels

    async def messaging_session(self, asked: Asked) -> Answered:
        """POST /messagingSession."""
        wanted = validation.messaging_session(asked.body)
        if self._org.channel(wanted.address) is None or wanted.address in self._faults.state.unknown:
            return _reason("CHANNEL_ADDRESS_NOT_FOUND")
        if wanted.address in self._faults.state.inactive:
            return _reason("CHANNEL_ADDRESS_IS_INACTIVE")
        channel = self._channel(wanted.address, asked, mismatch=10070)
        if channel.product != "ccaas" or channel.routing != "partner":
            return _reason("PERMISSION_DENIED")
        conversation = await self._org.conversation(wanted.conversation)
        if conversation is None:
            return _reason("ACTIVE_CONVERSATION_NOT_FOUND")
        if conversation.address != wanted.address:
            raise OrgRefusal(10069)
        if conversation.customer != wanted.customer:
            return _reason("END_USER_NOT_FOUND")
        reason = await self._org.end(conversation, wanted.operation, wanted.by, wanted.session_id)
        return _reason(reason) if reason else Answered()

    async def consent(self, asked: Asked) -> Answered:
        """PATCH /consent."""
        address, customer, status = validation.consent(asked.body)
        channel = self._channel(address, asked)
        if channel.consent != "partner":
            raise OrgRefusal(10022)
        if channel.supports_keywords:
            raise OrgRefusal(10023)
        await self._org.consent(address, customer, status)
        return Answered()

    async def capabilities(self, asked: Asked) -> Answered:
        """PATCH /capabilities."""
        await self._org.capabilities(asked.definition, declared.read(asked.body, asked.definition))
        return Answered()


def _partner_routes(channel: OrgChannel) -> None:
    if channel.product != "ccaas":
        raise OrgRefusal(15102)
    if channel.routing != "partner":
        raise OrgRefusal(10099, "The channel's routingOwner is not Partner")
    if not channel.contact_center:
        raise OrgRefusal(15104)


def _no_conference(routing: bool, actions: tuple[tuple[str, bool], ...]) -> None:
    if any(action == "Conference" for action, _ in actions):
        raise OrgRefusal(10077)
    if routing:
        raise OrgRefusal(10075)


def _check_attributes(attributes: Mapping[str, str], channel: OrgChannel) -> None:
    for name, value in attributes.items():
        if len(value) > channel.variables.get(name, 255):
            raise OrgRefusal(10096, f"The value of {name} is too long")


def _ids(conversation: Conversation) -> Answered:
    return Answered({"conversationIdentifier": conversation.id, "messagingSessionId": conversation.session_id})


def _reason(reason: str) -> Answered:
    return Answered({"success": False, "errorReason": reason})


def _work(made: WorkMade) -> dict[str, Any]:
    details: dict[str, Any] = {
        "existPsr": made.psr_id is not None,
        "routingContext": {
            "conversationIdentifier": made.context.conversation,
            "routingType": made.context.routing,
            "routingCorrelationId": made.context.correlation_id,
        },
    }
    given = {"capacityWeight": made.weight, "capacityPercentage": made.percentage, "psrId": made.psr_id}
    details |= {name: value for name, value in given.items() if value is not None}
    return {"id": str(uuid.uuid4()), "agentWorkId": made.work_id, "agentWorkDetails": details}
