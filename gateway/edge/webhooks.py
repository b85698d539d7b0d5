"""The doors for providers: `/webhooks/{channel_id}` and below. Raw bytes, limits, verify, store, 200; all else comes later.

This is the hot path: no middleware, no JSON and no model is on it. A body over the limit is refused before it is read whole; a request that isn't the
provider's leaves no row; the answer is given when the row is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from adapters.contract import Answer, RawRequest
from adapters.errors import NotAuthentic
from gateway.clock import Clock
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.edge.problems import Problem
from gateway.errors import StoreUnavailable
from gateway.metrics import Metrics

_log = logging.getLogger(__name__)


class Store(Protocol):
    """Where raw requests are kept."""

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """`done(None)` when it is durable, `done(error)` when it isn't kept; on this loop."""
        ...


class Webhooks:
    """See the module."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        store: Store,
        bell: Doorbell,
        metrics: Metrics,
        clock: Clock,
        *,
        public_url: str,
        max_bytes: int,
        read_seconds: float,
    ) -> None:
        self._channels, self._store, self._bell, self._metrics, self._clock = channels, store, bell, metrics, clock
        self._public_url, self._max_bytes, self._read_seconds = public_url, max_bytes, read_seconds
        self._accepted = {key: metrics.webhooks.labels(key, "accepted") for key in channels}
        self._answers = {key: _response(channel.adapter.accepted) for key, channel in channels.items()}

    def install(self, app: web.Application) -> None:
        """Any method: an adapter says which it takes."""
        app.router.add_route("*", "/webhooks/{channel_id}", self.handle)
        app.router.add_route("*", "/webhooks/{channel_id}/{rest:.*}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One webhook."""
        begun = perf_counter()
        channel = self._channels.get(request.match_info["channel_id"])
        if channel is None:
            return Problem("not_found", "No channel has this address. `byoc check` lists the configured ones.").response()
        if request.method not in channel.adapter.methods and request.method not in ("GET", "POST"):
            return Problem("method_not_allowed", "Use GET or POST.").response()
        try:
            body = await self._body(request)
        except Problem as problem:
            self._metrics.webhook(channel.id, "too_large" if problem.code == "too_large" else "refused")
            return problem.response()
        raw = self._raw(request, channel, body, self._clock())
        try:
            answer = await self._accept(channel, raw)
        except NotAuthentic as refused:
            return self._refused(channel, refused)
        except StoreUnavailable:  # reported once by the store, not here for each request
            self._metrics.webhook(channel.id, "failed")
            return _unavailable().response()
        except Exception as error:  # this request alone: the others of its commit are kept
            self._metrics.webhook(channel.id, "failed")
            _log.exception(
                "webhook failed", extra={"action": "webhook.failed", "channel": channel.id, "reason": type(error).__name__}
            )
            return Problem(
                "internal_error", "The gateway failed on this request. An operator finds the reason in its log."
            ).response()
        self._metrics.webhook_seconds.note(channel.id, perf_counter() - begun)
        return self._answers[channel.id]() if answer is None else _response(answer)()

    async def accept(self, channel_id: str, raw: RawRequest) -> Answer:
        """As `handle`, for a service in this process that plays the provider (web chat). Raises NotAuthentic, StoreUnavailable."""
        channel = self._channels[channel_id]
        return await self._accept(channel, raw) or channel.adapter.accepted

    async def _accept(self, channel: Channel, raw: RawRequest) -> Answer | None:
        adapter = channel.adapter
        answer = adapter.handshake(raw, channel.account)
        if answer is not None:
            self._metrics.webhook(channel.id, "handshake")
            return answer
        if raw.method not in adapter.methods:
            raise NotAuthentic(f"{raw.method} is not a method that this provider uses", status=403)
        # Verified before it is stored, and stored before the 200: the provider resends what it got no 200 for.
        adapter.verify(raw, channel.account, raw.received_at)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._store.put(channel.id, raw, partial(_tell, kept))
        await kept
        self._bell.ring(inbox_topic(channel.id))
        self._accepted[channel.id].inc()
        return None

    def _refused(self, channel: Channel, refused: NotAuthentic) -> web.Response:
        self._metrics.webhook(channel.id, "refused")
        _log.warning(
            "webhook refused: %s",
            f"{refused} ({refused.hint})" if refused.hint else refused,
            extra={"action": "webhook.refused", "channel": channel.id, "status": refused.status},
        )
        return web.Response(status=refused.status, text="not authentic\n")

    async def _body(self, request: web.Request) -> bytes:
        """The raw body. Raises Problem: too_large, request_too_slow."""
        if (request.content_length or 0) > self._max_bytes:
            raise Problem("too_large", f"A webhook may have {self._max_bytes} bytes.")
        if not request.body_exists:
            return b""
        try:
            # Most webhooks arrive in one packet: no timer and no list of chunks for those.
            if request.content.is_eof() and request.content.total_bytes <= self._max_bytes:
                return request.content.read_nowait()
            async with asyncio.timeout(self._read_seconds):
                return await self._read(request)
        except TimeoutError as error:
            raise Problem("request_too_slow", f"The body must arrive within {self._read_seconds:g} s.") from error
        except HttpProcessingError as error:
            raise Problem("malformed_request", "The body can't be read.") from error

    async def _read(self, request: web.Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            # Content-Length may be missing (chunked), so the bytes are counted, too.
            if size > self._max_bytes:
                raise Problem("too_large", f"A webhook may have {self._max_bytes} bytes.")
            chunks.append(chunk)
        return b"".join(chunks)

    def _raw(self, request: web.Request, channel: Channel, body: bytes, now: datetime) -> RawRequest:
        target = request.raw_path
        rest = request.match_info.get("rest")
        return RawRequest(
            method=request.method,
            url=self._public_url + target,
            path=f"/{rest}" if rest is not None else "",
            query=tuple(request.rel_url.query.items()) if "?" in target else (),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            received_at=now,
        )


def _tell(kept: asyncio.Future[None], error: Exception | None) -> None:
    if kept.done():  # nobody waits any more
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)


def _unavailable() -> Problem:
    detail = "The request could not be stored. Send it again; an operator finds the reason at /readyz and in the log."
    return Problem("unavailable", detail, headers={"Retry-After": "5"})


class _response:
    """Builds the same answer for every request (an aiohttp response can be sent only once)."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self) -> web.Response:
        return web.Response(status=self._answer.status, body=self._answer.body or None, headers=dict(self._answer.headers))
