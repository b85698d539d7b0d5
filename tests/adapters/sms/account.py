"""The account that the fixtures are signed for; every value is invented."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from adapters.envelope import ChannelId
from adapters.sms.account import TwilioAccount

ACCOUNT: Final = TwilioAccount(
    channel_id=ChannelId("sms"),
    webhook_url="https://gw.example.net/webhooks/sms",
    account_sid="AC10000000000000000000000000000001",
    auth_tokens=(SecretStr("test_auth_token"),),
    shared_keys={"webhooks_sharedkey_1": SecretStr("test_shared_secret")},
    number="+15550002222",
)
