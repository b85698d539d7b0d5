"""The whole road, there and back, with a real org's protocol between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator.contract import Chosen, CustomerSays, HistoryEntry, Upload
from tests.brokers.salesforce.whole import ANN, BOB, Sandbox, conversation_of, gateway_of, sandbox, supervisor
from tests.world import PNG, World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
        yield one


async def texts_on(world: World, channel_id: str, count: int) -> list[str]:
    async def shown() -> list[str] | None:
        lines = [line["text"] for line in await world.customer(channel_id).seen()]
        return lines if len(lines) >= count else None

    return list(await wait_until(shown, what=f"{count} lines on the handset"))


def heard(org: Sandbox, conversation: str) -> list[str]:
    """What the customer said, as the org has it."""
    return [words_of(entry) for entry in org.plain.threads[conversation].entries]


def words_of(entry: CustomerSays | HistoryEntry) -> str:
    content = entry.content if isinstance(entry, CustomerSays) else entry
    if isinstance(content, Upload):
        return f"{content.name} {len(content.content)} {content.text}".strip()
    if isinstance(content, Chosen):
        return f"chose {content.options}"
    return str(getattr(content, "text", content))


async def says(world: World, org: Sandbox, channel_id: str, text: str = "hello") -> str:
    """Kim writes for the first time, and Ann takes it; the conversation."""
    assert (await world.customer(channel_id).says(text)).status == 201
    conversation = await conversation_of(org, channel_id)
    org.plain.join(conversation, ANN)
    return conversation


@pytest.mark.parametrize("channel_id", ["open", "whatsapp"])
async def test_there_and_back(org: Sandbox, world: World, channel_id: str) -> None:
    conversation = await says(world, org, channel_id)
    org.plain.say(conversation, ANN, "How can I **help**?")
    joined, answer = await texts_on(world, channel_id, 2)
    assert "Ann has joined the conversation." in joined
    assert answer.endswith("How can I *help*?" if channel_id == "whatsapp" else "How can I help?")
    await world.customer(channel_id).says("My lamp is broken")
    await wait_until(lambda: heard(org, conversation) == ["hello", "My lamp is broken"], what="both messages in the org")
    thread = org.plain.threads[conversation]
    await wait_until(lambda: "Delivered" in [one.status for one in thread.receipts], what="a receipt")


async def test_a_conference_and_its_notices(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.join(conversation, BOB)
    org.plain.say(conversation, BOB, "I can help")
    org.plain.leave(conversation, ANN)
    shown = await texts_on(world, "open", 4)
    assert shown == [
        "Ann has joined the conversation.",
        "Bob has joined the conversation.",
        "I can help",
        "Ann has left the conversation.",
    ]


async def test_a_transfer_is_one_notice(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.swap(conversation, ANN, BOB)
    org.plain.say(conversation, BOB, "Good day")
    shown = await texts_on(world, "open", 3)
    assert len(shown) == 3
    assert "Ann" in shown[1]
    assert "Bob" in shown[1]


async def test_whispers_and_flags_never_reach_the_customer(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    for entry_type in ("Note", "FlagRaise", "FlagLower", "ConsultConversationInfo", "SomethingNew"):
        org.plain.publish(conversation, ANN, entry_type, {"formatType": "Text", "text": f"secret {entry_type}"})
    org.plain.say(conversation, ANN, "Good day")
    await texts_on(world, "open", 2)
    session = (await supervisor(world).items("/sessions"))[0]
    lines = await supervisor(world).transcript(session["id"])
    assert "secret" not in str(lines)
    assert "secret" not in str(await world.customer("open").handset())


async def test_files_both_ways(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "whatsapp")
    await world.customer("whatsapp").says("look", file=PNG)
    await wait_until(lambda: len(heard(org, conversation)) == 2, what="the file in the org")
    assert heard(org, conversation)[1].endswith(f"{len(PNG)} look")


async def test_what_our_own_reps_command_is_refused(org: Sandbox, world: World) -> None:
    await says(world, org, "open")
    sam = supervisor(world)
    session = (await sam.items("/sessions"))[0]
    assert session["can"]["invite"]["code"] == "conferencing_controlled_by_salesforce"
    for path, body in (("end", None), ("messages", {"text": "hi"}), ("flag", {"text": "help"})):
        refused = await sam.post(f"/sessions/{session['id']}/{path}", body)
        assert (refused.status, refused.json["code"]) == (409, "conferencing_controlled_by_salesforce"), path
    ask = {"recipient": {"type": "agent", "id": "ana"}}
    for path in ("invitations", "transfers"):
        refused = await sam.post(f"/sessions/{session['id']}/{path}", ask)
        assert (refused.status, refused.json["code"]) == (409, "conferencing_controlled_by_salesforce"), path


async def test_the_end_there_is_the_end_here_and_the_next_message_begins_anew(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.finish(conversation)
    sam = supervisor(world)
    await wait_until(lambda: ended(sam), what="the session ended")
    await world.customer("open").says("one more thing")
    await wait_until(lambda: len(org.plain.threads[conversation].sessions) == 2, what="a second messaging session")
    assert [one["status"] for one in await sam.items("/sessions")] == ["waiting", "ended"]


async def ended(sam: Any) -> bool:
    return [one["status"] for one in await sam.items("/sessions")] == ["ended"]


async def test_a_fault_of_the_org_holds_the_rows_and_its_repair_loses_none(org: Sandbox, world: World) -> None:
    org.faults.apply({"inactive": ["address-of-open"]})
    await world.customer("open").says("one")
    await world.customer("open").says("two")
    await world.customer("whatsapp").says("elsewhere")
    await conversation_of(org, "whatsapp")  # another channel's rows don't wait
    assert org.conversation("open") is None
    org.faults.apply({"inactive": []})
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation) == ["one", "two"], what="both, in order")


@pytest.mark.parametrize("code", [10019, 10055, 10056, 10094, 0])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_to_be_tried_again_is_there_once(org: Sandbox, world: World, code: int, when: str) -> None:
    org.faults.apply({"idempotent": True, "answer": [{"code": code, "when": when, "path": "/interactions", "times": 2}]})
    await world.customer("open").says("one")
    conversation = await conversation_of(org, "open")
    await world.customer("open").says("two")
    await wait_until(lambda: len(heard(org, conversation)) >= 2, what="both")
    assert heard(org, conversation) == ["one", "two"]


async def test_double_delivery_cuts_and_expired_tokens_double_nothing(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.faults.apply({"deliver_twice": True})
    for number in range(20):
        org.plain.say(conversation, ANN, f"line {number}")
        if number % 7 == 3:
            org.faults.apply({"expire_tokens": True, "disconnect_streams": True})
    shown = await texts_on(world, "open", 21)
    assert shown == ["Ann has joined the conversation.", *(f"line {number}" for number in range(20))]
