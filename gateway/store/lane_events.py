"""Events on their way from who reads webhooks to who applies them, in SQL (PostgreSQL's: a file has one process, which applies what it reads)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from gateway.store.contract import LaneEvent
from gateway.store.gathering import Gathering
from gateway.store.inbox_rows import StoredInboxRows

_PUT: Final = """
    INSERT INTO lane_events (lane, channel_id, row_id, event) SELECT * FROM unnest(?::smallint[], ?::text[], ?::bigint[], ?::text[])
"""
# By lane along the index, a few of each: what waits in other lanes, or behind in one, is not read.
_WAITING: Final = """
    SELECT oldest.id, oldest.lane, oldest.channel_id, oldest.row_id, oldest.event FROM unnest(?::smallint[]) AS ours (lane)
    CROSS JOIN LATERAL (SELECT * FROM lane_events e WHERE e.lane = ours.lane ORDER BY e.id LIMIT ?::integer) AS oldest
    ORDER BY oldest.id LIMIT ?::integer
"""
_FEWEST_OF_A_LANE: Final = 32


class LaneEvents:
    """See `gateway.store.contract.LaneEvents`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def put(self, rows: Iterable[tuple[int, str, int, str]]) -> None:
        """See the contract. Ids commit in order for each conversation: one process at a time reads a channel, and ends a transaction before it begins the next."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns:
            self._gathering.run(_PUT, columns)

    def waiting(self, lanes: Collection[int], *, limit: int) -> list[LaneEvent]:
        """See the contract."""
        of_each = max(_FEWEST_OF_A_LANE, 2 * limit // max(len(lanes), 1))
        return [LaneEvent(*row) for row in self._gathering.run(_WAITING, (sorted(lanes), of_each, limit))]

    def done(self, ids: Sequence[int]) -> None:
        """See the contract."""
        self._gathering.run("DELETE FROM lane_events WHERE id = ANY (?::bigint[])", (list(ids),))

    def stick(self, reasons: Mapping[int, str]) -> None:
        """See the contract."""
        self._gathering.with_connection(lambda connection: StoredInboxRows(connection).stick(reasons))

    def count(self, most: int) -> int:
        """See the contract."""
        query = "SELECT count(*) FROM (SELECT 1 FROM lane_events LIMIT ?::integer) AS counted"
        return int(self._gathering.run(query, (most,)).fetchone()[0])
