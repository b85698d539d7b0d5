"""Stand-ins for a customer's words, names and numbers: of the same shape, the same for the same word, and without a trace of it.

A value is cut into *words*, runs of letters, digits and symbols; what is between them (spaces, punctuation, joiners) stays. A word gets the same
stand-in wherever it occurs, as a text or as a number, so that ids still refer to each other. Each of its characters becomes another one of its
own kind: a digit a digit, a capital a capital, Cyrillic Cyrillic, an emoji an emoji; what looks like hex stays hex.

No stretch of four characters of what is replaced, with three letters or digits among them, occurs in any stand-in; capitals and small letters
count as one. Two means see to it: stand-ins for letters are made of the letters that the originals use least, and a word whose
stand-in still makes a forbidden stretch gets another.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

import regex

from gateway.errors import GatewayError

STRETCH: Final = 4
_WORD: Final = regex.compile(r"[\p{L}\p{N}\p{So}]+")
_HEX: Final = regex.compile(r"(?=.*[0-9])[0-9a-f]{8,}|(?=.*[0-9])[0-9A-F]{8,}")
# Of a provider's ids, what says which kind of thing it is: a capital or two before 32 hex digits (Twilio's SM…, LINE's U…).
_KIND: Final = regex.compile(r"[A-Z]{1,2}(?=[0-9a-f]{32}$)")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_FEWEST: Final = 7
_MOST_ROUNDS: Final = 400


class NotRedacted(GatewayError):
    """The request can't be made anonymous by a program; the text says why, and what to do instead."""


def words(value: str) -> Iterator[str]:
    """The words of a value, in order."""
    yield from _WORD.findall(value)


def stretches(value: str) -> Iterator[str]:
    """Every four neighbouring characters that say something, capitals as small letters."""
    folded = _small(value)
    for start in range(len(folded) - STRETCH + 1):
        stretch = folded[start : start + STRETCH]
        if sum(map(str.isalnum, stretch)) >= STRETCH - 1:
            yield stretch


def _small(value: str) -> str:
    """In small letters, one for each."""
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in value)


class StandIns:
    """Stand-ins for these values. `given` maps words that have one already: an account's own ids, which become a test account's.

    Raises NotRedacted where none can be found.
    """

    def __init__(self, values: Iterable[str], given: Mapping[str, str]) -> None:
        self._values = sorted({value for value in values if value})
        self._given = dict(given)
        replaced = {word for value in self._values for word in words(value)} - self._given.keys()
        self._forbidden = {stretch for value in self._values for stretch in stretches(value)}
        often = Counter(letter for value in self._values for letter in _small(value))
        self._letters = sorted(_LETTERS, key=lambda letter: (often[letter], letter))
        self._salts = dict.fromkeys(replaced, 0)
        self._found = {word: self._word(word) for word in sorted(replaced)}
        self._settle()

    def of(self, value: str) -> str:
        """The value's stand-in."""
        made: str = _WORD.sub(lambda found: self._given.get(found[0]) or self._found[found[0]], value)
        return made

    def _settle(self) -> None:
        """Give other stand-ins to words that share one, or that make a forbidden stretch, until there is none."""
        for _ in range(_MOST_ROUNDS):
            faulty = set(self._shared()) | {word for value in self._values for word in self._betrayed(value)}
            if not faulty:
                return
            for word in sorted(faulty):
                self._salts[word] += 1
                self._found[word] = self._word(word)
        raise NotRedacted(
            "no stand-ins could be found for what the request holds: write the fixture by hand, from `byoc inbox show`"
        )

    def _shared(self) -> Iterator[str]:
        taken = set(self._given.values())
        for word, stand_in in self._found.items():
            if stand_in in taken:
                yield word
            taken.add(stand_in)

    def _betrayed(self, value: str) -> Iterator[str]:
        """The words of the value in whose stand-ins a forbidden stretch is; a stretch that a given word makes isn't counted."""
        shown, owner = "", list[str | None]()
        end = 0
        for found in _WORD.finditer(value):
            between, word = value[end : found.start()], found[0]
            stand_in = self._given.get(word) or self._found[word]
            shown += between + stand_in
            owner += [None] * len(between) + [None if word in self._given else word] * len(stand_in)
            end = found.end()
        shown = _small(shown + value[end:])
        for start in range(len(shown) - STRETCH + 1):
            owners = [one for one in owner[start : start + STRETCH] if one]
            if owners and shown[start : start + STRETCH] in self._forbidden:
                yield owners[-1]

    def _word(self, word: str) -> str:
        kind = found[0] if (found := _KIND.match(word)) else ""
        rest = word[len(kind) :]
        hexadecimal = bool(_HEX.fullmatch(rest))
        made = kind
        for index, letter in enumerate(rest):
            choices = self._choices(letter, self._salts[word], hexadecimal)
            if index == 0 and not kind and letter != "0" and letter.isdigit() and len(choices) > 1:
                choices = [one for one in choices if one != "0"]  # a number that began with a 0 would be no JSON
            seed = int.from_bytes(
                sha256(f"{self._salts[word]}\0{index}\0{word}".encode("utf-8", "surrogatepass")).digest()[:8], "big"
            )
            turned = choices[seed % len(choices) :] + choices[: seed % len(choices)]
            made += next((one for one in turned if _small(made + one)[-STRETCH:] not in self._forbidden), turned[0])
        return made

    def _choices(self, letter: str, salt: int, hexadecimal: bool) -> list[str]:
        small = letter.lower()
        if letter in "0123456789":
            return [one for one in "0123456789" if one != letter]
        if small in _LETTERS and letter.isascii():
            least = [one for one in self._letters if not hexadecimal or one in "abcdef"]
            some = [one for one in least if one != small][: len(least) if hexadecimal else _FEWEST + salt]
            return [one.upper() for one in some] if letter.isupper() else some
        return list(_relatives(letter))


@lru_cache(maxsize=4096)
def _relatives(letter: str) -> tuple[str, ...]:
    """Characters near this one that are of its kind and length in every encoding; itself where there is none."""
    start, kind, length = ord(letter) & ~0x3F, unicodedata.category(letter), len(letter.encode("utf-8", "surrogatepass"))
    near = (chr(code) for code in range(start, start + 0x40) if chr(code) != letter)
    found = tuple(
        one
        for one in near
        if unicodedata.category(one) == kind
        and len(one.encode("utf-8", "surrogatepass")) == length
        and unicodedata.is_normalized("NFC", one)
        and len(one.lower()) == 1
    )
    return found or (letter,)
