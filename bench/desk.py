"""Reps of a gateway that is measured: their API calls and their event streams, from the load's process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.load import drive
from bench.servers import Server, token_of
from bench.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Rep:
    """One rep, by login."""

    http: aiohttp.ClientSession
    origin: str
    login: str

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. Raises RuntimeError if it was refused."""
        async with self.http.request(method, f"{self.origin}/api/v1{path}", json=body, headers=self._headers) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
            return json.loads(text) if text else None

    async def online(self) -> None:
        """Ready for work."""
        await self.call("PUT", "/presence", {"status": "online"})

    async def say(self, session_id: str, text: str) -> None:
        """To the customer."""
        await self.call("POST", f"/sessions/{session_id}/messages", {"text": text})

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Their events, from now on."""
        async with self.http.ws_connect(f"{self.origin}/api/v1/events", headers=self._headers, max_msg_size=0) as socket:
            await socket.receive()  # hello
            yield socket

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_of(self.login)}"}


@asynccontextmanager
async def reps(server: Server, *logins: str) -> AsyncIterator[list[Rep]]:
    """Each of them with as many connections as they need."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        yield [Rep(http, f"http://127.0.0.1:{server.port}", login) for login in logins]


async def conversations(server: Server, rep: Rep, traffic: Traffic, count: int) -> list[str]:
    """So many customers have written, and the rep is in a session with each; the sessions. The rep's capacity must be at least this."""
    found: list[str] = []
    async with rep.stream() as events, asyncio.timeout(120):
        await rep.online()
        await drive(server.port, iter(traffic.requests(count)), connections=8, insist=True)
        while len(found) < count:
            event = json.loads((await events.receive()).data)
            if event["type"] == "work_offered":
                await rep.call("POST", f"/sessions/{event['session_id']}/accept")
                found.append(event["session_id"])
    return found
