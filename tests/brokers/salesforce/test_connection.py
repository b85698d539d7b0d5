"""How an org's Pub/Sub API is reached: whose ids, which certificates, through which proxy."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.salesforce.connection import Connection, options, tenant_id
from gateway.brokers.salesforce.pubsub_pb2 import EARLIEST, FetchRequest
from gateway.brokers.salesforce.stream_codes import Course, Ended
from gateway.config.salesforce import SalesforceOrg
from tests.acceptance.processes import run
from tests.brokers.salesforce.bus import TOKEN, TOPIC, World, bus_world
from tests.brokers.salesforce.listening import ORG, publish
from tests.ports import free_port


def of(world: World, **settings: Any) -> SalesforceOrg:
    return ORG.model_copy(update={"pubsub_endpoint": world.bus.endpoint, "ca_file": world.bus.ca_file, **settings})


@asynccontextmanager
async def connection(org: SalesforceOrg, token: str = TOKEN) -> AsyncIterator[Connection]:
    made = Connection(org, token)
    try:
        yield made
    finally:
        await made.close()


async def refused(org: SalesforceOrg, topic: str = TOPIC, token: str = TOKEN) -> Ended:
    async with connection(org, token) as made:
        with pytest.raises(Ended) as caught:
            await made.check(topic)
    return caught.value


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy, and the heads of the requests to it."""
    heads: list[str] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        host, _, port = head.split()[1].rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://user:word@127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


@pytest.mark.parametrize(
    ("given", "eighteen"),
    [
        ("00D000000000001", "00D000000000001EAA"),
        ("00Dxx0000001gPL", "00Dxx0000001gPLEAY"),
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("00D000000000001EAA", "00D000000000001EAA"),
    ],
)
def test_an_org_s_id_has_its_checksum(given: str, eighteen: str) -> None:
    assert tenant_id(given) == eighteen


async def test_a_proxy_is_used_for_this_channel_alone(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world, proxy() as (url, heads):
        async with connection(of(world, proxy=url)) as made:
            await made.check(TOPIC)
        assert [head.split("\r\n")[0] for head in heads] == [f"CONNECT {world.bus.endpoint} HTTP/1.1"]
        assert "Proxy-Authorization: Basic" in heads[0]
        async with connection(of(world)) as made:
            await made.check(TOPIC)
        assert len(heads) == 1


async def test_connections_share_no_socket(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world, proxy() as (url, heads):
        org = of(world, proxy=url)
        async with connection(org) as first, connection(org) as second:
            await first.check(TOPIC)
            await second.check(TOPIC)
        assert len(heads) == 2


async def test_the_environment_s_proxy_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bus_world(tmp_path) as world:
        for name in ("grpc_proxy", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        async with connection(of(world)) as made:
            await made.check(TOPIC)


async def test_who_is_not_trusted_or_not_there_is_tried_again(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, bus_world(tmp_path / "other") as other:
        distrusted = await refused(of(world, ca_file=other.bus.ca_file))
        absent = await refused(of(world, pubsub_endpoint=f"127.0.0.1:{free_port()}"))
        no_proxy = await refused(of(world, proxy=f"http://user:word@127.0.0.1:{free_port()}"))
    assert {one.code for one in (distrusted, absent, no_proxy)} == {"unreachable"}
    assert {one.course for one in (distrusted, absent, no_proxy)} == {Course.again}
    assert "CERTIFICATE_VERIFY_FAILED" in distrusted.sentence
    assert "Connection refused" in absent.sentence
    assert "word" not in no_proxy.sentence.replace("firewalls", "")


LINES = """
import asyncio, sys
from pathlib import Path
from gateway import logs
logs.set_up("info")
from gateway.brokers.salesforce.connection import Connection
from tests.brokers.salesforce.listening import ORG

async def check():
    made = Connection(ORG.model_copy(update={"pubsub_endpoint": sys.argv[1], "ca_file": Path(sys.argv[2])}), "token")
    try:
        await made.check("/event/byoc__Message__e")
    except Exception as error:
        print(error)
    finally:
        await made.close()

asyncio.run(check())
"""


async def test_grpc_writes_no_lines_of_its_own_into_the_log(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, bus_world(tmp_path / "other") as other:
        done = await run(sys.executable, "-c", LINES, world.bus.endpoint, str(other.bus.ca_file))
    assert "CERTIFICATE_VERIFY_FAILED" in done.out
    assert done.err == ""


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(Ended, match="Correct `ca_file`") as caught:
        Connection(ORG.model_copy(update={"ca_file": tmp_path / "none.pem"}), TOKEN)
    assert caught.value.course is Course.hold


async def test_refusals_have_salesforce_s_codes_and_the_id_for_its_support(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        found = [
            await refused(of(world), token="another"),
            await refused(of(world, instance_url="https://other.my.salesforce.com")),
            await refused(of(world, org_id="00D000000000002")),
            await refused(of(world), topic="/event/Other__e"),
        ]
        assert [one.code for one in found] == [
            "service.auth.error",
            "service.auth.headers.invalid",
            "service.auth.headers.invalid",
            "topic.not.found",
        ]
        assert all(one.rpc_id for one in found)


async def test_a_stream_says_how_it_ended(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world, connection(of(world)) as made:
        await publish(world, "e1")
        await made.subscribe(FetchRequest(topic_name=TOPIC, replay_preset=EARLIEST, num_requested=1))
        response = await made.read()
        assert [one.event.id for one in response.events] == ["e1"]
        assert made.rpc_id == response.rpc_id
        world.bus.faults.disconnect("service.protection.triggered")
        with pytest.raises(Ended) as caught:
            await made.read()
        assert (caught.value.code, caught.value.course) == ("service.protection.triggered", Course.slow)
        with pytest.raises(Ended):
            await made.ask(TOPIC, 1)


async def test_the_token_is_in_no_error(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        assert "another" not in repr(await refused(of(world), token="another"))
        assert not [one for one in options(of(world)) if "another" in str(one)]
