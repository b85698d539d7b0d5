"""WhatsApp coming in through Twilio: as SMS does, with buttons, places, names, ads and read marks.

Words such as "cancel" end nothing here; only what Twilio's Advanced Opt-Out calls a STOP does.
Source: Twilio, "Twilio's request to your incoming message Webhook URL" (WhatsApp-specific parameters).
"""

from __future__ import annotations

from typing import Final

from adapters._twilio import inbound as twilio
from adapters._twilio.signature import verify
from adapters.contract import RawRequest
from adapters.envelope import Inbound
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount

_MANNER: Final = twilio.Manner(captions=True, prefix="whatsapp:")


def parse(request: RawRequest, account: TwilioWhatsAppAccount) -> list[Inbound]:
    """The events of one webhook; an album comes as one webhook for each picture."""
    return twilio.parse(request, account, _MANNER)


__all__ = ["parse", "verify"]
