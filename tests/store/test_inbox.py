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
from gateway.store.inbox_contract import Inbox, InboxRow
from tests.store.backends import Backend, Time, everything, in_hand, keep


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
    sent = request(bytes(range(256)), x_line_signature="abc")
    await keep(inbox, "line", sent)
    assert (await in_hand(inbox, "line")).requests == [sent]
    assert await inbox.read(lambda rows: rows.one(1)) == InboxRow(1, "line", sent, "waiting", 0, None)


async def test_credentials_that_were_checked_are_not_kept(inbox: Inbox) -> None:
    await keep(inbox, "apple", request(authorization="Bearer SECRET", cookie="SECRET", x_kept="yes"))
    (given,) = (await in_hand(inbox, "apple")).requests
    assert given.headers == {"x-kept": "yes"}, "nor are they there for the adapter before a crash, when they can't be after it"


async def test_webhooks_come_out_in_the_order_they_came_in_and_once(inbox: Inbox) -> None:
    for number in range(5):
        await keep(inbox, "line", request(str(number).encode()))
    first = await in_hand(inbox, "line", limit=3)
    assert await inbox.waiting("line", limit=3) is first, "until it is settled"
    await inbox.settle(first, {}, {})
    second = await in_hand(inbox, "line", limit=3)
    assert [one.body for one in [*first.requests, *second.requests]] == [b"0", b"1", b"2", b"3", b"4"]


async def test_each_channel_has_webhooks_of_its_own(inbox: Inbox) -> None:
    for channel_id in ("sms", "line", "apple", "sms"):
        await keep(inbox, channel_id, request(channel_id.encode()))
    assert await inbox.channels() == ["apple", "line", "sms"]
    sms, line = await in_hand(inbox, "sms"), await in_hand(inbox, "line")
    assert list(sms.ids) == [1, 4]
    await inbox.settle(sms, {}, {4: "no JSON"})
    await inbox.settle(line, {}, {})
    assert await inbox.channels() == ["apple"]


async def test_after_a_crash_all_that_isnt_settled_is_there_at_once(
    store: Backend, inbox: Inbox, tmp_path: Path, time: Time
) -> None:
    for number in range(3):
        await keep(inbox, "line", request(str(number).encode()))
    await inbox.settle(await in_hand(inbox, "line", limit=1), {}, {})
    await in_hand(inbox, "line", limit=1)
    await inbox.close()  # what was in progress is forgotten
    again = store.inbox(tmp_path, time)
    await again.open()
    assert [one.body for one in await everything(again, "line")] == [b"1", b"2"]
    await again.close()


async def test_what_was_dealt_with_is_settled_however_often_the_commit_fails(store: Backend, tmp_path: Path, time: Time) -> None:
    """Not once more from the start, and not after a minute: what is stuck is in progress until its state is on disk."""
    failing = 0

    def fault(point: str) -> None:
        nonlocal failing
        if point == "before_commit" and failing:
            failing -= 1
            raise OSError(errno.EIO, "Input/output error")

    inbox = store.inbox(tmp_path, time, fault=fault)
    await inbox.open()
    await keep(inbox, "line", request())
    failing = 4
    await inbox.settle(await in_hand(inbox, "line"), {}, {1: "no JSON"})
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
        sent = RawRequest(method, url, path, tuple(query), headers, body, Time.now)
        inbox = store.inbox(tmp_path, Time())
        await inbox.open()
        for one in (sent, RawRequest("POST", "https://x", "", (), {}, b"", Time.now), sent):
            await keep(inbox, "line", one)
        await inbox.close()
        inbox = store.inbox(tmp_path, Time())  # it reads back
        await inbox.open()
        batch = await in_hand(inbox, "line")
        remarked, stuck, plain = batch.ids
        assert (batch.requests[0], batch.requests[2]) == (sent, sent)
        await inbox.settle(batch, {remarked: reason}, {stuck: reason})
        assert await inbox.channels() == []
        await inbox.close()
        with store.inbox_rows(tmp_path) as rows:
            for settled in (rows.one(remarked), rows.one(plain)):
                assert settled is not None
                assert (settled.request, settled.state) == (sent, "done")
                json.dumps(operators.webhook_shown(settled))

    asyncio.run(there_and_back())


