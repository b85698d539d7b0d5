"""Reads a stream from a message on, in order, a request at a time, so that no more is in memory than one request asks for.

The consumer is ours alone, and nothing is acknowledged to it: where we are is known to the store. Whatever goes wrong with it (its server is gone, a message was
lost on the way), another one begins where the store says.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from datetime import datetime
from types import TracebackType
from typing import Any, Final, NamedTuple

from nats.aio.msg import Msg

from gateway.errors import StoreUnavailable
from gateway.nats_inbox.servers import Servers

_MOST_MESSAGES: Final = 500
_MOST_BYTES: Final = 4 << 20
_REQUEST_SECONDS: Final = 5.0
_BEAT_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 4.0  # without a beat
_ENDED: Final = ("404", "408")  # nothing there, time is over
_FULL: Final = ("maxbytes", "batch completed", "message size exceeds")


class Message(NamedTuple):
    """One of the stream. `behind`: how many come after it."""

    number: int
    subject: str
    headers: dict[str, str]
    data: bytes
    at: float
    behind: int


class Pull:
    """See the module. `async with` it; `after`: the number of the last message that isn't wanted."""

    def __init__(self, servers: Servers, *, after: int, headers_only: bool = False) -> None:
        self._servers, self._after, self._headers_only = servers, after, headers_only
        self._name = f"byoc-{secrets.token_hex(8)}"
        self._arrived: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._open = 0  # how many messages the request that is under way may still bring
        self._delivered = 0
        self._heard_at = 0.0
        self._fault: StoreUnavailable | None = None

    async def __aenter__(self) -> Pull:
        self._inbox, self._number = self._servers.new_inbox(), self._servers.number
        self._subscription = await self._servers.subscribe(self._inbox, self._hear)
        config = {
            "name": self._name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "inactive_threshold": 30_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
            "headers_only": self._headers_only,
        }
        stream = self._servers.stream
        await self._servers.ask(f"CONSUMER.CREATE.{stream}.{self._name}", {"stream_name": stream, "config": config})
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._subscription.unsubscribe()
            await self._servers.ask(f"CONSUMER.DELETE.{self._servers.stream}.{self._name}", {})
        except Exception:  # it goes by itself when nobody asks it
            return

    async def next(self, timeout_seconds: float) -> list[Message]:
        """What has arrived, at least one, or nothing after the time. Raises StoreUnavailable when the consumer is no good any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        while not self._arrived:
            if self._fault is not None:
                raise self._fault
            if self._servers.number != self._number or self._servers.away_seconds():
                raise StoreUnavailable("the connection to the NATS server was lost")
            if self._open <= 0:
                await self._request()
            now = loop.time()
            if now - self._heard_at > _SILENT_SECONDS:
                raise StoreUnavailable("the stream's consumer is silent")
            if now >= end:
                return []
            self._wake.clear()
            try:
                async with asyncio.timeout(min(end - now, _BEAT_SECONDS)):
                    await self._wake.wait()
            except TimeoutError:
                continue
        arrived = list(self._arrived)
        self._arrived.clear()
        return arrived

    async def _request(self) -> None:
        self._open, self._heard_at = _MOST_MESSAGES, asyncio.get_running_loop().time()
        asked: dict[str, Any] = {
            "batch": _MOST_MESSAGES,
            "max_bytes": max(_MOST_BYTES, 2 * self._servers.most_payload),
            "expires": int(_REQUEST_SECONDS * 1e9),
            "idle_heartbeat": int(_BEAT_SECONDS * 1e9),
        }
        await self._servers.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._servers.stream}.{self._name}", json.dumps(asked).encode(), self._inbox
        )

    async def _hear(self, message: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        headers = message.headers or {}
        if not message.reply.startswith("$JS.ACK."):
            self._told(headers.get("Status", ""), headers.get("Description", ""))
        else:
            about = message.metadata
            self._delivered += 1
            if about.sequence.consumer != self._delivered:
                self._fault = StoreUnavailable("a message of the stream was lost on its way")
            elif self._fault is None:
                at = about.timestamp
                when = at.timestamp() if isinstance(at, datetime) else 0.0
                self._arrived.append(
                    Message(about.sequence.stream, message.subject, headers, message.data, when, about.num_pending)
                )
            self._open -= 1
        self._wake.set()

    def _told(self, status: str, words: str) -> None:
        """By the server, about the request or the consumer."""
        if status == "100":  # a beat
            return
        self._open = 0
        if status not in _ENDED and not any(one in words.lower() for one in _FULL):
            self._fault = StoreUnavailable(f"the stream's consumer ended: {words or status}")
