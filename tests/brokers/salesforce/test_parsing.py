"""Platform events as values. What may reach a customer is an allow-list, and is tested with whatever else there may be."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.errors import NotUnderstood
from gateway.brokers.salesforce.events import (
    AnyOrgEvent,
    ConsentChanged,
    CustomersReceipt,
    FileSettled,
    Internal,
    NotDelivered,
    PeopleChanged,
    QueuePosition,
    RepSaid,
    RepTypes,
    Routed,
    RoutingAsked,
    StatusChanged,
    WorkChanged,
)
from gateway.brokers.salesforce.parsing import NOT_TO_CUSTOMER, parse
from tests.brokers.salesforce.mapped import ADDRESS, CONVERSATION, CUSTOMER, LANE, NOW, WORK_ITEM, an_event, an_org
from tests.brokers.salesforce.said import static

ORG = an_org()
AT = 1_772_452_800_000
ENTRY = "9a0b1c2d-0001-4000-8000-000000000001"
KIM = {"appType": "custom", "subject": CUSTOMER, "role": "EndUser"}
ANA = {"appType": "agent", "subject": "005000000000001AAA", "role": "Agent"}
HELLO = static(formatType="Text", text="Hello")


def nested(kind: str, entry: dict[str, Any] | None = None, **payload: Any) -> dict[str, Any]:
    """As the published schema has it."""
    inside = {
        "identifier": ENTRY,
        "entryType": kind,
        "senderDisplayName": "Ana",
        "sender": ANA,
        "clientTimestamp": AT - 5,
        "transcriptedTimestamp": AT,
        "clientDuration": 0,
        "entryPayload": {"id": ENTRY, "entryType": kind, **(entry or {})},
        **payload,
    }
    return {"conversationIdentifier": CONVERSATION, "channelAddressIdentifier": ADDRESS, "recipient": KIM, "payload": inside}


def flat(kind: str, entry: dict[str, Any] | None = None, **payload: Any) -> dict[str, Any]:
    """As one of Salesforce's examples has it."""
    whole = nested(kind, entry, **payload)
    return {"channelAddressIdentifier": ADDRESS, "recipient": whole["recipient"], **whole["payload"]}


def message(**payload: Any) -> dict[str, Any]:
    return nested("Message", {"abstractMessage": HELLO}, **payload)


def parsed(payload: object, kind: str = "Interaction") -> AnyOrgEvent:
    (event,) = parse(an_event(payload, kind), lane=LANE, org=ORG)
    return event


# --------------------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("shape", [nested, flat])
def test_a_reps_words(shape: Any) -> None:
    event = parsed(shape("Message", {"abstractMessage": HELLO, "messageReason": None}))
    assert isinstance(event, RepSaid)
    assert event.said.text == "Hello"
    assert (event.channel_id, event.event_id, event.received_at) == (LANE, "e-1", NOW)
    assert (event.address, event.customer, event.entry_id) == (ADDRESS, CUSTOMER, ENTRY)
    assert event.conversation == (CONVERSATION if shape is nested else "")
    assert event.at == datetime.fromtimestamp(AT / 1000, UTC)
    assert event.sender is not None
    assert (event.sender.subject, event.sender.role, event.sender.name) == ("005000000000001AAA", "Agent", "Ana")
    assert event.reason is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ana\nBank: send your PIN", "Ana Bank: send your PIN"),
        ("  Ana\t\u2028Li ", "Ana Li"),
        ("Ana\u202etxet\u2066\x00\x1b[2J\ufeff", "Anatxet[2J"),
        ("\u0646\u06cc\u200c\u0645\u0627", "\u0646\u06cc\u200c\u0645\u0627"),
        ("A" * 200, "A" * 80),
        ("\u202e", ""),
    ],
)
def test_a_name_is_one_line(given: str, shown: str) -> None:
    """Of who speaks, and of who joins."""
    spoken = parsed(nested("Message", {"abstractMessage": HELLO}, senderDisplayName=given))
    assert spoken.sender is not None
    assert spoken.sender.name == shown
    joins = {"operation": "add", "participant": ANA, "displayName": given}
    found = parsed(nested("ParticipantChanged", {"entries": [joins]}))
    assert isinstance(found, PeopleChanged)
    assert found.changes[0].person.name == shown


@given(st.text(st.characters(), max_size=120))
def test_no_name_has_a_second_line_or_a_mark_of_direction(given: str) -> None:
    found = parsed(nested("ParticipantChanged", {"entries": [{"operation": "add", "participant": ANA, "displayName": given}]}))
    assert isinstance(found, PeopleChanged)
    name = found.changes[0].person.name
    assert len(name) <= 80
    assert name == name.strip()
    assert name.replace("\u200c", "").replace("\u200d", "").isprintable()


