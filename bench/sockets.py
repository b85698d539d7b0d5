"""Desks' event streams: what an idle one costs, how long one message takes to all of them, and what coming and going costs."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Final, cast

import uvloop

from bench import machine, servers
from bench.load import drive
from bench.results import Line
from bench.servers import Server, token_of
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_SOCKETS: Final = 1_000
_OF_ONE: Final = 40  # of one login: the gateway takes 50
_AT_A_TIME: Final = 20
_WORD: Final = b"my order"
_PING: Final = 0x89
_PONG: Final = 0x8A


class _Socket(asyncio.Protocol):
    """A WebSocket client that looks at no more than it must: a thousand of the usual ones would take longer to read a message than it takes to be
    sent. Frames of the gateway aren't masked, and none of those that are answered is long."""

    def __init__(self, head: bytes, opened: asyncio.Future[None], seen: Callable[[float], None]) -> None:
        self._head, self._opened, self._seen = head, opened, seen
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if _WORD in data and not self._told:
            self._told = True
            self._seen(time.perf_counter())
        elif data[0] == _PING:
            self.transport.write(bytes([_PONG, 0x80, 0, 0, 0, 0]))
        elif b'"hello"' in data and not self._opened.done():
            self._opened.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(error or ConnectionError("the stream was closed before its first frame"))


def _head(login: str) -> bytes:
    lines = [
        "GET /api/v1/events HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {token_of(login)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def _open(port: int, logins: list[str], seen: Callable[[float], None]) -> list[_Socket]:
    """One for each, a few at a time."""
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(_AT_A_TIME)

    async def one(login: str) -> _Socket:
        async with gate:
            opened: asyncio.Future[None] = loop.create_future()
            _, socket = await loop.create_connection(lambda: _Socket(_head(login), opened, seen), "127.0.0.1", port)
            await opened
            return socket

    return list(await asyncio.gather(*(one(login) for login in logins)))


async def _measured(bench: Bench, server: Server, logins: list[str]) -> None:
    arrived: list[float] = []
    everywhere = asyncio.Event()

    def seen(at: float) -> None:
        arrived.append(at)
        if len(arrived) == len(logins):
            everywhere.set()

    message = Traffic(people=1)
    await drive(server.port, iter([message.request(0)]), connections=1)  # the conversation is there before the desks are
    used, memory = await asyncio.to_thread(server.come_to_rest), machine.resident_bytes(server.pid)
    sockets = await _open(server.port, logins, seen)
    opened = await asyncio.to_thread(server.come_to_rest)
    bench.note("sockets.memory", (machine.resident_bytes(server.pid) - memory) / 1e3 / len(sockets))
    await drive(server.port, iter([message.request(1)]), connections=1)
    async with asyncio.timeout(60):
        await everywhere.wait()
    bench.note("sockets.message", (max(arrived) - min(arrived)) * 1000)
    before = await asyncio.to_thread(server.come_to_rest)
    for socket in sockets:
        socket.transport.close()
    closed = await asyncio.to_thread(server.come_to_rest)
    bench.note("sockets.turnover", len(sockets) / max(0.01, opened - used + closed - before))


def measure(bench: Bench) -> None:
    """All desks are supervisors', who may see every conversation."""
    count = bench.count(_SOCKETS, 4)
    logins = [f"sam{number // _OF_ONE}" for number in range(count)]
    with servers.gateway(bench, reps={login: {"supervisor": True} for login in logins}) as server:
        uvloop.run(_measured(bench, server, logins))


SUBJECT: Final = Subject(
    "sockets",
    "1,000 desks: memory of an idle one, one message to all, coming and going",
    (
        Line("sockets.memory", "sockets: memory of an idle one", "kB", 20, "low"),
        Line("sockets.message", "sockets: one message to 1,000, first to last", "ms", 25, "low"),
        Line("sockets.turnover", "sockets: come and gone for a second of processor time", "/s", 100),
    ),
    measure,
)
