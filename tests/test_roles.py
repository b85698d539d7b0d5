"""Which doors a role opens, and what it says of itself; what `serve --role` refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.app import Gateway
from gateway.errors import GatewayError
from gateway.roles import ALL, Role, roles_of
from tests.journal.outpost import line
from tests.world import Outside, outside

ORG = {
    "reps": {"ana": {"name": "Ana", "tokens": ["a-token-of-some-length"]}},
    "queues": {"support": {"name": "S", "reps": ["ana"]}},
}


def raw(data_dir: Path, **more: Any) -> dict[str, Any]:
    channels = {
        "line": line("http://127.0.0.1:1"),
        "chat": {"kind": "webchat", "org": "acme", "queue": "support", "account": {"secrets": ["a-secret-of-some-length"]}},
    }
    return {"data_dir": str(data_dir), "listen": {"port": 0}, "orgs": {"acme": ORG}, "channels": channels, **more}


@asynccontextmanager
async def served(data_dir: Path, *roles: Role) -> AsyncIterator[Outside]:
    gateway = Gateway(config.build(raw(data_dir)), roles=roles)
    async with gateway.running() as address, outside(address) as client:
        yield client


# For each address, the status where the role has it.
DOORS: dict[str, tuple[str, int]] = {
    "/webhooks/line": ("edge", 401),
    "/api/v1/me": ("api", 401),
    "/desk": ("api", 200),
    "/docs": ("api", 200),
    "/openapi.json": ("api", 200),
    "/chat/chat": ("api", 200),
    "/widget.js": ("api", 200),
}


@pytest.mark.parametrize("roles", [("edge",), ("broker",), ("sender",), ("api",), ("edge", "api"), tuple(ALL)])
async def test_a_role_opens_its_doors_and_no_others(tmp_path: Path, roles: Collection[Role]) -> None:
    async with served(tmp_path, *roles) as there:
        for path, (role, status) in DOORS.items():
            method = "POST" if role == "edge" else "GET"
            answer = await there.call(method, path, **({"data": b"{}"} if role == "edge" else {}))
            assert answer.status == (status if role in roles else 404), path
        assert (await there.call("GET", "/healthz")).status == 200
        assert (await there.call("GET", "/metrics")).status == 200


@pytest.mark.parametrize(
    ("roles", "needs"),
    [
        (("edge",), {"inbox"}),
        (("broker",), {"broker", "inbox"}),
        (("sender",), {"broker"}),
        (("api",), {"broker", "inbox", "chat"}),
        (tuple(ALL), {"broker", "inbox", "chat"}),
    ],
)
async def test_readyz_says_what_the_role_needs(tmp_path: Path, roles: Collection[Role], needs: set[str]) -> None:
    async with served(tmp_path, *roles) as there:
        ready = await there.call("GET", "/readyz")
        assert ready.status == 200, ready
        assert set(ready.json["checks"]) == needs
        assert ready.json.get("roles") == (sorted(roles) if len(roles) == 1 else None)


def test_roles_need_a_database_that_can_be_shared(tmp_path: Path) -> None:
    one = config.build(raw(tmp_path)).config
    assert roles_of((), one) == roles_of(("all",), one) == roles_of(("edge", "all"), one) == ALL
    with pytest.raises(GatewayError, match="set `store`"):
        roles_of(("edge",), one)


def test_roles_may_be_several(tmp_path: Path) -> None:
    one = config.build(raw(tmp_path, store="postgresql://byoc:pw@127.0.0.1/byoc", media_secret="a-secret-of-some-length")).config
    assert roles_of(("edge", "api"), one) == {"edge", "api"}
    assert roles_of((), one) == ALL
    with pytest.raises(GatewayError, match="start more processes"):
        roles_of((), one, apart=True)


def test_a_database_of_one_org_alone_leaves_the_others_on_sqlite(tmp_path: Path) -> None:
    orgs = {"acme": ORG, "globex": {"reps": {}}}
    one = config.build(
        raw(tmp_path, orgs=orgs, stores={"acme": "postgresql://byoc:pw@127.0.0.1/byoc"}, media_secret="a-secret-of-some-length")
    ).config
    with pytest.raises(GatewayError, match="SQLite"):
        roles_of(("edge",), one)
