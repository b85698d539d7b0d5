"""The writer and the readers on a real PostgreSQL server: what is written is durable on return, one job's failure is its own, and a server that goes away comes back without a restart."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import now
from gateway.errors import CannotStart, StoreUnavailable
from gateway.store.contract import Transaction
from gateway.store.postgresql.store import PostgresStore
from gateway.store.statements import StatementFailed
from tests import postgresql, proxy


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, now)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def answers(*keys: str) -> Any:
    """A job that keeps an answer under each of these keys."""

    def job(stored: Transaction) -> None:
        for key in keys:
            stored.records.keep_answer("acme", "ana", key, "fingerprint", key)

    return job


async def until_cut(store: PostgresStore) -> None:
    for number in itertools.count():
        await store.write(answers(f"again {number}"))


async def kept(store: PostgresStore, *keys: str) -> list[str]:
    return await store.read(lambda stored: [key for key in keys if stored.records.first_answer("acme", "ana", key)])


async def test_what_is_written_is_there_when_write_returns(url: str) -> None:
    async with opened(url) as store:
        await asyncio.gather(*(store.write(answers(f"key {number}")) for number in range(200)))
    async with opened(url) as again:
        assert len(await kept(again, *(f"key {number}" for number in range(200)))) == 200


async def test_a_job_that_raises_changes_nothing_and_the_others_of_its_commit_are_stored(url: str) -> None:
    def raising(stored: Transaction) -> None:
        answers("raising")(stored)
        raise ValueError("mine alone")

    async with opened(url) as store:
        results = await asyncio.gather(
            *(store.write(raising if number % 7 == 3 else answers(f"key {number}")) for number in range(40)),
            return_exceptions=True,
        )
        assert [number for number, one in enumerate(results) if isinstance(one, ValueError)] == [
            n for n in range(40) if n % 7 == 3
        ]
        assert await kept(store, "raising") == []
        assert len(await kept(store, *(f"key {number}" for number in range(40)))) == sum(number % 7 != 3 for number in range(40))


async def test_a_statement_that_the_server_refuses_fails_its_own_job_alone(url: str) -> None:
    def refused(stored: Transaction) -> None:
        stored.records._gathering.run("SELECT 1 / (SELECT 0)")  # type: ignore[attr-defined]  # its error comes up with a later wait

    async with opened(url) as store:
        jobs = [store.write(refused if number in (3, 11) else answers(f"key {number}")) for number in range(20)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert {number for number, one in enumerate(results) if one is not None} == {3, 11}
        assert all(isinstance(results[number], StatementFailed) for number in (3, 11))
        assert len(await kept(store, *(f"key {number}" for number in range(20)))) == 18


async def test_a_server_that_is_stopped_and_started_is_found_again_without_a_restart(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "pg") as server:
        async with opened(server.url()) as store:
            await store.write(answers("before"))
            for how in ("fast", "immediate"):
                server.stop(how)
                with pytest.raises(
                    StoreUnavailable, match=r"PostgreSQL 127\.0\.0\.1:\d+/postgres: the server .*goes on by itself"
                ):
                    await store.write(answers(how))
                with pytest.raises(StoreUnavailable):
                    await store.read(lambda stored: stored.events.newest())
                with pytest.raises(StoreUnavailable):
                    await store.ready()
                insisting = asyncio.create_task(store.insist(answers(f"insisted {how}")))
                await asyncio.sleep(0.1)
                server.start()
                await insisting
                await store.write(answers(f"after {how}"))
                await store.ready()
            assert await kept(store, "before", "fast", "after fast", "insisted fast", "immediate", "insisted immediate") == [
                "before",
                "after fast",
                "insisted fast",
                "insisted immediate",
            ]


async def test_a_link_that_breaks_is_made_anew(url: str) -> None:
    server = postgresql.shared()
    with proxy.link(server.port) as link:
        async with opened(url.replace(f":{server.port}/", f":{link.port}/")) as store:
            await store.write(answers("before"))
            link.cut(silently=False)
            with pytest.raises(StoreUnavailable):
                await until_cut(store)
            link.restore()
            await store.insist(answers("after"))
            assert await kept(store, "before", "after") == ["before", "after"]


async def test_two_stores_that_keep_the_same_key_at_once_store_one_of_them(url: str) -> None:
    """As two processes with one idempotency key: who comes second sees the first one's answer."""

    def first(who: str) -> Any:
        def job(stored: Transaction) -> str:
            known = stored.records.first_answer("acme", "ana", "key")
            if known is not None:
                return known[1]
            barrier.wait(5) if not barrier.broken else None
            stored.records.keep_answer("acme", "ana", "key", "fingerprint", who)
            return who

        return job

    barrier = threading.Barrier(2)
    async with opened(url) as one, opened(url) as other:
        found = await asyncio.gather(one.write(first("one")), other.write(first("other")), return_exceptions=True)
        stored = await one.read(lambda stored: stored.records.first_answer("acme", "ana", "key"))
    assert stored is not None
    assert list(found) == [stored[1], stored[1]]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/db", "can't be reached"),
        ("postgresql://us er@h/db?nonsense=1", "not an address"),
    ],
)
async def test_a_start_without_its_database_says_so(url: str, said: str) -> None:
    with pytest.raises((StoreUnavailable, CannotStart), match=said):
        async with opened(url):
            pass


async def test_a_wrong_password_ends_the_start_and_is_not_shown(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "pg", password="right-one") as server:
        async with opened(server.url()):
            pass
        with pytest.raises(CannotStart, match=r"refuses the password. Correct `store` in the config") as told:
            async with opened(server.url().replace("right-one", "wrong-one")):
                pass
        assert "wrong-one" not in str(told.value)
        with pytest.raises(CannotStart, match="the database does not exist"):
            async with opened(server.url("nowhere")):
                pass
