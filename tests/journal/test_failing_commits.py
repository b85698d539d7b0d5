"""Commits of both stores fail at random, as on a disk whose fsync fails: what was taken is heard once and in order, and nothing stands still."""

from __future__ import annotations

import asyncio
import errno
import json
import random
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.contract import RawRequest
from gateway.doorbell.contract import inbox_topic
from gateway.errors import StoreUnavailable
from gateway.journal import receiver
from gateway.store import group_commit, putting
from tests.journal.outpost import Outpost, at_work, line
from tests.journal.test_receiver import event, webhook
from tests.store.backends import keep
from tests.world import wait_until

CONVERSATIONS, MESSAGES = 40, 12


class Dice:
    """A fault that fails this share of the commits; a seed makes it repeatable."""

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.failed = share, 0
        self._dice, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, point: str) -> None:
        with self._lock:
            if point == "before_commit" and self._dice.random() < self.share:
                self.failed += 1
                raise OSError(errno.EIO, "Input/output error")


async def deliver(one: Outpost, channel_id: str, body: bytes) -> None:
    """As a provider does: again until it is taken."""
    raw = RawRequest("POST", "https://x/webhooks/line", "", (), {}, body, datetime.now(UTC))
    while True:
        try:
            await keep(one.gateway.inbox, channel_id, raw)
        except StoreUnavailable:
            await asyncio.sleep(0.001)
        else:
            return one.gateway.bell.ring(inbox_topic(channel_id))


async def heard(one: Outpost) -> dict[str, list[str]]:
    """What each customer said, in their transcript's order."""
    query = "SELECT s.address, e.body FROM entries e JOIN sessions s ON s.id = e.session_id ORDER BY e.session_id, e.number"
    said = defaultdict(list)
    for row in await one.gateway.store.readers.run(lambda c: c.execute(query).fetchall()):
        if (entry := json.loads(row["body"]))["kind"] == "message":
            said[row["address"]].append(entry["text"])
    return dict(said)


@pytest.mark.parametrize("seed", range(3))
async def test_with_a_third_of_all_commits_failing_every_conversation_is_whole_and_in_order(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many commits in a short time; and no batch of the receiver's would fit into one, were its events jobs of their own.
    monkeypatch.setattr(receiver, "_BATCH", 10)
    monkeypatch.setattr(group_commit, "_MOST_JOBS_PER_COMMIT", 7)
    monkeypatch.setattr(putting, "_MOST_PER_COMMIT", 3)
    dice = Dice(0.0, seed)
    channels = {"line": line("http://127.0.0.1:9"), "other": line("http://127.0.0.1:9")}
    one = Outpost(tmp_path, channels, fault=dice)
    await one.gateway.inbox.open()
    await one.broker.open()
    dice.share = 0.3

    async def talk(number: int) -> None:
        user, channel_id = f"U{number}", list(channels)[number % 2]
        for turn in range(0, MESSAGES, 3):  # a webhook may hold several events
            words = [f"{user} says {turn + step}" for step in range(3)]
            await deliver(one, channel_id, webhook(*(event(text, user) for text in words)))

    async def all_read() -> bool:
        return await one.gateway.inbox.channels() == []

    async with at_work(one.gateway.receiver.run()):
        await asyncio.gather(*(talk(number) for number in range(CONVERSATIONS)))
        await wait_until(all_read)
    assert dice.failed > 5
    dice.share = 0.0
    assert await heard(one) == {f"U{n}": [f"U{n} says {turn}" for turn in range(MESSAGES)] for n in range(CONVERSATIONS)}
    await one.gateway.driver.close()
    await one.gateway.inbox.close()
    await one.broker.close()
