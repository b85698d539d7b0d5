"""The whole road, all in: every message in its transcript, and all the processor time that took, as a ratio to what the bare server uses for a request.

The rate of the answers alone would hide a backlog that grows meanwhile.
"""

from __future__ import annotations

from typing import Final

from bench import servers
from bench.against import bare_rate, whole_run
from bench.results import Line
from bench.subject import Bench, Subject


def measure(bench: Bench) -> None:
    """A closed loop at 64 connections, then the rest of the backlog."""
    bare = bare_rate(bench, 64)
    with servers.gateway(bench) as server:
        whole = whole_run(server, bench.count(30_000, 50))
    bench.capacities.append(whole.per_second)
    cost = whole.processor / whole.count
    bench.note("whole", bare.processor / max(cost, 1e-9))
    bench.note("whole.cost", cost * 1e6)
    bench.note("whole.bare", bare.processor * 1e6)
    bench.note("whole.rate", whole.per_second)


SUBJECT: Final = Subject(
    "whole",
    "all processor time until 30,000 webhooks are accepted and applied, as a ratio to bare aiohttp's",
    (
        Line("whole", "whole, all in until drained, processor time to bare", "ratio", 0.28),
        Line("whole.cost", "whole, processor time a message", "µs", None, "low"),
        Line("whole.bare", "bare, processor time a request", "µs", None, "low"),
        Line("whole.rate", "whole, messages accepted and applied", "/s"),
    ),
    measure,
)
