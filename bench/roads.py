"""Which files one message passes: from a customer's signed webhook to a desk's event, and from a rep's call to the provider.

    python bench/roads.py [--channel sms] [--functions]

A real gateway runs in this process, with the channel's own simulator as its provider. A conversation is under way: a rep is in it, and her desk listens.
Then one message goes each way.

A file counts when one of its functions has the message in hand, in whatever form: the bytes of a request, an event, a command, an entry, a row, a job that
will write it. So it is the list of files to read for somebody who follows a message. Every thread is watched. What runs besides (clocks, counters, pollers,
rules that don't look at the words) isn't on the road, and neither are modules that only define values.

Counted are the files of `gateway/`, of the channel's folder, and of the folder that it shares with its provider's other channels. What all adapters share
(`adapters/*.py`) is listed, too, and isn't counted.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sqlite3
import sys
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import CellType, FrameType, FunctionType
from typing import Any, Final

import aiohttp
from aiohttp import web
from pydantic import BaseModel

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from adapters import registry  # noqa: E402
from adapters.contract import Action, ProviderCall, RawRequest, Simulator  # noqa: E402
from gateway import config  # noqa: E402
from gateway.app import Gateway  # noqa: E402

_TOKEN: Final = "ana-token"
_SECONDS: Final = 60.0
WORD: Final = "zanzibar"  # what the message says: the same in every encoding
_OURS: Final = (f"{ROOT}/gateway/", f"{ROOT}/adapters/")


class Tracer:
    """Notes which functions of ours hold the message, in this thread and in those that begin later."""

    def __init__(self) -> None:
        self._found: dict[Path, set[str]] | None = None

    def install(self) -> None:
        """Before the threads begin."""
        threading.setprofile(self._event)
        sys.setprofile(self._event)

    @staticmethod
    def remove() -> None:
        """From this thread, and for those that begin later."""
        threading.setprofile(None)
        sys.setprofile(None)

    @contextmanager
    def tracing(self) -> Iterator[dict[Path, set[str]]]:
        """The functions by file, until `stop`."""
        found: dict[Path, set[str]] = {}
        self._found = found
        try:
            yield found
        finally:
            self.stop()

    def stop(self) -> None:
        """The message is there: what follows isn't part of its road."""
        self._found = None

    def _event(self, frame: FrameType, event: str, given: object) -> None:
        found, name = self._found, frame.f_code.co_filename
        if found is None or event not in ("call", "return") or not name.startswith(_OURS):
            return
        if holds([*frame.f_locals.values(), given]):
            found.setdefault(Path(name).relative_to(ROOT), set()).add(frame.f_code.co_qualname.replace(".<locals>", ""))


def holds(value: object, depth: int = 8) -> bool:
    """Whether the message is in this value: a text, bytes, a row, a collection, one of our values, or what a function closes over."""
    if isinstance(value, str):
        return WORD in value
    if isinstance(value, bytes | bytearray):
        return WORD.encode() in value
    return depth > 0 and any(holds(one, depth - 1) for one in _parts(value))


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, list | tuple | set | frozenset | deque | sqlite3.Row):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, BaseModel):
        return vars(value).values()
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, one.name, None) for one in fields(value)]
    return ()


# ------------------------------------------------------------------------------------------------- the two roads


