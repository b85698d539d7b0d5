"""From a raw row to a session, by real adapters and the real broker: what can't be read waits apart, what can't be taken now waits in its place."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import RawRequest
from adapters.envelope import InboundTyping
from gateway.brokers import embedded
from gateway.errors import BrokerUnavailable
from gateway.journal import giving
from gateway.store.group_commit import GroupCommit
from tests.journal.outpost import Outpost, at_work, line, outpost
from tests.store.backends import keep
from tests.world import wait_until

CHANNELS = {"line": line("http://127.0.0.1:9")}


def event(text: str, user: str = "U1", **more: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "webhookEventId": f"event of {text}",
        "timestamp": 1_789_640_000_000,
        "source": {"type": "user", "userId": user},
        "deliveryContext": {"isRedelivery": False},
        "message": {"type": "text", "id": f"id of {text}", "text": text},
        **more,
    }


async def put(one: Outpost, body: bytes, channel_id: str = "line") -> None:
    await keep(one.gateway.inbox, channel_id, request_of(body))


def request_of(body: bytes) -> RawRequest:
    return RawRequest("POST", "https://x/webhooks/line", "", (), {}, body, datetime.now(UTC))


def webhook(*events: dict[str, Any]) -> bytes:
    return json.dumps({"destination": "U0", "events": events}).encode()


async def heard(one: Outpost) -> list[str]:
    """What customers said, in the transcripts' order."""
    rows = await one.gateway.store.readers.run(
        lambda c: c.execute("SELECT body FROM entries ORDER BY session_id, number").fetchall()
    )
    return [entry["text"] for row in rows if (entry := json.loads(row["body"]))["kind"] == "message"]


async def stuck(one: Outpost) -> list[str]:
    return [str(row.reason) for row in await one.gateway.inbox.read(lambda rows: rows.kept("stuck", 100))]


async def test_a_batch_of_webhooks_becomes_a_conversation(tmp_path: Path) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        await put(one, webhook(event("one"), event("two")))
        await put(one, webhook(event("three")))
        await put(one, webhook(event("two")))  # once more
        assert await one.gateway.receiver.work("line") == 3
        assert await heard(one) == ["one", "two", "three"]
        assert await one.gateway.receiver.work("line") == 0


async def test_what_cant_be_read_waits_apart_and_holds_up_nothing(tmp_path: Path) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        await put(one, webhook(event("one")))
        await put(one, b"{no json")
        await put(one, b'{"events": []}', "gone")
        await put(one, webhook(event("two")))

        async def all_read() -> bool:
            return await one.gateway.inbox.channels() == []

        async with at_work(one.gateway.receiver.run()):
            await wait_until(all_read)
        assert await heard(one) == ["one", "two"]
        broken, gone = await stuck(one)
        assert broken
        assert "'gone' is no longer configured" in gone


async def test_an_event_of_no_kind_we_know_is_no_error(tmp_path: Path) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        await put(one, webhook(event("x", type="somethingNew"), event("one")))
        await one.gateway.receiver.work("line")
        assert await heard(one) == ["one"]
        assert await stuck(one) == []
        (row,) = await one.gateway.inbox.read(lambda rows: rows.kept("unknown", 100))
        assert str(row.reason).startswith("unknown: ")


async def test_while_the_broker_is_away_everything_waits_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        there, asked = one.broker.take_in, asyncio.Event()

        async def away(events: Any) -> Any:
            asked.set()
            raise BrokerUnavailable("out for lunch")

        monkeypatch.setattr(one.broker, "take_in", away)
        for text in ("one", "two"):
            await put(one, webhook(event(text)))

        async def all_read() -> bool:
            return await one.gateway.inbox.channels() == []

        async with at_work(one.gateway.receiver.run()):
            await asked.wait()
            await put(one, webhook(event("three")))
            assert await heard(one) == []
            monkeypatch.setattr(one.broker, "take_in", there)
            await wait_until(all_read)
        assert await heard(one) == ["one", "two", "three"]


async def test_a_batch_that_cant_be_given_on_holds_up_its_own_channel_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outpost(tmp_path, {**CHANNELS, "other": line("http://127.0.0.1:9")}) as one:
        there, asked = one.broker.take_in, asyncio.Event()

        async def away_for_one(events: Any) -> Any:
            if any(e.channel_id == "line" for e in events):
                asked.set()
                raise BrokerUnavailable("not this channel's")
            return await there(events)

        monkeypatch.setattr(one.broker, "take_in", away_for_one)

        async def only_one_waits() -> bool:
            return await one.gateway.inbox.channels() == ["line"]

        async with at_work(one.gateway.receiver.run()):
            await put(one, webhook(event("held up")))
            await asked.wait()
            for text in ("one", "two"):
                await put(one, webhook(event(text)), "other")
                await wait_until(only_one_waits)
        assert await heard(one) == ["one", "two"]


