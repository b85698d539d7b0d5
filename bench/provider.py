"""A provider that takes messages: the part of Meta's Graph API that sending texts on WhatsApp needs, as strict as Meta is, in the load's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiohttp import web

from bench.traffic import NUMBER_ID

_LONGEST: Final = 4_096
P = TypeVar("P", bound="Provider")


class Provider:
    """`taken` counts messages that were answered with 200, `refused` says why others were not. `heard` is told each text that is taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.refused: list[str] = []
        self.heard: Callable[[str], None] = lambda text: None

    async def messages(self, request: web.Request) -> web.Response:
        """POST /vNN.N/NUMBER/messages."""
        body = await request.json()
        why = _fault(request, body)
        if why:
            self.refused.append(why)
            return web.json_response({"error": {"message": why, "type": "OAuthException", "code": 100}}, status=400)
        self.taken += 1
        if body["type"] == "text":
            self.heard(body["text"]["body"])
        contacts = [{"input": body["to"], "wa_id": body["to"]}]
        answer = {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": f"wamid.sent.{self.taken}"}]}
        return web.json_response(answer)

    async def quiet(self) -> None:
        """Until the notices that a rep joined are out."""
        before = -1
        while self.taken != before:
            before = self.taken
            await asyncio.sleep(0.5)

    def check(self) -> None:
        """Raises RuntimeError if something was refused: then what was measured isn't a road to the customer."""
        if self.refused:
            raise RuntimeError(f"the provider refused {len(self.refused)} calls: {self.refused[0]}")


def _fault(request: web.Request, body: dict[str, Any]) -> str | None:
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return "no access token"
    if request.match_info["number"] != NUMBER_ID:
        return f"no such number: {request.match_info['number']}"
    if body.get("messaging_product") != "whatsapp" or not str(body.get("to", "")).isdecimal():
        return "messaging_product or to is wrong"
    if body.get("type") != "text" or not 0 < len(str(body.get("text", {}).get("body", ""))) <= _LONGEST:
        return "not a text of 1 to 4096 characters"
    return None


@asynccontextmanager
async def provider(port: int) -> AsyncIterator[Provider]:
    """Listening on this port."""
    async with listening(Provider(), port) as made:
        yield made


@asynccontextmanager
async def listening(made: P, port: int) -> AsyncIterator[P]:
    """The same of a provider of one's own."""
    app = web.Application()
    app.router.add_post("/{version:v[0-9.]+}/{number}/messages", made.messages)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    try:
        yield made
    finally:
        await runner.cleanup()
