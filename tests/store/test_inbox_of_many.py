"""Many processes put on one PostgreSQL, and for each channel one reads: ids commit in their order, so that a watermark passes over nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.inbox_contract import Moved
from gateway.store.postgresql import inbox as module
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.inbox import PostgresInbox
from gateway.store.putting import Gathered, portions
from tests.store.backends import Databases, Time, everything, in_hand, keep
from tests.store.test_inbox import request
from tests.world import wait_until

HERE = Path("here")


@pytest.fixture
def databases() -> Iterator[Databases]:
    with ExitStack() as also:
        yield Databases(also)


@asynccontextmanager
async def inboxes(
    databases: Databases, count: int, fault: Callable[[str], None] | None = None
) -> AsyncIterator[list[PostgresInbox]]:
    """Each as of a process of its own, all on one database."""
    made = [databases.inbox(HERE, Time(), fault=fault) for _ in range(count)]
    for one in made:
        await one.open()
    try:
        yield made
    finally:
        for one in made:
            await one.close()


def gathered(body: bytes, channel_id: str = "line") -> Gathered:
    [one] = next(iter(portions([Moved(channel_id, request(body))])))
    return one


async def test_who_has_read_up_to_an_id_has_missed_no_smaller_one(databases: Databases) -> None:
    """A transaction that has its ids and is not committed is waited for by all that would get larger ones."""
    database = PostgresDatabase(databases.url(HERE))
    async with inboxes(databases, 2) as (edge, sorter):
        with closing(database.reader()) as held:
            database.begin(held)
            module._kept([gathered(b"first")], held)
            assert held.execute("SELECT 1").fetchone()[0] == 1  # it has been carried out
            second = asyncio.ensure_future(keep(edge, "line", request(b"second")))
            other = asyncio.ensure_future(keep(edge, "sms", request(b"another channel's")))
            for _ in range(10):
                assert await sorter.waiting("line", limit=10) is None
                await asyncio.sleep(0.01)
            assert not second.done()
            database.commit(held)
        await asyncio.gather(second, other)
        assert [one.body for one in await everything(sorter, "line")] == [b"first", b"second"]
        assert await sorter.channels() == ["sms"]


async def test_a_process_that_dies_with_its_ids_leaves_a_gap_and_holds_up_nobody(databases: Databases) -> None:
    database = PostgresDatabase(databases.url(HERE))
    async with inboxes(databases, 2) as (edge, sorter):
        held = database.reader()
        database.begin(held)
        module._kept([gathered(b"lost")], held)
        held.execute("SELECT 1").fetchone()
        second = asyncio.ensure_future(keep(edge, "line", request(b"second")))
        await asyncio.sleep(0.01)
        database.close(held)  # as the server sees a killed process
        await second
        batch = await in_hand(sorter, "line")
        assert (list(batch.ids), [one.body for one in batch.requests]) == ([2], [b"second"])
        assert await sorter.read(lambda rows: [rows.one(number) is None for number in (1, 2, 3)]) == [True, False, True]


async def test_nothing_is_missed_and_nothing_given_twice_while_many_put(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of four processes that take their time at every point, read all the while by two in succession."""
    monkeypatch.setattr(module, "_NOTED_AFTER_SECONDS", 0.001)

    def slow(point: str) -> None:
        if point == "before_commit":
            threading.Event().wait(0.003)

    async with inboxes(databases, 4, slow) as edges, inboxes(databases, 2) as (first, second):
        given: list[bytes] = []

        async def puts(edge: PostgresInbox, name: str) -> None:
            for number in range(60):
                await keep(edge, "line", request(f"{name} {number}".encode()))

        putting = asyncio.gather(*(puts(edge, str(number)) for number, edge in enumerate(edges)))
        while not putting.done():
            given += [one.body for one in await everything(first, "line")]
            await asyncio.sleep(0)
        await putting

        given += [one.body for one in await everything(first, "line")]

        async def noted() -> bool:
            return await second.read(lambda rows: rows.counts().waiting) == 0

        await wait_until(noted)
        assert await everything(second, "line") == [], "it goes on where the other stopped"
        assert len(given) == len(set(given)) == 240
        for name in range(4):
            assert [one for one in given if one.startswith(b"%d " % name)] == [b"%d %d" % (name, number) for number in range(60)]


async def test_how_long_the_oldest_waits_is_known_to_who_only_puts(databases: Databases) -> None:
    async with inboxes(databases, 2) as (edge, sorter):
        await keep(edge, "line", request())
        assert edge.backlog_seconds("line") > 0
        await sorter.channels()
        assert sorter.backlog_seconds("line") > 0
        first = edge.backlog_seconds("line")
        await everything(sorter, "line")
        assert sorter.backlog_seconds("line") == 0

        async def heard() -> bool:
            return edge.backlog_seconds("line") == 0

        assert first > 0
        await wait_until(heard)


async def test_what_comes_out_of_a_stream_is_kept_with_its_position_or_not_at_all(databases: Databases) -> None:
    async with inboxes(databases, 2) as (mover, other):
        assert await mover.position("line-1") == 0
        some = [Moved("line", request(b"1")), Moved("sms", request(b"2")), Moved("line", request(b"3"), stuck="no webhook")]
        assert await mover.take_over("line-1", some, after=0, up_to=7)
        assert not await other.take_over("line-1", some, after=0, up_to=7), "it has been taken"
        assert await mover.take_over("line-1", [Moved("line", request(b"4"))], after=7, up_to=8)
        assert [await one.position("line-1") for one in (mover, other)] == [8, 8]
        assert [one.body for one in await everything(other, "line")] == [b"1", b"4"]
        assert [one.body for one in await everything(other, "sms")] == [b"2"]
        (stuck,) = await other.read(lambda rows: rows.kept("stuck", 10))
        assert (stuck.request.body, stuck.reason) == (b"3", "no webhook")


async def test_two_who_take_the_same_at_the_same_time_keep_it_once(databases: Databases) -> None:
    async with inboxes(databases, 6) as movers:
        taken: list[Any] = await asyncio.gather(
            *(
                one.take_over("s", [Moved("line", request(b"%d" % number)) for number in range(20)], after=0, up_to=20)
                for one in movers
            )
        )
        assert sorted(taken) == [False] * 5 + [True]
        assert len(await everything(movers[0], "line")) == 20


async def test_a_request_that_no_text_can_hold_comes_out_as_it_was(databases: Databases) -> None:
    """NUL, halves of surrogate pairs, any bytes: also when it is stuck, and its reason quotes it."""
    async with inboxes(databases, 1) as (one,):
        odd = request(bytes(range(256)), x_odd="a\0b\udc80\\")
        await keep(one, "line", odd)
        await one.settle(await in_hand(one, "line"), {}, {1: "says a\0b\udc80"})
        (row,) = await one.read(lambda rows: rows.kept("stuck", 10))
        assert (row.request, row.reason) == (odd, "says a\\x00b\\udc80")


async def test_a_server_that_goes_away_refuses_webhooks_and_is_used_again(databases: Databases) -> None:
    async with inboxes(databases, 1) as (one,):
        await keep(one, "line", request(b"before"))
        database = PostgresDatabase(databases.url(HERE))
        with closing(database.reader()) as operator:
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            ).fetchall()

        async def kept() -> bool:
            try:
                await keep(one, "line", request(b"after"))
            except StoreUnavailable:
                return False
            return True

        await wait_until(kept)
        bodies = [each.body for each in await everything(one, "line")]
        assert (bodies[0], bodies[-1]) == (b"before", b"after")
