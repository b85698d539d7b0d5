"""What the simulated Interaction Service does with requests that are right."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.brokers.salesforce.simulator.contract import Chosen, Content, CustomerSays, Filled, HistoryEntry, Link, Text, Upload
from tests.brokers.salesforce.simulator.service import (
    ANA,
    BEN,
    MILLIS,
    NOW,
    QUEUE,
    Service,
    capabilities,
    consent,
    end_user,
    ending,
    entry,
    failed,
    history,
    message,
    past,
    receipt,
    receipts,
    removal,
    result,
    running,
    static,
    text,
    upload,
    work,
)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


def said(service: Service, conversation: str) -> list[CustomerSays]:
    return [one for one in service.org.threads[conversation].entries if isinstance(one, CustomerSays)]


def kinds(service: Service) -> list[str]:
    return [payload["payload"].get("entryType", kind) for kind, payload in service.published]


# ----------------------------------------------------------------------------------------------------- conversations


async def test_the_pair_of_channel_and_customer_is_one_conversation(service: Service) -> None:
    first, again, other = await service.say(), await service.say(), await service.say(customer="lee")
    assert first["conversationIdentifier"] == again["conversationIdentifier"] != other["conversationIdentifier"]
    assert first["workItemIds"] == again["workItemIds"] != other["workItemIds"]
    assert [(len(one), one[:3]) for one in first["workItemIds"]] == [(15, "0Mw")]
    assert first["success"] is True


async def test_after_the_end_there_is_a_new_session_in_the_same_conversation(service: Service) -> None:
    first = await service.say()
    service.org.finish(first["conversationIdentifier"])
    second = await service.say()
    assert first["conversationIdentifier"] == second["conversationIdentifier"]
    assert first["workItemIds"] != second["workItemIds"]


async def test_ids_can_be_asked_for_before_anything_is_said(service: Service) -> None:
    body = {"channelAddressIdentifier": "messaging", "participants": [end_user()], "routingAttributes": {"order": "12345"}}
    status, made = await service.call("POST", "/conversation", body, channel="messaging")
    said_then = await service.say()
    assert status == 202
    assert made == {
        "success": True,
        "conversationIdentifier": said_then["conversationIdentifier"],
        "messagingSessionId": said_then["workItemIds"][0],
    }
    assert service.org.threads[made["conversationIdentifier"]].attributes == {"order": "12345"}


# ---------------------------------------------------------------------------------------------------- what customers do


CONTENTS: list[tuple[str, dict[str, Any], Content]] = [
    ("text", static({"formatType": "Text", "text": "ünïcode 🙂"}), Text("ünïcode 🙂")),
    ("a link", static({"formatType": "Links", "links": [{"url": "https://example.com"}]}), Link("https://example.com")),
    ("an experience", static({"formatType": "ExperienceType", "values": [{}], "message": "seen"}), Text("seen")),
    (
        "choices",
        {
            "messageType": "ChoicesResponseMessage",
            "choicesResponse": {
                "formatType": "Selections",
                "selectedOptions": [
                    {"optionIdentifier": "a", "optionTitle": {"itemType": "TitleItem", "title": "Yes"}},
                    {"optionIdentifier": "b"},
                ],
            },
        },
        Chosen((("a", "Yes"), ("b", ""))),
    ),
    (
        "a form",
        {
            "messageType": "FormResponseMessage",
            "formResponse": {
                "formatType": "Inputs",
                "inputValues": [
                    {"inputValueType": "SingleInputValue", "inputId": "1", "value": {"valueType": "TextValue", "textValue": "x"}},
                    {
                        "inputValueType": "SingleInputValue",
                        "inputId": "2",
                        "value": {"valueType": "IntegerValue", "integerValue": 7},
                    },
                    {
                        "inputValueType": "SelectedOptionsInputValue",
                        "inputId": "3",
                        "selectedOptions": [{"optionIdentifier": "o"}],
                    },
                ],
            },
        },
        Filled((("1", "x"), ("2", "7"), ("3", "o"))),
    ),
]


@pytest.mark.parametrize(("abstract", "content"), [row[1:] for row in CONTENTS], ids=[row[0] for row in CONTENTS])
async def test_messages(abstract: dict[str, Any], content: Content, service: Service) -> None:
    status, answer = await service.interact(message(abstract | {"inReplyToMessageId": "earlier"}, "one"))
    assert status == 202
    assert said(service, answer["conversationIdentifier"]) == [CustomerSays("one", NOW, content, "earlier")]


@pytest.mark.parametrize("size", [1, 25 * 1024 * 1024])
async def test_files(size: int, service: Service) -> None:
    content = b"x" * size
    status, answer = await service.interact(upload(size, text="look", id="one"), ("straße.jpg", "image/jpeg", content))
    (one,) = said(service, answer["conversationIdentifier"])
    assert status == 202
    assert isinstance(one.content, Upload)
    assert (one.entry_id, one.content.name, one.content.mime_type, one.content.text) == (
        "one",
        "straße.jpg",
        "image/jpeg",
        "look",
    )
    assert one.content.content == content
    assert "MessageUpdated" in kinds(service)


async def test_the_type_of_a_file_may_come_of_its_name(service: Service) -> None:
    _, answer = await service.interact(upload(1), ("a.pdf", None, b"x"))
    (one,) = said(service, answer["conversationIdentifier"])
    assert isinstance(one.content, Upload)
    assert one.content.mime_type == "application/pdf"


async def test_typing_and_failures(service: Service) -> None:
    conversation = (await service.say())["conversationIdentifier"]
    thread = service.org.threads[conversation]
    for kind, on in (("TypingStartedIndicator", True), ("TypingStoppedIndicator", False)):
        assert (await service.interact(entry({"id": kind, "entryType": kind, "timestamp": MILLIS})))[0] == 202
        assert thread.typing is on
    await service.interact(failed(failedConversationEntryIdentifier="said by ana"))
    assert thread.failures == [("said by ana", "closed")]


async def test_receipts_with_times_as_texts_and_as_numbers(service: Service) -> None:
    conversation, _ = await service.talk()
    body = receipts(conversation, receipt(), receipt(acknowledgementType="Delivered", acknowledgementTimestamp=MILLIS))
    assert await service.call("POST", "/acknowledgement", body) == (200, {"success": True})
    assert [(one.status, one.at) for one in service.org.threads[conversation].receipts] == [("Read", NOW), ("Delivered", NOW)]


# ----------------------------------------------------------------------------------------------------- idempotency


@pytest.mark.parametrize(("idempotent", "times"), [(False, 2), (True, 1)])
async def test_the_same_entry_again(idempotent: bool, times: int, service: Service) -> None:
    service.faults.apply({"idempotent": idempotent})
    first, again = await service.say(id="one"), await service.say(id="one")
    other = await service.say(customer="lee", id="one")
    assert (first == again) is idempotent
    assert first["conversationIdentifier"] == again["conversationIdentifier"]
    assert len(said(service, first["conversationIdentifier"])) == times
    assert len(said(service, other["conversationIdentifier"])) == 1


async def test_an_answer_may_be_lost_and_its_effect_stay(service: Service) -> None:
    service.faults.apply({"idempotent": True, "answer": [{"code": 0, "when": "after"}, {"code": 10055, "when": "after"}]})
    with pytest.raises(aiohttp.ClientError):
        await service.say(id="one")
    assert (await service.interact(text(id="one")))[0] == 503
    answer = await service.say(id="one")
    assert len(said(service, answer["conversationIdentifier"])) == 1


async def test_a_call_may_fail_without_an_effect(service: Service) -> None:
    service.faults.apply({"answer": [{"code": 0}, {"code": 500, "path": "/interactions"}, {"code": 500, "path": "/route"}]})
    with pytest.raises(aiohttp.ClientError):
        await service.say()
    assert (await service.interact(text()))[0] == 500
    answer = await service.say()
    assert len(said(service, answer["conversationIdentifier"])) == 1


# ----------------------------------------------------------------------------------------------------------- limits


async def test_the_rate_limit(service: Service) -> None:
    service.faults.apply({"requests_per_second": 20})
    answers = await asyncio.gather(*(service.interact(text()) for _ in range(30)))
    assert Counter(status for status, _ in answers) == {202: 20, 429: 10}
    refused = next(body for status, body in answers if status == 429)
    assert refused["message"] == "Interaction request rate limit exceeded"
    service.clock.now += timedelta(seconds=1)
    assert (await service.interact(text()))[0] == 202


async def test_tokens_end(service: Service) -> None:
    headers = service.headers("messaging")
    assert (await service.interact(text(), headers=headers))[0] == 202
    service.faults.expire_tokens()
    assert (await service.interact(text(), headers=headers))[0] == 401


async def test_faults_are_set_over_http(service: Service) -> None:
    async with service.http.post(f"{service.url}/_faults", json={"read_only": True, "unknown": ["messaging"]}) as answer:
        assert (answer.status, (await answer.json())["read_only"]) == (200, True)
    assert (await service.interact(text()))[1]["code"] == 10019
    async with service.http.post(f"{service.url}/_faults", json={"read_only": False}) as answer:
        assert (await answer.json())["unknown"] == ["messaging"]
    assert (await service.interact(text()))[1]["code"] == 10017
    async with service.http.post(f"{service.url}/_faults", json={"clear": True, "inactive": ["messaging"]}) as answer:
        assert answer.status == 200
    assert (await service.interact(text()))[1]["code"] == 10031
    for nonsense in (b"{", b'{"nonsense": 1}'):
        async with service.http.post(f"{service.url}/_faults", data=nonsense) as answer:
            assert answer.status == 400
    async with service.http.get(f"{service.url}/_faults") as answer:
        assert (await answer.json())["inactive"] == ["messaging"]


async def test_the_kind_of_context_counts_in_any_case(service: Service) -> None:
    headers = {"AuthorizationContextType": "CONVERSATIONCHANNELDEFINITION", "OrgId": service.org.id}
    assert (await service.call("POST", "/conversationHistory", history(), headers=headers))[0] == 202


# ---------------------------------------------------------------------------------------------- history, consent, ends


async def test_history(service: Service) -> None:
    bot = {"appType": "custom", "subject": "bot", "role": "Chatbot"}
    menu = {"messageType": "ChoicesMessage", "choices": {"formatType": "Buttons", "text": "What is it about?"}}
    photo = static(
        {"formatType": "Attachments", "attachments": [{"id": "1", "name": "a", "mimeType": "image/png", "url": "https://e.x/a"}]}
    )
    entries = (past("one"), past("two", sender=bot, at=MILLIS - 20_000, abstract=menu), past("three", abstract=photo))
    start = {"messagingSessionRequestType": "EstablishMessagingSession", "payload": {"startTime": MILLIS}}
    status, answer = await service.call("POST", "/conversationHistory", history(*entries, messagingSession=start))
    assert status == 202
    kept = service.org.threads[answer["conversationIdentifier"]].entries
    assert [(one.entry_id, one.sender, one.text) for one in kept if isinstance(one, HistoryEntry)] == [
        ("one", "kim", "before"),
        ("two", "bot", "What is it about?"),
        ("three", "kim", "https://e.x/a"),
    ]
    attach = {"messagingSessionRequestType": "AttachMessagingSession", "payload": {"sessionId": answer["messagingSessionId"]}}
    assert (await service.call("POST", "/conversationHistory", history(past("zero"), messagingSession=attach)))[1] == answer
    assert (await service.say("partner"))["workItemIds"] == [answer["messagingSessionId"]]


async def test_consent_opens_the_way_to_a_rep(service: Service) -> None:
    talk = await service.talk("careful")
    body = consent(channelAddressIdentifier="careful")
    assert (await service.call("POST", "/agentWork", work(talk)))[1]["code"] == 15103
    assert await service.call("PATCH", "/consent", body) == (200, {"success": True})
    assert (await service.call("POST", "/agentWork", work(talk)))[0] == 202


async def test_a_session_is_made_inactive_and_ended(service: Service) -> None:
    conversation, session = await service.talk()
    inactive = ending(conversation, operation="Inactivate", sessionId=session)
    assert await service.call("POST", "/messagingSession", inactive) == (200, {"success": True})
    assert await service.call("POST", "/messagingSession", ending(conversation, operationBy="EndUser")) == (
        200,
        {"success": True},
    )
    assert (await service.call("POST", "/messagingSession", ending(conversation)))[1] == {
        "success": False,
        "errorReason": "ACTIVE_CONVERSATION_NOT_FOUND",
    }
    statuses = [
        payload["payload"]["entryPayload"].get("sessionStatus")
        for _, payload in service.published
        if "identifier" in payload["payload"]
    ]
    assert [one for one in statuses if one] == ["Waiting", "Inactive", "Ended"]


async def test_capabilities_are_kept(service: Service) -> None:
    body = capabilities()
    assert await service.call("PATCH", "/capabilities", body) == (200, {"success": True})
    assert service.org.registered == {"Byoc_Web": body["capabilities"]}


# -------------------------------------------------------------------------------------------------- partner routing


async def test_from_the_first_message_to_a_conference_and_back(service: Service) -> None:
    talk = await service.talk()
    assert kinds(service) == ["SessionStatusChanged", "RoutingRequested"]
    status, made = await service.call("POST", "/agentWork", work(talk))
    assert (status, made["agentWorkId"][:3], made["agentWorkDetails"]["existPsr"]) == (202, "0Bz", False)
    service.org.accept(made["agentWorkId"])

    conference = {"conversationIdentifier": talk[0], "routingType": "Conference", "routingInfo": {"queueId": QUEUE}}
    status, route = await service.call("POST", "/route", conference)
    assert (status, route["workItemId"], route["contextParamMap"]) == (202, talk[1], {"queueId": QUEUE})
    status, second = await service.call("POST", "/agentWork", {"userId": BEN, "workItemId": talk[1]})
    assert (status, second["agentWorkDetails"]["psrId"]) == (202, route["psrId"])
    assert second["agentWorkDetails"]["routingContext"]["routingCorrelationId"] == route["routingCorrelationId"]
    service.org.accept(second["agentWorkId"])
    assert (await service.call("POST", "/routingResult", result(talk, routingType="Conference")))[0] == 202

    assert await service.call("POST", "/participant", removal(talk)) == (200, {"success": True})
    assert service.org.routing.participants(talk[0]) == (BEN,)
    changes = [
        (one["operation"], one["participant"]["subject"])
        for _, payload in service.published
        for one in payload["payload"].get("entryPayload", {}).get("entries", [])
    ]
    assert changes == [("add", ANA), ("add", BEN), ("remove", ANA)]


async def test_work_is_taken_back_and_a_routing_removed(service: Service) -> None:
    talk = await service.talk()
    _, made = await service.call("POST", "/agentWork", work(talk))
    closing = {"contextType": "Agent", "workId": made["agentWorkId"], "status": "Close"}
    assert await service.call("PATCH", "/agentWork", closing) == (202, {"success": True})
    flow = {"flow": {"flowId": "300000000000001", "queueId": QUEUE}}
    await service.call("POST", "/route", {"conversationIdentifier": talk[0], "routingType": "Initial", "routingInfo": flow})
    unroute = {"conversationIdentifier": talk[0], "cancelReason": "Unavailable"}
    assert await service.call("DELETE", "/route", unroute) == (202, {"success": True})
    assert service.org.routing.psrs == {}


async def test_with_salesforce_routing_reps_come_by_themselves(service: Service) -> None:
    conversation = (await service.say())["conversationIdentifier"]
    service.org.join(conversation, ANA)
    service.org.say(conversation, ANA, "Hello")
    service.org.leave(conversation, ANA)
    assert kinds(service) == [
        "SessionStatusChanged",
        "ParticipantChanged",
        "SessionStatusChanged",
        "Message",
        "ParticipantChanged",
    ]


async def test_a_request_that_nobody_routes_fails(service: Service) -> None:
    await service.talk()
    service.clock.now += timedelta(seconds=60)
    service.org.pass_time()
    assert service.published[-1][1]["payload"]["entryPayload"]["failureType"] == "RoutingError"
