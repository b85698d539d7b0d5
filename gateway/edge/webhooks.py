"""The doors for providers: `/webhooks/{channel_id}` and below. Raw bytes, limits, verify, store, 200; all else comes later.

This is the hot road: no middleware, no JSON, no model, and no task, future or response for a request. A `Connection` stands before aiohttp. A webhook whose
head is as most are, it cuts out of the stream, has it verified and kept, and answers it. At anything else the connection goes over to aiohttp for good, with
every byte that isn't answered, as if nothing had stood there. It cuts only what one pattern describes, so no request can be read in two ways.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Container, Mapping
from functools import partial
from time import perf_counter
from typing import Final, Protocol, cast

from aiohttp import web

from adapters.contract import Answer, RawRequest
from adapters.errors import NotAuthentic
from gateway.clock import Clock
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.edge.webhook_answers import Answers, bytes_of, response_of
from gateway.errors import PutOff
from gateway.metrics import Metrics

# A path of unreserved characters (RFC 3986, 2.3) needs no decoding. The sizes are within what aiohttp takes.
_HEAD: Final = re.compile(
    rb"POST (/webhooks/([\w.~-]+)((?:/[\w.~-]*+)*+)) HTTP/1\.1\r\n((?:[\w-]++:[\t -~\x80-\xff]*+\r\n){1,128}+)\r\n"
)
_BEGINNING: Final = b"POST /webhooks/"
_LONGEST_HEAD: Final = 8_190
_MOST_OF_A_HANDSHAKE: Final = 65_536  # bytes of a body; no adapter's setup call has so many
_LENGTH: Final = re.compile("[0-9]{1,9}")
_NOT_HERE: Final = frozenset({"transfer-encoding", "expect", "upgrade"})  # they change how a request ends, or what follows it

Done = Callable[[Exception | None], None]


class Store(Protocol):
    """Where raw requests are kept."""

    def put(self, channel_id: str, request: RawRequest, done: Done) -> None:
        """`done(None)` when it is on disk, `done(error)` when it isn't kept; on this loop."""
        ...


async def put(store: Store, channel_id: str, request: RawRequest) -> None:
    """As the store's `put`, to be waited for. Raises what prevented it."""
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: Exception | None) -> None:
        if not waiting.done():  # who waited is gone
            waiting.set_result(None) if error is None else waiting.set_exception(error)

    store.put(channel_id, request, done)
    await waiting


class Webhooks:
    """What every webhook passes, whichever way it came."""

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
        refusing: Container[str] = (),
    ) -> None:
        """`refusing`: the channels whose webhooks are put off just now; it changes while we look at it."""
        self._refusing = refusing
        self.channels, self._store, self._bell, self.metrics, self.clock = channels, store, bell, metrics, clock
        self.public_url, self.max_bytes, self.read_seconds = public_url, max_bytes, read_seconds
        self.answers = Answers(metrics, max_bytes=max_bytes, read_seconds=read_seconds)
        self._accepted = {key: metrics.webhooks.labels(key, "accepted") for key in channels}

    def admit(self, channel: Channel, raw: RawRequest) -> Answer | None:
        """The answer to a setup call; None: it is genuine, and to be kept. Raises NotAuthentic, PutOff."""
        adapter = channel.adapter
        answer = adapter.handshake(raw, channel.account)
        if answer is not None:
            self.metrics.webhook(channel.id, "handshake")
            return answer
        if raw.method not in adapter.methods:
            raise NotAuthentic(f"{raw.method} is not a method that this provider uses", status=403)
        if channel.id in self._refusing:
            raise PutOff
        # Verified before it is stored, and stored before the 200: the provider resends what it got no 200 for.
        adapter.verify(raw, channel.account, raw.received_at)
        return None

    def most_bytes(self, channel: Channel) -> int:
        """So long a body is read. Of a channel that puts webhooks off, only what may be a setup call."""
        return min(self.max_bytes, _MOST_OF_A_HANDSHAKE) if channel.id in self._refusing else self.max_bytes

    def keep(self, channel: Channel, raw: RawRequest, done: Done) -> None:
        """As the store's `put`."""
        self._store.put(channel.id, raw, done)

    def kept(self, channel: Channel) -> None:
        """To be called for each webhook that is on disk."""
        self._bell.ring(inbox_topic(channel.id))
        self._accepted[channel.id].inc()

    async def accept(self, channel_id: str, raw: RawRequest) -> Answer:
        """One webhook that didn't come by a `Connection`. Raises NotAuthentic, PutOff, StoreUnavailable."""
        channel = self.channels[channel_id]
        answer = self.admit(channel, raw)
        if answer is not None:
            return answer
        await put(self._store, channel_id, raw)
        self.kept(channel)
        return channel.adapter.accepted


