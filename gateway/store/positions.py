"""Where streams of events are to be read on, in SQL, and how many events they brought."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from gateway.store.contract import StreamPosition
from gateway.store.gathering import Gathering

_HOURS_KEPT: Final = 48


class Positions:
    """See `gateway.store.contract.Positions`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def of(self, lane: str) -> StreamPosition | None:
        """See the contract."""
        row = self._gathering.run("SELECT replay_id, at FROM salesforce_positions WHERE lane = ?", (lane,)).fetchone()
        return StreamPosition(bytes(row["replay_id"]), datetime.fromtimestamp(row["at"], UTC)) if row else None

    def keep(self, lane: str, position: StreamPosition) -> None:
        """See the contract."""
        self._gathering.run(
            "INSERT INTO salesforce_positions VALUES (?, ?, ?) ON CONFLICT (lane) DO UPDATE SET replay_id = excluded.replay_id, at = excluded.at",
            (lane, position.replay_id, position.at.timestamp()),
        )

    def events(self, lane: str) -> dict[int, int]:
        """See the contract."""
        rows = self._gathering.run("SELECT hour, events FROM salesforce_events WHERE lane = ?", (lane,))
        return {row["hour"]: row["events"] for row in rows}

    def keep_events(self, lane: str, events: Mapping[int, int]) -> None:
        """See the contract."""
        if events:
            self._gathering.run_many(
                "INSERT INTO salesforce_events VALUES (?, ?, ?) ON CONFLICT (lane, hour) DO UPDATE SET events = excluded.events",
                [(lane, hour, count) for hour, count in events.items()],
            )
            oldest = max(events) - _HOURS_KEPT
            self._gathering.run("DELETE FROM salesforce_events WHERE lane = ? AND hour < ?", (lane, oldest))
