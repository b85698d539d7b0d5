"""Work on much of what is stored that is done a portion at a time, so that whoever else writes hardly waits for it.

Sessions that rest are filed, so that search finds them at once. The first start after an upgrade files all that are there, while everything else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.store.contract import Store, Transaction

_FILED_AT_A_TIME: Final = 50  # the writer is held for some milliseconds
_LOOK_SECONDS: Final = 5.0
_PATIENCE: Final = 4  # times as long as a portion took: others have four fifths of the writer


async def in_portions(store: Store, portion: Callable[[Transaction], bool]) -> None:
    """Do the portions, each in a transaction of its own, until one says that no more is left. Raises StoreUnavailable."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while await store.write(portion):
        await asyncio.sleep(_PATIENCE * (loop.time() - began))
        began = loop.time()


async def run_filing(store: Store) -> None:
    """File what rests, until cancelled. Raises StoreUnavailable."""
    while True:
        await in_portions(store, lambda stored: stored.lists.file(_FILED_AT_A_TIME) >= _FILED_AT_A_TIME)
        await asyncio.sleep(_LOOK_SECONDS)
