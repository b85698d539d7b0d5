"""All providers at once, misbehaving: nothing lost, nothing twice where there is a key, order kept, the unknown counted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kit.misbehaving import EVERYWHERE, Misbehaviour, misbehave


def tell(run: Misbehaviour, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures belong into CI's log."""
    with capsys.disabled():
        sys.stdout.write(f"\n{run.told()}\n")


@pytest.mark.acceptance
@pytest.mark.timeout(300)
async def test_600_messages_over_all_channels_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await misbehave(tmp_path / "data", messages=600, seed=7, deadline=250)
    tell(run, capsys)
    assert {one.channel_id for one in run.conversations} == set(EVERYWHERE)
    assert run.figures["messages of customers"] == run.figures["answers"] >= 280
    befell = ("times", "delay_seconds", "mischief", "our 200 lost")
    assert all(run.figures[name] > 10 for name in befell), "too little went wrong for this to prove anything"


@pytest.mark.slow
@pytest.mark.acceptance
@pytest.mark.timeout(3_600)
async def test_5_000_messages_over_all_channels_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await misbehave(tmp_path / "data", messages=5_000, seed=11, deadline=3_000)
    tell(run, capsys)
    assert run.figures["messages of customers"] >= 2_400
