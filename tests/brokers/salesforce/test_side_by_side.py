"""One gateway with several brokers: this gateway itself, and one or two Salesforce orgs. Who sees what, and what is written down of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway import operators
from tests.brokers.salesforce.keys import key_pair
from tests.brokers.salesforce.test_strange_orders import change, changes
from tests.brokers.salesforce.test_whole import heard, says, stuck
from tests.brokers.salesforce.whole import ANN, BOB, conversation_of, gateway_of, sandbox, supervisor
from tests.chosen import stored_in
from tests.world import PNG, wait_until


async def test_each_conversation_has_its_broker(tmp_path: Path) -> None:
    async with (
        sandbox(tmp_path / "org") as org,
        gateway_of(org, tmp_path / "gateway", by_channel={"open": {"salesforce": None}}) as world,
    ):
        ana, ben, sam = (world.rep(one, f"{one}-token-0123456789") for one in ("ana", "ben", "sam"))
        await ana.present()
        await world.customer("open").says("for you")
        conversation = await says(world, org, "whatsapp", "for Salesforce")
        ours = await ana.take("open")
        await ana.say(ours["id"], "At once")

        async def both() -> bool:
            return [one["status"] for one in await sam.items("/sessions")] == ["active", "active"]

        await wait_until(both, what="both sessions, with their reps")
        theirs = next(one for one in await sam.items("/sessions") if one["channel_id"] == "whatsapp")
        assert {one["id"] for one in await ana.items("/sessions")} == {ours["id"], theirs["id"]}  # she is Ann there
        assert await ben.items("/sessions") == []
        assert (await ben.get(f"/sessions/{theirs['id']}")).status == 404
        assert (await ana.post(f"/sessions/{theirs['id']}/messages", {"text": "by the wrong door"})).status == 409
        assert (await ana.post(f"/sessions/{ours['id']}/end")).status == 200
        gus = world.rep("gus", "gus-token-0123456789")
        assert await gus.items("/sessions") == []
        assert (await gus.get(f"/sessions/{theirs['id']}")).status == 404
        assert (await gus.get(f"/sessions/{theirs['id']}/entries")).status == 404
        assert heard(org, conversation) == ["for Salesforce"]
        org.plain.leave(conversation, ANN)


async def test_two_orgs_hear_and_say_their_own(tmp_path: Path) -> None:
    async with (
        sandbox(tmp_path / "a") as one,
        sandbox(tmp_path / "b") as two,
        gateway_of(
            one,
            tmp_path / "gateway",
            also={"uk": two},
            by_channel={
                "whatsapp": {"salesforce": {"org": "uk", "address": "address-of-whatsapp", "definition": "Byoc_Definition"}}
            },
        ) as world,
    ):
        first = await says(world, one, "open", "to the first")
        second = await says(world, two, "whatsapp", "to the second")
        assert (heard(one, first), heard(two, second)) == (["to the first"], ["to the second"])
        # An event with the other org's address of a channel is nobody's.
        thread = one.plain.threads[first]
        address, thread.address = thread.address, "address-of-whatsapp"
        one.plain.say(first, ANN, "astray")
        thread.address = address
        one.plain.say(first, ANN, "from the first")
        two.plain.say(second, BOB, "from the second")
        for channel_id, text in (("open", "from the first"), ("whatsapp", "from the second")):

            async def shown(channel_id: str = channel_id, text: str = text) -> bool:
                return any(text in line["text"] for line in await world.customer(channel_id).seen())

            await wait_until(shown, what=text)
        assert "astray" not in str([await world.customer(key).handset() for key in ("open", "whatsapp")])


async def test_neither_words_nor_addresses_nor_secrets_are_written_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with sandbox(tmp_path / "org") as org, gateway_of(org, tmp_path / "gateway") as world:
        conversation = await says(world, org, "open", "canary-customer")
        thread = org.plain.threads[conversation]
        org.plain.say(conversation, ANN, "canary-rep")
        known, thread.customer = thread.customer, "canary-stranger"
        org.plain.say(conversation, ANN, "canary-lost")
        thread.customer = known
        await org.bus.log.append_text("Interaction", '{"canary-json')
        changes(org, conversation, change("add", BOB, "canary-name"))
        org.faults.apply({"answer": [{"code": 10055, "when": "after", "path": "/interactions", "times": 2}]})
        await world.customer("open").says("canary-again")
        org.faults.apply({"expire_tokens": True, "disconnect_streams": True})
        await wait_until(lambda: heard(org, conversation)[-1:] == ["canary-again"], what="the message")
        await wait_until(lambda: stuck(world), what="the stuck event")
        metrics = (await world.call("GET", "/metrics")).body.decode()
        ready = (await world.call("GET", "/readyz?verbose")).body.decode()
        tokens = list(org.tokens._sessions)
    lines = [record for record in caplog.records if record.name.startswith("gateway") and "simulator" not in record.name]
    written = "\n".join(logging.Formatter().format(record) + str(vars(record)) for record in lines) + metrics + ready
    assert "canary" not in written
    assert known not in written
    assert "PRIVATE KEY" not in written
    assert key_pair()[0].decode().splitlines()[1] not in written
    assert tokens
    assert not any(str(token) in written for token in tokens)


async def test_a_file_that_is_too_large_is_said_with_the_words_beside_it(tmp_path: Path) -> None:
    async with (
        sandbox(tmp_path / "org") as org,
        gateway_of(org, tmp_path / "gateway", limits={"file_max_bytes": 1_024}) as world,
    ):
        conversation = await says(world, org, "whatsapp")
        await world.customer("whatsapp").says("this is the broken one", file=PNG + bytes(4_096))
        await wait_until(lambda: len(heard(org, conversation)) == 2, what="word of the file")
        assert "this is the broken one" in heard(org, conversation)[1]


async def test_calls_that_failed_are_listed_shown_and_sent_again(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    async with sandbox(tmp_path / "org") as org, gateway_of(org, folder) as world:
        conversation = await says(world, org, "open")
        org.faults.apply({"answer": [{"code": 10015, "when": "before", "path": "/interactions", "times": 1}]})
        await world.customer("open").says("refused at first")
        await wait_until(lambda: operators.troubled_messages(stored_in(folder), 10).total, what="the failure")
        (line,) = operators.troubled_messages(stored_in(folder), 10).lines
        assert "salesforce:production" in line
        shown = operators.message(stored_in(folder), line.split()[0])
        assert shown is not None
        assert (shown["kind"], shown["state"], shown["provider_code"]) == ("call", "failed", "10015")
        assert operators.replay_messages(stored_in(folder), None) == 1
        await wait_until(lambda: heard(org, conversation)[-1:] == ["refused at first"], what="the message")
        assert await conversation_of(org, "open") == conversation
        assert [one["status"] for one in await supervisor(world).items("/sessions")] == ["active"]
