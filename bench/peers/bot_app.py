"""The Bot Framework's SDK in aiohttp: the adapter and route of its samples, with a bot that reads the text and doesn't reply. Without an app id, as for
the emulator, so requests aren't signed.

    python bot_app.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web
from botbuilder.core import TurnContext
from botbuilder.integration.aiohttp import CloudAdapter, ConfigurationBotFrameworkAuthentication
from botbuilder.schema import ActivityTypes


class Config:
    """The samples' settings."""

    APP_ID = ""
    APP_PASSWORD = ""
    APP_TYPE = "MultiTenant"
    APP_TENANTID = ""


class Reader:
    """A bot."""

    read = 0

    async def on_turn(self, context: TurnContext) -> None:
        """As ActivityHandler, for messages."""
        if context.activity.type == ActivityTypes.message:
            self.read += len(context.activity.text)


async def serve(port: int) -> None:
    """Until killed."""
    adapter, bot = CloudAdapter(ConfigurationBotFrameworkAuthentication(Config())), Reader()

    async def messages(request: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse | None = await adapter.process(request, bot)
        return answer or web.Response(status=200)

    async def ready(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/api/messages", messages), web.get("/readyz", ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
