"""Reps' commands while webhooks arrive at 80 % of what the gateway sustains: messages, invitations, acceptances."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable
from typing import Final

import uvloop

from bench import desk, servers
from bench.against import capacity
from bench.desk import Rep
from bench.load import offer
from bench.provider import provider
from bench.results import Line, quantile
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_SHARE: Final = 0.8
_CONVERSATIONS: Final = 20
_ROUNDS_A_SECOND: Final = 8  # of four commands each


async def _times(server: Server, port: int, rate: float, seconds: float) -> list[float]:
    """Of each command, in seconds; the first of a round from its planned moment."""
    times: list[float] = []
    async with provider(port), desk.reps(server, "ana", "ben") as (ana, ben):
        await ben.online()
        held = await desk.conversations(server, ana, Traffic(people=_CONVERSATIONS), _CONVERSATIONS)
        # Others than those whom Ana talks with; for them there is no rep, since her capacity is used up.
        strangers = Traffic(first_person=1_000, prefix="wamid.load.")
        loading = asyncio.create_task(offer(server.port, strangers.request, rate=rate, seconds=seconds))
        begun, rounds = time.perf_counter() + 0.2, []
        sessions = itertools.cycle(held)
        locks = {one: asyncio.Lock() for one in held}  # the commands of a round depend on each other
        for number in range(int((seconds - 0.2) * _ROUNDS_A_SECOND)):
            planned = begun + number / _ROUNDS_A_SECOND
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            one = next(sessions)
            rounds.append(asyncio.create_task(_round(ana, ben, one, locks[one], planned, times)))
        await asyncio.gather(loading, *rounds)
    return times


async def _round(ana: Rep, ben: Rep, session_id: str, lock: asyncio.Lock, planned: float, times: list[float]) -> None:
    """Ana says something and asks Ben in; he accepts, and leaves."""

    async def timed(command: Awaitable[object], begun: float | None = None) -> object:
        begun = time.perf_counter() if begun is None else begun
        answer = await command
        times.append(time.perf_counter() - begun)
        return answer

    async with lock:
        here = f"/sessions/{session_id}"
        await timed(ana.say(session_id, "One moment, please."), planned)
        ask = {"recipient": {"type": "agent", "id": "ben"}}
        invitation = await timed(ana.call("POST", f"{here}/invitations", ask))
        assert isinstance(invitation, dict)
        await timed(ben.call("POST", f"{here}/invitations/{invitation['id']}/accept"))
        await ben.call("POST", f"{here}/leave")


def measure(bench: Bench) -> None:
    """The webhooks are of other customers."""
    rate, port = _SHARE * capacity(bench), servers.free_port()
    people = {"ana": {"capacity": _CONVERSATIONS}, "ben": {"capacity": 1_000}}
    with servers.gateway(bench, provider=port, reps=people, aside=["ben"]) as server:
        times = uvloop.run(_times(server, port, rate, bench.seconds(20)))
    bench.note("commands.p50", quantile(times, 0.5) * 1000)
    bench.note("commands.p99", quantile(times, 0.99) * 1000)
    bench.note("commands.load", rate)


SUBJECT: Final = Subject(
    "commands",
    "reps' commands while webhooks arrive at 80 % of the capacity",
    (
        Line("commands.p50", "reps' commands under 80 % of capacity, p50", "ms", 15, "low"),
        Line("commands.p99", "reps' commands under 80 % of capacity, p99", "ms", 100, "low"),
        Line("commands.load", "webhooks that arrived meanwhile", "/s"),
    ),
    measure,
)
