"""The measure of everything else: aiohttp on uvloop, which reads a request and answers 200. It verifies, parses and stores nothing."""

from __future__ import annotations

import argparse
import asyncio

import uvloop
from aiohttp import web


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def serve(port: int) -> None:
    """Until killed."""
    app = web.Application()
    app.router.add_post("/webhooks/{channel_id}", _answer)
    app.router.add_get("/readyz", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