@pytest.mark.parametrize("at", [AT, str(AT), float(AT)])
def test_times_come_as_numbers_and_texts(at: object) -> None:
    assert parsed(message(transcriptedTimestamp=at)).at == datetime.fromtimestamp(AT / 1000, UTC)


@pytest.mark.parametrize("at", [None, True, "soon", -1e300, [], {}])
def test_without_a_sound_time_the_clients_counts(at: object) -> None:
    assert parsed(message(transcriptedTimestamp=at)).at == datetime.fromtimestamp((AT - 5) / 1000, UTC)


def test_the_events_own_words_for_automatic_ones() -> None:
    event = parsed(
        nested(
            "Message",
            {"abstractMessage": HELLO, "messageReason": "AutomatedResponse"},
            sender={**ANA, "role": "System", "subject": ""},
        )
    )
    assert isinstance(event, RepSaid)
    assert event.reason == "AutomatedResponse"


PEOPLE = [
    {"operation": "add", "participant": ANA, "displayName": "Ana"},
    {"operation": "remove", "participant": {**ANA, "subject": "005000000000002AAA"}, "displayName": "Ben"},
]


@pytest.mark.parametrize("shape", [nested, flat])
def test_people_who_changed_in_one_step(shape: Any) -> None:
    event = parsed(shape("ParticipantChanged", {"entries": PEOPLE, "participant": ANA}))
    assert isinstance(event, PeopleChanged)
    assert [(one.operation, one.person.name, one.person.role) for one in event.changes] == [
        ("add", "Ana", "Agent"),
        ("remove", "Ben", "Agent"),
    ]


def test_one_participant_without_entries() -> None:
    event = parsed(nested("ParticipantChanged", PEOPLE[0]))
    assert isinstance(event, PeopleChanged)
    assert [one.operation for one in event.changes] == ["add"]
    assert isinstance(parsed(nested("ParticipantChanged", {"participant": ANA})), Internal)  # added or removed: it doesn't say


def uploaded(**result: Any) -> dict[str, Any]:
    file = {"id": "f", "name": "a.jpg", "mimeType": "image/jpeg", "url": "https://x.example", "attachmentUploadResult": result}
    return {"updatedMessage": {**static(formatType="Attachments", attachments=[file]), "id": "m1"}}


OTHERS: list[tuple[str, dict[str, Any], type, dict[str, Any]]] = [
    ("TypingStartedIndicator", {"timestamp": AT}, RepTypes, {"on": True}),
    ("TypingStoppedIndicator", {"timestamp": AT}, RepTypes, {"on": False}),
    (
        "SessionStatusChanged",
        {
            "sessionId": WORK_ITEM,
            "channelAddressIdentifier": ADDRESS,
            "conversationIdentifier": CONVERSATION,
            "sessionStatus": "Ended",
            "sessionStatusPrev": "Active",
            "sessionEndedByRole": "Agent",
            "sessionStartTime": AT,
        },
        StatusChanged,
        {"session_id": WORK_ITEM, "status": "Ended", "before": "Active", "ended_by": "Agent"},
    ),
    ("MessageUpdated", uploaded(resultType="CompletedAttachmentUploadResult"), FileSettled, {"message_id": "m1", "error": None}),
    (
        "MessageUpdated",
        uploaded(resultType="ErrorAttachmentUploadResult", errorType="AttachmentTooLarge"),
        FileSettled,
        {"message_id": "m1", "error": "AttachmentTooLarge"},
    ),
    (
        "MessageUpdated",
        uploaded(resultType="PendingAttachmentUploadResult", referenceId="r"),
        Internal,
        {"entry_type": "MessageUpdated"},
    ),
    ("MessageUpdated", {"updatedMessage": {**HELLO, "id": "m1"}}, Internal, {"entry_type": "MessageUpdated"}),
    (
        "DeliveryAcknowledgement",
        {"recipient": KIM, "acknowledgedConversationEntryIdentifier": "m1", "acknowledgementTimestamp": AT},
        CustomersReceipt,
        {"message_id": "m1", "status": "delivered"},
    ),
    (
        "ReadAcknowledgement",
        {"recipient": KIM, "acknowledgedConversationEntryIdentifier": "m1", "acknowledgementTimestamp": AT},
        CustomersReceipt,
        {"message_id": "m1", "status": "read"},
    ),
    (
        "MessageDeliveryFailed",
        {"recipient": KIM, "errorCode": "E1", "failedConversationEntryIdentifier": "m1"},
        NotDelivered,
        {"message_id": "m1", "code": "E1"},
    ),
    (
        "QueuePosition",
        {"pendingServiceRoutingId": "0JR", "workItemId": WORK_ITEM, "position": 3},
        QueuePosition,
        {"position": 3, "work_item": WORK_ITEM},
    ),
    (
        "RoutingResult",
        {"routingType": "Conference", "failureType": "Cancelled", "errorMessages": ["a", "b"], "cancelReason": "EndUserEnded"},
        Routed,
        {"routing": "Conference", "failure": "Cancelled", "cancel_reason": "EndUserEnded", "errors": ("a", "b")},
    ),
    (
        "RoutingResult",
        {"routingType": "Initial", "failureType": "None", "errorMessages": []},
        Routed,
        {"failure": None, "errors": ()},
    ),
    (
        "RoutingWorkResult",
        {"workType": "Declined", "workId": "0Bz1", "workTargetId": "0051", "errorMessages": [], "queueId": "00G1"},
        WorkChanged,
        {"change": "Declined", "work_id": "0Bz1", "target": "0051", "queue": "00G1"},
    ),
    (
        "EndUserConsentUpdated",
        {"endUserSubject": CUSTOMER, "consentStatus": "OptOut", "isEndUserInitiated": True},
        ConsentChanged,
        {"opted_in": False},
    ),
    (
        "EndUserConsentUpdated",
        {"endUserSubject": CUSTOMER, "consentStatus": "OptIn", "isEndUserInitiated": False},
        ConsentChanged,
        {"opted_in": True},
    ),
]


