"""Each error code of the Interaction Service: the request that provokes it, its status, and the shape of its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from gateway.brokers.salesforce.simulator import validation
from gateway.brokers.salesforce.simulator.refusals import TEXTS
from tests.brokers.salesforce.simulator.service import (
    ANA,
    BOT,
    CUSTOMER,
    MILLIS,
    QUEUE,
    UNTIED,
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

Call: TypeAlias = Callable[[Service], Awaitable[tuple[int, Any]]]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


def says(body: Any, *files: Any, **more: Any) -> Call:
    return lambda service: service.interact(body, *files, **more)


def posts(path: str, body: Any, method: str = "POST", **more: Any) -> Call:
    return lambda service: service.call(method, path, body, **more)


def headed(**headers: str | None) -> Call:
    changed = {name.replace("_", ""): value for name, value in headers.items()}
    return lambda service: service.call("POST", "/conversation", {}, headers=changed)


def talking(
    path: str, body: Callable[[tuple[str, str]], Any], method: str = "POST", channel: str = "partner", **more: Any
) -> Call:
    """A call about a session in which the customer has said something."""

    async def call(service: Service) -> tuple[int, Any]:
        talk = await service.talk(channel)
        return await service.call(method, path, body(talk), channel=channel, **more)

    return call


def photo(size: int = 3, name: str = "a.jpg", mime: str | None = "image/jpeg") -> tuple[str, str | None, bytes]:
    return name, mime, b"x" * size


async def out_of_scope(service: Service) -> tuple[int, Any]:
    return await service.call("POST", "/conversation", {}, headers=service.headers(scopes=frozenset({"api"})))


async def rate_limited(service: Service) -> tuple[int, Any]:
    service.faults.apply({"requests_per_second": 1})
    await service.interact(text())
    return await service.interact(text())


async def read_only(service: Service) -> tuple[int, Any]:
    service.faults.apply({"read_only": True})
    return await service.interact(text())


async def known_entry(service: Service) -> tuple[int, Any]:
    await service.call("POST", "/conversationHistory", history(past("one")))
    return await service.call("POST", "/conversationHistory", history(past("one")))


async def twice(service: Service) -> tuple[int, Any]:
    talk = await service.talk()
    await service.call("POST", "/agentWork", work(talk))
    return await service.call("POST", "/agentWork", work(talk))


async def another_channels_conversation(service: Service) -> tuple[int, Any]:
    conversation, _ = await service.talk("careful")
    return await service.call("POST", "/messagingSession", ending(conversation))


async def wrong_definition(service: Service) -> tuple[int, Any]:
    conversation, _ = await service.talk("partner")
    return await service.call("POST", "/acknowledgement", receipts(conversation), channel="messaging")


async def closed_work(service: Service) -> tuple[int, Any]:
    talk = await service.talk()
    _, made = await service.call("POST", "/agentWork", work(talk))
    service.org.accept(made["agentWorkId"])
    closing = {"contextType": "Agent", "workId": made["agentWorkId"], "status": "Cancel"}
    return await service.call("PATCH", "/agentWork", closing)


def closing(**changed: Any) -> Call:
    body = {"contextType": "Agent", "workId": "0Bz000000000001", "status": "Cancel"} | changed
    return posts("/agentWork", body, "PATCH")


def routed(info: Any) -> Call:
    return talking("/route", lambda talk: {"conversationIdentifier": talk[0], "routingType": "Initial", "routingInfo": info})


def people(*listed: Any, **changed: Any) -> Call:
    return posts("/conversationHistory", history(people=list(listed), **changed))


def remembers(*entries: Any, **changed: Any) -> Call:
    return posts("/conversationHistory", history(*entries, **changed))


def session(kind: str, **payload: Any) -> Call:
    return remembers(messagingSession={"messagingSessionRequestType": kind, "payload": payload})


def new_conversation(**changed: Any) -> Call:
    return posts("/conversation", {"channelAddressIdentifier": "partner", "participants": [end_user()]} | changed)


BOTS = {"AuthorizationContextType": "ExternalConversationParticipant", "AuthorizationContext": "Some_Bot"}
CONTEXT = {"conversationIdentifier": "nowhere", "routingType": "Initial", "routingCorrelationId": "c"}

# (code, HTTP status, the request)
ROWS: list[tuple[int, int, Call]] = [
    (429, 429, rate_limited),
    (10001, 400, says(text(), channel="partner")),
    (10002, 400, says(text(to="wrong type"))),
    (10003, 403, out_of_scope),
    (10004, 401, headed(Authorization=None)),
    (10004, 401, headed(Authorization="Bearer nonsense")),
    (10004, 401, headed(Authorization="Basic nonsense")),
    (10005, 403, headed(Authorization_Context="Byoc_Unknown")),
    (10007, 400, says(upload(3, id=" "), photo())),
    (10008, 400, says(upload(25 * 1024 * 1024 + 1), photo(25 * 1024 * 1024 + 1))),
    (10009, 400, says(upload(0), photo(0))),
    (10009, 400, says(upload(3))),
    (10010, 400, says(upload(None), photo())),
    (10011, 400, says(upload(3), photo(), photo())),
    (10011, 400, says(text(), photo())),
    (10012, 400, talking("/agentWork", lambda talk: work(talk, workItemId="0Mw1"))),
    (10013, 400, talking("/agentWork", lambda talk: work(talk, capacityPercentage=10))),
    (10014, 400, talking("/agentWork", lambda talk: work(talk, capacityWeight=-1))),
    (10015, 400, talking("/agentWork", lambda talk: work(talk, capacityWeight=None, capacityPercentage=101))),
    (10016, 400, headed(Org_Id=None)),
    (10016, 400, headed(Org_Id="00D000000000002")),
    (10016, 400, headed(Request_Id="1")),
    (10016, 400, headed(Authorization_Context=None)),
    (10016, 400, posts("/conversation", b"{}", headers={"Content-Type": "text/plain"})),
    (10016, 400, posts("/interactions", text(), channel="messaging")),
    (10017, 404, says(text(to="nowhere"))),
    (10018, 404, posts("/acknowledgement", receipts("nowhere"))),
    (10018, 404, posts("/acknowledgement", receipts(" "))),
    (10019, 503, read_only),
    (10020, 400, posts("/consent", consent(endUserClientId=""), "PATCH")),
    (10021, 400, posts("/consent", consent(consentStatus="Yes"), "PATCH")),
    (10022, 400, posts("/consent", consent(channelAddressIdentifier="messaging"), "PATCH", channel="messaging")),
    (10023, 400, posts("/consent", consent(channelAddressIdentifier="keywords"), "PATCH")),
    (10024, 400, routed({"flow": {"flowId": "300000000000001"}})),
    (10024, 400, routed({"flow": {"queueId": QUEUE}})),
    (10025, 400, wrong_definition),
    (10026, 400, says(text(to="undefined"))),
    (10027, 400, says(text(to=" "))),
    (10027, 400, says(text(to="t" * 241))),
    (10028, 400, says(text(**{"from": "f" * 256}))),
    (10029, 400, says({"to": "messaging", "from": "kim", "interactions": []})),
    (10029, 400, says(text() | {"interactions": text()["interactions"] * 2})),
    (10029, 400, says(upload(3, interactionType="Another"), photo())),
    (10029, 400, says(upload(3, timestamp="now"), photo())),
    (10030, 400, routed({"flow": {"flowId": "300000000000001", "queueId": QUEUE}, "queueId": QUEUE})),
    (10030, 400, routed({})),
    (10031, 400, says(text(to="inactive"))),
    (10032, 400, routed({"queueId": "00G000000000099"})),
    (10032, 400, routed({"queueId": "300000000000001"})),
    (10033, 400, talking("/routingResult", lambda talk: result(talk, errorMessage="no"))),
    (10034, 400, talking("/routingResult", lambda talk: result(talk, success=False))),
    (
        10035,
        400,
        posts("/conversation", {"channelAddressIdentifier": "wrong type", "participants": [end_user()]}, channel="messaging"),
    ),
    (10036, 400, talking("/acknowledgement", lambda talk: receipts(talk[0], sender=end_user("lee")))),
    (10036, 200, talking("/participant", removal)),
    (10037, 400, says(failed(recipient=end_user(appType="agent")))),
    (10037, 400, says(failed(recipient=end_user(appType="fax")))),
    (10038, 400, says(failed(recipient=end_user(role="Agent")))),
    (10039, 400, talking("/participant", lambda talk: removal(talk, participants=[]))),
    (10039, 400, people()),
    (10042, 400, people(BOT)),
    (10043, 400, people(CUSTOMER, BOT | {"participant": {"appType": "agent", "subject": ANA, "role": "Agent"}})),
    (10044, 400, people(CUSTOMER, CUSTOMER | {"participant": end_user("lee")})),
    (10045, 400, remembers(past(entryPayload={"entryType": "Note", "id": "1"}))),
    (10045, 400, remembers(*(past() for _ in range(26)))),
    (10046, 400, remembers(past(at=MILLIS - 25 * 3_600_000))),
    (10046, 400, remembers(past(at=MILLIS + 3_600_000))),
    (10047, 400, says(message({"messageType": "Fax"}))),
    (
        10047,
        400,
        posts("/capabilities", capabilities({"messageType": "Fax", "formatTypeCapabilities": [{"formatType": "Text"}]}), "PATCH"),
    ),
    (10048, 400, says(message(static({"formatType": "Fax"})))),
    (10049, 400, says(message(static({"formatType": "Buttons"})))),
    (
        10050,
        400,
        posts("/capabilities", capabilities(customIntegration={"customIntegrationType": "CustomBotIntegration"}), "PATCH"),
    ),
    (10051, 400, says(upload(4), photo())),
    (10052, 400, new_conversation(channelAddressIdentifier="nowhere")),
    (10053, 400, new_conversation(participants=[])),
    (10054, 400, new_conversation(participants=[end_user(" ")])),
    (10057, 400, posts("/conversationHistory", history(channelAddressIdentifier="messaging"), channel="messaging")),
    (10059, 400, says(text(id=" "))),
    (10059, 400, says(message(static({"formatType": "Text", "text": "x"}) | {"id": None}))),
    (10060, 400, says(message(static({"formatType": "Text", "text": "x"}) | {"id": "another"}))),
    (10061, 400, session("EstablishMessagingSession")),
    (10062, 400, says(message({"messageType": "ChoicesMessage", "choices": {}}))),
    (10064, 400, session("EstablishMessagingSession", startTime=MILLIS, endTime=MILLIS - 1)),
    (10065, 400, people(CUSTOMER | {"leftTime": MILLIS})),
    (10066, 400, people(CUSTOMER, BOT | {"leftTime": None})),
    (10067, 400, people(CUSTOMER, BOT | {"leftTime": MILLIS - 60_000})),
    (10068, 400, remembers(past(sender=end_user("lee")))),
    (10069, 400, another_channels_conversation),
    (10070, 400, posts("/messagingSession", ending("x"), channel="messaging")),
    (10071, 404, session("AttachMessagingSession", sessionId="0Mw000000000099")),
    (10072, 400, session("AttachMessagingSession", sessionId="0Bz000000000099")),
    (10073, 400, remembers(past("one"), past("one"))),
    (10073, 400, known_entry),
    (10074, 400, remembers(past(at=MILLIS - 61_000))),
    (10074, 400, remembers(past(at=MILLIS, sender=BOT["participant"]))),
    (
        10075,
        400,
        talking(
            "/route", lambda talk: {"conversationIdentifier": talk[0], "routingType": "Conference"}, channel="no conferences"
        ),
    ),
    (10075, 400, talking("/agentWork", lambda talk: work(talk, routing="Conference"), channel="no conferences")),
    (
        10076,
        400,
        talking(
            "/route",
            lambda talk: {"conversationIdentifier": talk[0], "cancelReason": "Decline"},
            "DELETE",
            channel="no conferences",
        ),
    ),
    (
        10077,
        400,
        talking(
            "/agentWork",
            lambda talk: work(talk, agentActionVisibilities=[{"agentAction": "Conference", "visible": True}]),
            channel="no conferences",
        ),
    ),
    (10078, 400, posts("/conversation", b"{")),
    (10078, 400, posts("/conversation", [])),
    (10078, 400, posts("/conversation", b"[" * 100_000)),
    (10078, 400, says(None)),
    (10078, 400, says(text(routingAttributes={"order": 1}))),
    (10078, 400, says(entry({"id": "1", "entryType": "Note"}))),
    (10078, 400, says(entry({"id": "1", "entryType": "TypingStartedIndicator"}))),
    (10078, 400, says(failed(errorCode=None))),
    (10078, 400, says(text(said=7))),
    (10078, 400, talking("/acknowledgement", lambda talk: receipts(talk[0], *(receipt() for _ in range(26))))),
    (10078, 400, talking("/acknowledgement", lambda talk: receipts(talk[0], receipt(acknowledgementType="Seen")))),
    (10082, 400, closing(workId="1")),
    (10082, 202, closing()),
    (10083, 400, closing(contextType="Human")),
    (10085, 400, closing(status="Done")),
    (10086, 400, closing(contextType="Chatbot", botId="bot", workItemId="0Mw000000000001")),
    (10086, 400, posts("/conversationEntry", {}, headers=BOTS)),
    (10086, 400, posts("/conversationEntry", None, "GET", headers=BOTS)),
    (10086, 400, posts("/attachment", None, headers=BOTS)),
    (10089, 202, closed_work),
    (10089, 400, talking("/agentWork", lambda talk: work(talk, routingContext=None))),
    (10093, 400, posts("/conversationHistory", history(), headers={"AuthorizationContextType": None})),
    (10093, 400, posts("/conversation", {}, headers={"AuthorizationContextType": "EmbeddedMessagingChannel"})),
    (10093, 400, posts("/conversationEntry", {})),
    (10095, 400, says(upload(3), photo(name="file", mime=None))),
    (10095, 400, says(upload(3), photo(name="file", mime="application/octet-stream"))),
    (10096, 400, says(text(routingAttributes={"order": "123456"}))),
    (10097, 400, talking("/participant", lambda talk: removal(talk, operation="Add"))),
    (10098, 400, posts("/capabilities", capabilities(progressIndicatorTypeCapabilities=[]), "PATCH")),
    (10099, 403, talking("/routingResult", result, channel="salesforce routes")),
    (10100, 400, posts("/conversation", None)),
    (10101, 400, talking("/participant", lambda talk: removal(talk, participants=removal(talk)["participants"] * 2))),
    (10101, 400, people(CUSTOMER, BOT, BOT)),
    (10102, 400, posts("/messagingSession", ending("x", operation="Stop"))),
    (10103, 400, posts("/messagingSession", ending("x", operationBy="Agent"))),
    (10105, 400, posts("/consent", consent(endUserClientId="nobody"), "PATCH")),
    (10106, 400, posts("/messagingSession", ending("x", operation="Inactivate"))),
    (15102, 400, talking("/routingResult", result, channel="messaging")),
    (15103, 400, talking("/agentWork", work, channel="careful")),
    (15104, 400, talking("/agentWork", work, channel="no center")),
    (15106, 400, talking("/agentWork", lambda talk: work(talk, user="ana"))),
    (15106, 400, talking("/agentWork", lambda talk: work(talk, user="005000000000099"))),
    (15109, 409, twice),
    (15110, 400, talking("/agentWork", lambda talk: work(talk, workItemId="500000000000001"))),
    (15111, 400, talking("/agentWork", lambda talk: work(talk, workItemId="0Mw000000000099"))),
    (15112, 400, talking("/agentWork", lambda talk: work(talk, user=UNTIED))),
    (25006, 400, talking("/agentWork", lambda talk: work(talk, routingContext=CONTEXT))),
]


async def mixed_up(service: Service) -> tuple[int, Any]:
    one, other = await service.talk("partner", "kim"), await service.talk("partner", "lee")
    return await service.call("POST", "/agentWork", work((one[0], other[1])))


async def result_mixed_up(service: Service) -> tuple[int, Any]:
    one, other = await service.talk("partner", "kim"), await service.talk("partner", "lee")
    return await service.call("POST", "/routingResult", result((one[0], other[1])))


ROWS += [(15107, 400, mixed_up), (15107, 202, result_mixed_up)]

ONLY_BY_FAULTS = {500, 10006, 10055, 10056, 10058, 10063, 10084, 10087, 10088, 10090, 10091, 10092, 10094, 10104, 15105, 15108}
ONLY_BY_FAULTS |= {20002, 20003, 20004, 25005, 25007}


def detail_of(body: Any) -> Any:
    return body.get("errorDetail", body)


@pytest.mark.parametrize(("code", "status", "call"), ROWS, ids=[f"{code}-{number}" for number, (code, _, _) in enumerate(ROWS)])
async def test_code(code: int, status: int, call: Call, service: Service) -> None:
    found, body = await call(service)
    assert (found, detail_of(body)["code"]) == (status, code), body
    assert isinstance(detail_of(body)["message"], str)
    _, path, _, _ = service.answers[-1]
    if path in ("/consent", "/capabilities") or status in (200, 202):
        assert body.keys() == {"success", "errorDetail"}
    elif path == "/acknowledgement":
        assert body.keys() == {"success", "code", "message"}
    else:
        assert body.keys() == {"code", "message"}
    assert body.get("success", False) is False


@pytest.mark.parametrize("code", sorted(ONLY_BY_FAULTS))
async def test_code_that_only_a_fault_brings(code: int, service: Service) -> None:
    service.faults.apply({"answer": {"code": code}})
    status, body = await service.interact(text())
    assert (status >= 400, body["code"]) == (True, code)
    assert (await service.interact(text()))[0] == 202


def test_every_code_has_its_row_or_its_reason() -> None:
    assert {code for code, _, _ in ROWS} | ONLY_BY_FAULTS == TEXTS.keys()
    assert not {code for code, _, _ in ROWS} & ONLY_BY_FAULTS
    assert {code for code in ONLY_BY_FAULTS if str(code) not in str(validation.__doc__)} == set()


REASONS: list[tuple[str, Call]] = [
    ("CHANNEL_ADDRESS_NOT_FOUND", posts("/messagingSession", ending("x", channelAddressIdentifier="nowhere"))),
    ("PERMISSION_DENIED", posts("/messagingSession", ending("x", channelAddressIdentifier="salesforce routes"))),
    ("ACTIVE_CONVERSATION_NOT_FOUND", posts("/messagingSession", ending("nowhere"))),
    ("END_USER_NOT_FOUND", talking("/messagingSession", lambda talk: ending(talk[0], endUserClientId="lee"))),
    ("SESSION_NOT_FOUND", talking("/messagingSession", lambda talk: ending(talk[0], sessionId="0Mw000000000099"))),
]


@pytest.mark.parametrize(("reason", "call"), REASONS, ids=[reason for reason, _ in REASONS])
async def test_reasons_why_a_session_is_not_ended(reason: str, call: Call, service: Service) -> None:
    assert await call(service) == (200, {"success": False, "errorReason": reason})
