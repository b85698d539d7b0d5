"""WhatsApp through Twilio: https://www.twilio.com/docs/whatsapp. The `whatsapp` channel goes to Meta itself."""

from __future__ import annotations

from typing import Final

from adapters._twilio.answer import NOTHING_TO_SAY
from adapters.contract import CONTRACT, Adapter, Capabilities, FileRule, later
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount
from adapters.whatsapp_twilio.inbound import parse, verify
from adapters.whatsapp_twilio.outbound import WINDOW, media, send

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
# https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages: only a picture carries a text along.
_FILES: Final = (
    FileRule(media="image", mime_types=("image/jpeg", "image/png"), max_bytes=5_000_000),
    FileRule(media="video", mime_types=("video/mp4",), max_bytes=16_000_000, captions=False),
    FileRule(
        media="audio",
        mime_types=("audio/ogg", "audio/amr", "audio/3gpp", "audio/aac", "audio/mpeg"),
        max_bytes=16_000_000,
        captions=False,
    ),
    FileRule(
        media="file",
        mime_types=(
            "application/pdf",
            "application/msword",
            f"{_OFFICE}.wordprocessingml.document",
            f"{_OFFICE}.presentationml.presentation",
            f"{_OFFICE}.spreadsheetml.sheet",
            "text/vcard",
        ),
        max_bytes=16_000_000,
        captions=False,
    ),
)

_CAPABILITIES: Final = Capabilities(
    inbound=frozenset(
        {
            "message.text",
            "message.image",
            "message.video",
            "message.audio",
            "message.file",
            "message.location",
            "message.choice",
            "message.unknown",
            "receipt",
            "ended",
            "unknown",
        }
    ),
    outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "notice", "typing"}),
    max_text=1_600,
    text_unit="utf16",  # Twilio doesn't say how it counts an emoji; so the longest count there is
    max_caption=1_024,
    files=_FILES,
    speaker_prefix="*{name}*\n",
    receipts=frozenset({"sent", "delivered", "read", "failed"}),
    window=WINDOW,
)


ADAPTER: Final = Adapter(
    kind="whatsapp-twilio",
    title="WhatsApp (Twilio)",
    account=TwilioWhatsAppAccount,
    capabilities=_CAPABILITIES,
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.whatsapp_twilio.simulator", "simulate"),
    demo=later("adapters.whatsapp_twilio.simulator", "demo"),
    accepted=NOTHING_TO_SAY,
    methods=("POST", "GET"),
    contract=CONTRACT,
    exemptions={
        "S13": "Twilio's webhooks carry no time for messages.",
        "G5": "Twilio takes no key that tells a second try from a second message.",
        "G7": "WhatsApp doesn't report that a customer is typing.",
        "G10": "Twilio documents no reactions.",
        "G11": "Twilio documents no changes and no deletions.",
        "G13": "WhatsApp shows the business's name alone.",
        "G16": "Twilio's webhooks hold one event each.",
    },
)

__all__ = ["ADAPTER"]
