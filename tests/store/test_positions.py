"""Where a stream of events is to be read on, and how many events came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.store.contract import StreamPosition
from tests.store.backends import Jobs

AT = datetime(2026, 11, 2, 10, tzinfo=UTC)
LANE, OTHER = "salesforce:prod", "salesforce:sandbox"


def test_a_position_is_kept_for_each_lane_and_replaced(jobs: Jobs) -> None:
    assert jobs(lambda stored: stored.positions.of(LANE)) is None
    jobs(lambda stored: stored.positions.keep(LANE, StreamPosition(b"", AT)))
    jobs(lambda stored: stored.positions.keep(OTHER, StreamPosition(b"\x00\xff", AT)))
    assert jobs(lambda stored: stored.positions.of(LANE)) == StreamPosition(b"", AT)
    later = StreamPosition(b"\x00\x01", AT + timedelta(seconds=1))
    jobs(lambda stored: stored.positions.keep(LANE, later))
    assert jobs(lambda stored: stored.positions.of(LANE)) == later
    assert jobs(lambda stored: stored.positions.of(OTHER)) == StreamPosition(b"\x00\xff", AT)


def test_events_are_counted_by_hour_and_hours_long_past_are_forgotten(jobs: Jobs) -> None:
    jobs(lambda stored: stored.positions.keep_events(LANE, {100: 1, 101: 2}))
    jobs(lambda stored: stored.positions.keep_events(LANE, {101: 5, 102: 1}))
    jobs(lambda stored: stored.positions.keep_events(OTHER, {101: 9}))
    jobs(lambda stored: stored.positions.keep_events(LANE, {}))
    assert jobs(lambda stored: stored.positions.events(LANE)) == {100: 1, 101: 5, 102: 1}
    jobs(lambda stored: stored.positions.keep_events(LANE, {149: 3}))
    assert jobs(lambda stored: stored.positions.events(LANE)) == {101: 5, 102: 1, 149: 3}
    assert jobs(lambda stored: stored.positions.events(OTHER)) == {101: 9}