async def test_what_is_stuck_waits_for_an_operator_with_its_reason(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    for number in range(2):
        await keep(inbox, "line", request(str(number).encode()))
    await inbox.settle(await in_hand(inbox, "line"), {1: "unknown: follow"}, {2: "no JSON"})
    (stuck,) = await inbox.read(lambda rows: rows.kept("stuck", 10))
    assert (stuck.id, stuck.reason) == (2, "no JSON")
    assert await inbox.waiting("line", limit=2) is None
    with store.inbox_rows(tmp_path) as rows:
        assert rows.replay([2, 99]) == (1, 0)
    assert await inbox.channels() == ["line"], "which looks for what was replayed"
    assert [one.body for one in await everything(inbox, "line")] == [b"1"]
    assert await inbox.read(lambda rows: rows.counts()) == (0, 0, 1)


async def test_a_webhook_that_was_done_can_be_replayed_by_its_id(
    store: Backend, inbox: Inbox, tmp_path: Path, time: Time
) -> None:
    """It comes before what arrived later, and is done once more."""
    for number in range(3):
        await keep(inbox, "line", request(str(number).encode()))
    assert len(await everything(inbox, "line")) == 3
    await inbox.close()
    with store.inbox_rows(tmp_path) as rows:
        assert rows.replay([2, 2]) == (1, 0)
        assert [row.state for number in (1, 2, 3) if (row := rows.one(number))] == ["done", "waiting", "done"]
    again = store.inbox(tmp_path, time)
    await again.open()
    await keep(again, "line", request(b"later"))
    assert [one.body for one in await everything(again, "line")] == [b"1", b"later"]
    assert await again.channels() == []
    await again.close()


async def test_a_webhook_that_waits_is_not_replayed_under_its_workers_hands(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    await keep(inbox, "line", request())
    await in_hand(inbox, "line")
    with store.inbox_rows(tmp_path) as rows:
        assert rows.replay([1]) == (0, 0)


async def test_what_came_for_another_org_is_replayed_by_its_id_alone(store: Backend, inbox: Inbox, tmp_path: Path) -> None:
    """Waiting, stuck or kept as unknown when the channel moved: replaying all gives none of it to the org that has the channel now."""
    for number in range(4):
        await keep(inbox, "line", request(str(number).encode()))
    await keep(inbox, "sms", request())
    await inbox.settle(await in_hand(inbox, "line", limit=3), {2: "unknown: follow"}, {1: "no JSON"})
    await inbox.settle(await in_hand(inbox, "sms"), {}, {5: "no JSON"})
    await inbox.keep_aside("line", "acme")
    await inbox.keep_aside("line", "beta")  # moved once more: they are still acme's
    assert await inbox.waiting("line", limit=9) is None
    with store.inbox_rows(tmp_path) as rows:
        assert [(row.id, "org acme's" in str(row.reason)) for row in rows.kept("stuck", 10)] == [(1, True), (4, True), (5, False)]
        assert (rows.replay(None), rows.replay(None, "unknown")) == ((1, 2), (0, 1)), "(again, skipped)"
        assert rows.replay([1, 2]) == (2, 0)
        assert rows.counts() == (3, 1, 0)
    assert await inbox.channels() == ["line", "sms"]
    await keep(inbox, "line", request(b"beta's"))
    assert [one.body for one in await everything(inbox, "line")] == [b"0", b"1", b"beta's"]


async def test_old_webhooks_go_those_that_are_stuck_stay_longer_those_that_wait_stay(inbox: Inbox, time: Time) -> None:
    for _ in range(3):
        await keep(inbox, "line", request())
    await inbox.settle(await in_hand(inbox, "line", limit=2), {}, {2: "no JSON"})
    await keep(inbox, "sms", request())  # with the watermark

    counts = []
    for days in (7, 2, 90):
        time.now += timedelta(days=days)
        await inbox.purge(8, 90)
        counts.append(len(await inbox.read(lambda rows: [one for n in (1, 2, 3) if (one := rows.one(n))])))
    assert counts == [3, 2, 1]
    assert len(await everything(inbox, "line")) == 1
    await keep(inbox, "line", request())
    assert list((await in_hand(inbox, "line")).ids) == [5], "no id is given twice"


async def test_how_much_waits_and_since_when(inbox: Inbox, time: Time) -> None:
    assert inbox.backlog_seconds("line") == 0
    for _ in range(3):
        await keep(inbox, "line", request())
        time.now += timedelta(seconds=10)
    began = Time.now.timestamp()
    await inbox.settle(await in_hand(inbox, "line", limit=1), {}, {1: "no JSON"})
    tallies = await inbox.read(lambda rows: rows.tallies())
    assert tallies == [("line", "stuck", 1, began), ("line", "waiting", 2, began)]
    assert await inbox.read(lambda rows: rows.counts()) == (2, 1, 0)
    assert (inbox.backlog_seconds("line") > 0, inbox.backlog_seconds("sms")) == (True, 0)
    assert len(await everything(inbox, "line")) == 2
    assert inbox.backlog_seconds("line") == 0


async def test_how_much_is_not_on_disk_yet(inbox: Inbox) -> None:
    assert inbox.unwritten_bytes() == 0
    waiting = [asyncio.ensure_future(keep(inbox, "line", request(b"x" * 10_000))) for _ in range(3)]
    await asyncio.sleep(0)
    assert inbox.unwritten_bytes() > 30_000
    await asyncio.gather(*waiting)
    assert inbox.unwritten_bytes() == 0


async def test_what_one_process_puts_another_can_read_and_settle(
    store: Backend, inbox: Inbox, tmp_path: Path, time: Time
) -> None:
    """A webhook needn't be in the memory of whoever reads it, and the watermark is the reader's."""
    reader = store.inbox(tmp_path, time)
    await reader.open()
    for number in range(4):
        await keep(inbox, "line", request(str(number).encode()))
        if number == 1:
            assert await reader.channels() == ["line"]
            assert [one.body for one in await everything(reader, "line")] == [b"0", b"1"]
    assert await reader.channels() == ["line"]
    assert [one.body for one in await everything(reader, "line")] == [b"2", b"3"]
    await reader.close()
    with store.inbox_rows(tmp_path) as rows:
        assert rows.counts() == (0, 0, 0)
