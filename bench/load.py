"""A load on loopback: as many requests as the other side takes, over kept-alive connections, with the time of each.

Plain asyncio protocols and bytes made beforehand, so that one core of load outruns one core of server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Result:
    """What came of a run."""

    seconds: float = 0.0
    answered: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds

    def quantile(self, q: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], result: Result, until: float, done: asyncio.Future[None]) -> None:
        self._requests, self._result, self._until, self._done = requests, result, until, done
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, found, rest = self._waiting.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if len(rest) < length:
            return
        self._waiting = rest[length:]
        self._result.times.append(time.perf_counter() - self._began)
        if head[9:12] == b"200":
            self._result.answered += 1
        else:
            self._result.refused += 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None or time.perf_counter() > self._until:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)


async def drive(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Result:
    """Load `127.0.0.1:port` until the time is over or the requests are used up."""
    loop = asyncio.get_running_loop()
    result = Result()
    began = time.perf_counter()
    ends = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(lambda end=end: _Connection(requests, result, began + seconds, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    result.seconds = time.perf_counter() - began
    return result


def http(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {len(body)}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
