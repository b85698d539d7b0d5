"""What stands for a customer with a plain name: the same name, the same address, on every run."""

from __future__ import annotations

import hashlib


def digits_of(customer: str, count: int) -> str:
    """Digits that stand for a customer in ids and numbers: the same name, the same digits."""
    return str(int.from_bytes(hashlib.sha256(customer.encode()).digest()[:16], "big"))[-count:].rjust(count, "0")


def hex_of(customer: str, count: int) -> str:
    """Lower-case hex digits that stand for a customer."""
    return hashlib.sha256(customer.encode()).hexdigest()[:count]
