"""A simulated Interaction Service that listens, over a plain org; and requests that are right, to be made wrong one member at a time."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.brokers.salesforce.simulator.contract import INTERACTION_SCOPE, OrgChannel
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.partner_values import RepFacts
from gateway.brokers.salesforce.simulator.plain_org import PlainOrg
from gateway.brokers.salesforce.simulator.records import Records
from gateway.brokers.salesforce.simulator.rest import Rest
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from tests.brokers.salesforce.keys import key_pair

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MILLIS = int(NOW.timestamp() * 1000)
ORG = "00D000000000001EAA"
ANA, BEN, UNTIED = (f"0050000000000{number:02}" for number in range(1, 4))
QUEUE = "00G000000000001"
USERS = {"byoc@example.com": User("byoc@example.com", "005000000000001")}
APP = App("key", (key_pair()[1],), frozenset(USERS))
PREFIX = "/org"

_SALESFORCE = OrgChannel("messaging", "Byoc_Sms", variables={"order": 5})
_PARTNER = OrgChannel("partner", "Byoc_Web", product="ccaas", routing="partner", consent="partner", max_participants=3)
CHANNELS = (
    _SALESFORCE,
    replace(_SALESFORCE, address="inactive", active=False),
    replace(_SALESFORCE, address="wrong type", message_type="Text"),
    replace(_SALESFORCE, address="undefined", definition=None),
    _PARTNER,
    replace(_PARTNER, address="salesforce routes", routing="salesforce"),
    replace(_PARTNER, address="keywords", supports_keywords=True),
    replace(_PARTNER, address="no center", contact_center=False),
    replace(_PARTNER, address="no conferences", conference_supported=False),
    replace(_PARTNER, address="careful", explicit_consent=True),
)
DEFINITIONS = {channel.address: channel.definition or "Byoc_Sms" for channel in CHANNELS}


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def elapsed(self) -> float:
        return self.now.timestamp()


@dataclass
class Service:
    """See the module. `published`: (event type, payload) in order; `answers`: every answer, for whoever wants to look at all of them."""

    url: str
    http: aiohttp.ClientSession
    org: PlainOrg
    tokens: IssuedTokens
    faults: Faults
    clock: Time
    published: list[tuple[str, dict[str, Any]]]
    answers: list[tuple[str, str, int, Any]] = field(default_factory=list)

    def headers(self, channel: str = "partner", scopes: frozenset[str] = frozenset({INTERACTION_SCOPE})) -> dict[str, str]:
        token = self.tokens.issue("byoc@example.com", "key", scopes).token
        return {
            "Authorization": f"Bearer {token}",
            "OrgId": ORG[:15],
            "AuthorizationContext": DEFINITIONS[channel],
            "AuthorizationContextType": "ConversationChannelDefinition",
            "RequestId": str(uuid.uuid4()),
        }

    async def call(
        self, method: str, path: str, body: Any = None, *, channel: str = "partner", headers: Mapping[str, str | None] = {}
    ) -> tuple[int, Any]:
        """Status and JSON. A header that is None is left out."""
        merged = {name: value for name, value in (self.headers(channel) | dict(headers)).items() if value is not None}
        content = body if isinstance(body, bytes | aiohttp.MultipartWriter) or body is None else json.dumps(body).encode()
        if isinstance(content, bytes) and "Content-Type" not in headers:
            merged["Content-Type"] = "application/json"
        async with self.http.request(method, f"{self.url}/api/v1{path}", data=content, headers=merged) as answer:
            found = answer.status, await answer.json()
        self.answers.append((method, path, *found))
        return found

    async def interact(
        self, body: Any, *files: tuple[str, str | None, bytes], channel: str = "messaging", **more: Any
    ) -> tuple[int, Any]:
        """POST /interactions; files are (name, MIME type, content)."""
        return await self.call("POST", "/interactions", form(body, *files), channel=channel, **more)

    async def say(self, channel: str = "messaging", customer: str = "kim", **changed: Any) -> Any:
        """The customer says something; the body of the answer."""
        status, answer = await self.interact(text(to=channel, **{"from": customer}, **changed), channel=channel)
        assert status == 202, answer
        return answer

    async def talk(self, channel: str = "partner", customer: str = "kim") -> tuple[str, str]:
        """(conversation, work item) of a session in which the customer has said something."""
        answer = await self.say(channel, customer)
        return answer["conversationIdentifier"], answer["workItemIds"][0]


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    clock, published = Time(), list[tuple[str, dict[str, Any]]]()
    tokens = IssuedTokens(ORG, clock, USERS, timedelta(hours=1))
    reps = (RepFacts(ANA), RepFacts(BEN), RepFacts(UNTIED, tied=False))
    org = PlainOrg(
        ORG, CHANNELS, lambda kind, payload: published.append((kind, payload)), clock, reps=reps, queues=frozenset({QUEUE})
    )
    faults = Faults(tokens)
    app = web.Application()
    Rest(org, tokens, faults, now=clock, elapsed=clock.elapsed).install(app, PREFIX)
    Instance(Grants([APP], tokens), tokens, USERS, Records()).install(app, PREFIX)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield Service(f"http://127.0.0.1:{server.port}{PREFIX}", http, org, tokens, faults, clock, published)


# ------------------------------------------------------------------------------------------------------------- requests


def form(body: Any, *files: tuple[str, str | None, bytes]) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    if body is not None:
        part = writer.append(json.dumps(body).encode(), {"Content-Type": "application/json"})
        part.set_content_disposition("form-data", name="json")
    for name, mime_type, content in files:
        part = writer.append(io.BytesIO(content), {"Content-Type": mime_type} if mime_type else None)
        if mime_type is None:
            part.headers.pop("Content-Type", None)
        part.set_content_disposition("form-data", name="attachments", filename=name)
    return writer


def entry(payload: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    interaction = {"timestamp": MILLIS, "interactionType": "EntryInteraction", "payload": payload}
    return {"to": "messaging", "from": "kim", "interactions": [interaction]} | changed


def message(abstract: Mapping[str, Any], id: str | None = None, **changed: Any) -> dict[str, Any]:
    id = id or str(uuid.uuid4())
    return entry({"id": id, "entryType": "Message", "abstractMessage": {"id": id} | dict(abstract)}, **changed)


def static(content: Any) -> dict[str, Any]:
    return {"messageType": "StaticContentMessage", "staticContent": content}


def text(said: Any = "hello", id: str | None = None, **changed: Any) -> dict[str, Any]:
    return message(static({"formatType": "Text", "text": said}), id, **changed)


def upload(size: Any, **changed: Any) -> dict[str, Any]:
    interaction = {
        "timestamp": MILLIS,
        "interactionType": "AttachmentInteraction",
        "id": str(uuid.uuid4()),
        "attachmentIndex": 0,
        "contentLength": size,
        "text": None,
    }
    return {"to": "messaging", "from": "kim", "interactions": [interaction | changed]}


def end_user(subject: str = "kim", **changed: Any) -> dict[str, Any]:
    return {"appType": "custom", "subject": subject, "role": "EndUser"} | changed


def failed(**changed: Any) -> dict[str, Any]:
    payload = {"id": str(uuid.uuid4()), "entryType": "MessageDeliveryFailed", "recipient": end_user(), "errorCode": "closed"}
    return entry(payload | changed)


def receipt(**changed: Any) -> dict[str, Any]:
    return {
        "acknowledgementType": "Read",
        "acknowledgementTimestamp": str(MILLIS),
        "acknowledgedConversationEntryIdentifier": "entry",
        "acknowledgmentCreatedConversationEntryIdentifier": str(uuid.uuid4()),
    } | changed


def receipts(conversation: str, *listed: Any, **changed: Any) -> dict[str, Any]:
    return {
        "conversationIdentifier": conversation,
        "sender": end_user(),
        "acknowledgements": list(listed) or [receipt()],
    } | changed


CUSTOMER = {"participant": end_user(), "joinedTime": MILLIS - 60_000, "displayName": "Kim"}
BOT = {
    "participant": {"appType": "custom", "subject": "bot", "role": "Chatbot"},
    "joinedTime": MILLIS - 60_000,
    "leftTime": MILLIS - 1_000,
}


def past(
    id: str | None = None, *, at: int = MILLIS - 30_000, sender: Any = None, abstract: Any = None, **changed: Any
) -> dict[str, Any]:
    id = id or str(uuid.uuid4())
    said = {"id": id} | (abstract or static({"formatType": "Text", "text": "before"}))
    payload = {"entryType": "Message", "id": id, "abstractMessage": said}
    return {"clientTimestamp": at, "sender": sender or end_user(), "entryPayload": payload} | changed


def history(*entries: Any, people: Any = None, **changed: Any) -> dict[str, Any]:
    return {
        "channelAddressIdentifier": "partner",
        "conversationParticipants": [CUSTOMER, BOT] if people is None else people,
        "conversationEntries": list(entries) or [past()],
    } | changed


def work(talk: tuple[str, str], user: str = ANA, routing: str = "Initial", **changed: Any) -> dict[str, Any]:
    context = {"conversationIdentifier": talk[0], "routingType": routing, "routingCorrelationId": str(uuid.uuid4())}
    return {"userId": user, "workItemId": talk[1], "capacityWeight": 1, "routingContext": context} | changed


def result(talk: tuple[str, str], **changed: Any) -> dict[str, Any]:
    return {"conversationIdentifier": talk[0], "workItemId": talk[1], "success": True, "externallyRouted": False} | changed


def removal(talk: tuple[str, str], user: str = ANA, **changed: Any) -> dict[str, Any]:
    listed = [{"appType": "agent", "subject": user, "role": "Agent"}]
    return {"conversationIdentifier": talk[0], "operation": "Remove", "participants": listed} | changed


def ending(conversation: str, **changed: Any) -> dict[str, Any]:
    return {
        "channelAddressIdentifier": "partner",
        "endUserClientId": "kim",
        "conversationIdentifier": conversation,
        "operation": "End",
    } | changed


def consent(**changed: Any) -> dict[str, Any]:
    return {"endUserClientId": "kim", "channelAddressIdentifier": "partner", "consentStatus": "ExplicitlyOptedIn"} | changed


def capabilities(*types: Any, **changed: Any) -> dict[str, Any]:
    restriction = {"fieldRestrictionType": "StringFieldRestriction", "encoding": "UTF8", "maxLength": 1600}
    texts = {
        "formatType": "Text",
        "capabilityFieldRestriction": [{"fieldJsonPath": "$.staticContent.text", "restriction": restriction}],
    }
    channel = {
        "channelType": "custom",
        "customIntegration": {
            "customIntegrationType": "CustomChannelIntegration",
            "integrationNamespace": ORG,
            "conversationChannelDefinitionDevName": "Byoc_Web",
        },
        "messageTypeCapabilities": list(types) or [{"messageType": "StaticContentMessage", "formatTypeCapabilities": [texts]}],
    }
    return {"capabilities": {"appType": "custom", "channelCapabilities": [channel | changed]}}
