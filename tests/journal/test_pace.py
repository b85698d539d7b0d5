"""The pace of an account, and how long to wait before the next try."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.journal.pacing import Pace
from gateway.journal.retries import backoff


class Time:
    """A clock that is set; sleeping sets it on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()

    async def sleep(seconds: float) -> None:
        made.now += timedelta(seconds=seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


async def test_turns_are_so_many_a_second_after_a_burst(time: Time) -> None:
    pace, begun = Pace(5, time, burst=10), time.now
    for _ in range(10):
        await pace.turn()
    assert time.now - begun <= timedelta(seconds=0.2)
    for _ in range(50):
        await pace.turn()
    assert timedelta(seconds=9.5) <= time.now - begun <= timedelta(seconds=10.5)


async def test_who_was_silent_for_long_has_no_more_than_a_burst(time: Time) -> None:
    pace = Pace(5, time, burst=10)
    await pace.turn()
    time.now += timedelta(hours=1)
    begun = time.now
    for _ in range(30):
        await pace.turn()
    assert time.now - begun >= timedelta(seconds=3.5)


async def test_a_pause_lasts_until_its_end_and_the_longer_one_counts(time: Time) -> None:
    pace = Pace(5, time)
    assert not pace.paused
    pace.pause(time.now + timedelta(seconds=10))
    pace.pause(time.now + timedelta(seconds=5))
    time.now += timedelta(seconds=9)
    assert pace.paused
    time.now += timedelta(seconds=1)
    assert not pace.paused
    assert pace.paused_until is None


@pytest.mark.parametrize(("attempts", "most"), [(0, 1), (1, 1), (2, 2), (5, 16), (30, 600), (1_000, 600)])
def test_waits_grow_and_are_spread(attempts: int, most: float) -> None:
    waits = [backoff(attempts) for _ in range(300)]
    assert all(0 <= wait <= most for wait in waits)
    assert max(waits) > most * 0.8, "up to the end"
    assert min(waits) < most * 0.2, "and from the beginning: full jitter"
