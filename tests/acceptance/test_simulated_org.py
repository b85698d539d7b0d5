"""`byoc simulate salesforce`: an org in a process of its own, and what it prints for a gateway's config."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from gateway.demo import cast
from tests.acceptance.processes import BYOC, byoc, start
from tests.ports import free_port
from tests.world import outside

pytestmark = pytest.mark.acceptance


async def test_a_gateway_finds_the_org_by_what_it_prints(tmp_path: Path) -> None:
    options = ("--port", "0", "--data", str(tmp_path / "org"), "--auto-response")
    org = await start(*BYOC, "simulate", "salesforce", *options, ready="# console", log=tmp_path / "org.log")
    try:
        printed = yaml.safe_load("\n".join(org.said))
        assert all(one["salesforce"]["announces"] for one in printed["channels"].values())
        raw = await asyncio.to_thread(cast.raw, free_port(), tmp_path / "gateway")
        for channel_id, more in printed["channels"].items():
            raw["channels"][channel_id] |= more
            raw["channels"][channel_id].pop("queue", None)
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(raw | {"salesforce": printed["salesforce"]}))
        told = await byoc("check", "--config", str(path), "--online")
        assert told.code == 0, (told.out, told.err)
        async with outside(printed["salesforce"]["demo"]["instance_url"].removesuffix("/org")) as world:
            assert (await world.rep("ana").get("/me")).json["login"] == "ana"
            assert (await world.call("GET", "/desk")).status == 200
            assert (await world.call("GET", "/org/_numbers")).json["conference_limit"] == 6
    finally:
        await org.terminate()
