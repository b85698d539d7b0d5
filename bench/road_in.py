"""The road in: from a customer's webhook to the event at the desk of the rep who is in the conversation."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

import aiohttp
import uvloop

from bench import desk, servers
from bench.load import moments, offer
from bench.provider import provider
from bench.results import Line, quantile
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic

RATE: Final = 300
_CONVERSATIONS: Final = 100
_SAID: Final = re.compile(r"my order (\d+) has")


async def _times(server: Server, port: int, seconds: float) -> list[float]:
    """From each webhook's planned moment until its entry is at the desk, in seconds; only of those that arrived."""
    prefix = "wamid.road."
    traffic = Traffic(people=_CONVERSATIONS, prefix=prefix)
    arrived: dict[int, float] = {}
    news = asyncio.Event()
    async with provider(port) as them, desk.reps(server, "ana") as (ana,):
        await desk.conversations(server, ana, Traffic(people=_CONVERSATIONS), _CONVERSATIONS)
        await them.quiet()
        async with ana.stream() as events:
            reading = asyncio.create_task(_read(events, arrived, news))
            begun: list[float] = []
            offered = await offer(server.port, traffic.request, rate=RATE, seconds=seconds, connections=32, begin=begun.append)
            async with asyncio.timeout(30):
                while len(arrived) < offered.answered:
                    news.clear()
                    await news.wait()
            reading.cancel()
    planned = [begun[0] + moment for moment in moments(RATE, seconds)]
    return [arrived[number] - planned[number] for number in sorted(arrived)]


async def _read(events: aiohttp.ClientWebSocketResponse, arrived: dict[int, float], news: asyncio.Event) -> None:
    async for event in events:
        now = time.perf_counter()
        # The text is in the entry's event, and may be in the session's too: the first counts.
        if '"entry"' in event.data and (found := _SAID.search(event.data)):
            arrived.setdefault(int(found[1]), now)
            news.set()


def measure(bench: Bench) -> None:
    """At 300 webhooks a second from 100 customers, all in conversations of one rep. Without a provider, notices that the rep joined would be tried
    again and again meanwhile."""
    port = servers.free_port()
    with servers.gateway(bench, provider=port, reps={"ana": {"capacity": _CONVERSATIONS}}) as server:
        times = uvloop.run(_times(server, port, bench.seconds(10)))
    bench.note("road_in.p50", quantile(times, 0.5) * 1000)
    bench.note("road_in.p99", quantile(times, 0.99) * 1000)


SUBJECT: Final = Subject(
    "road_in",
    "from a webhook to the rep's WebSocket, at 300 a second",
    (
        Line("road_in.p50", "road in, webhook to the rep's WebSocket at 300/s, p50", "ms", 8, "low"),
        Line("road_in.p99", "road in, webhook to the rep's WebSocket at 300/s, p99", "ms", 30, "low"),
    ),
    measure,
)
