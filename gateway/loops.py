"""How a process of the gateway runs: its loop, and how it shares the interpreter with its writers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final

# Each time the loop wakes while a writer's thread computes, it waits so long for the interpreter. Python's own 5 ms are many times what an answer takes.
_SWITCH_SECONDS: Final = 0.001


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        runner = asyncio.run
    runner(work)
