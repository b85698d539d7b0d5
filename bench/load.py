"""The load: requests over kept-alive connections on loopback, with the time of each. Plain asyncio protocols and bytes made beforehand, so that one
core of load outruns one core of server.

`drive` is a closed loop: as many requests as the other side takes, each connection sending its next when it has its answer. It finds out rates.

`offer` is an open loop: each request has its moment, whatever became of those before it, and its time counts from that moment, not from when there was a
connection for it. It finds out times: a closed loop would ask a slow server less often, and miss the time that its requests would have waited.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

_GRID: Final = 0.001  # uvloop's timers count milliseconds: moments are on this grid from the start, so that none is late for the timer's sake
_LONGEST_PAUSE: Final = 1.0  # a rate is to be the server's, not that of the load's waiting


class _Connection(asyncio.Protocol):
    """One request at a time. `heard` gets status, head and body of each answer; status 0: the connection ended before it."""

    def __init__(self) -> None:
        self._waiting = b""
        self._heads: dict[bytes, tuple[int, int]] = {}
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._waiting = self._waiting + data if self._waiting else data
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._waiting[:end]
        status, length = self._heads.get(head) or self._read(head)
        if len(self._waiting) < end + 4 + length:
            return
        self._waiting = self._waiting[end + 4 + length :]
        self.heard(status, head)

    def _read(self, head: bytes) -> tuple[int, int]:
        """Status and length of the body. Heads repeat, except for the second in their date."""
        if len(self._heads) > 100:
            self._heads.clear()
        length = 0
        for line in head.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        found = self._heads[head] = int(head[9:12]), length
        return found

    def heard(self, status: int, head: bytes) -> None:
        """To be overridden."""
        raise NotImplementedError


def _pause(head: bytes) -> float:
    """What `Retry-After` asks for, in seconds, but at most one; a little without it."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"retry-after:"):
            return min(_LONGEST_PAUSE, float(line[12:]))
    return 0.1


# -------------------------------------------------------------------------------------------------- closed loop


@dataclass
class Driven:
    """What came of a closed loop. `times` are those of good answers, in seconds; `busy` is the load's own share of its core."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    busy: float = 0.0

    @property
    def answered(self) -> int:
        """Good answers: 200, or what else says that it was taken."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds


class _Closed(_Connection):
    def __init__(self, supply: Iterator[bytes], driven: Driven, until: float, insist: bool, done: asyncio.Future[None]) -> None:
        super().__init__()
        self._supply, self._driven, self._until, self._insist, self._done = supply, driven, until, insist, done
        self._request = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def heard(self, status: int, head: bytes) -> None:
        self._driven.statuses[status] += 1
        if 200 <= status < 300:
            self._driven.times.append(time.perf_counter() - self._began)
        elif self._insist:
            asyncio.get_running_loop().call_later(_pause(head), self._send)
            return
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        request = next(self._supply, None) if time.perf_counter() < self._until else None
        if request is None:
            self._end()
        else:
            self._request = request
            self._send()

    def _end(self) -> None:
        if self.transport:
            self.transport.close()

    def _send(self) -> None:
        self._began = time.perf_counter()
        if self.transport:
            self.transport.write(self._request)


async def drive(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float = math.inf, insist: bool = False
) -> Driven:
    """Load `127.0.0.1:port` until the time has passed or the requests are used up. `insist`: send again, after the pause that the server asks for, what
    was not answered with 200."""
    loop = asyncio.get_running_loop()
    driven = Driven()
    began, used = time.perf_counter(), time.process_time()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(
            lambda end=end: _Closed(requests, driven, began + seconds, insist, end),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*ends)
    driven.seconds = time.perf_counter() - began
    driven.busy = (time.process_time() - used) / driven.seconds
    return driven


# ---------------------------------------------------------------------------------------------------- open loop


