"""Whether a text says anything that can be seen."""

from __future__ import annotations

from typing import Final

import regex

# Whoever reads a text of these alone sees an empty bubble: blanks and controls; what Unicode lets every font leave out (zero-width and
# bidi marks, variation selectors, Hangul fillers, tags); the Braille blank, which is a pattern without dots; the null notehead;
# interlinear annotation marks; halves of characters. A lone accent is drawn, and so is a character that this Unicode doesn't know yet.
# Source: Unicode Character Database, Default_Ignorable_Code_Point and White_Space.
_SEEN: Final = regex.compile(
    r"[^\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Cs}\u2800\U0001D159\uFFF9-\uFFFB]", flags=regex.V0
)


def says_something(text: str) -> bool:
    """Whether at least one character of the text can be seen. The desk asks the same of what a rep types: `desk/wording.js`."""
    return _SEEN.search(text) is not None
