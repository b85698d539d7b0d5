"""What belongs to a conversation: an adapter's memory, aliases, what was seen, what waits for its message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundDeletion
from gateway.session.decision import CancelTimer, SetTimer
from gateway.store import addresses, conversations, records, timers
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


def key(file: sqlite3.Connection, address: str, *aliases: str, channel: str = "wa") -> str:
    """Under which address a person is kept who has these now."""
    one = EndUser(address=Address(address), aliases=tuple(map(Address, aliases)))
    return addresses.settle(file, channel, one, at=100).address


def test_the_first_address_we_met_stays_the_key(file: sqlite3.Connection) -> None:
    assert key(file, "phone", "scoped") == "phone"
    assert key(file, "scoped") == "phone"
    assert key(file, "scoped", "new") == "phone"
    assert key(file, "new") == "phone"
    assert key(file, "scoped", channel="other") == "scoped"


def test_a_file_of_before_knows_numbers_beside_ids_as_lent(tmp_path: Path) -> None:
    connection = connect(tmp_path / "old.db")
    connection.execute(
        "CREATE TABLE aliases (channel_id TEXT, alias TEXT, address TEXT, PRIMARY KEY (channel_id, alias)) WITHOUT ROWID"
    )
    rows = [("wa", one, "ES.1") for one in ("ES.1", "34600111222")] + [("tw", f"whatsapp:{one}", "k") for one in ("+346", "ES.2")]
    connection.executemany("INSERT INTO aliases VALUES (?, ?, ?)", [*rows, ("sms", "+1555", "+1555"), ("line", "U1", "U1")])
    connection.executescript(files("gateway.store.migrations.sessions").joinpath("0010_addresses_that_pass_on.sql").read_text())
    lent = {row["alias"] for row in connection.execute("SELECT alias FROM aliases WHERE lent")}
    assert lent == {"34600111222", "whatsapp:+346"}
    connection.close()


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
