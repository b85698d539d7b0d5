"""The pace of an account, and how long to wait before the next try."""

from __future__ import annotations

import pytest

from gateway.backoff import LONGEST_BACKOFF, backoff, hastening
from gateway.journal.pacing import Pace, SharedPace


class Time:
    """Seconds that are set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def used(pace: Pace, time: Time, seconds: float) -> int:
    """How many turns somebody who uses each at once gets in so long."""
    end, count = time.now + seconds, 0
    while time.now <= end:
        turns = pace.turns()
        pace.take(turns)
        count += turns
        time.now += max(pace.wait(), 0.001)
    return count


def test_turns_are_so_many_a_second_after_a_burst() -> None:
    time = Time()
    pace = Pace(5, burst=10, time=time)
    assert 10 <= used(pace, time, 0) <= 11
    assert 49 <= used(pace, time, 10) <= 51


def test_a_turn_that_nobody_takes_is_not_used() -> None:
    time = Time()
    pace = Pace(5, burst=10, time=time)
    assert pace.turns() == pace.turns() >= 10
    pace.take(3)
    assert pace.turns() >= 7


def test_who_was_silent_for_long_has_no_more_than_a_burst() -> None:
    time = Time()
    pace = Pace(5, burst=10, time=time)
    pace.take(pace.turns())
    time.now += 3_600
    assert used(pace, time, 4) <= 11 + 20


def test_a_pause_lasts_until_its_end_and_the_longer_one_counts() -> None:
    time = Time()
    pace = Pace(5, time=time)
    assert pace.wait() == 0
    pace.pause(10)
    pace.pause(5)
    time.now += 9
    assert pace.turns() == 0
    assert pace.wait() == pytest.approx(1)
    time.now += 1
    assert pace.turns() > 0
    assert pace.wait() == 0


@pytest.mark.parametrize(("attempts", "most"), [(0, 1), (1, 1), (2, 2), (5, 16), (30, 600), (1_000, 600)])
def test_waits_grow_and_are_spread(attempts: int, most: float) -> None:
    waits = [backoff(attempts) for _ in range(300)]
    assert all(0 <= wait <= most for wait in waits)
    assert max(waits) > most * 0.8, "up to the end"
    assert min(waits) < most * 0.2, "and from the beginning: full jitter"


def test_calls_that_fail_are_made_one_at_a_time_in_the_end_and_each_success_lets_twice_as_many_go() -> None:
    pace = Pace(5)
    most = pace.at_once
    for _ in range(20):
        pace.failed()
    assert pace.at_once == 1
    widths = []
    while pace.at_once < most:
        pace.worked()
        widths.append(pace.at_once)
    assert widths == [2, 4, 8, 16, 32]
    pace.worked()
    assert pace.at_once == most


def test_what_is_let_go_again_and_again_is_let_go_ever_later() -> None:
    assert [hastening(times) for times in range(5)] == [0, 2, 4, 8, 16]
    assert hastening(1_000) == LONGEST_BACKOFF


class Granted:
    """What was asked of all that send."""

    def __init__(self, first_in: float, granted: int) -> None:
        self.first_in, self.granted = first_in, granted


def test_where_others_send_too_turns_are_asked_for_a_moment_ahead() -> None:
    time = Time()
    pace = SharedPace(50, time=time)
    assert pace.turns() == 6
    assert SharedPace(1, time=time).turns() == 1
    assert pace.taken(Granted(0.01, 2), 2) == pytest.approx([1_000.01, 1_000.03])
    assert pace.wait() == 0.0, "all that were wanted"


def test_who_is_granted_less_asks_again_when_there_may_be_more() -> None:
    time = Time()
    pace = SharedPace(50, time=time)
    assert pace.taken(Granted(0.08, 2), 5) == pytest.approx([1_000.08, 1_000.1])
    assert pace.turns() == 0
    assert pace.wait() == pytest.approx(0.02)
    time.now += 0.03
    assert pace.turns() == 6
    assert pace.taken(Granted(60.0, 0), 5) == []
    assert pace.wait() == pytest.approx(59.9), "the account is paused"
