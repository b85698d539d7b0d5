"""One mobile number, two spellings: some countries put a digit before mobile numbers that carriers and WhatsApp write or leave out.

For matching alone: answers go to the number as the provider gave it. Source: observed by open connectors for Brazil, Argentina and Mexico;
neither Twilio nor Meta says which spelling comes when.
"""

from __future__ import annotations

import re
from typing import Final

# Brazil: area (two digits), then a 9 that was put before mobile numbers; those begin with 6 to 9 without it, landlines with 2 to 5.
# Argentina: a 9 before area and number (10 digits). Mexico: a 1 (10 digits).
_WRITTEN: Final = ((re.compile(r"55([1-9]{2})9([6-9][0-9]{7})"), r"55\g<1>\g<2>"), (re.compile(r"549([0-9]{10})"), r"54\g<1>"), (re.compile(r"521([0-9]{10})"), r"52\g<1>"))  # fmt: skip
_LEFT_OUT: Final = ((re.compile(r"55([1-9]{2})([6-9][0-9]{7})"), r"55\g<1>9\g<2>"), (re.compile(r"54([0-9]{10})"), r"549\g<1>"), (re.compile(r"52([0-9]{10})"), r"521\g<1>"))  # fmt: skip
_COUNTRIES: Final = ("55", "54", "52")


def other_spelling(number: str) -> str | None:
    """The same number spelt the other way, with the same `+` and prefix before it; None where there is one spelling only.

    >>> other_spelling("whatsapp:+5511987654321")
    'whatsapp:+551187654321'
    """
    digits = number.rpartition("+")[2]
    if not digits.startswith(_COUNTRIES):
        return None
    for pattern, other in (*_WRITTEN, *_LEFT_OUT):
        if pattern.fullmatch(digits):
            return number[: len(number) - len(digits)] + pattern.sub(other, digits)
    return None
