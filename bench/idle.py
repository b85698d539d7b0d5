"""A gateway with nothing to do: how soon it is ready, and the memory that it takes."""

from __future__ import annotations

import time
from typing import Final

from bench import machine, servers
from bench.results import Line
from bench.subject import Bench, Subject


def measure(bench: Bench) -> None:
    """Started on an empty folder; ready is the first 200 of /readyz. The start before it is not counted: it compiles what has changed."""
    with servers.gateway(bench):
        pass
    with servers.gateway(bench) as server:
        time.sleep(bench.seconds(2))
        bench.note("idle.memory", machine.resident_bytes(server.pid) / 1e6)
        bench.note("idle.start", server.started_in)


SUBJECT: Final = Subject(
    "idle",
    "memory of an idle gateway, and the time from its start until it is ready",
    (
        Line("idle.memory", "memory idle", "MB", 80, "low"),
        Line("idle.start", "start to ready", "s", 0.8, "low"),
    ),
    measure,
)
