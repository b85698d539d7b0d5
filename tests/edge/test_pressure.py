"""When a channel's webhooks are put off: while it is outrun, by itself, without beginning and ending by turns; never for what only stands still."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import pressure
from gateway.edge.pressure import Pressure

MOST = 8.0
STEP = 0.5


@dataclass
class Inbox:
    """Ages and sizes as a test sets them, and the time."""

    ages: dict[str, float] = field(default_factory=dict)
    unwritten: int = 0
    now: float = 1_000.0

    def backlog_seconds(self, channel_id: str) -> float:
        """See `Backlog`."""
        return self.ages.get(channel_id, 0.0)

    def unwritten_bytes(self) -> int:
        """See `Backlog`."""
        return self.unwritten

    def time(self) -> float:
        """The moment."""
        return self.now


class Play:
    """A gateway of two channels, looked at now and then."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.pressure = Pressure(["line", "sms"], self.inbox, backlog_seconds=MOST, time=self.inbox.time)

    def after(self, age: float, seconds: float = STEP) -> list[str]:
        """The oldest of `line` is so old after so long; who refuses then."""
        self.inbox.now += seconds
        self.inbox.ages["line"] = age
        self.pressure.look()
        return sorted(self.pressure.refusing)


def test_a_channel_that_is_outrun_refuses_from_the_limit_until_half_of_it() -> None:
    play = Play()
    up = [(age, play.after(age)) for age in (1, 3, 5, 7, 7.9)]
    assert all(refusing == [] for _, refusing in up)
    assert play.after(8.3) == ["line"]
    assert [play.after(age) for age in (7.5, 9, 6, 5, 4.2)] == [["line"]] * 5
    assert play.after(3.9) == []
    assert [play.after(age) for age in (5, 7.5)] == [[]] * 2


def test_others_are_not_refused_for_it() -> None:
    play = Play()
    for age in (5, 7, 9):
        play.after(age)
    assert set(play.pressure.refusing) == {"line"}
    assert play.pressure.told() == (
        "put off for now, and providers send again (line: webhooks arrive faster than they are applied)"
    )


def test_a_backlog_that_stands_still_is_kept() -> None:
    """Its oldest is the same all the time: the broker can't take it, or a fault holds it up."""
    play = Play()
    assert [play.after(age) for age in (0.5 * n for n in range(1, 200))] == [[]] * 199
    assert play.pressure.told() is None


def test_what_comes_to_a_stand_while_it_is_refused_is_accepted_again() -> None:
    play = Play()
    for age in (5, 7, 9):
        play.after(age)
    ages = [9 + 0.5 * n for n in range(1, 20)]
    assert play.after(ages[0]) == ["line"]
    assert [play.after(age) for age in ages[1:]][-1] == []


def test_when_nothing_waits_any_more_the_next_webhook_is_accepted_without_another_look() -> None:
    """A backlog that nothing was added to is refused until its end: its oldest grows older all the time."""
    play = Play()
    for age in (5, 7, 9, 11):
        play.after(age)
    assert "line" in play.pressure
    play.inbox.ages["line"] = 0
    assert "line" not in play.pressure
    assert play.pressure.told() is None


@given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 30))))
def test_whatever_happens_nothing_is_refused_under_half_of_the_limit_nor_accepted_over_it_while_it_moves(
    looks: list[tuple[float, float]],
) -> None:
    play = Play()
    before = 0.0
    for seconds, age in looks:
        moved = not age or abs(age - before - seconds) > 0.05
        refusing = bool(play.after(age, seconds))
        assert not (refusing and age <= MOST / 2)
        assert refusing or not (moved and age > MOST)
        before = age


def test_bodies_that_wait_for_the_disk_are_so_many_and_no_more_whosever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_MOST_UNWRITTEN_BYTES", 1_000)
    play = Play()
    seen = []
    for play.inbox.unwritten in (900, 1_001, 600, 501, 500, 900):
        seen.append(play.after(0))
    assert seen == [[], ["line", "sms"], ["line", "sms"], ["line", "sms"], [], []]


def test_the_log_tells_the_begin_and_the_end_once(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    for age in (5, 7, 9, 8, 9, 3, 2):
        play.after(age)
    assert [vars(one)["action"] for one in caplog.records] == ["webhook.put_off", "webhook.goes_on"]
