"""A doorbell within one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict


class LocalDoorbell:
    """One waiter a topic; a ring while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, topic: str) -> None:
        """See `Doorbell`."""
        self._bells[topic].set()

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """See `Doorbell`."""
        bell = self._bells[topic]
        try:
            async with asyncio.timeout(timeout_seconds):
                await bell.wait()
        except TimeoutError:
            return
        finally:
            bell.clear()
