"""The stores that the suites of this folder run on. A test that takes `store` runs once on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

from adapters.contract import RawRequest
from gateway.store import inbox, inbox_rows, sqlite
from gateway.store.connecting import connect, migrate
from gateway.store.contract import Transaction
from gateway.store.inbox_contract import Batch, Inbox, InboxRow, InboxRows

T = TypeVar("T")


class Jobs(Protocol):
    """Does jobs on the sessions' store, each in a transaction of its own."""

    def __call__(self, job: Callable[[Transaction], T], now: float = 0) -> T:
        """What the job gives. `now` in Unix seconds."""
        ...


@contextmanager
def _on_sqlite(folder: Path) -> Iterator[Jobs]:
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
    jobs: Callable[[Path], AbstractContextManager[Jobs]]


BACKENDS: Final = {"sqlite": Backend(inbox.SqliteInbox, inbox_rows.opened, _on_sqlite)}


async def keep(inbox: Inbox, channel_id: str, request: RawRequest) -> None:
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
