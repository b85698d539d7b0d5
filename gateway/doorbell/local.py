"""A doorbell, and signals, within one process."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from gateway.doorbell.contract import Data

_log = logging.getLogger(__name__)


class LocalDoorbell:
    """One waiter a topic; a ring while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, topic: str) -> None:
        """See `Doorbell`."""
        self._bells[topic].set()

    wake = ring

    def ring_all(self) -> None:
        """Wake everybody."""
        for bell in self._bells.values():
            bell.set()

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


class LocalSignals:
    """See `Signals`."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, list[Callable[[Data], None]]] = defaultdict(list)

    def publish(self, topic: str, data: Data) -> None:
        """See `Signals`. One subscriber's fault is not the others'."""
        for call in tuple(self._calls[topic]):
            try:
                call(data)
            except Exception:
                _log.exception("a signal was not understood", extra={"action": "signal.fault", "topic": topic})

    def subscribe(self, topic: str, call: Callable[[Data], None]) -> Callable[[], None]:
        """See `Signals`."""
        calls = self._calls[topic]
        calls.append(call)
        return lambda: calls.remove(call)
