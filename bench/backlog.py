"""A backlog, as after an outage of the broker: webhooks were accepted and none applied; then a gateway starts and takes them in."""

from __future__ import annotations

import time
from typing import Final

import uvloop

from bench import servers
from bench.load import drive
from bench.results import Line
from bench.subject import Bench, Subject
from bench.traffic import Traffic


def measure(bench: Bench) -> None:
    """From the moment the gateway is ready. What it has applied by then isn't counted."""
    count = bench.count(100_000, 50)
    with servers.gateway(bench, without=["receiver"]) as server:
        traffic = Traffic()
        supply = (traffic.request(number) for number in range(count))
        uvloop.run(drive(server.port, supply, connections=64, insist=True))
        server.stop()
        config = server.folder / "gateway.yaml"
        with servers.running(server.folder, server.port, servers.command(config)) as again:
            before, begun = again.applied(), time.perf_counter()
            ended = again.drained(count)
            bench.note("backlog", (count - before) / max(1e-3, ended - begun))


SUBJECT: Final = Subject(
    "backlog",
    "how fast a backlog of 100,000 webhooks is applied, with nothing arriving",
    (Line("backlog", "backlog of 100,000, applied", "/s", 4_000),),
    measure,
)
