"""A provider's worked example: 3,300 webhooks a second, whatever becomes of them, on one core with everything running."""

from __future__ import annotations

from typing import Final

import uvloop

from bench import servers
from bench.load import offer
from bench.results import Line, quantile
from bench.subject import Bench, Subject
from bench.traffic import Traffic

RATE: Final = 3_300


def measure(bench: Bench) -> None:
    """Times are counted from the planned moment. `behind` is what is not applied when the last webhook is answered, in seconds of the load."""
    with servers.gateway(bench) as server:
        warm, traffic = Traffic(prefix="wamid.warm."), Traffic()
        uvloop.run(offer(server.port, warm.request, rate=200, seconds=1))  # opens connections, fills caches
        offered = uvloop.run(offer(server.port, traffic.request, rate=RATE, seconds=bench.seconds(15), patience=30))
        behind = offered.answered - server.applied()
    bench.note("offered.p50", quantile(offered.times, 0.5) * 1000)
    bench.note("offered.p99", quantile(offered.times, 0.99) * 1000)
    bench.note("offered.behind", behind / RATE)
    if refused := offered.sent - offered.answered:
        bench.remark("offered.p50", f"{refused} of {offered.sent} not answered with 200")


SUBJECT: Final = Subject(
    "offered",
    "time to the answer at 3,300 webhooks a second, and whether the backlog grows",
    (
        Line("offered.p50", "3,300/s offered: time to 200, p50", "ms", 5, "low"),
        Line("offered.p99", "3,300/s offered: time to 200, p99", "ms", 20, "low"),
        Line("offered.behind", "3,300/s offered: behind at the end (0: no growth)", "s", 0.5, "low"),
    ),
    measure,
)
