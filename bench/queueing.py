"""Queues: simulated event by event, and what theory says of the simple ones, by which the simulation is tested.

A *pool* is what a balancer spreads requests over: whoever is free takes the next. *Lanes* are what conversations are spread over: each belongs to one
process, and waits for it even while another is idle. A process with lanes is a pool of its own, of one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from random import Random

Draw = Callable[[], float]


def erlang_c(servers: int, load: float) -> float:
    """The probability that an arrival has to wait, in M/M/c: `load` is the rate times the mean service time, in servers. Raises ValueError when the queue
    would grow for ever."""
    if load >= servers:
        raise ValueError(f"{load:.2f} servers' worth of work for {servers}")
    blocked = 1.0  # Erlang B, by its recursion: factorials of hundreds are no floats
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mean_wait(servers: int, rate: float, mean: float) -> float:
    """In M/M/c, of all arrivals, those that don't wait included."""
    return erlang_c(servers, rate * mean) / (servers / mean - rate)


def arrivals(rate_at: Callable[[float], float], highest: float, until: float, random: Random) -> Iterator[float]:
    """The moments of a Poisson process whose rate changes with time, by thinning: `highest` is at least every `rate_at`."""
    moment = 0.0
    while True:
        moment += random.expovariate(highest)
        if moment >= until:
            return
        if random.random() * highest < rate_at(moment):
            yield moment


def service(mean: float, variation: float, random: Random) -> Draw:
    """Times with this mean and coefficient of variation: 0 always the same, 1 exponential."""
    if variation == 0:
        return lambda: mean
    if variation == 1:
        return lambda: random.expovariate(1 / mean)
    shape = 1 / variation**2
    return lambda: random.gammavariate(shape, mean / shape)


def pool_waits(moments: Iterable[float], draw: Draw, servers: int) -> list[float]:
    """How long each waits for its turn: first come, first served, by whoever is free first."""
    free = [0.0] * servers
    waits = []
    for moment in moments:
        begins = max(moment, free[0])
        heapq.heapreplace(free, begins + draw())
        waits.append(begins - moment)
    return waits


def busiest_share(servers: int, lanes: int) -> float:
    """Which part of all work the process with most lanes has: 64 lanes over 20 processes give some of them four."""
    return math.ceil(lanes / servers) / lanes


def backlog(work: Iterable[float], capacity: float) -> tuple[float, float]:
    """The most that waits, and the longest that any waits, of work that comes and is done as a fluid, step by step; `capacity` is what is done in a step."""
    waiting = most = 0.0
    for coming in work:
        waiting = max(0.0, waiting + coming - capacity)
        most = max(most, waiting)
    return most, most / capacity
