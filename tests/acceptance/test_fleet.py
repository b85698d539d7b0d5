"""Two processes of each role on one PostgreSQL: what one process promises, they promise together (`fleet_storm` says how it is counted)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.fleet_storm import storm

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
