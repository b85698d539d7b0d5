"""Whether an org's events are read, for those who call the org: what it publishes before its stream was ever open is never read. Where several processes share the work, the one
that has the stream tells the others, again and again, since a signal may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from gateway.brokers.salesforce.subscription import Subscription
from gateway.doorbell.contract import Data, Signals

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_TOLD_SECONDS: Final = 1.0


class Heard:
    """Of one org. Once true, it stays true: the place in the stream is known from then on."""

    def __init__(self, name: str, stream: Subscription, signals: Signals | None) -> None:
        self._topic, self._stream, self._signals = f"salesforce {name}", stream, signals
        self._told = False
        if signals is not None:
            signals.subscribe(self._topic, self._hear)

    def listens(self) -> bool:
        """See the module."""
        return self._told or self._stream.listens

    def _hear(self, data: Data) -> None:
        self._told = True

    def told(self, work: Work) -> Work:
        """The work that reads the stream, and tells the others that it does."""
        signals = self._signals
        if signals is None:
            return work

        async def both() -> None:
            telling = asyncio.create_task(self._tell(signals), name=f"tell of {self._topic}")
            try:
                await work()
            finally:
                telling.cancel()

        return both

    async def _tell(self, signals: Signals) -> None:
        while True:
            await asyncio.sleep(_TOLD_SECONDS)
            if self.listens():
                signals.publish(self._topic, {})
