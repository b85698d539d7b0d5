"""Messenger's own side: `adapters/_meta/platform/simulator` in Messenger's dialect."""

from __future__ import annotations

from typing import Any, Final

from adapters._meta.platform.simulator import PlatformSimulator
from adapters._meta.platform.simulator.rules import Dialect
from adapters._meta.simulator.graph import demo_app
from adapters.messenger.account import MessengerAccount
from adapters.simulation import digits_of

_MB: Final = 1024 * 1024

MESSENGER: Final = Dialect(
    object="page",
    inbox_app="263902037430900",
    max_text=2000,
    personas=True,
    deliveries=True,
    watermarks=True,
    edits=True,
    locations=True,
    most_bytes={"image": 8 * _MB, "video": 25 * _MB, "audio": 25 * _MB, "file": 25 * _MB},
)


def simulate(account: MessengerAccount) -> PlatformSimulator:
    """Meta's side of this Page."""
    return PlatformSimulator(account, MESSENGER)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo."""
    return {
        "page_id": f"101{digits_of(channel_id, 12)}",
        "app_id": f"151{digits_of(channel_id + ' app', 13)}",
        **demo_app(channel_id, base),
        "persona_picture_url": "https://shop.example/rep.png",
    }
