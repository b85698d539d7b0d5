"""A doorbell says "look again", nothing more. Stores keep; a slow poll makes up for a lost ring."""

from __future__ import annotations

from typing import Protocol


def inbox_topic(channel_id: str) -> str:
    """Rung when a webhook of this channel was kept."""
    return f"inbox {channel_id}"


class Doorbell(Protocol):
    """Rings by topic: `inbox_topic(…)`, and what a commit of the broker's wrote: `outbox`, `events`, `timers`, `media`, `people`."""

    def ring(self, topic: str) -> None:
        """Wake whoever waits for the topic, or spare the next one its wait. Never blocks, may be lost."""
        ...

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """Return when it rings, or after the time."""
        ...
