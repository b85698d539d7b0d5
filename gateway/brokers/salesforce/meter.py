"""How many events an org delivered to this gateway in the last 24 hours. Salesforce counts every event that a subscriber is sent, also one that is sent again,
and stops delivering when the org's allowance is used up.

Source: Salesforce Developers, "Platform Event Allocations". The org's other subscribers use the same allowance; they aren't counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

_HOURS: Final = 24
_WARN_AT, _CALM_AT = 0.8, 0.7  # shares of the allowance


class Meter:
    """Counts by the hour, so that it goes on after a restart. The sum has the hour that is 24 hours ago whole: rather too much than too little."""

    def __init__(self, allowance: int, counts: Mapping[int, int] | None = None) -> None:
        """`allowance`: events in 24 hours. `counts`: what was kept, by hour since 1970."""
        self.allowance = allowance
        self._counts = dict(counts or {})
        self._changed: set[int] = set()
        self._warned = False

    def count(self, events: int, now: datetime) -> None:
        """So many arrived."""
        hour = _hour(now)
        if hour not in self._counts:
            self._counts = {one: count for one, count in self._counts.items() if one >= hour - _HOURS}
        self._counts[hour] = self._counts.get(hour, 0) + events
        self._changed.add(hour)

    def last_day(self, now: datetime) -> int:
        """How many in the last 24 hours."""
        hour = _hour(now)
        return sum(count for one, count in self._counts.items() if hour - _HOURS <= one <= hour)

    def verdict(self, now: datetime) -> Literal["warn", "calm"] | None:
        """`warn` once when 80 % of the allowance are used; it is armed again (`calm`) below 70 %."""
        share = self.last_day(now) / self.allowance
        if share >= _WARN_AT and not self._warned:
            self._warned = True
            return "warn"
        if share < _CALM_AT and self._warned:
            self._warned = False
            return "calm"
        return None

    def changed(self) -> dict[int, int]:
        """By hour, what has to be kept since the last time."""
        changed, self._changed = self._changed, set()
        return {hour: self._counts[hour] for hour in changed if hour in self._counts}

    def unsaved(self, counts: Mapping[int, int]) -> None:
        """What `changed` gave couldn't be kept."""
        self._changed.update(counts)


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // 3600
