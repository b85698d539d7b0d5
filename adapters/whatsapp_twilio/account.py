"""The settings of a WhatsApp channel through Twilio."""

from __future__ import annotations

from pydantic import Field

from adapters._twilio.account import Phone, TwilioAccount
from adapters.forms import BaseUrl


class TwilioWhatsAppAccount(TwilioAccount):
    """One WhatsApp sender at Twilio. For a sender at Meta itself there is the `whatsapp` channel."""

    number: Phone = Field(
        description="The WhatsApp sender's number, such as +15550002222, with or without `whatsapp:` before it."
    )
    messaging_base: BaseUrl = Field(
        default="https://messaging.twilio.com", description="Twilio's messaging API, for typing and read marks."
    )

    @property
    def sender(self) -> str:
        """The sender's address, as Twilio writes it."""
        return f"whatsapp:{self.number.removeprefix('whatsapp:')}"

    @property
    def own_number(self) -> str | None:
        """The sender's number."""
        return self.number
