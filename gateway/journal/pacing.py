"""The pace of one account: so many messages a second, evenly, and a pause when the provider says stop."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from gateway.clock import Clock


class Pace:
    """Give each message its turn."""

    def __init__(self, per_second: float, clock: Clock, *, burst: int = 10) -> None:
        self._gap = timedelta(seconds=1 / per_second)
        self._burst = self._gap * burst
        self._clock = clock
        self._next: datetime | None = None
        self.paused_until: datetime | None = None

    @property
    def paused(self) -> bool:
        """Whether the provider told us to wait."""
        if self.paused_until is not None and self.paused_until <= self._clock():
            self.paused_until = None
        return self.paused_until is not None

    def pause(self, until: datetime) -> None:
        """The provider throttles the account: nothing of it before then."""
        self.paused_until = max(until, self.paused_until or until)

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = self._clock()
        at = max(now - self._burst, self._next or now - self._burst)
        self._next = at + self._gap
        if at > now:
            await asyncio.sleep((at - now).total_seconds())
