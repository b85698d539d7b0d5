"""`GET /events`: all that the caller may see, as it happens, over a WebSocket.

Frames are `{"type", "id", "session_id", "data"}`; `id` is the event's number, null for what isn't stored. A client keeps the last `id` and
comes back with `?after=`: nothing is missing, nothing comes twice. The first frame, `hello`, gives the number that the stream
begins after: whoever reads the state after `hello` and then applies what comes has no hole.

The token comes in the Authorization header, as a subprotocol (`byoc, bearer.TOKEN`), or in a first frame `{"type": "hello", "token": …,
"after": …}`, since a browser can't set the header. Never in the URL.

A reader that is too slow costs bounded memory: when a frame can't be written in time, or too many wait, the stream is closed (4429) and
the client comes back with `?after=`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeVar

from aiohttp import WSMsgType, web
from pydantic import Field, ValidationError

from gateway.brokers.contract import Caller, EventsGone, SlowListener
from gateway.edge.api.serving import Api
from gateway.edge.api.stream import CLOSES, Close, Frames, Pace, Stream
from gateway.edge.auth import SUBPROTOCOL, token_of_header, token_of_subprotocols
from gateway.edge.input import Input, Number, query_of
from gateway.edge.problems import Problem
from gateway.errors import GatewayError

log: Final = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)


class EventsQuery(Input):
    """`after`: the `id` of the last event that the client has; without it, from now on."""

    after: Number | None = None


class HelloFrame(Input):
    """What a client without an Authorization header sends first."""

    type: Literal["hello"]
    token: Annotated[str, Field(min_length=1, max_length=8_192)]
    after: Number | None = None


@dataclass(slots=True)
class Streams:
    """All open event streams of this process."""

    api: Api
    pace: Pace = field(default_factory=Pace)
    _open: set[web.WebSocketResponse] = field(default_factory=set)
    _per_caller: Counter[tuple[str, str]] = field(default_factory=Counter)
    _strange: Counter[str] = field(default_factory=Counter)
    _draining: bool = False
    _running: set[Stream] = field(default_factory=set)
    _beating: asyncio.Task[None] | None = None
    _frames: Frames = field(init=False)

    def __post_init__(self) -> None:
        self._frames = Frames(self.api.directory)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One stream, from its upgrade to its end."""
        self.api.origins.check(request)
        after = query_of(request, EventsQuery).after
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=self.pace.heartbeat,
            timeout=self.pace.farewell,
            max_msg_size=16 * 1024,
            compress=False,  # 300 kB of memory a stream, and frames would wait for each other
        )
        if not socket.can_prepare(request).ok:
            raise Problem("upgrade_required", "Connect with a WebSocket client.", headers={"Upgrade": "websocket"})
        token = self._token_beforehand(request)
        caller = self._caller(token, request) if token is not None else None
        address = self.api.address_of(request)
        if caller is None and self._strange[address] >= self.api.limits.strange_streams_per_address:
            raise Problem("rate_limited", "Too many streams are waiting for their first frame.", headers={"Retry-After": "10"})
        writer = await socket.prepare(request)
        self._open.add(socket)
        try:
            if token is None or caller is None:
                token, caller, told = await self._greeted(socket, request)
                after = told if told is not None else after
            if request.transport is None:
                raise ConnectionResetError("the client left before its stream began")
            stream = Stream(self.api, self.pace, self._frames, socket, request.transport, writer, caller, token)
            await self._counted(stream, after)
        except Close as close:
            await self._close(socket, request, close.code)
        except EventsGone:
            await self._close(socket, request, 4410)
        except SlowListener:
            await self._close(socket, request, 4429)
        except GatewayError:
            await self._close(socket, request, 1013)
        except ConnectionError:
            log.debug("stream ended with an error", extra={"action": "events.broken_off"})  # the client is gone, and will be back
        except Exception:  # the rim: the client comes back, and the log says why it had to
            log.exception("stream failed", extra={"action": "events.failed"})
            await self._close(socket, request, 1011)
        finally:
            self._open.discard(socket)
        return socket

    async def drain(self) -> None:
        """Close all streams and take no more: their clients come back elsewhere."""
        self._draining = True
        farewells = [socket.close(code=1001, message=CLOSES[1001].encode()) for socket in tuple(self._open)]
        await asyncio.gather(*farewells, return_exceptions=True)

    def _token_beforehand(self, request: web.Request) -> str | None:
        if self._draining:
            raise Problem("unavailable", CLOSES[1001], headers={"Retry-After": "1"})
        if "Authorization" in request.headers:
            return token_of_header(request.headers.getall("Authorization"))
        return token_of_subprotocols(request)

    def _caller(self, token: str, request: web.Request) -> Caller:
        caller = self.api.doorkeeper.caller_of_token(token, self.api.address_of(request))
        self.api.count(caller)
        return caller

    async def _greeted(self, socket: web.WebSocketResponse, request: web.Request) -> tuple[str, Caller, int | None]:
        with _one_more(self._strange, self.api.address_of(request)):
            hello = await self._hello(socket)
        try:
            return hello.token, self._caller(hello.token, request), hello.after
        except Problem as problem:
            raise Close(4429 if problem.status == 429 else 4401) from None

    async def _hello(self, socket: web.WebSocketResponse) -> HelloFrame:
        try:
            message = await socket.receive(timeout=self.pace.hello)
        except TimeoutError:
            raise Close(4408) from None
        if message.type is not WSMsgType.TEXT:
            raise Close(4400)
        try:
            return HelloFrame.model_validate_json(message.data, strict=True)
        except ValidationError:
            raise Close(4400) from None

    async def _counted(self, stream: Stream, after: int | None) -> None:
        """Run it, while the broker knows that this rep is there (L5)."""
        caller, broker, open_now = stream.caller, self.api.broker, self.api.metrics.event_streams
        key = (caller.org, caller.login)
        if self._per_caller[key] >= self.api.limits.streams_per_caller:
            raise Close(4429)
        # No context managers: each would take half a kilobyte for as long as the stream is open.
        self._per_caller[key] += 1
        self._running.add(stream)
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name="events-beats")
        open_now.inc()
        try:
            await broker.connected(caller)
            await stream.run(after)
        finally:
            open_now.dec()
            self._running.discard(stream)
            if not self._running and self._beating is not None:
                self._beating.cancel()
                self._beating = None
            _one_fewer(self._per_caller, key)
            # Shielded: a cancelled stream must still be counted off, or the rep would appear connected for ever.
            await asyncio.shield(broker.disconnected(caller))

    async def _beat(self) -> None:
        # One timer for all streams: of its own, each would take half a kilobyte.
        while True:
            await asyncio.sleep(self.pace.heartbeat / 10)
            now = asyncio.get_running_loop().time()
            for stream in self._running:
                stream.beat(now)

    async def _close(self, socket: web.WebSocketResponse, request: web.Request, code: int) -> None:
        self.api.metrics.event_streams_cut.labels(str(code)).inc()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self.pace.farewell):
                await socket.close(code=code, message=CLOSES[code].encode())
        # Whoever doesn't read doesn't get the close frame either, and would hold the connection open.
        if request.transport and request.transport.get_write_buffer_size():
            request.transport.abort()


@contextlib.contextmanager
def _one_more(counter: Counter[K], key: K) -> Iterator[None]:
    """Counted while it lasts; what is at zero is forgotten."""
    counter[key] += 1
    try:
        yield
    finally:
        _one_fewer(counter, key)


def _one_fewer(counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
