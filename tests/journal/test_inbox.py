"""The inbox on a real file: on disk before it is answered, the work of one until its lease runs out, and nothing of it lost."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.contract import RawRequest
from gateway.journal import inbox as operators_view
from gateway.journal.inbox import SqliteInbox
from gateway.store.group_commit import connect


class Time:
    """A clock that is set."""

    now = datetime(2026, 11, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def request(body: bytes = b"{}", **headers: str) -> RawRequest:
    return RawRequest(
        method="POST",
        url="https://gateway.example/webhooks/line?a=1&a=2",
        path="/message",
        query=(("a", "1"), ("a", "2")),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
        received_at=Time.now,
    )


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def inbox(tmp_path: Path, time: Time) -> AsyncIterator[SqliteInbox]:
    one = SqliteInbox(tmp_path, time)
    await one.open()
    yield one
    await one.close()


async def test_what_was_put_comes_out_as_it_was(inbox: SqliteInbox) -> None:
    body = bytes(range(256))
    await inbox.put("line", request(body, x_line_signature="abc"))
    (row,) = await inbox.lease(seconds=60, limit=10)
    sent = request(body, x_line_signature="abc")
    assert (row.method, row.url, row.path, row.query, row.body) == (sent.method, sent.url, sent.path, sent.query, body)
    assert row.headers == {"x-line-signature": "abc"}
    assert (row.channel_id, row.received_at, row.attempts) == ("line", Time.now, 0)


async def test_credentials_that_were_checked_are_not_kept(inbox: SqliteInbox, tmp_path: Path) -> None:
    await inbox.put("apple", request(authorization="Bearer SECRET", cookie="SECRET", x_kept="yes"))
    (row,) = await inbox.lease(seconds=60, limit=10)
    assert row.headers == {"x-kept": "yes"}
    assert all(b"SECRET" not in file.read_bytes() for file in sorted(tmp_path.iterdir()))  # noqa: ASYNC240


async def test_rows_come_out_in_the_order_they_came_in_and_once(inbox: SqliteInbox) -> None:
    for number in range(5):
        await inbox.put("line", request(str(number).encode()))
    first = await inbox.lease(seconds=60, limit=3)
    assert await inbox.lease(seconds=60, limit=3) == [], "nothing overtakes what is in hand"
    await inbox.settle([(row.id, None) for row in first], [])
    second = await inbox.lease(seconds=60, limit=3)
    assert [row.body for row in [*first, *second]] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_lease_that_ran_out_is_anyones(inbox: SqliteInbox, time: Time) -> None:
    await inbox.put("line", request())
    await inbox.lease(seconds=60, limit=1)
    time.now += timedelta(seconds=59)
    assert await inbox.lease(seconds=60, limit=1) == []
    time.now += timedelta(seconds=1)
    (row,) = await inbox.lease(seconds=60, limit=1)
    assert row.attempts == 1


async def test_after_a_crash_every_row_that_isnt_settled_is_there_at_once(inbox: SqliteInbox, tmp_path: Path, time: Time) -> None:
    for number in range(3):
        await inbox.put("line", request(str(number).encode()))
    first, _ = await inbox.lease(seconds=60, limit=2)
    await inbox.settle([(first.id, None)], [])
    await inbox.close()  # whatever was in hand is forgotten
    again = SqliteInbox(tmp_path, time)
    await again.open()
    assert [row.body for row in await again.lease(seconds=60, limit=10)] == [b"1", b"2"]
    await again.close()


async def test_what_was_put_back_waits_for_its_time(inbox: SqliteInbox, time: Time) -> None:
    await inbox.put("line", request())
    (row,) = await inbox.lease(seconds=60, limit=1)
    await inbox.put_back([row.id], at=time.now + timedelta(seconds=5), reason="the broker is away")
    await inbox.put("line", request(b"later"))
    assert await inbox.lease(seconds=60, limit=2) == [], "nor does what came behind it go before"
    time.now += timedelta(seconds=5)
    first, later = await inbox.lease(seconds=60, limit=2)
    assert (first.reason, later.body) == ("the broker is away", b"later")


async def test_what_is_stuck_waits_for_an_operator_with_its_reason(inbox: SqliteInbox, tmp_path: Path) -> None:
    for number in range(2):
        await inbox.put("line", request(str(number).encode()))
    first, second = await inbox.lease(seconds=60, limit=2)
    await inbox.settle([(first.id, "unknown: follow")], [(second.id, "no JSON")])
    connection = connect(tmp_path / "inbox.db")
    (stuck,) = operators_view.stuck_rows(connection, 10)
    assert (stuck["id"], stuck["reason"]) == (second.id, "no JSON")
    assert await inbox.lease(seconds=60, limit=2) == []
    assert operators_view.replay(connection, [second.id, 99]) == 1
    connection.close()
    (again,) = await inbox.lease(seconds=60, limit=2)
    assert again.body == b"1"


async def test_a_row_that_waits_is_not_replayed_under_its_workers_hands(inbox: SqliteInbox, tmp_path: Path) -> None:
    await inbox.put("line", request())
    (row,) = await inbox.lease(seconds=60, limit=1)
    connection = connect(tmp_path / "inbox.db")
    assert operators_view.replay(connection, [row.id]) == 0
    connection.close()
    assert await inbox.lease(seconds=60, limit=1) == []


async def test_old_rows_go_those_that_are_stuck_stay_longer_those_that_wait_stay(inbox: SqliteInbox, time: Time) -> None:
    for _ in range(3):
        await inbox.put("line", request())
    done, stuck, _ = await inbox.lease(seconds=60, limit=2 + 1)
    await inbox.settle([(done.id, None)], [(stuck.id, "no JSON")])

    def ids(connection: sqlite3.Connection) -> list[int]:
        return [row["id"] for row in connection.execute("SELECT id FROM inbox ORDER BY id")]

    counts = []
    for days in (7, 2, 90):
        time.now += timedelta(days=days)
        await inbox.purge(8, 90)
        counts.append(len(await inbox.read(ids)))
    assert counts == [3, 2, 1]
