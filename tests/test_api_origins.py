"""`api_origins`: which pages elsewhere may use the API from a browser, through a whole gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway import config
from gateway.app import Gateway
from gateway.errors import ConfigFaults
from tests.world import Outside, outside

OURS = "https://desk.acme.example"
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
TOKEN = {"Authorization": "Bearer ana-s-token"}


def loaded(data_dir: Path, origins: list[str]) -> config.Loaded:
    reps = {"ana": {"name": "Ana", "tokens": ["ana-s-token"]}}
    return config.build(
        {"listen": {"port": 0}, "data_dir": str(data_dir), "orgs": {"acme": {"reps": reps}}, "api_origins": origins}
    )


@asynccontextmanager
async def serving(data_dir: Path, origins: list[str]) -> AsyncIterator[Outside]:
    async with Gateway(loaded(data_dir, origins)).running() as address, outside(address) as client:
        yield client


async def test_a_listed_page_may_call_and_listen(tmp_path: Path) -> None:
    async with serving(tmp_path, [OURS]) as client:
        beforehand = await client.call("OPTIONS", "/api/v1/me", headers={"Origin": OURS, **ASKING})
        assert (beforehand.status, beforehand.headers["Access-Control-Allow-Origin"]) == (204, OURS)
        read = await client.call("GET", "/api/v1/me", headers={"Origin": OURS, **TOKEN})
        assert (read.status, read.headers["Access-Control-Allow-Origin"]) == (200, OURS)
        async with client.http.ws_connect(f"{client.address}/api/v1/events", headers={"Origin": OURS, **TOKEN}) as stream:
            assert (await stream.receive_json())["type"] == "hello"


async def test_no_other_page_may(tmp_path: Path) -> None:
    async with serving(tmp_path, [OURS]) as client:
        for origin in ("https://evil.example", f"{OURS}.evil.example", "http://desk.acme.example", "null"):
            read = await client.call("GET", "/api/v1/me", headers={"Origin": origin, **TOKEN})
            assert "Access-Control-Allow-Origin" not in read.headers
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await client.http.ws_connect(f"{client.address}/api/v1/events", headers={"Origin": origin, **TOKEN})


async def test_by_default_none_may(tmp_path: Path) -> None:
    async with serving(tmp_path, []) as client:
        read = await client.call("GET", "/api/v1/me", headers={"Origin": OURS, **TOKEN})
        assert "Access-Control-Allow-Origin" not in read.headers
        assert (await client.call("OPTIONS", "/api/v1/me", headers={"Origin": OURS, **ASKING})).status == 405


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "https://a.example/desk", "https://A.example", "*", "a.example", "null"]
)
def test_what_is_no_origin_is_a_fault(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigFaults, match="api_origins") as caught:
        loaded(tmp_path, [origin])
    (fault,) = caught.value.faults
    assert fault.place == "config api_origins.0"
    assert origin not in fault.fault


@pytest.mark.parametrize("origin", ["https://a.example", "http://127.0.0.1:8000", "https://[2001:db8::1]:8443"])
def test_what_is_one_is_taken(tmp_path: Path, origin: str) -> None:
    assert loaded(tmp_path, [origin]).config.api_origins == (origin,)
