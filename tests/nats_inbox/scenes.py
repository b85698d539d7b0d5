"""What the tests of this folder do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from gateway.config.places import NatsConfig
from gateway.doorbell.local import LocalDoorbell
from gateway.nats_inbox.mover import Mover
from gateway.nats_inbox.waiting import waiting_in_stream
from gateway.store.inbox_contract import Inbox, Taker
from tests.nats import NatsServer
from tests.world import wait_until


class Behind(Inbox, Taker, Protocol):
    """The inbox of a store, which takes webhooks out of a stream."""


@asynccontextmanager
async def moving(server: NatsServer, settings: NatsConfig, store: Taker, **more: Any) -> AsyncIterator[Mover]:
    """With a mover at work. When it is over, the mover is gone at whatever it was."""
    mover = Mover(server.url, settings, store, LocalDoorbell(), **more)
    await mover.open()
    task = asyncio.create_task(mover.run())
    try:
        yield mover
    finally:
        task.cancel()
        await asyncio.wait([task])
        await mover.close()
        if not task.cancelled():
            task.result()


async def bodies(store: Inbox, channel_id: str) -> list[bytes]:
    """All that waits, in order, settled as it comes."""
    await store.channels()
    given: list[bytes] = []
    while batch := await store.waiting(channel_id, limit=500):
        given += [one.body for one in batch.requests]
        await store.settle(batch, {}, {})
    return given


async def until_there(store: Inbox, channel_id: str, count: int) -> list[bytes]:
    """So many, as they come."""
    given: list[bytes] = []
    async with asyncio.timeout(60):
        while len(given) < count:
            given += await bodies(store, channel_id)
            await asyncio.sleep(0.02)
    return given


async def until_empty(server: NatsServer, settings: NatsConfig) -> None:
    """Until the stream holds nothing any more."""

    async def empty() -> bool:
        return not (await waiting_in_stream(server.url, settings)).webhooks

    await wait_until(empty)
