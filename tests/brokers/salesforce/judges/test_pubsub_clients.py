"""Others' clients judge the simulated Pub/Sub API: npm's salesforce-pubsub-api-client, which signs in by JWT before, and PyPI's aiosfpubsub. Both run unchanged."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import clock
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.contract import INTERACTION_SCOPE
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.brokers.salesforce.simulator.pubsub import Bus, serve
from gateway.brokers.salesforce.simulator.records import set_up
from gateway.brokers.salesforce.simulator.subscribing import Pace
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from tests.brokers.salesforce.bus import FIELDS, ORG_ID, TOPIC, SteppedClock
from tests.brokers.salesforce.keys import key_pair
from tests.ports import free_port

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[3]
CONSUMER_KEY, USERNAME = "3MVG9consumer", "byoc@example.com"
PREFIX: Final = "sfdc.platform.eventbus.grpc."


class Org:
    """An org that is signed in to over plain HTTP, and read from over gRPC. `clock` is the bus's."""

    def __init__(self, url: str, bus: Bus, tokens: IssuedTokens, bus_clock: SteppedClock) -> None:
        self.url, self.bus, self.log, self.tokens, self.clock = url, bus, bus.log, tokens, bus_clock


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Org]:
    users = {USERNAME: User(USERNAME, "005000000000001")}
    tokens = IssuedTokens(ORG_ID, clock.now, users)
    records = set_up([], org_id=ORG_ID, event=FIELDS[0], type_field=FIELDS[1], payload_field=FIELDS[2])
    port, bus_clock = free_port(), SteppedClock()
    url = f"http://127.0.0.1:{port}"
    grants = Grants([App(CONSUMER_KEY, (key_pair()[1],), frozenset(users))], tokens, frozenset({url}))
    app = web.Application()
    Instance(grants, tokens, users, records).install(app)
    pace = Pace(keepalive_seconds=0.1, idle_seconds=60)
    async with (
        TestServer(app, port=port),
        EventLog(tmp_path, TOPIC, bus_clock) as log,
        serve(log, tokens, Schemas(*FIELDS), org_id=ORG_ID, instance_url=url, folder=tmp_path, pace=pace, clock=bus_clock) as bus,
    ):
        yield Org(url, bus, tokens, bus_clock)


class Client:
    """A client's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def subscribe(self, start: str | int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"from": start}).encode() + b"\n")

    async def next(self, kind: str) -> dict[str, Any]:
        """What it is told next of this kind; keepalives are passed over, unless they are asked for."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told: dict[str, Any] = json.loads(line)
            if kind in told:
                return told
            assert "keepalive" in told, told
        assert self._process.stderr is not None
        raise AssertionError((await self._process.stderr.read()).decode())


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Client]:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield Client(process)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def node_client(org: Org) -> AsyncIterator[Client]:
    node = shutil.which("node") or shutil.which("nodejs")
    assert node, "this test needs Node.js 20"
    assert (ROOT / "node_modules" / "salesforce-pubsub-api-client").exists(), "this test needs the packages of `npm ci`"
    config = {
        "topic": TOPIC,
        "authType": "oauth-jwt-bearer",
        "loginUrl": org.url,
        "clientId": CONSUMER_KEY,
        "username": USERNAME,
        "privateKey": key_pair()[0].decode(),
        "pubSubEndpoint": org.bus.endpoint,
        "rejectUnauthorizedSsl": False,
    }
    async with running(node, str(HERE / "node_client.js"), json.dumps(config)) as client:
        yield client


@asynccontextmanager
async def python_client(org: Org) -> AsyncIterator[Client]:
    token = org.tokens.issue(USERNAME, CONSUMER_KEY, frozenset({INTERACTION_SCOPE})).token
    config = {
        "topic": TOPIC,
        "endpoint": org.bus.endpoint,
        "caFile": str(org.bus.ca_file),
        "metadata": {"accesstoken": token, "instanceurl": org.url, "tenantid": ORG_ID},
    }
    async with running(sys.executable, str(HERE / "python_client.py"), json.dumps(config)) as client:
        assert (await client.next("topic"))["topic"] == org.bus.schemas.current
        yield client


CLIENTS: Final[dict[str, Callable[[Org], Any]]] = {"node": node_client, "python": python_client}


@pytest.fixture(params=CLIENTS)
async def client(request: pytest.FixtureRequest, org: Org) -> AsyncIterator[Client]:
    async with CLIENTS[request.param](org) as made:
        yield made


async def publish(org: Org, *numbers: int) -> list[int]:
    """Their replay ids, as numbers."""
    return [int.from_bytes(await org.log.append("Interaction", {"n": n}, f"e{n}"), "big") for n in numbers]


async def test_it_reads_what_is_published_and_resumes_after_it(org: Org, client: Client) -> None:
    await publish(org, 0)
    client.subscribe("latest")
    begun = (await client.next("keepalive"))["keepalive"]
    first, second = await publish(org, 1, 2)
    assert begun < first
    told = await client.next("event")
    assert (told["event"], told["place"]) == ("e1", first)
    assert told["payload"]["byoc__EventType__c"] == "Interaction"
    assert told["payload"]["byoc__Payload__c"] == '{"n":1}'
    assert told["payload"]["CreatedDate"] == int(org.clock().timestamp() * 1_000)
    assert (await client.next("event"))["place"] == second
    assert (await client.next("keepalive"))["keepalive"] == second

    org.bus.schemas.change()
    await publish(org, 3)
    assert (await client.next("event"))["event"] == "e3"
    client.subscribe(first)
    assert [(await client.next("event"))["event"] for _ in range(2)] == ["e2", "e3"]
    client.subscribe("earliest")
    assert [(await client.next("event"))["event"] for _ in range(4)] == ["e0", "e1", "e2", "e3"]


async def test_it_is_told_that_a_replay_id_is_too_old_or_was_never_given_out(org: Org, client: Client) -> None:
    (old,) = await publish(org, 0)
    org.clock.move(hours=72)
    for place in (old, old + 1):
        client.subscribe(place)
        assert (await client.next("error")) == {
            "error": PREFIX + "subscription.fetch.replayid.corrupted",
            "status": grpc.StatusCode.INVALID_ARGUMENT.value[0],
        }


async def test_it_is_told_that_the_stream_was_cut(org: Org, client: Client) -> None:
    client.subscribe("latest")
    await client.next("keepalive")
    org.bus.faults.disconnect()
    assert (await client.next("error"))["error"] == PREFIX + "service.unavailable"
    client.subscribe("earliest")
    await publish(org, 0)
    assert (await client.next("event"))["event"] == "e0"


async def test_an_expired_token_cuts_no_stream_and_begins_no_call(org: Org) -> None:
    """The event arrives on the stream; asking for its schema is a new call."""
    async with python_client(org) as client:
        client.subscribe("latest")
        await client.next("keepalive")
        org.tokens.expire_all()
        await publish(org, 0)
        assert (await client.next("error"))["error"] == PREFIX + "service.auth.error"
