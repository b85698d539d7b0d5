"""`byoc serve --processes`: two processes that fail apart, and nothing is lost, doubled or out of order whichever of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from aiohttp import ClientError, ClientSession

from tests.acceptance.processes import BYOC, Process, byoc, start
from tests.ports import free_port
from tests.world import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]
_SECRET = "a-secret-of-the-provider"
_PEOPLE = [f"3460000000{number}" for number in range(5)]


@dataclass
class Pair:
    """A gateway of two processes, and a provider that sends again what got no 200."""

    folder: Path
    port: int
    webhooks_port: int
    http: ClientSession
    starts: list[Process] = field(default_factory=list)

    @property
    def core(self) -> Process:
        return self.starts[-1]

    @property
    def edge(self) -> int | None:
        """Its process id."""
        children = [pid for path in Path(f"/proc/{self.core.pid}/task").glob("*/children") for pid in path.read_text().split()]
        for pid in children:
            with contextlib.suppress(OSError):  # it is gone by now
                if b"gateway.processes.edge" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        return None

    @property
    def log(self) -> str:
        """What all its starts wrote to stderr."""
        return (self.folder / "log").read_text()

    async def start(self, *, processes: bool = True) -> None:
        """Once more, as two processes or as one."""
        how, ready = (("--processes",), "webhooks on") if processes else ((), "listening on")
        command = (*BYOC, "serve", *how, "--config", str(self.folder / "gateway.yaml"))
        self.starts.append(await start(*command, ready=ready, log=self.folder / "log"))

    async def says(self, person: str, number: int, port: int | None = None) -> None:
        """One message, until it is taken."""
        body = _whatsapp(person, number)
        signature = "sha256=" + hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
        url = f"http://127.0.0.1:{port or self.webhooks_port}/webhooks/wa"
        while True:
            try:
                async with self.http.post(url, data=body, headers={"X-Hub-Signature-256": signature}) as answer:
                    if answer.status == 200:
                        return
                    assert answer.status == 503, await answer.text()
            except ClientError:
                pass
            await asyncio.sleep(0.02)

    async def talk(self, count: int, first: int = 0, port: int | None = None) -> None:
        """Everybody says so many things, one after the other."""

        async def one(person: str) -> None:
            for number in range(first, first + count):
                await self.says(person, number, port)

        await asyncio.gather(*(one(person) for person in _PEOPLE))

    def heard(self) -> dict[str, list[int]]:
        """What reached the broker, by person, in the order of the transcripts."""
        found: dict[str, list[int]] = defaultdict(list)
        query = "SELECT s.address, e.body FROM entries e JOIN sessions s ON s.id = e.session_id WHERE e.kind = 'message' ORDER BY e.session_id, e.number"
        with closing(sqlite3.connect(self.folder / "data" / "sessions.db")) as connection:
            for address, body in connection.execute(query):
                found[address].append(int(json.loads(body)["text"]))
        return found

    async def all_heard(self, count: int) -> None:
        everything = {f"+{person}": list(range(count)) for person in _PEOPLE}
        await wait_until(lambda: sum(map(len, self.heard().values())) >= count * len(_PEOPLE), 60, what="everything is applied")
        assert {f"+{address.removeprefix('+')}": said for address, said in self.heard().items()} == everything

    async def readyz(self) -> tuple[int, dict[str, Any]]:
        async with self.http.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
            return answer.status, await answer.json()

    async def is_ready(self) -> None:
        async def ready() -> bool:
            return (await self.readyz())[0] == 200

        await wait_until(ready, 60)


@asynccontextmanager
async def pair(folder: Path, *, secret: str = _SECRET, limits: Mapping[str, float] = MappingProxyType({})) -> AsyncIterator[Pair]:
    port, webhooks_port = free_port(), free_port()
    account = {
        "phone_number_id": "107000000000002",
        "access_token": "a-token-of-the-account",
        "app_secrets": [secret],
        "verify_token": "0123456789abcdef0123",
        "api_base": "http://127.0.0.1:9",
    }
    config = {
        "listen": {"port": port, "webhooks_port": webhooks_port},
        "public_url": f"http://127.0.0.1:{port}",
        "data_dir": str(folder / "data"),
        "limits": dict(limits),
        "orgs": {"acme": {"reps": {"ana": {"name": "Ana"}}, "queues": {"support": {"name": "Support", "reps": ["ana"]}}}},
        "channels": {"wa": {"kind": "whatsapp", "org": "acme", "queue": "support", "account": account}},
    }
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config))
    async with ClientSession() as http:
        made = Pair(folder, port, webhooks_port, http)
        await made.start()
        try:
            yield made
        finally:
            for process in made.starts:
                if process.running:
                    await process.kill()


def _whatsapp(person: str, number: int) -> bytes:
    message = {
        "from": person,
        "id": f"wamid.{person}.{number}",
        "timestamp": "1789640000",
        "type": "text",
        "text": {"body": str(number)},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550002222", "phone_number_id": "107000000000002"},
        "contacts": [{"profile": {"name": "Kim"}, "wa_id": person}],
        "messages": [message],
    }
    entry = {"id": "204000000000001", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


async def test_the_edge_answers_and_the_core_applies_whichever_port_they_come_by(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        for number in range(10):
            port = one.port if number % 3 == 0 else one.webhooks_port
            await asyncio.gather(*(one.says(person, number, port) for person in _PEOPLE))
        await one.all_heard(10)
        async with one.http.get(f"http://127.0.0.1:{one.port}/metrics") as answer:
            assert 'byoc_webhooks_total{channel="wa",outcome="accepted"} 50.0' in await answer.text()
        async with one.http.post(f"http://127.0.0.1:{one.webhooks_port}/webhooks/wa", data=b"{}") as answer:
            assert answer.status == 401
        async with one.http.get(f"http://127.0.0.1:{one.webhooks_port}/api/v1/me") as answer:
            assert answer.status == 404, "the edge has no door but for webhooks"
        assert await one.core.terminate() == 0


async def test_an_edge_that_dies_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        talking = asyncio.create_task(one.talk(60))
        for _ in range(3):
            await one.is_ready()
            edge = one.edge
            assert edge is not None
            os.kill(edge, signal.SIGKILL)
            _, waiting = await asyncio.open_connection("127.0.0.1", one.webhooks_port)  # is refused at no moment
            waiting.close()
            await wait_until(lambda edge=edge: one.edge not in (None, edge), 60, what="another edge")  # type: ignore[misc]
        await talking
        await one.all_heard(60)
        await one.is_ready()
    ends = [line for line in map(json.loads, one.log.splitlines()) if line.get("action") == "edge.ended"]
    assert [line["code"] for line in ends] == [-9, -9, -9]


async def test_without_an_edge_the_gateway_is_not_ready_and_says_why(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGSTOP)
        status, told = await one.readyz()
        assert (status, list(told["details"])) == (503, ["inbox"])
        os.kill(edge, signal.SIGCONT)
        await one.is_ready()


async def test_a_core_that_dies_leaves_no_edge_and_the_next_start_goes_on(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        talking = asyncio.create_task(one.talk(60))
        for _ in range(2):
            await asyncio.sleep(0.5)
            edge = one.edge
            assert edge is not None
            await one.core.kill()
            await one.start()  # at once: it waits for the edge of the one before
            assert _gone(edge)
        await talking
        await one.all_heard(60)
        assert await one.core.terminate() == 0


async def test_any_start_may_be_of_one_process_or_of_two(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        for turn, processes in enumerate((True, False, True, False)):
            if turn:
                assert await one.core.terminate() == 0
                await one.start(processes=processes)
            assert (one.edge is not None) is processes
            await one.talk(5, first=5 * turn, port=one.webhooks_port if processes else one.port)
            await one.all_heard(5 * turn + 5)
        listed = await byoc("inbox", "show", "20", "--data", str(tmp_path / "data"))
        assert (listed.code, json.loads(listed.out)["state"]) == (0, "done")


async def test_a_stop_that_reaches_both_processes_answers_what_is_under_way(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        talking = asyncio.create_task(one.talk(60))
        await asyncio.sleep(0.5)
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGTERM)
        assert await one.core.terminate() == 0
        assert _gone(edge)
        await one.start()
        await talking
        await one.all_heard(60)
    assert "edge.ended" not in one.log


async def test_an_edge_that_cannot_be_started_is_tried_until_it_can(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(_SECRET)
    async with pair(tmp_path, secret=f"${{file:{secret}}}") as one:
        secret.unlink()
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGKILL)
        await wait_until(lambda: "edge.not_started" in one.log, 60, what="a start has failed")
        status, told = await one.readyz()
        assert (status, list(told["details"])) == (503, ["inbox"])
        secret.write_text(_SECRET)
        await one.talk(2)
        await one.all_heard(2)


async def test_a_stop_while_the_edge_is_started_again_is_a_stop(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGKILL)
        await wait_until(lambda: one.edge not in (None, edge), 60, what="another edge is starting")
        starting = one.edge
        assert await one.core.terminate() == 0
        assert starting is None or _gone(starting)


async def test_an_edge_that_hangs_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    async with pair(tmp_path, limits={"grace_seconds": 1}) as one:
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGSTOP)
        assert await one.core.terminate() == 0
        assert _gone(edge)


async def test_another_edge_goes_by_the_config_that_its_core_goes_by(tmp_path: Path) -> None:
    async with pair(tmp_path) as one:
        path = tmp_path / "gateway.yaml"
        path.write_text(path.read_text().replace(_SECRET, "another-secret-altogether"))
        edge = one.edge
        assert edge is not None
        os.kill(edge, signal.SIGKILL)
        await one.talk(2)
        await one.all_heard(2)
