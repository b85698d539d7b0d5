"""The account that the tests of open channels use, and requests and messages for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters import standard_webhooks
from adapters.contract import HttpReply, RawRequest
from adapters.envelope import Address, ChannelId, OutboundFile, Speaker
from adapters.open import OpenAccount
from tests.adapters.outgoing import Outgoing

NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SECRET: Final = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"  # base64 of 0123456789abcdef01234567
HOOK: Final = "https://gw.example.test/webhooks/shop"
SERVER: Final = "https://shop.example.test/byoc"
ANA: Final = Speaker(id="rep-1", name="Ana", avatar_url="https://cdn.example.test/ana.png")
FIXTURES: Final = Path(__file__).parent / "fixtures"


def an_account(**changes: Any) -> OpenAccount:
    """The account of the fixtures, with other settings if wanted."""
    settings = {"channel_id": "shop", "webhook_url": HOOK, "secrets": [SECRET], "deliver_url": SERVER, **changes}
    return OpenAccount.model_validate(settings)


ACCOUNT: Final = an_account()


def request(body: bytes | dict[str, Any], *, request_id: str = "req_1", path: str = "", at: datetime = NOW) -> RawRequest:
    """What somebody's server would post, signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = standard_webhooks.signed_headers(ACCOUNT.secrets, request_id, raw, at)
    return RawRequest("POST", HOOK + path, path, (), {**headers, "content-type": "application/json"}, raw, at)


PICTURE: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=8, url="https://gw.example.test/media/1", content=b"\x89PNG\r\n\x1a\n"
)


def reply(status: int = 204, body: Any = None, **headers: str) -> HttpReply:
    """The server's answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, sent, b"" if body is None else json.dumps(body).encode())


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("shop"),
        "to": Address("kim-17"),
        "retry_key": "123e4567-e89b-42d3-a456-426614174000",
        "created_at": NOW,
    },
    say={"id": "msg_7", "text": "Hello, this is Ana.", "speaker": ANA},
    notice={"id": "ntc_8", "text": "Ana joined the chat.", "about": ANA},
    typing={"id": "typ_9", "speaker": ANA},
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
