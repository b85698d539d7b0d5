"""Platform events → values. What may reach a customer is decided here: by an allow-list, and everything else is `Internal`.

Keys and entry types are read in Salesforce's own spelling alone, so that nothing is taken for a message by a resemblance. An event comes nested (`payload`), as the
published schema has it, or flat, as one of its examples does. Source: Salesforce's published schema of the outbound event
(github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from adapters.contract import RawRequest
from adapters.envelope import ChannelId
from adapters.errors import NotUnderstood
from adapters.reading import count, dict_of, json_object, json_value, kept, list_of, moment, optional
from gateway.brokers.salesforce import events
from gateway.brokers.salesforce.events import AnyOrgEvent, Person, PersonChange
from gateway.brokers.salesforce.messages import said_of
from gateway.config.salesforce import SalesforceOrg

Json: TypeAlias = dict[str, Any]

_MOST_BYTES: Final = 4_194_304  # an event has at most 1 MB
_MOST_PEOPLE: Final = 200
_DEEPEST: Final = 20
_MOST_WORD: Final = 80  # characters of an entry type that is kept for operators
_MOST_NAME, _MOST_GIVEN = 80, 1_000  # characters
_JOINERS: Final = "\u200c\u200d"  # parts of letters in Persian and Indic scripts, and of emoji

ROLES: Final = ("EndUser", "Agent", "Supervisor", "Chatbot", "DigitalWorker", "System", "Router")
_BY_ROLE: Final = {role.casefold(): role for role in ROLES}
SPEAK: Final = frozenset({"Agent", "Supervisor", "Chatbot", "DigitalWorker", "System"})
"""Who speaks to a customer. A Router's words count only with a `messageReason`; nobody else's do, the customer's own least of all."""
_TYPE: Final = frozenset({"Agent", "Supervisor", "Chatbot", "DigitalWorker"})
NOT_TO_CUSTOMER: Final = "Message, not to the customer"
"""The `entry_type` of an `Internal` that was a Message, and didn't pass the allow-list."""


def parse(request: RawRequest, *, lane: str, org: SalesforceOrg) -> list[AnyOrgEvent]:
    """The events of one platform event (one, as Salesforce publishes them). `headers`: `event-id`, `replay-id` (hex), `event-type`; `body`: the payload field's JSON.

    `RepSaid` comes only of `entryType: Message` (both times that the event says it) with an `abstractMessage`, addressed to an end user: `recipient.role` is EndUser,
    and where `recipients` names anybody, the customer is among `primary` or `secondary`. The sender is an Agent, Supervisor, Chatbot, DigitalWorker
    or System; a Router's words count only with a `messageReason`. All else with words in it is `Internal`.

    Raises NotUnderstood, which names the replay position, for what is not JSON or has no channel address. Nothing else is ever raised.
    """
    request, whole = _fields(request, _read(request), org)
    nested = "payload" in whole
    payload = dict_of(whole["payload"]) if nested else whole
    entry = dict_of(payload.get("entryPayload"))
    address = _first("channelAddressIdentifier", whole, payload)
    if address is None:
        raise NotUnderstood(f"the event at replay id {_position(request)} has no channelAddressIdentifier")
    recipient = _person(whole.get("recipient")) or _person(payload.get("recipient"))
    sender = _person(payload.get("sender"), name=optional(payload, "senderDisplayName"))
    common: Json = {
        "channel_id": ChannelId(lane),
        "event_id": request.headers.get("event-id") or f"replay {_position(request)}",
        "received_at": request.received_at,
        "address": address,
        "customer": recipient.subject if recipient is not None and recipient.role == "EndUser" else "",
        "conversation": _first("conversationIdentifier", whole, payload, entry) or "",
        "entry_id": optional(payload, "identifier") or optional(entry, "id") or "",
        "at": moment(milliseconds=payload.get("transcriptedTimestamp")) or moment(milliseconds=payload.get("clientTimestamp")),
        "sender": sender,
    }
    if request.headers.get("event-type", "Interaction") == "RoutingRequested":
        return [_routing_asked(common, payload)]
    kind = _entry_type(payload, entry)
    read = _READERS.get(kind) if request.headers.get("event-type", "Interaction") == "Interaction" else None
    return [(read(common, entry, payload) if read is not None else None) or _internal(common, kind or "unknown")]


def _fields(request: RawRequest, whole: Json, org: SalesforceOrg) -> tuple[RawRequest, Json]:
    """What the config's fields hold. A record was kept whole, without a type, where the config named fields that it lacks; once the config is
    corrected, it is read by the right ones when an operator replays it."""
    kind, payload = whole.get(org.event_type_field), whole.get(org.event_payload_field)
    if request.headers.get("event-type") != "" or not isinstance(kind, str) or not isinstance(payload, str):
        return request, whole
    inner = replace(request, headers={**request.headers, "event-type": kind}, body=payload.encode(errors="surrogatepass"))
    return inner, _read(inner)


