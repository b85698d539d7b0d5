"""What one transaction holds of the database, and what it has still to write.

A store object reads a single thing once and holds it; what it writes often is gathered, and written by one statement for many rows. Two rules keep
this true:

- Whatever is gathered for a key is also held under that key. So `point`, which reads by such a key, needn't write first.
- Every other statement (`run`) first writes all that is gathered, so it sees the file as it would be.

While several jobs are done from memory (`SqlTransaction.each`), each change in memory is noted, so that a job that fails can be taken back alone.
A job that needs a statement which can't be undone raises `Apart`: it is repeated in its own savepoint.

On PostgreSQL several processes write at once, each seeing what was committed before each of its statements. What a decision reads of a conversation, its sessions too, is
held by the lock of its stripe (`gateway.store.lanes`), which is taken before it is read; what is read for routing, by the org's lock. Whoever takes several takes
stripes in order, then names, then the org; who must go against it waits a moment only, and is done once more (`Conflict`). All of them end with the transaction. Keys that
are unique, and the sessions' versions, refuse the rest.
"""

from __future__ import annotations

import json
import re
from binascii import crc32
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, TypeVar

from gateway.store.contract import EntryKey
from gateway.store.lanes import stripe_of
from gateway.store.statements import Connection, Cursor, Values

K = TypeVar("K")
V = TypeVar("V")
_ABSENT: Final = object()
_AT_ONCE: Final = 32  # rows of one INSERT: each costs half of what it costs alone. With many more it is slower again
# PostgreSQL's advisory locks of a transaction: of conversations by stripe, of providers' names for messages, and of orgs.
_STRIPES, _NAMES, _ORGS = 0x6279_01, 0x6279_02, 0x6279_03
_LOCK: Final = "SELECT pg_advisory_xact_lock(?, key) FROM unnest(?::integer[]) AS key"
# Who has an org's lock may come to need a conversation of which the holder waits for it.
_LOCK_ORG: Final = "SELECT pg_advisory_xact_lock(?, ?), set_config('lock_timeout', '200ms', true)"
_LOCK_SESSIONS: Final = """SELECT pg_advisory_xact_lock(?, stripe) FROM (
    SELECT DISTINCT stripe_of(channel_id, address) AS stripe FROM sessions WHERE id = ANY(?::text[]) ORDER BY 1) AS theirs"""
_ARRAYS: Final = {"t": "text[]", "i": "bigint[]", "f": "double precision[]"}


class Apart(Exception):
    """The job needs more than what is in memory: it must run in its own savepoint."""


class Gathering:
    """See the module. `shared`: others may write at the same time. `now` is when the job that is under way began. `news`: what it wrote that others wait for, by the doorbell's topics."""

    def __init__(
        self, connection: Connection, now: datetime, *, writes: bool = True, worker: Callable[[], str] = lambda: ""
    ) -> None:
        self.begin(now)
        self._connection = connection
        # So many things of an org are read one by one; who asks for more asks for all of them, as a list of destinations does.
        self.one_by_one = 8 if connection.dialect == "sqlite" else 1
        self.dialect, self.worker = connection.dialect, worker
        # Elsewhere one process has all of a store, and writes one thing after the other.
        self.shared = self._locks = writes and connection.dialect == "postgresql"
        self._gathered: list[Rows] = []
        self._at_commit: list[Rows] = []
        self._left: list[tuple[str, list[Any]]] = []  # what is to be written with the commit: statements and rows
        self._held: list[dict[Any, Any]] = []
        self._locked: dict[tuple[int, int | str], bool] = self.held()
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
        types: str = "",
        news: str | None = None,
        last: bool = False,
    ) -> Rows:
        """A place for rows that `statement` writes; the place that was made first is written first. `make` gives the values of a row when it is written.
        `check` is told how many rows there were, and how many the statement changed (on PostgreSQL, the server raises a `Conflict` where they aren't as many). `types` of the values, a letter for
        each (`t`ext, `i`nteger, `f`loat): with them PostgreSQL takes all rows at once, which must be of different keys. `news`: they are for whoever waits for this.
        `last`: on PostgreSQL they are written with the commit, for all jobs of it at once, and are seen by none of them; the statement has the columns as arrays `:c0`, `:c1`, …"""
        rows = Rows(self, statement, make, check, types, news)
        (self._at_commit if last and self.dialect == "postgresql" else self._gathered).append(rows)
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

    def with_connection(self, job: Callable[[Connection], None]) -> None:
        """For what has SQL of its own: the inbox."""
        self._write_first()
        job(self._connection)

    # ------------------------------------------------------------------------------------------------------------ locks

    @property
    def for_update(self) -> str:
        """What follows a query whose rows nobody else is to change until the end of the transaction."""
        return " FOR UPDATE" if self._locks else ""

    def lock_conversations(self, places: Iterable[tuple[str, str]]) -> bool:
        """Nobody else decides on these conversations (by channel and address), or on their sessions, until the end of the transaction. Whether one wasn't held yet:
        what was read of it before may have changed since."""
        return self._locks and self._lock(_STRIPES, {stripe_of(*place) for place in places})

    def lock_names(self, places: Iterable[tuple[str, str]]) -> None:
        """The same for what these names of messages (by channel and name) stand for."""
        if self._locks:
            self._lock(_NAMES, {_signed("/".join(place)) for place in places})

    def lock_sessions(self, session_ids: Collection[str]) -> None:
        """The same for the conversations of these sessions."""
        missing = [one for one in session_ids if (_STRIPES, one) not in self._locked] if self._locks else []
        if missing:
            self._connection.execute(_LOCK_SESSIONS, (_STRIPES, missing))
            self._locked |= dict.fromkeys(((_STRIPES, one) for one in missing), True)

    def lock_org(self, org: str) -> None:
        """Nobody else decides who is offered what in this org."""
        if self._locks and (_ORGS, org) not in self._locked:
            self._connection.execute(_LOCK_ORG, (_ORGS, _signed(org)))
            self._locked[_ORGS, org] = True

    def _lock(self, kind: int, keys: Collection[int]) -> bool:
        missing = sorted(key for key in keys if (kind, key) not in self._locked)
        if missing:
            self._connection.execute(_LOCK, (kind, missing))
            self._locked |= dict.fromkeys(((kind, key) for key in missing), True)
        return bool(missing)

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
        for rows in self._at_commit:
            if rows.waiting:
                self._left.append(rows.taken())
                if rows.news is not None:
                    self.news.add(rows.news)

    def finish(self) -> None:
        """The job is done: write what is gathered, and have the last of it written with the commit."""
        self.flush()
        for statement, rows in self._left:
            self._connection.at_commit(statement, rows)
        self._left.clear()

    def mark(self) -> int:
        """A savepoint is made: what `forget` goes back to."""
        return len(self._left)

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

    def forget(self, mark: int | None = None) -> None:
        """What is held and gathered is no longer true. `mark`: neither is what was left for the commit since then."""
        if mark is not None:
            del self._left[mark:]
        self._in_memory = False
        self.changes.clear()
        for place in self._held:
            if place:
                place.clear()
        for rows in chain(self._gathered, self._at_commit):
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
    number_of = "CAST(json_extract(value, '$[1]') AS INTEGER)"
    wanted = f"(SELECT json_extract(value, '$[0]') AS of_session, {number_of} AS of_number FROM json_each(?)) AS wanted"  # noqa: S608
    return f"{wanted} CROSS JOIN {table} ON session_id = of_session AND {number} = of_number", (json.dumps(list(keys)),)


