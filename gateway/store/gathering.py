"""What one transaction holds of the database, and what it has still to write.

A store object reads a single thing once and holds it; what it writes often is gathered, and written by one statement for many rows. Two rules keep
this true:

- Whatever is gathered for a key is also held under that key. So `point`, which reads by such a key, needn't write first.
- Every other statement (`run`) first writes all that is gathered, so it sees the file as it would be.

While several jobs are done from memory (`SqlTransaction.each`), each change in memory is noted, so that a job that fails can be taken back alone.
A job that needs a statement which can't be undone raises `Apart`: it is repeated in its own savepoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, TypeVar

from gateway.store.contract import EntryKey
from gateway.store.statements import Connection, Cursor, Values

K = TypeVar("K")
V = TypeVar("V")
_ABSENT: Final = object()
_AT_ONCE: Final = 32  # rows of one INSERT: each costs half of what it costs alone. With many more it is slower again


class Apart(Exception):
    """The job needs more than what is in memory: it must run in its own savepoint."""


class Gathering:
    """See the module. `now` is when the job that is under way began. `news`: what it wrote that others wait for, by the doorbell's topics."""

    def __init__(
        self, connection: Connection, now: datetime, *, writes: bool = True, worker: Callable[[], str] = lambda: ""
    ) -> None:
        self.begin(now)
        self._connection = connection
        self.dialect, self.worker = connection.dialect, worker
        # Elsewhere one process has all of a store, and writes one thing after the other.
        self._locks = writes and connection.dialect == "postgresql"
        self._gathered: list[Rows] = []
        self._held: list[dict[Any, Any]] = []
        self.news: set[str] = set()
        # What was held before each change, to take it back. Noted always, since asking takes longer; needed `_in_memory`: else a savepoint does that.
        self.changes: list[tuple[dict[Any, Any], Any, Any]] = []
        self._in_memory = False

    def begin(self, now: datetime) -> None:
        """Another job begins. `at` is `now` in Unix seconds."""
        self.now, self.at = now, now.timestamp()

    # ------------------------------------------------------------------------------------------------ for store objects

    def held(self) -> dict[Any, Any]:
        """A place for what is read. Fill it at will; to change what it holds, call `change`."""
        place: dict[Any, Any] = {}
        self._held.append(place)
        return place

    def rows(
        self,
        statement: str,
        make: Callable[[Any], Values] = lambda row: row,
        check: Callable[[int, int], None] | None = None,
        *,
        news: str | None = None,
    ) -> Rows:
        """A place for rows that `statement` writes; the place that was made first is written first. `make` gives the values of a row when it is written.
        `check` is told how many rows there were, and how many the statement changed. `news`: they are for whoever waits for this."""
        rows = Rows(self, statement, make, check, news)
        self._gathered.append(rows)
        return rows

    def change(self, place: dict[K, V], key: K, value: V) -> None:
        """Hold something else under this key from now on."""
        self.changes.append((place, key, place.get(key, _ABSENT)))
        place[key] = value

    def remove(self, place: dict[K, V], key: K) -> None:
        """Hold nothing under this key."""
        if key in place:
            self.changes.append((place, key, place[key]))
            del place[key]

    def point(self, query: str, values: Values = ()) -> Cursor:
        """Read by a key under which everything that is gathered is held."""
        return self._connection.execute(query, values)

    def run(self, statement: str, values: Values = ()) -> Cursor:
        """Any other statement."""
        self._write_first()
        return self._connection.execute(statement, values)

    def run_many(self, statement: str, rows: Iterable[Values]) -> Cursor:
        """As `run`, once for each row."""
        self._write_first()
        return self._connection.executemany(statement, rows)

    def _write_first(self) -> None:
        if self._in_memory:
            raise Apart
        self.flush()

    # ---------------------------------------------------------------------------------------------- for the transaction

    def flush(self) -> None:
        """Write what is gathered. It can't be taken back any more but by a savepoint."""
        self.changes.clear()
        for rows in self._gathered:
            if rows.waiting:
                rows.write(self._connection)
                if rows.news is not None:
                    self.news.add(rows.news)

    def begin_in_memory(self) -> None:
        """From now on changes can be taken back, and statements are refused."""
        self.changes.clear()
        self._in_memory = True

    def end_in_memory(self, *, take_back: bool) -> None:
        """Keep what has changed since, or take it back."""
        self._in_memory = False
        if take_back:
            for place, key, before in reversed(self.changes):
                if before is _ABSENT:
                    place.pop(key, None)
                else:
                    place[key] = before

    def forget(self) -> None:
        """What is held and gathered is no longer true: a savepoint was rolled back, or another job begins."""
        self._in_memory = False
        self.changes.clear()
        for place in self._held:
            if place:
                place.clear()
        for rows in self._gathered:
            if rows.waiting:
                rows.waiting.clear()


def among(column: str, names: Sequence[str]) -> tuple[str, str]:
    """A condition that the column is one of these, and its value. For one name it is a plain comparison, which takes less time."""
    if len(names) == 1:
        return f"{column} = ?", names[0]
    return f"{column} IN (SELECT value FROM json_each(?))", json.dumps(names)  # noqa: S608


def at(keys: Collection[EntryKey], table: str, number: str) -> tuple[str, tuple[str]]:
    """What follows FROM to look up the rows of these entries, and its values. `number` is the column of the entry's number."""
    # CROSS: SQLite would sometimes rather read the whole table than look up one key after the other.
    wanted = "(SELECT json_extract(value, '$[0]') AS of_session, json_extract(value, '$[1]') AS of_number FROM json_each(?))"
    return f"{wanted} CROSS JOIN {table} ON session_id = of_session AND {number} = of_number", (json.dumps(list(keys)),)


class Rows:
    """Rows that wait for one statement. One with a key that waits already takes its place."""

    def __init__(
        self,
        gathering: Gathering,
        statement: str,
        make: Callable[[Any], Values],
        check: Callable[[int, int], None] | None,
        news: str | None,
    ) -> None:
        self.waiting: dict[Any, Any] = {}
        self.news = news
        self._number = 0
        self._gathering, self._statement, self._make, self._check = gathering, statement, make, check
        self._several = _of_several(statement) if check is None else ""

    def add(self, row: Any, key: Any = None) -> None:
        """Write this, later."""
        if key is None:
            self._number = key = self._number + 1
        waiting = self.waiting
        self._gathering.changes.append((waiting, key, waiting.get(key, _ABSENT)))
        waiting[key] = row

    def drop(self, key: Any) -> None:
        """Don't write what waits under this key."""
        self._gathering.remove(self.waiting, key)

    def write(self, connection: Connection) -> None:
        """Write them all, in order."""
        rows = [self._make(row) for row in self.waiting.values()]
        many = len(rows) - len(rows) % _AT_ONCE if self._several else 0
        for first in range(0, many, _AT_ONCE):
            connection.execute(self._several, list(chain.from_iterable(rows[first : first + _AT_ONCE])))
        if many < len(rows):
            done = connection.executemany(self._statement, rows[many:])
            if self._check is not None:
                self._check(len(rows), done.rowcount)
        self.waiting.clear()


def _of_several(statement: str) -> str:
    """The statement for `_AT_ONCE` rows; empty where it isn't a plain INSERT."""
    plain = re.fullmatch(r"(INSERT INTO \w+ \([^()]*\) VALUES )(\(\?(?:, \?)*\))", statement)
    return plain[1] + ", ".join([plain[2]] * _AT_ONCE) if plain else ""
