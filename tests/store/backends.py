"""The stores that the suites of this folder run on. A test that takes `store` runs once on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

from adapters.contract import RawRequest
from gateway.clock import Clock
from gateway.store import inbox, inbox_rows, sqlite
from gateway.store.connecting import connect, migrate
from gateway.store.contract import Transaction
from gateway.store.inbox_contract import Batch, Inbox, InboxRow, InboxRows, Keeper
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.inbox import PostgresInbox
from tests import postgresql

T = TypeVar("T")


class Jobs(Protocol):
    """Does jobs on the sessions' store, each in a transaction of its own."""

    def __call__(self, job: Callable[[Transaction], T], now: float = 0) -> T:
        """What the job gives. `now` in Unix seconds."""
        ...


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Jobs]:
    """On the file in a folder."""

    def does(job: Callable[[Transaction], T], now: float = 0) -> T:
        with sqlite.opened(folder, lambda: datetime.fromtimestamp(now, UTC)) as stored:
            return job(stored)

    with closing(connect(folder / "sessions.db")) as connection:
        migrate(connection, "gateway.store.migrations.sessions")
        yield does


@dataclass(frozen=True)
class Backend:
    """How a store is made: for a folder, with a clock, and with `fault` walking through the points of a commit."""

    inbox: Callable[..., Inbox]
    inbox_rows: Callable[[Path], AbstractContextManager[InboxRows]]  # as an operator's command has them


class Databases:
    """On a PostgreSQL server: for each folder one, as if it were there."""

    def __init__(self, also: ExitStack) -> None:
        self._also = also
        self._urls: dict[Path, str] = {}

    def url(self, folder: Path) -> str:
        """Of the folder's."""
        if folder not in self._urls:
            self._urls[folder] = self._also.enter_context(postgresql.database(migrated))
        return self._urls[folder]

    def inbox(self, folder: Path, clock: Clock, *, fault: Callable[[str], None] | None = None) -> PostgresInbox:
        """Not open yet."""
        return PostgresInbox(PostgresDatabase(self.url(folder)), clock, fault=fault)

    @contextmanager
    def inbox_rows(self, folder: Path) -> Iterator[InboxRows]:
        """In one transaction."""
        database = PostgresDatabase(self.url(folder))
        with closing(database.reader()) as connection:
            database.begin(connection)
            yield inbox_rows.StoredInboxRows(connection)
            database.commit(connection)


@contextmanager
def _sqlite() -> Iterator[Backend]:
    yield SQLITE


def migrated(url: str) -> None:
    """Bring a database's tables up to date."""
    PostgresDatabase(url).prepare()


SQLITE: Final = Backend(inbox.SqliteInbox, inbox_rows.opened)


@contextmanager
def _postgresql() -> Iterator[Backend]:
    with ExitStack() as also:
        databases = Databases(also)
        yield Backend(databases.inbox, databases.inbox_rows)


BACKENDS: Final[Mapping[str, Callable[[], AbstractContextManager[Backend]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


async def keep(inbox: Keeper, channel_id: str, request: RawRequest) -> None:
    """Put a request and wait for its commit. Raises why it isn't kept."""
    kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    inbox.put(channel_id, request, lambda error: kept.set_exception(error) if error else kept.set_result(None))
    await kept


async def in_hand(inbox: Inbox, channel_id: str, *, limit: int = 100) -> Batch:
    """What waits next; an empty batch when nothing does."""
    return await inbox.waiting(channel_id, limit=limit) or Batch(channel_id, (), ())


async def everything(inbox: Inbox, channel_id: str) -> list[RawRequest]:
    """All that waits, in the order in which it is given, settled as it comes."""
    given: list[RawRequest] = []
    while batch := await inbox.waiting(channel_id, limit=3):
        given += batch.requests
        await inbox.settle(batch, {}, {})
    return given


def webhooks(data_dir: Path) -> list[InboxRow]:
    """All that are in the inbox of a folder, by their ids."""
    with closing(connect(data_dir / inbox_rows.INBOX_FILE)) as connection:
        rows, last = inbox_rows.StoredInboxRows(connection), inbox_rows.where_it_stopped(connection)[2]
        return [row for number in range(1, last + 1) if (row := rows.one(number))]


class Time:
    """A clock that is set."""

    now = datetime(2026, 11, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now
