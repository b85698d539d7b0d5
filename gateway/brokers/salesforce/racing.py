"""Several works of which the first to end ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends; the others are cancelled and waited for, and what it raised is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def end_of(task: asyncio.Task[None]) -> None:
    """Until the task ends; raises what it raised. To cancel this doesn't cancel it."""
    await asyncio.wait([task])
    task.result()
