"""LINE: the Messaging API of LINE Official Accounts, one-to-one chats.

The customer sees the rep's name and picture beside each message. Groups and rooms are not served. There are no receipts, except for
videos watched to the end. Source: LINE Developers, "Messaging API reference".
"""

from __future__ import annotations

from typing import Final

from adapters.contract import CONTRACT, Adapter, Capabilities, FileRule, later
from adapters.line.account import LineAccount, demo
from adapters.line.fetching import media, profile
from adapters.line.inbound import parse, verify
from adapters.line.outbound import MAX_NAME, MAX_TEXT, retry_safe, send

ADAPTER: Final = Adapter(
    kind="line",
    title="LINE",
    account=LineAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.file",
                "message.location",
                "message.sticker",
                "message.choice",
                "message.unknown",
                "receipt",
                "deletion",
                "ended",
                "handover",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.reply", "notice", "typing"}),
        max_text=MAX_TEXT,
        text_unit="utf16",
        files=(
            FileRule(media="image", mime_types=("image/jpeg", "image/png"), max_bytes=10_000_000),
            FileRule(media="video", mime_types=("video/mp4",), max_bytes=200_000_000),
            FileRule(
                media="audio",
                mime_types=("audio/mpeg", "audio/mp3", "audio/mp4", "audio/m4a", "audio/x-m4a"),
                max_bytes=200_000_000,
            ),
        ),
        speaker="native",
        max_speaker_name=MAX_NAME,
        retry_key=True,
        receipts=frozenset({"read"}),  # of videos watched to their end; LINE reports nothing about other messages
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.line.simulator", "LineSimulator"),
    demo=demo,
    profile=profile,
    retry_safe=retry_safe,
    contract=CONTRACT,
    exemptions={
        "G1": "LINE reports no deliveries.",
        "G3": "LINE reports failures in the answer to the call alone.",
        "G7": "LINE doesn't report that a customer is typing.",
        "G10": "LINE reports no reactions.",
        "G14": "A message is either a text or a file.",
        "G15": "LINE's bots can send no documents.",
    },
)

__all__ = ["ADAPTER", "LineAccount", "LineSimulator"]
