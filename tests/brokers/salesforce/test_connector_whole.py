"""The connector page and its endpoints on a whole gateway: what a rep's browser inside Salesforce asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator.partner_values import Wish
from tests.brokers.salesforce.test_partner_whole import asked, present, reps
from tests.brokers.salesforce.whole import (
    ANN,
    BOB,
    SUPPORT,
    Sandbox,
    channels_of,
    conversation_of,
    gateway_of,
    sandbox,
)
from tests.world import Rep, Reply, World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    channels = channels_of(product="ccaas", routing="partner")
    async with sandbox(tmp_path / "org", channels) as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway", product="ccaas", routing="partner") as one:
        yield one


def rep(world: World, login: str) -> Rep:
    return world.rep(login, f"{login}-token-0123456789")


async def work_item(org: Sandbox, channel_id: str) -> str:
    """The session's id in Salesforce."""
    return str(org.plain.threads[await conversation_of(org, channel_id)].sessions[-1].id)


async def contacts(world: World, login: str, item: str, **more: Any) -> Reply:
    return await rep(world, login).post("/salesforce/contacts", {"work_item_id": item, **more})


async def served(org: Sandbox, world: World) -> str:
    """Ana has the conversation; its id in Salesforce."""
    await present(world, "ana")
    await world.customer("open").says("hello")
    org.plain.accept(await asked(org, ANN))
    await reps(world, "ana")
    return await work_item(org, "open")


async def test_the_lists_of_a_session_and_the_conference_that_comes_of_them(org: Sandbox, world: World) -> None:
    item = await served(org, world)
    await present(world, "ben")
    found = await contacts(world, "ana", item)
    assert found.status == 200
    assert found.json == {
        "contacts": [
            {
                "id": BOB,
                "type": "Agent",
                "name": "Ben",
                "listType": "All",
                "availability": "AVAILABLE",
                "recordId": BOB,
                "description": "0 of 5 conversations",
                "queueWaitTime": None,
            },
            {
                "id": SUPPORT,
                "type": "Queue",
                "name": "Support",
                "listType": "All",
                "availability": None,
                "recordId": SUPPORT,
                "description": "1 available",
                "queueWaitTime": "0",
            },
        ],
        "contactTypes": ["Agent", "Queue", "Flow"],
    }
    org.plain.ask(await conversation_of(org, "open"), ANN, "Conference", Wish(user=found.json["contacts"][0]["recordId"]))
    work = await asked(org, BOB)
    assert (await rep(world, "ben").post("/salesforce/work", _work(item, work, "ASSIGNED"))).status == 204
    org.plain.accept(work)
    await reps(world, "ana", "ben")
    assert [one["type"] for one in (await contacts(world, "ana", f"{item}AAA")).json["contacts"]] == ["Queue"]
    assert (await contacts(world, "ana", item, types=["CONTACT", "DIRECTORY"])).json["contacts"] == []
    assert [one["name"] for one in (await contacts(world, "ana", item, contains="sup")).json["contacts"]] == ["Support"]


def _work(item: str, work: str, change: str) -> dict[str, str]:
    return {"work_item_id": item, "work_id": work, "work_event": change}


async def test_a_decline_that_only_the_browser_reports(org: Sandbox, world: World) -> None:
    await present(world, "ana", "ben")
    await world.customer("open").says("hello")
    work = await wait_until(lambda: next(iter(org.plain.routing.works.values()), None), what="the first work")
    first, second = ("ana", BOB) if work.user == ANN else ("ben", ANN)

    item = await work_item(org, "open")

    async def next_one() -> bool:  # a report that comes before the gateway knows the work changes nothing
        await rep(world, first).post("/salesforce/work", _work(item, work.id, "DECLINED"))
        return any(one.user == second for one in org.plain.routing.works.values())

    await wait_until(next_one, what="the next rep is asked")


async def test_a_session_of_others_is_none_of_the_callers(org: Sandbox, world: World) -> None:
    item = await served(org, world)
    await present(world, "ben")
    for login, wanted, code in (
        ("ben", item, "session_not_found"),
        ("ana", "0Mw000000000nix", "session_not_found"),
        ("sam", item, "permission_denied"),
    ):
        found = await contacts(world, login, wanted)
        assert found.json["code"] == code
        reported = await rep(world, login).post("/salesforce/work", _work(wanted, "0Bz1", "ACCEPTED"))
        assert reported.json["code"] == code


@pytest.mark.parametrize("wrong", [{"limit": 51}, {"limit": 0}, {"offset": -1}, {"types": ["Others"]}, {"contains": 5}])
async def test_a_filter_that_the_toolkit_would_not_send(world: World, wrong: dict[str, Any]) -> None:
    assert (await contacts(world, "ana", "0Mw1", **wrong)).status == 422


async def test_the_page_may_be_shown_by_the_org_alone(org: Sandbox, world: World) -> None:
    async with world.http.get(f"{world.address}/salesforce/connector") as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert answer.status == 200
    frames = next(part for part in policy.split("; ") if part.startswith("frame-ancestors"))
    assert frames == f"frame-ancestors {org.url.removesuffix('/org')}"
    assert "/connector/page.js" in text
    assert "<style" not in text


async def test_without_partner_owned_routing_there_is_neither_page_nor_list(org: Sandbox, tmp_path: Path) -> None:
    async with gateway_of(org, tmp_path / "gateway") as world:
        assert (await contacts(world, "ana", "0Mw1")).json["code"] == "not_found"
        reported = await rep(world, "ana").post("/salesforce/work", _work("0Mw1", "0Bz1", "ACCEPTED"))
        assert reported.status == 404
        async with world.http.get(f"{world.address}/salesforce/connector") as answer:
            assert answer.status == 404
