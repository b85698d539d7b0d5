"""`gateway.store.contract.Store` on a database: one writer whose commits many callers share, and a few readers beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.errors import Fenced
from gateway.store.group_commit import GroupCommit, Readers, Shared
from gateway.store.transaction import SqlTransaction

T = TypeVar("T")


class SqlStore(Shared):
    """See the module."""

    def __init__(
        self,
        writer: GroupCommit,
        readers: Readers,
        clock: Clock,
        fault: Callable[[str], None],
        ring: Callable[[str], None] = lambda topic: None,
        worker: Callable[[], str] = lambda: "",
    ) -> None:
        """`ring` is told, by the doorbell's topics, what a commit has in it that others wait for. `worker`: as in `SqlTransaction`."""
        self._clock, self._fault, self._ring, self._worker = clock, fault, ring, worker
        self._transactions: dict[Any, SqlTransaction] = {}  # of the writer and of each reader
        super().__init__(writer, readers)

    async def close(self) -> None:
        """See the contract."""
        await super().close()
        self._transactions.clear()

    async def write(self, job: Callable[[SqlTransaction], T], *, patient: bool = False, by: str | None = None) -> T:
        """See the contract."""
        return self._told(await self.writer.run(lambda connection: self._written(connection, job, by), patient=patient))

    async def insist(self, job: Callable[[SqlTransaction], T], *, by: str | None = None) -> T:
        """See the contract."""
        return self._told(await self.writer.insist(lambda connection: self._written(connection, job, by)))

    async def read(self, job: Callable[[SqlTransaction], T]) -> T:
        """See the contract."""
        return await self.readers.run(lambda connection: job(self._begun(connection, writes=False)))

    def _told(self, written: tuple[T, frozenset[str]]) -> T:
        result, news = written
        for topic in news:
            self._ring(topic)
        return result

    def _written(self, connection: Any, job: Callable[[SqlTransaction], T], by: str | None) -> tuple[T, frozenset[str]]:
        if by is not None and by != (now := self._worker()):
            raise Fenced(f"what was begun as {by or 'the only process'} can't be written as {now}")
        transaction = self._begun(connection, writes=True)
        result = job(transaction)
        return result, transaction.finish()

    def _begun(self, connection: Any, *, writes: bool) -> SqlTransaction:
        transaction = self._transactions.get(connection)
        if transaction is None:
            transaction = self._transactions[connection] = SqlTransaction(
                connection, self._clock, self._fault, self.writer.hurried, writes=writes, worker=self._worker
            )
        transaction.begin()
        return transaction
