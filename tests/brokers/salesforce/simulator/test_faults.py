"""The switches of the simulated org."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator.bus_faults import BusFaults
from gateway.brokers.salesforce.simulator.bus_refusals import Refused
from gateway.brokers.salesforce.simulator.faults import Faults
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


@pytest.mark.parametrize(
    "wish",
    [
        {"nonsense": 1},
        {"answer": {"code": 1, "times": 0}},
        {"requests_per_second": 0},
    ],
)
def test_a_wish_that_is_not_understood_changes_nothing(wish: dict[str, Any]) -> None:
    faults = Faults()
    before = faults.describe()
    with pytest.raises(ValueError, match="validation error"):
        faults.apply({"read_only": True, "deliver_twice": True} | wish)
    assert faults.describe() == before


@pytest.mark.parametrize("wish", [None, [], "read_only"])
def test_a_wish_is_an_object(wish: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Faults().apply(wish)
