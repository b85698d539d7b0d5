"""Texts that nobody can see, and texts that look like them and can be seen."""

from __future__ import annotations

from typing import Final

UNSEEN: Final = {
    "zero width space": "\u200b",
    "zero width joiners": "\u200d\u200c",
    "byte order mark": "\ufeff",
    "word joiner": "\u2060",
    "soft hyphen": "\u00ad",
    "direction marks": "\u200e\u200f\u061c",
    "direction controls": "\u202a\u202e\u202c\u2066\u2069",
    "variation selectors": "\ufe0f\ufe0e\U000e0100",
    "Mongolian vowel separator": "\u180e\u180b",
    "Braille blank": "\u2800",
    "Hangul fillers": "\u3164\u115f\u1160\uffa0",
    "grapheme joiner": "\u034f",
    "Khmer inherent vowels": "\u17b4\u17b5",
    "tags": "\U000e0041\U000e007f",
    "musical null notehead and controls": "\U0001d159\U0001d173",
    "annotation marks": "\ufff9\ufffa\ufffb",
    "wide blanks": "\u3000\u00a0\u2003\u202f",
    "controls": "\x01\x85",
    "among blanks": " \u200b\n\u2800 ",
}
SEEN: Final = {
    "a letter behind a mark": "\u200fא",
    "a family of joined emojis": "👩\u200d👩\u200d👧",
    "a heart with a selector": "❤\ufe0f",
    "a flag of tags": "🏴\U000e0067\U000e0062\U000e007f",
    "a lone accent": "\u0301",
    "an accent on a blank": " \u0301",
    "Braille with dots": "\u2801",
    "a Hangul letter": "ㄱ",
    "a full stop": ".",
    "an Arabic number sign": "\u0600",
    "a private letter": "\uf8ff",
}
