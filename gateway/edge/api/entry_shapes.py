"""What the API shows of a transcript: its entries, their parts and files, and how their deliveries fare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from adapters.envelope import (
    CallPart,
    ChoicePart,
    ContactPart,
    LocationPart,
    MediaPart,
    MediaState,
    OrderPart,
    Part,
    ProductPart,
    StickerPart,
    TextPart,
    UnknownPart,
)
from adapters.referral import Referral
from gateway.brokers.contract import Line
from gateway.edge.api.shapes import ActorShape, Json, Shape, Time, actor_of
from gateway.session.model import DeliveryState, Entry, EntryKind, Visibility


class MediaShape(Shape):
    """A file. `url` is signed, relative to the gateway, and expires; it is null while `state` isn't `ready`, and in the answer
    to the message that brings the file. `reason` says why it `failed`."""

    type: Literal["media"] = "media"
    media: Literal["image", "video", "audio", "voice", "file"]
    state: MediaState
    media_id: str | None
    url: str | None
    mime_type: str | None
    name: str | None
    size_bytes: int | None
    duration_ms: int | None
    caption: str | None
    reason: str | None


class StickerShape(Shape):
    """A sticker; `media` is its picture, where there is one."""

    type: Literal["sticker"] = "sticker"
    text: str | None
    media: MediaShape | None


PartShape = Annotated[
    TextPart
    | MediaShape
    | LocationPart
    | ContactPart
    | ChoicePart
    | StickerShape
    | ProductPart
    | OrderPart
    | CallPart
    | UnknownPart,
    Field(discriminator="type"),
]


def media_of(part: MediaPart, media: Mapping[str, Mapping[str, Any]]) -> MediaShape:
    """A file's current state, without `source`, which says how to fetch it from the provider."""
    now = media.get(part.media_id or "", {})
    return MediaShape(
        media=part.media,
        state=MediaState(now.get("state") or part.state),
        media_id=part.media_id,
        url=now.get("url"),
        mime_type=now.get("mime_type") or part.mime_type,
        name=now.get("name") or part.name,
        size_bytes=now["size_bytes"] if now.get("size_bytes") is not None else part.size_bytes,
        duration_ms=part.duration_ms,
        caption=part.caption,
        reason=now.get("reason") or part.reason,
    )


def part_of(part: Part, media: Mapping[str, Mapping[str, Any]]) -> PartShape:
    """A part of a message; those without secrets are the envelope's own."""
    if isinstance(part, MediaPart):
        return media_of(part, media)
    if isinstance(part, StickerPart):
        return StickerShape(text=part.text, media=media_of(part.media, media) if part.media else None)
    return part


class DeliveryShape(Shape):
    """The delivery of a message to the customer. The last three statuses have a `code` and a `reason` (what to do)."""

    outbox_id: str
    status: str = Field(description="`queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `skipped` or `unknown`.")
    code: str | None
    reason: str | None
    at: Time


def delivery_of(delivery: DeliveryState) -> DeliveryShape:
    """How one outgoing message fares."""
    return DeliveryShape(
        outbox_id=delivery.outbox_id, status=delivery.status, code=delivery.code, reason=delivery.reason, at=delivery.at
    )


class EntryShape(Shape):
    """One line of the transcript, numbered from 1. `details` hold what its kind has beyond the text; a long message has several deliveries.

    `referral` is the ad, link or product that the customer came by: on the message that came with it, or on a line of kind `referral`
    when they said nothing. Its words and addresses are other people's: treat them as untrusted.
    """

    number: int
    kind: EntryKind
    visibility: Visibility
    at: Time
    from_: ActorShape | None = Field(alias="from")
    text: str | None
    parts: list[PartShape]
    referral: Referral | None
    details: Json
    delivery: list[DeliveryShape]
    edited: bool
    deleted: bool


def entry_of(line: Line | Entry) -> EntryShape:
    """A line of the transcript; one that was taken back shows nothing of what it said."""
    line = Line(entry=line) if isinstance(line, Entry) else line
    entry = line.entry
    return EntryShape(
        number=entry.number,
        kind=entry.kind,
        visibility=entry.visibility,
        at=entry.at,
        from_=actor_of(entry.sender) if entry.sender else None,
        text=None if line.deleted else entry.text,
        parts=[] if line.deleted else [part_of(part, line.media) for part in entry.parts],
        referral=None if line.deleted else entry.referral,
        details=entry.details,
        delivery=[delivery_of(d) for d in line.delivery],
        edited=line.edited,
        deleted=line.deleted,
    )
