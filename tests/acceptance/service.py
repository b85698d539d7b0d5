"""`byoc serve` and, in a process of its own, its providers: so the gateway can be stopped and started while they go on."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.acceptance.crowd import config_of, token_of
from tests.acceptance.processes import BYOC, Process, start
from tests.ports import free_port
from tests.world import Customer, Outside, Rep, outside


@dataclass
class Service:
    """Ana answers customers who write by SMS."""

    folder: Path
    reps: Outside
    phones: Outside
    environment: Mapping[str, str]
    starts: list[Process] = field(default_factory=list)

    @property
    def ana(self) -> Rep:
        return self.reps.rep("ana", token_of("ana"))

    async def start(self) -> None:
        """The gateway, once more."""
        command = (*BYOC, "serve", "--config", str(self.folder / "gateway.yaml"))
        started = await start(*command, ready="listening", log=self.folder / "log", environment=dict(self.environment))
        self.starts.append(started)

    async def stop(self) -> None:
        """As a service manager does."""
        assert await self.starts[-1].terminate() == 0

    def pace(self, per_second: float) -> None:
        """From the next start on, so many messages a second."""
        path = self.folder / "gateway.yaml"
        config = yaml.safe_load(path.read_text())
        config["channels"]["sms"]["messages_per_second"] = per_second
        path.write_text(yaml.safe_dump(config))

    async def conversations(self, count: int) -> dict[str, Customer]:
        """So many customers have written, and Ana has taken each; by session."""
        await self.ana.present()
        found = {}
        for number in range(count):
            kim = self.phones.customer("sms", f"kim-{number}")
            assert (await kim.says("hello")).status == 201
            found[(await self.ana.take("sms"))["id"]] = kim
        return found

    def states(self) -> Counter[str]:
        """How all messages to customers fare, from the file."""
        with closing(sqlite3.connect(self.folder / "data" / "sessions.db")) as connection:
            return Counter(dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall()))


@asynccontextmanager
async def service(folder: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Service]:
    """The providers are up; the gateway is still to be started. `environment` is the gateway's alone."""
    port, phones_port = free_port(), free_port()
    config = config_of(port, phones_port, folder / "data", {"support": ["ana"]}, ("sms",), {})
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(config))
    simulate = (*BYOC, "simulate", "--config", str(path), "--port", str(phones_port), "--data", str(folder / "phones"))
    phones = await start(*simulate, ready="phones", log=folder / "phones.log")
    async with outside(f"http://127.0.0.1:{port}") as reps, outside(f"http://127.0.0.1:{phones_port}") as customers:
        made = Service(folder, reps, customers, environment or {})
        try:
            yield made
        finally:
            for process in (*made.starts, phones):
                if process.running:
                    await process.kill()
