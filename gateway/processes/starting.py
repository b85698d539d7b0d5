"""The core's side of the edge process: starts it, watches it, starts it again, and stops it.

The core binds the socket that webhooks arrive at and hands it down. So a new edge takes up the connections that the system accepted while there was none, and
nobody is refused. The folder's lock is handed down, too: as long as an edge of a dead core still works, no other gateway starts on the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.backoff import backoff
from gateway.config.text import read_file
from gateway.edge.doors import address_of
from gateway.errors import GatewayError, StoreUnavailable
from gateway.processes.line import Line, RefusedThere

_log = logging.getLogger(__name__)
_START_SECONDS: Final = 60.0  # a big file of an older version is brought up to date within it
_STEADY_SECONDS: Final = 60.0  # who ran for so long doesn't fail at every start
_END_SECONDS: Final = 5.0  # to end, once nobody calls any more


@dataclass(frozen=True, slots=True)
class Setup:
    """What the edge is started with: the text of the config and its name. It is the text that the core was started with, so both go by the same config
    even if the file is changed between."""

    text: str
    name: str

    @classmethod
    def read(cls, path: Path) -> Setup:
        """Raises ConfigFaults when the file can't be read."""
        return cls(read_file(path), str(path))


class Edge:
    """See the module. `kept` is called with the ids of the latest webhooks that it has kept, by channel."""

    def __init__(self, setup: Setup, *, grace_seconds: float) -> None:
        self._setup, self._grace = setup, grace_seconds
        self.kept: Callable[[Mapping[str, int]], object] = lambda newest: None
        self.address = ""
        self._sock: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._reason = "the edge process is being started"
        self._stopping = False
        self._watching: asyncio.Task[None] | None = None

    async def start(self, sock: socket.socket, lock: int) -> None:
        """Start it on this socket, and keep it running. Raises GatewayError when it can't be started."""
        self._sock, self._lock = sock, lock
        self.address = address_of(sock)
        process, running = await self._begin()
        self._watching = asyncio.create_task(self._watch(process, running), name="edge process")

    async def stop(self) -> None:
        """Let it answer what has begun to arrive, and keep it for the inbox, within the grace time; `end` ends it."""
        self._stopping = True
        with contextlib.suppress(StoreUnavailable, RefusedThere, TimeoutError):
            async with asyncio.timeout(self._grace):
                await self.call("stop")

    async def end(self) -> None:
        """It closes the inbox and is gone. One that doesn't come to an end in time is killed, which loses nothing that was answered."""
        self._stopping = True
        if self._line is not None:
            self._line.hang_up()
        elif self._process is not None:
            self._process.kill()  # it is being started, and answers nothing yet
        if self._watching is not None:
            try:
                async with asyncio.timeout(self._grace + _END_SECONDS):
                    await asyncio.shield(self._watching)
            except TimeoutError:
                if self._process is not None:
                    self._process.kill()
                await self._watching
        if self._sock is not None:
            self._sock.close()

    async def call(self, what: str, *given: Any, body: bytes = b"") -> Any:
        """Have it do something. Raises StoreUnavailable, RefusedThere."""
        if self._line is None:
            raise StoreUnavailable(self._reason)
        return await self._line.call(what, *given, body=body)

    def tell(self, what: str, *given: Any) -> None:
        """As `call`, without waiting. An edge that isn't there hears of it when it is started: it reads the file."""
        if self._line is not None:
            self._line.tell(what, *given)

    async def _answer(self, what: str, given: list[Any], body: bytes) -> None:
        """See `Line`: all that the edge ever says."""
        self.kept(*given)

    async def _begin(self) -> tuple[subprocess.Popen[bytes], asyncio.Task[None]]:
        assert self._sock is not None  # noqa: S101
        ours, theirs = socket.socketpair()
        handed = (theirs.fileno(), self._sock.fileno(), self._lock)
        command = [sys.executable, "-m", "gateway.processes.edge", *map(str, handed)]
        with theirs:
            process = self._process = await asyncio.to_thread(subprocess.Popen, command, pass_fds=handed)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        line = Line(reader, writer, self._answer)
        running = asyncio.create_task(line.run(), name="edge line")
        try:
            async with asyncio.timeout(_START_SECONDS):
                await line.call("start", self._setup.text, self._setup.name)
        except (StoreUnavailable, RefusedThere, TimeoutError) as error:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise GatewayError(f"the edge process could not be started: {str(error) or 'it took too long'}") from error
        self._line = line
        return process, running

    async def _watch(self, process: subprocess.Popen[bytes], running: asyncio.Task[None]) -> None:
        """Until it ends while we stop."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            await running
            self._line = None
            code = await self._ended(process)
            if self._stopping:
                return
            failures = 1 if loop.time() - began > _STEADY_SECONDS else failures + 1
            self._reason = f"the edge process ended ({code}) and is started again"
            _log.error("%s", self._reason, extra={"action": "edge.ended", "code": code})
            again = await self._again(failures)
            if again is None:
                return
            process, running = again

    async def _again(self, failures: int) -> tuple[subprocess.Popen[bytes], asyncio.Task[None]] | None:
        while not self._stopping:
            await asyncio.sleep(backoff(failures, first_seconds=0.05, most_seconds=5))
            try:
                started = await self._begin()
            except (GatewayError, OSError) as error:
                failures += 1
                self._reason = str(error)
                _log.error("%s", error, extra={"action": "edge.not_started"})
            else:
                _log.warning("the edge process was started again", extra={"action": "edge.started"})
                if self._stopping and self._line is not None:  # `end` found none to hang up on
                    self._line.hang_up()
                return started
        return None

    async def _ended(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit code, once it has it. What it still does after hanging up takes a second or two."""
        try:
            return await asyncio.to_thread(process.wait, _END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return await asyncio.to_thread(process.wait)
