"""A listening socket and who answers on it: the hot road takes webhooks, aiohttp the rest."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Final, cast

from aiohttp import web

from gateway.edge.webhooks import Front, Webhooks

_KEEPALIVE_SECONDS: Final = 75.0
_BACKLOG: Final = 1024
# How long to read on after an early answer (413), so that the caller sees it rather than a reset. aiohttp's 10 s would let one who sends nothing more hold
# up a stop for as long.
_LINGERING_SECONDS: Final = 2.0


class Doors:
    """See the module."""

    def __init__(self, app: web.Application, webhooks: Webhooks | None, *, grace_seconds: float) -> None:
        """`webhooks`: None: they don't arrive here."""
        self._grace = grace_seconds
        # auto_decompress off: signatures are over the bytes that came, and an unpacked size must be bounded by who unpacks.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=grace_seconds,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
        )
        self._webhooks = webhooks
        self._front: Front | None = None
        self._server: asyncio.Server | None = None

    async def open(self, where: socket.socket | tuple[str, int]) -> str:
        """Listen on a bound socket, or at a host and port; the address. Raises OSError."""
        await self._runner.setup()
        behind = cast("web.Server", self._runner.server)
        if self._webhooks is not None:
            self._front = Front(self._webhooks, behind, keepalive_seconds=_KEEPALIVE_SECONDS)
        create = partial(asyncio.get_running_loop().create_server, self._front or behind, backlog=_BACKLOG)
        self._server = await (create(sock=where) if isinstance(where, socket.socket) else create(*where))
        return address_of(self._server.sockets[0])

    async def close(self, most_seconds: float | None = None) -> None:
        """Take no more, and answer what has begun to arrive."""
        if self._server is not None:
            self._server.close()
        if self._runner.server is None:  # it wasn't opened
            return
        seconds = self._grace if most_seconds is None else min(self._grace, most_seconds)
        async with asyncio.timeout(most_seconds):
            fronts = [self._front.stop(seconds)] if self._front is not None else []
            await asyncio.gather(*fronts, self._runner.cleanup())


def bound(host: str, port: int) -> socket.socket:
    """A socket for `Doors` that another process can be given. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host} port {port} can't be used: {error.strerror}") from error
    return sock


def address_of(sock: socket.socket) -> str:
    """Where it listens, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
