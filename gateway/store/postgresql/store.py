"""`gateway.store.contract.Store` on PostgreSQL, for any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.clock import Clock
from gateway.store.group_commit import GroupCommit, Readers
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.sql_store import SqlStore

_READERS: Final = 4


class PostgresStore(SqlStore):
    """See `gateway.store.contract.Store`. Each process has one writer, and a few readers."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        fault: Callable[[str], None] = lambda point: None,
        ring: Callable[[str], None] = lambda topic: None,
        worker: Callable[[], str] = lambda: "",
    ) -> None:
        """`worker`: see `PostgresDatabase`. Raises CannotStart when the address can't be read."""
        database = PostgresDatabase(url, worker=worker)
        super().__init__(GroupCommit(database, fault=fault), Readers(database, _READERS), clock, fault, ring, worker)
