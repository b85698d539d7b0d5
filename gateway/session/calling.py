"""What a customer is called where people read it: by name, else by an address that a person can read, else by a few letters of one that nobody can."""

from __future__ import annotations

import re
from typing import Final

from adapters.envelope import EndUser

# A phone number, also with its network before it (`whatsapp:+34600111222`). Longer runs of digits are ids: a number has 15 at most (E.164).
_NUMBER: Final = re.compile(r"(?:[a-z]+:)?(\+?[0-9]{4,15})")
_MAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,64}")
_LONGEST: Final = 20  # a longer text is not a name that somebody chose
_ENOUGH: Final = 4  # letters that distinguish two customers in a list


def called(end_user: EndUser) -> str:
    """The name, or the username, or what stands for the address."""
    return end_user.name or end_user.username or address_shown(end_user.address)


def address_shown(address: str) -> str:
    """`+34600111222`, `kim@example.com`, `kim-17` as they are; `Customer M001` for an opaque id (Apple's, LINE's, Messenger's)."""
    number = _NUMBER.fullmatch(address)
    if number:
        return number.group(1)
    if _MAIL.fullmatch(address) or (len(address) <= _LONGEST and not address.isdigit() and ":" not in address):
        return address
    letters = [letter for letter in address.rpartition(":")[2] if letter.isalnum()]
    return f"Customer {''.join(letters[-_ENOUGH:]).upper()}".rstrip()
