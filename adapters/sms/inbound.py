"""Incoming SMS and MMS, and status reports for ours. RCS, which Twilio delivers through the same webhook, is read as well."""

from __future__ import annotations

from adapters._twilio import inbound as twilio
from adapters._twilio.signature import verify
from adapters.contract import RawRequest
from adapters.envelope import Inbound
from adapters.sms.account import TwilioAccount


def parse(request: RawRequest, account: TwilioAccount) -> list[Inbound]:
    """The events of one webhook. A STOP is two: what was written, and the end of the conversation."""
    manner = twilio.Manner(
        stop_words=frozenset(word.lower() for word in account.stop_words),
        start_words=frozenset(word.lower() for word in account.start_words),
    )
    return twilio.parse(request, account, manner)


__all__ = ["parse", "verify"]
