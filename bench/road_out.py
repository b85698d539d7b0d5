"""The road out: from a rep's API call until the provider has answered the message with 200, 32 on their way at any time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import uvloop

from bench import desk, servers
from bench.against import bare_rate
from bench.desk import Rep
from bench.provider import provider
from bench.results import Line
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_AT_A_TIME: Final = 32


async def _rate(server: Server, port: int, seconds: float) -> float:
    """Messages a second. Each conversation sends its next when the provider has the one before: messages of one conversation wait for each other."""
    async with provider(port) as them, desk.reps(server, "ana") as (ana,):
        held = await desk.conversations(server, ana, Traffic(people=_AT_A_TIME), _AT_A_TIME)
        await them.quiet()
        before, begun = them.taken, time.perf_counter()
        taken = {one: asyncio.Event() for one in held}
        them.heard = lambda text: taken[text.partition(" ")[0]].set() if text.partition(" ")[0] in taken else None
        await asyncio.gather(*(_talk(ana, one, taken[one], begun + seconds) for one in held))
        rate = (them.taken - before) / (time.perf_counter() - begun)
        them.check()
    return rate


async def _talk(ana: Rep, session_id: str, taken: asyncio.Event, until: float) -> None:
    number = 0
    while time.perf_counter() < until:
        taken.clear()
        await ana.say(session_id, f"{session_id} is your order's number {number}; it leaves tomorrow.")
        number += 1
        async with asyncio.timeout(30):
            await taken.wait()


def measure(bench: Bench) -> None:
    """Right after the bare server at as many connections."""
    bare = bare_rate(bench, _AT_A_TIME)
    port = servers.free_port()
    with servers.gateway(bench, provider=port, reps={"ana": {"capacity": _AT_A_TIME}}) as server:
        rate = uvloop.run(_rate(server, port, bench.seconds(8)))
    bench.note("road_out", rate / bare.per_second)
    bench.note("road_out.rate", rate)


SUBJECT: Final = Subject(
    "road_out",
    "from a rep's API call to the provider's 200, 32 at a time, as a ratio to bare aiohttp",
    (
        Line("road_out", "road out, API call to the provider's 200, 32 at a time, to bare", "ratio", 0.15),
        Line("road_out.rate", "road out, 32 at a time", "/s"),
    ),
    measure,
)
