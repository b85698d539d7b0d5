"""What compose would start, started without it: PostgreSQL and three NATS servers with our settings, all processes of `compose.yaml` on our config, Caddy in front.

A visitor of the web chat and a rep talk. Only addresses and ports are others than in the containers.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import postgresql
from tests.acceptance.processes import BYOC, Process, start
from tests.deploy.deployed import DEPLOY, ROLES, compose, program, said
from tests.ports import free_port
from tests.world import Outside, outside, wait_until

pytestmark = [pytest.mark.asyncio, pytest.mark.acceptance, pytest.mark.timeout(600)]
NATS = ("nats-1", "nats-2", "nats-3")


def settings_of(text: str) -> dict[str, Any]:
    """Of a postgresql.conf."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {name.strip(): value.strip().strip("'") for name, _, value in (line.partition("=") for line in lines if line)}


@contextmanager
def database(folder: Path, secrets: Path) -> Iterator[postgresql.Server]:
    """With our settings, but for what this machine hasn't got; and the user and the database that the container's first start makes."""
    ours = settings_of((DEPLOY / "postgresql" / "postgresql.conf").read_text())
    smaller = {"listen_addresses": "127.0.0.1", "shared_buffers": "64MB", "max_wal_size": "1GB"}
    assert smaller.keys() < ours.keys()
    with postgresql.server(folder, password="superuser", **(ours | smaller)) as server:
        server.execute(f"CREATE ROLE byoc LOGIN PASSWORD '{(secrets / 'postgres_password').read_text()}'")
        server.execute("CREATE DATABASE byoc OWNER byoc")
        yield server


@asynccontextmanager
async def stream(folder: Path, secrets: Path) -> AsyncIterator[dict[str, int]]:
    """Three servers by our file; their clients' ports, by name."""
    clients, cluster, watched = ({name: free_port() for name in NATS} for _ in range(3))
    text = (DEPLOY / "nats" / "nats.conf").read_text()
    for name, port in cluster.items():
        text = text.replace(f"nats://{name}:6222", f"nats://127.0.0.1:{port}")
    async with AsyncExitStack() as stack:
        for name in NATS:
            here = folder / name
            here.mkdir(parents=True)
            (here / "authorization.conf").write_text((secrets / "nats_authorization.conf").read_text())
            own = {
                "port: 4222": f"port: {clients[name]}",
                "port: 6222": f"port: {cluster[name]}",
                "http: 8222": f"http: {watched[name]}",
                "/data": str(here / "data"),
            }
            mine = text
            for theirs, ours in own.items():
                assert theirs in mine
                mine = mine.replace(theirs, ours)
            (here / "nats.conf").write_text(mine)
            command = [program("nats-server"), *compose()["services"][name]["command"][:1], str(here / "nats.conf")]
            environment = {str(key): str(value) for key, value in compose()["services"][name]["environment"].items()}
            process = await _started(command, environment, here / "log")
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
        async with aiohttp.ClientSession() as http:
            for name in NATS:

                async def healthy(port: int = watched[name]) -> bool:
                    try:
                        async with http.get(f"http://127.0.0.1:{port}/healthz?js-enabled-only=true") as answer:
                            return answer.status == 200
                    except aiohttp.ClientError:
                        return False

                await wait_until(healthy, what=f"{name} healthy")
        yield clients


async def _started(command: list[str], environment: dict[str, str], log: Path) -> Any:

    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            *command, env={"PATH": os.environ["PATH"], "HOME": str(log.parent), **environment}, stdout=out, stderr=out
        )


