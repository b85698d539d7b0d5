"""Nothing that customers or reps say is lost, doubled or out of order, whatever becomes of the gateway and the org (`salesforce_storm` says how)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.salesforce_storm import storm

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]


@pytest.mark.timeout(300)
async def test_killed_and_failing_nothing_is_lost_or_doubled(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, messages=400, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_ten_thousand_messages_each_way_and_ten_kills(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, messages=10_000, kills=10)


async def storm_and_tell(folder: Path, tell: Tell, *, messages: int, kills: int) -> None:
    seed = random.randrange(1_000_000)
    tell(f"seed {seed}: python -m tests.acceptance.salesforce_storm --messages {messages} --kills {kills} --seed {seed}")
    figures = await storm(folder, messages=messages, kills=kills, seed=seed, tell=tell)
    for name, figure in figures.items():
        tell(f"{name}: {figure}")
