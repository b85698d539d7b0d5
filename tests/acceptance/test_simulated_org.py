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

            token = (await world.call("GET", "/org/_admin_token")).body.decode()
            setup = ("salesforce", "setup", "--config", str(path), "--org", "demo", "--channel", "sms")
            told = await byoc(*setup, "--apply", environment={"SALESFORCE_ADMIN_TOKEN": token})
            assert told.code == 0, (told.out, told.err)

            address = printed["channels"]["sms"]["salesforce"]["address"]
            await world.call("POST", "/org/_faults", json={"inactive": [address]})
            told = await byoc("check", "--config", str(path), "--online")
            assert (told.code, told.out.count("FAULT")) == (1, 1)
            assert "is not active. Activate it in Setup, Messaging Settings." in told.out
            await world.call("POST", "/org/_faults", json={"clear": True})

            raw["channels"]["sms"]["salesforce"]["definition"] = "byoc_Another"
            path.write_text(yaml.safe_dump(raw | {"salesforce": printed["salesforce"]}))
            told = await byoc(*setup, "--diff", environment={"SALESFORCE_ADMIN_TOKEN": token})
            assert "missing   ConversationChannelDefinition byoc_Another" in told.out, (told.out, told.err)
            told = await byoc(*setup, "--apply", environment={"SALESFORCE_ADMIN_TOKEN": token})
            assert "ConversationChannelDefinition byoc_Another: created" in told.out, (told.out, told.err)
    finally:
        await org.terminate()
