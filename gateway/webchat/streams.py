"""Open streams: the bell that tells them to look again, and the few signals that aren't stored.

The bell carries no line: a stream that is rung reads the store, so a lost ring costs a delay, never a message. Only what is never
stored (typing, how far another tab has read) travels here, and may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

# Of one stream that isn't read: older typing signals are worthless, and the queue must not grow.
_MOST_FLEETING: Final = 20


class Listener:
    """One open stream of a visitor."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self._fleeting: deque[Mapping[str, Any]] = deque(maxlen=_MOST_FLEETING)
        self.closed = False

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
    """All open streams of this process."""

    def __init__(self) -> None:
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

    def ring(self, key: tuple[str, str], fleeting: Mapping[str, Any] | None = None) -> None:
        """Tell all streams of the visitor."""
        for listener in self._listeners.get(key, ()):
            listener.ring(fleeting)

    def close(self, key: tuple[str, str]) -> None:
        """End all streams of the visitor: their tokens are nobody's now."""
        for listener in self._listeners.get(key, ()):
            listener.close()

    def close_all(self) -> None:
        """The server stops."""
        self._closed = True
        for key in list(self._listeners):
            self.close(key)
