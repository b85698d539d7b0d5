"""What happened to the simulated providers, on SQLite: given it again, in order, they are as they were."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import NamedTuple

from gateway.store.group_commit import GroupCommit
from gateway.store.sqlite_file import SqliteFile


class Input(NamedTuple):
    """`at`: Unix seconds. `kind` and `content` are the host's own words."""

    channel_id: str
    at: float
    kind: str
    content: str


class InputLog:
    """One file for all providers. Everything raises StoreUnavailable."""

    def __init__(self, data_dir: Path) -> None:
        self._writer = GroupCommit(SqliteFile(data_dir / "simulators.db", "gateway.store.migrations.simulators"))

    async def open(self) -> None:
        """Create or migrate the file. Call it once, before anything else. Raises StoreUnavailable."""
        await self._writer.open()

    async def close(self) -> None:
        """Commit pending work and close."""
        await self._writer.close()

    async def all(self) -> list[Input]:
        """In the order in which they were kept."""
        return await self._writer.run(_all)

    def keep(self, one: Input) -> asyncio.Future[None]:
        """On disk when the future is done."""
        statement = "INSERT INTO inputs (channel_id, at, kind, content) VALUES (?, ?, ?, ?)"
        return self._writer.submit(lambda connection: connection.execute(statement, one) and None)


def _all(connection: sqlite3.Connection) -> list[Input]:
    return [Input(*row) for row in connection.execute("SELECT channel_id, at, kind, content FROM inputs ORDER BY number")]
