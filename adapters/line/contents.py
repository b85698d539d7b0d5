"""What LINE's messages hold, as parts of ours. Source: LINE Developers, "Messaging API reference", message event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from adapters import made
from adapters.envelope import LocationPart, MediaPart, Part, StickerPart, UnknownPart
from adapters.line import wire
from adapters.line.wire import Json


def part(message: Json) -> Part:
    """The content of a message. Raises Malformed; an unknown kind is not an error."""
    kind = wire.text(message, "type")
    reader = _PARTS.get(kind)
    return reader(message) if reader else UnknownPart(provider_type=kind, fallback=f"[LINE message: {kind}]")


def _text(message: Json) -> Part:
    """LINE's own emojis and mentions are in the text as words, `(hello)` and `@name`."""
    return made.text(text=wire.text(message, "text"))


def _image(message: Json) -> Part:
    """Several at once come as so many events, each with its place in `imageSet`."""
    return MediaPart(media="image", source=_source(message))


def _video(message: Json) -> Part:
    return MediaPart(media="video", source=_source(message), duration_ms=wire.count(message, "duration"))


def _audio(message: Json) -> Part:
    """A voice message or an audio file; LINE doesn't say which."""
    return MediaPart(media="audio", source=_source(message), duration_ms=wire.count(message, "duration"))


def _file(message: Json) -> Part:
    return MediaPart(name=wire.optional(message, "fileName"), size_bytes=wire.count(message, "fileSize"), source=_source(message))


def _source(message: Json) -> dict[str, JsonValue]:
    provider = wire.inner(message, "contentProvider")
    if provider.get("type") == "external":
        return {"url": wire.text(provider, "originalContentUrl")}
    return {"message_id": wire.text(message, "id")}


def _location(message: Json) -> Part:
    return LocationPart(
        latitude=wire.number(message, "latitude"),
        longitude=wire.number(message, "longitude"),
        name=wire.optional(message, "title"),
        address=wire.optional(message, "address"),
    )


def _sticker(message: Json) -> Part:
    """The words are the customer's own on message stickers, else the first of LINE's keywords (picked by chance each time)."""
    sticker_id = wire.text(message, "stickerId")
    keywords = message.get("keywords")
    keyword = keywords[0] if isinstance(keywords, list) and keywords and isinstance(keywords[0], str) else None
    return StickerPart(
        provider_id=f"{wire.text(message, 'packageId')}/{sticker_id}",
        text=wire.optional(message, "text") or keyword,
        media=MediaPart(media="image", mime_type="image/png", source={"sticker_id": sticker_id}),
    )


_PARTS: Final[Mapping[str, Callable[[Json], Part]]] = {
    "text": _text,
    "image": _image,
    "video": _video,
    "audio": _audio,
    "file": _file,
    "location": _location,
    "sticker": _sticker,
}
