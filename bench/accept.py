"""Accepting: verify, store durably, answer 200. Nothing reads the inbox meanwhile, so this is the road of a webhook until its answer alone."""

from __future__ import annotations

from typing import Final

from bench import servers
from bench.against import bare_rate, load_up
from bench.results import Line
from bench.subject import Bench, Subject

_TARGETS: Final = {32: 0.70, 64: 0.75, 128: 1.0}


def measure(bench: Bench) -> None:
    """Each number of connections right after the bare server at the same number."""
    for connections in _TARGETS:
        bare = bare_rate(bench, connections)
        with servers.gateway(bench, without=["receiver"]) as server:
            rate = load_up(bench, server, connections, bench.seconds(4))
        bench.note(f"accept.{connections}", rate.per_second / bare.per_second)
        if connections == 64:
            bench.note("accept.processor", bare.processor / max(rate.processor, 1e-9))
            bench.note("accept.rate", rate.per_second)


SUBJECT: Final = Subject(
    "accept",
    "webhooks accepted durably per second on one core, as a ratio to bare aiohttp",
    (
        *(Line(f"accept.{n}", f"accept at {n} connections, to bare", "ratio", goal) for n, goal in _TARGETS.items()),
        Line("accept.processor", "accept at 64 connections, processor time to bare", "ratio"),
        Line("accept.rate", "accept at 64 connections", "/s"),
    ),
    measure,
)
