"""A store that a gateway may be working on, for whoever looks into it from outside: operators' commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.clock import Clock, now
from gateway.errors import GatewayError
from gateway.store import inbox_rows, sqlite
from gateway.store.connecting import to_read
from gateway.store.contract import Transaction
from gateway.store.inbox_contract import InboxRows
from gateway.store.transaction import SqlTransaction


class Working(NamedTuple):
    """A process that shares a store with others. `silent`: for how many seconds nothing was heard of it. `duties`: what it alone does, of what is shared out."""

    id: str
    roles: str
    host: str
    pid: int
    version: str
    started_at: float
    silent: float
    duties: tuple[str, ...]


class Stored(Protocol):
    """See the module. Everything raises GatewayError where there is no store, or none that can be used."""

    @property
    def name(self) -> str:
        """For sentences; it holds no password."""
        ...

    def transaction(self, clock: Clock = now) -> AbstractContextManager[Transaction]:
        """One transaction on the sessions."""
        ...

    def inbox(self) -> AbstractContextManager[InboxRows]:
        """One on the inbox."""
        ...

    def sessions_to_read(self, clock: Clock = now) -> AbstractContextManager[Transaction | None]:
        """One moment of the sessions; it changes nothing. None: there are none yet."""
        ...

    def inbox_to_read(self) -> AbstractContextManager[InboxRows | None]:
        """One moment of the inbox, as above."""
        ...

    def workers(self) -> list[Working] | None:
        """Who works on it. None: what is in files has one process, which isn't listed."""
        ...


class InFolder:
    """The SQLite files of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir
        self.name = str(data_dir)

    def transaction(self, clock: Clock = now) -> AbstractContextManager[Transaction]:
        """See `Stored`."""
        return sqlite.opened(self._folder, clock)

    def inbox(self) -> AbstractContextManager[InboxRows]:
        """See `Stored`."""
        return inbox_rows.opened(self._folder)

    @contextmanager
    def sessions_to_read(self, clock: Clock = now) -> Iterator[Transaction | None]:
        """See `Stored`. Also of a file of an older version."""
        self._there()
        with to_read(self._folder / "sessions.db") as connection:
            yield SqlTransaction(connection, clock) if connection else None

    @contextmanager
    def inbox_to_read(self) -> Iterator[InboxRows | None]:
        """See `Stored`. Also of a file of an older version."""
        self._there()
        with to_read(self._folder / inbox_rows.INBOX_FILE) as connection:
            yield inbox_rows.StoredInboxRows(connection) if connection else None

    def workers(self) -> None:
        """See `Stored`."""

    def _there(self) -> None:
        if not self._folder.is_dir():
            raise GatewayError(f"{self._folder} is not a folder: pass the gateway's data_dir with --data")
