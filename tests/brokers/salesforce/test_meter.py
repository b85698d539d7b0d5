"""Events are counted by the hour, over 24 of them, and a warning is given once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.brokers.salesforce.meter import Meter

START = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_day_is_counted_and_what_is_older_is_not() -> None:
    meter = Meter(1_000)
    meter.count(5, START)
    meter.count(7, START + HOUR)
    assert meter.last_day(START + 23 * HOUR) == 12
    assert meter.last_day(START + 24 * HOUR) == 12  # that hour isn't over 24 hours ago as a whole
    assert meter.last_day(START + 25 * HOUR) == 7
    assert meter.last_day(START + 26 * HOUR) == 0


def test_it_goes_on_where_it_was_kept() -> None:
    meter = Meter(1_000)
    meter.count(5, START)
    meter.count(7, START + HOUR)
    kept = meter.changed()
    assert sum(kept.values()) == 12
    assert meter.changed() == {}
    again = Meter(1_000, kept)
    again.count(1, START + HOUR)
    assert again.last_day(START + HOUR) == 13
    assert list(again.changed().values()) == [8]


def test_it_warns_once_at_80_percent_and_again_after_it_was_calm() -> None:
    meter = Meter(100)
    meter.count(79, START)
    assert meter.verdict(START) is None
    meter.count(1, START)
    assert [meter.verdict(START), meter.verdict(START)] == ["warn", None]
    later = START + 30 * HOUR
    assert [meter.verdict(later), meter.verdict(later)] == ["calm", None]
    meter.count(80, later)
    assert meter.verdict(later) == "warn"


def test_it_holds_a_day_and_not_more() -> None:
    meter = Meter(100)
    for hours in range(200):
        meter.count(1, START + hours * HOUR)
    assert meter.last_day(START + 199 * HOUR) == 25
    assert len(meter.changed()) == 25
