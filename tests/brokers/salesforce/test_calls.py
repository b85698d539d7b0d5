"""Rows of the outbox as calls to the Interaction Service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

from adapters.contract import HttpCall, HttpReply, NoReply, Sent
from adapters.envelope import OutboundFile
from adapters.errors import SendFailed, Verdict
from gateway.brokers.salesforce import calls, formats
from gateway.brokers.salesforce.codes import OrgFault
from gateway.brokers.salesforce.requests import OPERATIONS
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceOrg
from gateway.journal.driver import Driver
from gateway.store.contract import Call
from tests.brokers.salesforce.mapped import (
    ADDRESS,
    CHANNEL,
    CONVERSATION,
    CUSTOMER,
    KNOWN,
    NOW,
    RETRY_KEY,
    WORK_ITEM,
    Played,
    a_call,
    an_org,
    answered,
    played,
    tokens_of,
)

ORG = an_org()
TAKEN = answered({"success": True, "id": "x", "conversationIdentifier": CONVERSATION, "workItemIds": [WORK_ITEM]})
FOUND = answered({"success": True, "conversationIdentifier": CONVERSATION, "messagingSessionId": WORK_ITEM})
DONE = answered({"success": True}, 200)
SESSION = WORK_ITEM[:15]
KIM = {"appType": "custom", "subject": CUSTOMER, "role": "EndUser"}
TEXT = formats.text("hello").body
PICTURE = OutboundFile(name='a "b"\r\n.jpg', mime_type="image/jpeg", size_bytes=3, url="https://files.example", content=b"abc")


def sent(
    call: Call, salesforce: Played, *, file: OutboundFile | None = None, tokens: Tokens | None = None, org: SalesforceOrg = ORG
) -> Sent:
    tokens = tokens or tokens_of(org)
    return played(calls.send(call, file=file, org=org, channel=CHANNEL, tokens=tokens, now=NOW), salesforce)


def refused(call: Call, salesforce: Played, **given: Any) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        sent(call, salesforce, **given)
    return caught.value


# ------------------------------------------------------------------------------------------------------- what is written


def test_a_text() -> None:
    salesforce = Played(interactions=TAKEN)
    result = sent(a_call("interaction", TEXT), salesforce)
    assert salesforce.bodies == [
        {
            "to": ADDRESS,
            "from": CUSTOMER,
            "interactions": [
                {
                    "timestamp": int(NOW.timestamp() * 1000),
                    "interactionType": "EntryInteraction",
                    "payload": {
                        "id": RETRY_KEY,
                        "entryType": "Message",
                        "abstractMessage": {
                            "messageType": "StaticContentMessage",
                            "id": RETRY_KEY,
                            "staticContent": {"formatType": "Text", "text": "hello"},
                        },
                    },
                }
            ],
        }
    ]
    assert result == Sent((RETRY_KEY,), KNOWN)


def test_headers() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", TEXT), salesforce)
    (call,) = salesforce.seen
    assert call.url == "https://acme.my.salesforce-scrt.com/api/v1/interactions"
    assert call.visible is True
    assert call.headers["Authorization"] == "Bearer token-1"
    assert call.headers["OrgId"] == "00D000000000001"
    assert call.headers["AuthorizationContext"] == "Acme_Sms"
    assert call.headers["AuthorizationContextType"] == "ConversationChannelDefinition"


def test_each_try_has_a_request_id_of_its_own_and_the_same_entry_id() -> None:
    salesforce = Played(interactions=TAKEN)
    for seconds in (0, 1):
        flow = calls.send(
            a_call("interaction", TEXT),
            file=None,
            org=ORG,
            channel=CHANNEL,
            tokens=tokens_of(ORG),
            now=NOW + timedelta(seconds=seconds),
        )
        played(flow, salesforce)
    first, second = salesforce.seen
    assert first.headers["RequestId"] != second.headers["RequestId"]
    assert [body["interactions"][0]["payload"]["id"] for body in salesforce.bodies] == [RETRY_KEY, RETRY_KEY]


def test_a_file_and_its_caption() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", {"interactionType": "AttachmentInteraction", "text": "see"}), salesforce, file=PICTURE)
    assert salesforce.bodies[0]["interactions"] == [
        {
            "interactionType": "AttachmentInteraction",
            "timestamp": int(NOW.timestamp() * 1000),
            "id": RETRY_KEY,
            "attachmentIndex": 0,
            "contentLength": 3,
            "text": "see",
        }
    ]


def test_routing_attributes_are_beside_the_interaction() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", {**TEXT, "routingAttributes": {"lang": "de"}}), salesforce)
    assert salesforce.bodies[0]["routingAttributes"] == {"lang": "de"}
    assert "routingAttributes" not in salesforce.bodies[0]["interactions"][0]


async def test_the_form_as_a_server_reads_it() -> None:
    """By the driver, over a socket: the part `json` has its type and no file name."""
    seen: list[tuple[str | None, str | None, str | None, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        if request.path.endswith("/token"):
            return web.json_response({"access_token": "t"})
        parts = await request.multipart()
        while isinstance(part := await parts.next(), BodyPartReader):
            seen.append((part.name, part.filename, part.headers.get("content-type"), bytes(await part.read())))
        return web.json_response(
            {"success": True, "conversationIdentifier": CONVERSATION, "workItemIds": [WORK_ITEM]}, status=202
        )

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    driver = Driver()
    async with TestServer(app) as server:
        base = f"http://127.0.0.1:{server.port}"
        org = an_org(login_url=base, instance_url=base, scrt_url=base)
        row = a_call("interaction", {"interactionType": "AttachmentInteraction"})
        flow = calls.send(row, file=PICTURE, org=org, channel=CHANNEL, tokens=tokens_of(org), now=NOW)
        assert (await driver.run(flow)).message_ids == (RETRY_KEY,)
        await driver.close()
    assert [part[:3] for part in seen] == [
        ("json", None, "application/json"),
        ("attachments", "a %22b%22%0D%0A.jpg", "image/jpeg"),  # as browsers write them
    ]
    assert seen[1][3] == b"abc"


BODIES: list[tuple[str, Mapping[str, Any], str, str, dict[str, Any]]] = [
    ("conversation", {}, "POST", "conversation", {"channelAddressIdentifier": ADDRESS, "participants": [KIM]}),
    (
        "conversation",
        {"routingAttributes": {"a": "b"}},
        "POST",
        "conversation",
        {"channelAddressIdentifier": ADDRESS, "participants": [KIM], "routingAttributes": {"a": "b"}},
    ),
    (
        "history",
        {"conversationParticipants": [], "conversationEntries": []},
        "POST",
        "conversationHistory",
        {
            "channelAddressIdentifier": ADDRESS,
            "conversationParticipants": [],
            "conversationEntries": [],
            "messagingSession": {"messagingSessionRequestType": "AttachMessagingSession", "payload": {"sessionId": WORK_ITEM}},
        },
    ),
    (
        "session",
        {"operation": "Inactivate", "operationBy": "System"},
        "POST",
        "messagingSession",
        {
            "channelAddressIdentifier": ADDRESS,
            "endUserClientId": CUSTOMER,
            "conversationIdentifier": CONVERSATION,
            "operation": "Inactivate",
            "operationBy": "System",
            "sessionId": WORK_ITEM,
        },
    ),
    (
        "consent",
        {"consentStatus": "OptedOut"},
        "PATCH",
        "consent",
        {"endUserClientId": CUSTOMER, "channelAddressIdentifier": ADDRESS, "consentStatus": "OptedOut"},
    ),
    ("capabilities", {"capabilities": {"appType": "custom"}}, "PATCH", "capabilities", {"capabilities": {"appType": "custom"}}),
    (
        "route",
        {"routingType": "Conference", "routingInfo": {"queueId": "00G"}},
        "POST",
        "route",
        {"conversationIdentifier": CONVERSATION, "routingType": "Conference", "routingInfo": {"queueId": "00G"}},
    ),
    (
        "unroute",
        {"cancelReason": "Decline"},
        "DELETE",
        "route",
        {"conversationIdentifier": CONVERSATION, "cancelReason": "Decline"},
    ),
    ("agent_work", {"userId": "005"}, "POST", "agentWork", {"userId": "005", "workItemId": SESSION}),
    (
        "agent_work",
        {"userId": "005", "routingType": "Transfer", "routingCorrelationId": "r1"},
        "POST",
        "agentWork",
        {
            "userId": "005",
            "workItemId": SESSION,
            "capacityWeight": 1,
            "routingContext": {"conversationIdentifier": CONVERSATION, "routingType": "Transfer", "routingCorrelationId": "r1"},
        },
    ),
    (
        "agent_work",
        {"userId": "005", "capacityWeight": 2, "routingContext": {"routingType": "Initial", "routingCorrelationId": ""}},
        "POST",
        "agentWork",
        {
            "userId": "005",
            "workItemId": SESSION,
            "capacityWeight": 2,
            "routingContext": {
                "conversationIdentifier": CONVERSATION,
                "routingType": "Initial",
                "routingCorrelationId": RETRY_KEY,
            },
        },
    ),
    (
        "close_agent_work",
        {"status": "Cancel", "workId": "0Bz"},
        "PATCH",
        "agentWork",
        {"contextType": "Agent", "status": "Cancel", "workId": "0Bz"},
    ),
    (
        "routing_result",
        {"success": True, "routingType": "Transfer", "errorMessage": "none"},
        "POST",
        "routingResult",
        {
            "conversationIdentifier": CONVERSATION,
            "workItemId": SESSION,
            "success": True,
            "externallyRouted": False,
            "routingType": "Transfer",
        },
    ),
    (
        "routing_result",
        {"success": False},
        "POST",
        "routingResult",
        {
            "conversationIdentifier": CONVERSATION,
            "workItemId": SESSION,
            "success": False,
            "externallyRouted": False,
            "errorMessage": "Routing failed.",
        },
    ),
    (
        "participant",
        {"subject": "005000000000001AAA"},
        "POST",
        "participant",
        {
            "conversationIdentifier": CONVERSATION,
            "operation": "Remove",
            "participants": [{"appType": "agent", "subject": "005000000000001", "role": "Agent"}],
        },
    ),
    (
        "participant",
        {"operation": "Remove", "participants": [{"appType": "agent", "subject": "005", "role": "Agent"}]},
        "POST",
        "participant",
        {
            "conversationIdentifier": CONVERSATION,
            "operation": "Remove",
            "participants": [{"appType": "agent", "subject": "005", "role": "Agent"}],
        },
    ),
]


@pytest.mark.parametrize(
    ("operation", "given", "method", "path", "body"), BODIES, ids=[f"{row[0]} {n}" for n, row in enumerate(BODIES)]
)
def test_a_body(operation: str, given: Mapping[str, Any], method: str, path: str, body: dict[str, Any]) -> None:
    salesforce = Played(**{path: DONE})
    sent(a_call(operation, given, KNOWN), salesforce)
    assert [(call.method, call.visible) for call in salesforce.seen] == [(method, True)]
    assert salesforce.bodies == [body]


def test_every_operation_has_a_body() -> None:
    assert {row[0] for row in BODIES} | {"interaction", "acknowledgement"} == OPERATIONS


def test_receipts_in_one_call_each_with_an_id_that_stays() -> None:
    body = {"acknowledgements": [formats.acknowledgement("delivered", "e1", 1), formats.acknowledgement("read", "e2", 2)]}
    salesforce = Played(acknowledgement=DONE)
    for _ in range(2):
        sent(a_call("acknowledgement", body, KNOWN), salesforce)
    first, second = salesforce.bodies
    assert first == second
    assert (first["sender"], first["conversationIdentifier"]) == (KIM, CONVERSATION)
    assert [one["acknowledgementTimestamp"] for one in first["acknowledgements"]] == ["1", "2"]
    assert len({one["acknowledgmentCreatedConversationEntryIdentifier"] for one in first["acknowledgements"]}) == 2


def test_a_failed_delivery_names_the_customer() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", formats.delivery_failed("e1", "blocked", "Gone.").body), salesforce)
    assert salesforce.bodies[0]["interactions"][0]["payload"] == {
        "id": RETRY_KEY,
        "entryType": "MessageDeliveryFailed",
        "failedConversationEntryIdentifier": "e1",
        "errorCode": "blocked",
        "errorMessage": "Gone.",
        "recipient": KIM,
    }


def test_typing_has_its_time() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", formats.typing(True).body), salesforce)
    payload = salesforce.bodies[0]["interactions"][0]["payload"]
    assert payload == {"id": RETRY_KEY, "entryType": "TypingStartedIndicator", "timestamp": int(NOW.timestamp() * 1000)}


# ------------------------------------------------------------------------------------------------------ what is remembered


def test_what_routing_brings_is_remembered() -> None:
    answer = answered({"success": True, "routingCorrelationId": "r1", "psrId": "0JR", "workItemId": WORK_ITEM})
    assert sent(a_call("route", {}, KNOWN), Played(route=answer)).remember == {
        "routing_correlation": "r1",
        "psr": "0JR",
        "work_item": WORK_ITEM,
    }
    assert sent(a_call("unroute", {}, KNOWN), Played(route=DONE)).remember == {"routing_correlation": None, "psr": None}


def test_work_is_remembered_for_each_rep_until_it_is_closed() -> None:
    given = sent(
        a_call("agent_work", {"userId": "005a"}, KNOWN), Played(agentWork=answered({"success": True, "agentWorkId": "0Bz1"}))
    )
    assert given.remember == {"agent_work": "0Bz1", "agent_work:005a": "0Bz1"}
    salesforce = Played(agentWork=DONE)
    memory = {**KNOWN, **given.remember, "agent_work": "0Bz2"}
    closed = sent(a_call("close_agent_work", {"userId": "005a", "status": "Cancel"}, memory), salesforce)
    assert salesforce.bodies[0]["workId"] == "0Bz1"
    assert closed.remember == {"agent_work": None, "agent_work:005a": None}


def test_what_has_ended_has_no_work_item() -> None:
    assert sent(a_call("session", {"operation": "End"}, KNOWN), Played(messagingSession=DONE)).remember == {"work_item": None}


@pytest.mark.parametrize("reason", ["ACTIVE_CONVERSATION_NOT_FOUND", "SESSION_NOT_FOUND"])
def test_what_has_ended_already_is_no_fault(reason: str) -> None:
    answer = answered({"success": False, "errorReason": reason}, 200)
    assert sent(a_call("session", {"operation": "End"}, KNOWN), Played(messagingSession=answer)).remember["work_item"] is None


# ------------------------------------------------------------------------------------------------------ the conversation first


@pytest.mark.parametrize("operation", ["history", "route", "agent_work", "routing_result"])
def test_an_unknown_conversation_is_asked_for_first(operation: str) -> None:
    path = {"history": "conversationHistory", "agent_work": "agentWork", "routing_result": "routingResult"}.get(
        operation, operation
    )
    salesforce = Played(conversation=FOUND, **{path: DONE})
    result = sent(a_call(operation, {"userId": "005"} if operation == "agent_work" else {}), salesforce)
    assert [(call.url.rpartition("/")[2], call.visible) for call in salesforce.seen] == [("conversation", False), (path, True)]
    assert result.remember.items() >= KNOWN.items()


@pytest.mark.parametrize("operation", ["acknowledgement", "unroute", "participant", "session"])
def test_nothing_else_opens_a_session(operation: str) -> None:
    salesforce = Played()
    body = {"operation": "Inactivate"} if operation == "session" else {}
    assert refused(a_call(operation, body), salesforce).verdict is Verdict.dead
    assert salesforce.seen == []


def test_nothing_is_ended_where_nothing_began() -> None:
    salesforce = Played()
    assert sent(a_call("session", {"operation": "End"}), salesforce) == Sent()
    assert salesforce.seen == []


def test_ids_that_no_longer_hold_are_asked_for_again_once() -> None:
    salesforce = Played(route=[answered({"code": 10025, "message": "not found"}, 404), DONE], conversation=FOUND)
    sent(a_call("route", {}, {"conversation": "old", "work_item": "0Mwold"}), salesforce)
    assert [body["conversationIdentifier"] for body in salesforce.bodies if "routingType" in body] == ["old", CONVERSATION]
    again = Played(route=answered({"code": 10025, "message": "not found"}, 404), conversation=FOUND)
    failed = refused(a_call("route", {}, {"conversation": "old"}), again)
    assert (failed.verdict, failed.remember["conversation"]) == (Verdict.dead, CONVERSATION)
    assert len(again.seen) == 3


def test_a_conversation_without_ids_is_asked_for_later() -> None:
    failed = refused(a_call("agent_work", {"userId": "005"}), Played(conversation=answered({"success": True})))
    assert (failed.verdict, failed.provider_code) == (Verdict.again, "no_ids")


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_refused_token_is_renewed_once_and_then_holds_the_org() -> None:
    no = answered({"code": 10004, "message": "no"}, 401)
    salesforce = Played(interactions=[no, TAKEN])
    assert sent(a_call("interaction", TEXT), salesforce).message_ids == (RETRY_KEY,)
    assert [call.headers["Authorization"] for call in salesforce.seen] == ["Bearer token-1", "Bearer token-2"]
    stubborn = Played(interactions=no)
    failed = refused(a_call("interaction", TEXT), stubborn)
    assert isinstance(failed, OrgFault)
    assert (failed.scope, len(stubborn.seen), stubborn.tokens) == ("org", 2, 2)


def test_a_token_serves_many_calls() -> None:
    tokens, salesforce = tokens_of(ORG), Played(interactions=TAKEN)
    for _ in range(3):
        sent(a_call("interaction", TEXT), salesforce, tokens=tokens)
    assert salesforce.tokens == 1


@pytest.mark.parametrize(("code", "holds"), [(10031, True), (10055, False)])
def test_a_refusal_raises_by_its_code(code: int, holds: bool) -> None:
    failed = refused(a_call("interaction", TEXT), Played(interactions=answered({"code": code, "message": "no"}, 400)))
    assert (failed.verdict, getattr(failed, "holds", False)) == (Verdict.again, holds)


def test_a_lost_answer_is_asked_for_again_with_the_same_entry() -> None:
    flow = calls.send(a_call("interaction", TEXT), file=None, org=ORG, channel=CHANNEL, tokens=tokens_of(ORG), now=NOW)
    next(flow)
    flow.send(answered({"access_token": "t"}, 200))
    with pytest.raises(SendFailed) as caught:
        flow.throw(NoReply("timed out", sent=True))
    assert (caught.value.verdict, caught.value.code) == (Verdict.again, "provider_unavailable")


DEAD = [
    (a_call("interaction", {"interactionType": "AttachmentInteraction"}), None, "media_gone"),
    (
        a_call("interaction", {"interactionType": "AttachmentInteraction"}),
        PICTURE.model_copy(update={"content": b""}),
        "media_refused",
    ),
    (a_call("interaction", TEXT, to=f"sms/{'9' * 256}"), None, "recipient_unreachable"),
    (a_call("interaction", TEXT, to="sms/"), None, "recipient_unreachable"),
    (a_call("close_agent_work", {}, KNOWN), None, "refused"),
    (a_call("fly", {}, KNOWN), None, "refused"),
]


@pytest.mark.parametrize(("row", "file", "code"), DEAD)
def test_what_salesforce_would_refuse_is_not_asked(row: Call, file: OutboundFile | None, code: str) -> None:
    salesforce = Played()
    failed = refused(row, salesforce, file=file)
    assert (failed.verdict, failed.code) == (Verdict.dead, code)
    assert salesforce.seen == []


def test_the_customers_address_may_have_slashes() -> None:
    salesforce = Played(interactions=TAKEN)
    sent(a_call("interaction", TEXT, to="web/a/b"), salesforce)
    assert salesforce.bodies[0]["from"] == "a/b"


def test_secrets_and_words_are_in_no_repr() -> None:
    seen: list[HttpCall] = []

    def salesforce(call: HttpCall) -> HttpReply:
        seen.append(call)
        return answered({"access_token": "very-secret"}, 200) if "oauth2" in call.url else TAKEN

    flow = calls.send(
        a_call("interaction", formats.text("my diagnosis").body),
        file=None,
        org=ORG,
        channel=CHANNEL,
        tokens=tokens_of(ORG),
        now=NOW,
    )
    played(flow, salesforce)
    assert "very-secret" not in repr(seen)
    assert "diagnosis" not in repr(seen) + repr(formats.text("my diagnosis"))
