"""A channel changes its broker by config: open sessions end in the old one with a reason, and what nobody has answered goes to the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.brokers.salesforce.simulator.contract import CustomerSays, HistoryEntry
from tests.brokers.salesforce.whole import ANN, channels_of, conversation_of, gateway_of, sandbox, supervisor
from tests.world import World, wait_until


def texts(entries: list[CustomerSays | HistoryEntry]) -> list[str]:
    return [str(getattr(one.content if isinstance(one, CustomerSays) else one, "text", "")) for one in entries]


async def statuses(world: World) -> list[str]:
    return [one["status"] for one in await supervisor(world).items("/sessions")]


async def reasons(world: World, session_id: str) -> list[Any]:
    lines = await supervisor(world).transcript(session_id)
    return [line["details"].get("reason") for line in lines if line["kind"] == "status_changed"]


async def test_what_nobody_has_answered_goes_to_salesforce(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "org") as org:
        async with gateway_of(org, tmp_path / "gateway", elsewhere=False) as world:
            kim = world.customer("open")
            await kim.says("first")
            await kim.says("second")
            await wait_until(lambda: waiting_lines(world, 2), what="both messages")
        async with gateway_of(org, tmp_path / "gateway") as world:
            conversation = await conversation_of(org, "open")
            thread = org.plain.threads[conversation]
            await wait_until(lambda: texts(thread.entries) == ["first", "second"], what="both in the org")
            new, old = await supervisor(world).items("/sessions")
            assert (new["status"], old["status"]) == ("waiting", "ended")
            assert (await reasons(world, old["id"]))[-1] == "broker_changed"
            org.plain.join(conversation, ANN)
            org.plain.say(conversation, ANN, "Here I am")
            await wait_until(lambda: shows(world, "Here I am"), what="the answer")


async def test_and_back_again(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "org") as org:
        async with gateway_of(org, tmp_path / "gateway") as world:
            await world.customer("open").says("hello")
            await conversation_of(org, "open")
        async with gateway_of(org, tmp_path / "gateway", elsewhere=False) as world:
            ana = world.rep("ana", "ana-token-0123456789")
            await ana.present()
            session = await ana.take("open")
            assert [line["text"] for line in await ana.transcript(session["id"]) if line["kind"] == "message"] == ["hello"]
            await ana.say(session["id"], "Good day")
            await wait_until(lambda: shows(world, "Good day"), what="the answer")
            assert sorted(await statuses(world)) == ["active", "ended"]


async def test_with_byoc_for_ccaas_what_was_said_before_is_handed_over(tmp_path: Path) -> None:
    channels = channels_of(product="ccaas")
    async with sandbox(tmp_path / "org", channels) as org:
        async with gateway_of(org, tmp_path / "gateway", elsewhere=False) as world:
            kim, ana = world.customer("open"), world.rep("ana", "ana-token-0123456789")
            await ana.present()
            await kim.says("My lamp is broken")
            session = await ana.take("open")
            await ana.say(session["id"], "Which one?")
            await wait_until(lambda: shows(world, "Which one?"), what="the answer")
        async with gateway_of(org, tmp_path / "gateway", product="ccaas") as world:
            await world.customer("open").says("The red one")
            thread = org.plain.threads[await conversation_of(org, "open")]
            await wait_until(lambda: texts(thread.entries)[-1:] == ["The red one"], what="the new message")
            assert texts(thread.entries) == ["My lamp is broken", "Which one?", "The red one"]


async def waiting_lines(world: World, count: int) -> bool:
    sessions = await supervisor(world).items("/sessions")
    lines = await supervisor(world).transcript(sessions[0]["id"]) if sessions else []
    return len([line for line in lines if line["kind"] == "message"]) == count


async def shows(world: World, text: str) -> bool:
    return any(text in line["text"] for line in await world.customer("open").seen("message"))
