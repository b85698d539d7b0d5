"""A link between two processes that can be slow, silent or cut: a TCP proxy. Run by itself it is as slow as it is told: `python -m tests.proxy --to 127.0.0.1:5432 --milliseconds 1`."""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast


class _Side(asyncio.Protocol):
    """What arrives at one end goes out at the other, after the delay and in order."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._waiting: deque[tuple[float, bytes | None]] = deque()  # when it goes out; None: the end
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.link.sides.add(self)

    def data_received(self, data: bytes) -> None:
        self._pass_on(data)

    def eof_received(self) -> bool:
        self._pass_on(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.sides.discard(self)
        self._pass_on(None)

    def pause_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def _pass_on(self, data: bytes | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + self.link.delay_seconds, data))
        if self._timer is None:
            self.let_go()

    def let_go(self) -> None:
        """What is due, unless the link is silent."""
        self._timer = None
        if self.link.silent or self.other is None or self.other.transport is None:
            return
        loop = asyncio.get_running_loop()
        while self._waiting:
            due, data = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self.let_go)
                return
            self._waiting.popleft()
            if data is None:
                self.other.transport.close()
            elif not self.other.transport.is_closing():
                self.other.transport.write(data)


class Link:
    """To a port of this machine. Its methods may be called from any thread."""

    def __init__(self, to_port: int, delay_seconds: float = 0.0, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._to = to_port
        self.delay_seconds = delay_seconds
        self.silent = self._refusing = False
        self.sides: set[_Side] = set()
        self.port = 0
        self._loop = loop or asyncio.new_event_loop()
        self._opening: set[asyncio.Task[None]] = set()

    async def serve(self, port: int = 0) -> asyncio.Server:
        """Listen."""
        server = await asyncio.get_running_loop().create_server(self._accepted, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _accepted(self) -> _Side:
        near = _Side(self)
        task = asyncio.get_running_loop().create_task(self._connect(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return near

    async def _connect(self, near: _Side) -> None:
        while self.silent or near.transport is None:  # noqa: ASYNC110 - other threads make it silent
            await asyncio.sleep(0.01)
        try:
            if self._refusing:
                raise ConnectionRefusedError
            _, far = await asyncio.get_running_loop().create_connection(lambda: _Side(self), "127.0.0.1", self._to)
        except OSError:
            near.transport.abort()
            return
        near.other, far.other = far, near
        near.let_go()

    def cut(self, *, silently: bool) -> None:
        """Silently, nobody hears of it: what is sent goes nowhere until `restore`. Else connections break, and new ones are refused."""

        def do() -> None:
            self.silent, self._refusing = silently, not silently
            if not silently:
                for side in list(self.sides):
                    if side.transport:
                        side.transport.abort()

        self._loop.call_soon_threadsafe(do)

    def restore(self) -> None:
        """As before."""

        def do() -> None:
            self.silent = self._refusing = False
            for side in list(self.sides):
                side.let_go()

        self._loop.call_soon_threadsafe(do)


@contextmanager
def link(to_port: int, delay_seconds: float = 0.0) -> Iterator[Link]:
    """One in a thread of its own."""
    one = Link(to_port, delay_seconds)
    ready = threading.Event()
    serving: list[asyncio.Task[None]] = []

    async def run() -> None:
        server = await one.serve()
        ready.set()
        async with server:
            await asyncio.get_running_loop().create_future()

    def thread() -> None:
        asyncio.set_event_loop(one._loop)
        serving.append(one._loop.create_task(run()))
        with suppress(asyncio.CancelledError):
            one._loop.run_until_complete(serving[0])
        for side in list(one.sides):
            if side.transport:
                side.transport.abort()
        one._loop.run_until_complete(asyncio.sleep(0.01))
        for task in one._opening:
            task.cancel()
        one._loop.run_until_complete(asyncio.gather(*one._opening, return_exceptions=True))
        one._loop.close()

    worker = threading.Thread(target=thread, name="link", daemon=True)
    worker.start()
    ready.wait(10)
    try:
        yield one
    finally:
        one._loop.call_soon_threadsafe(lambda: serving[0].cancel())
        worker.join(10)


async def _alone(to_port: int, port: int, milliseconds: float) -> None:
    one = Link(to_port, milliseconds / 1000, asyncio.get_running_loop())
    server = await one.serve(port)
    print(one.port, flush=True)  # noqa: T201
    async with server:
        await server.serve_forever()


def main() -> None:
    """Until it is stopped. Prints the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--milliseconds", type=float, default=0.0, help="in each direction")
    told = parser.parse_args()
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        runner = asyncio.run
    runner(_alone(int(told.to.rpartition(":")[2]), told.port, told.milliseconds))


if __name__ == "__main__":
    main()
