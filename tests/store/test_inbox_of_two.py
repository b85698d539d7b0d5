"""One process puts, another reads and settles: each knows of the other's work what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from adapters.contract import RawRequest
from gateway.store.inbox import SqliteInbox

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[SqliteInbox, SqliteInbox]]:
    puts, reads = (SqliteInbox(folder, lambda: NOW) for _ in range(2))
    await reads.open()
    await puts.open()
    yield puts, reads
    await puts.close()
    await reads.close()


async def put(inbox: SqliteInbox, channel_id: str, body: bytes) -> None:
    kept: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    inbox.put(channel_id, RawRequest("POST", "u", "", (), {}, body, NOW), kept.set_result)
    assert await kept is None


async def given(inbox: SqliteInbox, channel_id: str) -> list[bytes]:
    """All that waits, settled as it comes."""
    found: list[bytes] = []
    while batch := await inbox.waiting(channel_id, limit=2):
        found += [request.body for request in batch.requests]
        await inbox.settle(batch, {}, {})
    return found


async def test_who_reads_is_given_everything_once_and_in_order(tmp_path: Path) -> None:
    async with two(tmp_path) as (puts, reads):
        for number in range(7):
            await put(puts, "wa", b"%d" % number)
            await put(puts, "sms", b"%d" % number)
            if number % 3 == 0:
                assert set(reads.heard_of(puts.newest())) == {"wa", "sms"}
                assert not reads.heard_of(puts.newest()), "told once"
                assert await given(reads, "wa")
        reads.heard_of(puts.newest())
        assert await given(reads, "wa") == []
        assert await given(reads, "sms") == [b"%d" % number for number in range(7)]


async def test_a_lost_word_is_made_up_for_by_looking(tmp_path: Path) -> None:
    async with two(tmp_path) as (puts, reads):
        assert await given(reads, "wa") == []
        await put(puts, "wa", b"1")
        assert await given(reads, "wa") == [], "nobody has said so"
        assert await reads.channels() == ["wa"]
        assert await given(reads, "wa") == [b"1"]
        assert await reads.channels() == []


async def test_who_puts_knows_how_long_the_oldest_waits(tmp_path: Path) -> None:
    async with two(tmp_path) as (puts, reads):
        assert puts.backlog_seconds("wa") == 0
        await put(puts, "wa", b"1")
        assert puts.backlog_seconds("wa") > 0
        reads.heard_of(puts.newest())
        batch = await reads.waiting("wa", limit=9)
        assert batch is not None
        await reads.settle(batch, {}, {})
        puts.dealt_with_elsewhere("wa", batch.ids[-1])
        assert puts.backlog_seconds("wa") == 0
