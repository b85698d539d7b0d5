"""The stream of a Salesforce org's events, from the org's bus until each is durable in the inbox: how many a second when many wait, how soon when they come one by
one, and whether the memory stays flat. The bus is the simulated org's, with gRPC and TLS, on the load's core; the gateway's side has the server's."""

from __future__ import annotations

import asyncio
import json
import os
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench import machine, servers
from bench.load import moments
from bench.org import Org, org
from bench.results import Line, quantile
from bench.subject import Bench, Subject
from gateway.brokers.salesforce.simulator.log import EventLog

_EVENTS, _EVENTS_LONG = 20_000, 100_000
_RATE: Final = 200.0
_WORDS: Final = "I looked into your order, and it will be with you tomorrow between nine and noon. " * 4


def _event(number: int, **more: float) -> dict[str, Any]:
    """As large as a rep's message is."""
    entry = {
        "entryType": "Message",
        "id": str(number),
        "abstractMessage": {"staticContent": {"formatType": "Text", "text": _WORDS}},
    }
    rest = {
        "channelAddressIdentifier": "3f1c",
        "recipient": {"subject": f"kim{number % 100}", "role": "EndUser", "appType": "custom"},
    }
    return {"conversationIdentifier": "c", **rest, "payload": {"entryType": "Message", "entryPayload": entry}, **more}


async def _publish(them: Org, count: int) -> bytes:
    """So many events; the place before them."""
    before = await them.bus.log.append("Interaction", _event(0))
    await them.append([("Interaction", _event(number)) for number in range(count)], at_once=500)
    return before


@asynccontextmanager
async def _listening(them: Org, folder: Path, after: bytes, mark: int) -> AsyncIterator[Process]:
    (folder / "org.json").write_text(json.dumps(them.settings()))
    given = ["--org", str(folder / "org.json"), "--token", them.token, "--data", str(folder / "data")]
    command = servers.python("bench.listener", *given, "--after", after.hex(), "--mark", str(mark))
    process = await asyncio.create_subprocess_exec(*command, cwd=servers.ROOT, stdout=PIPE)
    os.sched_setaffinity(process.pid, machine.cores()[0])
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def _told(process: Process, key: str) -> dict[str, float]:
    """The next line that has this."""
    assert process.stdout is not None
    async for line in process.stdout:
        if key in (said := json.loads(line)):
            return said  # type: ignore[no-any-return]
    raise RuntimeError("the listener ended")


async def _measured(bench: Bench, folder: Path, count: int) -> None:
    mark = max(1, count // 20)
    async with org(folder) as them:
        before = await _publish(them, count)
        async with _listening(them, folder, before, mark) as process:
            marks = [await _told(process, "kept")]
            while marks[-1]["kept"] < count:
                marks.append(await _told(process, "kept"))
            first, last, warm = marks[1], marks[-1], marks[len(marks) // 4]
            bench.note("salesforce.rate", (last["kept"] - first["kept"]) / (last["at"] - first["at"]))
            took = await _one_by_one(them.bus.log, process, bench.seconds(10))
            bench.note("salesforce.p50", quantile(took, 0.5) * 1_000)
            bench.note("salesforce.p99", quantile(took, 0.99) * 1_000)
            bench.note("salesforce.memory", last["memory"] / 1e6)
            bench.note("salesforce.grown", (last["memory"] - warm["memory"]) / 1e6)


async def _one_by_one(log: EventLog, process: Process, seconds: float) -> list[float]:
    """From when each is published until it is durable here; the bus takes its part of it."""
    begun = time.monotonic() + 0.2
    planned = list(moments(_RATE, seconds))

    async def publish() -> None:
        for number, moment in enumerate(planned):
            await asyncio.sleep(begun + moment - time.monotonic())
            await log.append("Interaction", _event(number, published=time.monotonic()))

    publishing = asyncio.create_task(publish())
    took = [(await _told(process, "took"))["took"] for _ in planned]
    await publishing
    return took


def measure(bench: Bench) -> None:
    """What waits is published before the gateway's side starts."""
    count = _EVENTS_LONG if bench.long else bench.count(_EVENTS, 2_000)
    with servers.fresh_folder(bench) as folder:
        asyncio.run(_measured(bench, folder, count))  # uvloop forks to start a process, which gRPC doesn't survive each time


SUBJECT: Final = Subject(
    "salesforce",
    "a Salesforce org's events, from its bus until they are durable here; with --long 100,000 of them",
    (
        Line("salesforce.rate", "Salesforce events made durable, of many that wait", "/s", 1_000),
        Line("salesforce.p50", "Salesforce event, published until durable at 200/s, p50", "ms", None, "low"),
        Line("salesforce.p99", "Salesforce event, published until durable at 200/s, p99", "ms", 100, "low"),
        Line("salesforce.memory", "Salesforce stream: memory at the end", "MB", None, "low"),
        Line("salesforce.grown", "Salesforce stream: memory grown since a quarter of the events", "MB", 20, "low"),
    ),
    measure,
    rounds=1,
)
