"""The inbox, on each store: on disk before it is answered, waiting in order until it is settled, and nothing of it lost."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.contract import RawRequest
from gateway import operators
from gateway.errors import StoreUnavailable
from gateway.store.inbox_contract import Inbox
from tests.store.backends import Backend, Time, keep


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


async def test_what_was_put_comes_out_as_it_was(inbox: Inbox) -> None:
    body = bytes(range(256))
    await keep(inbox, "line", request(body, x_line_signature="abc"))
    (row,) = await inbox.waiting("line", limit=10)
    sent = request(body, x_line_signature="abc")
    assert row.request == sent
    assert (row.channel_id, row.state, row.attempts) == ("line", "waiting", 0)


async def test_credentials_that_were_checked_are_not_kept(inbox: Inbox) -> None:
    await keep(inbox, "apple", request(authorization="Bearer SECRET", cookie="SECRET", x_kept="yes"))
    (row,) = await inbox.waiting("apple", limit=10)
    assert row.request.headers == {"x-kept": "yes"}


async def test_rows_come_out_in_the_order_they_came_in_and_once(inbox: Inbox) -> None:
    for number in range(5):
        await keep(inbox, "line", request(str(number).encode()))
    first = await inbox.waiting("line", limit=3)
    await inbox.settle([(row.id, None) for row in first], [])
    second = await inbox.waiting("line", limit=3)
    assert [row.request.body for row in [*first, *second]] == [b"0", b"1", b"2", b"3", b"4"]


async def test_each_channel_has_rows_of_its_own(inbox: Inbox) -> None:
    for channel_id in ("sms", "line", "apple", "sms"):
        await keep(inbox, channel_id, request(channel_id.encode()))
    assert await inbox.channels() == ["apple", "line", "sms"]
    assert [row.id for row in await inbox.waiting("sms", limit=10)] == [1, 4]
    await inbox.settle([(1, None), (2, None)], [(4, "no JSON")])
    assert await inbox.channels() == ["apple"]


async def test_after_a_crash_every_row_that_isnt_settled_is_there_at_once(
    store: Backend, inbox: Inbox, tmp_path: Path, time: Time
) -> None:
    for number in range(3):
        await keep(inbox, "line", request(str(number).encode()))
    first, _ = await inbox.waiting("line", limit=2)
    await inbox.settle([(first.id, None)], [])
    await inbox.close()  # whatever was in hand is forgotten
    again = store.inbox(tmp_path, time)
    await again.open()
    assert [row.request.body for row in await again.waiting("line", limit=10)] == [b"1", b"2"]
    await again.close()


async def test_what_was_dealt_with_is_settled_however_often_the_commit_fails(store: Backend, tmp_path: Path, time: Time) -> None:
    """Not once more from the start, and not after a minute: the row is in hand until its state is on disk."""
    failing = 0

    def fault(point: str) -> None:
        nonlocal failing
        if point == "before_commit" and failing:
            failing -= 1
            raise OSError(errno.EIO, "Input/output error")

    inbox = store.inbox(tmp_path, time, fault=fault)
    await inbox.open()
    await keep(inbox, "line", request())
    (row,) = await inbox.waiting("line", limit=1)
    failing = 4
    await inbox.settle([(row.id, None)], [])
    assert (failing, await inbox.channels()) == (0, [])
    await inbox.close()


async def test_whoever_put_is_told_that_it_is_kept_or_why_it_is_not(store: Backend, tmp_path: Path, time: Time) -> None:
    """Each exactly once and in order; the last ones are kept by `close`, and what comes later is not."""
    failing = False

    def fault(point: str) -> None:
        if point == "before_commit" and failing:
            raise OSError(errno.EIO, "Input/output error")

    inbox = store.inbox(tmp_path, time, fault=fault)
    await inbox.open()
    told: list[tuple[int, str]] = []

    def put(number: int) -> None:
        inbox.put("line", request(), lambda error: told.append((number, type(error).__name__)))

    for number in range(3):
        put(number)
    await keep(inbox, "line", request())
    failing = True
    put(3)
    with pytest.raises(StoreUnavailable):
        await keep(inbox, "line", request())
    failing = False
    put(4)
    await inbox.close()
    put(5)
    await asyncio.sleep(0.01)
    good, bad = "NoneType", "StoreUnavailable"
    assert told == [(0, good), (1, good), (2, good), (3, bad), (4, good), (5, bad)]
    with store.inbox_rows(tmp_path) as rows:
        assert rows.counts().waiting == 5


# Lone surrogates included: bytes that are no UTF-8 reach us as such.
ANY_TEXT = st.text(st.integers(0, 0x10FFFF).map(chr), max_size=30)
A_NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1).filter(lambda name: name not in ("authorization", "cookie"))


@given(
    url=ANY_TEXT,
    path=ANY_TEXT,
    method=ANY_TEXT,
    query=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=3),
    headers=st.dictionaries(A_NAME, ANY_TEXT.map(lambda value: value.replace("\n", "")), max_size=4),
    body=st.binary(max_size=100),
    reason=ANY_TEXT,
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_comes_out_as_it_was(
    url: str,
    path: str,
    method: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    reason: str,
    store: Backend,
    tmp_path: Path,
) -> None:
    """What was verified is what is parsed later, and any remark on it can be kept."""

    async def there_and_back() -> None:
        inbox = store.inbox(tmp_path, Time())
        await inbox.open()
        sent = RawRequest(method, url, path, tuple(query), headers, body, Time.now)
        await keep(inbox, "line", sent)
        await keep(inbox, "line", RawRequest("POST", "https://x", "", (), {}, b"", Time.now))
        row, other = await inbox.waiting("line", limit=10)
        assert row.request == sent
        await inbox.settle([(row.id, reason)], [(other.id, reason)])
        assert await inbox.channels() == []
        await inbox.close()
        with store.inbox_rows(tmp_path) as rows:
            settled = rows.one(row.id)
        assert settled is not None
        assert settled.request == sent
        json.dumps(operators.webhook_shown(settled))

    asyncio.run(there_and_back())


async def test_what_is_stuck_waits_for_an_operator_with_its_reason(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    for number in range(2):
        await keep(inbox, "line", request(str(number).encode()))
    first, second = await inbox.waiting("line", limit=2)
    await inbox.settle([(first.id, "unknown: follow")], [(second.id, "no JSON")])
    (stuck,) = await inbox.read(lambda rows: rows.kept("stuck", 10))
    assert (stuck.id, stuck.reason) == (second.id, "no JSON")
    assert await inbox.waiting("line", limit=2) == []
    with store.inbox_rows(tmp_path) as rows:
        assert rows.replay([second.id, 99]) == (1, 0)
    (again,) = await inbox.waiting("line", limit=2)
    assert again.request.body == b"1"


async def test_a_row_that_waits_is_not_replayed_under_its_workers_hands(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    await keep(inbox, "line", request())
    (row,) = await inbox.waiting("line", limit=1)
    with store.inbox_rows(tmp_path) as rows:
        assert rows.replay([row.id]) == (0, 0)


async def test_what_came_for_another_org_is_replayed_by_its_id_alone(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    """Waiting, stuck or kept as unknown when the channel moved: replaying all gives none of it to the org that has the channel now."""
    for _ in range(4):
        await keep(inbox, "line", request())
    await keep(inbox, "sms", request())
    stuck, unknown, done, waiting = await inbox.waiting("line", limit=4)
    (other,) = await inbox.waiting("sms", limit=1)
    await inbox.settle([(unknown.id, "unknown: follow"), (done.id, None)], [(stuck.id, "no JSON"), (other.id, "no JSON")])
    await inbox.keep_aside("line", "acme")
    await inbox.keep_aside("line", "beta")  # moved once more: they are still acme's
    with store.inbox_rows(tmp_path) as rows:
        kept = [(row.id, "org acme's" in str(row.reason)) for row in rows.kept("stuck", 10)]
        assert kept == [(stuck.id, True), (waiting.id, True), (other.id, False)]
        assert (rows.replay(None), rows.replay(None, "unknown")) == ((1, 2), (0, 1)), "(again, skipped)"
        assert rows.replay([stuck.id, unknown.id]) == (2, 0)
        assert rows.counts() == (3, 1, 0)
    assert [row.id for row in await inbox.waiting("line", limit=9)] == [stuck.id, unknown.id]


async def test_old_rows_go_those_that_are_stuck_stay_longer_those_that_wait_stay(inbox: Inbox, time: Time) -> None:
    for _ in range(3):
        await keep(inbox, "line", request())
    done, stuck, _ = await inbox.waiting("line", limit=3)
    await inbox.settle([(done.id, None)], [(stuck.id, "no JSON")])

    counts = []
    for days in (7, 2, 90):
        time.now += timedelta(days=days)
        await inbox.purge(8, 90)
        counts.append(len(await inbox.read(lambda rows: [one for n in (1, 2, 3) if (one := rows.one(n))])))
    assert counts == [3, 2, 1]
