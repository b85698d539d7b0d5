"""A doorbell says "look again", nothing more. Stores keep; a slow poll makes up for a lost ring.

Where several processes share a store, both reach all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from pydantic import JsonValue

Data: TypeAlias = Mapping[str, JsonValue]


def inbox_topic(channel_id: str) -> str:
    """Rung when a webhook of this channel was kept."""
    return f"inbox {channel_id}"


class Doorbell(Protocol):
    """Rings by topic: `inbox_topic(…)`, and what a commit of the broker's wrote: `outbox`, `events`, `timers`, `media`, `people`."""

    def ring(self, topic: str) -> None:
        """Wake whoever waits for the topic, or spare the next one its wait. Never blocks, may be lost."""
        ...

    def wake(self, topic: str) -> None:
        """As `ring`, but only in this process: for what no other one can do anything about."""
        ...

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """Return when it rings, or after the time."""
        ...


class Signals(Protocol):
    """What is true for a moment, and kept nowhere: somebody types. May be lost."""

    def publish(self, topic: str, data: Data) -> None:
        """Tell all who subscribed: those of this process at once. Never blocks. In JSON it must be smaller than 7,500 bytes, else the others don't get it."""
        ...

    def subscribe(self, topic: str, call: Callable[[Data], None]) -> Callable[[], None]:
        """Be told, on the loop. Returns what ends it."""
        ...
