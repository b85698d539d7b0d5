"""Real processes of the gateway: started as users start them, stopped by signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chosen import demo_options
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BYOC = (sys.executable, "-m", "gateway.cli")
# Python starts no faster than this on a machine that does other things, too.
_START_SECONDS = 60.0


@dataclass
class Process:
    """One start of a program. `started_in` are the seconds from start to its first readiness line."""

    command: Sequence[str]
    process: asyncio.subprocess.Process
    started_in: float = 0.0
    said: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def kill(self) -> None:
        """As a power cut does to a process."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def terminate(self, deadline: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.exit_code(deadline)

    async def exit_code(self, deadline: float = 30.0) -> int:
        """Once it is over."""
        async with asyncio.timeout(deadline):
            return await self.process.wait()

    async def _until_it_says(self, word: str) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.said.append(line.rstrip())
            if word in line:
                return
        raise AssertionError(f"{' '.join(self.command)} ended with {await self.process.wait()}: {self.said}")


async def start(*command: str, ready: str, log: Path, environment: dict[str, str] | None = None) -> Process:
    """Start it and wait until it says the word `ready`. What it writes to stderr is appended to `log`."""
    with log.open("ab") as errors:
        begun = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
    made = Process(command, process)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await made._until_it_says(ready)
    except BaseException:
        await made.kill()
        raise
    made.started_in = time.monotonic() - begun
    return made


@dataclass
class Demo:
    """`byoc demo` on one port and one folder, started again and again."""

    port: int
    data_dir: Path
    command: tuple[str, ...] = (*BYOC, "demo")
    starts: list[Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What all its starts wrote to stderr."""
        return self.data_dir.with_suffix(".log")

    @property
    def now(self) -> Process:
        """The start that runs, or ran last."""
        return self.starts[-1]

    async def start(self, **environment: str) -> Process:
        """Once more, on the same port and folder."""
        options = ("--port", str(self.port), "--data", str(self.data_dir), *demo_options(self.data_dir))
        self.starts.append(await start(*self.command, *options, ready="Stop with Ctrl-C", log=self.log, environment=environment))
        return self.now


@asynccontextmanager
async def demo_process(
    data_dir: Path, *, command: tuple[str, ...] = (*BYOC, "demo"), environment: Mapping[str, str] | None = None
) -> AsyncIterator[Demo]:
    """A demo that was started; whatever still runs at the end is killed."""
    made = Demo(free_port(), data_dir, command)
    try:
        await made.start(**(environment or {}))
        yield made
    finally:
        for one in made.starts:
            if one.running:
                await one.kill()


@dataclass(frozen=True)
class Finished:
    """A command that ran to its end."""

    code: int
    out: str
    err: str


async def run(*command: str, environment: dict[str, str] | None = None, deadline: float = 60.0) -> Finished:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(deadline):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def byoc(*arguments: str, environment: dict[str, str] | None = None, deadline: float = 60.0) -> Finished:
    """`byoc …`."""
    return await run(*BYOC, *arguments, environment=environment, deadline=deadline)
