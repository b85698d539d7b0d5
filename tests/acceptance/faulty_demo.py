"""A demo that dies at a named point, as by a power cut. Only tests start it.

    python -m tests.acceptance.faulty_demo --port PORT --data DIR --armed FILE

For each line on stdin it starts the demo once more in a process of its own, forked from this one, which has everything imported:
so a start takes a fraction of a second. It says `ready` when the demo answers, and `ended CODE` when it is over.

The points are those that the gateway passes through between two steps (`Gateway(fault=…)`), and `provider_took`, when the simulated
provider has a call durably and hasn't answered it. FILE holds `POINT N`: at the Nth passing of POINT from then on the process is gone, and FILE
with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

from adapters import registry
from adapters.contract import Answer, RawRequest
from gateway import clock, logs
from gateway.app import Gateway
from gateway.demo import cast
from gateway.demo.host import SimulatorHost
from gateway.demo.phones import Phones
from gateway.demo.world import loopback_socket

DIED = 86


class Fault:
    """See the module. Points are passed in the writers' threads and on the loop."""

    def __init__(self, armed: Path) -> None:
        self._armed = armed
        self._passed = 0
        self._plan = ""
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        with self._lock:
            try:
                plan = self._armed.read_text()
            except FileNotFoundError:
                return
            if plan != self._plan:
                self._plan, self._passed = plan, 0
            name, _, number = plan.partition(" ")
            if name != point:
                return
            self._passed += 1
            if self._passed >= int(number):
                self._armed.unlink()
                os._exit(DIED)


class FaultyHost(SimulatorHost):
    """Simulated providers with a point between taking a call and answering it."""

    fault: Fault

    async def handle(self, channel_id: str, request: RawRequest) -> Answer:
        answer = await super().handle(channel_id, request)
        self.fault("provider_took")
        return answer


async def demo(port: int, data_dir: Path, armed: Path) -> None:
    """As `gateway.demo.world.demo_world`, with faults."""
    logs.set_up("error")
    fault = Fault(armed)
    sock = loopback_socket(port)
    loaded = cast.load(port, data_dir)
    host = FaultyHost(loaded.channels, data_dir, clock.now)
    host.fault = fault
    phones = Phones(host, clock.now)
    gateway = Gateway(loaded, demo=True, fault=fault, extend=lambda app, _: phones.install(app))
    async with host.remembering(), gateway.running(sock), host.working():
        print("ready", flush=True)  # noqa: T201
        await asyncio.Event().wait()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--armed", type=Path, required=True)
    asked: Any = parser.parse_args()
    registry.load()
    print("imported", flush=True)  # noqa: T201
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(demo(asked.port, asked.data, asked.armed))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
