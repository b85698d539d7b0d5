"""The bodies of the Interaction Service's shorter requests, each with its own error codes; the longer ones are in `interactions`, `past` and `declared`.

What a code means is published, when exactly it is answered mostly isn't: where two could fit, the choice here is ours, and a client must treat both alike.

These codes occur only where a test asks for them by `faults`, since what they speak of has no counterpart in the simulated org:

- 500, 10019, 10055, 10056, 10058, 10094, 20002, 20003, 20004: states of Salesforce's own service.
- 10006: channels have one provider. 10063: the org is ready for all that history can hold. 10099: the licence of an org.
- 10104, 15105, 15108: permissions and service channels of records that the simulated org keeps right.
- 10084, 10087, 10088, 10090, 10091, 10092: external bots. The simulated org has none, so every request for one ends before these with 10093, 10086 or 10083.
- 25005, 25007: records of one session that contradict each other.

10040, 10041, 10079 to 10081 are no longer published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from gateway.brokers.salesforce.simulator.checking import (
    Json,
    end_user_of,
    flag_of,
    list_of,
    object_of,
    one_of,
    optional_number,
    optional_text,
    participant_of,
    refused,
    text_of,
    texts_of,
    time_of,
)
from gateway.brokers.salesforce.simulator.contract import (
    Acknowledged,
    CancelReason,
    ConsentStatus,
    RoutingContext,
    RoutingDone,
    RoutingType,
    Target,
    WorkAsked,
    WorkStatus,
)

_LONGEST: Final = 240
_ROUTINGS: Final = ("Initial", "Transfer", "Conference")


def conversation_id(body: Json) -> str:
    """`conversationIdentifier`."""
    return text_of(body, "conversationIdentifier", 10018, most=_LONGEST)


def _routing(body: Json) -> RoutingType:
    return cast(RoutingType, one_of(body, "routingType", _ROUTINGS))


def _work_item(body: Json, code: int) -> str:
    found = text_of(body, "workItemId", code)
    if len(found) != 15:
        raise refused(code, "workItemId must have 15 characters")
    if not found.startswith("0Mw"):
        raise refused(15110, "workItemId is not the id of a messaging session")
    return found


# -------------------------------------------------------------------------------------------------- POST /conversation


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A valid request."""

    address: str
    customer: str
    attributes: Mapping[str, str]


def conversation(body: Json) -> NewConversation:
    """Raises OrgRefusal."""
    address = text_of(body, "channelAddressIdentifier", 10052)
    (who,) = list_of(body, "participants", 10053, most=1)
    return NewConversation(address, end_user_of(who, subject_code=10054), texts_of(body, "routingAttributes"))


# ----------------------------------------------------------------------------------------------- POST /acknowledgement


@dataclass(frozen=True, slots=True)
class Receipts:
    """A valid request. `sender`: the customer."""

    conversation: str
    sender: str
    receipts: tuple[Acknowledged, ...]


def acknowledgement(body: Json) -> Receipts:
    """The API description types times as texts, its samples have numbers: both are taken. Raises OrgRefusal."""
    sender = end_user_of(object_of(body, "sender"))
    receipts = tuple(_receipt(one) for one in list_of(body, "acknowledgements", most=25))
    if len({one.created_id for one in receipts}) < len(receipts):
        raise refused(10078, "acknowledgmentCreatedConversationEntryIdentifier is not unique")
    return Receipts(conversation_id(body), sender, receipts)


def _receipt(body: Json) -> Acknowledged:
    status = one_of(body, "acknowledgementType", ("Delivered", "Read"))
    return Acknowledged(
        text_of(body, "acknowledgedConversationEntryIdentifier"),
        cast(Literal["Delivered", "Read"], status),
        time_of(body, "acknowledgementTimestamp", as_text=True),
        text_of(body, "acknowledgmentCreatedConversationEntryIdentifier"),
    )


# ----------------------------------------------------------------------------------------------------- /route


@dataclass(frozen=True, slots=True)
class Route:
    """A valid request."""

    conversation: str
    routing: RoutingType
    target: Target


def route(body: Json) -> Route:
    """Raises OrgRefusal."""
    return Route(conversation_id(body), _routing(body), _target(body))


def _target(body: Json) -> Target:
    if body.get("routingInfo") is None:
        return Target()
    info = object_of(body, "routingInfo")
    queue, flow = info.get("queueId"), info.get("flow")
    if (queue is None) == (flow is None):
        raise refused(10030, "Give either flow or queueId")
    attributes = texts_of(info, "routingAttributes")
    if flow is None:
        return Target(queue=_queue(info, 10032), attributes=attributes)
    both = object_of(info, "flow", 10024)
    attributes |= texts_of(both, "routingAttributes")
    queue = _queue(both, 10024)
    return Target(text_of(both, "flowId", 10024), queue, attributes)


def _queue(body: Json, code: int) -> str:
    queue = text_of(body, "queueId", code)
    if not queue.startswith("00G") or len(queue) not in (15, 18):
        raise refused(10032, "queueId is not the id of a queue")
    return queue[:15]


def unroute(body: Json) -> tuple[str, CancelReason | None]:
    """The conversation, and why. Raises OrgRefusal."""
    reason = None
    if body.get("cancelReason") is not None:
        reason = cast(CancelReason, one_of(body, "cancelReason", ("Unknown", "Unavailable", "Decline", "Cancel")))
    return conversation_id(body), reason


