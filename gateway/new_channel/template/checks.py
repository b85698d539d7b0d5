"""The channel does what every channel must: run `pytest`. Add tests of what is this channel's own."""

# ruff: noqa: S101 - tests assert
from __future__ import annotations

import json

import pytest

from adapters.conformance import NOW, Check, World
from adapters.contract import HttpReply
from adapters.errors import SendFailed, Verdict
from gateway.new_channel.template import ADAPTER
from gateway.new_channel.template.suite import SUITE


@pytest.mark.parametrize("check", SUITE.checks(), ids=str)
def test_conformance(check: Check) -> None:
    check.run()


@pytest.mark.parametrize(
    ("status", "answer", "verdict", "code"),
    [
        (422, {"code": "blocked"}, Verdict.dead, "blocked"),
        (422, {"code": "something new"}, Verdict.dead, "refused"),
        (401, {"code": "bad_token"}, Verdict.dead, "not_authorised"),
        (429, {}, Verdict.again, "rate_limited"),
        (503, {}, Verdict.again, "provider_unavailable"),
    ],
)
def test_refusals(status: int, answer: dict[str, str], verdict: Verdict, code: str) -> None:
    world = World(SUITE)
    world.says_text("hello")
    flow = ADAPTER.send(world.say(text="good day"), SUITE.account, NOW)
    assert next(flow).url == "https://api.example.test/messages"
    with pytest.raises(SendFailed) as caught:
        flow.send(HttpReply(status, {}, json.dumps(answer).encode()))
    assert (caught.value.verdict, caught.value.code) == (verdict, code)
