"""One event stream: its own frames, its times, and its three tasks (events out, pings in, heartbeats)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType, web

from gateway.brokers.contract import Caller
from gateway.edge.api.event_shapes import event_of
from gateway.edge.api.serving import Api

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


@dataclass(slots=True)
class Stream:
    """One stream of one caller: three tasks, of which the first to end ends the others."""

    api: Api
    pace: Pace
    socket: web.WebSocketResponse
    caller: Caller
    token: str

    async def run(self, after: int | None) -> None:
        """Until the client leaves. Raises Close, EventsGone, GatewayError."""
        # The position is read before `hello`: what happens between the two is then delivered, not missed.
        begin = after if after is not None else await self.api.broker.position(self.caller)
        await self._write(frame("hello", begin, {"login": self.caller.login, "heartbeat_seconds": self.pace.heartbeat}))
        jobs = {"forward": self._forward(begin), "listen": self._listen(), "beat": self._beat()}
        tasks = [asyncio.create_task(job, name=f"events-{name}-{self.caller.login}") for name, job in jobs.items()]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            # Awaited so that no task writes to the socket after its stream has ended.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, after: int) -> None:
        events = self.api.broker.events(self.caller, after)
        async for event in events:
            await self._write(event_of(event, self.caller, self.api.directory).model_dump_json())

    async def _listen(self) -> None:
        async for message in self.socket:
            if not _is_ping(message):
                raise Close(4400)
            await self._write(frame("pong", None, {}))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.pace.heartbeat)
            # Tokens expire and rights change while a stream is open, and no event says so.
            caller = self.api.directory.caller_of(self.token, self.api.now())
            if caller != self.caller:
                raise Close(4401 if caller is None else 4409)
            await self._write(frame("heartbeat", None, {}))

    async def _write(self, text: str) -> None:
        try:
            # A reader that doesn't keep up must not hold events in memory: it is cut off, and resumes by number.
            async with asyncio.timeout(self.pace.write):
                await self.socket.send_str(text)
        except TimeoutError:
            raise Close(4429) from None


def frame(type: str, id: int | None, data: dict[str, Any]) -> str:
    """A frame of the stream's own."""
    return json.dumps({"type": type, "id": id, "session_id": None, "data": data})


def _is_ping(message: WSMessage) -> bool:
    """`{"type": "ping"}`: how a page asks whether the stream lives."""
    if message.type is not WSMsgType.TEXT:
        return False
    try:
        return bool(json.loads(message.data) == {"type": "ping"})
    except (ValueError, RecursionError):
        return False
