"""How much the edge takes of whom, and how often."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway.clock import Elapsed, elapsed
from gateway.edge.problems import Problem

_MAX_BUCKETS: Final = 50_000  # the least recently used are forgotten: at worst somebody gets a fresh budget


@dataclass(frozen=True, slots=True)
class Rate:
    """A budget of `burst` requests that fills up again by `per_second`."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the API takes from its callers. `requests`: per caller; None: no limit.

    `wrong_tokens` is per address: a person mistypes now and then, a guesser needs millions of tries.
    """

    max_body_bytes: int = 1024 * 1024
    max_file_bytes: int = 25 * 1024 * 1024
    body_seconds: float = 60
    requests: Rate | None = None
    wrong_tokens: Rate | None = Rate(per_second=0.5, burst=60)
    strange_streams_per_address: int = 100  # WebSockets that haven't said yet whose they are; an office's pages share an address
    streams_per_caller: int = 50  # tabs of one rep, and whatever reconnects before the old stream is known dead


class Buckets:
    """Token buckets by name, in memory: each process counts for itself."""

    def __init__(self, rate: Rate, time: Elapsed = elapsed) -> None:
        self._rate, self._time = rate, time
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> int:
        """Take one; 0 when there was one, else the whole seconds to wait (at least 1), and nothing is taken."""
        level, now = self._level(name)
        if level < 1:
            return self._seconds_until_one(level)
        self._levels[name] = (level - 1, now)
        self._levels.move_to_end(name)
        if len(self._levels) > _MAX_BUCKETS:
            self._levels.popitem(last=False)
        return 0

    def wait(self, name: str) -> int:
        """As `take`, but takes nothing."""
        level, _ = self._level(name)
        return 0 if level >= 1 else self._seconds_until_one(level)

    def _level(self, name: str) -> tuple[float, float]:
        now = self._time()
        level, since = self._levels.get(name, (float(self._rate.burst), now))
        return min(float(self._rate.burst), level + (now - since) * self._rate.per_second), now

    def _seconds_until_one(self, level: float) -> int:
        return max(1, math.ceil((1 - level) / self._rate.per_second))


def rate_limited(wait: int) -> Problem:
    """429."""
    return Problem("rate_limited", f"Too many requests; try again in {wait} s.", headers={"Retry-After": str(wait)})
