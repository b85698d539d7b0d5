"""Apple Messages for Business, spoken to directly as a messaging service provider (MSP).

What marks this channel: the customer is an opaque id without a name or number; nobody but the customer can begin or end a
conversation; there are no receipts; all our bubbles look alike, so a name before the text tells who speaks; files are
encrypted by whoever sends them. Source: Apple, "Messages for Business REST API" and its MSP tutorial (register.apple.com).

Beside the usual files: `tokens.py` (the JWT, both ways), `mmcs.py` (the files' encryption), `answers.py` (pickers and
forms that come back), and `media.py` (fetching files).
"""

from __future__ import annotations

from typing import Any

from adapters.apple.account import AppleAccount, demo
from adapters.apple.inbound import parse, verify
from adapters.apple.media import media
from adapters.apple.outbound import send
from adapters.apple.wire import MAX_FILE_BYTES, MAX_TEXT
from adapters.contract import CONTRACT, Adapter, Capabilities, FileRule, later

__all__ = ["ADAPTER"]

ADAPTER: Adapter[Any] = Adapter[AppleAccount](
    kind="apple",
    title="Apple Messages for Business",
    account=AppleAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.voice",
                "message.file",
                "message.choice",
                "message.unknown",
                "typing",
                "ended",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "notice", "typing"}),
        max_text=MAX_TEXT,
        max_caption=MAX_TEXT,
        files=(FileRule(media="file", max_bytes=MAX_FILE_BYTES),),
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.apple.simulator", "AppleSimulator"),
    demo=demo,
    contract=CONTRACT,
    exemptions={
        "S12": "Apple never tells a business the customer's name.",
        "S13": "Apple's webhooks carry no time.",
        "G1": "Apple sends no receipts.",
        "G2": "Apple sends no receipts.",
        "G3": "Apple sends no receipts.",
        "G5": "Apple documents no key that tells a second try from a second message.",
        "G8": "Apple documents no quotations.",
        "G9": "Apple documents no quotations.",
        "G10": "A tapback arrives as a text.",
        "G11": "Apple reports no changes and no deletions.",
        "G12": "Apple has no further kinds of messages.",
        "G13": "All bubbles of a business look alike.",
        "G16": "Apple's webhooks hold one event each.",
    },
)
