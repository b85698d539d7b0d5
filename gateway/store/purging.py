"""Throwing away what of the inbox was dealt with, beside its work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from gateway.store.group_commit import Shared
from gateway.store.inbox_rows import watermarks
from gateway.store.statements import Connection

_DELETING_SECONDS: Final = 0.005  # at a stretch


async def throw_away(inbox: Shared, now: datetime, done_days: float, stuck_days: float) -> None:
    """See `gateway.store.inbox_contract.Inbox.purge`."""
    done, stuck = ((now - timedelta(days=days)).timestamp() for days in (done_days, stuck_days))
    for channel_id, done_to in (await inbox.readers.run(watermarks)).items():
        await _rows(inbox, "batches", "channel_id = ? AND id <= ? AND last_at < ?", (channel_id, done_to, done))
    await _rows(inbox, "inbox", "state = 1 AND done_at < ?", (done,))
    await _rows(inbox, "inbox", "state = 2 AND received_at < ?", (stuck,))


async def _rows(inbox: Shared, table: str, which: str, values: Sequence[Any]) -> None:
    """Found beside the writer, and deleted a few at a time: a commit that keeps webhooks doesn't wait for it."""
    query = f"SELECT id FROM {table} WHERE {which} AND id > ? ORDER BY id LIMIT 1000"  # noqa: S608
    after = 0
    while ids := await inbox.readers.run(lambda c: [row[0] for row in c.execute(query, (*values, after))]):  # noqa: B023
        after = ids[-1]
        while ids:
            ids = ids[await inbox.writer.run(partial(_delete, table, ids)) :]


def _delete(table: str, ids: Sequence[int], connection: Connection) -> int:
    """How many of them, in the time for it."""
    end = time.monotonic() + _DELETING_SECONDS
    deleted = 0
    for row_id in ids:
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))  # noqa: S608
        deleted += 1
        if time.monotonic() > end:
            break
    return deleted
