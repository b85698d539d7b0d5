"""Time and ids as things that can be given: tests count them up from fixed values.

There are two clocks. The wall clock says what time it is: it stamps what people and providers read, and judges what others have stamped.
It is set now and then, by a person or by NTP, and then jumps. So whatever is waited for is measured by the steady clock, which never jumps.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
Elapsed: TypeAlias = Callable[[], float]


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Seconds since some moment before the process began. It continues while the machine sleeps, if the system can measure that (Linux)."""
    return time.clock_gettime(_ELAPSED) if _ELAPSED is not None else time.monotonic()


_ELAPSED = getattr(time, "CLOCK_BOOTTIME", None)
_BEGAN, _BEGAN_AT = elapsed(), now()


def steady() -> datetime:
    """The wall clock's time at the start of the process, and on from there without a jump: what due times within the process are set and
    looked at by. At the next start it agrees with the wall clock again."""
    return _BEGAN_AT + timedelta(seconds=elapsed() - _BEGAN)


def new_id(prefix: str) -> str:
    """A fresh opaque id such as `ses_4f1c…`: 96 random bits."""
    return f"{prefix}_{secrets.token_hex(12)}"