async def test_a_flood_is_given_on_in_order_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no commit keeps reps waiting for long; a part that fails holds up those behind it."""
    monkeypatch.setattr(giving, "_MOST_AT_ONCE", 4)
    async with outpost(tmp_path, CHANNELS) as one:
        there, parts = one.broker.take_in, []

        async def noting(events: Any) -> Any:
            parts.append(len(events))
            if len(parts) == 2:
                raise BrokerUnavailable("once")
            return await there(events)

        monkeypatch.setattr(one.broker, "take_in", noting)
        for number in range(3):
            await put(one, webhook(*(event(f"{number}{letter}") for letter in "abc")))
        await one.gateway.receiver.work("line")
        assert parts == [4, 4, 4, 1]
        assert await heard(one) == [f"{number}{letter}" for number in range(3) for letter in "abc"]


async def test_what_gave_way_to_a_command_is_given_again_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupCommit, "hurried", lambda writer: True)
    monkeypatch.setattr(embedded, "_EVENTS_AT_LEAST", 16)
    async with outpost(tmp_path, CHANNELS) as one:
        there, parts = one.broker.take_in, []

        async def noting(events: Any) -> Any:
            results = await there(events)
            parts.append((len(events), len(results)))
            return results

        monkeypatch.setattr(one.broker, "take_in", noting)
        texts = [str(number) for number in range(40)]
        for text in texts:
            await put(one, webhook(event(text)))
        await one.gateway.receiver.work("line")
        assert parts == [(40, 16), (24, 16), (8, 8)]
        assert await heard(one) == texts


async def test_typing_behind_what_gave_way_waits_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are those of the first events, whatever they are."""
    monkeypatch.setattr(GroupCommit, "hurried", lambda writer: True)
    monkeypatch.setattr(embedded, "_EVENTS_AT_LEAST", 1)
    async with outpost(tmp_path, CHANNELS) as one:
        channel = one.gateway.loaded.channels["line"]
        first, second = channel.adapter.parse(request_of(webhook(event("one"), event("two"))), channel.account)
        typing = typing_of(first)
        assert await one.broker.take_in([typing, first, typing, second, typing]) == [None] * 3
        assert await one.broker.take_in([second, typing]) == [None] * 2
        assert await heard(one) == ["one", "two"]


async def test_a_lane_that_fails_is_taken_up_again_and_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with outpost(tmp_path, {**CHANNELS, "other": line("http://127.0.0.1:9")}) as one:
        there, failed = one.gateway.inbox.waiting, asyncio.Event()

        async def fragile(channel_id: str, *, limit: int) -> Any:
            if channel_id == "line" and not failed.is_set():
                failed.set()
                raise ZeroDivisionError
            return await there(channel_id, limit=limit)

        monkeypatch.setattr(one.gateway.inbox, "waiting", fragile)
        await put(one, webhook(event("one")), "other")
        await put(one, webhook(event("two")))

        async def all_read() -> bool:
            return failed.is_set() and await one.gateway.inbox.channels() == []

        async with at_work(one.gateway.receiver.run()):
            await wait_until(all_read)
        assert sorted(await heard(one)) == ["one", "two"]


async def test_work_that_was_cut_off_after_its_effect_has_no_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        await put(one, webhook(event("one")))

        async def cut(*settled: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(one.gateway.inbox, "settle", cut)
        with pytest.raises(KeyboardInterrupt):
            await one.gateway.receiver.work("line")
    async with outpost(tmp_path, CHANNELS) as one:
        assert await one.gateway.receiver.work("line") == 1, "it comes once more"
        assert await heard(one) == ["one"]


async def test_an_event_that_fails_the_whole_batch_is_found_and_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outpost(tmp_path, CHANNELS) as one:

        async def fragile(typing: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(one.broker, "_customer_types", fragile)
        there = one.broker.take_in

        async def with_typing(events: Any) -> Any:
            """As if LINE told when somebody types."""
            return await there([typing_of(e) if "typing" in e.event_id else e for e in events])

        monkeypatch.setattr(one.broker, "take_in", with_typing)
        for text in ("one", "typing", "two"):
            await put(one, webhook(event(text)))
        await one.gateway.receiver.work("line")
        assert await heard(one) == ["one", "two"]
        (reason,) = await stuck(one)
        assert "ZeroDivisionError" in reason


def typing_of(message: Any) -> InboundTyping:
    common = {name: getattr(message, name) for name in ("channel_id", "event_id", "end_user", "received_at")}
    return InboundTyping(**common, on=True)


async def test_every_stuck_webhook_is_logged_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        await put(one, b"{no json: my number is 490815")
        await put(one, b'{"events": []}', "gone")
        for channel in ("line", "gone"):
            await one.gateway.receiver.work(channel)
        reasons = await stuck(one)
    records = [vars(record) for record in caplog.records if getattr(record, "action", "") == "inbox.stuck"]
    assert [(one["channel"], one["reason"]) for one in records] == [("line", reasons[0]), ("gone", reasons[1])]
    assert all(one["row"] for one in records)
    assert "490815" not in str(records), "no customer's words"


def test_a_broker_that_gets_slow_is_given_less_at_once_and_more_again_later() -> None:
    """So that reps' commands wait for little, and a backlog shares what a commit costs by itself."""
    pace = giving.Pace()
    assert pace.most == giving._MOST_AT_ONCE
    sizes = []
    for seconds_each in (0.0005, 0.5, 0.00001):
        for _ in range(40):
            pace.took(pace.most, pace.most * seconds_each, of=pace.most)
        sizes.append(pace.most)
    assert sizes == [pytest.approx(100, abs=1), giving._FEWEST_AT_ONCE, giving._MOST_AT_ONCE]
    pace.took(1, 10.0, of=1)
    assert pace.most == giving._MOST_AT_ONCE, "one event's commit says nothing about what an event costs"


def test_a_broker_that_gives_way_to_commands_is_given_little_more_than_it_takes() -> None:
    """What is read ahead for the rest of a batch is read again."""
    pace = giving.Pace()
    pace.took(48, 0.001, of=512)
    assert pace.most == 48
    pace.took(16, 0.001, of=48)
    assert pace.most == giving._FEWEST_AT_ONCE
    sizes = []
    for _ in range(5):
        pace.took(pace.most, 0.001, of=pace.most)
        sizes.append(pace.most)
    assert sizes == [64, 128, 256, 512, 512]
