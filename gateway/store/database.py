"""What the writer and the readers (`gateway.store.group_commit`) ask of a database, whichever it is."""

from __future__ import annotations

from typing import Protocol

from gateway.store.statements import Connection


class Database(Protocol):
    """Connects, begins and ends transactions, and tells what an error means. All of it blocks: it is called in threads."""

    @property
    def name(self) -> str:
        """For logs and sentences: `sessions.db`, `PostgreSQL db.example.com/byoc`."""
        ...

    def open(self) -> Connection:
        """The writer's connection, with the tables brought up to date. Raises StoreUnavailable."""
        ...

    def reader(self) -> Connection:
        """One more connection, to read by. Raises StoreUnavailable."""
        ...

    def begin(self, connection: Connection) -> None:
        """A transaction that writes. A connection that was lost is made again."""
        ...

    def begin_reading(self, connection: Connection) -> None:
        """A transaction that only reads, in one moment of the database."""
        ...

    def commit(self, connection: Connection) -> None:
        """Durable on return."""
        ...

    def end_reading(self, connection: Connection) -> None:
        """The end of a transaction that only read."""
        ...

    def rollback(self, connection: Connection) -> None:
        """As if nothing had been. Never raises."""
        ...

    def close(self, connection: Connection) -> None:
        """Never raises."""
        ...

    def committed(self) -> None:
        """Told to the writer's own thread after each commit of it, when the callers are awake."""
        ...

    def closing(self) -> None:
        """The writer has ended: whatever works beside it ends, too."""
        ...

    def probe(self, connection: Connection) -> None:
        """A change of nothing that goes all the way to the disk; within a transaction."""
        ...

    def of_all(self, error: BaseException, *, reading: bool = False) -> bool:
        """Whether an error holds for everybody, as a full disk does: not only for the statement that met it. `reading`: a job met it that was to read only."""
        ...

    def unavailable(self, error: BaseException) -> str:
        """What happened, why, and what to do about it."""
        ...
