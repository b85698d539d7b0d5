"""What belongs to a conversation: an adapter's memory, aliases, what was seen, what waits for its message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundDeletion
from gateway.session.decision import CancelTimer, SetTimer
from gateway.store import conversations, records, timers
from gateway.store.group_commit import connect, migrate


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "sessions.db")
    migrate(connection, "gateway.store.migrations.sessions")
    yield connection
    connection.close()


def test_memory_is_merged_key_by_key_and_null_removes(file: sqlite3.Connection) -> None:
    conversations.remember(file, "line", "kim", {"token": "a", "locale": "de"})
    conversations.remember(file, "line", "kim", {"token": "b", "locale": None})
    assert conversations.of(file, "line", "kim").memory == {"token": "b"}
    assert conversations.of(file, "line", "lee").memory == {}


def test_the_time_of_the_last_word_only_goes_on(file: sqlite3.Connection) -> None:
    conversations.remember(file, "line", "kim", {}, wrote_at=200)
    conversations.remember(file, "line", "kim", {}, wrote_at=100)
    conversations.remember(file, "line", "kim", {"x": 1})
    assert conversations.of(file, "line", "kim").last_inbound_at == 200


def test_an_event_is_new_once_on_its_channel(file: sqlite3.Connection) -> None:
    assert [conversations.first_sight(file, c, "e1", 0) for c in ("line", "line", "sms")] == [True, False, True]


def test_the_first_address_we_met_stays_the_key(file: sqlite3.Connection) -> None:
    both = EndUser(address=Address("phone"), aliases=(Address("scoped"),))
    assert conversations.address_of(file, "wa", both) == "phone"
    assert conversations.address_of(file, "wa", EndUser(address=Address("scoped"))) == "phone"
    assert conversations.address_of(file, "wa", EndUser(address=Address("scoped"), aliases=(Address("new"),))) == "phone"
    assert conversations.address_of(file, "wa", EndUser(address=Address("new"))) == "phone"
    assert conversations.address_of(file, "other", EndUser(address=Address("scoped"))) == "scoped"


def test_what_is_parked_comes_out_once_oldest_first(file: sqlite3.Connection) -> None:
    for n, at in enumerate((30.0, 10.0, 20.0)):
        gone = InboundDeletion(
            channel_id=ChannelId("line"),
            event_id=f"e{n}",
            end_user=EndUser(address=Address("kim")),
            received_at=datetime(2026, 11, 2, tzinfo=UTC),
            message_id="m1",
        )
        conversations.park(file, gone, ["m1"], at)
    found = conversations.unpark(file, "line", ["m1", "m2"])
    assert [event.event_id for event in found] == ["e1", "e2", "e0"]
    assert conversations.unpark(file, "line", ["m1"]) == []


def test_a_timer_that_moved_isnt_taken_at_its_old_time(file: sqlite3.Connection) -> None:
    early, late = datetime.fromtimestamp(10, UTC), datetime.fromtimestamp(20, UTC)
    timers.apply(file, "ses_1", [SetTimer(kind="idle", ref="", due_at=early)], ahead=timedelta(0))
    (due,) = timers.due(file, 15)
    timers.apply(file, "ses_1", [SetTimer(kind="idle", ref="", due_at=late)], ahead=timedelta(0))
    assert not timers.take(file, due)
    assert timers.due(file, 15) == []
    (due,) = timers.due(file, 25)
    assert [timers.take(file, due), timers.take(file, due)] == [True, False]
    timers.apply(
        file, "ses_1", [SetTimer(kind="idle", ref="", due_at=early), CancelTimer(kind="idle", ref="")], ahead=timedelta(0)
    )
    assert timers.next_due(file) is None


def test_duplicates_are_remembered_for_longer_than_any_provider_repeats(file: sqlite3.Connection) -> None:
    """Meta repeats for seven days."""
    day = 24 * 3_600.0
    conversations.first_sight(file, "wa", "e1", 0)
    records.purge(file, datetime.fromtimestamp(8.5 * day, UTC))
    assert not conversations.first_sight(file, "wa", "e1", 8.5 * day)
    records.purge(file, datetime.fromtimestamp(30 * day, UTC))
    assert conversations.first_sight(file, "wa", "e1", 30 * day)