@pytest.mark.parametrize("shape", [nested, flat])
@pytest.mark.parametrize(("kind", "entry", "type_", "members"), OTHERS, ids=[f"{row[0]} {n}" for n, row in enumerate(OTHERS)])
def test_an_entry(shape: Any, kind: str, entry: dict[str, Any], type_: type, members: dict[str, Any]) -> None:
    event = parsed(shape(kind, entry))
    assert type(event) is type_
    assert {name: getattr(event, name) for name in members} == members


CHANNEL_DATA = {"eventId": "r-1", "routerParticipantSubject": "x", "routingType": "Transfer", "conversationId": CONVERSATION}
ROUTING = {
    "channelAddressIdentifier": ADDRESS,
    "recipient": KIM,
    "payload": {
        "conversationIdentifier": CONVERSATION,
        "routingType": "Transfer",
        "workRecordId": WORK_ITEM,
        "routingParameters": {
            "isTransfer": True,
            "queueId": None,
            "userId": None,
            "flowId": "300",
            "botId": None,
            "channelData": json.dumps(CHANNEL_DATA),
        },
    },
}


def test_a_routing_request() -> None:
    event = parsed(ROUTING, "RoutingRequested")
    assert isinstance(event, RoutingAsked)
    assert (event.routing, event.flow, event.queue, event.user, event.bot) == ("Transfer", "300", None, None, None)
    assert (event.correlation, event.entry_id, event.conversation, event.customer) == ("r-1", "r-1", CONVERSATION, CUSTOMER)
    assert (event.parameters["isTransfer"], event.parameters["workRecordId"]) == (True, WORK_ITEM)


@pytest.mark.parametrize("data", ["{", "[]", "7", None, 7, {"eventId": "r-1"}])
def test_a_routing_request_with_odd_data(data: object) -> None:
    asked = {"userId": "005", "channelData": data}
    event = parsed({**ROUTING, "payload": {"routingType": "Conference", "routingParameters": asked}}, "RoutingRequested")
    assert isinstance(event, RoutingAsked)
    assert (event.user, event.correlation) == ("005", "r-1" if isinstance(data, dict) else "")


def test_an_unknown_kind_of_routing_is_nothing_to_decide() -> None:
    event = parsed({**ROUTING, "payload": {"routingType": "Auction"}}, "RoutingRequested")
    assert isinstance(event, Internal)


# ------------------------------------------------------------------------------------------ what is not understood, and why

BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b'{"payload": {}}',
    json.dumps({**message(), "channelAddressIdentifier": ""}).encode(),
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_cant_be_read_names_its_place_in_the_stream(body: bytes) -> None:
    with pytest.raises(NotUnderstood, match="00000000000000ff"):
        parse(an_event(body), lane=LANE, org=ORG)


