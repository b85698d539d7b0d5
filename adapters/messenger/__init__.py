"""Facebook Messenger: one Page is one channel.

Reps write under personas, so the customer sees who speaks; notices come from the Page itself. Within 24 hours of what the customer last
did everything may be sent; up to 7 days what a person wrote, where the app has Meta's Human Agent feature.

Webhook fields to subscribe to: messages, messaging_postbacks, message_echoes, message_edits, message_reactions, message_reads, message_deliveries, messaging_referrals,
messaging_optins, messaging_handovers, standby.
"""

from __future__ import annotations

from adapters._meta.platform.fetching import media
from adapters._meta.platform.outbound import WINDOW
from adapters.contract import CONTRACT, Adapter, Capabilities, later
from adapters.messenger.account import MessengerAccount
from adapters.messenger.inbound import handshake, parse, verify
from adapters.messenger.outbound import FILES, MAX_TEXT, profile, send
from adapters.messenger.wire import MAX_NAME

__all__ = ["ADAPTER", "MessengerAccount"]

ADAPTER = Adapter(
    kind="messenger",
    title="Facebook Messenger",
    account=MessengerAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.file",
                "message.sticker",
                "message.location",
                "message.choice",
                "message.unknown",
                "message.product",
                "message.order",
                "receipt",
                "edit",
                "reaction",
                "referral",
                "handover",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
        max_text=MAX_TEXT,
        text_unit="utf16",  # Meta says "characters"; this is the count that can't come out too low
        files=FILES,
        speaker="native",
        max_speaker_name=MAX_NAME,
        receipts=frozenset({"sent", "delivered", "read"}),
        window=WINDOW,
        editions=("enhanced", "standard"),
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.messenger.simulator", "simulate"),
    demo=later("adapters.messenger.simulator", "demo"),
    handshake=handshake,
    methods=("GET", "POST"),
    profile=profile,
    contract=CONTRACT,
    exemptions={
        "S11": "Meta doesn't report that somebody blocked the Page.",
        "G3": "Meta's platform reports failures in the answer to the call alone.",
        "G5": "Meta documents no key that tells a second try from a second message.",
        "G7": "Meta doesn't report that a customer is typing.",
        "G14": "A text and a file can't share a message.",
    },
)
