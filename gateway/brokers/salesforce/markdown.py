"""Reps' Markdown in a channel's own marks. Total, in time that grows with the text's length alone, and no letter or figure is ever lost.

Read: bold, italics, both, strike, code, links, headings, lists and escapes, a line at a time; marks inside a word stay as they are, since people write
`snake_case` and `5*3*2` more often than they make half a word bold. Whatever isn't closed stays as it is.
Sources: Salesforce's guide, "Markdown Support" (bold, italics, lists, links); WhatsApp Help Center, "How to format your messages".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Style: TypeAlias = Literal["bold", "italic", "strike", "code"]

_WHATSAPP: Final = {"bold": "*", "italic": "_", "strike": "~", "code": "`"}
_NONE: Final = dict.fromkeys(_WHATSAPP, "")
_MARKS: Final = {"whatsapp": _WHATSAPP, "whatsapp-twilio": _WHATSAPP}
"""By the adapter's kind; the other channels show text as it is."""

_FENCE: Final = re.compile(r"[ ]{0,3}(`{3,}|~{3,})[^`]*")
_HEADING: Final = re.compile(r"[ ]{0,3}#{1,6}[ \t]+(?P<words>\S.*)")
_BULLET: Final = re.compile(r"(?P<indent>[ \t]*)[*-][ \t]+(?=\S)")  # no `+`: a telephone number may begin with it
_URL: Final = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>()\[\]\"]++")
_TARGET: Final = re.compile(r"""\]\([ ]?<?((?:[^\s()\[\]<>"]|\([^\s()\[\]<>"]*+\))++)>?(?:[ ]++"[^"\[\]\n]*+")?[ ]?\)""")
_AUTOLINK: Final = re.compile(r"<((?:https?://|mailto:|tel:)[^\s<>]++)>")
_RUN: Final = re.compile(r"\*+|_+|~+|`+")
_PLAIN: Final = re.compile(r"[^\\*_~`\[\]!<hmt]++")
_ESCAPABLE: Final = frozenset("`*_{}[]()#+-.!~>|")  # not the backslash, nor what may follow one in a path
_AFTER_URL: Final = ".,;:!?'*_~`"
_MOST_RUN: Final = 3
_MOST_COMPARED: Final = 200  # characters


def rendered(text: str, kind: str) -> str:
    """The text for a channel of this adapter's `kind`. White space at line ends that only meant a line break is dropped."""
    return "\n".join(_lines(text, _MARKS.get(kind, _NONE)))


def _lines(text: str, marks: dict[str, str]) -> Iterator[str]:
    fence = ""  # what closes the block of code that is open
    for line in text.replace("\r\n", "\n").split("\n"):
        found = _FENCE.fullmatch(line)
        if found and (not fence or (found[1][0] == fence[0] and len(found[1]) >= len(fence))):
            fence = "" if fence else found[1]
            words = line.strip(" `~")
            if marks["code"]:
                yield "```" + words
            elif words:
                yield words
        elif fence:
            yield line
        else:
            yield _line(line, marks)


def _line(line: str, marks: dict[str, str]) -> str:
    if heading := _HEADING.fullmatch(line):
        words = heading["words"].rstrip()
        tail = words.rstrip("#")
        words = tail.rstrip() if tail != words and tail.endswith((" ", "\t")) else words
        inner = _inline(words, marks)
        bold = marks["bold"]
        return inner if not bold or bold in inner else f"{bold}{inner}{bold}"
    start = ""
    if bullet := _BULLET.match(line):
        start, line = f"{bullet['indent']}- ", line[bullet.end() :]
    return start + _inline(line.rstrip(" "), marks)


# -------------------------------------------------------------------------------------------------------------- inline


@dataclass(slots=True)
class _Opener:
    """A run of marks that may open something: where it is among the pieces, and how many of its marks aren't used yet."""

    place: int
    sign: str
    left: int


