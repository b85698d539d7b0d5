"""From where a stream is read on, and which gaps there may be."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.brokers.salesforce.bookmark import Bookmark, Start
from gateway.store.contract import StreamPosition
from tests.brokers.salesforce.bus import START

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def bookmark(kept: StreamPosition | None, now: datetime = START, *, most: int = 3) -> Bookmark:
    return Bookmark(kept, now, catch_up_events=most)


def test_the_first_time_it_is_from_now_and_the_beginning_is_kept() -> None:
    made = bookmark(None)
    assert made.position() == StreamPosition(b"", START)
    assert made.start(START) == Start("LATEST")
    made.progress.passed(b"1")
    made.heard(START + MINUTE)
    assert made.position() == StreamPosition(b"1", START + MINUTE)
    assert made.start(START + HOUR) == Start("CUSTOM", b"1")


def test_while_no_place_is_known_the_next_connection_looks_back_to_the_beginning() -> None:
    made = bookmark(None)
    made.start(START)
    for one in (made, bookmark(made.position(), START + HOUR)):
        assert one.start(START + HOUR) == Start("EARLIEST")
        assert not one.wanted(START - HOUR)
        assert one.wanted(START - MINUTE)  # clocks differ
        assert one.wanted(None)


def test_a_known_place_is_read_on_from() -> None:
    made = bookmark(StreamPosition(b"7", START), START + HOUR)
    assert made.start(START + HOUR) == Start("CUSTOM", b"7")
    assert made.wanted(START - 100 * HOUR)
    assert not made.catching_up


def test_a_lost_place_has_everything_read_again_until_what_is_new() -> None:
    made = bookmark(StreamPosition(b"7", START), START + HOUR)
    assert made.lost(START + HOUR) is None
    assert made.position().replay_id == b""
    assert made.start(START + HOUR) == Start("EARLIEST")
    assert made.catching_up
    assert made.wanted(START - 50 * HOUR)
    assert made.wanted(START + HOUR + MINUTE)
    assert not made.catching_up


def test_an_empty_response_ends_reading_again() -> None:
    made = bookmark(StreamPosition(b"7", START))
    made.lost(START)
    made.start(START)
    made.caught_up()
    assert not made.catching_up
    assert not made.exhausted


def test_a_connection_in_between_reads_no_more_of_the_past_than_one_would() -> None:
    made = bookmark(StreamPosition(b"7", START))
    made.lost(START)
    made.start(START)
    made.wanted(START - 2 * HOUR)
    made.progress.passed(b"a")
    assert made.start(START) == Start("CUSTOM", b"a")
    made.wanted(START - HOUR)
    assert not made.exhausted
    made.wanted(START - HOUR)
    assert made.exhausted


def test_too_much_of_the_past_is_a_gap_up_to_now() -> None:
    made = bookmark(StreamPosition(b"7", START), most=1)
    made.lost(START)
    made.start(START)
    made.wanted(START - 2 * HOUR)
    assert made.exhausted
    gap = made.go_on_from_now(START - 2 * HOUR, START + MINUTE)
    assert (gap.since, gap.until) == (START - 2 * HOUR, START + MINUTE)
    assert made.start(START + MINUTE) == Start("LATEST")
    assert not made.exhausted
    assert made.position() == StreamPosition(b"", START + MINUTE)


def test_a_place_older_than_72_hours_is_a_gap() -> None:
    late = START + 100 * HOUR
    made = bookmark(StreamPosition(b"7", START), late)
    assert made.may_be_gone(late)
    gap = made.lost(late)
    assert gap is not None
    assert (gap.since, gap.until) == (START, START + 28 * HOUR)
    assert not bookmark(StreamPosition(b"7", START), late).may_be_gone(START + 72 * HOUR)
    assert not bookmark(None, START).may_be_gone(late)


def test_the_gap_is_measured_from_when_all_was_read_last() -> None:
    made = bookmark(StreamPosition(b"7", START))
    made.heard(START + 50 * HOUR)
    assert made.lost(START + 100 * HOUR) is None
