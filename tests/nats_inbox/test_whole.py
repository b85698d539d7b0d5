"""A whole gateway with a stream before its inbox: an edge that answers while everything else is away, and what it says of itself."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.app import Gateway
from gateway.config.places import NatsConfig
from gateway.errors import GatewayError
from gateway.nats_inbox.waiting import waiting_in_stream
from gateway.roles import ALL, Role, roles_of
from tests.nats import NatsServer
from tests.test_roles import raw
from tests.world import Outside, Reply, outside, wait_until

SECRET = b"a-secret-of-some-length"
ANA = {"Authorization": "Bearer a-token-of-some-length"}


@asynccontextmanager
async def served(folder: Path, server: NatsServer, *roles: Role, **more: Any) -> AsyncIterator[Outside]:
    loaded = config.build(raw(folder, inbox=server.address, **more))
    gateway = Gateway(loaded, roles=roles or ALL)
    async with gateway.running() as address, outside(address) as client:
        yield client


async def say(edge: Outside, text: str) -> Reply:
    """As LINE posts it."""
    message = {"type": "text", "id": text, "text": text, "quoteToken": "q"}
    event = {
        "type": "message",
        "message": message,
        "webhookEventId": f"e{text}",
        "deliveryContext": {"isRedelivery": False},
        "timestamp": 1790000000123,
        "source": {"type": "user", "userId": "Uaaaa0000000000000000000000000001"},
        "mode": "active",
        "replyToken": f"r{text}",
    }
    body = json.dumps({"destination": "U00000000000000000000000000000b07", "events": [event]}).encode()
    signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
    return await edge.call("POST", "/webhooks/line", data=body, headers={"X-Line-Signature": signature})


async def texts(api: Outside) -> list[str]:
    sessions = (await api.call("GET", "/api/v1/sessions", headers=ANA)).json["items"]
    if not sessions:
        return []
    entries = await api.call("GET", f"/api/v1/sessions/{sessions[0]['id']}/entries", headers=ANA)
    return [one["text"] for one in entries.json["items"] if one["kind"] == "message" and one["from"]["role"] == "end_user"]


async def test_an_edge_answers_while_everything_else_is_away(tmp_path: Path, server: NatsServer) -> None:
    async with served(tmp_path / "edge", server, "edge") as edge:
        for number in range(5):
            assert (await say(edge, f"m{number}")).status == 200
        ready = await edge.call("GET", "/readyz")
        assert (ready.status, set(ready.json["checks"])) == (200, {"inbox"})
        async with served(tmp_path / "rest", server, "broker", "sender", "api") as rest:

            async def all_there() -> bool:
                return await texts(rest) == [f"m{number}" for number in range(5)]

            await wait_until(all_there)
            assert (await say(edge, "m5")).status == 200

            async def one_more() -> bool:
                return (await texts(rest))[5:] == ["m5"]

            await wait_until(one_more)
            assert 'byoc_stream_messages{stream="BYOC_INBOX"}' in (await rest.call("GET", "/metrics")).body.decode()


async def test_all_in_one_process(tmp_path: Path, server: NatsServer) -> None:
    async with served(tmp_path, server) as all_of_it:
        assert (await say(all_of_it, "m0")).status == 200

        async def there() -> bool:
            return await texts(all_of_it) == ["m0"]

        await wait_until(there)
        server.kill()

        async def unready() -> bool:
            return (await all_of_it.call("GET", "/readyz")).status == 503

        await wait_until(unready)
        server.start()
        assert (await say(all_of_it, "m1")).status in (200, 503)

        async def well() -> bool:
            return (await all_of_it.call("GET", "/readyz")).status == 200

        await wait_until(well)
        assert (await say(all_of_it, "m2")).status == 200


async def test_an_edge_with_a_stream_needs_no_database(
    tmp_path: Path, server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even for its rings: it may stand where the database can't be reached from."""
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("a connection")
        writer.close()

    database = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"postgresql://byoc:pw@127.0.0.1:{database.sockets[0].getsockname()[1]}/byoc"
    async with database, served(tmp_path, server, "edge", store=url, media_secret="a-secret-of-some-length") as edge:
        for number in range(3):
            assert (await say(edge, f"m{number}")).status == 200
        await asyncio.sleep(0.5)
        assert (await edge.call("GET", "/readyz")).status == 200
    assert asked == []
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


async def test_an_org_with_a_database_of_its_own_has_a_stream_of_its_own(tmp_path: Path, server: NatsServer) -> None:
    stores = {"acme": "postgresql://byoc:pw@127.0.0.1:1/byoc"}
    async with served(tmp_path, server, "edge", stores=stores, media_secret="a-secret-of-some-length") as edge:
        assert (await say(edge, "m0")).status == 200
    waiting = await waiting_in_stream(server.url, NatsConfig(), stream="BYOC_INBOX-acme")
    assert waiting.channels == {"line": 1}


async def test_a_gateway_with_a_fault_in_its_nats_does_not_start(tmp_path: Path, server: NatsServer) -> None:
    with pytest.raises(GatewayError, match="a webhook may have 9000000"):
        async with served(tmp_path, server, limits={"webhook_max_bytes": 9_000_000}):
            pass


def test_without_the_package_the_start_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gateway.nats_inbox.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("nats", "nats.aio.client", "nats.aio.msg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(GatewayError, match=r"needs a package that is not installed \(nats.*\): install byoc-gateway\[nats\]"):
        Gateway(config.build(raw(tmp_path, inbox="nats://127.0.0.1:1")))


def test_nats_is_loaded_only_where_the_config_asks_for_it() -> None:
    program = (
        "import sys, gateway.app, gateway.cli, gateway.stored; print([name for name in sys.modules if name.startswith('nats')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_webhooks_are_kept_in_one_place(tmp_path: Path, server: NatsServer) -> None:
    with pytest.raises(GatewayError, match="leave out one of them"):
        roles_of((), config.build(raw(tmp_path, inbox=server.address)).config, apart=True)