class _Inline:
    """One line, read once from left to right."""

    def __init__(self, text: str, marks: dict[str, str]) -> None:
        self._text, self._marks = text, marks
        self._pieces: list[str] = []
        self._openers: list[_Opener] = []
        self._open: dict[str, int] = {"*": 0, "_": 0, "~": 0}  # of them, by sign: without one, nothing is searched
        self._brackets: list[int] = []  # pieces that are a `[`
        self._code_ends = _runs_of_backticks(text)

    def read(self) -> str:
        at = 0
        while at < len(self._text):
            at = self._step(at)
        return "".join(self._pieces)

    def _step(self, at: int) -> int:
        text = self._text
        if plain := _PLAIN.match(text, at):
            self._pieces.append(plain[0])
            return plain.end()
        sign = text[at]
        if sign == "\\" and text[at + 1 : at + 2] in _ESCAPABLE and at + 1 < len(text):
            self._pieces.append(text[at + 1])
            return at + 2
        if sign == "`":
            return self._code(at)
        if sign in "*_~":
            return self._run(at)
        if sign == "[" or text.startswith("![", at):
            self._brackets.append(len(self._pieces))
            self._pieces.append("[" if sign == "[" else "![")
            return at + len(self._pieces[-1])
        if sign == "]" and self._brackets:
            return self._link(at, self._brackets.pop())
        if sign == "<" and (found := _AUTOLINK.match(text, at)):
            self._pieces.append(found[1])
            return found.end()
        if sign in "hmt" and (at == 0 or not text[at - 1].isalnum()) and (found := _URL.match(text, at)):
            address = found[0].rstrip(_AFTER_URL) or found[0]
            self._pieces.append(address)
            return at + len(address)
        self._pieces.append(sign)
        return at + 1

    def _code(self, at: int) -> int:
        """As it is up to a run of as many backticks; its own are replaced by the channel's."""
        run = _RUN.match(self._text, at)
        assert run is not None  # noqa: S101
        size = len(run[0])
        ends = self._code_ends[size]
        while ends and ends[-1] <= at:
            ends.pop()
        if not ends:
            self._pieces.append(run[0])
            return run.end()
        words = self._text[run.end() : ends[-1]]
        mark = self._marks["code"]
        self._pieces.append(f"{mark}{words}{mark}")
        return ends[-1] + size

    def _run(self, at: int) -> int:
        run = _RUN.match(self._text, at)
        assert run is not None  # noqa: S101
        sign, left, place = run[0][0], len(run[0]), len(self._pieces)
        opens, closes = _flanks(self._text, at, run.end())
        if left > _MOST_RUN or (sign == "~" and left != 2):
            self._pieces.append(run[0])
            return run.end()
        ending = ""
        while closes and left and (opener := self._opener(sign)) is not None:
            size = 2 if left >= 2 and opener.left >= 2 else 1
            if sign == "~" and size == 1:
                break
            style: Style = "strike" if sign == "~" else "bold" if size == 2 else "italic"
            mark = self._marks[style]
            opener.left -= size
            left -= size
            before = self._pieces[opener.place]
            self._pieces[opener.place] = before[: opener.left] + mark + before[opener.left + size :]
            ending += mark
            if not opener.left:
                self._forget(opener)
        self._pieces.append(ending)
        if left and opens:
            self._openers.append(_Opener(place + 1, sign, left))
            self._open[sign] += 1
        if left:
            self._pieces.append(sign * left)
        return run.end()

    def _opener(self, sign: str) -> _Opener | None:
        """The nearest one; those behind it can't be closed any more, or the marks would cross."""
        if not self._open[sign]:
            return None
        while self._openers[-1].sign != sign:
            self._forget(self._openers[-1])
        return self._openers[-1]

    def _forget(self, opener: _Opener) -> None:
        assert opener is self._openers[-1]  # noqa: S101
        self._openers.pop()
        self._open[opener.sign] -= 1

    def _link(self, at: int, bracket: int) -> int:
        """`[title](url)`: `title (url)`. Marks that were opened before it and closed in it, or the other way round, stay as they are read."""
        found = _TARGET.match(self._text, at)
        if found is None:
            self._pieces.append("]")
            return at + 1
        self._pieces[bracket] = ""
        address, title = found[1], self._short_title(bracket)
        bare = title.rstrip("/") in (address.rstrip("/"), address.removeprefix("mailto:"), address.removeprefix("tel:"))
        self._pieces.append(address if not title else "" if bare else f" ({address})")
        return found.end()

    def _short_title(self, bracket: int) -> str:
        """The title that is read, to be compared with the address; of a long one its beginning, so that links in links cost no more than they are long."""
        return "".join(piece[:_MOST_COMPARED] for piece in self._pieces[bracket + 1 : bracket + 9]).strip()


def _inline(text: str, marks: dict[str, str]) -> str:
    return _Inline(text, marks).read()


def _flanks(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Whether a run of marks opens and whether it closes: a word begins behind it, or ends before it, and it is not inside one."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    opens = bool(after) and not after.isspace() and not _in_word(before)
    closes = bool(before) and not before.isspace() and not _in_word(after)
    return opens, closes


def _in_word(sign: str) -> bool:
    """Whether a word goes on with it. Chinese and Japanese have no spaces between words, so that a mark may be anywhere."""
    return sign.isalnum() and unicodedata.east_asian_width(sign) not in ("W", "F")


class _Ends(dict[int, list[int]]):
    def __missing__(self, size: int) -> list[int]:
        return []


def _runs_of_backticks(text: str) -> _Ends:
    """Where runs of backticks are, by their length, the last first."""
    found = _Ends()
    for run in re.finditer("`+", text) if "`" in text else ():
        found.setdefault(len(run[0]), []).append(run.start())
    for places in found.values():
        places.reverse()
    return found
