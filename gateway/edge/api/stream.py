"""One event stream: its own frames, its times, and its two tasks (events out, pings in)."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiohttp import WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from gateway.brokers.contract import Caller, Directory, Event
from gateway.edge.api.event_shapes import event_of
from gateway.edge.api.serving import Api

_LITTLE: Final = 16 * 1024  # less than a transport lets wait before it says so
_AT_ONCE: Final = 32  # frames

# Close codes: 4000-4999 are the application's own (RFC 6455, 7.4.2). Texts may have 123 bytes.
CLOSES: Final[dict[int, str]] = {
    1001: "The gateway is shutting down; reconnect with ?after=.",
    1011: "The gateway failed; reconnect with ?after=.",
    1013: "The gateway can't work now; reconnect with ?after= in a moment.",
    4400: "The frame is not valid.",
    4401: "The token is missing or not valid; send a valid one.",
    4408: "No hello frame arrived in time.",
    4409: "Your rights have changed; reconnect with ?after=.",
    4410: "Events after that number are no longer kept; reload the state, then connect without ?after=.",
    4429: "You read too slowly, or have too many open streams; reconnect with ?after=.",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a stream, in seconds.

    `heartbeat`: how often a stream shows that it lives (a ping for programs, a frame for pages, which see no pings), and looks whether its
    token is still good. `write` is shorter, so that a reader that is too slow is told so before it is taken for dead.
    """

    hello: float = 10
    heartbeat: float = 20
    write: float = 15
    farewell: float = 5


class Close(Exception):
    """The stream ends here, with a code of `CLOSES`."""

    def __init__(self, code: int) -> None:
        super().__init__(CLOSES[code])
        self.code = code


class _Left(Exception):
    """The client has."""


@dataclass(slots=True)
class Frames:
    """The bytes of events' frames, each made once for all who are given the same event."""

    directory: Directory
    _made: WeakKeyDictionary[Event, bytes] = field(default_factory=WeakKeyDictionary)

    def of(self, event: Event, caller: Caller) -> bytes:
        """The event's."""
        made = self._made.get(event)
        if made is None:
            made = self._made[event] = wire(event_of(event, caller, self.directory).model_dump_json())
        return made


@dataclass(slots=True, eq=False)
class Stream:
    """One stream of one caller. It listens in the task that it is run in, and gives events out in another; `beat` is called for all streams by one timer."""

    api: Api
    pace: Pace
    frames: Frames
    socket: web.WebSocketResponse
    transport: asyncio.WriteTransport
    writer: AbstractStreamWriter
    caller: Caller
    token: str
    _tasks: asyncio.TaskGroup | None = None  # while none of them has ended
    _beats_at: float = 0.0

    async def run(self, after: int | None) -> None:
        """Until the client leaves. Raises Close, EventsGone, GatewayError."""
        # The position is read before `hello`: what happens between the two is then delivered, not missed.
        begin = after if after is not None else await self.api.broker.position(self.caller)
        await self._write(frame("hello", begin, {"login": self.caller.login, "heartbeat_seconds": self.pace.heartbeat}))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forward(begin), name="events-forward")
                self._tasks, self._beats_at = tasks, asyncio.get_running_loop().time() + self.pace.heartbeat
                try:
                    async for message in self.socket:
                        if not _is_ping(message):
                            raise Close(4400)
                        await self._write(frame("pong", None, {}))
                    raise _Left
                finally:
                    self._tasks = None
        except BaseExceptionGroup as ended:
            # The first to end has ended the others.
            if not isinstance(ended.exceptions[0], _Left):
                raise ended.exceptions[0] from None

    def beat(self, now: float) -> None:
        """Show that it lives, once in a heartbeat. `now` is the loop's time."""
        if self._tasks is not None and now >= self._beats_at:
            self._beats_at = now + self.pace.heartbeat
            self._tasks.create_task(self._beat(), name="events-beat")

    async def _forward(self, after: int) -> None:
        try:
            async for events in self.api.broker.events(self.caller, after):
                for begin in range(0, len(events), _AT_ONCE):
                    await self._write(*(self.frames.of(event, self.caller) for event in events[begin : begin + _AT_ONCE]))
        finally:
            self._tasks = None

    async def _beat(self) -> None:
        # Tokens expire and rights change while a stream is open, and no event says so.
        caller = self.api.directory.caller_of(self.token, self.api.now())
        try:
            if caller != self.caller:
                raise Close(4401 if caller is None else 4409)
            await self._write(_HEARTBEAT)
        except Exception:
            self._tasks = None
            raise

    async def _write(self, *frames: bytes) -> None:
        # Several go in one call of the kernel, which takes longer than all that we do for a frame.
        if self.socket.closed or self.transport.is_closing():
            raise ConnectionResetError("the stream is closed")
        self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if self.transport.get_write_buffer_size() < _LITTLE:
            return
        try:
            # A reader that doesn't keep up must not hold events in memory: it is cut off, and resumes by number.
            async with asyncio.timeout(self.pace.write):
                await self.writer.drain()
        except TimeoutError:
            raise Close(4429) from None


def wire(text: str) -> bytes:
    """The text as a server's WebSocket frame: whole, neither masked nor compressed (RFC 6455, 5.2)."""
    data = text.encode()
    if len(data) < 126:
        head = struct.pack("!BB", 0x81, len(data))
    elif len(data) < 65_536:
        head = struct.pack("!BBH", 0x81, 126, len(data))
    else:
        head = struct.pack("!BBQ", 0x81, 127, len(data))
    return head + data


def frame(type: str, id: int | None, data: dict[str, Any]) -> bytes:
    """A frame of the stream's own."""
    return wire(json.dumps({"type": type, "id": id, "session_id": None, "data": data}))


_HEARTBEAT: Final = frame("heartbeat", None, {})


def _is_ping(message: WSMessage) -> bool:
    """`{"type": "ping"}`: how a page asks whether the stream lives."""
    if message.type is not WSMsgType.TEXT:
        return False
    try:
        return bool(json.loads(message.data) == {"type": "ping"})
    except (ValueError, RecursionError):
        return False
