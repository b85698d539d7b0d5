"""A whole demo world for tests: gateway, providers, handsets and reps, on a free port and a folder of its own.

`Outside` is what can be done from outside, to a world in this process or in another; `demo()` builds one in this process.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adapters.contract import RawRequest
from gateway.app import Gateway
from gateway.demo.host import SimulatorHost
from gateway.demo.world import demo_world
from tests.chosen import store_of

CHANNELS = ("sms", "whatsapp", "messenger", "line", "apple", "webchat")
# A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


async def wait_until(predicate: Callable[[], Any], deadline: float = 40.0, *, what: str = "") -> Any:
    """What `predicate` (plain or async) gives as soon as it is true. Fails when it isn't within `deadline` seconds, with its last value."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what or predicate}; last: {value!r}")
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Reply:
    """An answer that was read whole. `json` is None when the body isn't JSON."""

    status: int
    json: Any
    body: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:1_000]!r}>"


class Rep:
    """A rep's program: API v1 with this token."""

    def __init__(self, outside: Outside, token: str) -> None:
        self._outside, self.token = outside, token

    async def __call__(self, method: str, path: str, *, key: str | None = None, **how: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}", **({"Idempotency-Key": key} if key else {}), **how.pop("headers", {})}
        return await self._outside.call(method, f"/api/v1{path}", headers=headers, **how)

    async def get(self, path: str) -> Reply:
        return await self("GET", path)

    async def post(self, path: str, json: Any = None, *, key: str | None = None) -> Reply:
        return await self("POST", path, key=key, **({} if json is None else {"json": json}))

    async def items(self, path: str) -> list[Any]:
        """All items of a list, through all its pages."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}")
            assert page.status == 200, page
            found += page.json["items"]
            if page.json["next"] is None:
                return found
            cursor = f"&cursor={page.json['next']}"

    async def transcript(self, session_id: str) -> list[Any]:
        """All entries that this rep may see, oldest first."""
        found: list[Any] = []
        while True:
            after = found[-1]["number"] if found else 0
            page = await self.get(f"/sessions/{session_id}/entries?after={after}&limit=100")
            assert page.status == 200, page
            found += page.json["items"]
            if page.json["next"] is None:
                return found

    async def present(self, status: str = "online") -> None:
        """Say so."""
        done = await self("PUT", "/presence", json={"status": status})
        assert done.status == 200, done

    async def say(self, session_id: str, text: str | None = None, *, file: bytes | None = None, key: str | None = None) -> Reply:
        """To the customer."""
        if file is None:
            return await self.post(f"/sessions/{session_id}/messages", {"text": text}, key=key)
        form = aiohttp.FormData()
        if text is not None:
            form.add_field("text", text)
        form.add_field("file", file, filename="dot.png", content_type="image/png")
        return await self("POST", f"/sessions/{session_id}/messages", key=key, data=form)

    async def take(self, channel_id: str, deadline: float = 40.0) -> Any:
        """Wait for a session of this channel to be offered, accept it, and give it."""

        async def offered() -> Any:
            listed = await self.get("/sessions?status=waiting&limit=100")
            assert listed.status == 200, listed
            return next((s for s in listed.json["items"] if s["channel_id"] == channel_id and s["offer"]), None)

        session = await wait_until(offered, deadline, what=f"a session of {channel_id} offered")
        taken = await self.post(f"/sessions/{session['id']}/accept")
        assert taken.status == 200, taken
        return taken.json


class Customer:
    """Somebody with a handset."""

    def __init__(self, outside: Outside, channel_id: str, name: str) -> None:
        self._outside, self.channel_id, self.name = outside, channel_id, name

    async def says(self, text: str | None = None, *, file: bytes | None = None) -> Reply:
        """Type, or send a picture. 201: the provider has it, and will deliver it."""
        path = f"/phones/{self.channel_id}/messages"
        if file is None:
            return await self._outside.call("POST", path, json={"customer": self.name, "text": text})
        form = aiohttp.FormData()
        form.add_field("customer", self.name)
        if text is not None:
            form.add_field("text", text)
        form.add_field("file", file, filename="dot.png", content_type="image/png")
        return await self._outside.call("POST", path, data=form)

    async def does(self, kind: str, **more: Any) -> Reply:
        """Anything else; see `adapters.contract.Action`."""
        body = {"kind": kind, "customer": self.name, **more}
        return await self._outside.call("POST", f"/phones/{self.channel_id}/actions", json=body)

    async def handset(self) -> list[Any]:
        """What the phone shows, oldest first."""
        shown = await self._outside.call("GET", f"/phones/{self.channel_id}/messages?customer={self.name}")
        assert shown.status == 200, shown
        return list(shown.json["items"])

    async def seen(self, kind: str | None = None) -> list[Any]:
        """Lines of others' on the phone, all or of one kind (`message`, `notice`)."""
        return [line for line in await self.handset() if line["from"] == "them" and kind in (None, line["kind"])]


@dataclass
class Outside:
    """Everything that can be done over HTTP to the world at `address`."""

    address: str
    http: aiohttp.ClientSession

    def rep(self, login: str, token: str | None = None) -> Rep:
        """A rep of the demo."""
        return Rep(self, token or f"demo-{login}")

    def customer(self, channel_id: str, name: str = "kim") -> Customer:
        """A customer on one channel."""
        return Customer(self, channel_id, name)

    async def call(self, method: str, path: str, **how: Any) -> Reply:
        """One call. Raises aiohttp.ClientError and OSError when nobody answers."""
        async with self.http.request(method, self.address + path, allow_redirects=False, **how) as response:
            body = await response.read()
            is_json = response.content_type.endswith("json")
            return Reply(
                response.status, await response.json(content_type=None) if is_json else None, body, dict(response.headers)
            )


@dataclass
class World(Outside):
    """A demo in this process."""

    gateway: Gateway
    host: SimulatorHost
    data_dir: Path


def puts_of(world: World) -> list[RawRequest]:
    """What the doors put into the inbox from now on, as they put it."""
    noted: list[RawRequest] = []
    put = world.gateway.inbox.put

    def noting(channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        noted.append(request)
        put(channel_id, request, done)

    world.gateway.inbox.put = noting  # type: ignore[method-assign]
    return noted


@asynccontextmanager
async def outside(address: str, *, connections: int = 100) -> AsyncIterator[Outside]:
    """A client for a world that runs elsewhere."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        yield Outside(address, http)


@asynccontextmanager
async def demo(data_dir: Path) -> AsyncIterator[World]:
    """A whole demo in this process, on a free port."""
    async with demo_world(0, data_dir, places=store_of(data_dir)) as (gateway, host, address), outside(address) as client:
        yield World(address, client.http, gateway, host, data_dir)
