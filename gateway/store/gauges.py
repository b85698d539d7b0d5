"""What waits and what is open in the sessions' file, for gauges. The inbox counts its own (`gateway.store.inbox_contract.InboxRows.tallies`)."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from gateway.store.inbox_contract import Tally


class Tallies(NamedTuple):
    """`outbox`: of what waits or is in trouble, by channel and state. `sessions`: how many aren't ended, by status."""

    outbox: list[Tally]
    sessions: dict[str, int]


def tallies(connection: sqlite3.Connection) -> Tallies:
    """See above. Each part reads one partial index."""
    query = "SELECT channel_id, state, count(*), min(created_at) FROM outbox INDEXED BY {} WHERE state IN {} GROUP BY channel_id, state"
    of_the_outbox = (("outbox_open", ("queued", "sending")), ("outbox_troubled", ("failed", "unknown", "skipped")))
    rows = [Tally(*row) for one in of_the_outbox for row in connection.execute(query.format(*one))]
    sessions = "SELECT status, count(*) FROM sessions INDEXED BY sessions_open WHERE status != 'ended' GROUP BY status"
    return Tallies(rows, {row[0]: row[1] for row in connection.execute(sessions)})
