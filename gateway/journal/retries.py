"""How long to wait before the next try: exponential with full jitter, by tenacity."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final, cast

from tenacity import wait_random_exponential

LONGEST_BACKOFF: Final = 600.0  # seconds, of all that are taken


def backoff(attempts: int, *, first_seconds: float = 1.0, most_seconds: float = LONGEST_BACKOFF) -> float:
    """Seconds to wait after this many failed attempts: anything between 0 and `first_seconds` × 2^(attempts - 1), at most `most_seconds`."""
    wait = wait_random_exponential(multiplier=first_seconds, max=most_seconds)
    return wait(cast(Any, SimpleNamespace(attempt_number=max(1, attempts))))
