"""The test account, and small builders for what several tests need. Ids and secrets are made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from adapters.contract import RawRequest
from adapters.envelope import Address, ChannelId, OutboundFile, Speaker
from adapters.messenger import MessengerAccount
from tests.adapters._meta.signed import posted
from tests.adapters.outgoing import Outgoing

FIXTURES: Final = Path(__file__).parent / "fixtures"
NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOOK: Final = "https://gw.example.test/webhooks/ms1"
PAGE: Final = "101000000000009"
APP: Final = "1517776480000000"
KIM: Final = Address("6100000000000001")
TOKEN: Final = "sample-page-token"
ANA: Final = Speaker(id="s-ana", name="Ana", avatar_url="https://gw.example.test/ana.png")
PHOTO: Final = OutboundFile(
    name="hinge.png", mime_type="image/png", size_bytes=9, url="https://gw.example.test/f/1/hinge.png", content=b"png bytes"
)


def account(**changes: Any) -> MessengerAccount:
    """The Page that the fixtures are signed for."""
    settings: dict[str, Any] = {
        "channel_id": ChannelId("ms1"),
        "webhook_url": HOOK,
        "page_id": PAGE,
        "app_id": APP,
        "app_secrets": (SecretStr("app_secret_of_x_0"),),
        "verify_token": SecretStr("verify-me"),
        "access_token": SecretStr(TOKEN),
    }
    return MessengerAccount(**{**settings, **changes})


def request(body: Mapping[str, Any] | bytes) -> RawRequest:
    """A webhook as Meta makes it."""
    return posted(body, account(), NOW)


def events(*items: Any, key: str = "messaging") -> dict[str, Any]:
    """A delivery."""
    return {"object": "page", "entry": [{"id": PAGE, "time": 1789640000500, key: list(items)}]}


def event(**content: Any) -> dict[str, Any]:
    """An event of the customer's."""
    return {"sender": {"id": KIM}, "recipient": {"id": PAGE}, "timestamp": 1789640000123, **content}


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("ms1"),
        "to": KIM,
        "created_at": NOW,
        "last_inbound_at": NOW - timedelta(hours=1),
    },
    notice={"about": ANA},
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
