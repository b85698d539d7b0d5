"""Web chat's visitor-facing side: the service that plays the provider for `adapters/webchat`.

`install` puts it into an aiohttp application. docs/webchat.md describes its calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from gateway.webchat import deliveries, live
from gateway.webchat.calls import Calls
from gateway.webchat.door import ClientAddress, Door
from gateway.webchat.files import FILES
from gateway.webchat.pages import Pages
from gateway.webchat.relay import Intake
from gateway.webchat.service import ChatService
from gateway.webchat.store import ChatStore, chat_file, forget_profiles, forget_profiles_in


def install(
    app: web.Application,
    services: Sequence[ChatService],
    *,
    client_address: ClientAddress = lambda request: request.remote or "",
) -> None:
    """Add `/chat/…`, `/widget.js` and `/widget/…`. The services start and end with the application (StoreUnavailable at the start). Each has channels of its own.

    `client_address` tells a request's true address (behind listed proxies, the forwarded one).
    """
    door, pages = Door(services, client_address), Pages()
    calls = Calls(door)

    async def running(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in services:
                await stack.enter_async_context(service.running())
            yield

    async def hang_up(_: web.Application) -> None:
        for service in services:
            service.streams.close_all()

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(hang_up)  # before the server waits for open requests: streams would use up its patience
    base = "/chat/{channel_id}"
    app.add_routes(
        [
            web.get(base, door.visitors(pages.page)),
            web.get("/widget.js", pages.loader),
            web.get("/widget/{version}/{name}", pages.module),
            web.post(f"{base}/session", door.visitors(calls.session)),
            web.delete(f"{base}/session", door.visitors(calls.sign_out)),
            web.get(f"{base}/messages", door.visitors(calls.history)),
            web.post(f"{base}/messages", door.visitors(calls.say)),
            web.post(f"{base}/typing", door.visitors(calls.typing)),
            web.post(f"{base}/read", door.visitors(calls.read)),
            web.post(f"{base}/delivered", door.visitors(calls.delivered)),
            web.post(f"{base}/end", door.visitors(calls.end)),
            web.get(f"{base}/events", door.visitors(live.events)),
            web.get(f"{base}/ws", door.visitors(live.socket)),
            web.get(f"{base}/files/{{file_id}}", door.visitors(calls.file)),
            web.post(f"{base}/deliver", door.gateway(deliveries.deliver)),
            web.post(f"{base}/deliver/file", door.gateway(deliveries.deliver_file)),
            web.options(f"{base}/{{tail:.*}}", door.preflight),
        ]
    )


__all__ = ["FILES", "ChatService", "ChatStore", "Intake", "chat_file", "forget_profiles", "forget_profiles_in", "install"]
