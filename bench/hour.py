"""An hour at 3,300 webhooks a second, with raw webhooks thrown away as they get old: nothing may be lost, and the last minutes must be as fast as the first."""

from __future__ import annotations

from typing import Final

import uvloop

from bench import machine, servers
from bench.load import Offered, offer
from bench.offered import RATE
from bench.overload import lost
from bench.results import Line, quantile
from bench.subject import Bench, Subject
from bench.traffic import Traffic

_KEEP_SECONDS: Final = 300.0  # raw webhooks, so that the inbox has reached its size early on


def _p99(offered: Offered, first: float, last: float) -> float:
    """Of the webhooks between two shares of the run, in seconds."""
    span = range(int(offered.sent * first), int(offered.sent * last))
    return quantile([seconds for number, seconds in zip(offered.numbers, offered.times, strict=True) if number in span], 0.99)


def measure(bench: Bench) -> None:
    """Compared are the first and the last twelfth: five minutes of an hour."""
    seconds, traffic = bench.minutes * 60, Traffic()
    with servers.gateway(bench, keep_seconds=_KEEP_SECONDS) as server:
        offered = uvloop.run(offer(server.port, traffic.request, rate=RATE, seconds=seconds, patience=60))
        behind = offered.answered - server.applied()
        server.drained(offered.answered)
        bench.note("hour.lost", lost(server, offered))
        bench.note("hour.peak", machine.peak_bytes(server.pid) / 1e6)
    first, last = _p99(offered, 0, 1 / 12), _p99(offered, 11 / 12, 1)
    bench.note("hour.minutes", bench.minutes)
    bench.note("hour.first", first * 1000)
    bench.note("hour.last", last * 1000)
    bench.note("hour.slower", last / first)
    bench.note("hour.behind", behind / RATE)
    if refused := offered.sent - offered.answered:
        bench.remark("hour.lost", f"{refused} of {offered.sent} not answered with 200")


SUBJECT: Final = Subject(
    "hour",
    "3,300 webhooks a second for an hour with retention on; --minutes makes it shorter",
    (
        Line("hour.minutes", "long form at 3,300/s: length", "min"),
        Line("hour.lost", "long form: answered 200 and not applied", "", 0, "low"),
        Line("hour.first", "long form: time to 200, p99 of the first twelfth", "ms", None, "low"),
        Line("hour.last", "long form: time to 200, p99 of the last twelfth", "ms", None, "low"),
        Line("hour.slower", "long form: p99, last to first", "ratio", 1.2, "low"),
        Line("hour.behind", "long form: behind at the end", "s", 0.5, "low"),
        Line("hour.peak", "long form: most memory", "MB", None, "low"),
    ),
    measure,
    rounds=1,
    option="long",
)
