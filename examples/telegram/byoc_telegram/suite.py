"""Telegram as the conformance kit sees it; `byoc channels --grade` finds it by the entry point in pyproject.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.conformance import Suite
from adapters.contract import RawRequest
from byoc_telegram.channel import ADAPTER, TelegramAccount

SETTINGS: Final = {
    "channel_id": "telegram",
    "webhook_url": "https://gw.example.test/webhooks/telegram",
    "bot_token": "1000:a-token-for-tests",
    "secret_tokens": ["a-secret-for-tests"],
}


def sign(request: RawRequest, account: TelegramAccount) -> RawRequest:
    """The request with the account's secret, as Telegram repeats it."""
    proof = {"x-telegram-bot-api-secret-token": account.secret_tokens[0].get_secret_value()}
    return replace(request, headers={**request.headers, **proof})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=TelegramAccount.model_validate(SETTINGS),
    fixtures=Path(__file__).parents[1] / "tests" / "fixtures",
    sign=sign,
    proof_headers=("x-telegram-bot-api-secret-token",),
    body_is_signed=False,
)
