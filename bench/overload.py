"""Twice as many webhooks as the gateway sustains, for a minute: what it refuses, what reps notice, and whether it recovers without losing anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import uvloop

from bench import desk, machine, servers
from bench.against import capacity
from bench.load import Offered, drive, offer
from bench.results import Line, quantile
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_TIMES: Final = 2.0
_PROBES_A_SECOND: Final = 10
_AFTERWARDS: Final = 50


async def _overloaded(server: Server, traffic: Traffic, rate: float, seconds: float) -> tuple[Offered, list[float], list[float]]:
    """(what came of the webhooks, times of /readyz, times of an API call), in seconds; a probe that failed has none less than a minute."""
    async with desk.reps(server, "ana") as (ana,):
        offering = asyncio.create_task(offer(server.port, traffic.request, rate=rate, seconds=seconds, connections=512))
        ready = asyncio.create_task(_probed(lambda: _ready(ana.http, f"{ana.origin}/readyz"), offering))
        called = asyncio.create_task(_probed(lambda: ana.call("GET", "/sessions?limit=10"), offering))
        return await offering, await ready, await called


async def _ready(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as answer:
        await answer.read()


async def _probed(ask: Callable[[], Awaitable[object]], meanwhile: asyncio.Task[Offered]) -> list[float]:
    """Asked at fixed moments, each in a task of its own, so that a slow answer delays no other."""
    times: list[float] = []

    async def once() -> None:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(60):
                await ask()
        except (RuntimeError, TimeoutError, aiohttp.ClientError):
            times.append(60.0)
        else:
            times.append(time.perf_counter() - begun)

    asked = []
    while not meanwhile.done():
        asked.append(asyncio.create_task(once()))
        await asyncio.sleep(1 / _PROBES_A_SECOND)
    await asyncio.gather(*asked)
    return times


def lost(server: Server, offered: Offered) -> int:
    """Webhooks that were answered with 200 and whose messages are in no transcript."""
    applied = bytearray(offered.sent)
    for number in server.applied_numbers():
        applied[number] = 1
    return sum(1 for number in offered.numbers if not applied[number])


def measure(bench: Bench) -> None:
    """Refusals count as early if they say when to come again."""
    rate, traffic = _TIMES * capacity(bench), Traffic()
    with servers.gateway(bench) as server:
        offered, ready, called = uvloop.run(_overloaded(server, traffic, rate, bench.seconds(60)))
        over = time.perf_counter()
        server.drained(offered.answered)
        recovered = time.perf_counter() - over
        again = uvloop.run(drive(server.port, iter(Traffic(prefix="wamid.after.").requests(_AFTERWARDS)), connections=4))
        bench.note("overload.lost", lost(server, offered))
        bench.note("overload.peak", machine.peak_bytes(server.pid) / 1e6)
    bench.note("overload.refused", offered.of(503) / offered.sent * 100)
    bench.note("overload.unsaid", offered.sent - offered.answered - offered.told_when)
    bench.note("overload.ready", quantile(ready, 0.99) * 1000)
    bench.note("overload.api", quantile(called, 0.99) * 1000)
    bench.note("overload.recovered", recovered)
    bench.note("overload.after", again.answered)
    if again.answered < _AFTERWARDS:
        bench.remark("overload.after", f"by status (0: no answer): {dict(again.statuses)}")


SUBJECT: Final = Subject(
    "overload",
    "twice the capacity for a minute",
    (
        Line("overload.refused", "overload, 2 × capacity for 60 s: answered 503", "%"),
        Line("overload.unsaid", "overload: neither 200 nor 503 with Retry-After", "", 0, "low"),
        Line("overload.ready", "overload: GET /readyz, p99", "ms", 250, "low"),
        Line("overload.api", "overload: an API call, p99", "ms", 250, "low"),
        Line("overload.peak", "overload: most memory", "MB", 250, "low"),
        Line("overload.recovered", "overload: until all is applied afterwards", "s"),
        Line("overload.after", f"overload: of {_AFTERWARDS} webhooks afterwards, answered 200", "", _AFTERWARDS),
        Line("overload.lost", "overload: answered 200 and not applied", "", 0, "low"),
    ),
    measure,
    rounds=1,
)
