"""`gateway.store.contract` on a SQLite file, and one transaction of it beside a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.clock import Clock, now
from gateway.store.connecting import beside
from gateway.store.group_commit import GroupCommit, Readers
from gateway.store.sql_store import SqlStore
from gateway.store.sqlite_file import SqliteFile
from gateway.store.transaction import SqlTransaction

_FILE: Final = "sessions.db"


@contextmanager
def opened(data_dir: Path, clock: Clock = now) -> Iterator[SqlTransaction]:
    """One transaction, beside a gateway that may be running. Raises GatewayError where there is none."""
    with beside(data_dir / _FILE) as connection:
        transaction = SqlTransaction(connection, clock)
        yield transaction
        transaction.finish()


class SqliteStore(SqlStore):
    """See `gateway.store.contract.Store`. The file is `sessions.db` in the data folder."""

    def __init__(
        self, data_dir: Path, clock: Clock, fault: Callable[[str], None], ring: Callable[[str], None] = lambda topic: None
    ) -> None:
        file = SqliteFile(data_dir / _FILE, "gateway.store.migrations.sessions")
        super().__init__(GroupCommit(file, fault=fault), Readers(file), clock, fault, ring)
