"""Events of an org come out of a lane as they went in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from gateway.brokers.lanes import as_kept
from gateway.brokers.salesforce.events import (
    ANY_ORG_EVENT,
    AnyOrgEvent,
    Choice,
    ConsentChanged,
    CustomersReceipt,
    File,
    FileSettled,
    Internal,
    NotDelivered,
    OrgEvent,
    PeopleChanged,
    Person,
    PersonChange,
    QueuePosition,
    RepSaid,
    RepTypes,
    Routed,
    RoutingAsked,
    Said,
    StatusChanged,
    WorkChanged,
)

AT = datetime(2026, 11, 2, 8, 1, 2, 345678, tzinfo=UTC)
ANA = Person(app_type="agent", subject="005", role="Agent", name="Ana \N{SNOWMAN}")
SAID = Said(
    text="**Hello**",
    files=(File(name="a.png", mime_type="image/png", url="https://org.example/a"),),
    choices=(Choice(id="1", title="One", subtitle="first"),),
    form=("Name?",),
    reply_to="m1",
)
ABOUT: dict[str, Any] = {
    "channel_id": "salesforce:main",
    "event_id": "e-1",
    "received_at": AT,
    "address": "line-main",
    "customer": "U1",
    "conversation": "c-1",
    "entry_id": "n-1",
    "at": AT,
    "sender": ANA,
}
EVENTS = [
    RepSaid(**ABOUT, said=SAID, reason="Consent"),
    PeopleChanged(**ABOUT, changes=(PersonChange(operation="add", person=ANA),)),
    RepTypes(**ABOUT, on=True),
    StatusChanged(**ABOUT, session_id="s", status="Ended", before="Active", ended_by="Agent"),
    FileSettled(**ABOUT, message_id="m", error="TooLarge"),
    CustomersReceipt(**ABOUT, message_id="m", status="read"),
    NotDelivered(**ABOUT, message_id="m", code="c"),
    QueuePosition(**ABOUT, position=3, work_item="w"),
    RoutingAsked(**ABOUT, routing="Transfer", queue="q", correlation="r", parameters={"a": [1, None, {"b": "c"}]}),
    Routed(**ABOUT, routing="r", failure="Unknown", errors=("one",)),
    WorkChanged(**ABOUT, change="Accepted", work_id="w", target="t", queue="q"),
    ConsentChanged(**ABOUT, opted_in=False),
    Internal(**ABOUT, entry_type="Note"),
]


def test_each_kind_is_tried() -> None:
    assert {type(one) for one in EVENTS} == set(get_args(get_args(AnyOrgEvent)[0]))


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: str(one.kind))
def test_an_event_comes_out_as_it_went_in(event: OrgEvent) -> None:
    assert ANY_ORG_EVENT.validate_json(as_kept(event)) == event


def test_all_of_a_conversation_has_one_key() -> None:
    assert {one.conversation_key for one in EVENTS} == {"c-1"}
    assert Internal(**{**ABOUT, "conversation": ""}, entry_type="Note").conversation_key == "U1"
