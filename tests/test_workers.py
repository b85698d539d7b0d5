"""What runs in the background is run again after it failed, and says so, except where the store has said so already."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.errors import StoreUnavailable
from gateway.workers import Workers


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StoreUnavailable("the disk is full"), 0),
        (ExceptionGroup("of several things at once", [StoreUnavailable("the disk is full")]), 0),
        (ExceptionGroup("of several things at once", [StoreUnavailable("the disk is full"), ValueError("a fault")]), 1),
        (ValueError("a fault"), 1),
    ],
)
async def test_work_that_failed_is_begun_again_and_a_fault_is_told(
    error: Exception, told: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real_sleep(0))
    begun, again = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise error
        again.set()

    at_work = Workers()
    with caplog.at_level(logging.ERROR):
        at_work.start("fetcher", work)
        await asyncio.wait_for(again.wait(), 10)
        await at_work.stop()
    assert len(caplog.records) == told
