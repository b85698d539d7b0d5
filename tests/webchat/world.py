"""A real server with the chat service in it, the real adapter at its webhook, and browsers to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.contract import Answer, Flow, HttpCall, HttpReply, RawRequest, T
from adapters.envelope import Address, Inbound, Notice, Outbound, Say, Speaker, TypingSignal
from adapters.errors import NotAuthentic
from adapters.webchat import ADAPTER, WebchatAccount
from gateway import clock
from gateway.doorbell.contract import Signals
from gateway.doorbell.local import LocalSignals
from gateway.errors import StoreUnavailable
from gateway.store.folder import Folder
from gateway.store.postgresql.database import PostgresDatabase
from gateway.webchat import FILES, ChatService, ChatStore, chat_file, install
from tests.ports import free_port

SECRET: Final = "webchat-test-secret-0123456789"
ANA: Final = Speaker(id="rep-1", name="Ana", avatar_url="https://cdn.example.test/ana.png")
GENEROUS: Final = {
    "messages_per_minute": 100_000,
    "signals_per_minute": 100_000,
    "sessions_per_minute": 100_000,
    "requests_per_minute": 100_000,
    "streams": 20,
}
SHOP: Final = "https://shop.example"
PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


class Inbox:
    """The webhooks' road: verified by the adapter, then kept; it may be told to fail."""

    def __init__(self, account: WebchatAccount) -> None:
        self.account = account
        self.requests: list[RawRequest] = []
        self.refuse: Answer | Exception | None = None

    async def take(self, channel_id: str, request: RawRequest) -> Answer:
        if isinstance(self.refuse, Exception):
            raise self.refuse
        if self.refuse is not None:
            return self.refuse
        try:
            ADAPTER.verify(request, self.account, request.received_at)
        except NotAuthentic as error:
            return Answer(error.status)
        assert channel_id == self.account.channel_id
        self.requests.append(request)
        return ADAPTER.accepted

    @property
    def events(self) -> list[Inbound]:
        """Everything that came, in order; a repetition of an event is there once, as behind any unique key."""
        found: dict[str, Inbound] = {}
        for request in self.requests:
            for event in ADAPTER.parse(request, self.account):
                found.setdefault(event.event_id, event)
        return list(found.values())

    def of(self, kind: str) -> list[Any]:
        """Of one kind."""
        return [event for event in self.events if event.kind == kind]


class Clock:
    """The real time, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return clock.now() + self.ahead

    def elapsed(self) -> float:
        return clock.elapsed() + self.ahead.total_seconds()


class World:
    """One channel, `web1`, on a server of its own."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.database: str | None = None  # PostgreSQL's address; None: SQLite in the folder
        self.signals: Signals = LocalSignals()
        self.settings = {"secrets": [SECRET], "limits": GENEROUS, "allowed_origins": [SHOP], **settings}
        self.clock = Clock()
        self.count = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """Start the server; may be entered again after it stopped, on the same data."""
        self.port = port = self.port or free_port()  # the same after a restart
        self.server = TestServer(web.Application(), port=port)
        self.base = f"http://127.0.0.1:{port}/chat/web1"
        self.account = WebchatAccount.model_validate(
            {"channel_id": "web1", "webhook_url": f"http://127.0.0.1:{port}/webhooks/web1", **self.settings}
        )
        inbox = getattr(self, "inbox", None)
        self.inbox = inbox or Inbox(self.account)
        self.inbox.account = self.account
        self.service = ChatService(
            {"web1": self.account},
            self.inbox.take,
            self.store(),
            Folder(self.data_dir / "chat-files", FILES),
            self.signals,
            self.clock,
            self.clock.elapsed,
        )
        install(self.server.app, [self.service])
        await self.server.start_server()
        async with aiohttp.ClientSession() as self.http:
            try:
                yield self
            finally:
                await self.server.close()

    def store(self) -> ChatStore:
        if self.database is not None:
            return ChatStore(PostgresDatabase(self.database), self.clock, shared=True)
        return ChatStore(chat_file(self.data_dir), self.clock)

    @staticmethod
    async def until(happened: Callable[[], object], seconds: float = 30) -> None:
        """Wait for something that the server does by itself."""
        async with asyncio.timeout(seconds):
            while not happened():  # noqa: ASYNC110 - nothing rings for it
                await asyncio.sleep(0.005)

    @staticmethod
    async def until_async(look: Callable[[], Awaitable[T]], fits: Callable[[T], object], seconds: float = 30) -> None:
        """As `until`, for what has to be asked for."""
        async with asyncio.timeout(seconds):
            while not fits(await look()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def browser(self, **session: Any) -> Browser:
        """A visitor with a session."""
        browser = Browser(self)
        await browser.start(**session)
        return browser

    async def run(self, flow: Flow[T]) -> T:
        """Run an adapter's flow against the server."""
        try:
            call = next(flow)
            while True:
                call = flow.send(await self._call(call))
        except StopIteration as done:
            value: T = done.value
            return value

    async def _call(self, call: HttpCall) -> HttpReply:
        async with self.http.request(call.method, call.url, headers=call.headers, data=call.body) as reply:
            return HttpReply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, await reply.read())

    async def send(self, message: Outbound) -> tuple[str, ...]:
        """Deliver by the adapter."""
        return (await self.run(ADAPTER.send(message, self.account, self.clock()))).message_ids

    def _common(self, to: str, prefix: str) -> dict[str, Any]:
        self.count += 1
        ours = f"{prefix}_{self.count}"
        at = self.clock()
        return {"id": ours, "channel_id": "web1", "to": Address(to), "retry_key": str(uuid.uuid4()), "created_at": at}

    def say(self, to: str, text: str | None = None, **more: Any) -> Say:
        """A message of Ana's."""
        return Say(**{**self._common(to, "msg"), "text": text, "speaker": ANA, **more})

    def notice(self, to: str, text: str, code: str = "joined") -> Notice:
        """A notice about Ana."""
        return Notice(**{**self._common(to, "ntc"), "text": text, "code": code, "about": ANA})

    def types(self, to: str, on: bool = True) -> TypingSignal:
        """Ana types."""
        return TypingSignal(**{**self._common(to, "typ"), "on": on, "speaker": ANA})


