"""What stands before several processes of a gateway, as Caddy does in deploy/: webhooks go to the edges, all else to the APIs; who doesn't answer is passed over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_OF_THE_LINK = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length"}
# Nobody has read a request whose connection was refused.
_NOT_TAKEN = (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError)


class Front:
    """Listens on a port; `edges` and `apis` are ports of this machine."""

    def __init__(self, edges: Sequence[int], apis: Sequence[int]) -> None:
        self._edges, self._apis = list(edges), list(apis)
        self._turn = itertools.count()
        self.port = 0

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_LINK}
        headers["Host"] = request.headers.get("Host", "")
        for port in self._ports(request.path):
            url = f"http://127.0.0.1:{port}{request.raw_path}"
            try:
                async with self._http.request(request.method, url, data=body, headers=headers, allow_redirects=False) as answer:
                    return await self._answered(request, answer)
            except _NOT_TAKEN:
                continue
            except (aiohttp.ClientError, OSError):
                break  # it may have taken the request: whoever sent it decides
        return web.Response(status=502)

    @staticmethod
    async def _answered(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_LINK}
        made = web.StreamResponse(status=answer.status, headers=headers)
        await made.prepare(request)
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async for part in answer.content.iter_any():
                await made.write(part)
        return made

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse()
        for port in self._ports(request.path):
            try:
                far = await self._http.ws_connect(
                    f"http://127.0.0.1:{port}{request.raw_path}",
                    headers={"Authorization": request.headers.get("Authorization", "")},
                )
            except (aiohttp.ClientError, OSError):
                continue
            await near.prepare(request)
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with far:
                    async for frame in far:
                        await near.send_str(frame.data)
            return near
        return web.Response(status=502)

    def _ports(self, path: str) -> list[int]:
        ports = self._edges if path.startswith("/webhooks/") else self._apis
        first = next(self._turn) % len(ports)
        return ports[first:] + ports[:first]

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[Front]:
        """Until the end of the block."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=60)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=0, force_close=True), auto_decompress=False
        ) as self._http:
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.port = port
            try:
                yield self
            finally:
                await asyncio.wait_for(runner.cleanup(), 10)
