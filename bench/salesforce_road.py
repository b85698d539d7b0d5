"""The road from a Salesforce org's reps to customers: from the event's commit on the org's bus, over stream, inbox and session, until the channel's provider has answered the
message with 200."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import machine, servers
from bench.load import drive, moments
from bench.org import ADDRESS, ANN, DEFINITION, Org, org
from bench.provider import Provider, provider
from bench.results import Line, quantile
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_EVENTS, _EVENTS_LONG = 5_000, 100_000
_CUSTOMERS: Final = 100
_RATE: Final = 50.0
_PATIENCE_SECONDS: Final = 120.0
_WORDS: Final = "{} I looked into your order, and it will be with you tomorrow between nine and noon. " + "Thank you. " * 20


async def _conversations(them: Org, server: Server) -> list[str]:
    """Each customer has written, and Ann is in the session."""
    await drive(server.port, iter(Traffic(people=_CUSTOMERS).requests(_CUSTOMERS)), connections=8, insist=True)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            if sum(thread.open is not None for thread in them.plain.threads.values()) == _CUSTOMERS:
                break
            await asyncio.sleep(0.05)
    for conversation in them.plain.threads:
        them.plain.join(conversation, ANN)
    await them.publish()
    return list(them.plain.threads)


async def _many(bench: Bench, them: Org, server: Server, customers: Provider, held: list[str], count: int) -> None:
    """All at once."""
    written, before = server.messages(), customers.taken
    for number in range(count):
        them.plain.say(held[number % len(held)], ANN, _WORDS.format(f"many {number}"))
    begun = time.perf_counter()
    publishing = asyncio.create_task(them.publish())
    warm = 0
    applied_in: float | None = None
    moved, last = time.perf_counter(), -1
    while customers.taken - before < count or applied_in is None:
        there = await asyncio.to_thread(server.messages) - written
        if there >= count and applied_in is None:
            applied_in = time.perf_counter() - begun
        if not warm and there >= count // 4:
            warm = machine.resident_bytes(server.pid)
        if there + customers.taken != last:
            last, moved = there + customers.taken, time.perf_counter()
        elif time.perf_counter() - moved > _PATIENCE_SECONDS:
            raise TimeoutError(f"of {count} events {there} are applied, {customers.taken - before} with customers, and no more")
        await asyncio.sleep(0.2)
    delivered_in = time.perf_counter() - begun
    await publishing
    memory = machine.resident_bytes(server.pid)
    bench.note("salesforce_road.applied", count / applied_in)
    bench.note("salesforce_road.delivered", count / delivered_in)
    bench.note("salesforce_road.memory", memory / 1e6)
    if bench.long:
        bench.note("salesforce_road.grown", (memory - warm) / 1e6)
    else:
        bench.remark("salesforce_road.grown", "only with --long: after a few messages SQLite's caches are still filling")


async def _one_by_one(them: Org, customers: Provider, held: list[str], seconds: float) -> list[float]:
    planned = list(moments(_RATE, seconds))
    began: dict[str, float] = {}
    took: list[float] = []
    done = asyncio.Event()

    def heard(text: str) -> None:
        if text.startswith("one "):
            took.append(time.perf_counter() - began[text.split()[1]])
            if len(took) == len(planned):
                done.set()

    customers.heard = heard
    begun = time.perf_counter() + 0.2
    for number, moment in enumerate(planned):
        await asyncio.sleep(max(0.0, begun + moment - time.perf_counter()))
        them.plain.say(held[number % len(held)], ANN, _WORDS.format(f"one {number}"))
        began[str(number)] = time.perf_counter()
        await them.publish()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await done.wait()
    return took


async def _measured(bench: Bench, folder: Path, count: int) -> None:
    port = servers.free_port()
    async with org(folder) as them, provider(port) as customers:
        link = {"org": "production", "address": ADDRESS, "definition": DEFINITION, "typing": False}
        more: dict[str, Any] = {"salesforce": {"production": them.settings()}}
        gateway = servers.gateway(bench, provider=port, link=link, more=more)
        server = await asyncio.to_thread(gateway.__enter__)
        try:
            held = await _conversations(them, server)
            await customers.quiet()
            took = await _one_by_one(them, customers, held, bench.seconds(10))
            await _many(bench, them, server, customers, held, count)
            customers.check()
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)
    bench.note("salesforce_road.p50", quantile(took, 0.5) * 1_000)
    bench.note("salesforce_road.p99", quantile(took, 0.99) * 1_000)


def measure(bench: Bench) -> None:
    """The org and the customers' provider share the load's core."""
    count = _EVENTS_LONG if bench.long else bench.count(_EVENTS, 500)
    with servers.fresh_folder(bench) as folder:
        uvloop.run(_measured(bench, folder / "org", count))


SUBJECT: Final = Subject(
    "salesforce_road",
    "what a Salesforce org's reps say, from its event bus to the provider's 200; with --long 100,000 messages",
    (
        Line("salesforce_road.applied", "Salesforce reps' messages in sessions, of many at once", "/s", 500),
        Line("salesforce_road.delivered", "Salesforce reps' messages to the provider's 200, of many at once", "/s", 200),
        Line("salesforce_road.p50", "Salesforce rep's message, event to the provider's 200 at 50/s, p50", "ms", None, "low"),
        Line("salesforce_road.p99", "Salesforce rep's message, event to the provider's 200 at 50/s, p99", "ms", 150, "low"),
        Line("salesforce_road.memory", "Salesforce road: memory at the end", "MB", None, "low"),
        Line("salesforce_road.grown", "Salesforce road: memory grown since a quarter of the messages", "MB", 20, "low"),
    ),
    measure,
    rounds=1,
)