@dataclass
class Road:
    """Files in alphabetical order, each with the functions that hold the message. `kit` isn't counted."""

    gateway: dict[Path, set[str]] = field(default_factory=dict)
    channel: dict[Path, set[str]] = field(default_factory=dict)
    kit: dict[Path, set[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.gateway) + len(self.channel)


def sorted_out(found: dict[Path, set[str]]) -> Road:
    """By the room that each file is in."""
    road = Road()
    for path in sorted(found):
        of_a_channel = len(path.parts) > 2 and path.parts[1] != "simulation"
        part = road.gateway if path.parts[0] == "gateway" else road.channel if of_a_channel else road.kit
        part[path] = found[path]
    return road


class _World:
    """A gateway, its provider, and Ana, who is in a conversation with Kim."""

    def __init__(self, gateway: Gateway, simulator: Simulator, channel: str, address: str) -> None:
        self.tracer = Tracer()
        self.got = asyncio.Event()  # the provider has a call that shows something
        self._gateway, self._simulator, self._channel, self._address = gateway, simulator, channel, address
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._client = aiohttp.ClientSession()

    async def __aenter__(self) -> _World:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._only()
        await self._client.close()

    async def provider(self, request: web.Request) -> web.Response:
        """The simulator, as the gateway calls it."""
        self.tracer.stop()
        raw = RawRequest(
            method=request.method,
            url=str(request.url),
            path=f"/{request.match_info['rest']}",
            query=tuple(request.query.items()),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            received_at=datetime.now(UTC),
        )
        answer = self._simulator.handle(raw, datetime.now(UTC)).answer
        self.got.set()
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    async def _only(self, *names: str) -> None:
        """Let these workers run, and no others."""
        for name in [one for one in self._workers if one not in names]:
            task = self._workers.pop(name)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for name in names:
            if name not in self._workers:
                self._workers[name] = asyncio.create_task(self._gateway._work()[name](), name=name)
        await asyncio.sleep(0.3)  # each looks once for what there is, and goes to sleep

    async def call(self, method: str, path: str, **how: Any) -> Any:
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        async with self._client.request(method, f"{self._address}/api/v1{path}", headers=headers, **how) as reply:
            assert reply.status < 300, (reply.status, await reply.text())
            return await reply.json()

    def writes(self, text: str) -> Sequence[ProviderCall]:
        """Kim does; the provider's signed webhooks."""
        return self._simulator.act(Action(kind="say", customer="kim", text=text), datetime.now(UTC)).calls

    async def deliver(self, calls: Sequence[ProviderCall]) -> None:
        """As the provider does."""
        for call in calls:
            async with self._client.request(call.method, call.url, headers=call.headers, data=call.body) as reply:
                assert reply.status == 200, (reply.status, await reply.text())

    async def begin(self) -> str:
        """Kim has written, Ana has answered; the session."""
        await self._only("hub", "receiver", "sender")
        await self.call("PUT", "/presence", json={"status": "online"})
        await self.deliver(self.writes("hello"))
        session_id = await self._offered()
        await self.call("POST", f"/sessions/{session_id}/accept")
        await self.call("POST", f"/sessions/{session_id}/messages", json={"text": "good day"})
        await self.got.wait()
        return session_id

    async def _offered(self) -> str:
        while True:
            for session in (await self.call("GET", "/sessions"))["items"]:
                return str(session["id"])
            await asyncio.sleep(0.02)

    async def inwards(self) -> dict[Path, set[str]]:
        """A customer's message, until the desk has its entry."""
        await self._only("hub", "receiver")
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        async with self._client.ws_connect(f"{self._address}/api/v1/events", headers=headers) as desk:
            await desk.receive()  # hello
            await asyncio.sleep(0.3)
            calls = self.writes(WORD)
            with self.tracer.tracing() as found:
                delivered = asyncio.create_task(self.deliver(calls))
                while WORD not in (frame := await desk.receive()).data:
                    assert frame.type is aiohttp.WSMsgType.TEXT, frame
                self.tracer.stop()
            await delivered
        return found

    async def outwards(self, session_id: str) -> dict[Path, set[str]]:
        """A rep's message, until the provider has it."""
        await self._only("sender")
        self.got.clear()
        with self.tracer.tracing() as found:
            await self.call("POST", f"/sessions/{session_id}/messages", json={"text": WORD})
            await self.got.wait()
        return found


@asynccontextmanager
async def _world(channel: str, folder: Path) -> AsyncIterator[_World]:
    with socket.create_server(("127.0.0.1", 0)) as theirs, socket.create_server(("127.0.0.1", 0)) as ours:
        provider, origin = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (theirs, ours))
        adapter = registry.load()[channel]
        account = adapter.demo(channel, f"{provider}/sim", f"{origin}/webhooks/{channel}")
        rep = {"name": "Ana", "tokens": [_TOKEN]}
        loaded = config.build(
            {
                "public_url": origin,
                "data_dir": str(folder),
                "orgs": {"acme": {"reps": {"ana": rep}, "queues": {"support": {"name": "Support", "reps": ["ana"]}}}},
                "channels": {channel: {"kind": channel, "org": "acme", "queue": "support", "account": account}},
            }
        )
        gateway = _Quiet(loaded)
        async with _World(gateway, adapter.simulate(loaded.channels[channel].account), channel, origin) as world:
            app = web.Application()
            app.router.add_route("*", "/sim/{rest:.*}", world.provider)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.SockSite(runner, theirs).start()
            world.tracer.install()
            try:
                async with gateway.running(ours):
                    yield world
                    await world._only()
            finally:
                world.tracer.remove()
                await runner.cleanup()


class _Quiet(Gateway):
    """Its workers wait until they are wanted."""

    def __init__(self, loaded: config.Loaded) -> None:
        super().__init__(loaded)
        self._started = False

    def _work(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        work = super()._work() if self._started else {}
        self._started = True
        return work


async def roads(channel: str) -> tuple[Road, Road]:
    """(inwards, outwards) of one message of this channel. Takes a second or two."""
    with tempfile.TemporaryDirectory() as folder:
        async with asyncio.timeout(_SECONDS), _world(channel, Path(folder)) as world:
            session_id = await world.begin()
            return sorted_out(await world.inwards()), sorted_out(await world.outwards(session_id))


def told(title: str, road: Road, functions: bool) -> str:
    """For people."""
    lines = [f"{title}: {len(road)} files"]
    for part, counts in ((road.gateway, True), (road.channel, True), (road.kit, False)):
        for path, names in part.items():
            which = f": {', '.join(sorted(names))}" if functions else ""
            lines.append(f"  {path}{'' if counts else ' (not counted)'}{which}")
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Which files one message passes.")
    parser.add_argument("--channel", default="sms")
    parser.add_argument("--functions", action="store_true", help="name the functions, too")
    chosen = parser.parse_args()
    inwards, outwards = asyncio.run(roads(chosen.channel))
    print(told("A customer's message, from the webhook to the desk", inwards, chosen.functions))
    print()
    print(told("A rep's message, from the call to the provider", outwards, chosen.functions))


if __name__ == "__main__":
    main()