# ------------------------------------------------------------------------------------------------- /agentWork


def agent_work(body: Json) -> WorkAsked:
    """Raises OrgRefusal."""
    user = text_of(body, "userId", 15106)
    if not user.startswith("005") or len(user) not in (15, 18):
        raise refused(15106, "userId is not the id of a user")
    work_item = _work_item(body, 10012)
    weight, percentage = optional_number(body, "capacityWeight", 10014), optional_number(body, "capacityPercentage", 10015)
    if weight is not None and percentage is not None:
        raise refused(10013, "Give either capacityWeight or capacityPercentage, not both")
    if weight is not None and weight < 0:
        raise refused(10014, "capacityWeight is below zero")
    if percentage is not None and not 0 <= percentage <= 100:
        raise refused(10015, "capacityPercentage is not between 0 and 100")
    context = _context(object_of(body, "routingContext")) if body.get("routingContext") is not None else None
    actions = list_of(body, "agentActionVisibilities", least=0) if body.get("agentActionVisibilities") is not None else ()
    shown = tuple((one_of(one, "agentAction", ("Transfer", "Conference")), flag_of(one, "visible")) for one in actions)
    return WorkAsked(user[:15], work_item, weight, percentage, context, shown)


def _context(body: Json) -> RoutingContext:
    correlation_id = text_of(body, "routingCorrelationId")
    return RoutingContext(conversation_id(body), _routing(body), correlation_id)


def work_closing(body: Json) -> tuple[str, WorkStatus]:
    """The AgentWork, and what it becomes. Raises OrgRefusal."""
    context = one_of(body, "contextType", ("Agent", "Chatbot"), 10083)
    work_id = text_of(body, "workId", 10082)
    if not work_id.startswith("0Bz") or len(work_id) not in (15, 18):
        raise refused(10082, "workId is not the id of an AgentWork")
    status = one_of(body, "status", ("Accept", "Close", "Decline", "Cancel"), 10085)
    if context == "Chatbot":
        raise refused(10086, "The org has no external bot")
    return work_id[:15], cast(WorkStatus, status)


# ------------------------------------------------------------------------------------------------ POST /routingResult


def routing_result(body: Json) -> RoutingDone:
    """Raises OrgRefusal."""
    conversation = conversation_id(body)
    work_item = _work_item(body, 10012)
    success, external = flag_of(body, "success"), flag_of(body, "externallyRouted")
    routing = _routing(body) if body.get("routingType") is not None else None
    error = optional_text(body, "errorMessage")
    if success and error:
        raise refused(10033, "errorMessage must not be given when success is true")
    if not success and not error:
        raise refused(10034, "errorMessage is required when success is false")
    return RoutingDone(conversation, work_item, success, external, routing, error)


# -------------------------------------------------------------------------------------------------- POST /participant


def participant(body: Json) -> tuple[str, str]:
    """The conversation, and the user who is to leave it. Raises OrgRefusal."""
    conversation = conversation_id(body)
    if body.get("operation") != "Remove":
        raise refused(10097, "operation must be Remove")
    if not body.get("participants"):
        raise refused(10039, "There are no participants")
    listed = [participant_of(one, subject_code=10036) for one in list_of(body, "participants")]
    if len(set(listed)) < len(listed):
        raise refused(10101, "A participant is listed twice")
    if len(listed) > 1:
        raise refused(10078, "participants must have one item")
    (who,) = listed
    if who.role != "Agent":
        raise refused(10038, "role must be Agent")
    if who.app_type != "agent":
        raise refused(10037, "appType must be agent")
    return conversation, who.subject[:15]


# --------------------------------------------------------------------------------------------- POST /messagingSession


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A valid request."""

    address: str
    customer: str
    conversation: str
    operation: Literal["End", "Inactivate"]
    by: Literal["EndUser", "System"]
    session_id: str | None


def messaging_session(body: Json) -> SessionEnd:
    """Raises OrgRefusal."""
    address = text_of(body, "channelAddressIdentifier", 10017)
    customer = text_of(body, "endUserClientId", 10020, most=_LONGEST)
    conversation = conversation_id(body)
    operation = cast(Literal["End", "Inactivate"], one_of(body, "operation", ("End", "Inactivate"), 10102))
    by: Any = one_of({"operationBy": "System"} | dict(body), "operationBy", ("EndUser", "System"), 10103)
    session_id = optional_text(body, "sessionId", 10072)
    if operation == "Inactivate" and not session_id:
        raise refused(10106, "sessionId is required for Inactivate")
    if session_id and (not session_id.startswith("0Mw") or len(session_id) not in (15, 18)):
        raise refused(10072, "sessionId is not the id of a messaging session")
    return SessionEnd(address, customer, conversation, operation, by, session_id[:15] if session_id else None)


# ------------------------------------------------------------------------------------------------------ PATCH /consent


def consent(body: Json) -> tuple[str, str, ConsentStatus]:
    """The channel's address, the customer, and the consent. Raises OrgRefusal."""
    customer = text_of(body, "endUserClientId", 10020, most=_LONGEST)
    address = text_of(body, "channelAddressIdentifier", 10017, most=_LONGEST)
    options = ("OptedOut", "ImplicitlyOptedIn", "ExplicitlyOptedIn", "DoublyOptedIn")
    return address, customer, cast(ConsentStatus, one_of(body, "consentStatus", options, 10021))
