"""WhatsApp through Meta's Cloud API: one business number is one channel.

The customer sees the business alone, never a rep, so a bold line names who speaks. Within 24 hours of the customer's last message
everything may be sent; after that only templates, which this adapter doesn't send.

Webhook fields to subscribe to: messages, calls (missed ones are shown), smb_message_echoes, user_preferences, standby and messaging_handovers.
"""

from __future__ import annotations

from adapters.contract import CONTRACT, Adapter, Capabilities, later
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.fetching import media
from adapters.whatsapp.inbound import handshake, parse, verify
from adapters.whatsapp.outbound import FILES, MAX_CAPTION, MAX_TEXT, WINDOW, send

__all__ = ["ADAPTER", "WhatsAppAccount"]

ADAPTER = Adapter(
    kind="whatsapp",
    title="WhatsApp (Meta Cloud API)",
    account=WhatsAppAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.voice",
                "message.file",
                "message.sticker",
                "message.location",
                "message.contact",
                "message.choice",
                "message.unknown",
                "message.order",
                "message.call",
                "receipt",
                "edit",
                "deletion",
                "reaction",
                "handover",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
        max_text=MAX_TEXT,
        text_unit="utf16",  # Meta says "characters"; this is the count that can't come out too low
        max_caption=MAX_CAPTION,
        files=FILES,
        speaker="prefix",
        speaker_prefix="*{name}*\n",
        receipts=frozenset({"sent", "delivered", "read", "failed"}),
        window=WINDOW,
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.whatsapp.simulator", "simulate"),
    demo=later("adapters.whatsapp.simulator", "demo"),
    handshake=handshake,
    methods=("GET", "POST"),
    contract=CONTRACT,
    exemptions={
        "S11": "Meta doesn't report that somebody blocked the number.",
        "G5": "Meta documents no key that tells a second try from a second message.",
        "G7": "Meta doesn't report that a customer is typing.",
        "G13": "WhatsApp shows the business's name alone.",
    },
)
