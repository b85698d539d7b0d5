"""Caddy with our file, in front of stand-ins for edges and APIs: what it must not change, and what it must pass over."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestServer

from tests.deploy.deployed import DEPLOY, program
from tests.ports import free_port

pytestmark = pytest.mark.asyncio
BODY = '{"text": "naïve \\u00e9",  "twice":  1}'.encode()


class Behind:
    """A process of the gateway: answers what it was asked, or as it is told to."""

    def __init__(self, name: str) -> None:
        self.name, self.asked, self.going_on = name, list[tuple[str, bytes, str]](), asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/busy", self._busy)
        app.router.add_route("*", "/stream", self._stream)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app, skip_url_asserts=True)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.raw_path, await request.read(), request.headers.get("X-Forwarded-For", "")))
        return web.Response(text=self.name)

    async def _busy(self, request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "7"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: first\n\n")
        await self.going_on.wait()
        await answer.write(b"data: second\n\n")
        return answer


@asynccontextmanager
async def caddy(folder: Path, edges: list[int], apis: list[int]) -> AsyncIterator[ClientSession]:
    """With these ports in place of what the names `edge` and `api` stand for."""
    text = (DEPLOY / "caddy" / "Caddyfile").read_text()
    for name, ports in (("edge", edges), ("api", apis)):
        to = "to " + " ".join(f"127.0.0.1:{port}" for port in ports)
        text, times = re.subn(rf"dynamic a {name} 8080 \{{[^}}]*\}}", to, text)
        assert times == 1
    (folder / "Caddyfile").write_text(text)
    address = f"http://127.0.0.1:{free_port()}"
    run = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "BYOC_HOST": address}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*run, env=environment, stdout=log, stderr=log)
    try:
        async with ClientSession(address, auto_decompress=False) as client:
            while process.returncode is None:
                try:
                    async with client.get("/metrics"):
                        break
                except ClientError:
                    await asyncio.sleep(0.05)
            assert process.returncode is None, (folder / "log").read_text()
            yield client
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def behind(*names: str) -> AsyncIterator[list[Behind]]:
    made = [Behind(name) for name in names]
    try:
        for one in made:
            await one.server.start_server()
        yield made
    finally:
        for one in made:
            one.going_on.set()
            await one.server.close()


def ports(*some: Behind) -> list[int]:
    return [int(one.server.port or 0) for one in some]


async def test_paths_queries_and_bodies_arrive_as_they_were_sent(tmp_path: Path) -> None:
    async with behind("edge", "api") as (edge, api), caddy(tmp_path, ports(edge), ports(api)) as client:
        async with client.post("/webhooks/sms?a=%20b+c&d", data=BODY, headers={"X-Forwarded-For": "203.0.113.7"}) as answer:
            assert await answer.text() == "edge"
        async with client.post("/api/v1/sessions/a%2Fb", data=BODY) as answer:
            assert await answer.text() == "api"
    assert edge.asked == [("/webhooks/sms?a=%20b+c&d", BODY, "127.0.0.1")]  # what the client claimed to be is gone
    assert api.asked == [("/api/v1/sessions/a%2Fb", BODY, "127.0.0.1")]


async def test_figures_are_not_for_everybody(tmp_path: Path) -> None:
    async with behind("edge", "api") as (edge, api), caddy(tmp_path, ports(edge), ports(api)) as client:
        async with client.get("/metrics") as answer:
            assert answer.status == 404
        assert (edge.asked, api.asked) == ([], [])


async def test_a_stream_is_passed_on_at_once(tmp_path: Path) -> None:
    async with (
        behind("edge", "api") as (edge, api),
        caddy(tmp_path, ports(edge), ports(api)) as client,
        client.get("/stream") as answer,
    ):
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        api.going_on.set()
        assert await answer.content.readuntil(b"\n\n") == b"data: second\n\n"


async def test_a_process_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    async with behind("one", "other", "api") as (one, other, api), caddy(tmp_path, ports(one, other), ports(api)) as client:
        await one.server.close()
        for _ in range(20):
            async with client.post("/webhooks/sms", data=BODY) as answer:
                assert (answer.status, await answer.text()) == (200, "other")
    assert len(other.asked) == 20


async def test_an_answer_that_says_when_to_come_again_is_passed_on(tmp_path: Path) -> None:
    async with (
        behind("edge", "api") as (edge, api),
        caddy(tmp_path, ports(edge), ports(api)) as client,
        client.get("/busy") as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