class Rows:
    """Rows that wait for one statement. One with a key that waits already takes its place."""

    def __init__(
        self,
        gathering: Gathering,
        statement: str,
        make: Callable[[Any], Values],
        check: Callable[[int, int], None] | None,
        types: str,
        news: str | None,
    ) -> None:
        self.waiting: dict[Any, Any] = {}
        self.news = news
        self._number = 0
        self._gathering, self._statement, self._make, self._check = gathering, statement, make, check
        at_once = bool(types) and gathering.dialect == "postgresql"
        self._of_all, self._names = _of_all(statement, types, checked=check is not None) if at_once else ("", ())
        self._several = _of_several(statement) if check is None and gathering.dialect == "sqlite" else ""

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
        if self._of_all:
            connection.execute(self._of_all, [*self.columns(rows), *([len(rows)] if self._check else ())])
            self.waiting.clear()
            return
        many = len(rows) - len(rows) % _AT_ONCE if self._several else 0
        for first in range(0, many, _AT_ONCE):
            connection.execute(self._several, list(chain.from_iterable(rows[first : first + _AT_ONCE])))
        if many < len(rows):
            done = connection.executemany(self._statement, rows[many:])
            if self._check is not None:
                self._check(len(rows), done.rowcount)
        self.waiting.clear()

    def taken(self) -> tuple[str, list[Any]]:
        """The statement, and the values of the rows that waited for it."""
        rows = [self._make(row) for row in self.waiting.values()]
        self.waiting.clear()
        return self._statement, rows

    def columns(self, rows: Sequence[Any]) -> Iterator[list[Any]]:
        """What each row has at the same place."""
        values = ([row[name] for name in self._names] if isinstance(row, Mapping) else row for row in rows)
        return map(list, zip(*values, strict=True))


def _of_several(statement: str) -> str:
    """The statement for `_AT_ONCE` rows; empty where it isn't a plain INSERT."""
    plain = re.fullmatch(r"(INSERT INTO \w+ \([^()]*\) VALUES )(\(\?(?:, \?)*\))", statement)
    return plain[1] + ", ".join([plain[2]] * _AT_ONCE) if plain else ""


def _of_all(statement: str, types: str, *, checked: bool) -> tuple[str, tuple[str, ...]]:
    """The statement for any number of rows, whose columns it takes as arrays, and the columns' names where values go by name. `checked`: and the number of
    rows, which it must change."""
    names: dict[str, int] = {}

    def column(value: re.Match[str]) -> str:
        name = value[0] if value[0] != "?" else f"?{len(names)}"
        return f"v.c{names.setdefault(name, len(names))}"

    whole = re.sub(r"(?<![:\w]):[a-z_]+|\?", column, statement)
    if len(names) != len(types):
        raise ValueError(f"{len(names)} values, {len(types)} types: {statement}")
    columns = ", ".join(f"c{number}" for number in range(len(types)))
    values = f"unnest({', '.join(f'?::{_ARRAYS[type]}' for type in types)}) AS v ({columns})"
    if whole.startswith("INSERT"):
        head, row, tail = re.fullmatch(r"(.*?) VALUES \((.*?)\)(\s+ON CONFLICT .*)?", whole, re.DOTALL).groups("")  # type: ignore[union-attr]
        whole = f"{head} SELECT {row} FROM {values}{tail}"  # noqa: S608
    else:
        beside = "USING" if whole.startswith("DELETE") else "FROM"
        whole = re.sub(r"\s+WHERE ", lambda _: f" {beside} {values} WHERE ", whole, count=1)
    if checked:
        whole = f"WITH done AS ({whole} RETURNING 1) SELECT as_many((SELECT count(*) FROM done), ?)"  # noqa: S608
    return whole, tuple(name[1:] for name in names)


def _signed(name: str) -> int:
    """As PostgreSQL's integer. Two names that have one in common wait for each other at worst."""
    return crc32(name.encode("utf-8", "surrogatepass")) - 2**31
