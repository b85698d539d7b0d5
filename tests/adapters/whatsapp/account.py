"""The test account, and small builders for what several tests need. Ids, numbers and secrets are made up."""

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
from adapters.signing import hmac_hex
from adapters.whatsapp import WhatsAppAccount

FIXTURES: Final = Path(__file__).parent / "fixtures"
NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOOK: Final = "https://gw.example.test/webhooks/wa1"
KIM: Final = Address("ES.30900000000000000001")
TOKEN: Final = "sample-token"
NUMBER: Final = "34600111222"
PHOTO: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=9, url="https://gw.example.test/f/1/hinge.png", content=b"png bytes"
)


def account(**changes: Any) -> WhatsAppAccount:
    """The number that the fixtures are signed for."""
    settings: dict[str, Any] = {
        "channel_id": ChannelId("wa1"),
        "webhook_url": HOOK,
        "phone_number_id": "107000000000002",
        "app_secrets": (SecretStr("app_secret_of_x_0"),),
        "verify_token": SecretStr("verify-me"),
        "access_token": SecretStr(TOKEN),
    }
    return WhatsAppAccount(**{**settings, **changes})


def request(body: Mapping[str, Any] | bytes) -> RawRequest:
    """A webhook as Meta makes it."""
    raw = body if isinstance(body, bytes) else written(body)
    return sign(RawRequest("POST", HOOK, "", (), {"content-type": "application/json"}, raw, NOW), account())


def sign(given: RawRequest, by: WhatsAppAccount) -> RawRequest:
    """The request with the signature of the account's first secret."""
    signature = hmac_hex(by.app_secrets[0].get_secret_value(), given.body)
    return replace(given, headers={**given.headers, "x-hub-signature-256": f"sha256={signature}"})


def messages(*items: Any) -> dict[str, Any]:
    """A delivery of messages."""
    value = {"metadata": {"phone_number_id": "107000000000002"}, "messages": list(items)}
    return {"object": "whatsapp_business_account", "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}


def _common(row: str) -> dict[str, Any]:
    return {
        "id": row,
        "channel_id": ChannelId("wa1"),
        "to": KIM,
        "aliases": (Address(NUMBER),),
        "retry_key": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "created_at": NOW,
        "memory": {"wa_id": NUMBER, "last_message_id": "wamid.IN"},
        "last_inbound_at": NOW - timedelta(hours=1),
    }


def say(text: str | None = None, **more: Any) -> Say:
    """A rep's message."""
    return Say(**{**_common("msg_1"), "text": text, **more})


def notice(text: str = "Ana joined", **more: Any) -> Notice:
    """A notice."""
    return Notice(**{**_common("ntc_1"), "code": "joined", "text": text, "about": Speaker(id="s-ana", name="Ana"), **more})


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
