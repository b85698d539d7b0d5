"""C3: which rule of a flow holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gateway.session.flows import c3_flow_yields, holds
from gateway.session.model import FlowCondition, FlowDefinition, FlowRule
from tests.session.world import OTHERS, START, Play, active, agent, flow, queue


def at(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return START.replace(hour=hour, minute=minute)


CONDITIONS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({"channels": ("sms",)}, {}, True),
    ({"channels": ("line", "whatsapp")}, {}, False),
    ({"locales": ("en",)}, {}, True),
    ({"locales": ("pt",)}, {"locale": "pt-BR"}, True),
    ({"locales": ("pt-BR",)}, {"locale": "pt"}, False),
    ({"text_matches": "(?i)refund|money"}, {"text": "my MONEY back"}, True),
    ({"text_matches": "refund"}, {"text": "my lamp"}, False),
    ({"text_matches": "("}, {"text": "("}, False),
    ({"text_matches": "end$"}, {"text": "x" * 5000 + "end"}, False),
    ({"attributes": {"tier": "gold"}}, {"attributes": {"tier": "gold", "x": "y"}}, True),
    ({"attributes": {"tier": "gold"}}, {"attributes": {"tier": "tin"}}, False),
    ({"attributes": {"tier": "gold"}}, {}, False),
    ({"hours": ("09:00", "17:00")}, {"now": "09:00"}, True),
    ({"hours": ("09:00", "17:00")}, {"now": "17:00"}, False),
    ({"hours": ("22:00", "06:00")}, {"now": "23:30"}, True),
    ({"hours": ("22:00", "06:00")}, {"now": "05:59"}, True),
    ({"hours": ("22:00", "06:00")}, {"now": "06:00"}, False),
    ({"hours": ("00:00", "00:00")}, {"now": "12:00"}, True),
    ({"weekdays": (0,)}, {}, True),
    ({"weekdays": (5, 6)}, {}, False),
    ({"channels": ("sms",), "weekdays": (6,)}, {}, False),
]


@pytest.mark.parametrize(("when", "given", "expected"), CONDITIONS)
def test_C3_a_condition_holds_when_all_of_it_does(when: dict[str, Any], given: dict[str, Any], expected: bool) -> None:
    play = Play()
    play.world.set_channel(locale=given.get("locale", "en"))
    play.world.attributes = given.get("attributes", {})
    play.now = at(given.get("now", "09:00"))
    play.customer(given.get("text", "hello"))
    assert holds(FlowCondition(**when), play.session, play.facts()) is expected


def test_C3_the_first_rule_that_holds_decides() -> None:
    play = active()
    rules = (
        FlowRule(when=FlowCondition(channels=("line",)), to=agent("ben")),
        FlowRule(to=queue("billing")),
        FlowRule(to=agent("dora")),
    )
    found = c3_flow_yields(FlowDefinition(id="f", org="acme", name="F", rules=rules), play.session, play.facts())
    assert found == queue("billing")


@pytest.mark.parametrize("to", [agent("gone"), queue("gone"), flow("escalate"), OTHERS], ids=str)
def test_C3_what_is_neither_a_known_agent_nor_queue_is_nothing(to: Any) -> None:
    play = active()
    definition = FlowDefinition(id="f", org="acme", name="F", rules=(FlowRule(to=to), FlowRule(to=agent("dora"))))
    assert c3_flow_yields(definition, play.session, play.facts()) is None
