"""Telegram: private chats with a bot. Source: core.telegram.org/bots/api (Bot API 9)."""

from __future__ import annotations

from byoc_telegram.channel import ADAPTER, TelegramAccount

__all__ = ["ADAPTER", "TelegramAccount"]