def _read(request: RawRequest) -> Json:
    if len(request.body) > _MOST_BYTES:
        raise NotUnderstood(f"the event at replay id {_position(request)} is longer than {_MOST_BYTES} bytes")
    try:
        return json_object(request.body)
    except NotUnderstood as cause:
        raise NotUnderstood(f"the event at replay id {_position(request)} can't be read: {cause}") from cause


def _position(request: RawRequest) -> str:
    return request.headers.get("replay-id") or "unknown"


def _entry_type(payload: Json, entry: Json) -> str:
    """It is said twice, and must be the same both times: what claims to be two things is neither."""
    outer, inner = payload.get("entryType"), entry.get("entryType")
    if outer is not None and inner is not None and outer != inner:
        return f"{outer!s:.{_MOST_WORD}}, and inside {inner!s:.{_MOST_WORD}}"
    found = inner if outer is None else outer
    return found if isinstance(found, str) else ""


def _internal(common: Json, entry_type: str) -> events.Internal:
    return events.Internal(**common, entry_type=entry_type[: 3 * _MOST_WORD])


def _first(key: str, *places: Mapping[str, Any]) -> str | None:
    return next((found for place in places if (found := optional(place, key)) is not None), None)


def _person(value: object, *, name: str | None = None) -> Person | None:
    found = dict_of(value)
    role = optional(found, "role")
    if role is None:
        return None
    role, subject = _BY_ROLE.get(role.casefold(), role), optional(found, "subject") or ""
    return Person(app_type=optional(found, "appType") or "", subject=subject, role=role, name=_public_name(name or ""))


def _public_name(given: str) -> str:
    """In one line, and as long as a name in the config may be: customers see it before the words and in notices, where a second line would look like somebody
    else's, and a mark of direction would turn what follows."""
    line = " ".join(given[:_MOST_GIVEN].split())
    return "".join(sign for sign in line if sign.isprintable() or sign in _JOINERS).strip()[:_MOST_NAME].strip()


# ----------------------------------------------------------------------------------------------------------- messages


_Reason: TypeAlias = Literal["AutomatedResponse", "Consent"]
_REASONS: Final[Mapping[str, _Reason]] = {"AutomatedResponse": "AutomatedResponse", "Consent": "Consent"}


