"""The switches of the simulated org."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.brokers.salesforce.simulator.faults import Faults


def test_answers_are_used_up_in_order() -> None:
    faults = Faults()
    faults.apply({"answer": [{"code": 10055, "times": 2, "path": "/interactions"}, {"code": 500, "when": "after"}]})
    assert faults.planned("before", "/route") is None
    assert [faults.planned("before", "/interactions") for _ in range(3)] == [10055, 10055, None]
    assert [faults.planned("after", "/route") for _ in range(2)] == [500, None]


def test_what_is_given_is_applied_and_the_rest_stays() -> None:
    faults = Faults()
    faults.apply({"read_only": True, "unknown": ["a"]})
    assert faults.apply({"deliver_twice": True})["read_only"] is True
    assert faults.state.unknown == {"a"}
    assert faults.apply({"clear": True, "idempotent": True}) == Faults().describe() | {"idempotent": True}


def test_listeners_are_told() -> None:
    faults, told = Faults(), list[str]()
    faults.on_disconnect.append(lambda: told.append("cut"))
    faults.on_expire.append(lambda: told.append("expired"))
    faults.apply({"expire_tokens": True, "disconnect_streams": True})
    assert told == ["expired", "cut"]


@pytest.mark.parametrize("wish", [None, [], {"nonsense": 1}, {"answer": {"code": 1, "times": 0}}, {"requests_per_second": 0}])
def test_a_wish_that_is_not_understood_changes_nothing(wish: Any) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match="validation error"):
        faults.apply({"read_only": True} | wish if isinstance(wish, dict) else wish)
    assert faults.describe() == Faults().describe()
