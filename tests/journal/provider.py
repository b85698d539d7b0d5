"""A provider on this machine that answers as a test tells it; real HTTP both ways."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Seen], web.StreamResponse]


@dataclass
class OddProvider:
    """`answers` are given in turn, the last again and again. None: the connection is cut without an answer."""

    address: str = ""
    answers: deque[Answering | None] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    # Requests wait here while it is clear.
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def will(self, *answers: Answering | None) -> None:
        self.answers = deque(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, request.path_qs, headers, await request.read())
        self.seen.append(seen)
        await self.may_answer.wait()
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer(seen)


def text(body: str = "", status: int = 200, **headers: str) -> Answering:
    """Always this."""
    return lambda seen: web.Response(status=status, text=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def json(value: object, status: int = 200, **headers: str) -> Answering:
    """Always this, as JSON."""
    return lambda seen: web.json_response(value, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@asynccontextmanager
async def odd_provider() -> AsyncIterator[OddProvider]:
    """Up."""
    one = OddProvider()
    one.may_answer.set()
    one.will(text("fine"))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        one.address = f"http://{host}:{port}"
        yield one
    finally:
        one.may_answer.set()
        await runner.cleanup()
