"""The phone wall's calls: a handset per channel, to be the customer. In the demo alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import ValidationError

from adapters.contract import RawRequest
from adapters.simulation import Action, CannotAct, Shown, SimFile
from adapters.simulation.reaching import path_at
from gateway.clock import Clock
from gateway.demo.host import SimulatorHost
from gateway.edge.problems import Fault, Problem


class Phones:
    """`/phones/…` for people and scripts, `/sim/{channel_id}/…` for the gateway's calls to the providers."""

    def __init__(self, host: SimulatorHost, clock: Clock) -> None:
        self._host, self._clock = host, clock
        self._listeners: set[asyncio.Queue[str]] = set()
        host.changed = self._changed

    def install(self, app: web.Application) -> None:
        """All routes."""
        routes = app.router
        routes.add_route("*", "/sim/{channel_id}", self.provider)
        routes.add_route("*", "/sim/{channel_id}/{rest:.*}", self.provider)
        routes.add_get("/phones/channels", told(self.channels))
        routes.add_get("/phones/stream", self.stream)
        routes.add_post("/phones/{channel_id}/messages", told(self.say))
        routes.add_get("/phones/{channel_id}/messages", told(self.messages))
        routes.add_post("/phones/{channel_id}/actions", told(self.act))
        routes.add_get("/phones/{channel_id}/wire", told(self.wire))
        routes.add_get("/phones/{channel_id}/files/{file_id}", told(self.file))
        app.on_shutdown.append(self._hang_up)

    async def provider(self, request: web.Request) -> web.Response:
        """A simulated provider's API."""
        channel_id = request.match_info["channel_id"]
        if channel_id not in self._host.channels:
            return Problem("not_found", "No simulated provider is at this address.").response()
        root, rest = f"/sim/{channel_id}", request.match_info.get("rest")
        path = f"{root}/{rest}" if rest is not None else root
        raw = RawRequest(
            method=request.method,
            url=str(request.url),
            path=path_at(path, self._host.channels[channel_id].account, root),
            query=tuple(request.rel_url.query.items()),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            received_at=self._clock(),
        )
        answer = await self._host.handle(channel_id, raw)
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
        return web.Response(status=answer.status, body=answer.body or None, headers=headers)

    async def channels(self, request: web.Request) -> web.Response:
        """Which handsets there are, and what their channels can do."""
        items = [
            {
                "id": channel.id,
                "kind": channel.config.kind,
                "title": channel.title,
                "capabilities": sorted(channel.adapter.capabilities.inbound),
            }
            for channel in self._host.channels.values()
        ]
        return web.json_response({"items": items, "next": None})

    async def say(self, request: web.Request) -> web.Response:
        """`{"customer": "kim", "text": "hello"}`, or a form with `customer`, `text` and a `file`."""
        channel_id = self._channel(request)
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            fields = {key: form[key] for key in ("customer", "text") if form.get(key)}
            upload = form.get("file")
            if isinstance(upload, web.FileField):
                content = await asyncio.to_thread(upload.file.read)
                fields["file"] = SimFile(name=upload.filename, mime_type=upload.content_type, content=content)  # type: ignore[assignment]
        else:
            fields = await _json(request)
        return await self._act(channel_id, {"kind": "say", **fields})

    async def act(self, request: web.Request) -> web.Response:
        """Anything else that a customer does; see `adapters.contract.Action`."""
        return await self._act(self._channel(request), await _json(request))

    async def _act(self, channel_id: str, fields: dict[str, Any]) -> web.Response:
        try:
            action = Action(**fields)
        except (ValidationError, TypeError) as error:
            faults = error.errors() if isinstance(error, ValidationError) else []
            told_faults = [Fault("/" + "/".join(map(str, f["loc"])), f["msg"]) for f in faults]
            raise Problem("invalid_input", "See `errors` for what to correct.", told_faults) from error
        try:
            line_id = await self._host.act(channel_id, action)
        except CannotAct as error:
            raise Problem("cannot_act", str(error)) from error
        return web.json_response({"id": line_id}, status=201)

    async def messages(self, request: web.Request) -> web.Response:
        """What the handset shows, in order, as the provider got it."""
        channel_id = self._channel(request)
        lines = await self._host.handset(channel_id, _asked(request, "customer", "name the handset's customer: ?customer=kim"))
        return web.json_response({"items": [_line(channel_id, line) for line in lines], "next": None})

    async def wire(self, request: web.Request) -> web.Response:
        """What crossed the wire for a line of the handset: `{"items": [{"step", "at", "title", "text"}]}`, in order, secrets masked."""
        channel_id = self._channel(request)
        customer = _asked(request, "customer", "name the handset's customer: ?customer=kim")
        steps = self._host.road(channel_id, customer, _asked(request, "line", "name one of its lines: &line=ID"))
        if steps is None:
            raise Problem("not_found", "The handset has no such line.")
        return web.json_response({"items": [step.shape() for step in steps]}, headers={"Cache-Control": "no-store"})

    async def file(self, request: web.Request) -> web.Response:
        """A file that a handset shows; never as a page of ours."""
        found = self._host.file(self._channel(request), request.match_info["file_id"])
        if found is None:
            raise Problem("not_found", "The handset has no such file.")
        shown = found.mime_type.startswith(("image/", "audio/", "video/")) and "svg" not in found.mime_type
        headers = {
            "Content-Type": found.mime_type if shown else "application/octet-stream",
            "Content-Disposition": "inline" if shown else "attachment",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.Response(body=found.content, headers=headers)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events: `changed`, with the channel whose handsets may look different."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        waiting: asyncio.Queue[str] = asyncio.Queue(1_000)
        self._listeners.add(waiting)
        try:
            await response.write(b"retry: 1000\n\n")
            while True:
                try:
                    async with asyncio.timeout(20):
                        channel_id = await waiting.get()
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if not channel_id:
                    return response
                data = json.dumps({"channel_id": channel_id, "customer": None})
                await response.write(f"event: changed\ndata: {data}\n\n".encode())
        except ConnectionError:
            return response
        finally:
            self._listeners.discard(waiting)

    def _changed(self, channel_id: str) -> None:
        for waiting in self._listeners:
            with contextlib.suppress(asyncio.QueueFull):
                waiting.put_nowait(channel_id)

    async def _hang_up(self, app: web.Application) -> None:
        self._changed("")

    def _channel(self, request: web.Request) -> str:
        channel_id = request.match_info["channel_id"]
        if channel_id not in self._host.channels:
            raise Problem("not_found", "No handset has this name; GET /phones/channels lists them.")
        return channel_id


def told(handler: Any) -> Any:
    """Let a handler's Problem become its answer."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except Problem as problem:
            return problem.response()
        return response

    return answered


def _asked(request: web.Request, name: str, what: str) -> str:
    value = request.query.get(name, "")
    if not value:
        raise Problem("invalid_input", f"Say {what}", [Fault(f"/{name}", "is missing", "query")])
    return value


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.read())
    except ValueError as error:
        raise Problem("malformed_request", "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Problem("invalid_input", "The body must be a JSON object.")
    return value


def _line(channel_id: str, line: Shown) -> dict[str, Any]:
    shape = line.model_dump(mode="json", by_alias=True)
    if line.media:
        file_id = quote(str(line.media.get("file_id", "")), safe="")
        shape["media"] = {**line.media, "url": f"/phones/{channel_id}/files/{file_id}"}
    return shape
