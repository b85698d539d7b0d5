"""The account that the tests of web chat use, and requests and messages for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters import standard_webhooks
from adapters.contract import Answer, HttpReply, RawRequest
from adapters.envelope import Address, ChannelId, OutboundFile, Speaker
from adapters.simulation import ProviderCall
from adapters.webchat import WebchatAccount
from tests.adapters.outgoing import Outgoing

NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SECRET: Final = "webchat-test-secret-0123456789"
HOOK: Final = "https://gw.example.test/webhooks/web1"
BASE: Final = "http://127.0.0.1:8080/chat/web1"
ANA: Final = Speaker(id="rep-1", name="Ana", avatar_url="https://cdn.example.test/ana.png")


def an_account(**changes: Any) -> WebchatAccount:
    """The account of the fixtures, with other settings if wanted."""
    settings = {"channel_id": "web1", "webhook_url": HOOK, "secrets": [SECRET], "api_base": BASE, **changes}
    return WebchatAccount.model_validate(settings)


ACCOUNT: Final = an_account()


def webhook(body: bytes | dict[str, Any], *, account: WebchatAccount = ACCOUNT, at: datetime = NOW) -> RawRequest:
    """What the chat service would post, signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {**standard_webhooks.signed_headers(account.secrets, "relay:1", raw, at), "content-type": "application/json"}
    return RawRequest("POST", HOOK, "", (), headers, raw, at)


def events(*some: Any, **visitor: Any) -> RawRequest:
    """A webhook with these events."""
    return webhook({"channel_id": "web1", "visitor": {"id": "v_kim", **visitor}, "events": list(some)})


PICTURE: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=8, url="https://gw.example.test/media/1", content=b"\x89PNG\r\n\x1a\n"
)


def reply(status: int = 200, body: Any = None, **headers: str) -> HttpReply:
    """The chat service's answer."""
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())


def answered(call: ProviderCall, status: int, body: Any = None, **headers: str) -> tuple[ProviderCall, Answer]:
    """A browser's call and the service's answer to it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call, Answer(status, b"" if body is None else json.dumps(body).encode(), sent)


FIXTURES: Final = Path(__file__).parent / "fixtures"


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("web1"),
        "to": Address("v_kim"),
        "retry_key": "123e4567-e89b-42d3-a456-426614174000",
        "created_at": NOW,
    },
    say={"id": "msg_7", "text": "Hello, this is Ana.", "speaker": ANA},
    notice={"id": "ntc_8", "text": "Ana joined the chat.", "about": ANA},
    typing={"id": "typ_9", "speaker": ANA},
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
