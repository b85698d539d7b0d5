"""Cutting words: no grapheme is cut, and the time grows with the length alone, whatever is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from adapters import text
from adapters.contract import TextUnit
from adapters.text import cut, graphemes, measure, split

# What joins in one way or another: flags, accents, joined emoji, conjuncts, Hangul, a prepended mark, line ends, blanks.
SIGNS = ["🇩", "🇪", "🇩🇪🇫🇷" * 9, "\u0301", "\u0316", "\u200d", "👩", "\ufe0f", "क", "\u094d", "\u093f", "가", "\u11a8", "\u0600", "\r\n", "\n", " ", "e", "Straße ", "\u200b", "\u3000", "𝒳"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=60).map("".join)
UNITS = st.sampled_from(["code_points", "utf16", "bytes"])


def graphemes_slowly(written: str) -> list[str]:
    return list(regex.findall(r"\X", written))


def split_slowly(written: str, limit: int, unit: TextUnit) -> list[str]:
    """Sign by sign, as the rule reads."""
    if measure(written, unit) <= limit:
        return [written]
    signs = [part for sign in graphemes_slowly(written) for part in ([sign] if measure(sign, unit) <= limit else sign)]
    pieces: list[str] = []
    pending: list[str] = []
    for sign in signs:
        while measure("".join([*pending, sign]), unit) > limit:
            later_half = range(len(pending) - 1, len(pending) // 2, -1)
            end = next((at + 1 for at in later_half if pending[at] in (*" \n\t\u3000\u200b", "\r\n")), len(pending))
            pieces.append("".join(pending[:end]).strip(" \n\t\u3000\u200b"))
            pending = pending[end:]
        pending.append(sign)
    pieces.append("".join(pending).strip(" \n\t\u3000\u200b"))
    return [piece for piece in pieces if piece] or [written[:limit]]


def cut_slowly(written: str, limit: int, unit: TextUnit) -> str:
    if measure(written, unit) <= limit:
        return written
    kept = ""
    for sign in graphemes_slowly(written):
        if measure(kept + sign + "…", unit) > limit:
            break
        kept += sign
    return kept.rstrip() + "…"


@given(TEXTS)
def test_graphemes_are_those_of_unicode(written: str) -> None:
    assert graphemes(written) == graphemes_slowly(written)


@given(TEXTS, st.integers(16, 40), UNITS)
def test_a_text_is_split_where_the_rule_says(written: str, limit: int, unit: TextUnit) -> None:
    pieces = split(written, limit, unit)

    assert pieces == split_slowly(written, limit, unit)
    assert all(measure(piece, unit) <= limit for piece in pieces) or pieces == [written[:limit]]


@given(TEXTS, st.integers(4, 40), UNITS)
def test_a_text_is_cut_where_the_rule_says(written: str, limit: int, unit: TextUnit) -> None:
    assert cut(written, limit, unit) == cut_slowly(written, limit, unit)


def test_a_long_letter_behind_the_rest_of_a_piece_is_a_piece_of_its_own() -> None:
    """It fitted neither with the words before it nor with what a word end left of them."""
    letter = "e" + "\u0301" * 13
    assert split(f"some words there{letter}", 16) == ["some words", "there", letter]


class Counted:
    """A pattern that notes what it is given to look through."""

    def __init__(self, pattern: Any) -> None:
        self.pattern, self.given = pattern, list[str]()

    def findall(self, written: str) -> list[str]:
        self.given.append(written)
        found: list[str] = self.pattern.findall(written)
        return found

    def finditer(self, written: str) -> Iterator[Any]:
        self.given.append(written)
        yield from self.pattern.finditer(written)


@pytest.fixture
def looked_through(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(text._GRAPHEME)
    monkeypatch.setattr(text, "_GRAPHEME", counted)
    return counted


MARKS = ["🇩🇪", "🇩", "e\u0301", "\u0301", "👩\u200d", "\u200d", "क\u094d", "\u0600", "👩\u200d👩 "]


def steps(given: list[str]) -> int:
    """What finding the graphemes costs: each sign once, and for a regional indicator once more those before it in its row."""
    rows = (len(row[0]) for written in given for row in regex.finditer("[\U0001f1e6-\U0001f1ff]+", written))
    return sum(map(len, given)) + sum(row * (row - 1) // 2 for row in rows)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("work", [graphemes, lambda written: split(written, 160), lambda written: cut(written, 80)])
def test_twice_the_text_is_twice_the_work(looked_through: Counted, mark: str, work: Callable[[str], Any]) -> None:
    costs = []
    for length in (20_000, 40_000):
        looked_through.given.clear()
        work((mark * length)[:length])
        costs.append(steps(looked_through.given))
    assert costs[1] <= 2.1 * costs[0]
    assert costs[1] <= 16 * 40_000


def test_cutting_looks_no_further_than_it_keeps(looked_through: Counted) -> None:
    cut("🇩🇪" * 50_000, 80)
    assert steps(looked_through.given) < 2_000
