"""What is stored under names of the config, in SQL: channels, orgs, queues, reps. All that `judge` needs only reads, and reads files of any age.

A start looks at all sessions that have not ended; what it picks out for a closer look are few. The index of those is taken where a statement leaves nothing
else to take: `status > ''` says no more than its condition does, and `+` hides a column. (`INDEXED BY` would refuse a file that is older than the index.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.store.contract import ChannelWas, Place, Waiting
from gateway.store.gathering import Gathering


class Standing:
    """See `gateway.store.contract.Standing`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def channels_were(self) -> Mapping[str, ChannelWas]:
        """See the contract. A file that is older than the table says so by its newest sessions."""
        known = self._has("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'channels'")
        query = "SELECT channel_id, org, kind FROM channels"
        if not known:
            query = """SELECT channel_id, org, json_extract(state, '$.channel_type') AS kind FROM sessions
                       WHERE ordinal IN (SELECT max(ordinal) FROM sessions GROUP BY channel_id)"""
        return {row["channel_id"]: ChannelWas(row["org"], row["kind"]) for row in self._gathering.run(query)}

    def _has(self, query: str) -> bool:
        """What only a file may lack: PostgreSQL's tables are always of now."""
        return self._gathering.dialect == "postgresql" or self._gathering.run(query).fetchone() is not None

    def places(self) -> list[Place]:
        """See the contract."""
        rows = self._gathering.run(
            """SELECT DISTINCT channel_id, org, queue, json_extract(state, '$.channel_type') AS kind,
                   json_extract(state, '$.set_aside') IS NOT NULL AS set_aside, coalesce(json_extract(state, '$.broker'), '') AS broker
               FROM sessions WHERE status != 'ended' AND status > ''"""
        )
        return [
            Place(row["channel_id"], row["org"], row["queue"], row["kind"], bool(row["set_aside"]), row["broker"]) for row in rows
        ]

    def sessions_in(self, place: Place) -> Iterator[str]:
        """See the contract."""
        same = "IS" if self._gathering.dialect == "sqlite" else "IS NOT DISTINCT FROM"
        return self._ids(
            f"""SELECT id FROM sessions WHERE status != 'ended' AND status > '' AND +channel_id = ? AND +org = ? AND +queue {same} ?
                   AND json_extract(state, '$.channel_type') = ? AND (json_extract(state, '$.set_aside') IS NOT NULL) = ?
                   AND coalesce(json_extract(state, '$.broker'), '') = ?
               ORDER BY +ordinal""",  # noqa: S608
            place,
        )

    def reps(self) -> Iterator[tuple[str, str]]:
        """See the contract. By steps over the key, since each may have thousands."""
        at: tuple[str, str] | None = ("", "")
        while at is not None:
            query = "SELECT org, login FROM rep_sessions WHERE (org, login) > (?, ?) ORDER BY org, login LIMIT 1"
            row = self._gathering.run(query, at).fetchone()
            at = (row["org"], row["login"]) if row else None
            if at is not None:
                yield at

    def sessions_with(self, org: str, login: str) -> Iterator[str]:
        """See the contract. A newer file says which of a rep's many have ended."""
        query = "SELECT 1 FROM pragma_table_info('rep_sessions') WHERE name = 'rests'"
        of_now = "AND (r.rests IS NULL OR r.rests = 'inactive')" if self._has(query) else ""
        return self._ids(
            f"""SELECT s.id FROM rep_sessions r CROSS JOIN sessions s ON s.id = r.session_id
                WHERE r.org = ? AND r.login = ? AND r.tie = 'in' {of_now} AND s.status != 'ended' ORDER BY s.ordinal""",  # noqa: S608
            (org, login),
        )

    def sessions_that_ask(self) -> Iterator[str]:
        """See the contract. Each has a timer."""
        return self._ids("SELECT DISTINCT session_id AS id FROM timers WHERE kind IN ('offer', 'invitation') ORDER BY id")

    def conferences(self, more_than: int) -> Iterator[str]:
        """See the contract."""
        return self._ids(
            "SELECT session_id AS id FROM rep_sessions WHERE tie = 'in' AND counts = 1 GROUP BY +session_id HAVING count(*) > ?",
            (more_than,),
        )

    def _ids(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[str]:
        return (row["id"] for row in self._gathering.run(query, values))

    def waiting(self) -> list[Waiting]:
        """See the contract."""
        rows = self._gathering.run(
            """SELECT channel_id, org, CASE kind WHEN 'call' THEN substr(address, 1, instr(address, '/') - 1) ELSE '' END AS about, count(*) AS messages
               FROM outbox WHERE state IN ('queued', 'sending') GROUP BY channel_id, org, about"""
        )
        return [Waiting(row["channel_id"], row["org"], row["messages"], row["about"]) for row in rows]

    def record_channels(self, now: Mapping[str, ChannelWas]) -> None:
        """See the contract."""
        self._gathering.run_many(
            """INSERT INTO channels (channel_id, org, kind) VALUES (?, ?, ?)
               ON CONFLICT (channel_id) DO UPDATE SET org = excluded.org, kind = excluded.kind""",
            [(channel_id, is_now.org, is_now.kind) for channel_id, is_now in now.items()],
        )
