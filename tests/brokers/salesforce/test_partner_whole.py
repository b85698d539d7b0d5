"""Partner-owned routing over the real protocols: our presence and queues decide whom Salesforce asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.brokers.salesforce.simulator.partner_values import Wish
from tests.brokers.salesforce.whole import (
    ANN,
    BOB,
    SUPPORT,
    Sandbox,
    channels_of,
    conversation_of,
    gateway_of,
    sandbox,
    supervisor,
)
from tests.world import World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    channels = channels_of(product="ccaas", routing="partner")
    async with sandbox(tmp_path / "org", channels) as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway", product="ccaas", routing="partner") as one:
        yield one


async def present(world: World, *logins: str, status: str = "online") -> None:
    for login in logins:
        await world.rep(login, f"{login}-token-0123456789").present(status)


async def asked(org: Sandbox, user: str) -> str:
    """The id of the work that this user was given and hasn't answered."""
    return str(
        await wait_until(
            lambda: next(
                (work.id for work in org.plain.routing.works.values() if work.user == user and work.state == "Assigned"), None
            ),
            what=f"work for {user}",
        )
    )


async def people(world: World) -> list[str]:
    sessions = await supervisor(world).items("/sessions")
    return [one["id"] for one in sessions[0]["participants"] if one["role"] == "rep"] if sessions else []


async def reps(world: World, *logins: str) -> None:
    async def so() -> bool:
        return await people(world) == list(logins)

    await wait_until(so, what=f"{logins} in the session")


async def told(world: World, *notices: str) -> None:
    async def so() -> bool:
        return [line["text"] for line in await world.customer("open").seen()] == list(notices)

    await wait_until(so, what=f"{notices} on the handset")


async def test_a_new_conversation_goes_to_who_is_online(org: Sandbox, world: World) -> None:
    await present(world, "ana")
    await world.customer("open").says("hello")
    org.plain.accept(await asked(org, ANN))
    await reps(world, "ana")
    await told(world, "Ann has joined the conversation.")


async def test_who_declines_is_followed_by_the_next(org: Sandbox, world: World) -> None:
    await present(world, "ana", "ben")
    await world.customer("open").says("hello")
    first = await wait_until(lambda: next((w for w in org.plain.routing.works.values()), None), what="the first work")
    org.plain.decline(first.id)
    second = BOB if first.user == ANN else ANN
    org.plain.accept(await asked(org, second))
    await reps(world, "ben" if second == BOB else "ana")


async def test_who_waits_is_given_to_who_comes(org: Sandbox, world: World) -> None:
    await world.customer("open").says("hello")
    await conversation_of(org, "open")
    await present(world, "ben")
    org.plain.accept(await asked(org, BOB))
    await reps(world, "ben")


async def test_a_conference_is_asked_for_there_and_routed_here(org: Sandbox, world: World) -> None:
    await present(world, "ana")
    await world.customer("open").says("hello")
    org.plain.accept(await asked(org, ANN))
    await reps(world, "ana")
    await present(world, "ben")
    conversation = await conversation_of(org, "open")
    org.plain.ask(conversation, ANN, "Conference", Wish(queue=SUPPORT))
    org.plain.accept(await asked(org, BOB))
    await reps(world, "ana", "ben")
    await told(world, "Ann has joined the conversation.", "Bob has joined the conversation.")


async def test_the_customer_who_ends_it_ends_it_there(org: Sandbox, world: World) -> None:
    await present(world, "ana")
    kim = world.customer("open")
    await kim.says("hello")
    org.plain.accept(await asked(org, ANN))
    await reps(world, "ana")
    await kim.does("end")
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: org.plain.threads[conversation].open is None, what="the end in Salesforce")