class Reply:
    """An answer, read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """A problem's code, once it is sure that it is a problem as it should be."""
        assert self.headers["content-type"].startswith("application/problem+json")
        problem = self.json
        assert problem["status"] == self.status
        assert problem["detail"]
        return str(problem["code"])


class Browser:
    """A visitor's tab."""

    def __init__(self, world: World, token: str | None = None) -> None:
        self.world, self.token, self.visitor_id = world, token, ""
        self.clicks = 0

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        given = {"json": body} if body is not None else more
        async with self.world.http.request(method, self.world.base + path, headers=headers, **given) as reply:
            return Reply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, await reply.read())

    async def start(self, **session: Any) -> Reply:
        if self.token:
            session.setdefault("visitor_token", self.token)
        reply = await self.call("POST", "/session", session)
        if reply.status == 201:
            self.token, self.visitor_id = reply.json["visitor_token"], reply.json["visitor_id"]
        return reply

    async def say(self, text: str, client_id: str | None = None, **more: Any) -> Reply:
        self.clicks += 1
        return await self.call("POST", "/messages", {"client_id": client_id or f"client-{self.clicks:04d}", "text": text, **more})

    async def upload(self, content: bytes, name: str, mime_type: str, client_id: str = "client-file", **fields: str) -> Reply:
        form = aiohttp.FormData()
        for key, value in {"client_id": client_id, **fields}.items():
            form.add_field(key, value)
        form.add_field("file", io.BytesIO(content), filename=name, content_type=mime_type)
        return await self.call("POST", "/messages", data=form)

    async def poll(self, after: int = 0, wait: int = 0) -> list[dict[str, Any]]:
        reply = await self.call("GET", f"/events?after={after}&wait={wait}")
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.json["items"]
        return items

    async def texts(self) -> list[str]:
        return [item["text"] for item in await self.poll()]


async def sse(lines: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, as `{"id", "event", "data"}`; heartbeats are passed over."""
    event: dict[str, Any] = {}
    async for raw in lines:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if not line:
            if "data" in event:
                yield {**event, "data": json.loads(event["data"])}
            event = {}
            continue
        name, _, value = line.partition(": ")
        event[name] = value


def numbers(items: Iterable[Mapping[str, Any]]) -> list[int]:
    """The lines' numbers."""
    return [item["seq"] for item in items if "seq" in item]


DOWN: Final = StoreUnavailable("the inbox is down")
