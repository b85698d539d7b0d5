"""The test account, and small builders for what several tests need. Ids and secrets are made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from adapters._meta.simulation import written
from adapters.contract import Flow, HttpCall, HttpReply, RawRequest
from adapters.envelope import Address, ChannelId, Notice, OutboundFile, Say, Speaker, TypingSignal
from adapters.instagram import InstagramAccount
from adapters.signing import hmac_hex

FIXTURES: Final = Path(__file__).parent / "fixtures"
NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOOK: Final = "https://gw.example.test/webhooks/ig1"
ACCOUNT: Final = "17841400000000001"
PAGE: Final = "101000000000009"
APP: Final = "1517776480000000"
KIM: Final = Address("6100000000000001")
TOKEN: Final = "sample-page-token"
ANA: Final = Speaker(id="s-ana", name="Ana", avatar_url="https://gw.example.test/ana.png")
PHOTO: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=9, url="https://gw.example.test/f/1/hinge.png", content=b"png bytes"
)


def account(**changes: Any) -> InstagramAccount:
    """The account that the fixtures are signed for."""
    settings: dict[str, Any] = {
        "channel_id": ChannelId("ig1"),
        "webhook_url": HOOK,
        "instagram_id": ACCOUNT,
        "page_id": PAGE,
        "app_id": APP,
        "app_secrets": (SecretStr("app_secret_of_x_0"),),
        "verify_token": SecretStr("verify-me"),
        "access_token": SecretStr(TOKEN),
    }
    return InstagramAccount(**{**settings, **changes})


def request(body: Mapping[str, Any] | bytes) -> RawRequest:
    """A webhook as Meta makes it."""
    raw = body if isinstance(body, bytes) else written(body)
    return sign(RawRequest("POST", HOOK, "", (), {"content-type": "application/json"}, raw, NOW), account())


def sign(given: RawRequest, by: InstagramAccount) -> RawRequest:
    """The request with the signature of the account's first secret."""
    signature = hmac_hex(by.app_secrets[0].get_secret_value(), given.body)
    return replace(given, headers={**given.headers, "x-hub-signature-256": f"sha256={signature}"})


def events(*items: Any, key: str = "messaging") -> dict[str, Any]:
    """A delivery."""
    return {"object": "instagram", "entry": [{"id": ACCOUNT, "time": 1789640000500, key: list(items)}]}


def event(**content: Any) -> dict[str, Any]:
    """An event of the customer's."""
    return {"sender": {"id": KIM}, "recipient": {"id": ACCOUNT}, "timestamp": 1789640000123, **content}


def _common(row: str) -> dict[str, Any]:
    return {
        "id": row,
        "channel_id": ChannelId("ig1"),
        "to": KIM,
        "retry_key": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "created_at": NOW,
        "last_inbound_at": NOW - timedelta(hours=1),
    }


def say(text: str | None = None, **more: Any) -> Say:
    """A rep's message."""
    return Say(**{**_common("msg_1"), "text": text, **more})


def notice(text: str = "Ana joined", **more: Any) -> Notice:
    """A notice."""
    return Notice(**{**_common("ntc_1"), "code": "joined", "text": text, "about": ANA, **more})


def typing(on: bool = True, **more: Any) -> TypingSignal:
    """A rep types."""
    return TypingSignal(**{**_common("typ_1"), "on": on, **more})


def play(flow: Flow[Any], *replies: HttpReply) -> tuple[list[HttpCall], Any]:
    """Run a flow with these replies; the calls it made, and what it returned."""
    calls: list[HttpCall] = []
    given: HttpReply | None = None
    waiting = iter(replies)
    try:
        while True:
            calls.append(next(flow) if given is None else flow.send(given))
            given = next(waiting, None)
            assert given is not None, f"the flow wants one more reply, to {calls[-1]}"
    except StopIteration as end:
        return calls, end.value
