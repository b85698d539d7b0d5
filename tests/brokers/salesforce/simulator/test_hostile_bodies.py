"""Whatever a body holds, it is read or refused with a code: nothing in it makes the simulated service fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.brokers.salesforce.simulator import declared, interactions, past, validation
from gateway.brokers.salesforce.simulator.contract import OrgRefusal
from gateway.brokers.salesforce.simulator.interactions import SentFile
from gateway.brokers.salesforce.simulator.refusals import TEXTS
from tests.brokers.salesforce.simulator.service import (
    BOT,
    MILLIS,
    NOW,
    QUEUE,
    capabilities,
    consent,
    end_user,
    ending,
    failed,
    history,
    message,
    receipts,
    removal,
    result,
    static,
    text,
    upload,
    work,
)
from tests.brokers.salesforce.simulator.service import (
    past as entry,
)

TALK = ("0f2f0b4e-2f2b-4c66-a1e8-7a3a6b1d0a11", "0Mw000000000001")
FORM = {
    "messageType": "FormResponseMessage",
    "formResponse": {
        "formatType": "Inputs",
        "inputValues": [
            {"inputValueType": "SingleInputValue", "inputId": "1", "value": {"valueType": "TextValue", "textValue": "x"}}
        ],
    },
}
CHOICE = {
    "messageType": "ChoicesResponseMessage",
    "choicesResponse": {
        "formatType": "Selections",
        "selectedOptions": [{"optionIdentifier": "a", "optionTitle": {"itemType": "TitleItem", "title": "Yes"}}],
    },
}
MENU = {"messageType": "ChoicesMessage", "choices": {"formatType": "Buttons", "text": "Which?", "formTitle": {"title": "x"}}}
PROGRESS = [{"progressIndicatorType": "ProgressUpdateIndicator", "formatTypeCapabilities": [{"formatType": "Text"}]}]
START = {"messagingSessionRequestType": "EstablishMessagingSession", "payload": {"startTime": MILLIS, "endTime": MILLIS}}


def interaction(body: Any) -> object:
    return interactions.read(body, ())


def attachment(body: Any) -> object:
    return interactions.read(body, (SentFile("a.jpg", None, b"abc"),))


def history_of(body: Any) -> object:
    return past.read(body, NOW)


def capabilities_of(body: Any) -> object:
    return declared.read(body, "Byoc_Web")


FLOW = {"flow": {"flowId": "300000000000001", "queueId": QUEUE}, "routingAttributes": {"a": "b"}}
ROWS: list[tuple[Callable[[Any], object], dict[str, Any]]] = [
    (interaction, text(routingAttributes={"a": "b"})),
    (interaction, message(static({"formatType": "Links", "links": [{"url": "https://example.com"}]}))),
    (interaction, message(CHOICE)),
    (interaction, message(FORM)),
    (interaction, failed()),
    (attachment, upload(3)),
    (history_of, history(entry(), entry(sender=BOT["participant"], at=MILLIS - 20_000, abstract=MENU), messagingSession=START)),
    (capabilities_of, capabilities(progressIndicatorTypeCapabilities=PROGRESS)),
    (validation.conversation, {"channelAddressIdentifier": "partner", "participants": [end_user()]}),
    (validation.acknowledgement, receipts(TALK[0])),
    (validation.route, {"conversationIdentifier": TALK[0], "routingType": "Transfer", "routingInfo": FLOW}),
    (validation.unroute, {"conversationIdentifier": TALK[0], "cancelReason": "Cancel"}),
    (validation.agent_work, work(TALK, agentActionVisibilities=[{"agentAction": "Transfer", "visible": False}])),
    (validation.work_closing, {"contextType": "Agent", "workId": "0Bz000000000001", "status": "Cancel"}),
    (validation.routing_result, result(TALK, routingType="Conference")),
    (validation.participant, removal(TALK)),
    (validation.messaging_session, ending(TALK[0], sessionId=TALK[1], operationBy="EndUser")),
    (validation.consent, consent()),
]
NAMES = [f"{read.__name__}-{number}" for number, (read, _) in enumerate(ROWS)]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("x" * 300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside."""
    found: list[tuple[Any, ...]] = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*path, key))
    return found


@pytest.mark.parametrize(("read", "body"), ROWS, ids=NAMES)
def test_it_is_right_as_it_is(read: Callable[[Any], object], body: dict[str, Any]) -> None:
    assert read(body)


@pytest.mark.parametrize(("read", "body"), ROWS, ids=NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_one_member_is_anything(read: Callable[[Any], object], body: dict[str, Any], data: st.DataObject) -> None:
    changed: Any = copy.deepcopy(body)
    *way, last = data.draw(st.sampled_from(places(body)))
    holder = changed
    for key in way:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[last] = data.draw(json_values)
    else:
        del holder[last]
    try:
        read(changed)
    except OrgRefusal as refusal:
        known = refusal.code in TEXTS and bool(refusal.message)
    else:
        known = True
    assert known


@pytest.mark.parametrize("read", dict.fromkeys(read for read, _ in ROWS), ids=lambda read: read.__name__)
@settings(max_examples=20)
@given(body=st.dictionaries(st.text(max_size=5), json_values, max_size=3))
def test_nonsense_is_refused(read: Callable[[Any], object], body: dict[str, Any]) -> None:
    with pytest.raises(OrgRefusal):
        read(body)
