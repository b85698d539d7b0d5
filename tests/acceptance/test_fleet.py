"""Two processes of each role on one PostgreSQL: what one process promises, they promise together (`fleet_storm` says how it is counted)."""

from __future__ import annotations

import random
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.crowd import token_of
from tests.acceptance.fleet import fleet
from tests.acceptance.fleet_storm import storm
from tests.acceptance.test_races import ASKED, SOON, a_thousand_accept, the_last_two_leave
from tests.world import Outside, Rep

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("nats", [False, True], ids=["postgresql", "nats"])
async def test_in_any_trouble_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path, tell: Tell, nats: bool) -> None:
    await storm_and_tell(tmp_path, tell, messages=20, kills=6, long=False, nats=nats)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_killed_sixty_times_and_cut_and_frozen_for_long(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, messages=200, kills=60, long=True, nats=True)


@dataclass(frozen=True)
class BothApis:
    """Every second rep is at the other API."""

    phones: Outside
    apis: tuple[Outside, Outside]

    def rep(self, login: str) -> Rep:
        return self.apis[zlib.crc32(login.encode()) % 2].rep(login, token_of(login))


@asynccontextmanager
async def both_apis(folder: Path, queues: dict[str, list[str]], settings: dict[str, Any]) -> AsyncIterator[BothApis]:
    async with (
        fleet(folder, queues, kinds=("line",), settings=settings) as whole,
        whole.at("api-1") as one,
        whole.at("api-2") as other,
    ):
        yield BothApis(whole.phones, (one, other))


@pytest.mark.timeout(600)
async def test_C2_of_a_thousand_acceptances_over_two_apis_and_two_brokers_one_wins(tmp_path: Path, tell: Tell) -> None:
    async with both_apis(tmp_path, {"door": ["host"], "crowd": ASKED}, {}) as here:
        await a_thousand_accept(here, tell)


@pytest.mark.timeout(600)
async def test_L2_of_two_last_reps_who_leave_over_two_apis_one_stays(tmp_path: Path, tell: Tell) -> None:
    async with both_apis(tmp_path, {"desk": ["ana", "ben"]}, SOON) as here:
        assert here.rep("ana")._outside is not here.rep("ben")._outside
        await the_last_two_leave(here, tell)


async def storm_and_tell(folder: Path, tell: Tell, *, messages: int, kills: int, long: bool, nats: bool) -> None:
    seed = random.randrange(1_000_000)
    tell(
        f"seed {seed}: python -m tests.acceptance.fleet_storm --messages {messages} --kills {kills} --seed {seed}{' --nats' * nats}"
    )
    figures = await storm(folder, seed=seed, messages=messages, kills=kills, long=long, nats=nats)
    for name, figure in figures.items():
        tell(f"{name}: {figure}")
    assert figures["messages taken"] >= 6 * messages
    assert figures["invitations, by winners"][1] > 0
