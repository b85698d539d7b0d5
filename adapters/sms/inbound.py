"""Incoming SMS and MMS, and status reports for ours. RCS, which Twilio delivers through the same webhook, is read as well."""

from __future__ import annotations

from functools import lru_cache

from adapters._twilio import inbound as twilio
from adapters._twilio.signature import verify
from adapters.contract import RawRequest
from adapters.envelope import Inbound
from adapters.sms.account import TwilioAccount


def parse(request: RawRequest, account: TwilioAccount) -> list[Inbound]:
    """The events of one webhook. A STOP is two: what was written, and the end of the conversation."""
    return twilio.parse(request, account, _manner(account.stop_words, account.start_words))


@lru_cache(maxsize=64)  # the same for every webhook of an account
def _manner(stop_words: tuple[str, ...], start_words: tuple[str, ...]) -> twilio.Manner:
    return twilio.Manner(
        stop_words=frozenset(word.lower() for word in stop_words), start_words=frozenset(word.lower() for word in start_words)
    )


__all__ = ["parse", "verify"]