def _said(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    reason = _REASONS.get(optional(entry, "messageReason") or "")
    role = common["sender"].role if common["sender"] is not None else ""
    may_speak = role in SPEAK or (role == "Router" and reason is not None)
    message = entry.get("abstractMessage")
    if not (may_speak and isinstance(message, dict) and message and _is_to_customer(common, payload)):
        return _internal(common, NOT_TO_CUSTOMER)
    return events.RepSaid(**common, said=said_of(message), reason=reason)


def _is_to_customer(common: Json, payload: Json) -> bool:
    """Whether the entry is the customer's to see. `recipients` is optional, and empty lists name nobody; what it means where it names somebody isn't
    published, so that it only ever takes away."""
    customer = common["customer"]
    if not customer:
        return False
    named = payload.get("recipients")
    if named is None:
        return True
    if not isinstance(named, dict):
        return False
    open_to = [one for key in ("primary", "secondary") for one in list_of(named.get(key))]
    others = [value for key, value in named.items() if key not in ("primary", "secondary") and value]
    if not open_to and not others:
        return all(isinstance(value, list) or value is None for value in named.values())
    return any(customer in (optional(dict_of(one), "identifier"), optional(dict_of(one), "contact")) for one in open_to)


def _typing(on: bool) -> _Reader:
    def read(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
        sender = common["sender"]
        if sender is None or sender.role not in _TYPE or not _is_to_customer(common, payload):
            return None
        return events.RepTypes(**common, on=on)

    return read


def _file_settled(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    message = dict_of(entry.get("updatedMessage"))
    files = list_of(dict_of(message.get("staticContent")).get("attachments"))
    results = [dict_of(dict_of(one).get("attachmentUploadResult")) for one in files]
    kinds = [optional(result, "resultType") for result in results]
    message_id = optional(message, "id") or common["entry_id"]
    if "ErrorAttachmentUploadResult" in kinds:
        failed = results[kinds.index("ErrorAttachmentUploadResult")]
        return events.FileSettled(**common, message_id=message_id, error=optional(failed, "errorType") or "InternalServerError")
    if kinds and set(kinds) == {"CompletedAttachmentUploadResult"}:
        return events.FileSettled(**common, message_id=message_id)
    return None  # still pending, or another update


def _receipt(status: Literal["delivered", "read"]) -> _Reader:
    def read(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
        message_id = optional(entry, "acknowledgedConversationEntryIdentifier")
        return events.CustomersReceipt(**common, message_id=message_id, status=status) if message_id else None

    return read


def _not_delivered(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    failed = optional(entry, "failedConversationEntryIdentifier") or ""
    return events.NotDelivered(**common, message_id=failed, code=optional(entry, "errorCode") or "")


# ------------------------------------------------------------------------------------------------ people and the session


def _people(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    """`entries`; the published schema also asks for a `participant` beside them, which counts where there are none."""
    lines = list_of(entry.get("entries")) or [entry]
    changes = tuple(change for line in lines[:_MOST_PEOPLE] if (change := _change(dict_of(line))) is not None)
    return events.PeopleChanged(**common, changes=changes) if changes else None


def _change(line: Json) -> PersonChange | None:
    person = _person(line.get("participant"), name=optional(line, "displayName"))
    operation = (optional(line, "operation") or "").casefold()
    if person is None or not person.subject or operation not in ("add", "remove", "update"):
        return None
    return PersonChange.model_validate({"operation": operation, "person": person})


def _status(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    status = optional(entry, "sessionStatus")
    if status is None:
        return None
    return events.StatusChanged(
        **common,
        session_id=optional(entry, "sessionId") or "",
        status=status,
        before=optional(entry, "sessionStatusPrev"),
        ended_by=optional(entry, "sessionEndedByRole"),
    )


def _position_in_queue(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    position = count(entry, "position")
    if position is None:
        return None
    return events.QueuePosition(**common, position=position, work_item=optional(entry, "workItemId") or "")


def _consent(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    status = optional(entry, "consentStatus")
    return events.ConsentChanged(**common, opted_in=status == "OptIn") if status in ("OptIn", "OptOut") else None


# ------------------------------------------------------------------------------------------------------------- routing


def _routed(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    failure = optional(entry, "failureType")
    return events.Routed(
        **common,
        routing=optional(entry, "routingType") or "",
        failure=None if failure == "None" else failure,
        cancel_reason=optional(entry, "cancelReason"),
        errors=_texts(entry.get("errorMessages")),
    )


def _work(common: Json, entry: Json, payload: Json) -> AnyOrgEvent | None:
    change, work_id = optional(entry, "workType"), optional(entry, "workId")
    if change is None or work_id is None:
        return None
    return events.WorkChanged(
        **common,
        change=change,
        work_id=work_id,
        target=optional(entry, "workTargetId") or "",
        queue=optional(entry, "queueId"),
        errors=_texts(entry.get("errorMessages")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in list_of(value)[:_MOST_PEOPLE] if isinstance(one, str))


# Which member names an external contact isn't published; these are the connector toolkit's words for one.
_EXTERNAL: Final = ("externalContactId", "contactId", "externalId", "phoneNumber")


def _routing_asked(common: Json, payload: Json) -> AnyOrgEvent:
    asked = dict_of(payload.get("routingParameters"))
    data = _json_in_text(asked.get("channelData"))
    routing = optional(payload, "routingType") or optional(data, "routingType")
    if routing not in ("Initial", "Transfer", "Conference"):
        return _internal(common, "RoutingRequested")
    correlation = optional(data, "eventId") or optional(payload, "routingCorrelationId") or ""
    conversation = common["conversation"] or optional(data, "conversationId") or ""
    work = {"workRecordId": payload["workRecordId"]} if optional(payload, "workRecordId") else {}
    about: Json = {**common, "conversation": conversation, "entry_id": common["entry_id"] or correlation, "routing": routing}
    return events.RoutingAsked(
        **about,
        user=optional(asked, "userId"),
        queue=optional(asked, "queueId"),
        flow=optional(asked, "flowId"),
        bot=optional(asked, "botId"),
        external=next((found for key in _EXTERNAL if (found := optional(asked, key) or optional(data, key))), None),
        correlation=correlation,
        parameters=kept({**asked, **work}, _DEEPEST),
    )


def _json_in_text(value: object) -> Json:
    """channelData is JSON inside a text of the JSON."""
    if not isinstance(value, str):
        return dict_of(value)
    try:
        return dict_of(json_value(value.encode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return {}


_Reader: TypeAlias = Callable[[Json, Json, Json], AnyOrgEvent | None]
_READERS: Final[Mapping[str, _Reader]] = {
    "Message": _said,
    "MessageUpdated": _file_settled,
    "ParticipantChanged": _people,
    "TypingStartedIndicator": _typing(True),
    "TypingStoppedIndicator": _typing(False),
    "SessionStatusChanged": _status,
    "DeliveryAcknowledgement": _receipt("delivered"),
    "ReadAcknowledgement": _receipt("read"),
    "MessageDeliveryFailed": _not_delivered,
    "QueuePosition": _position_in_queue,
    "RoutingResult": _routed,
    "RoutingWorkResult": _work,
    "EndUserConsentUpdated": _consent,
}
"""What is read. Note, FlagRaise, FlagLower, ConsultConversationInfo, ProgressIndicator, TransferProgress, ParticipantsConferenced and whatever comes
after them are `Internal`, by not being here."""
