"""A gateway in roles: two edges, two brokers, two senders and two APIs, each a process of its own, on one PostgreSQL (and, if wanted, with NATS before it), with a
link of its own to each that can be cut. Its providers are played by `byoc simulate`."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests import postgresql, proxy
from tests.acceptance.crowd import config_of, token_of
from tests.acceptance.processes import BYOC, Process, start
from tests.front import Front
from tests.nats import NatsServer
from tests.ports import free_port
from tests.world import Outside, Rep, outside

ROLES: Sequence[str] = ("edge", "broker", "sender", "api")
TWO_OF_EACH: Mapping[str, int] = dict.fromkeys(ROLES, 2)


@dataclass
class Member:
    """One process. `links`: to the servers that it needs, by their names."""

    name: str
    role: str
    port: int
    config: Path
    links: dict[str, proxy.Link]
    starts: list[Process] = field(default_factory=list)
    frozen: bool = False

    @property
    def now(self) -> Process:
        """The start that runs, or ran last."""
        return self.starts[-1]

    @property
    def running(self) -> bool:
        return bool(self.starts) and self.now.running


@dataclass
class Fleet:
    """See the module. `front` is where providers and browsers call; `phones` the customers' side."""

    folder: Path
    server: postgresql.Server
    nats: NatsServer | None
    members: dict[str, Member]
    front: Outside
    phones: Outside

    def of(self, role: str) -> list[Member]:
        """All of a role."""
        return [one for one in self.members.values() if one.role == role]

    async def start(self, name: str) -> Process:
        """Once more, until it listens."""
        one = self.members[name]
        command = (*BYOC, "serve", "--config", str(one.config), "--role", one.role)
        one.starts.append(await start(*command, ready="listening", log=self.folder / f"{name}.log"))
        return one.now

    async def kill(self, name: str) -> None:
        """kill -9."""
        await self.members[name].now.kill()

    def freeze(self, name: str) -> None:
        """It does nothing, and doesn't know that it does nothing."""
        self.members[name].frozen = True
        os.kill(self.members[name].now.pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It goes on where it was."""
        self.members[name].frozen = False
        os.kill(self.members[name].now.pid, signal.SIGCONT)

    def rep(self, login: str) -> Rep:
        """Somebody of the org, by the front."""
        return self.front.rep(login, token_of(login))

    @asynccontextmanager
    async def at(self, name: str) -> AsyncIterator[Outside]:
        """One process's own doors."""
        async with outside(f"http://127.0.0.1:{self.members[name].port}", connections=0) as there:
            yield there

    def query(self, statement: str) -> list[Any]:
        """Of the database, beside all of them."""
        return self.server.execute(f"SET search_path = byoc; {statement}")


def _links(to: Mapping[str, int], stack: AsyncExitStack) -> Iterator[tuple[str, proxy.Link]]:
    for name, port in to.items():
        yield name, stack.enter_context(proxy.link(port))


def _member(folder: Path, name: str, role: str, raw: dict[str, Any], links: dict[str, proxy.Link], store: str) -> Member:
    port = free_port()
    mine = {**raw, "listen": {"port": port}, "data_dir": str(folder / name), "store": store}
    if "nats" in links:
        mine["inbox"] = f"nats://127.0.0.1:{links['nats'].port}"
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(mine))
    return Member(name, role, port, config, links)


@asynccontextmanager
async def fleet(
    folder: Path,
    queues: Mapping[str, list[str]],
    *,
    kinds: tuple[str, ...],
    members: Mapping[str, int] = TWO_OF_EACH,
    nats: bool = False,
    settings: dict[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> AsyncIterator[Fleet]:
    """All of them started. `more`: other parts of the config."""
    async with AsyncExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 8_192 else max(soft, 8_192), hard))
        server = stack.enter_context(postgresql.server(folder / "pg"))
        stream = NatsServer(folder / "nats") if nats else None
        if stream is not None:
            stream.start()
            stack.callback(stream.stop)
        front_port, phones_port = free_port(), free_port()
        raw = config_of(front_port, phones_port, folder / "data", queues, kinds, settings or {})
        raw |= {"media_secret": "a secret that all processes share", "log_level": "info", **(more or {})}
        # Files stay in one folder, which all processes of this machine share.
        to = {"postgresql": server.port, **({"nats": stream.port} if stream else {})}
        made: dict[str, Member] = {}
        for role, count in members.items():
            for number in range(1, count + 1):
                name = f"{role}-{number}"
                links = dict(
                    _links({key: port for key, port in to.items() if key != "nats" or role in ("edge", "broker", "api")}, stack)
                )
                url = server.url(port=links["postgresql"].port)
                made[name] = _member(folder, name, role, raw, links, url)
        edges, apis = ([one.port for one in made.values() if one.role == role] for role in ("edge", "api"))
        await stack.enter_async_context(Front(edges, apis).listening(front_port))
        simulators = folder / "simulators.yaml"
        simulators.write_text(yaml.safe_dump(raw))
        simulate = (*BYOC, "simulate", "--config", str(simulators), "--port", str(phones_port), "--data", str(folder / "phones"))
        phones = await start(*simulate, ready="phones", log=folder / "phones.log")
        stack.push_async_callback(phones.kill)
        front = await stack.enter_async_context(outside(f"http://127.0.0.1:{front_port}", connections=0))
        customers = await stack.enter_async_context(outside(f"http://127.0.0.1:{phones_port}", connections=0))
        whole = Fleet(folder, server, stream, made, front, customers)
        try:
            await asyncio.gather(*(whole.start(name) for name in made))
            yield whole
        finally:
            for one in made.values():
                if one.running:
                    if one.frozen:
                        whole.thaw(one.name)
                    await one.now.kill()
