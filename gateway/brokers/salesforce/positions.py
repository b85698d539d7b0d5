"""Where an org's stream is to be read on, and how many events came: kept in the gateway's own store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.store.contract import Store, StreamPosition, Transaction


class Positions(Protocol):
    """Of one lane. Every method may raise StoreUnavailable."""

    async def load(self) -> tuple[StreamPosition | None, Mapping[int, int]]:
        """The position, None if the stream was never begun; and the events by hour since 1970."""
        ...

    async def save(self, position: StreamPosition, events: Mapping[int, int]) -> None:
        """Durable on return. Of hours that aren't named the counts stay."""
        ...


class StoredPositions:
    """See `Positions`."""

    def __init__(self, store: Store, lane: str) -> None:
        self._store, self._lane = store, lane

    async def load(self) -> tuple[StreamPosition | None, Mapping[int, int]]:
        """See `Positions`."""
        return await self._store.read(lambda stored: (stored.positions.of(self._lane), stored.positions.events(self._lane)))

    async def save(self, position: StreamPosition, events: Mapping[int, int]) -> None:
        """See `Positions`."""

        def job(stored: Transaction) -> None:
            stored.positions.keep(self._lane, position)
            stored.positions.keep_events(self._lane, events)

        await self._store.write(job)
