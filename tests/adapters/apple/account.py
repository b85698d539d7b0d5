"""The test account, and what several tests build on. Keys, ids and bodies are made up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from adapters.apple.account import AppleAccount
from adapters.apple.outbound import message_id
from adapters.contract import Flow, HttpCall, HttpReply, RawRequest
from adapters.envelope import Address, ChannelId, Inbound, InboundMessage, OutboundFile, Speaker
from tests.adapters.outgoing import Outgoing

FIXTURES: Final = Path(__file__).parent / "fixtures"
SECRET: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OLD_SECRET: Final = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
MSP: Final = "11111111-2222-3333-4444-555555555555"
BUSINESS: Final = "7a3f1c52-0000-4000-8000-0000000000b1"
KIM: Final = "urn:mbid:AQAAYkim0001"
NOW: Final = datetime.fromtimestamp(1_700_000_005, UTC)
TOKEN_OUT: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3MDAwMDAwMDB9"
    ".bw-17ZdZpQBKXQv4lqJ3BrmnXJCknEgLrGncF77R_Cg"
)
TOKEN_IN: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3MDAwMDAwMDB9"
    ".-SGzCTaDsUmItjXTOpKCnH11GzewLHbKQlXiyGjR-Cs"
)
ANA: Final = Speaker(id="s-ana", name="Ana")
PHOTO: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=16, url="https://gw.example.test/f/1", content=b"hello attachment"
)


def account(**changes: Any) -> AppleAccount:
    """The business of the golden vectors."""
    settings: dict[str, Any] = {
        "channel_id": ChannelId("apple1"),
        "webhook_url": "https://gw.example.test/webhooks/apple1",
        "msp_id": MSP,
        "business_id": BUSINESS,
        "secrets": (SecretStr(SECRET),),
        "api_base": "https://mspgw.example.test/v1",
    }
    return AppleAccount(**{**settings, **changes})


def request(body: Mapping[str, Any] | bytes, *, zipped: bool = True, **headers: str) -> RawRequest:
    """A webhook as Apple makes it; a header given as "" is left out, `_` in a name stands for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {
        "authorization": f"Bearer {TOKEN_IN}",
        "content-type": "application/json",
        "content-encoding": "gzip",
        "source-id": KIM,
        "destination-id": BUSINESS,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return RawRequest(
        method="POST",
        url="https://gw.example.test/webhooks/apple1/message",
        path="/message",
        query=(),
        headers={name: value for name, value in told.items() if value},
        body=gzip.compress(raw, mtime=0) if zipped else raw,
        received_at=NOW,
    )


def event(kind: str = "text", **fields: Any) -> dict[str, Any]:
    """The body of a webhook."""
    ids = {"id": "3f0e2d1c-0b1a-4a5b-8c7d-9e8f7a6b5c4d", "sourceId": KIM, "destinationId": BUSINESS}
    return {"v": 1, "type": kind, **ids, **({"body": "Hello"} if kind == "text" else {}), **fields}


OUR_ID: Final = message_id("0f8fad5b-d9cb-469f-a165-70867728950e")


def calls_before_failure(flow: Flow[Any], *replies: HttpReply) -> list[HttpCall]:
    """The calls of a flow that is expected to raise at the end."""
    return [next(flow), *(flow.send(reply) for reply in replies)]


def said(events: list[Inbound]) -> InboundMessage:
    """The one message."""
    (only,) = events
    assert isinstance(only, InboundMessage)
    return only


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("apple1"),
        "to": Address(KIM),
        "created_at": NOW,
        "last_inbound_at": NOW,
    },
    notice={"text": "Ana joined the chat", "about": ANA},
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
