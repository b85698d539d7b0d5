"""The channel does what every channel must: run `pytest`. Add tests of what is this channel's own."""

# ruff: noqa: S101 - tests assert
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.conformance import NOW, Check, Suite, World
from adapters.contract import HttpReply, RawRequest
from adapters.errors import SendFailed, Verdict
from adapters.signing import hmac_hex
from gateway.new_channel.template import ADAPTER, ExampleAccount

ACCOUNT = ExampleAccount.model_validate(
    {
        "channel_id": "example",
        "webhook_url": "https://gw.example.test/webhooks/example",
        "secrets": ["a-secret-for-tests"],
        "token": "a-token-for-tests",
        "api_base": "https://api.example.test",
    }
)


def sign(request: RawRequest, account: ExampleAccount) -> RawRequest:
    """The request as the provider would sign this body."""
    proof = {"x-example-signature": hmac_hex(account.secrets[0].get_secret_value(), request.body)}
    return replace(request, headers={**request.headers, **proof})


SUITE = Suite(
    adapter=ADAPTER,
    account=ACCOUNT,
    fixtures=Path(__file__).parent / "fixtures",
    sign=sign,
    proof_headers=("x-example-signature",),
)


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
    flow = ADAPTER.send(world.say(text="good day"), ACCOUNT, NOW)
    assert next(flow).url == "https://api.example.test/messages"
    with pytest.raises(SendFailed) as caught:
        flow.send(HttpReply(status, {}, json.dumps(answer).encode()))
    assert (caught.value.verdict, caught.value.code) == (verdict, code)
