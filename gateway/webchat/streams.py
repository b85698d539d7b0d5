"""Open streams: the bell that tells them to look again, and the few signals that aren't stored.

The bell carries no line: a stream that is rung reads the store, so a lost ring costs a delay, never a message. Only what is never
stored (typing, how far another tab has read) travels here, and may be lost. Rings reach the streams of a visitor at whichever process they are open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.doorbell.contract import Signals

# Of one stream that isn't read: older typing signals are worthless, and the queue must not grow.
_MOST_FLEETING: Final = 20


_TOPIC: Final = "chat"


class Listener:
    """One open stream of a visitor."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self._fleeting: deque[Mapping[str, Any]] = deque(maxlen=_MOST_FLEETING)
        self.closed = False
        self.seen = 0  # the line up to which it has told

    def ring(self, fleeting: Mapping[str, Any] | None = None) -> None:
        """Something is new."""
        if fleeting is not None:
            self._fleeting.append(fleeting)
        self._bell.set()

    def close(self) -> None:
        """The visitor may no longer listen, or the server stops."""
        self.closed = True
        self._bell.set()

    def take(self) -> list[Mapping[str, Any]]:
        """What was told and isn't kept, since the last time; the bell is silent again. To be called before the store is read."""
        # Cleared before the store is read: a ring during the read then causes another look instead of being lost.
        self._bell.clear()
        taken = list(self._fleeting)
        self._fleeting.clear()
        return taken

    async def wait(self, seconds: float) -> bool:
        """Until the bell rings (True), or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        return self._bell.is_set()


class Streams:
    """The open streams of this process."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self.end = signals.subscribe(_TOPIC, self._heard)
        self._listeners: defaultdict[tuple[str, str], set[Listener]] = defaultdict(set)
        self._closed = False

    def count(self, key: tuple[str, str]) -> int:
        """Open streams of one visitor."""
        return len(self._listeners.get(key, ()))

    @contextlib.contextmanager
    def listening(self, key: tuple[str, str]) -> Iterator[Listener]:
        """A listener for as long as the stream is open."""
        listener = Listener()
        listener.closed = self._closed
        self._listeners[key].add(listener)
        try:
            yield listener
        finally:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]

    @property
    def any(self) -> bool:
        """Whether one is open here."""
        return bool(self._listeners)

    def ring(self, key: tuple[str, str], fleeting: Mapping[str, Any] | None = None) -> None:
        """Tell all streams of the visitor."""
        self._signals.publish(_TOPIC, {"to": [*key], **({"told": dict(fleeting)} if fleeting is not None else {})})

    def close(self, key: tuple[str, str]) -> None:
        """End all streams of the visitor: their tokens are nobody's now."""
        self._signals.publish(_TOPIC, {"to": [*key], "over": True})

    def has_come_to(self, key: tuple[str, str], seq: int) -> None:
        """The visitor's stream has this line: tell those of ours that haven't told it."""
        for listener in self._listeners.get(key, ()):
            if listener.seen < seq:
                listener.ring()

    def _heard(self, signal: Mapping[str, Any]) -> None:
        channel_id, visitor_id = signal["to"]
        for listener in self._listeners.get((channel_id, visitor_id), ()):
            if "over" in signal:
                listener.close()
            else:
                listener.ring(signal.get("told"))

    def close_all(self) -> None:
        """The server stops."""
        self._closed = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.close()
