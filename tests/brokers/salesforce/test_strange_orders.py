"""Events in orders and shapes that Salesforce doesn't promise not to send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway import clock
from tests.brokers.salesforce.test_whole import ended, heard, says, texts_on
from tests.brokers.salesforce.whole import ANN, BOB, Sandbox, gateway_of, sandbox, supervisor
from tests.world import World, wait_until

CAT = "005000000000CATAAA"  # whom the settings don't name


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
        yield one


def change(operation: str, user: str, name: str) -> dict[str, Any]:
    """One line of ParticipantChanged."""
    return {
        "operation": operation,
        "participant": {"appType": "agent", "subject": user, "role": "Agent"},
        "displayName": name,
    }


def changes(org: Sandbox, conversation: str, *lines: dict[str, Any]) -> None:
    org.plain.emit(conversation, "ParticipantChanged", {"participant": lines[0]["participant"], "entries": list(lines)})


async def names_in(world: World) -> list[str]:
    session = (await supervisor(world).items("/sessions"))[0]
    return [one["name"] for one in session["participants"] if one["role"] == "rep"]


async def test_one_person_is_one_however_often_and_by_whichever_id_they_come(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    changes(org, conversation, change("add", CAT, "Cat"))
    changes(org, conversation, change("add", CAT[:15], "Cat"))
    changes(org, conversation, change("add", f"{BOB}AAA", "Bob"), change("add", BOB, "Bob"))
    org.plain.say(conversation, ANN, "All here?")
    assert await texts_on(world, "open", 4) == [
        "Ann has joined the conversation.",
        "Cat has joined the conversation.",
        "Bob has joined the conversation.",
        "All here?",
    ]
    assert await names_in(world) == ["Ann", "Cat", "Bob"]
    changes(org, conversation, change("remove", CAT[:15], "Cat"))
    changes(org, conversation, change("remove", CAT, "Cat"))
    org.plain.say(conversation, ANN, "Fewer")
    assert (await texts_on(world, "open", 6))[4:] == ["Cat has left the conversation.", "Fewer"]


async def test_who_goes_and_comes_in_one_step_has_not_gone(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    changes(org, conversation, change("remove", ANN, "Ann"), change("add", ANN, "Ann"))
    changes(org, conversation, change("add", CAT, "Cat"), change("remove", CAT, "Cat"))
    changes(org, conversation, change("remove", BOB, "Bob"))
    org.plain.say(conversation, ANN, "Still here")
    assert await texts_on(world, "open", 2) == ["Ann has joined the conversation.", "Still here"]
    assert await names_in(world) == ["Ann"]


async def test_a_rep_who_begins_again_with_a_customer_is_in_what_they_begin(org: Sandbox, world: World) -> None:
    """They are added before they write, when the earlier session has ended here."""
    conversation = await says(world, org, "open")
    org.plain.finish(conversation)
    await wait_until(lambda: ended(supervisor(world)), what="the end")
    changes(org, conversation, change("add", BOB, "Bob"))
    org.plain.say(conversation, BOB, "Your lamp is ready")
    await texts_on(world, "open", 2)

    async def bob_is_in() -> bool:
        return await names_in(world) == ["Bob"]

    await wait_until(bob_is_in, what="Bob in the new session")
    changes(org, conversation, change("add", CAT, "Cat"))
    changes(org, conversation, change("remove", BOB, "Bob"))
    org.plain.say(conversation, ANN, "Hello")
    shown = [line for line in await texts_on(world, "open", 5) if "ended" not in line]
    assert shown[-4:] == [
        "Your lamp is ready",
        "Cat has joined the conversation.",
        "Bob has left the conversation.",
        "Hello",
    ]


async def test_who_wrote_before_they_were_added_is_announced_once(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.say(conversation, BOB, "Me too")
    org.plain.join(conversation, BOB)
    org.plain.say(conversation, BOB, "Now really")
    assert (await texts_on(world, "open", 4))[1:] == ["Me too", "Bob has joined the conversation.", "Now really"]


async def test_an_end_that_is_taken_back_ends_nothing_that_came_after(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    first = org.plain.threads[conversation].sessions[0].id
    org.plain.finish(conversation)
    await wait_until(lambda: ended(supervisor(world)), what="the end")
    await world.customer("open").says("again")
    await wait_until(lambda: len(org.plain.threads[conversation].sessions) == 2, what="the second session")
    org.plain.join(conversation, BOB)
    for status in ("Active", "Ended", "Ended"):
        org.plain.emit(conversation, "SessionStatusChanged", {"sessionId": first, "sessionStatus": status})
    org.plain.say(conversation, BOB, "I am here")
    await wait_until(lambda: said(world, "I am here"), what="Bob's words")
    assert [one["status"] for one in await supervisor(world).items("/sessions")] == ["active", "ended"]


async def said(world: World, text: str) -> bool:
    return text in [line["text"] for line in await world.customer("open").seen()]


@pytest.mark.parametrize("address", ["a/b//c", "100%25 of it?x=1&y#z", "Zoë 😀 القاهرة", "x" * 255, "../../etc", "a\\b'\"; --"])
async def test_any_address_of_a_customer_is_theirs(org: Sandbox, world: World, address: str) -> None:
    one = InboundMessage(
        channel_id=ChannelId("open"),
        event_id="e",
        message_id="m",
        end_user=EndUser(address=Address(address)),
        received_at=clock.now(),
        parts=(TextPart(text="hello"),),
    )
    await world.customer("open").says("from Kim")
    assert await world.gateway.broker.take_in([one]) == [None]
    conversation = str(await wait_until(lambda: org.conversation("open", address), what="the conversation"))
    assert heard(org, conversation) == ["hello"]
    org.plain.join(conversation, ANN)
    entry = org.plain.say(conversation, ANN, "just for you")

    async def transcript() -> Any:
        for session in await supervisor(world).items("/sessions"):
            lines = await supervisor(world).transcript(session["id"])
            if any(line["text"] == "just for you" for line in lines):
                return session["end_user"]["id"]
        return None

    assert await wait_until(transcript, what="what Ann said") == address
    assert not await said(world, "just for you")
    assert entry
