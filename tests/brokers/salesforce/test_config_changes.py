"""A channel's Salesforce settings change while conversations go on: nothing goes to the wrong org, and nothing is lost unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers.salesforce.test_switching import reasons, shows, texts
from tests.brokers.salesforce.whole import ANN, BOB, conversation_of, gateway_of, sandbox, supervisor
from tests.world import World, wait_until


async def rows(world: World, *states: str) -> list[tuple[str, str, str | None]]:
    """(lane or channel, state, code) of the calls."""
    return await world.gateway.store.read(
        lambda stored: [
            (row.channel_id, row.state, row.code)
            for row in (*stored.outbox.troubled(50), *stored.outbox.waiting(50))
            if row.kind == "call"
        ]
    )


async def queued(world: World) -> bool:
    return any(state == "queued" and code for _, state, code in await rows(world))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What operators are told at a start, and beforehand by `byoc check --data`."""
    return [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "config.orphans"]


async def test_a_channel_that_another_salesforce_org_has_now(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gateway"
    async with sandbox(tmp_path / "a") as old, sandbox(tmp_path / "b") as new:
        async with gateway_of(old, folder, also={"uk": new}) as world:
            await world.customer("open").says("hello")
            there = await conversation_of(old, "open")
            old.plain.join(there, ANN)
            old.plain.say(there, ANN, "What is it?")
            await wait_until(lambda: shows(world, "What is it?"), what="Ann's question")
            old.faults.apply({"read_only": True})
            await world.customer("open").says("My lamp is broken")
            await wait_until(lambda: queued(world), what="the message on its way")
        old.faults.apply({"read_only": False})
        async with gateway_of(old, folder, also={"uk": new}, org="uk") as world:
            conversation = await conversation_of(new, "open")
            await wait_until(
                lambda: texts(new.plain.threads[conversation].entries) == ["My lamp is broken"], what="the message in the new org"
            )
            sessions, *calls = sorted(told(caplog), reverse=True)
            assert sessions.startswith("Salesforce org uk controls channel open now: 1 open session will end.")
            assert "of channel open waiting for salesforce:production, which no longer controls" in calls[-1]
            now, before = await supervisor(world).items("/sessions")
            assert (now["status"], before["status"]) == ("waiting", "ended")
            assert (await reasons(world, before["id"]))[-1] == "broker_changed"
            old.plain.say(there, ANN, "Are you there?")
            new.plain.join(conversation, BOB)
            new.plain.say(conversation, BOB, "Here I am")
            await wait_until(lambda: shows(world, "Here I am"), what="the answer")
            assert not await shows(world, "Are you there?")
            assert texts(old.plain.threads[there].entries) == ["hello"]
            assert ("salesforce:production", "failed", "channel_removed") in await rows(world)


async def test_what_one_company_was_told_never_goes_out_for_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The channel moves to another org of the gateway's while messages wait."""
    folder = tmp_path / "gateway"
    async with sandbox(tmp_path / "a") as there:
        there.faults.apply({"read_only": True})
        async with gateway_of(there, folder) as world:
            await world.customer("open").says("for acme alone")
            await wait_until(lambda: queued(world), what="the message on its way")
        there.faults.apply({"read_only": False})
        async with gateway_of(there, folder, by_channel={"open": {"org": "globex"}}) as world:
            await wait_until(lambda: over(world), what="the row's end")
            assert (
                "1 message of org acme waiting to be sent on channel open to salesforce:production will not be sent"
                in told(caplog)[-1]
            )
            assert ("salesforce:production", "failed", "channel_moved") in await rows(world)
            await world.customer("open").says("for globex")
            conversation = await conversation_of(there, "open")
            await wait_until(lambda: "for globex" in texts(there.plain.threads[conversation].entries), what="the new message")
            assert texts(there.plain.threads[conversation].entries) == ["for globex"]


async def over(world: World) -> bool:
    return any(state == "failed" for _, state, _ in await rows(world))
