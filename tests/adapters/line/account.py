"""The account that the tests of LINE use, and requests and messages for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from adapters.contract import Answer, Flow, HttpCall, HttpReply, RawRequest, T
from adapters.envelope import Address, ChannelId, Speaker
from adapters.line import LineAccount
from adapters.line.simulator import LineSimulator
from adapters.signing import hmac_base64
from adapters.simulation import Action, ProviderCall, hex_of
from adapters.simulation.reaching import path_below
from tests.adapters.outgoing import Outgoing, play

NOW: Final = datetime(2026, 9, 21, 14, 13, 21, tzinfo=UTC)
SECRET: Final = "0123456789abcdef0123456789abcdef"
TOKEN: Final = "tok_demo"
KIM: Final = "Uaaaa0000000000000000000000000001"
SIM_KIM: Final = "U" + hex_of("kim", 32)  # kim's user id at the simulated LINE
HOOK: Final = "https://gw.example.test/webhooks/line-1"
BEN: Final = Speaker(id="rep-1", name="Ben", avatar_url="https://cdn.example.test/ben.png")
FIXTURES: Final = Path(__file__).parent / "fixtures"


def an_account(**changes: Any) -> LineAccount:
    """The account of the fixtures, with other settings if wanted."""
    settings: dict[str, Any] = {
        "channel_id": "line-1",
        "webhook_url": HOOK,
        "channel_secrets": [SECRET],
        "access_tokens": [TOKEN],
        "bot_user_id": "U00000000000000000000000000000b07",
        **changes,
    }
    return LineAccount.model_validate(settings)


ACCOUNT: Final = an_account()


def fixture(case: str) -> RawRequest:
    """A recorded webhook."""
    kept = json.loads((FIXTURES / f"{case}.headers.json").read_text())
    body = (FIXTURES / f"{case}.body").read_bytes()
    return RawRequest(kept["method"], kept["url"], kept["path"], (), kept["headers"], body, NOW)


def expected(case: str) -> Any:
    """What comes out of it."""
    return json.loads((FIXTURES / f"{case}.expected.json").read_text())


def webhook(body: bytes, *, secret: str = SECRET) -> RawRequest:
    """A webhook with any body, signed."""
    return RawRequest("POST", HOOK, "", (), {"x-line-signature": hmac_base64(secret, body)}, body, NOW)


def received(call: ProviderCall, at: datetime = NOW) -> RawRequest:
    """A simulated provider's webhook, as our server takes it."""
    headers = {name.lower(): value for name, value in call.headers.items()}
    return RawRequest(call.method, call.url, "", (), headers, call.body, at)


def young_token(*, seconds: float = 10) -> dict[str, Any]:
    """Memory with a reply token that came so many seconds ago."""
    return {"reply_token": {"token": "5f2c0d9e8b7a46539f1e2d3c4b5a6978", "at": (NOW - timedelta(seconds=seconds)).isoformat()}}


def reply(status: int = 200, body: Any = None, **headers: str) -> HttpReply:
    """LINE's answer."""
    return HttpReply(status, headers, b"" if body is None else json.dumps(body).encode())


def taken() -> HttpReply:
    """LINE took one message."""
    return reply(200, {"sentMessages": [{"id": "461230966842064897", "quoteToken": "IStG5h1Tz7b"}]})


def refused(status: int, message: str, *details: tuple[str, str]) -> HttpReply:
    """LINE's error, with details as (property, message)."""
    listed = [{"message": text, "property": name} for name, text in details]
    return reply(status, {"message": message, **({"details": listed} if listed else {})})


def result(flow: Flow[T], *replies: HttpReply | Exception) -> T:
    """What a flow returns when it gets these replies, all of them and no more."""
    _, value = play(flow, *replies)
    return value


def sent_json(call: HttpCall) -> Any:
    """The JSON that a call carries."""
    return json.loads(call.body)


def as_request(call: HttpCall, account: LineAccount = ACCOUNT, at: datetime = NOW) -> RawRequest:
    """A call of ours, as the simulated provider takes it."""
    headers = {name.lower(): value for name, value in call.headers.items()}
    return RawRequest(call.method, call.url, path_below(call.url, account) or "", (), headers, call.body, at)


def as_reply(answer: Answer) -> HttpReply:
    """The simulated provider's answer, as a flow gets it."""
    return HttpReply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


def run(flow: Flow[T], simulator: LineSimulator, *, at: datetime = NOW) -> tuple[T, list[ProviderCall]]:
    """Let a flow talk to the simulated provider: what it returns, and what the provider does then."""
    calls: list[ProviderCall] = []
    try:
        call = next(flow)
        while True:
            outcome = simulator.handle(as_request(call, simulator.account, at), at)
            calls += outcome.calls
            call = flow.send(as_reply(outcome.answer))
    except StopIteration as done:
        return done.value, calls


def act(kind: str, customer: str = "kim", **rest: Any) -> Action:
    """What a customer does."""
    return Action.model_validate({"kind": kind, "customer": customer, **rest})


def memory_of(*events: Any) -> dict[str, Any]:
    """What the events want remembered, merged as the gateway does."""
    merged: dict[str, Any] = {}
    for event in events:
        remember: Mapping[str, Any] = event.remember
        merged = {key: value for key, value in {**merged, **remember}.items() if value is not None}
    return merged


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("line-1"),
        "to": Address(KIM),
        "retry_key": "123e4567-e89b-42d3-a456-426614174000",
        "created_at": NOW,
    },
    say={"id": "msg_01K5Z0", "text": "Hello, Ben here.", "speaker": BEN},
    notice={"id": "ntc_01K5Z1", "text": "Ben joined the chat", "about": BEN},
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