class Front:
    """Makes a `Connection` for each that is opened. `behind` makes aiohttp's protocol for those that go over to it."""

    def __init__(self, webhooks: Webhooks, behind: Callable[[], web.RequestHandler], *, keepalive_seconds: float) -> None:
        self.webhooks, self.behind, self.keepalive_seconds = webhooks, behind, keepalive_seconds
        self.connections: set[Connection] = set()
        self.stopping = False
        self.empty = asyncio.Event()

    def __call__(self) -> Connection:
        """See `loop.create_server`."""
        return Connection(self)

    async def stop(self, seconds: float) -> None:
        """Close what is idle. Webhooks that have begun to arrive are answered, and have so long for it."""
        await asyncio.sleep(0)  # what has arrived is looked at
        self.stopping = True
        for connection in tuple(self.connections):
            connection.close_if_idle()
        try:
            async with asyncio.timeout(seconds):
                while self.connections:
                    self.empty.clear()
                    await self.empty.wait()
        except TimeoutError:
            for connection in tuple(self.connections):
                connection.abort()


class Connection(asyncio.Protocol):
    """One on which nothing but webhooks has arrived yet. Each is answered before the next is looked at: until then what arrives is held, and no more is
    read. It is held, too, while a request isn't whole."""

    _transport: asyncio.Transport
    _idle: asyncio.TimerHandle

    def __init__(self, front: Front) -> None:
        self._front, self._webhooks, self._loop = front, front.webhooks, asyncio.get_running_loop()
        self._held: list[bytes] = []  # has arrived, and waits
        self._size, self._enough = 0, 0  # of what is held, and how much of it is worth a look
        self._slow: asyncio.TimerHandle | None = None  # while the rest of a body is awaited
        self._busy = False  # a webhook is being kept
        self._choked = False  # the other side doesn't read its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio, as for the others."""
        self._transport = cast("asyncio.Transport", transport)
        self._front.connections.add(self)
        self._idle_at = self._loop.time() + self._front.keepalive_seconds
        self._idle = self._loop.call_at(self._idle_at, self._look_if_idle)
        if self._front.stopping:
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Perhaps while a webhook is being kept. It is kept all the same."""
        self._held.clear()
        self._leave()

    def pause_writing(self) -> None:
        """Too many answers are unread."""
        self._choked = True

    def resume_writing(self) -> None:
        """They are read."""
        self._choked = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Some bytes of the stream: a part of a request, or several."""
        if self._held or self._busy or self._choked:
            self._held.append(data)
            self._size += len(data)
            self._go_on()
        else:
            self._look_at(data)

    def _go_on(self) -> None:
        """With what is held, when it is time."""
        if not self._held or self._transport.is_closing():
            return
        if self._busy or self._choked:
            self._transport.pause_reading()  # no more is held than had been read
            return
        self._transport.resume_reading()
        if self._size >= self._enough:
            data = b"".join(self._held)
            self._held, self._size, self._enough = [], 0, 0
            self._look_at(data)

    def _look_at(self, data: bytes) -> None:
        while data and len(data) >= self._enough and not self._busy and not self._choked:
            data = self._begin(data)
        if data:
            self._held, self._size = [data], len(data)

    def _begin(self, data: bytes) -> bytes:
        """Begin with the request at the start of `data`; what is left of them."""
        if self._transport.is_closing():
            return b""
        begun, webhooks = perf_counter(), self._webhooks
        head = _HEAD.match(data, 0, _LONGEST_HEAD)
        if head is None and _is_part_of_a_head(data):
            self._enough = len(data) + 1
            return data
        channel = head and webhooks.channels.get(head[2].decode())
        headers = head and _headers(head[4])
        if head is None or channel is None or headers is None:
            return self._hand_over(data)
        start = head.end()
        end = start + int(headers["content-length"])
        if end - start > webhooks.most_bytes(channel):
            return self._hand_over(data)
        if len(data) < end:
            self._enough = end
            self._slow = self._slow or self._loop.call_later(webhooks.read_seconds, self._too_slow, channel)
            return data
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        raw = RawRequest(
            method="POST",
            url=webhooks.public_url + head[1].decode(),
            path=head[3].decode(),
            query=(),
            headers=headers,
            body=data[start:end],
            received_at=webhooks.clock(),
        )
        self._take(channel, raw, begun)
        return data[end:]

    def _take(self, channel: Channel, raw: RawRequest, begun: float) -> None:
        webhooks = self._webhooks
        self._busy = True
        try:
            answer = webhooks.admit(channel, raw)
            if answer is None:
                webhooks.keep(channel, raw, partial(self._kept, channel, begun))
        except PutOff:
            self._answer(webhooks.answers.put_off(channel))
        except Exception as error:
            self._answer(bytes_of(webhooks.answers.refused(channel, error)))
        else:
            if answer is not None:
                webhooks.metrics.webhook_seconds.note(channel.id, perf_counter() - begun)
                self._answer(bytes_of(response_of(answer)))

    def _kept(self, channel: Channel, begun: float, error: Exception | None) -> None:
        webhooks = self._webhooks
        if error is None:
            webhooks.kept(channel)
            webhooks.metrics.webhook_seconds.note(channel.id, perf_counter() - begun)
            self._answer(webhooks.answers.accepted(channel))
        else:
            self._answer(bytes_of(webhooks.answers.refused(channel, error)))
        if self._held:
            self._loop.call_soon(self._go_on)  # the others of this commit are answered first

    def _answer(self, answer: bytes) -> None:
        self._busy = False
        self._idle_at = self._loop.time() + self._front.keepalive_seconds
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if self._front.stopping:
            self._transport.close()

    def _too_slow(self, channel: Channel) -> None:
        response = self._webhooks.answers.refused(channel, self._webhooks.answers.too_slow())
        response.headers["Connection"] = "close"
        self._answer(bytes_of(response))
        self._transport.close()

    # ------------------------------------------------------------------------------------------ the end of it

    def _hand_over(self, data: bytes) -> bytes:
        """To aiohttp, for good."""
        self._leave()
        behind = self._front.behind()
        self._transport.set_protocol(behind)
        behind.connection_made(self._transport)
        behind.data_received(data)
        return b""

    def close_if_idle(self) -> None:
        """Unless a webhook is here, or a part of its body."""
        if not self._busy and self._slow is None:
            self._transport.close()

    def abort(self) -> None:
        """Without another word."""
        self._transport.abort()

    def _look_if_idle(self) -> None:
        if not self._busy and self._slow is None and self._loop.time() >= self._idle_at:
            self.abort()
        else:
            self._idle = self._loop.call_at(max(self._idle_at, self._loop.time() + 1), self._look_if_idle)

    def _leave(self) -> None:
        self._front.connections.discard(self)
        self._front.empty.set()
        self._idle.cancel()
        if self._slow is not None:
            self._slow.cancel()


def _is_part_of_a_head(data: bytes) -> bool:
    return len(data) < _LONGEST_HEAD and b"\r\n\r\n" not in data and data[: len(_BEGINNING)] == _BEGINNING[: len(data)]


def _headers(lines: bytes) -> dict[str, str] | None:
    """By lower-case name; None when it takes aiohttp to say what they mean."""
    headers: dict[str, str] = {}
    for line in lines[:-2].decode("utf-8", "surrogateescape").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    if (
        len(headers) != lines.count(b"\r\n")  # a name comes twice
        or "host" not in headers
        or not _LENGTH.fullmatch(headers.get("content-length", ""))
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
        or not _NOT_HERE.isdisjoint(headers)
    ):
        return None
    return headers
