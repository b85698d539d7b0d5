"""How often Python looks for what only refers to itself."""

from __future__ import annotations

import gc
from typing import Final

# New objects before the newest are looked through. Almost nothing here refers to itself, and Python's own 700 are made by a few messages: looking
# took 5 % of a message's time.
_NEW_OBJECTS: Final = 10_000


def look_seldom() -> None:
    """For a process that has started. What was made until now stays: a full look needn't go through it each time, which stops everything for 50 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    gc.enable()
