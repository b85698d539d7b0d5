"""The paces of accounts over all processes that send, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.store.group_commit import GroupCommit
from gateway.store.statements import Connection

_QUICKLY: Final = "SET LOCAL synchronous_commit = off"  # a server that crashes may grant a moment's turns twice


class Turns(NamedTuple):
    """`granted` turns, the first in `first_in` seconds (less than 0: it was due already), each a gap after the other. None granted: ask again then."""

    first_in: float
    granted: int
    first_at: float  # the same by the server's clock


class Paces:
    """By a writer of its own: whoever takes a turn waits for nothing else, and nobody waits long for whoever takes turns."""

    def __init__(self, writer: GroupCommit, *, burst: int = 10) -> None:
        self._writer, self._burst = writer, burst
        self._is_open = False

    async def open(self) -> None:
        """Raises StoreUnavailable, as all of these. Once it is open, it stays so."""
        if not self._is_open:
            await self._writer.open()
            self._is_open = True

    async def close(self) -> None:
        """Nobody sends any more."""
        await self._writer.close()

    async def take(self, wanted: Mapping[str, tuple[float, int]], *, horizon_seconds: float) -> Mapping[str, Turns]:
        """Of each account so many turns, with the seconds between them (the first of the pair), that fall due until the horizon."""

        def job(connection: Connection) -> Mapping[str, Turns]:
            connection.execute(_QUICKLY)
            gaps, counts = [gap for gap, _ in wanted.values()], [count for _, count in wanted.values()]
            rows = connection.execute(
                "SELECT * FROM take_turns(?, ?, ?, ?, ?)", (list(wanted), gaps, counts, self._burst, horizon_seconds)
            )
            return {
                row["account"]: Turns(float(row["first_at"]) - float(row["now_at"]), int(row["granted"]), float(row["first_at"]))
                for row in rows.fetchall()
            }

        return await self._writer.run(job)

    async def pause(self, account: str, seconds: float) -> None:
        """Nobody takes a turn of the account for so long, or longer where that was said before."""

        def job(connection: Connection) -> None:
            connection.execute(
                """INSERT INTO paces (account, next_at, paused_until) VALUES (?, 0, extract(epoch FROM clock_timestamp()) + ?)
                   ON CONFLICT (account) DO UPDATE SET paused_until = greatest(paces.paused_until, excluded.paused_until)""",
                (account, seconds),
            )

        await self._writer.run(job)
