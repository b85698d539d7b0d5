"""line-bot-sdk in aiohttp: the webhook's handler as in the SDK's aiohttp example, without the reply.

python line_app.py PORT SECRET
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web
from linebot.v3 import WebhookParser
from linebot.v3.exceptions import InvalidSignatureError
from linebot.v3.webhooks import MessageEvent, TextMessageContent


async def serve(port: int, secret: str) -> None:
    """Until killed."""
    parser = WebhookParser(secret)
    read = 0

    async def callback(request: web.Request) -> web.Response:
        nonlocal read
        signature = request.headers["X-Line-Signature"]
        body = await request.text()
        try:
            events = parser.parse(body, signature)
        except InvalidSignatureError:
            return web.Response(status=400, text="Invalid signature")
        for event in events:
            if isinstance(event, MessageEvent) and isinstance(event.message, TextMessageContent):
                read += len(event.message.text)
        return web.Response(text="OK\n")

    async def ready(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/callback", callback), web.get("/readyz", ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
