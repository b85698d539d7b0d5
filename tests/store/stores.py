"""The databases that the suites about what is stored of sessions run on. A test that takes `jobs` runs once on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from gateway.store.contract import Transaction
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.transaction import SqlTransaction
from tests import postgresql
from tests.store.backends import Jobs, migrated, on_sqlite

T = TypeVar("T")


@contextmanager
def on_postgresql(folder: Path) -> Iterator[Jobs]:
    """On a database that has nothing else."""
    with postgresql.database(migrated) as url:
        database = PostgresDatabase(url)
        with closing(database.reader()) as connection:

            def does(job: Callable[[Transaction], T], now: float = 0) -> T:
                database.begin(connection)
                try:
                    stored = SqlTransaction(connection, lambda: datetime.fromtimestamp(now, UTC))
                    done = job(stored)
                    stored.finish()
                    database.commit(connection)
                except BaseException:
                    database.rollback(connection)
                    raise
                return done

            yield does


STORES: Final[Mapping[str, Callable[[Path], AbstractContextManager[Jobs]]]] = {
    "sqlite": on_sqlite,
    "postgresql": on_postgresql,
}
