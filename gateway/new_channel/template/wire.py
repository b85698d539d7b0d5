"""The provider's JSON, read leniently: a field that is needed and missing raises `Malformed`, all else is passed over.

Source: put the provider's page here.
"""

from __future__ import annotations

from typing import Any

from adapters.envelope import Address, EndUser, MediaPart, Part, TextPart, UnknownPart
from adapters.reading import dict_of, optional, text


def end_user(event: dict[str, Any]) -> EndUser:
    """Who did it. Raises Malformed."""
    user = dict_of(event.get("user"))
    return EndUser(address=Address(text(user, "id")), name=optional(user, "name"))


def part(message: dict[str, Any]) -> Part:
    """What a message holds; what has no form here is kept as unknown, with plain words for it. Raises Malformed."""
    kind = text(message, "type")
    if kind == "text":
        return TextPart(text=text(message, "text"))
    if kind == "image":
        return MediaPart(media="image", caption=optional(message, "text"), source={"url": text(message, "url")})
    return UnknownPart(provider_type=kind, fallback=f"[Example: {kind}]")
