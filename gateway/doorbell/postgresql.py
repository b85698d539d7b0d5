"""A doorbell, and signals, that reach all processes which share a PostgreSQL: by NOTIFY.

They go by a connection of their own, beside the transactions whose news they are: those would wait for each other at their commits otherwise. A thread has it. What is to be
told gathers while it tells: one statement at most every 10 ms, however often it rings. Those who wait in this process don't wait for that.

What is lost while the server is away, the slow poll makes up for. When it is back, everybody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import secrets
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import psycopg
from pydantic_core import from_json, to_json

from gateway.doorbell.contract import Data
from gateway.doorbell.local import LocalDoorbell, LocalSignals
from gateway.outage import Outage

_log = logging.getLogger(__name__)
_CHANNEL: Final = "byoc"
_GAP_SECONDS: Final = 0.01
_MOST_BYTES: Final = 7_800  # of what NOTIFY carries; PostgreSQL refuses 8,000
_MOST_SIGNAL_BYTES: Final = 7_500
_MOST_SIGNALS: Final = 2_000  # that wait to be told
_LEAST_PAUSE_SECONDS: Final = 0.2
_MOST_PAUSE_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 30.0


class PostgresDoorbell:
    """See the module, `gateway.doorbell.contract.Doorbell` and `Signals`. `start` comes first."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        """`connect` gives a connection that commits by itself. It is called in the thread."""
        self._connect = connect
        self._here, self._signals = LocalDoorbell(), LocalSignals()
        self._name = secrets.token_hex(6)  # we hear ourselves, too
        self._outage = Outage(_log, "telling the other processes", "doorbell")
        self._lock = threading.Lock()
        self._rings: set[str] = set()
        self._told: deque[tuple[str, str]] = deque(maxlen=_MOST_SIGNALS)
        self._ending = False
        self._thread: threading.Thread | None = None
        self._hears, self._wakes = os.pipe()
        self.too_large = 0  # signals that the others didn't get

    # -------------------------------------------------------------------------------------------------------- on the loop

    async def start(self) -> None:
        """Listen. While the server can't be reached, only this process hears itself."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Tell what is to be told, and end."""
        self._ending = True
        os.write(self._wakes, b"x")
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        os.close(self._hears)
        os.close(self._wakes)

    def ring(self, topic: str) -> None:
        """See `Doorbell`."""
        self._here.ring(topic)
        with self._lock:
            first = not self._rings
            self._rings.add(topic)
        if first:
            self._wake_thread()

    def wake(self, topic: str) -> None:
        """See `Doorbell`."""
        self._here.ring(topic)

    async def wait(self, topic: str, timeout_seconds: float) -> None:
        """See `Doorbell`."""
        await self._here.wait(topic, timeout_seconds)

    def publish(self, topic: str, data: Data) -> None:
        """See `Signals`."""
        self._signals.publish(topic, data)
        text = to_json(data).decode()
        if len(text.encode()) + len(topic.encode()) > _MOST_SIGNAL_BYTES:
            self.too_large += 1
            return
        with self._lock:
            first = not self._told
            self._told.append((topic, text))
        if first:
            self._wake_thread()

    def subscribe(self, topic: str, call: Callable[[Data], None]) -> Callable[[], None]:
        """See `Signals`."""
        return self._signals.subscribe(topic, call)

    def _wake_thread(self) -> None:
        if self._thread is not None:
            os.write(self._wakes, b"x")

    def _heard(self, payload: str) -> None:
        told = from_json(payload)
        for topic in told["rings"]:
            self._here.ring(topic)
        for topic, data in told["signals"]:
            self._signals.publish(topic, data)

    # ------------------------------------------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        pause = _LEAST_PAUSE_SECONDS
        while not self._ending:
            try:
                with contextlib.closing(self._connect()) as connection:
                    connection.execute(f"SET synchronous_commit = off; LISTEN {_CHANNEL}")  # nothing of it is kept
                    connection.add_notify_handler(lambda notify: self._take(notify.payload))
                    self._outage.worked()
                    self._post(self._here.ring_all)
                    pause = _LEAST_PAUSE_SECONDS
                    self._serve(connection)
                    return
            except (psycopg.Error, OSError) as error:
                self._outage.failed(f"PostgreSQL can't be reached ({type(error).__name__})")
            until = time.monotonic() + pause * random.uniform(0.5, 1.0)  # noqa: S311 - lest all come at once
            while not self._ending and (left := until - time.monotonic()) > 0:
                self._await([self._hears], left)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    def _serve(self, connection: psycopg.Connection[Any]) -> None:
        """Until the end. Raises psycopg.Error."""
        told_at = float("-inf")
        while True:
            waiting = bool(self._rings or self._told)
            seconds = max(0.0, told_at + _GAP_SECONDS - time.monotonic()) if waiting else _IDLE_SECONDS
            if not self._ending and connection.pgconn.socket in self._await([connection.pgconn.socket, self._hears], seconds):
                connection.pgconn.consume_input()
                while (notify := connection.pgconn.notifies()) is not None:
                    self._take(notify.extra.decode())
            if self._ending or (waiting and time.monotonic() - told_at >= _GAP_SECONDS):
                told_at = time.monotonic()
                if payloads := [(_CHANNEL, payload) for payload in self._payloads()]:
                    connection.cursor().executemany("SELECT pg_notify(%s, %s)", payloads)
            if self._ending:
                return

    def _await(self, those: Iterable[int], seconds: float) -> set[int]:
        poll = select.poll()
        for one in those:
            poll.register(one, select.POLLIN)
        found = {one for one, _ in poll.poll(seconds * 1_000)}
        if self._hears in found:
            os.read(self._hears, 4_096)
        return found

    def _payloads(self) -> Iterator[str]:
        with self._lock:
            waiting = [("rings", json.dumps(topic)) for topic in sorted(self._rings)]
            waiting += [("signals", f"[{json.dumps(topic)},{text}]") for topic, text in self._told]
            self._rings.clear()
            self._told.clear()
        some: dict[str, list[str]] = {"rings": [], "signals": []}
        size = 0
        for kind, text in waiting:
            added = len(text.encode()) + 1
            if size + added > _MOST_BYTES:
                yield self._payload(some)
                some, size = {"rings": [], "signals": []}, 0
            some[kind].append(text)
            size += added
        if waiting:
            yield self._payload(some)

    def _payload(self, some: dict[str, list[str]]) -> str:
        return f'{{"from":"{self._name}","rings":[{",".join(some["rings"])}],"signals":[{",".join(some["signals"])}]}}'

    def _take(self, payload: str) -> None:
        if not payload.startswith(f'{{"from":"{self._name}"'):
            self._post(lambda: self._heard(payload))

    def _post(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(call)
