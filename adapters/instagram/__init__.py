"""Instagram's direct messages: one professional account is one channel.

The Messenger Platform as on Messenger, with what differs: no personas, 1,000 bytes of text, deletions are told, deliveries are not.

Webhook fields to subscribe to: messages, messaging_postbacks, message_reactions, messaging_seen, messaging_referral, messaging_optins, messaging_handover, standby.
"""

from __future__ import annotations

from adapters._meta.platform.fetching import media
from adapters._meta.platform.outbound import WINDOW
from adapters.contract import CONTRACT, Adapter, Capabilities, later
from adapters.instagram.account import InstagramAccount
from adapters.instagram.inbound import handshake, parse, verify
from adapters.instagram.outbound import profile, send
from adapters.instagram.wire import FILES, MAX_TEXT

__all__ = ["ADAPTER", "InstagramAccount"]

ADAPTER = Adapter(
    kind="instagram",
    title="Instagram direct messages",
    account=InstagramAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.file",
                "message.sticker",
                "message.choice",
                "message.unknown",
                "message.product",
                "receipt",
                "deletion",
                "reaction",
                "referral",
                "handover",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
        max_text=MAX_TEXT,
        text_unit="bytes",
        files=FILES,
        speaker="prefix",
        receipts=frozenset({"sent", "read"}),
        window=WINDOW,
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.instagram.simulator", "simulate"),
    demo=later("adapters.instagram.simulator", "demo"),
    handshake=handshake,
    methods=("GET", "POST"),
    profile=profile,
    contract=CONTRACT,
    exemptions={
        "S11": "Meta doesn't report that somebody blocked the account.",
        "G1": "Instagram reports no deliveries.",
        "G3": "Meta's platform reports failures in the answer to the call alone.",
        "G5": "Meta documents no key that tells a second try from a second message.",
        "G7": "Meta doesn't report that a customer is typing.",
        "G13": "Instagram documents no personas.",
        "G14": "A text and a file can't share a message.",
        "G15": "Instagram takes no MP3.",
    },
)
