"""How well a channel carries each kind of thing follows from its capabilities and from what becomes of a message."""

from __future__ import annotations

import pytest

from adapters import levels
from adapters.contract import Capabilities, FileRule
from adapters.levels import Level
from adapters.registry import load

PICTURES = FileRule(media="image", mime_types=("image/jpeg", "image/png"), max_bytes=1_000)
ANY_FILE = FileRule(media="file", max_bytes=1_000)
ALL = frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file"})


def can(
    *files: FileRule, outbound: frozenset[str] = ALL, inbound: tuple[str, ...] = (), caption: int = 0, **more: object
) -> Capabilities:
    return Capabilities.model_validate(
        {"inbound": inbound, "outbound": outbound, "max_text": 1_000, "files": files, "max_caption": caption, **more}
    )


@pytest.mark.parametrize(
    ("capabilities", "mime_type", "level"),
    [
        (can(PICTURES), "image/png", Level.full),
        (can(PICTURES), "image/gif", Level.degraded),
        (can(PICTURES, ANY_FILE), "image/gif", Level.partly),
        (can(ANY_FILE), "image/gif", Level.full),
        (can(ANY_FILE, outbound=frozenset({"say.text", "say.file"})), "image/gif", Level.partly),
        (can(), "application/pdf", Level.degraded),
        (can(outbound=frozenset()), "application/pdf", Level.rejected),
    ],
)
def test_a_file_of_a_type(capabilities: Capabilities, mime_type: str, level: Level) -> None:
    assert levels.media_types(capabilities)[mime_type] is level


def test_a_family_is_carried_partly_where_some_of_its_types_are() -> None:
    found = levels.outbound(can(PICTURES))
    assert (found["say.image"], found["say.video"]) == (Level.partly, Level.degraded)
    assert levels.outbound(can(ANY_FILE))["say.image"] is Level.full


def test_what_goes_with_a_message() -> None:
    bare, rich = can(PICTURES), can(PICTURES, caption=100, speaker="native", outbound=ALL | {"say.reply", "typing", "notice"})
    names = ("say.caption", "say.speaker", "say.reply", "typing", "notice")
    assert [levels.outbound(bare)[name] for name in names] == [
        Level.degraded,
        Level.degraded,
        Level.dropped,
        Level.dropped,
        Level.dropped,
    ]
    assert {levels.outbound(rich)[name] for name in names} == {Level.full}
    assert levels.outbound(can(outbound=frozenset()))["say.text"] is Level.rejected


def test_what_comes_in() -> None:
    found = levels.inbound(can(inbound=("message.text", "message.unknown", "unknown"), receipts=("read",)))
    assert (found["message.text"], found["message.contact"], found["reaction"], found["receipt"]) == (
        Level.full,
        Level.degraded,
        Level.dropped,
        Level.partly,
    )
    assert levels.inbound(can(inbound=("message.text",)))["reaction"] is Level.rejected
    assert levels.inbound(can(receipts=("delivered", "read", "failed")))["receipt"] is Level.full
    assert levels.inbound(can(inbound=("message.hologram",)))["message.hologram"] is Level.full


def test_no_channel_of_ours_rejects_anything() -> None:
    found = {
        (kind, name)
        for kind, adapter in load().items()
        for table in (levels.inbound, levels.outbound, levels.media_types)
        for name, level in table(adapter.capabilities).items()
        if level is Level.rejected
    }
    assert found == set()
