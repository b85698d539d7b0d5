"""The switches of the simulated org."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator.bus_faults import BusFaults
from gateway.brokers.salesforce.simulator.bus_refusals import Refused
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.records import set_up
from gateway.brokers.salesforce.simulator.token import IssuedTokens, User


def now() -> datetime:
    return datetime(2026, 11, 29, tzinfo=UTC)


def test_answers_are_used_up_in_order() -> None:
    faults = Faults()
    faults.apply({"answer": [{"code": 10055, "times": 2, "path": "/interactions"}, {"code": 500, "when": "after"}]})
    assert faults.planned("before", "/route") is None
    assert [faults.planned("before", "/interactions") for _ in range(3)] == [10055, 10055, None]
    assert [faults.planned("after", "/route") for _ in range(2)] == [500, None]


def test_what_is_given_is_applied_and_the_rest_stays() -> None:
    faults = Faults()
    faults.apply({"read_only": True, "unknown": ["a"]})
    assert faults.apply({"idempotent": True})["read_only"] is True
    assert faults.state.unknown == {"a"}
    assert faults.apply({"clear": True, "idempotent": True}) == Faults().describe() | {"idempotent": True}


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"inactiv": ["a"]}, "inactiv is not a switch. There are: read_only, requests_per_second, answer"),
        ({"answer": {"code": 1, "tims": 2}}, "answer.0.tims is not a switch. There are: code, times, when, path"),
        ({"answer": {"code": "x"}, "read_only": True}, "answer.0.code: Input should be a valid integer"),
        ({"answer": {"code": 1, "times": 0}}, "answer.0.times: Input should be greater than or equal to 1"),
        ({"requests_per_second": 0}, "requests_per_second: Input should be greater than 0"),
        (None, "the body is not a JSON object"),
        ([], "the body is not a JSON object"),
        ("read_only", "the body is not a JSON object"),
    ],
)
def test_what_is_not_understood_is_named_and_nothing_is_applied(wish: Any, told: str) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match="^" + re.escape(told)):
        faults.apply(wish)
    assert faults.describe() == Faults().describe()


def test_the_records_say_what_the_calls_are_answered() -> None:
    faults = Faults()
    records = set_up(
        [OrgChannel("one", "Byoc_Sms"), OrgChannel("two", "Byoc_Sms")],
        org_id="00D000000000001EAA",
        event="E__e",
        type_field="T__c",
        payload_field="P__c",
    )
    records.faults = faults

    def active() -> dict[str, bool]:
        found = records.query("SELECT ChannelAddressIdentifier, IsActive FROM MessagingChannel", 66, tooling=False, admin=False)
        return {one["ChannelAddressIdentifier"]: one["IsActive"] for one in found}

    faults.apply({"inactive": ["one"], "unknown": ["two"]})
    assert active() == {"one": False}
    faults.apply({"clear": True})
    assert active() == {"one": True, "two": True}


def test_tokens_expire() -> None:
    tokens = IssuedTokens("00D000000000001EAA", now, {"byoc": User("byoc", "005000000000001")})
    session = tokens.issue("byoc", "key", frozenset())
    Faults(tokens).apply({"expire_tokens": True})
    assert tokens.check(session.token) is None


def test_the_bus_is_told() -> None:
    faults = Faults()
    bus, stream = BusFaults(now, faults), Stream()
    bus.streams.add(stream)
    faults.apply({"disconnect_streams": True, "deliver_twice": True, "replay_lost": True, "allocation_used": True})
    assert (stream.told, bus.deliveries, bus.replay_lost) == (["service.unavailable"], 2, True)
    with pytest.raises(Refused):
        bus.left()
    faults.apply({"clear": True})
    assert (bus.deliveries, bus.replay_lost, bus.left() > 0) == (1, False, True)


class Stream:
    def __init__(self) -> None:
        self.told: list[str] = []

    def cut(self, code: str) -> None:
        self.told.append(code)

    def hush(self) -> None:
        self.told.append("hush")
