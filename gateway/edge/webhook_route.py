"""Webhooks that aiohttp reads: those that `gateway.edge.webhooks` leaves to it. Setup calls, bodies in chunks or over the limit, and whatever is unusual."""

from __future__ import annotations

import asyncio
from time import perf_counter

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from adapters.contract import RawRequest
from gateway.config import Channel
from gateway.edge.problems import Problem
from gateway.edge.webhook_answers import response_of
from gateway.edge.webhooks import Webhooks
from gateway.errors import PutOff


class WebhookRoute:
    """See the module."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def install(self, app: web.Application) -> None:
        """Any method: an adapter says which it takes."""
        app.router.add_route("*", "/webhooks/{channel_id}", self.handle)
        app.router.add_route("*", "/webhooks/{channel_id}/{rest:.*}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One webhook."""
        begun, webhooks = perf_counter(), self._webhooks
        channel = webhooks.channels.get(request.match_info["channel_id"])
        if channel is None:
            return Problem("not_found", "No channel has this address. `byoc check` lists the configured ones.").response()
        if request.method not in channel.adapter.methods and request.method not in ("GET", "POST"):
            return Problem("method_not_allowed", "Use GET or POST.").response()
        try:
            raw = self._raw(request, channel, await self._body(request, channel))
            answer = response_of(await webhooks.accept(channel.id, raw))
        except Exception as error:
            return webhooks.answers.refused(channel, error)
        webhooks.metrics.webhook_seconds.note(channel.id, perf_counter() - begun)
        if _usual(request):
            answer.force_close()
        return answer

    async def _body(self, request: web.Request, channel: Channel) -> bytes:
        """The raw body. Raises PutOff, and Problem: too_large, request_too_slow, malformed_request."""
        webhooks = self._webhooks
        if (request.content_length or 0) > webhooks.max_bytes:
            raise webhooks.answers.too_large()
        if (request.content_length or 0) > webhooks.most_bytes(channel):
            raise PutOff
        try:
            async with asyncio.timeout(webhooks.read_seconds):
                return await self._read(request)
        except TimeoutError as error:
            raise webhooks.answers.too_slow() from error
        except HttpProcessingError as error:
            raise Problem("malformed_request", "The body can't be read.") from error

    async def _read(self, request: web.Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            # Content-Length may be missing (chunked), so the bytes are counted, too.
            if size > self._webhooks.max_bytes:
                raise self._webhooks.answers.too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def _raw(self, request: web.Request, channel: Channel, body: bytes) -> RawRequest:
        target = request.raw_path
        rest = request.match_info.get("rest")
        return RawRequest(
            method=request.method,
            url=self._webhooks.public_url + target,
            path=f"/{rest}" if rest is not None else "",
            query=tuple(request.rel_url.query.items()) if "?" in target else (),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            received_at=self._webhooks.clock(),
        )


def _usual(request: web.Request) -> bool:
    """Whether it came here only because something else had come on its connection before it, as behind a proxy that keeps connections for all
    addresses. That connection ends with the answer: on the next one, aiohttp isn't in the way."""
    return (
        request.method == "POST"
        and request.version == HttpVersion11
        and request.content_length is not None
        and not request.query_string
    )
