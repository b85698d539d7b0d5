"""What belongs to a conversation: an adapter's memory, aliases, what was seen, what waits for its message."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from adapters.envelope import Address, ChannelId, EndUser, InboundDeletion
from gateway.store.connecting import connect
from gateway.store.contract import DueTimer, Timers
from tests.store.backends import Jobs


def test_memory_is_merged_key_by_key_and_null_removes(jobs: Jobs) -> None:
    jobs(lambda stored: stored.conversations.remember("line", "kim", {"token": "a", "locale": "de"}))
    jobs(lambda stored: stored.conversations.remember("line", "kim", {"token": "b", "locale": None}))
    assert jobs(lambda stored: stored.conversations.of("line", "kim")).memory == {"token": "b"}
    assert jobs(lambda stored: stored.conversations.of("line", "lee")).memory == {}


def test_the_time_of_the_last_word_only_goes_on(jobs: Jobs) -> None:
    jobs(lambda stored: stored.conversations.remember("line", "kim", {}, wrote_at=200))
    jobs(lambda stored: stored.conversations.remember("line", "kim", {}, wrote_at=100))
    jobs(lambda stored: stored.conversations.remember("line", "kim", {"x": 1}))
    assert jobs(lambda stored: stored.conversations.of("line", "kim")).last_inbound_at == 200


def first_sight(jobs: Jobs, channel_id: str, now: float = 0) -> bool:
    return jobs(lambda stored: stored.conversations.first_sight(channel_id, "e1"), now)


def test_an_event_is_new_once_on_its_channel(jobs: Jobs) -> None:
    assert [first_sight(jobs, c) for c in ("line", "line", "sms")] == [True, False, True]


def key(jobs: Jobs, address: str, *aliases: str, channel: str = "wa") -> str:
    """Under which address a person is kept who has these now."""
    one = EndUser(address=Address(address), aliases=tuple(map(Address, aliases)))
    return jobs(lambda stored: stored.addresses.settle(channel, one, at=100)).address


def test_the_first_address_we_met_stays_the_key(jobs: Jobs) -> None:
    assert key(jobs, "phone", "scoped") == "phone"
    assert key(jobs, "scoped") == "phone"
    assert key(jobs, "scoped", "new") == "phone"
    assert key(jobs, "new") == "phone"
    assert key(jobs, "scoped", channel="other") == "scoped"


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


def test_what_is_parked_comes_out_once_oldest_first(jobs: Jobs) -> None:
    for n, at in enumerate((30.0, 10.0, 20.0)):
        gone = InboundDeletion(
            channel_id=ChannelId("line"),
            event_id=f"e{n}",
            end_user=EndUser(address=Address("kim")),
            received_at=datetime(2026, 11, 2, tzinfo=UTC),
            message_id="m1",
        )
        jobs(lambda stored, gone=gone: stored.conversations.park(gone, ["m1"]), at)  # type: ignore[misc]
    found = jobs(lambda stored: stored.conversations.unpark("line", ["m1", "m2"]))
    assert [event.event_id for event in found] == ["e1", "e2", "e0"]
    assert jobs(lambda stored: stored.conversations.unpark("line", ["m1"])) == []


def test_a_timer_that_moved_isnt_taken_at_its_old_time(jobs: Jobs) -> None:
    early, late = datetime.fromtimestamp(10, UTC), datetime.fromtimestamp(20, UTC)

    def due(steady: float) -> list[DueTimer]:
        return jobs(lambda stored: stored.timers.due(steady))

    def take(timer: DueTimer) -> bool:
        return jobs(lambda stored: stored.timers.take(timer))

    jobs(lambda stored: stored.timers.set("ses_1", "idle", "", early, early))
    (first,) = due(15)
    jobs(lambda stored: stored.timers.set("ses_1", "idle", "", late, late))
    assert not take(first)
    assert due(15) == []
    (second,) = due(25)
    assert [take(second), take(second)] == [True, False]

    def set_and_forget(timers: Timers) -> None:
        timers.set("ses_1", "idle", "", early, early)
        timers.cancel("ses_1", "idle", "")

    jobs(lambda stored: set_and_forget(stored.timers))
    assert jobs(lambda stored: stored.timers.next_due()) is None


def test_duplicates_are_remembered_for_longer_than_any_provider_repeats(jobs: Jobs) -> None:
    """Meta repeats for seven days."""
    day = 24 * 3_600.0
    assert first_sight(jobs, "wa")
    jobs(lambda stored: stored.records.purge(9), 8.5 * day)
    assert not first_sight(jobs, "wa", 8.5 * day)
    jobs(lambda stored: stored.records.purge(9), 30 * day)
    assert first_sight(jobs, "wa", 30 * day)
