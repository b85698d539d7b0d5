"""Ports for processes that tests start, which may be started again on the same port.

Below the range from which the kernel takes ports of outgoing connections (32768 and up on Linux), so that no client is given the port of a
server that is just being restarted; and each of several pytest processes looks in a stretch of its own.
"""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _LAST, _STRETCH = 20_000, 32_000, 400
_stretches = (_LAST - _FIRST) // _STRETCH
_ports = itertools.cycle(range(_STRETCH))


def free_port() -> int:
    """A port that nothing listens on just now, and that this process hasn't given out lately."""
    # One after the other for the workers of one run; runs that go on at the same time begin elsewhere.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    begin = _FIRST + (run * 7 + worker) % _stretches * _STRETCH
    for offset in itertools.islice(_ports, _STRETCH):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", begin + offset))
            except OSError:
                continue
            return begin + offset
    raise AssertionError(f"every port from {begin} on is taken")
