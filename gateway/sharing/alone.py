"""A process that has a store to itself: all work is its own, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from gateway.sharing.contract import Group
from gateway.store.lanes import ALL_LANES


class AllMine:
    """See `gateway.sharing.contract.Sharing`, whose methods these are."""

    worker = ""
    first = True

    def lanes(self, role: str) -> frozenset[int]:
        """See the contract."""
        return ALL_LANES

    def has(self, duty: str) -> bool:
        """See the contract."""
        return True

    def still_ours(self) -> bool:
        """See the contract."""
        return True

    def on_change(self, call: Callable[[], None]) -> None:
        """See the contract. Nothing ever changes."""

    def before_letting_go(self, hook: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """See the contract. Nothing is let go of."""

    @asynccontextmanager
    async def alone(self, what: str) -> AsyncIterator[None]:
        """See the contract."""
        yield

    async def start(self, groups: Collection[Group]) -> None:
        """See the contract."""

    async def leave(self) -> None:
        """See the contract."""

    async def close(self) -> None:
        """See the contract."""
