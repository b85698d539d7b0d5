"""An open channel, which needs no Python: signed HTTP in, signed HTTP out, in the gateway's own JSON.

Anything that can post JSON with an HMAC can be a channel: a shop's own app, a game, a kiosk, a script. docs/open-channel.md describes both sides, with
examples for curl. Requests are signed as Standard Webhooks, which has libraries in most languages.
"""

from __future__ import annotations

from typing import Final

from adapters.contract import CONTRACT, Adapter, Answer, Capabilities, FileRule, later
from adapters.open.account import OpenAccount, demo
from adapters.open.inbound import handshake, parse, verify
from adapters.open.outbound import MAX_FILE_BYTES, MAX_TEXT, media, send

ADAPTER: Final = Adapter(
    kind="open",
    title="Open channel",
    account=OpenAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.voice",
                "message.file",
                "message.location",
                "message.contact",
                "message.choice",
                "message.sticker",
                "message.unknown",
                "receipt",
                "typing",
                "edit",
                "deletion",
                "reaction",
                "ended",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
        max_text=MAX_TEXT,
        max_caption=MAX_TEXT,
        files=(FileRule(media="file", max_bytes=MAX_FILE_BYTES),),
        speaker="native",
        retry_key=True,
        receipts=frozenset({"delivered", "read", "failed"}),
    ),
    handshake=handshake,
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.open.simulator", "OpenSimulator"),
    demo=demo,
    accepted=Answer(200, b'{"ok": true}\n', {"content-type": "application/json"}),
    contract=CONTRACT,
)

__all__ = ["ADAPTER", "OpenAccount", "OpenSimulator"]
