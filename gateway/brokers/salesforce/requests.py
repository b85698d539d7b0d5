"""Bodies of the Interaction Service's endpoints, from a row of the outbox. Which operation takes what is in `calls`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from adapters.envelope import OutboundFile
from adapters.errors import SendFailed, Verdict
from adapters.reading import dict_of, list_of
from gateway.brokers.salesforce.subjects import subject_of
from gateway.store.contract import Call

MOST_FROM: Final = 255  # characters
MOST_FILE_BYTES: Final = 25 * 1024 * 1024
MOST_ACKNOWLEDGEMENTS: Final = 25
_WORK_ITEM: Final = 15  # of a record id's 18 characters, /agentWork and /routingResult take the first
_NAMES: Final = uuid.UUID("0c0d8f2e-6f0a-5a43-9d43-2f0f3c9a7b11")

MAY_ASK: Final = frozenset({"history", "route", "agent_work", "routing_result"})
"""What needs a conversation and may open it. A receipt or an end must not: a session would begin that nobody wrote in."""

Json: TypeAlias = dict[str, Any]


class Missing(Exception):
    """An id isn't known that /conversation gives."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its headers. `path` is below `/api/v1/`; `uses_ids`: ids that were remembered are in it."""

    method: str
    path: str
    body: Json = field(repr=False)
    file: OutboundFile | None = field(default=None, repr=False)
    uses_ids: bool = False


def namespace(call: Call) -> uuid.UUID:
    """Where the row's ids are made: its retry key."""
    try:
        return uuid.UUID(call.retry_key)
    except ValueError:
        return uuid.uuid5(_NAMES, call.retry_key)


def entry_id(call: Call) -> str:
    """The id of the entry that the row makes, the same on every try."""
    return str(namespace(call))


def request_of(call: Call, known: Mapping[str, Any], *, file: OutboundFile | None, address: str) -> Request:
    """The request of a row. `known` is what is remembered; `address` is the ChannelAddressIdentifier. Raises Missing, and SendFailed (`dead`) for what Salesforce
    would refuse in any case, or for an operation that there isn't."""
    if not 0 < len(_customer(call)) <= MOST_FROM:
        raise SendFailed(Verdict.dead, "recipient_unreachable", provider_code="10028")
    if call.operation == "interaction":
        return _interaction(call, file, address)
    build = _BUILDERS.get(call.operation)
    if build is None:
        raise SendFailed(Verdict.dead, "refused", f"There is no operation {call.operation}.", provider_code="no_operation")
    return build(call, known, address)


# ----------------------------------------------------------------------------------------------- what the customer does


def _interaction(call: Call, file: OutboundFile | None, address: str) -> Request:
    given = dict(call.body)
    attributes = given.pop("routingAttributes", None)
    given.setdefault("timestamp", _milliseconds(call.created_at))
    if given.get("interactionType") == "AttachmentInteraction":
        file = _sendable(file)
        given |= {"id": entry_id(call), "attachmentIndex": 0, "contentLength": len(file.content)}
    else:
        file = None
        given["payload"] = _entry(call, dict_of(given.get("payload")), given["timestamp"])
    body = {"to": address, "from": _customer(call), "interactions": [given]}
    return Request("POST", "interactions", body if not attributes else {**body, "routingAttributes": attributes}, file)


def _sendable(file: OutboundFile | None) -> OutboundFile:
    if file is None:
        raise SendFailed(Verdict.dead, "media_gone", provider_code="10009")
    if not 0 < len(file.content) <= MOST_FILE_BYTES:
        raise SendFailed(Verdict.dead, "media_refused", provider_code="10008" if file.content else "10009")
    return file


def _entry(call: Call, payload: Json, timestamp: object) -> Json:
    """With its ids: that of the entry and of its message are one and the same."""
    payload = {**payload, "id": entry_id(call)}
    if "abstractMessage" in payload:
        payload["abstractMessage"] = {**dict_of(payload["abstractMessage"]), "id": entry_id(call)}
    kind = payload.get("entryType")
    if kind in ("TypingStartedIndicator", "TypingStoppedIndicator"):
        payload.setdefault("timestamp", timestamp)
    if kind == "MessageDeliveryFailed":
        payload.setdefault("recipient", _end_user(call))
    return payload


def _acknowledgement(call: Call, known: Mapping[str, Any], address: str) -> Request:
    given = [dict_of(one) for one in list_of(call.body.get("acknowledgements"))][:MOST_ACKNOWLEDGEMENTS]
    filled = [_acknowledged(call, number, one) for number, one in enumerate(given)]
    body = {"conversationIdentifier": _conversation(known, call), "sender": _end_user(call), "acknowledgements": filled}
    return Request("POST", "acknowledgement", {**body, **_rest(call, "acknowledgements")}, uses_ids=True)


def _acknowledged(call: Call, number: int, given: Json) -> Json:
    """The schema has the time as a text, its examples as a number; both are taken, and the schema counts."""
    made = str(uuid.uuid5(namespace(call), f"acknowledgement {number}"))
    at = given.get("acknowledgementTimestamp", _milliseconds(call.created_at))
    return {"acknowledgmentCreatedConversationEntryIdentifier": made, **given, "acknowledgementTimestamp": str(at)}


def conversation(call: Call, known: Mapping[str, Any], address: str) -> Request:
    """Get or create it."""
    body: Json = {"channelAddressIdentifier": address, "participants": [_end_user(call)]}
    attributes = call.body.get("routingAttributes") if call.operation in ("conversation", "interaction") else None
    return Request("POST", "conversation", {**body, "routingAttributes": attributes} if attributes else body)


