"""Nothing that was taken is lost or doubled when the process dies at any moment (`storm` says how)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.storm import killed, storm

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]


@pytest.mark.timeout(300)
async def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, messages=50, kills=5)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_killed_sixty_times_nothing_is_lost_or_doubled(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, messages=400, kills=60)


async def storm_and_tell(folder: Path, tell: Tell, *, messages: int, kills: int) -> None:
    seed = random.randrange(1_000_000)
    tell(f"seed {seed}: run again with: python -m tests.acceptance.storm --messages {messages} --kills {kills} --seed {seed}")
    figures: dict[str, Any] = await storm(folder / "data", killed(kills, seed), seed=seed, messages=messages)
    for name, figure in figures.items():
        tell(f"{name}: {figure}")
    assert figures["messages taken"] == 6 * messages
