"""Making words fit a channel, by named steps: count, cut, name the speaker, split.

Nothing here cuts a grapheme (a joined emoji, a letter with its accents) unless a single one is longer than the limit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final, TypeAlias

import regex

from adapters.contract import Capabilities, FileRule, TextUnit
from adapters.envelope import OutboundFile, Say

Splitting: TypeAlias = Callable[[str, int, TextUnit], list[str]]

_GRAPHEME: Final = regex.compile(r"\X")
_MANY_FLAGS: Final = regex.compile(r"[\U0001F1E6-\U0001F1FF]{65,}")
_FEW: Final = 16  # regional indicators: 8 flags
_WORD_ENDS: Final = " \n\t\u3000\u200b"
_BETWEEN_WORDS: Final = frozenset({*_WORD_ENDS, "\r\n"})


def measure(text: str, unit: TextUnit) -> int:
    """The length of a text as the provider counts it: in Unicode code points, in UTF-16 code units, or in bytes of UTF-8."""
    if unit == "utf16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    if unit == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text)


def graphemes(text: str) -> list[str]:
    """The text as its users see it: one string per perceived character. The time grows with the length alone, whatever the text."""
    if text.isascii() and "\r\n" not in text:
        return list(text)
    found: list[str] = []
    for stretch in _stretches(text):
        found += _GRAPHEME.findall(stretch)
    return found


def _stretches(text: str) -> Iterator[str]:
    """The text in parts that begin and end between graphemes, none with many flags in a row.

    Where two regional indicators in a row part depends on how many there are before them (UAX #29, GB12 and GB13), and `regex` counts
    from the row's beginning for each. Behind an even number of them counting may begin again.
    """
    begun = 0
    for row in _MANY_FLAGS.finditer(text):
        for end in range(row.start() + _FEW, row.end(), _FEW):
            yield text[begun:end]
            begun = end
    yield text[begun:]


def cut(text: str, limit: int, unit: TextUnit = "code_points", *, ending: str = "…") -> str:
    """The text if it fits in `limit` units, else its beginning with `ending`, together at most `limit`. No grapheme is cut.

    Never raises; a limit that is shorter than `ending` gives `ending` alone.
    """
    if measure(text, unit) <= limit:
        return text
    room = limit - measure(ending, unit)
    kept: list[str] = []
    for grapheme in (found[0] for stretch in _stretches(text) for found in _GRAPHEME.finditer(stretch)):
        room -= measure(grapheme, unit)
        if room < 0:
            break
        kept.append(grapheme)
    return "".join(kept).rstrip() + ending


def split(text: str, limit: int, unit: TextUnit = "code_points") -> list[str]:
    """Cut a text into pieces of at most `limit` units, at word ends where it can.

    At least one piece; none empty unless the text is. Words longer than the limit are cut between graphemes; a grapheme longer
    than the limit, between code points. Joined, the pieces give the text back, except for the white space at the cuts.
    Raises ValueError for a limit under 16.
    """
    if limit < 16:
        raise ValueError("a limit under 16 leaves no room for words")
    if measure(text, unit) <= limit:
        return [text]
    return [piece for piece in _pieces(text, limit, unit) if piece] or [text[:limit]]


def _pieces(text: str, limit: int, unit: TextUnit) -> Iterator[str]:
    signs, sizes = _small_enough(text, limit, unit)
    ends = list(accumulate(map(sizes.__getitem__, signs)))
    begun = used = 0
    while ends[-1] - used > limit:
        end = _word_end(signs, begun, bisect_right(ends, used + limit))
        yield "".join(signs[begun:end]).strip(_WORD_ENDS)
        begun, used = end, ends[end - 1]
    yield "".join(signs[begun:]).strip(_WORD_ENDS)


def _small_enough(text: str, limit: int, unit: TextUnit) -> tuple[list[str], dict[str, int]]:
    """The graphemes, those longer than the limit as their code points, and the size of each."""
    signs = graphemes(text)
    sizes = {sign: measure(sign, unit) for sign in set(signs)}
    if max(sizes.values()) > limit:
        signs = [part for sign in signs for part in ([sign] if sizes[sign] <= limit else sign)]
        sizes |= {sign: measure(sign, unit) for sign in set(signs)}
    return signs, sizes


def _word_end(signs: list[str], begun: int, end: int) -> int:
    """Behind the last word end in the later half of the piece; a piece without one is kept whole."""
    for index in range(end - 1, begun + (end - begun) // 2, -1):
        if signs[index] in _BETWEEN_WORDS:
            return index + 1
    return end


def as_link(text: str, file: OutboundFile) -> str:
    """The text with a line `name: address` below it; that line alone without a text. So a file goes that the channel doesn't carry."""
    return "\n".join(filter(None, [text, f"{file.name}: {file.url}"]))


def rule_for(file: OutboundFile, capabilities: Capabilities) -> FileRule | None:
    """The first of the channel's rules that carries this file by its family, type and size; None: it goes as a link."""
    return rule_among(file, capabilities.files)


def rule_among(file: OutboundFile, rules: Iterable[FileRule]) -> FileRule | None:
    """The first of these rules that carries this file by its family, type and size; None: none does. A rule for `file` carries every family."""
    for rule in rules:
        fits = not rule.mime_types or any(_matches(file.mime_type, wanted) for wanted in rule.mime_types)
        if rule.media in (file.media, "file") and fits and file.size_bytes <= rule.max_bytes:
            return rule
    return None


def _matches(mime_type: str, wanted: str) -> bool:
    bare = mime_type.partition(";")[0].strip().lower()
    return bare == wanted or (wanted.endswith("/*") and bare.startswith(wanted[:-1]))


def prepare(message: Say, capabilities: Capabilities, splitting: Splitting = split) -> list[Say]:
    """The messages that the customer will see for this one, in order; at least one for a text or a file, none for neither.

    A text is split at `max_text`. A file and its text are one message if a rule carries the file and the text is at most `max_caption`
    long, else the text goes first; a file that no rule carries goes as a link in the text. A prefix that names the speaker is before
    the first piece only; a native name is cut at `max_speaker_name`. Each is a copy of `message` with the same id and retry key: the caller
    gives them their own. Never raises for a `max_text` of 16 or more. `splitting` does what `split` does.
    """
    speaker = message.speaker
    if speaker and capabilities.speaker == "native" and capabilities.max_speaker_name:
        speaker = speaker.model_copy(update={"name": cut(speaker.name, capabilities.max_speaker_name)})
    prefix = capabilities.speaker_prefix.format(name=speaker.name) if speaker and capabilities.speaker == "prefix" else ""
    text, file = message.text or "", message.file
    rule = rule_for(file, capabilities) if file else None
    if file and rule is None:
        text, file = as_link(text, file), None
    base = {"speaker": speaker, "text": None, "file": None}
    room = capabilities.max_caption if rule and rule.captions else 0
    if file and room and measure(prefix + text, capabilities.text_unit) <= room:
        return [message.model_copy(update={**base, "file": file, "text": (prefix + text) if text else None})]
    parts: list[Say] = []
    if text:
        pieces = splitting(prefix + text, capabilities.max_text, capabilities.text_unit)
        parts = [message.model_copy(update={**base, "text": piece}) for piece in pieces]
    if file:
        parts.append(message.model_copy(update={**base, "file": file, "reply_to": None if parts else message.reply_to}))
    return parts
