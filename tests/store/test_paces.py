"""An account's pace over several senders: by the turns that they were granted, whenever they use them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import psycopg

from gateway.store.group_commit import GroupCommit
from gateway.store.paces import Paces, Turns
from gateway.store.postgresql.database import PostgresDatabase
from tests import postgresql
from tests.store.backends import migrated

RATE = 50.0
GAP = 1 / RATE
HORIZON = 0.1


@asynccontextmanager
async def senders(url: str, count: int) -> AsyncIterator[list[Paces]]:
    """As processes have them: each with a connection of its own."""
    async with AsyncExitStack() as stack:
        made = [Paces(GroupCommit(PostgresDatabase(url))) for _ in range(count)]
        for one in made:
            await one.open()
            stack.push_async_callback(one.close)
        yield made


def times_of(turns: Turns) -> list[float]:
    return [turns.first_at + number * GAP for number in range(turns.granted)]


async def test_the_rate_holds_over_all_that_send() -> None:
    granted: list[float] = []

    async def sends(one: Paces, times: int) -> None:
        for _ in range(times):
            wanted = random.randint(1, 8)
            taken = await one.take({"whatsapp": (GAP, wanted), "sms": (GAP, 1)}, horizon_seconds=HORIZON)
            turns = taken["whatsapp"]
            assert turns.granted <= wanted
            assert turns.granted == 0 or turns.first_in + (turns.granted - 1) * GAP <= HORIZON + 1e-6, (
                "no more than a moment ahead"
            )
            granted.extend(times_of(turns))
            await asyncio.sleep(random.uniform(0, 0.05))

    with postgresql.database(migrated) as url:
        async with senders(url, 3) as those:
            # One that dies takes the turns with it that it was granted, and no more.
            await asyncio.gather(sends(those[0], 60), sends(those[1], 60), sends(those[2], 20))
    granted.sort()
    assert len(granted) > 50
    gaps = [later - earlier for earlier, later in pairwise(granted)]
    assert min(gaps) > GAP - 1e-4, "in no window more than the rate: they are a gap apart, whoever has them"


async def test_an_account_that_rested_has_a_few_turns_at_once() -> None:
    with postgresql.database(migrated) as url:
        async with senders(url, 1) as (one,):
            turns = (await one.take({"sms": (GAP, 100)}, horizon_seconds=HORIZON))["sms"]
            assert 15 <= turns.granted <= 17, "ten of the past, and those of the next moment"
            again = (await one.take({"sms": (GAP, 1)}, horizon_seconds=0.0))["sms"]
            assert again.granted == 0 or again.first_at >= turns.first_at + turns.granted * GAP - 1e-6


async def test_a_provider_that_says_stop_is_left_alone_by_all_of_them() -> None:
    with postgresql.database(migrated) as url:
        async with senders(url, 2) as (one, other):
            await one.pause("sms", 600)
            await one.pause("sms", 5)
            taken = await other.take({"sms": (GAP, 3), "line": (GAP, 3)}, horizon_seconds=HORIZON)
            assert taken["sms"].granted == 0
            assert 500 < taken["sms"].first_in <= 600
            assert taken["line"].granted == 3


async def test_a_clock_that_was_set_back_makes_nobody_wait() -> None:
    with postgresql.database(migrated) as url:
        async with senders(url, 1) as (one,):
            await one.take({"sms": (GAP, 1)}, horizon_seconds=HORIZON)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE byoc.paces SET next_at = next_at + 3600")
            turns = (await one.take({"sms": (GAP, 1)}, horizon_seconds=HORIZON))["sms"]
            assert turns.first_in <= HORIZON + GAP + 1e-6
