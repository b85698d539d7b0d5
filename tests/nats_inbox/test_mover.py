"""The mover on a real server: everything reaches the store, in order, once, whatever happens between two steps."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from gateway.config.places import NatsConfig
from gateway.errors import StoreUnavailable
from gateway.nats_inbox.edge import NatsInbox
from gateway.nats_inbox.waiting import waiting_in_stream
from gateway.store.inbox_contract import Moved
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.inbox import PostgresInbox
from tests import postgresql
from tests.nats import NatsServer
from tests.nats_inbox.scenes import Behind, bodies, moving, until_empty, until_there
from tests.store.backends import BACKENDS, keep, migrated
from tests.store.test_inbox import request
from tests.world import wait_until


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Behind]:
    with BACKENDS[request.param]() as backend:
        one: Any = backend.inbox(tmp_path, lambda: datetime.now(UTC))
        await one.open()
        yield one
        await one.close()


class Between:
    """A store that can be away, or be the last thing a mover ever asked."""

    def __init__(self, store: Behind) -> None:
        self._store = store
        self.away = self.dies_after_commit = False
        self.most = self.calls = 0

    async def position(self, stream: str) -> int:
        if self.away:
            raise StoreUnavailable("the database is away")
        return await self._store.position(stream)

    async def take_over(self, stream: str, moved: Sequence[Moved], *, after: int, up_to: int) -> bool:
        self.calls += 1
        self.most = max(self.most, sum(len(one.request.body) for one in moved))
        if self.away:
            raise StoreUnavailable("the database is away")
        taken = await self._store.take_over(stream, moved, after=after, up_to=up_to)
        if self.dies_after_commit:
            await asyncio.Event().wait()
        return taken


async def put_many(edge: NatsInbox, first: int, count: int, *, size: int = 0) -> None:
    await asyncio.gather(*(keep(edge, "line", request(b"%d" % n + b" " * size)) for n in range(first, first + count)))


async def stream_api(server: NatsServer, what: str, given: bytes = b"") -> bytes:
    client = Client()
    await client.connect(server.address)
    try:
        return bytes((await client.request(f"$JS.API.{what}", given)).data)
    finally:
        await client.close()


async def test_a_mover_that_dies_after_its_commit_has_moved_it_once(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    await put_many(edge, 0, 50)
    dying = Between(store)
    dying.dies_after_commit = True
    async with moving(server, settings, dying):
        await wait_until(store.channels)
    assert (await waiting_in_stream(server.url, settings)).webhooks == 50, "nothing was deleted yet"
    await put_many(edge, 50, 50)
    async with moving(server, settings, store):
        await until_empty(server, settings)
    assert await bodies(store, "line") == [b"%d" % n for n in range(100)]


async def test_two_movers_at_once_move_each_webhook_once(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    """As when one was thought dead, and works on."""
    async with moving(server, settings, store), moving(server, settings, store):
        for first in range(0, 1_000, 50):
            await put_many(edge, first, 50)
        given = await until_there(store, "line", 1_000)
        await until_empty(server, settings)
    assert given + await bodies(store, "line") == [b"%d" % n for n in range(1_000)]


async def test_a_mover_that_begins_beside_another_takes_nothing_for_lost(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind, caplog: pytest.LogCaptureFixture
) -> None:
    """The other one moves on between its look at the stream and its look at the store."""

    class Passed(Between):
        async def position(self, stream: str) -> int:
            if not self.calls:
                self.calls = 1
                await put_many(edge, 5, 5)
                async with moving(server, settings, store):
                    await until_empty(server, settings)
            return await super().position(stream)

    await put_many(edge, 0, 5)
    async with moving(server, settings, Passed(store)):
        given = await until_there(store, "line", 10)
        await put_many(edge, 10, 5)
        given += await until_there(store, "line", 5)
    assert given == [b"%d" % n for n in range(15)]
    assert not {"mover.went_back", "mover.gap"} & {getattr(record, "action", "") for record in caplog.records}


async def test_movers_in_succession_continue_where_the_last_one_stopped(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    given: list[bytes] = []
    for turn in range(4):
        await put_many(edge, 30 * turn, 30)
        async with moving(server, settings, store):
            given += await until_there(store, "line", 30)
    assert given == [b"%d" % n for n in range(120)]


async def test_a_mover_works_only_while_it_may(server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind) -> None:
    allowed = False
    await put_many(edge, 0, 3)
    async with moving(server, settings, store, may_work=lambda: allowed):
        await asyncio.sleep(0.3)
        assert await store.channels() == []
        allowed = True
        assert len(await until_there(store, "line", 3)) == 3
        allowed = False
        await asyncio.sleep(1.2)
        await put_many(edge, 3, 3)
        await asyncio.sleep(0.3)
        assert await store.channels() == []


async def test_edges_answer_while_the_store_is_away_and_it_catches_up_in_portions(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind, caplog: pytest.LogCaptureFixture
) -> None:
    away = Between(store)
    away.away = True
    async with moving(server, settings, away):
        for first in range(0, 4_000, 200):
            await put_many(edge, first, 200, size=10_000)
        await edge.ready()
        assert (await waiting_in_stream(server.url, settings)).webhooks == 4_000
        away.away = False
        given = await until_there(store, "line", 4_000)
        assert [int(body) for body in given] == list(range(4_000))
        await until_empty(server, settings)
    assert away.calls > 1
    assert away.most <= 20 << 20, "of 40 MB"
    failing = [record for record in caplog.records if getattr(record, "action", "") == "mover.failing"]
    assert len(failing) == 1, "one line, however often it is tried"


async def test_what_cannot_be_read_is_stuck_and_holds_up_nothing(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    await put_many(edge, 0, 1)
    client = Client()
    await client.connect(server.address)
    odd = [b"", b"not ours", bytes(40), b"\xff" * 36, b"{" * 1000]
    for payload in odd:
        await client.request("BYOC_INBOX.line", payload)
    await client.close()
    await put_many(edge, 1, 1)
    async with moving(server, settings, store):
        await until_empty(server, settings)
    assert [body for body in await bodies(store, "line") if body] == [b"0", b"1"]
    stuck = await store.read(lambda rows: rows.kept("stuck", 10))
    assert {one.request.body for one in stuck} >= {b"not ours", b"\xff" * 36, b"{" * 1000}
    assert all("isn't a webhook that an edge" in str(one.reason) for one in stuck)


async def test_a_stream_that_was_deleted_is_made_again_and_counts_from_the_start(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    """Both go on by themselves."""
    await put_many(edge, 0, 20)
    async with moving(server, settings, store):
        await until_there(store, "line", 20)
        await stream_api(server, "STREAM.DELETE.BYOC_INBOX")
        async with asyncio.timeout(60):
            while True:
                try:
                    await keep(edge, "line", request(b"20"))
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        await put_many(edge, 21, 4)
        given = await until_there(store, "line", 5)
        while len(given) < 5:
            given += await until_there(store, "line", 1)
    assert given == [b"%d" % n for n in range(20, 25)]


async def test_a_stream_that_lost_its_last_messages_is_read_again_from_its_beginning(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind, caplog: pytest.LogCaptureFixture
) -> None:
    """New webhooks get numbers that the store has seen already, and must not be taken for old ones."""
    await put_many(edge, 0, 1)
    async with moving(server, settings, store) as mover:
        await until_there(store, "line", 1)
        await until_empty(server, settings)
        key = (await mover.held()).key
    position = await store.position(key)
    assert await store.take_over(key, (), after=position, up_to=position + 100)
    await put_many(edge, 1, 5)
    async with moving(server, settings, store):
        assert await until_there(store, "line", 5) == [b"%d" % n for n in range(1, 6)]
    assert "mover.went_back" in {getattr(record, "action", "") for record in caplog.records}


async def test_a_mover_rides_out_servers_that_restart(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: Behind
) -> None:
    given: list[bytes] = []
    async with moving(server, settings, store):
        for turn in range(4):
            await put_many(edge, 40 * turn, 40)
            server.kill()
            server.start()
            given += await until_there(store, "line", 1)
        while len(given) < 160:
            given += await until_there(store, "line", 1)
    assert given == [b"%d" % n for n in range(160)]


@pytest.mark.parametrize("how", ["killed", "restarted"])
async def test_a_mover_rides_out_a_database_that_goes(
    how: str, server: NatsServer, settings: NatsConfig, edge: NatsInbox, tmp_path: Path
) -> None:
    """Whatever became of the commit that was under way: each webhook is there once."""
    given: list[bytes] = []
    with postgresql.server(tmp_path / "database") as database:
        migrated(database.url())
        store = PostgresInbox(PostgresDatabase(database.url()), lambda: datetime.now(UTC))
        await store.open()
        async with moving(server, settings, store):
            for turn in range(3):
                for first in range(0, 300, 30):
                    await put_many(edge, 300 * turn + first, 30)
                    if first == 150:
                        await asyncio.to_thread(database.kill if how == "killed" else database.stop)
                await asyncio.to_thread(database.start)
                async with asyncio.timeout(60):
                    while len(given) < 300 * (turn + 1):
                        with contextlib.suppress(StoreUnavailable):
                            given += await bodies(store, "line")
                        await asyncio.sleep(0.05)
        await store.close()
    assert given == [b"%d" % n for n in range(900)]


async def test_positions_move_only_from_where_they_are(store: Behind, tmp_path: Path) -> None:
    assert await store.position("s") == 0
    one = Moved("line", request(b"1"))
    assert await store.take_over("s", [one], after=0, up_to=7)
    assert not await store.take_over("s", [one], after=0, up_to=7)
    assert await store.take_over("s", [one, Moved("sms", request(b"?"), "no webhook")], after=7, up_to=8)
    assert (await store.position("s"), await store.position("other")) == (8, 0)
    assert await bodies(store, "line") == [b"1", b"1"]
    assert await store.channels() == []
    (stuck,) = await store.read(lambda rows: rows.kept("stuck", 9))
    assert (stuck.channel_id, stuck.request.body, stuck.reason) == ("sms", b"?", "no webhook")
