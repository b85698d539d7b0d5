"""How well a channel carries each kind of thing, derived from its `Capabilities` and from what `text.prepare` makes of a message.

| level | what comes in | what goes out |
| --- | --- | --- |
| full | arrives as what it is | goes as what it is |
| partly | some of it does (of receipts: some statuses) | some types go as what they are, or it goes as a plain file |
| degraded | arrives as plain text (a voice message: as audio) | is sent in another form: a link, a separate message, a name before the text |
| dropped | is kept for operators; no rep sees it | is left out; the rest goes |
| rejected | the webhook is stuck, and an operator is told | the message fails, and the rep is told why |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from adapters.contract import Capabilities
from adapters.envelope import Address, ChannelId, OutboundFile, Say, Speaker
from adapters.text import prepare, rule_for


class Level(StrEnum):
    """See the module; worst first."""

    rejected = "rejected"
    dropped = "dropped"
    degraded = "degraded"
    partly = "partly"
    full = "full"


INBOUND: Final = (
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
    "message.product",
    "message.order",
    "message.call",
    "message.unknown",
    "reaction",
    "edit",
    "deletion",
    "typing",
    "receipt",
    "ended",
    "profile",
    "referral",
    "handover",
    "unknown",
)
OUTBOUND: Final = (
    "say.text",
    "say.image",
    "say.video",
    "say.audio",
    "say.file",
    "say.caption",
    "say.speaker",
    "say.reply",
    "notice",
    "typing",
)
# What reps send most, by family.
MEDIA_TYPES: Final = (
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/wav",
    "application/pdf",
    "text/plain",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/zip",
)
_SETTLING: Final = frozenset({"delivered", "read", "failed"})  # `sent` is known from the provider's answer to the call
_WHEN: Final = datetime(2026, 11, 2, tzinfo=UTC)


def inbound(can: Capabilities) -> Mapping[str, Level]:
    """By kind, as `Capabilities.inbound` names them."""
    names = (*INBOUND, *sorted(can.inbound - set(INBOUND)))
    return {name: _inbound(name, can) for name in names}


def _inbound(name: str, can: Capabilities) -> Level:
    if name == "receipt":
        return Level.full if can.receipts >= _SETTLING else Level.partly if can.receipts else Level.dropped
    if name in can.inbound:
        return Level.full
    if name.startswith("message.") and "message.unknown" in can.inbound:
        return Level.degraded
    return Level.dropped if "unknown" in can.inbound else Level.rejected


def outbound(can: Capabilities) -> Mapping[str, Level]:
    """By kind, as `Capabilities.outbound` names them; `say.caption` is a text beside a file, `say.speaker` the name of who speaks."""
    families = {
        family: _of_all(level for kind, level in media_types(can).items() if _family(kind) == family)
        for family in ("image", "video", "audio", "file")
    }
    return {
        "say.text": Level.full if "say.text" in can.outbound else Level.rejected,
        **{f"say.{family}": level for family, level in families.items()},
        "say.caption": Level.full
        if len(prepare(_say(_A_PICTURE, text="look"), can)) == 1 and rule_for(_A_PICTURE, can)
        else Level.degraded,
        "say.speaker": Level.full if can.speaker == "native" else Level.degraded,
        "say.reply": Level.full if "say.reply" in can.outbound else Level.dropped,
        "notice": Level.full if "notice" in can.outbound else Level.dropped,
        "typing": Level.full if "typing" in can.outbound else Level.dropped,
    }


def media_types(can: Capabilities) -> Mapping[str, Level]:
    """Of a file of each of the usual types, small enough for the channel."""
    return {mime_type: _file(_a_file(mime_type), can) for mime_type in MEDIA_TYPES}


def _file(file: OutboundFile, can: Capabilities) -> Level:
    if "say.text" not in can.outbound and rule_for(file, can) is None:
        return Level.rejected  # not even a link could go
    if prepare(_say(file), can)[-1].file is None:
        return Level.degraded
    rule = rule_for(file, can)
    own_family = rule is not None and rule.media == file.media
    one_for_all = rule is not None and all(one.media != file.media for one in can.files)
    return Level.full if f"say.{file.media}" in can.outbound and (own_family or one_for_all) else Level.partly


def _of_all(levels: Iterable[Level]) -> Level:
    found = set(levels)
    return found.pop() if len(found) == 1 else Level.partly


def _family(mime_type: str) -> str:
    return _a_file(mime_type).media


def _a_file(mime_type: str) -> OutboundFile:
    return OutboundFile(name="a", mime_type=mime_type, size_bytes=1, url="https://files.example.test/a")


def _say(file: OutboundFile, text: str | None = None) -> Say:
    speaker = Speaker(id="rep-1", name="Ana")
    return Say(
        id="msg",
        channel_id=ChannelId("x"),
        to=Address("kim"),
        retry_key="",
        created_at=_WHEN,
        file=file,
        text=text,
        speaker=speaker,
    )


_A_PICTURE: Final = _a_file("image/jpeg")
