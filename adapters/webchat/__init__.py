"""Web chat: the widget on a company's own pages.

There is no provider: the gateway's chat service (`gateway/webchat`) plays it. It keeps each visitor's own stream, posts what they do
to our webhook, signed, and takes what they are to see at `/deliver`. docs/webchat.md describes both sides.
"""

from __future__ import annotations

from typing import Any

from adapters.contract import CONTRACT, Adapter, Answer, Capabilities, FileRule, later
from adapters.webchat.account import WebchatAccount
from adapters.webchat.inbound import parse, verify
from adapters.webchat.outbound import media, send


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo: the visitor's browser talks to the gateway's own `/chat/…`, beside the webhooks."""
    return {
        "secrets": [f"demo-{channel_id}-secret-for-this-machine-only"],
        "api_base": f"{hook.rpartition('/webhooks/')[0]}/chat/{channel_id}",
        "title": {"en": "Ask us", "de": "Fragen Sie uns", "ja": "お問い合わせ", "ar": "اسألنا"},
        "welcome": {
            "en": "Hello! How can we help?",
            "de": "Hallo! Wie können wir helfen?",
            "ja": "こんにちは。ご用件をどうぞ。",
            "ar": "مرحبًا! كيف يمكننا المساعدة؟",
        },
        # Many handsets of one machine share an address, and tests write faster than people.
        "limits": {
            "messages_per_minute": 60_000,
            "signals_per_minute": 60_000,
            "sessions_per_minute": 60_000,
            "requests_per_minute": 600_000,
            "streams": 50,
        },
    }


ADAPTER = Adapter(
    kind="webchat",
    title="Web chat",
    account=WebchatAccount,
    capabilities=Capabilities(
        inbound=frozenset(
            {
                "message.text",
                "message.image",
                "message.video",
                "message.audio",
                "message.file",
                "message.choice",
                "message.unknown",
                "receipt",
                "typing",
                "ended",
                "profile",
                "unknown",
            }
        ),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "notice", "typing"}),
        max_text=4000,
        max_caption=4000,
        files=(FileRule(media="file", max_bytes=25 * 1024 * 1024),),
        speaker="native",
        retry_key=True,
        receipts=frozenset({"delivered", "read"}),
        chat=True,
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=later("adapters.webchat.simulator", "WebchatSimulator"),
    demo=demo,
    accepted=Answer(200, b"{}", {"content-type": "application/json"}),
    contract=CONTRACT,
)

__all__ = ["ADAPTER", "WebchatAccount", "WebchatSimulator"]
