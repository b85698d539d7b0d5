"""Instagram's own side: `adapters/_meta/platform/simulator` in Instagram's dialect."""

from __future__ import annotations

from typing import Any, Final

from adapters._meta.platform.simulator import PlatformSimulator
from adapters._meta.platform.simulator.rules import Dialect
from adapters._meta.simulator.graph import demo_app
from adapters.instagram import wire
from adapters.instagram.account import InstagramAccount
from adapters.simulation import digits_of

_MB: Final = 1024 * 1024

INSTAGRAM: Final = Dialect(
    object="instagram",
    inbox_app="1217981644879628",
    max_text=wire.MAX_TEXT,
    text_in_bytes=True,
    unsends=True,
    most_bytes={"image": 8 * _MB, "video": 25 * _MB, "audio": 25 * _MB, "file": 25 * _MB},
    upload_fields={"platform": "instagram"},
    mime_types={"image": wire.IMAGES, "video": wire.VIDEOS, "audio": wire.SOUNDS, "file": wire.DOCUMENTS},
    ascii_names=True,
)


def simulate(account: InstagramAccount) -> PlatformSimulator:
    """Meta's side of this account."""
    return PlatformSimulator(account, INSTAGRAM)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo."""
    return {
        "instagram_id": f"178{digits_of(channel_id, 14)}",
        "page_id": f"101{digits_of(channel_id, 12)}",
        "app_id": f"151{digits_of(channel_id + ' app', 13)}",
        **demo_app(channel_id, base),
    }