def test_too_much_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="longer than"):
        parse(an_event(b'{"a":"' + b"x" * 4_200_000 + b'"}'), lane=LANE, org=ORG)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(NotUnderstood):
        parse(an_event(b'{"a":' * 30_000 + b"1" + b"}" * 30_000), lane=LANE, org=ORG)


# --------------------------------------------------------------------------------------- what may be said to the customer


@pytest.mark.parametrize("role", ["Agent", "Supervisor", "Chatbot", "DigitalWorker", "System", "agent"])
def test_these_speak_to_customers(role: str) -> None:
    assert isinstance(parsed(message(sender={**ANA, "role": role})), RepSaid)


@pytest.mark.parametrize("role", ["EndUser", "Router", "Ghost", "", None])
def test_nobody_else_does(role: str | None) -> None:
    event = parsed(message(sender={**ANA, "role": role}))
    assert isinstance(event, Internal)
    assert event.entry_type == NOT_TO_CUSTOMER


def test_a_router_speaks_when_it_says_why() -> None:
    automatic = {"abstractMessage": HELLO, "messageReason": "AutomatedResponse"}
    assert isinstance(parsed(nested("Message", automatic, sender={**ANA, "role": "Router"})), RepSaid)


def recipients(**named: Any) -> dict[str, Any]:
    return {"recipients": named}


HER = {"identifier": CUSTOMER}
OTHER = {"identifier": "005000000000009AAA"}
ADDRESSED = [
    (recipients(), True),
    (recipients(primary=[], secondary=[], hidden=[]), True),
    (recipients(primary=[HER]), True),
    (recipients(primary=[{"identifier": "x", "contact": CUSTOMER}]), True),
    (recipients(secondary=[OTHER, HER], hidden=[OTHER]), True),
    (recipients(hidden=[HER]), False),
    (recipients(hidden=[OTHER]), False),
    (recipients(primary=[OTHER]), False),
    (recipients(primary=[OTHER], hidden=[HER]), False),
    (recipients(whispered=[HER]), False),
    (recipients(primary="everyone"), False),
    ({"recipients": None}, True),
    ({"recipients": "everyone"}, False),
    ({"recipients": [HER]}, False),
]


@pytest.mark.parametrize(("payload", "hers"), ADDRESSED)
@pytest.mark.parametrize("shape", [nested, flat])
def test_recipients_only_take_away(shape: Any, payload: dict[str, Any], hers: bool) -> None:
    event = parsed(shape("Message", {"abstractMessage": HELLO}, **payload))
    assert isinstance(event, RepSaid if hers else Internal)


@pytest.mark.parametrize("recipient", [None, {}, {**KIM, "role": "Agent"}, {**KIM, "subject": ""}, "Kim", [KIM]])
def test_what_is_for_no_end_user_is_for_nobody(recipient: object) -> None:
    event = parsed({**message(), "recipient": recipient})
    assert isinstance(event, Internal)


@pytest.mark.parametrize("message_", [None, {}, "words", [HELLO], 7])
def test_a_message_without_a_message(message_: object) -> None:
    assert isinstance(parsed(nested("Message", {"abstractMessage": message_})), Internal)


TWO_MINDS = [
    ("Message", "Note"),
    ("Note", "Message"),
    ("Message", "message"),
    ("Message", 7),
    (["Message"], "Message"),
    ("Message", "Message "),
]


@pytest.mark.parametrize(("outer", "inner"), TWO_MINDS)
def test_what_claims_to_be_two_things_is_neither(outer: object, inner: object) -> None:
    event = nested("Message", {"abstractMessage": HELLO, "entryType": inner}, entryType=outer)
    assert isinstance(parsed(event), Internal)


@pytest.mark.parametrize("kind", ["Interactions", "", "interaction", "Note"])
def test_another_kind_of_event_says_nothing(kind: str) -> None:
    assert isinstance(parsed(message(), kind), Internal)


SECRET = [
    "Note",
    "FlagRaise",
    "FlagLower",
    "ConsultConversationInfo",
    "ProgressIndicator",
    "TransferProgress",
    "ParticipantsConferenced",
    "MessageUpdated",
    "SessionStatusChanged",
    "ParticipantChanged",
    "RoutingResult",
    "MESSAGE",
    "message",
    "Messages",
    "Whisper",
]
words = st.text(max_size=10)
abstract = st.sampled_from(
    [HELLO, static(formatType="Text", text="help me"), static(formatType="Hologram", text="x"), {"text": "bare"}]
)
people = st.fixed_dictionaries(
    {
        "subject": st.sampled_from([CUSTOMER, "005"]),
        "role": st.sampled_from(["Agent", "Supervisor", "System", "EndUser", "Chatbot", "Router"]),
    }
)
unknown_types = words.filter(lambda kind: kind != "Message")
extras = st.dictionaries(
    st.sampled_from(["messageReason", "text", "message", "payload", "entryPayload", "recipients", "participant"]),
    words | abstract,
    max_size=3,
)
hostile_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
respellings = st.sampled_from([str.lower, str.upper, str.swapcase, str.title])


