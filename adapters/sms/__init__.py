"""SMS and MMS through Twilio Programmable Messaging: https://www.twilio.com/docs/messaging."""

from __future__ import annotations

from typing import Final

from adapters._twilio.answer import NOTHING_TO_SAY
from adapters.contract import CONTRACT, Adapter, Capabilities, FileRule, later
from adapters.sms.account import TwilioAccount
from adapters.sms.inbound import parse, verify
from adapters.sms.outbound import media, send

# https://www.twilio.com/docs/messaging/guides/accepted-mime-types: pictures are made to fit the phone, the rest isn't.
_FILES: Final = (
    FileRule(media="image", mime_types=("image/jpeg", "image/png", "image/gif"), max_bytes=5_000_000),
    FileRule(media="image", mime_types=("image/bmp", "image/tiff"), max_bytes=500_000),
    FileRule(
        media="video", mime_types=("video/mpeg", "video/mp4", "video/quicktime", "video/webm", "video/3gpp"), max_bytes=500_000
    ),
    FileRule(media="audio", mime_types=("audio/mp4", "audio/mpeg", "audio/ogg", "audio/3gpp", "audio/amr"), max_bytes=500_000),
    FileRule(
        media="file",
        mime_types=("text/vcard", "text/x-vcard", "text/csv", "text/rtf", "text/calendar", "application/pdf"),
        max_bytes=500_000,
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
    outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "notice"}),
    max_text=1_600,
    text_unit="utf16",  # Twilio doesn't say how it counts an emoji; so the longest count there is
    max_caption=1_600,
    files=_FILES,
    speaker_prefix="{name}: ",  # plain letters: one outside GSM 7-bit would more than halve what an SMS holds
    receipts=frozenset({"sent", "delivered", "failed", "read"}),
    editions=("enhanced", "standard"),
)


ADAPTER: Final = Adapter(
    kind="sms",
    title="SMS and MMS (Twilio)",
    account=TwilioAccount,
    capabilities=_CAPABILITIES,
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.sms.simulator", "simulate"),
    demo=later("adapters._twilio.simulator.customers", "demo"),
    accepted=NOTHING_TO_SAY,
    methods=("POST", "GET"),
    contract=CONTRACT,
    exemptions={
        "S12": "SMS carries no names.",
        "S13": "Twilio's webhooks carry no time for messages.",
        "G5": "Twilio takes no key that tells a second try from a second message.",
        "G6": "SMS shows no typing.",
        "G7": "SMS shows no typing.",
        "G8": "SMS has no quotations.",
        "G10": "SMS has no reactions.",
        "G11": "SMS has no changes and no deletions.",
        "G12": "SMS and MMS have no further kinds of messages.",
        "G13": "The customer sees a number, and no name.",
        "G16": "Twilio's webhooks hold one event each.",
    },
)

__all__ = ["ADAPTER"]
