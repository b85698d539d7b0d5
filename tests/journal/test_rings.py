"""A commit rings for what it wrote that others wait for, and for nothing else: each ring has a worker look into the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, MediaPart, MediaState, Part, TextPart
from gateway.doorbell.local import LocalDoorbell
from gateway.errors import BrokerUnavailable
from tests.journal.outpost import line, outpost

CHANNELS = {"line": line("http://127.0.0.1:9")}


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    topics: list[str] = []
    monkeypatch.setattr(LocalDoorbell, "ring", lambda bell, topic: topics.append(topic))
    return topics


def message(number: int, part: Part, name: str = "kim") -> InboundMessage:
    return InboundMessage(
        channel_id=ChannelId("line"),
        event_id=f"another-{number}",
        message_id=f"another-{number}",
        end_user=EndUser(address=Address(name)),
        received_at=datetime.now(UTC),
        parts=(part,),
    )


def since(rung: list[str]) -> list[str]:
    topics = sorted(rung)
    rung.clear()
    return topics


async def test_who_waits_for_what_was_written_is_woken_and_nobody_else(tmp_path: Path, rung: list[str]) -> None:
    picture = MediaPart(media="image", state=MediaState.pending, source={"id": "1"})
    async with outpost(tmp_path, CHANNELS) as one:
        session_id = await one.conversation("line")
        rung.clear()
        assert await one.broker.take_in([message(1, TextPart(text="and then?"))]) == [None]
        assert since(rung) == ["events"]
        assert await one.broker.take_in([message(1, TextPart(text="and then?"))]) == [None]
        assert since(rung) == [], "it was known"
        assert await one.broker.take_in([message(2, picture)]) == [None]
        assert since(rung) == ["events", "media"]
        await one.say(session_id, "Then it ends.")
        assert since(rung) == ["events", "outbox"]
        assert await one.broker.take_in([message(3, TextPart(text="hello"), "lee")]) == [None]
        assert since(rung) == ["events", "people", "timers"], "an offer to Ana, who is online, lapses; nobody knows Lee yet"


async def test_a_commit_that_fails_rings_for_nothing(tmp_path: Path, rung: list[str]) -> None:
    failing = False

    def fault(at: str) -> None:
        if failing and at == "before_commit":
            raise OSError("the disk is gone")

    async with outpost(tmp_path, CHANNELS, fault=fault) as one:
        await one.conversation("line")
        rung.clear()
        failing = True
        with pytest.raises(BrokerUnavailable):
            await one.broker.take_in([message(1, TextPart(text="and then?"))])
        failing = False
        assert since(rung) == []


async def test_what_is_to_be_sent_again_wakes_the_sender(tmp_path: Path, rung: list[str]) -> None:
    async with outpost(tmp_path, CHANNELS) as one:
        session_id = await one.conversation("line")
        await one.say(session_id, "Then it ends.")
        await one.gateway.store.writer.run(lambda c: c.execute("UPDATE outbox SET state = 'failed'") and None)
        row = await one.gateway.store.readers.run(lambda c: c.execute("SELECT id FROM outbox").fetchone()[0])
        rung.clear()
        found: Any = await one.broker.resend(one.ana, session_id, row)
        assert found.session.id == session_id
        assert "outbox" in since(rung)
