"""WhatsApp going out through Twilio: within 24 hours of the customer's last message, one file at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from adapters._twilio.inbound import LAST_SID
from adapters._twilio.outbound import body_and_file, create, dead, media, refuse_opted_out, show_typing
from adapters.contract import Flow, Sent
from adapters.envelope import Notice, Outbound, TypingSignal
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount

# https://www.twilio.com/docs/whatsapp/key-concepts#customer-service-windows
WINDOW: Final = timedelta(hours=24)


def send(message: Outbound, account: TwilioWhatsAppAccount, now: datetime) -> Flow[Sent]:
    """Send one message, notice or typing sign. Raises SendFailed before any call where WhatsApp would refuse."""
    if isinstance(message, TypingSignal):
        return (yield from _typing(message, account, now))
    refuse_opted_out(message)
    if message.last_inbound_at is None or now - message.last_inbound_at >= WINDOW:
        dead("outside_window")
    content = (
        body_and_file(_aside(message.text), None) if isinstance(message, Notice) else body_and_file(message.text, message.file)
    )
    return (yield from create(message, account, now, account.sender, content))


def _aside(text: str) -> str:
    """A notice in italics, where the text lets WhatsApp's marks work."""
    return text if "_" in text or "\n" in text else f"_{text}_"


def _typing(message: TypingSignal, account: TwilioWhatsAppAccount, now: datetime) -> Flow[Sent]:
    """Typing is shown below the customer's last message, which is thereby marked as read; it ends automatically."""
    sid = message.memory.get(LAST_SID)
    if not message.on or not isinstance(sid, str):
        return Sent()
    return (yield from show_typing(account, account.messaging_base, sid, now))


__all__ = ["media", "send"]