def _history(call: Call, known: Mapping[str, Any], address: str) -> Request:
    _known(known, "conversation")  # so that there is a session to attach it to
    body: Json = {"channelAddressIdentifier": address, **call.body}
    if (work_item := known.get("work_item")) and "messagingSession" not in body:
        body["messagingSession"] = {"messagingSessionRequestType": "AttachMessagingSession", "payload": {"sessionId": work_item}}
        return Request("POST", "conversationHistory", body, uses_ids=True)
    return Request("POST", "conversationHistory", body)


def _session(call: Call, known: Mapping[str, Any], address: str) -> Request:
    body: Json = {
        "channelAddressIdentifier": address,
        "endUserClientId": _customer(call),
        "conversationIdentifier": _conversation(known, call),
        **call.body,
    }
    if body.get("operation") == "Inactivate" and "sessionId" not in body:
        body["sessionId"] = _known(known, "work_item")
    return Request("POST", "messagingSession", body, uses_ids=True)


def _consent(call: Call, known: Mapping[str, Any], address: str) -> Request:
    body = {"endUserClientId": _customer(call), "channelAddressIdentifier": address, **call.body}
    return Request("PATCH", "consent", body)


def _capabilities(call: Call, known: Mapping[str, Any], address: str) -> Request:
    return Request("PATCH", "capabilities", dict(call.body))


# ------------------------------------------------------------------------------------------------------------- routing


def _route(call: Call, known: Mapping[str, Any], address: str) -> Request:
    body = {"conversationIdentifier": _conversation(known, call), "routingType": "Initial", **call.body}
    return Request("POST", "route", body, uses_ids=True)


def _unroute(call: Call, known: Mapping[str, Any], address: str) -> Request:
    return Request("DELETE", "route", {"conversationIdentifier": _conversation(known, call), **call.body}, uses_ids=True)


def _agent_work(call: Call, known: Mapping[str, Any], address: str) -> Request:
    """Without work that is waiting to be routed, Salesforce wants the capacity and the context; with it, it passes over both."""
    body = {"workItemId": _work_item(known, call), **_rest(call, "routingType", "routingCorrelationId", "workItemId")}
    given = {**dict_of(call.body.get("routingContext"))} or {
        name: call.body[name] for name in ("routingType", "routingCorrelationId") if call.body.get(name)
    }
    if given.get("routingType"):
        correlation = given.get("routingCorrelationId") or known.get("routing_correlation") or entry_id(call)
        conversation = given.get("conversationIdentifier") or _conversation(known, call)
        body["routingContext"] = {**given, "conversationIdentifier": conversation, "routingCorrelationId": correlation}
        if not body.keys() & {"capacityWeight", "capacityPercentage"}:
            body["capacityWeight"] = 1
    return Request("POST", "agentWork", body, uses_ids=True)


def _close_agent_work(call: Call, known: Mapping[str, Any], address: str) -> Request:
    user = call.body.get("userId")
    work = call.body.get("workId") or known.get(f"agent_work:{user}" if user else "agent_work")
    if not work:
        raise SendFailed(Verdict.dead, "refused", "The rep has no work that could be closed.", provider_code="10082")
    body = {"contextType": "Agent", "status": "Close", **_rest(call, "userId"), "workId": work}
    return Request("PATCH", "agentWork", body)


def _routing_result(call: Call, known: Mapping[str, Any], address: str) -> Request:
    ids = {"conversationIdentifier": _conversation(known, call), "workItemId": _work_item(known, call)}
    body: Json = {**ids, "success": True, "externallyRouted": False, **_rest(call, *ids)}
    if body["success"]:
        body.pop("errorMessage", None)  # 10033
    elif not body.get("errorMessage"):
        body["errorMessage"] = "Routing failed."  # 10034
    return Request("POST", "routingResult", body, uses_ids=True)


def _participant(call: Call, known: Mapping[str, Any], address: str) -> Request:
    rep = {"appType": "agent", "subject": str(call.body.get("subject") or "")[:_WORK_ITEM], "role": "Agent"}
    body = {"conversationIdentifier": _conversation(known, call), "operation": "Remove", "participants": [rep]}
    return Request("POST", "participant", {**body, **_rest(call, "subject")}, uses_ids=True)


_BUILDERS: Final[Mapping[str, Callable[[Call, Mapping[str, Any], str], Request]]] = {
    "acknowledgement": _acknowledgement,
    "conversation": conversation,
    "history": _history,
    "session": _session,
    "consent": _consent,
    "capabilities": _capabilities,
    "route": _route,
    "unroute": _unroute,
    "agent_work": _agent_work,
    "close_agent_work": _close_agent_work,
    "routing_result": _routing_result,
    "participant": _participant,
}
OPERATIONS: Final = frozenset({"interaction", *_BUILDERS})


# ------------------------------------------------------------------------------------------------------------- members


def _customer(call: Call) -> str:
    return subject_of(call.memory, call.to.partition("/")[2]) if call.operation != "capabilities" else "-"


def _end_user(call: Call) -> Json:
    return {"appType": "custom", "subject": _customer(call), "role": "EndUser"}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _known(known: Mapping[str, Any], name: str) -> str:
    value = known.get(name)
    if not isinstance(value, str) or not value:
        raise Missing
    return value


def _conversation(known: Mapping[str, Any], call: Call) -> str:
    given = call.body.get("conversationIdentifier")
    return given if isinstance(given, str) and given else _known(known, "conversation")


def _work_item(known: Mapping[str, Any], call: Call) -> str:
    given = call.body.get("workItemId")
    return (given if isinstance(given, str) and given else _known(known, "work_item"))[:_WORK_ITEM]


def _rest(call: Call, *without: str) -> Json:
    return {name: value for name, value in call.body.items() if name not in without}
