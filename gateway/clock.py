"""Time and ids as things that can be given: tests count them up from fixed values."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """A fresh opaque id such as `ses_4f1c…`: 96 random bits."""
    return f"{prefix}_{secrets.token_hex(12)}"
