"""Accepting in a process of its own (`byoc serve --processes`), while another process applies what was accepted, on two cores."""

from __future__ import annotations

import itertools
import subprocess
import time
from typing import Final

import uvloop

from bench import machine, servers
from bench.against import bare_rate
from bench.load import drive
from bench.results import Line
from bench.subject import Bench, Skip, Subject
from bench.traffic import Traffic

_OPTION: Final = "--processes"


def _check_option() -> None:
    shown = subprocess.run(
        servers.python("gateway.cli", "serve", "--help"), cwd=servers.ROOT, capture_output=True, text=True, check=True
    )
    if _OPTION not in shown.stdout:
        raise Skip(f"`byoc serve` has no {_OPTION} yet")


def measure(bench: Bench) -> None:
    """A closed loop. The load shares a core with the server if there are no more than two."""
    _check_option()
    bare, port = bare_rate(bench, 64), servers.free_port()
    cores = machine.server_cores(2)
    with servers.gateway(bench, options=[_OPTION], cores=cores, webhooks_port=port) as server:
        traffic, seconds = Traffic(), bench.seconds(5)
        supply = (traffic.request(number) for number in itertools.count())
        begun = time.perf_counter()
        driven = uvloop.run(drive(port, supply, connections=64, seconds=seconds))
        applied = server.applied() / (time.perf_counter() - begun)
    bench.note("processes.accept", driven.per_second / bare.per_second)
    bench.note("processes.applied", applied)
    if machine.cores()[1] <= cores:
        bench.remark("processes.accept", "the load had one of the two cores, too")


SUBJECT: Final = Subject(
    "processes",
    "accepting in a process of its own while another applies, on two cores",
    (
        Line("processes.accept", "accept in a process of its own, to bare", "ratio", 0.90),
        Line("processes.applied", "accept in a process of its own: applied meanwhile", "/s", 5_000),
    ),
    measure,
)
