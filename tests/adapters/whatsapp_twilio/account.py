"""The account that the fixtures are signed for; every value is invented."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from adapters.envelope import ChannelId
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount

ACCOUNT: Final = TwilioWhatsAppAccount(
    channel_id=ChannelId("whatsapp-twilio"),
    webhook_url="https://gw.example.net/webhooks/whatsapp-twilio",
    account_sid="AC10000000000000000000000000000001",
    auth_tokens=(SecretStr("test_auth_token"),),
    number="+15550002222",
)
