"""The edge process: nothing but the doors for webhooks, and the inbox that they are kept in. Started by `gateway.processes.starting`, never by hand.

It ends when its core hangs up, however that comes about: a core that was killed leaves no edge behind. Signals are the core's to obey, so a Ctrl-C that reaches
both, or a supervisor that stops all processes of a service, finds the edge still answering until the core says that it is time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from adapters.contract import RawRequest
from gateway import clock, config, garbage, logs, loops
from gateway.edge.doors import Doors
from gateway.edge.pressure import Pressure
from gateway.edge.webhook_route import WebhookRoute
from gateway.edge.webhooks import Webhooks, put
from gateway.metrics import Metrics
from gateway.processes.line import Line
from gateway.store.inbox import SqliteInbox

_LAST_SECONDS: Final = 1.0  # for what is being answered when the core is gone


class _Ringing:
    """Tells the core of what was kept: once for each turn of the loop, however many webhooks that brought."""

    def __init__(self, edge: _Edge) -> None:
        self._edge, self._due = edge, False

    def ring(self, topic: str) -> None:
        """See `Doorbell`. Only the inbox is heard of here."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._tell)

    wake = ring

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """See `Doorbell`. Nobody waits here: the receiver is in the core."""
        raise NotImplementedError

    def _tell(self) -> None:
        self._due = False
        self._edge.tell_what_is_kept()


class _Edge:
    """What the core may ask for, by name (`do_…`)."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._metrics = Metrics()
        self._doors: Doors | None = None
        self._pressing: asyncio.Task[None]
        self.inbox: SqliteInbox
        self.line: Line

    async def answer(self, what: str, given: list[Any], body: bytes) -> Any:
        """See `Line`."""
        return await getattr(self, f"do_{what}")(*given, *([body] if body else []))

    async def do_start(self, text: str, name: str) -> None:
        """Read the config, open the inbox, and answer webhooks."""
        loaded = config.loads(text, name=name, environment=os.environ)
        channels, limits = loaded.channels, loaded.config.limits
        logs.set_up(loaded.config.log_level, logs.secrets_of(loaded.config, *(c.account for c in channels.values())))
        self.inbox = SqliteInbox(loaded.config.data_dir, clock.now)
        await self.inbox.open()
        pressure = Pressure(channels, self.inbox, backlog_seconds=limits.backlog_seconds)
        self._pressing = asyncio.create_task(pressure.run(), name="pressure")
        webhooks = Webhooks(
            channels,
            self.inbox,
            _Ringing(self),
            self._metrics,
            clock.now,
            public_url=loaded.config.public_url,
            max_bytes=limits.webhook_max_bytes,
            read_seconds=limits.webhook_read_seconds,
            refusing=pressure,
        )
        app = web.Application(client_max_size=limits.webhook_max_bytes)
        WebhookRoute(webhooks).install(app)
        self._doors = Doors(app, webhooks, grace_seconds=limits.grace_seconds / 2)
        await self._doors.open(self._sock)
        garbage.look_seldom()

    async def do_put(self, channel_id: str, given: dict[str, Any], body: bytes = b"") -> None:
        """Keep a webhook that arrived at the core. Raises StoreUnavailable."""
        request = RawRequest(
            method=given["method"],
            url=given["url"],
            path=given["path"],
            query=tuple((name, value) for name, value in given["query"]),
            headers=given["headers"],
            body=body,
            received_at=datetime.fromtimestamp(given["at"], UTC),
        )
        await put(self.inbox, channel_id, request)
        self.tell_what_is_kept()

    async def do_ready(self) -> None:
        """Raises StoreUnavailable when nothing can be made durable."""
        await self.inbox.ready()

    async def do_dealt_with(self, channel_id: str, done_to: int) -> None:
        """The core has dealt with the channel's webhooks up to this id."""
        self.inbox.dealt_with_elsewhere(channel_id, done_to)

    async def do_counted(self) -> dict[str, Any]:
        """What was counted since the last time."""
        return self._metrics.webhooks_taken()

    async def do_stop(self) -> None:
        """Answer what has begun to arrive, and take no more."""
        if self._doors is not None:
            await self._doors.close()

    def tell_what_is_kept(self) -> None:
        """To the receiver, in the core."""
        self.line.tell("kept", self.inbox.newest())

    async def end(self) -> None:
        """The core is gone, or wants us to be."""
        if self._doors is not None:
            self._pressing.cancel()
            await self._doors.close(most_seconds=_LAST_SECONDS)
            await self.inbox.close()


async def _run(line: int, listening: int) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: None)
    edge = _Edge(socket.socket(fileno=listening))
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=line))
    edge.line = Line(reader, writer, edge.answer)
    try:
        await edge.line.run()
    finally:
        await edge.end()


def main() -> None:
    """`python -m gateway.processes.edge LINE LISTENING LOCK`: the numbers of what was handed down."""
    line, listening, _ = map(int, sys.argv[1:])  # the lock is held by being open
    loops.run(_run(line, listening))


if __name__ == "__main__":
    main()
