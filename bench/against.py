"""What several subjects measure alike: the bare server's rate, and how much a gateway sustains."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvloop

from bench import servers
from bench.load import Driven, drive
from bench.servers import Server
from bench.subject import Bench
from bench.traffic import Traffic

_MOST: Final = 40_000  # answers a second that no server of one core gives
_POOL: Final = 2_000  # requests that the bare server is asked again and again: it doesn't read them


@dataclass(frozen=True, slots=True)
class Rate:
    """Good answers a second, and the server's processor time for one, in seconds."""

    per_second: float
    processor: float


def load_up(
    bench: Bench,
    server: Server,
    connections: int,
    seconds: float,
    *,
    request: Callable[[int], bytes] | None = None,
    again: bool = False,
) -> Rate:
    """A closed loop on a server for so long. `again`: it may be asked the same again and again."""
    ask = request or Traffic().request
    made = [ask(number) for number in range(_POOL if again else int(seconds * _MOST))]
    supply = itertools.cycle(made) if again else iter(made)
    used = server.processor_seconds()
    driven = uvloop.run(drive(server.port, supply, connections=connections, seconds=seconds))
    used = server.processor_seconds() - used
    _check(bench, driven)
    return Rate(driven.per_second, used / max(1, driven.answered))


def bare_rate(bench: Bench, connections: int, usual_seconds: float = 4) -> Rate:
    """Of `bench.bare`, measured now. Its spread over a run is the machine's noise."""
    with servers.bare(bench) as server:
        rate = load_up(bench, server, connections, bench.seconds(usual_seconds), again=True)
    bench.bare.setdefault(connections, []).append(rate.per_second)
    return rate


@dataclass(frozen=True, slots=True)
class Whole:
    """So many webhooks from the first request until the last message was in its transcript."""

    count: int
    accept_seconds: float
    seconds: float
    processor: float  # of all, in seconds

    @property
    def per_second(self) -> float:
        """What the gateway sustains."""
        return self.count / self.seconds


def whole_run(server: Server, count: int, connections: int = 64) -> Whole:
    """Send so many in a closed loop, sending again what is refused, and wait until all are applied."""
    made = Traffic().requests(count)
    used, begun = server.processor_seconds(), time.perf_counter()
    driven = uvloop.run(drive(server.port, iter(made), connections=connections, insist=True))
    ended = server.drained(count)
    return Whole(count, driven.seconds, ended - begun, server.processor_seconds() - used)


def capacity(bench: Bench) -> float:
    """Webhooks a second that the gateway takes in and applies: from the last whole run, or from a short one now."""
    if not bench.capacities:
        bench.say("    finding the capacity")
        with servers.gateway(bench) as server:
            bench.capacities.append(whole_run(server, bench.count(10_000, 100)).per_second)
    return bench.capacities[-1]


def _check(bench: Bench, driven: Driven) -> None:
    if driven.busy > 0.95:
        bench.say(f"    the load used {driven.busy:.0%} of its core: the server may be faster than this")
    if driven.answered == 0:
        raise RuntimeError(f"no request was answered with 200: {dict(driven.statuses)}")
    if refused := sum(driven.statuses.values()) - driven.answered:
        bench.say(f"    {refused} not answered with 200: {dict(driven.statuses)}")
