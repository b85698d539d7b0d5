"""The test account, and small builders for what several tests need. Ids, numbers and secrets are made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from adapters.contract import RawRequest
from adapters.envelope import Address, ChannelId, OutboundFile
from adapters.whatsapp import WhatsAppAccount
from tests.adapters._meta.signed import posted
from tests.adapters.outgoing import Outgoing

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
    return posted(body, account(), NOW)


def messages(*items: Any) -> dict[str, Any]:
    """A delivery of messages."""
    value = {"metadata": {"phone_number_id": "107000000000002"}, "messages": list(items)}
    return {"object": "whatsapp_business_account", "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}


OUT: Final = Outgoing(
    {
        "channel_id": ChannelId("wa1"),
        "to": KIM,
        "aliases": (Address(NUMBER),),
        "created_at": NOW,
        "memory": {"wa_id": NUMBER, "last_message_id": "wamid.IN"},
        "last_inbound_at": NOW - timedelta(hours=1),
    }
)
say, notice, typing = OUT.say, OUT.notice, OUT.typing
