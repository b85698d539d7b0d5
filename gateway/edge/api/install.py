"""All that the gateway shows to reps, programs and watchers, on an aiohttp application: `install(app, broker, directory)`.

The API is a separate application below `/api/v1`, so that its middleware costs webhooks nothing (three empty ones take 9 % of a bare
server's requests).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from aiohttp import web

from gateway.brokers.contract import Broker, Connector, Directory
from gateway.edge.api import CALLS
from gateway.edge.api.call import PREFIX
from gateway.edge.api.events import Streams
from gateway.edge.api.serving import Api, handler_of, middleware_of
from gateway.edge.api.stream import Pace
from gateway.edge.health import Health
from gateway.edge.limits import Limits
from gateway.edge.openapi import openapi
from gateway.edge.openapi_page import CONTENT_SECURITY_POLICY, page_of
from gateway.edge.origins import Origins
from gateway.edge.problems import SECURITY_HEADERS
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Surface:
    """What was installed, for those who run it."""

    health: Health
    streams: Streams
    metrics: Metrics

    async def drain(self) -> None:
        """Before the server stops: `/readyz` says so, and event streams are told to come back elsewhere. Calls are still answered."""
        self.health.draining = True
        await self.streams.drain()


def install(
    app: web.Application,
    broker: Broker,
    directory: Directory,
    *,
    limits: Limits | None = None,
    origins: Sequence[str] = (),
    public_url: str | None = None,
    pace: Pace | None = None,
    metrics: Metrics | None = None,
    health: Health | None = None,
    connector: Connector | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    address_of: Callable[[web.Request], str] = lambda request: request.remote or "",
) -> Surface:
    """Put the API, its description, health and metrics on an application.

    `origins`: of pages elsewhere that may use the API from a browser. `health`: what must work to be ready; without one, the broker must.
    `connector`: answers the page that is embedded in Salesforce. `address_of`: where a request comes from, for limits; forwarded headers count only from proxies that the caller trusts.
    """
    metrics = metrics or Metrics()
    api = Api(broker, directory, limits or Limits(), metrics, now, address_of, Origins(origins, public_url), connector)
    streams = Streams(api, pace or Pace())
    health = health or Health(metrics, {"broker": broker.ready})
    app.add_subapp(PREFIX, _api(api, streams))
    health.install(app)
    app.add_routes(_described(public_url))
    surface = Surface(health, streams, metrics)
    app.on_shutdown.append(lambda _: surface.drain())
    return surface


def _api(api: Api, streams: Streams) -> web.Application:
    app = web.Application(middlewares=[middleware_of(api)])
    # aiohttp tries one route after the other: those of messages, which are called most, go first.
    calls = sorted(CALLS, key=lambda call: call.tag != "messages")
    app.add_routes([web.route(call.method, call.path, handler_of(call, api)) for call in calls])
    app.add_routes([web.get("/events", streams.handle, allow_head=False)])
    return app


@cache
def _description(public_url: str | None) -> tuple[str, str]:
    """As JSON and as a page. Both take longer to make than the gateway to start, and hardly anybody reads them: they are made when asked for."""
    description = openapi(CALLS, public_url)
    return json.dumps(description), page_of(description)


def _described(public_url: str | None) -> list[web.RouteDef]:
    async def read_openapi(request: web.Request) -> web.Response:
        text, _ = await asyncio.to_thread(_description, public_url)
        return web.Response(text=text, content_type="application/json", headers=SECURITY_HEADERS)

    async def read_docs(request: web.Request) -> web.Response:
        _, page = await asyncio.to_thread(_description, public_url)
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(text=page, content_type="text/html", headers=headers)

    return [web.get("/openapi.json", read_openapi), web.get("/docs", read_docs)]
