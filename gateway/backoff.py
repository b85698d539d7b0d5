"""How long to wait before the next try: exponential, with full jitter, so that what failed together doesn't come back together."""

from __future__ import annotations

import random
from typing import Final

LONGEST_BACKOFF: Final = 600.0  # seconds, of all that are taken
_MOST_DOUBLINGS: Final = 60  # beyond any limit, and within what a float holds


def hastening(times: int) -> float:
    """Seconds for which what was let go before its time this often waits at least. The first time it is let go at once; what keeps failing though all
    else succeeds is soon left to its own times. At most LONGEST_BACKOFF."""
    return min(LONGEST_BACKOFF, 2.0 ** min(times, _MOST_DOUBLINGS)) if times else 0.0


def backoff(attempts: int, *, first_seconds: float = 1.0, most_seconds: float = LONGEST_BACKOFF) -> float:
    """Seconds to wait after this many failed attempts: anything between 0 and `first_seconds` × 2^(attempts - 1), at most `most_seconds`."""
    doublings = min(max(0, attempts - 1), _MOST_DOUBLINGS)
    return random.uniform(0, min(most_seconds, first_seconds * 2.0**doublings))  # noqa: S311 - no secret hangs on it
