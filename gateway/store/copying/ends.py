"""One end of a move: a store that nobody works on meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from gateway.store.contract import Lists
from gateway.store.copying.tables import Table

# What the store that is moved to keeps: how far each table is. The row without a name says what is moved there, and by `rows` = 1 that it is all there.
COPIED: Final = "copied"
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Come(NamedTuple):
    """How far a table is: the key of its last row, in the order of the source, and how many rows."""

    after: tuple[Any, ...] | None = None
    rows: int = 0


class Counted(NamedTuple):
    """The rows of a table, and a sum that they make in any order."""

    rows: int
    sum: int


class End(Protocol):
    """See the module. Values of rows are as SQLite has them."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    @property
    def name(self) -> str:
        """For sentences; it holds no password."""
        ...

    def columns(self, table: Table) -> tuple[str, ...]:
        """Those that aren't made from others."""
        ...

    def count(self, table: Table) -> int:
        """Its rows, about."""
        ...

    def read(self, table: Table, columns: Sequence[str], after: tuple[Any, ...] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """All rows in the order of the key, after this one."""
        ...

    def key_of(self, table: Table, columns: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
        """To read on after it."""
        ...

    def counter(self, table: Table) -> int:
        """The highest number that was ever given."""
        ...

    def set_counter(self, table: Table, number: int) -> None:
        """The next one is higher."""
        ...

    def is_empty(self, table: Table) -> bool:
        """Whether it has no row."""
        ...

    def moved(self) -> tuple[str, bool] | None:
        """What is moved here, and whether all of it is here; None: nothing ever was."""
        ...

    def begin_move(self, source: str) -> None:
        """Note it."""
        ...

    def end_move(self) -> None:
        """All is here."""
        ...

    def come(self, table: Table) -> Come:
        """How far it is."""
        ...

    def put(self, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]], come: Come) -> None:
        """Durable together, or not at all."""
        ...

    def lists(self) -> AbstractContextManager[Lists]:
        """In one transaction, what files sessions for search."""
        ...

    def on_their_way(self) -> list[int]:
        """Webhooks whose events are read and haven't all had their effect."""
        ...

    def read_again(self, webhooks: Sequence[int]) -> None:
        """Let these be read again; what of them has had its effect has no second one."""
        ...

    def in_use(self) -> str | None:
        """Who works on it besides us; None: nobody."""
        ...


def without_nul(value: str | None) -> str | None:
    """As PostgreSQL can keep it, see `gateway.store.postgresql.connection`."""
    if isinstance(value, str):
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return _ESCAPED_NUL.sub(r"\1\\ufffd", value)
    return value


def dumped(after: tuple[Any, ...] | None) -> str:
    """A key as text."""
    return json.dumps(after)


def loaded(text: str) -> tuple[Any, ...] | None:
    """Back again."""
    found = json.loads(text)
    return None if found is None else tuple(found)


def summed(end: End, table: Table, columns: Sequence[str], told: Callable[[int], None] = lambda rows: None) -> Counted:
    """Python's own hashes of the rows, which are the same for equal numbers and texts within this process."""
    rows = total = 0
    for some in end.read(table, columns):
        rows += len(some)
        total += sum(map(hash, some))
        told(len(some))
    return Counted(rows, total & (1 << 64) - 1)
