"""What the stores' SQL is given to: a connection of one of the databases. One text serves both, where both take it.

Texts have `?` or `:name` for values. PostgreSQL has, beside its own, the few of SQLite's functions that our texts use (`migrations/postgresql`). Where the two must differ, a text is
chosen by `dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]


class Row(Protocol):
    """A row, by column's number or name; iterated, it gives its values. `dict(row)` works."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Iterable[str]:
        """The columns' names."""
        ...


class Cursor(Protocol):
    """What a statement gave. `rowcount`: how many rows it changed."""

    @property
    def rowcount(self) -> int:
        """See the class."""
        ...

    def fetchone(self) -> Any:
        """The next row; None: there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection within a transaction. What a statement raises is the database's own error, except for `Conflict`."""

    @property
    def dialect(self) -> Dialect:
        """Whose SQL it takes."""
        ...

    @property
    def in_transaction(self) -> bool:
        """False: the database has rolled all of it back by itself."""
        ...

    def execute(self, sql: str, values: Values = (), /) -> Cursor:
        """Do it. A write may be sent later, with the next statement that gives rows: then that one raises its error."""
        ...

    def executemany(self, sql: str, rows: Iterable[Values], /) -> Cursor:
        """Do it once for each."""
        ...

    def at_commit(self, sql: str, rows: Sequence[Sequence[Any]], /) -> None:
        """Just before the commit, do it once for all rows that it was asked to do it for, with their columns as `:c0`, `:c1`, …. Not for SQLite."""
        ...


class Conflict(Exception):
    """Another process was at the same thing at the same time. The transaction has changed nothing; done once more, it may succeed."""


class Held(Conflict):
    """Another process holds what this one needs. It passes, whatever the job is."""


class Lost(Exception):
    """The database can't be reached, or can't do anything for anybody: it was stopped, its disk is full, it refuses the password. Caused by the driver's error."""


class StatementFailed(Exception):
    """The database refused a statement, which may be an earlier one of the same transaction. Caused by the driver's error."""