@dataclass
class Offered:
    """What came of an open loop, by the request's number: `statuses` (0: no answer), and `times` in seconds from the planned moment, of good answers
    only, each with its number."""

    statuses: array[int] = field(default_factory=lambda: array("H"))
    times: array[float] = field(default_factory=lambda: array("f"))
    numbers: array[int] = field(default_factory=lambda: array("L"))
    told_when: int = 0  # refusals with Retry-After
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """How many there were."""
        return len(self.statuses)

    @property
    def answered(self) -> int:
        """Good answers."""
        return len(self.times)

    def of(self, status: int) -> int:
        """How many had this status."""
        return self.statuses.count(status)


class _Open(_Connection):
    def __init__(self, pool: _Pool) -> None:
        super().__init__()
        self._pool = pool
        self._number: int | None = None
        self._planned = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._pool.free(self)

    def send(self, number: int, planned: float) -> None:
        self._number, self._planned = number, planned
        if self.transport:
            self.transport.write(self._pool.request(number))

    def heard(self, status: int, head: bytes) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._pool.note(number, status, time.perf_counter() - self._planned, head)
        self._pool.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        number, self._number, self.transport = self._number, None, None
        self._pool.lost(self, number)


class _Pool:
    """The connections of an open loop, and what waits for one."""

    def __init__(self, port: int, request: Callable[[int], bytes], connections: int) -> None:
        self.request, self.offered = request, Offered()
        self._port, self._connections = port, connections
        self._all: set[_Open] = set()
        self._idle: list[_Open] = []
        self._waiting: deque[tuple[int, float]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self.closing = False

    async def start(self) -> None:
        for _ in range(self._connections):
            await self._connect()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Open(self), "127.0.0.1", self._port)
            self._all.add(connection)
        except OSError:
            await asyncio.sleep(0.1)
            self._again()

    def _again(self) -> None:
        if not self.closing:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def plan(self, planned: float) -> None:
        """The next request, whose moment this is."""
        number = self.offered.sent
        self.offered.statuses.append(0)
        if self._idle:
            self._idle.pop().send(number, planned)
        else:
            self._waiting.append((number, planned))

    def free(self, connection: _Open) -> None:
        if self._waiting and not self.closing:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)
            if self._settled():
                self._quiet.set()

    def lost(self, connection: _Open, number: int | None) -> None:
        """It stays without an answer; whoever waits gets a new connection."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._again()

    def note(self, number: int, status: int, seconds: float, head: bytes) -> None:
        self.offered.statuses[number] = status
        if status == 200:
            self.offered.times.append(seconds)
            self.offered.numbers.append(number)
        elif b"retry-after:" in head.lower():
            self.offered.told_when += 1

    def _settled(self) -> bool:
        return not self._waiting and len(self._idle) == self._connections

    async def close(self, patience: float) -> None:
        """Wait so long for answers that are still out, then hang up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not self._settled():
                    self._quiet.clear()
                    await self._quiet.wait()
        self.closing = True
        for task in self._opening:
            task.cancel()
        for connection in tuple(self._all):
            if connection.transport:
                connection.transport.abort()


def moments(rate: float, seconds: float, seed: int = 1) -> Iterator[float]:
    """When requests are to be sent, in seconds from the start: independently of each other, so many a second on average (Poisson)."""
    chance = random.Random(seed)
    at = chance.expovariate(rate)
    while at < seconds:
        yield math.ceil(at / _GRID) * _GRID
        at += chance.expovariate(rate)


async def offer(
    port: int,
    request: Callable[[int], bytes],
    *,
    rate: float,
    seconds: float,
    connections: int = 256,
    patience: float = 10.0,
    begin: Callable[[float], None] | None = None,
) -> Offered:
    """Send `request(0)`, `request(1)` … at their moments; those are counted from what `begin` is told (`perf_counter`)."""
    pool = _Pool(port, request, connections)
    await pool.start()
    began, last = time.perf_counter() + 0.01, 0.0
    if begin:
        begin(began)
    for moment in moments(rate, seconds):
        planned = began + moment
        if planned != last:  # those of one moment go together; between moments, answers are read
            last = planned
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
        pool.plan(planned)
    pool.offered.seconds = time.perf_counter() - began
    await pool.close(patience)
    return pool.offered