@given(st.sampled_from(SECRET) | unknown_types, st.booleans(), abstract, people, extras)
@example("Note", True, HELLO, {"subject": "005", "role": "Supervisor"}, {})
def test_nothing_but_a_message_is_ever_said(
    kind: str, is_flat: bool, said: dict[str, Any], sender: dict[str, Any], more: dict[str, Any]
) -> None:
    shape = flat if is_flat else nested
    payload = {key: value for key, value in more.items() if key not in ("entryPayload", "payload")} if is_flat else more
    event = parsed(
        shape(kind, {**more, "abstractMessage": said, "entryType": kind}, **{**payload, "sender": sender, "entryType": kind})
    )
    assert not isinstance(event, RepSaid)


@given(st.sampled_from(SECRET), st.booleans(), abstract, respellings, st.sampled_from(["Message", "message", "MESSAGE"]))
def test_no_spelling_of_a_key_makes_it_one(kind: str, is_flat: bool, said: dict[str, Any], respelled: Any, claimed: str) -> None:
    """Keys beside the right ones, in another spelling, that say `Message`; and the right ones in another spelling."""
    shape = flat if is_flat else nested
    beside = {respelled("entryType"): claimed, respelled("abstractMessage"): said}
    event = parsed(shape(kind, {**beside, "abstractMessage": said, "entryType": kind}, **{**beside, "entryType": kind}))
    assert not isinstance(event, RepSaid)
    only = {
        respelled(key): value
        for key, value in shape("Message", {"abstractMessage": said})["entryPayload" if is_flat else "payload"].items()
    }
    whole = {**nested(kind), "payload": only}
    assert not isinstance(parsed(whole), RepSaid)


@given(
    st.lists(st.sampled_from([HER, OTHER, {"contact": CUSTOMER}]), min_size=1),
    st.lists(st.just(OTHER)),
    st.lists(st.just(OTHER)),
    st.booleans(),
    abstract,
)
def test_hidden_recipients_are_never_told(
    hidden: list[Any], primary: list[Any], secondary: list[Any], is_flat: bool, said: dict[str, Any]
) -> None:
    shape = flat if is_flat else nested
    named = recipients(primary=primary, secondary=secondary, hidden=hidden)
    assert not isinstance(parsed(shape("Message", {"abstractMessage": said}, **named)), RepSaid)


@given(hostile_values)
def test_any_json_is_read_or_not_understood(value: Any) -> None:
    for kind in ("Interaction", "RoutingRequested"):
        with contextlib.suppress(NotUnderstood):
            parse(an_event(json.dumps(value).encode(), kind), lane=LANE, org=ORG)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_not_understood(body: bytes) -> None:
    with contextlib.suppress(NotUnderstood):
        parse(an_event(body), lane=LANE, org=ORG)


KINDS = [kind for kind, *_ in OTHERS]
MEMBERS = sorted(
    {name for _, entry, *_ in OTHERS for name in entry} | {"abstractMessage", "entries", "operation", "messageReason"}
)


@given(
    st.sampled_from([*KINDS, "Message", "ParticipantChanged"]),
    st.dictionaries(st.sampled_from(MEMBERS), hostile_values),
    st.dictionaries(
        st.sampled_from(["sender", "recipients", "identifier", "transcriptedTimestamp", "senderDisplayName"]), hostile_values
    ),
    st.dictionaries(st.sampled_from(["recipient", "conversationIdentifier", "payload"]), hostile_values),
)
def test_no_member_of_another_shape_raises(
    kind: str, entry: dict[str, Any], payload: dict[str, Any], whole: dict[str, Any]
) -> None:
    assert parsed({**nested(kind, entry, **payload), **whole}).address == ADDRESS


@given(
    st.dictionaries(
        st.sampled_from(["routingType", "routingParameters", "conversationIdentifier", "workRecordId"]), hostile_values
    ),
    hostile_values,
)
def test_no_routing_request_of_another_shape_raises(payload: dict[str, Any], asked: Any) -> None:
    usual = {"routingType": "Transfer", "routingParameters": {"userId": asked, "channelData": asked, "x": asked}}
    assert parsed({**ROUTING, "payload": {**usual, **payload}}, "RoutingRequested").address == ADDRESS