@dataclass
class Deployed:
    """All of it. `front` is what Caddy answers; `ports` are those of the processes."""

    folder: Path
    front: Outside
    secrets: Path
    database: postgresql.Server
    ports: dict[str, list[int]]
    environment: dict[str, str]
    processes: dict[int, Process] = field(default_factory=dict)

    async def start(self, role: str, port: int) -> None:
        """One process, as compose starts it, until it listens."""
        byoc, *arguments = compose()["services"][role]["command"]
        assert byoc == "byoc"
        config = str(self.folder / f"{role}-{port}.yaml")
        log = self.folder / f"{role}-{port}.log"
        self.processes[port] = await start(
            *BYOC, *arguments, "--config", config, ready="listening", log=log, environment=self.environment
        )

    async def until_ready(self, port: int) -> None:
        """It answers 200 to what asks for its health."""
        async with outside(f"http://127.0.0.1:{port}") as own:

            async def ready() -> bool:
                return (await own.call("GET", "/readyz")).status == 200

            await wait_until(ready, what=f"{port} ready")


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[Deployed]:
    """Everything runs, and is ready."""
    (folder / "secrets.sh").write_text((DEPLOY / "secrets.sh").read_text())
    said("sh", str(folder / "secrets.sh"))
    secrets = folder / "secrets"
    front = free_port()
    async with AsyncExitStack() as stack:
        server = stack.enter_context(database(folder / "pg", secrets))
        clients = await stack.enter_async_context(stream(folder / "nats", secrets))
        ports = {role: [free_port() for _ in range(compose()["services"][role]["deploy"]["replicas"])] for role in ROLES}
        config = (DEPLOY / "gateway.yaml").read_text()
        changes = {
            "/run/secrets/": f"{secrets}/",
            "@postgres:5432/": f"@127.0.0.1:{server.port}/",
            **{f"@{name}:4222": f"@127.0.0.1:{port}" for name, port in clients.items()},
            "http://api:8080/": f"http://127.0.0.1:{ports['api'][0]}/",
            "data_dir: /data": f"data_dir: {folder / 'data'}",
            "[172.31.250.0/24]": "[127.0.0.1/32]",
        }
        for theirs, ours in changes.items():
            assert theirs in config
            config = config.replace(theirs, ours)
        there = await stack.enter_async_context(outside(f"http://127.0.0.1:{front}"))
        whole = Deployed(folder, there, secrets, server, ports, {"BYOC_HOST": f"127.0.0.1:{front}"})
        for role, port in [(one, port) for one, some in ports.items() for port in some]:
            (folder / f"{role}-{port}.yaml").write_text(config.replace("{host: 0.0.0.0, port: 8080}", f"{{port: {port}}}"))
            await whole.start(role, port)
            stack.push_async_callback(whole.processes[port].kill)
        text = (DEPLOY / "caddy" / "Caddyfile").read_text()
        for name in ("edge", "api"):
            to = "to " + " ".join(f"127.0.0.1:{port}" for port in ports[name])
            text = re.sub(rf"dynamic a {name} 8080 \{{[^}}]*\}}", to, text)
        (folder / "Caddyfile").write_text(text)
        command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
        caddy = await _started(command, {"BYOC_HOST": f"http://127.0.0.1:{front}"}, folder / "caddy.log")
        stack.push_async_callback(caddy.wait)
        stack.callback(caddy.kill)
        for port in whole.processes:
            await whole.until_ready(port)
        yield whole


async def test_a_visitor_and_a_rep_talk_while_processes_are_replaced_and_killed(tmp_path: Path) -> None:
    async with deployed(tmp_path) as whole:
        front = whole.front
        visitor = (await front.call("POST", "/chat/webchat/session", json={})).json
        as_visitor = {"Authorization": f"Bearer {visitor['visitor_token']}"}

        async def write(text: str, client_id: str) -> bool:
            body = {"client_id": client_id, "text": text}
            answer = await front.call("POST", "/chat/webchat/messages", json=body, headers=as_visitor)
            return answer.status == 202

        async def reads() -> list[str]:
            answer = await front.call("GET", "/chat/webchat/events?after=0&wait=0", headers=as_visitor)
            return [item.get("text") or "" for item in answer.json["items"]] if answer.status == 200 else []

        ana = front.rep("ana", (whole.secrets / "ana_token").read_text())
        await ana.present()
        assert await write("Is anybody there?", "client-0001")
        session = await ana.take("webchat")
        assert (await ana.say(session["id"], "I am.")).status == 201
        await wait_until(lambda: _among("I am.", reads()), what="the rep's answer at the visitor's")

        # All are replaced one by one, as in an upgrade, while the visitor writes.
        lines = ["Is anybody there?", "I am."]
        for role, port in [(role, port) for role, some in whole.ports.items() for port in some]:
            lines.append(f"Before {role} {port}")
            await wait_until(partial(write, lines[-1], f"client-before-{port}"), what="taken by whoever is there")
            assert await whole.processes[port].terminate() == 0
            await whole.start(role, port)
            await whole.until_ready(port)
        await wait_until(lambda: _are(lines, _texts(ana, session["id"])), what="all lines at the rep's, in order")

        # One of each is killed.
        for role in ("edge", "broker", "api"):
            await whole.processes[whole.ports[role][1]].kill()
        await wait_until(lambda: write("And now?", "client-at-last"), what="the visitor's message taken")
        await wait_until(lambda: _are([*lines, "And now?"], _texts(ana, session["id"])), what="it is at the rep's")
        assert (await ana.say(session["id"], "Still here.", key="still")).status == 201
        await wait_until(lambda: _among("Still here.", reads()), what="the rep's answer at the visitor's")
        assert (await front.call("GET", "/metrics")).status == 404

        # Edges need nothing but NATS: to be ready, and to start.
        whole.database.stop()
        edge, killed = whole.ports["edge"]
        await whole.until_ready(edge)
        await whole.start("edge", killed)
        await whole.until_ready(killed)
        await whole.processes[killed].kill()
        assert '"level": "error"' not in (tmp_path / f"edge-{killed}.log").read_text()


async def _texts(rep: Any, session_id: str) -> list[str]:
    return [entry["text"] for entry in await rep.transcript(session_id) if entry["kind"] == "message"]


async def _are(texts: list[str], found: Any) -> bool:
    return bool(await found == texts)


async def _among(text: str, found: Any) -> bool:
    return text in await found
