"""What a search finds: every word of it, anywhere in a text, ignoring case and accents."""

from __future__ import annotations

import unicodedata
from typing import Final

_MOST: Final = 400  # characters of a customer that are searched; a longer name is no name


def fold(text: str) -> str:
    """Without case and accents: `José` as `jose`."""
    if text.isascii():
        return text.casefold()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in apart if not unicodedata.combining(sign)).casefold()


def words_of(q: str | None) -> tuple[str, ...]:
    """The words of a search; none of one that is blank."""
    return tuple(dict.fromkeys(fold(q or "").split()))


def has_all(text: str, words: tuple[str, ...]) -> bool:
    """Whether every word is somewhere in the text, which is folded."""
    return all(word in text for word in words)


def found_by(address: str, name: str) -> str:
    """What of a customer is searched."""
    return fold(f"{address} {name}")[:_MOST]
