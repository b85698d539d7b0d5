"""`byoc serve` on PostgreSQL: how it starts when the database is away or unfit, alone and in roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.signing import hmac_base64
from tests import postgresql
from tests.acceptance.crowd import config_of, token_of
from tests.acceptance.processes import BYOC, byoc, start
from tests.ports import free_port
from tests.world import Outside, outside, wait_until

pytestmark = pytest.mark.acceptance
PASSWORD = "a-pass-word-of-the-database"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[postgresql.Server]:
    """One that a test may stop."""
    with postgresql.server(tmp_path / "pg", password=PASSWORD) as one:
        yield one


def write_config(folder: Path, url: str, **more: Any) -> tuple[Path, int]:
    """The config of a gateway on this database, and its port."""
    port = free_port()
    raw = config_of(port, free_port(), folder / "data", {"support": ["ana"]}, ("line", "webchat"), {})
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump({**raw, "store": url, "media_secret": "a-secret-of-some-length", **more}))
    return config, port


def signed(config: Path) -> tuple[bytes, dict[str, str]]:
    """A webhook of LINE's without events."""
    account = yaml.safe_load(config.read_text())["channels"]["line"]["account"]
    body = b'{"destination":"U0","events":[]}'
    return body, {"x-line-signature": hmac_base64(account["channel_secrets"][0], body)}


@pytest.mark.parametrize("roles", [(), ("--role", "edge", "--role", "api"), ("--role", "broker"), ("--role", "sender")])
async def test_a_database_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, server: postgresql.Server, roles: tuple[str, ...]
) -> None:
    config, port = write_config(tmp_path, server.url())
    server.stop()
    log = tmp_path / "log"
    process = await start(*BYOC, "serve", "--config", str(config), *roles, ready="listening", log=log)
    try:
        async with outside(f"http://127.0.0.1:{port}") as there:
            assert (await there.call("GET", "/healthz")).status == 200
            ready = await there.call("GET", "/readyz")
            assert ready.status == 503
            assert "can't be reached" in ready.json["detail"]
            assert PASSWORD not in ready.body.decode()
            if not roles or "api" in roles:
                asked = await there.rep("ana", token_of("ana")).get("/sessions")
                assert (asked.status, asked.headers.get("Retry-After")) == (503, "2")
            server.start()

            async def ready_again() -> bool:
                return (await there.call("GET", "/readyz")).status == 200

            await wait_until(ready_again, what="ready")
            if not roles or "api" in roles:
                ana = there.rep("ana", token_of("ana"))

                async def listed() -> bool:
                    return (await ana.get("/sessions")).status == 200

                await wait_until(listed, what="the API")
            assert (await there.call("GET", "/metrics")).status == 200
        assert await process.terminate() == 0
    finally:
        await process.kill()
    told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [one["level"] for one in told if one.get("action") == "worker.failed"] == []
    assert PASSWORD not in log.read_text()


async def test_a_webhook_is_refused_with_a_time_to_come_again_until_the_database_is_there(
    tmp_path: Path, server: postgresql.Server
) -> None:
    config, port = write_config(tmp_path, server.url())
    server.stop()
    process = await start(*BYOC, "serve", "--config", str(config), "--role", "edge", ready="listening", log=tmp_path / "log")
    try:
        async with outside(f"http://127.0.0.1:{port}") as there:
            body, headers = signed(config)
            refused = await there.call("POST", "/webhooks/line", data=body, headers=headers)
            assert refused.status == 503, refused
            assert int(refused.headers["Retry-After"]) > 0
            server.start()

            async def taken() -> bool:
                return (await there.call("POST", "/webhooks/line", data=body, headers=headers)).status == 200

            await wait_until(taken, what="a webhook taken")
    finally:
        await process.kill()


async def test_a_wrong_password_is_one_sentence(tmp_path: Path, server: postgresql.Server) -> None:
    config, _ = write_config(tmp_path, server.url().replace(PASSWORD, "another-secret"))
    done = await byoc("serve", "--config", str(config))
    assert done.code == 1
    (sentence,) = [line for line in done.err.splitlines() if not line.startswith("{")]
    assert sentence.startswith("byoc: PostgreSQL 127.0.0.1:")
    assert "password" in sentence
    assert "another-secret" not in done.err + done.out


async def test_tables_of_a_newer_version_are_one_sentence(tmp_path: Path, server: postgresql.Server) -> None:
    server.execute("CREATE SCHEMA byoc; CREATE TABLE byoc.schema_version (number integer NOT NULL, works_with integer NOT NULL)")
    server.execute("INSERT INTO byoc.schema_version VALUES (9999, 9999)")
    config, _ = write_config(tmp_path, server.url())
    done = await byoc("serve", "--config", str(config), "--role", "broker")
    assert done.code == 1
    (sentence,) = [line for line in done.err.splitlines() if not line.startswith("{")]
    assert "newer version" in sentence


@pytest.mark.parametrize("role", ["all", "edge", "broker", "sender", "api"])
async def test_a_process_stops_in_time_while_the_database_is_away(tmp_path: Path, server: postgresql.Server, role: str) -> None:
    config, port = write_config(tmp_path, server.url(), limits={"grace_seconds": 6})
    process = await start(*BYOC, "serve", "--config", str(config), "--role", role, ready="listening", log=tmp_path / "log")
    try:
        async with outside(f"http://127.0.0.1:{port}") as there:

            async def ready() -> bool:
                return (await there.call("GET", "/readyz")).status == 200

            await wait_until(ready, what="ready")
            server.stop()
            await wait_until(lambda: _is_away(there), what="its trouble in /readyz")
        assert await process.terminate(deadline=60) == 0
    finally:
        await process.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()


async def _is_away(there: Outside) -> bool:
    return (await there.call("GET", "/readyz")).status == 503


async def test_a_role_needs_a_database(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "gateway.yaml"
    config.write_text(yaml.safe_dump(config_of(port, free_port(), tmp_path / "data", {"support": ["ana"]}, ("line",), {})))
    done = await byoc("serve", "--config", str(config), "--role", "edge")
    assert done.code == 1
    assert done.err.startswith("byoc: --role needs a database that several processes can share")
