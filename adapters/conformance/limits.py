"""Checks that the limits a channel declares are those of its provider: at each of them, and one beyond."""

from __future__ import annotations

from typing import Final

from adapters.conformance.cases import NotConforming, require
from adapters.conformance.samples import OPENINGS, PICTURE
from adapters.conformance.subject import Subject
from adapters.conformance.world import begun
from adapters.contract import FileRule
from adapters.envelope import Speaker
from adapters.errors import SendFailed, Unsupported
from adapters.text import graphemes, measure, rule_for

_EMOJI: Final = "👩‍👩‍👧‍👦"  # one to its readers; 7 code points, 11 UTF-16 units, 25 bytes
_SAMPLES: Final = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mpeg", "file": "application/pdf"}
# Beyond this a file proves nothing that a smaller one doesn't, and takes the check's time.
_MOST_BYTES: Final = 32 * 1024 * 1024


def check_longest_text(subject: Subject) -> None:
    """A text of `max_text` is shown whole, one beyond it in two pieces that lose nothing, with a joined emoji at the cut."""
    can = subject.adapter.capabilities
    world = begun(subject)
    for ending in ("x", _EMOJI):
        for beyond in (0, 1):
            text = _long(can.max_text + beyond, ending, subject)
            before = len(world.ours())
            world.show(*world.prepared(text=text))
            lines = [line.text or "" for line in world.ours()[before:]]
            require(
                "".join(lines) == text,
                f"a text of {can.max_text + beyond} {can.text_unit} came as {[len(line) for line in lines]}",
            )
            require(len(lines) == 1 + beyond, f"a text of {can.max_text + beyond} {can.text_unit} came in {len(lines)} pieces")


def check_longest_caption(subject: Subject) -> None:
    """Words beside a file are shown, up to `max_caption` with it and beyond apart from it."""
    can = subject.adapter.capabilities
    world = begun(subject)
    file = world.file(PICTURE.mime_type, PICTURE.content, PICTURE.name)
    rule = rule_for(file, can)
    if rule is None:
        return
    room = min(can.max_caption, can.max_text) if rule.captions else 0
    for words in ("look", *(_long(room + beyond, end, subject) for end in ("x", _EMOJI) for beyond in (0, 1) if room)):
        before = len(world.ours())
        file = world.file(PICTURE.mime_type, PICTURE.content, PICTURE.name)
        world.show(*world.prepared(text=words, file=file))
        lines = world.ours()[before:]
        require(
            "".join(line.text or "" for line in lines) == words, f"words beside a file are lost: {len(words)} letters, {lines}"
        )
        require(any(line.media for line in lines), "a file with words is shown without the file")
        fits = room and measure(words, can.text_unit) <= room
        require(len(lines) == 1 or not fits, f"a caption within max_caption came apart from its file: {lines}")


def check_speaker_names(subject: Subject) -> None:
    """Who speaks is shown, by a name of `max_speaker_name` whole and by a longer one cut between letters, never refused."""
    can = subject.adapter.capabilities
    most = can.max_speaker_name if can.speaker == "native" else None
    for name in ("Ana", "Zoë 日本", *(["n" * most, "n" * (most - 1) + _EMOJI] if most else ["Maximiliane " * 5 + "von und zu"])):
        world = begun(subject)
        world.show(*world.prepared(text="hello", speaker=Speaker(id="rep", name=name)))
        line = world.ours()[-1]
        shown = line.speaker or "" if can.speaker == "native" else line.text or ""
        whole = name.strip() if most is None or len(name) <= most else name[: most - 1]
        require(whole in shown, f"{name!r} speaks, and the handset shows {shown!r}")
        torn = set(graphemes(shown)) - set(graphemes(f"{name}…")) if can.speaker == "native" else set()
        require(not torn, f"the name {name!r} is cut within a letter: {shown!r}")


def check_files_at_their_rules(subject: Subject) -> None:
    """Each type of each `FileRule` is shown as a file, and so is one as large as the rule allows; one byte more, and it goes as a link."""
    for rule in subject.adapter.capabilities.files:
        types = rule.mime_types or (_SAMPLES[rule.media],)
        for mime_type in types:
            _show(subject, rule, mime_type, 2_000)
        _show(subject, rule, types[0], min(rule.max_bytes, _MOST_BYTES))


def _show(subject: Subject, rule: FileRule, mime_type: str, size: int) -> None:
    world, kind = begun(subject), _kind(mime_type, rule)
    content = _content(kind, size)
    file = world.file(kind, content, "sample")
    require(rule_for(file, subject.adapter.capabilities) is not None, f"no rule carries a {kind} of {size} bytes")
    try:
        world.show(*world.prepared(file=file))
    except (SendFailed, Unsupported) as failed:
        raise NotConforming(f"a {kind} of {size} bytes is declared, and refused: {failed!r}") from failed
    require(world.pictured() == content, f"a {kind} of {size} bytes has other bytes on the handset")
    if size == rule.max_bytes:
        larger = file.model_copy(update={"size_bytes": size + 1})
        rows = list(world.prepared(file=larger))
        if not any(row.file for row in rows):  # else another rule carries it
            world.show(*rows)
            require(file.url in (world.ours()[-1].text or ""), f"a {kind} that is too large doesn't go as a link")


def _kind(mime_type: str, rule: FileRule) -> str:
    return _SAMPLES[rule.media] if mime_type.endswith("/*") else mime_type


def _content(mime_type: str, size: int) -> bytes:
    """A file that begins as its type does."""
    return OPENINGS.get(mime_type, b"").ljust(size, b"\x00")[:size]


def _long(size: int, ending: str, subject: Subject) -> str:
    """A text of that size in the channel's units that ends so, without a space to cut it at."""
    unit = subject.adapter.capabilities.text_unit
    return "x" * (size - measure(ending, unit)) + ending
