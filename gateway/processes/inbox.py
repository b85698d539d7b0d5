"""The core's side of the inbox: the edge puts, the core reads the file by itself and settles.

Both have the file open, as SQLite allows. What the core writes to it is little: which channel is dealt with how far, a few times a second, and what is stuck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapters.contract import RawRequest
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.processes.starting import Edge
from gateway.store.inbox import SqliteInbox
from gateway.store.inbox_contract import Batch


class InboxOfEdge(SqliteInbox):
    """See `gateway.store.inbox_contract.Inbox`."""

    def __init__(self, data_dir: Path, clock: Clock, edge: Edge, bell: Doorbell) -> None:
        super().__init__(data_dir, clock)
        self._edge, self._bell = edge, bell
        edge.kept = self._kept
        self._putting: set[asyncio.Task[None]] = set()

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract. Here it is for what arrives at the core: from web chat, and at the port of the API."""
        task = asyncio.create_task(self._put(channel_id, request, done))
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)

    async def ready(self) -> None:
        """See the contract."""
        await self._edge.call("ready")
        await super().ready()

    async def settle(self, batch: Batch, remarks: Mapping[int, str], stuck: Mapping[int, str]) -> None:
        """See the contract."""
        await super().settle(batch, remarks, stuck)
        self._edge.tell("dealt_with", batch.channel_id, batch.ids[-1])

    def _kept(self, newest: Mapping[str, int]) -> None:
        """The edge has kept webhooks; by channel, the id of the latest one."""
        for channel_id in self.heard_of(newest):
            self._bell.ring(inbox_topic(channel_id))

    async def _put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        given: dict[str, Any] = {
            "method": request.method,
            "url": request.url,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers),
            "at": request.received_at.timestamp(),
        }
        try:
            await self._edge.call("put", channel_id, given, body=request.body)
        except Exception as error:
            done(error)
        else:
            done(None)
