"""Several processes on one PostgreSQL, against one process on SQLite in the same run: accepting, applying and sending.

    python -m bench.scale [--quick] [--json FILE]

All of it has the machine's cores, the load too. What is applied or sent was there before: the rate is that of the middle part, when all processes work. A network
is a proxy between each process and the database that holds up what it carries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import desk, machine, servers
from bench.against import bare_rate, load_up
from bench.load import drive
from bench.provider import Provider, provider
from bench.roles import roles
from bench.servers import Server
from bench.subject import Bench
from bench.traffic import PREFIX, Traffic

_PATIENCE_SECONDS: Final = 300.0
_EACH: Final = 10  # messages to each customer
PEOPLE: Final = 500
_BACKLOG: Final = f"{PREFIX}later."
NETWORKS: Final = (0, 2)  # milliseconds of a round trip


def middle_rate(done: Callable[[], int], of: int) -> float:
    """A second, from a tenth of the whole until nine tenths. Raises TimeoutError when nothing moves."""
    first, last = of // 10, of * 9 // 10
    begun: tuple[float, int] | None = None
    moved, before = time.perf_counter(), -1
    while True:
        now, at = done(), time.perf_counter()
        if begun is None and now >= first:
            begun = (at, now)
        if begun is not None and now >= last:
            return (now - begun[1]) / max(1e-3, at - begun[0])
        if now != before:
            moved, before = at, now
        elif at - moved > _PATIENCE_SECONDS:
            raise TimeoutError(f"{now} of {of}, and no more")
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------------------------- accepting


def accepting(bench: Bench) -> None:
    """One edge, at 64 connections; the database has the same cores."""
    bare = bare_rate(bench, 64)
    with servers.gateway(bench, without=["receiver"]) as server:
        embedded = load_up(bench, server, 64, bench.seconds(4))
    bench.note("accept.embedded", embedded.per_second / bare.per_second)
    for network in NETWORKS:
        with roles(bench, network) as whole:
            rate = load_up(bench, whole.start("edge"), 64, bench.seconds(4))
        bench.note(f"accept.{network}", rate.per_second / bare.per_second)
        bench.note(f"accept.{network}.rate", rate.per_second)


# -------------------------------------------------------------------------------------------------------------------- applying


def applying(bench: Bench) -> None:
    """A backlog of customers who are in a session with a rep, by one broker and by two."""
    count = bench.count(20_000, 500)
    settings: dict[str, Any] = {"reps": {"ana": {"capacity": PEOPLE}}}
    with servers.gateway(bench, **settings) as server:
        uvloop.run(_taken_up(server, server))
        server.stop()
        config = server.folder / "gateway.yaml"
        with servers.running(server.folder, server.port, servers.command(config, ["receiver"])) as filled:
            _fill(filled, count)
            filled.stop()
        with servers.running(server.folder, server.port, servers.command(config), cores=machine.server_cores(99)) as embedded:
            bare = middle_rate(lambda: embedded.applied(_BACKLOG), count)
    bench.note("apply.embedded.rate", bare)
    for network in NETWORKS:
        for brokers in (1, 2):
            with roles(bench, network, **settings) as whole:
                edge, broker, api = [whole.start(role) for role in ("edge", "broker", "api")]
                uvloop.run(_taken_up(edge, api))
                whole.stop(broker, api)
                _fill(edge, count)
                whole.stop(edge)
                before = whole.applied()
                for _ in range(brokers):
                    whole.start("broker")
                rate = middle_rate(lambda whole=whole, before=before: whole.applied() - before, count)  # type: ignore[misc]
            bench.note(f"apply.{network}.{brokers}", rate / bare)
            bench.note(f"apply.{network}.{brokers}.rate", rate)


async def _taken_up(webhooks: Server, api: Server) -> None:
    """Each customer has a session, and the rep is in it."""
    async with desk.reps(api, "ana") as (ana,):
        await desk.conversations(webhooks, ana, Traffic(people=PEOPLE), PEOPLE)


def _fill(server: Server, count: int) -> None:
    traffic = Traffic(people=PEOPLE, prefix=_BACKLOG)
    uvloop.run(drive(server.port, iter(traffic.requests(count)), connections=64, insist=True))


# --------------------------------------------------------------------------------------------------------------------- sending


def sending(bench: Bench) -> None:
    """What reps have said while nothing was sent, by one sender and by two."""
    people = bench.count(300, 20)
    bare = uvloop.run(_sent_by_one(bench, people))
    bench.note("send.embedded.rate", bare)
    for network in NETWORKS:
        for senders in (1, 2):
            rate = uvloop.run(_sent_by(bench, people, network, senders))
            bench.note(f"send.{network}.{senders}", rate / bare)
            bench.note(f"send.{network}.{senders}.rate", rate)


async def _sent_by_one(bench: Bench, people: int) -> float:
    port = servers.free_port()
    settings: dict[str, Any] = {"provider": port, "reps": {"ana": {"capacity": people}}}
    with servers.gateway(bench, without=["sender"], **settings) as server:
        async with desk.reps(server, "ana") as (ana,):
            await _said(ana, await desk.conversations(server, ana, Traffic(people=people), people))
        await asyncio.to_thread(server.stop)
        async with provider(port) as them:
            start = servers.running(
                server.folder, server.port, servers.command(server.folder / "gateway.yaml"), cores=machine.server_cores(99)
            )
            rating = asyncio.create_task(_rate(them, people))
            embedded = await asyncio.to_thread(start.__enter__)
            rate = await rating
            embedded.kill()
            return rate


async def _sent_by(bench: Bench, people: int, network: float, senders: int) -> float:
    port = servers.free_port()
    settings: dict[str, Any] = {"provider": port, "reps": {"ana": {"capacity": people}}}
    with roles(bench, network, **settings) as whole:
        edge, broker, api = [await asyncio.to_thread(whole.start, role) for role in ("edge", "broker", "api")]
        async with desk.reps(api, "ana") as (ana,):
            await _said(ana, await desk.conversations(edge, ana, Traffic(people=people), people))
        await asyncio.to_thread(whole.stop, edge, broker, api)
        async with provider(port) as them:
            rating = asyncio.create_task(_rate(them, people))
            for _ in range(senders):
                await asyncio.to_thread(whole.start, "sender")
            return await rating


async def _said(ana: desk.Rep, sessions: list[str]) -> None:
    for number in range(_EACH):
        for first in range(0, len(sessions), 32):
            some = sessions[first : first + 32]
            await asyncio.gather(
                *(ana.say(one, f"This is message {number} about your order, and it isn't short.") for one in some)
            )


async def _rate(them: Provider, people: int) -> float:
    rate = await asyncio.to_thread(middle_rate, lambda: them.taken, people * _EACH)
    them.check()
    return rate


# ---------------------------------------------------------------------------------------------------------------------- the table

_PARTS: Final = {"accept": accepting, "apply": applying, "send": sending}
_WHAT: Final = {
    "accept.embedded": "accept, one process on SQLite, one core, to bare aiohttp",
    "accept.0": "accept, one edge on PostgreSQL, to bare aiohttp",
    "accept.2": "accept, one edge, 2 ms to the database, to bare aiohttp",
    **{
        f"{part}.{network}.{count}": f"{part}, {count} {role}{'s' * (count > 1)}, {network} ms to the database, to one process on SQLite"
        for part, role in (("apply", "broker"), ("send", "sender"))
        for network in NETWORKS
        for count in (1, 2)
    },
}
_AIMS: Final = {"accept.0": 0.35, "apply.2.two": 1.8}


def table(bench: Bench) -> dict[str, float]:
    """Medians, with the ratio of two to one."""
    found = {key: statistics.median(values) for key, values in bench.values.items()}
    for part in ("apply", "send"):
        for network in NETWORKS:
            one, two = found.get(f"{part}.{network}.1.rate"), found.get(f"{part}.{network}.2.rate")
            if one and two:
                found[f"{part}.{network}.two"] = two / one
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if something failed."""
    parser = argparse.ArgumentParser(
        "python -m bench.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the length: for a look, not for figures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if unknown := {*asked.parts} - {*_PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    machine.settle()
    bench = Bench(folder=Path(tempfile.gettempdir()), scale=0.1 if asked.quick else 1.0)
    print(machine.described(), flush=True)
    for number in range(1 if asked.quick else asked.rounds):
        for name in asked.parts or _PARTS:
            bench.say(f"round {number + 1}: {name}")
            _PARTS[name](bench)
            bench.say(
                f"    {', '.join(f'{key} {values[-1]:.3g}' for key, values in bench.values.items() if key.startswith(name))}"
            )
    found = table(bench)
    print()
    for key, value in found.items():
        aim = f"   aim {_AIMS[key]}" if key in _AIMS else ""
        unit = "/s" if key.endswith("rate") else ""
        print(f"{value:10.4g}{unit:3} {_WHAT.get(key, key)}{aim}")
    if asked.json:
        told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine.described(), "figures": found}
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
