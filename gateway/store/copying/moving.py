"""Moves all rows of one store to another that is empty. It may be killed at any point, and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.store.copying.ends import Come, End, summed
from gateway.store.copying.tables import TABLES, Table

_FILED_AT_A_TIME: Final = 500
_OTHERS_SECONDS: Final = 10.0
_TOLD_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """For whoever waits. `doing`: copied, compared, filed for search."""

    doing: str
    table: str
    rows: int
    of: int
    per_second: float


def move(
    source: End,
    target: End,
    told: Callable[[Step], None],
    also: Callable[[], None] = lambda: None,
    tables: Sequence[Table] = TABLES,
) -> bool:
    """False: all of it was there already. `also`: what else belongs to it, moved before it counts as complete. Raises GatewayError."""
    for end in (source, target):
        _alone(end)
    before = target.moved()
    if before is None:
        if held := next((one.name for one in tables if not target.is_empty(one)), None):
            raise GatewayError(f"{target.name} is not empty (it has {held}): copy into an empty store")
        target.begin_move(source.name)
    elif before[0] != source.name:
        raise GatewayError(f"{target.name} has a copy of {before[0]}, not of {source.name}: copy into an empty store")
    elif before[1]:
        return False
    moving = [(table, _columns(table, source, target)) for table in tables]
    for table, columns in moving:
        _move(source, target, table, columns, told)
    pace = _Pace("compared", "all tables", sum(target.come(table).rows for table in tables), told)
    for table, columns in moving:
        _check(source, target, table, columns, pace)
    pace.more(0, end=True)
    for table, _ in moving:
        if table.counter is not None:
            target.set_counter(table, source.counter(table))
    if on_their_way := source.on_their_way():
        target.read_again(on_their_way)
    _file(target, told)
    also()
    if user := source.in_use():
        raise GatewayError(f"{source.name} was used meanwhile ({user}): empty {target.name}, stop every gateway, and copy again")
    target.end_move()
    return True


def _alone(end: End) -> None:
    """A move that was killed may be known to the server for a moment longer."""
    until = time.monotonic() + _OTHERS_SECONDS
    while user := end.in_use():
        if time.monotonic() > until:
            raise GatewayError(f"{end.name} is in use ({user}): stop every gateway on it first, then copy again")
        time.sleep(0.2)


def _columns(table: Table, source: End, target: End) -> tuple[str, ...]:
    wanted = tuple(one for one in target.columns(table) if one not in table.again and one not in table.own)
    there = source.columns(table)
    missing = [one for one in wanted if one not in there] if there else []
    if missing:
        raise GatewayError(f"{source.name} has no {table.name}.{missing[0]}: both must be of one version")
    return wanted


class _Pace:
    """Tells how fast it goes, once a second and at the end."""

    def __init__(self, doing: str, table: str, of: int, told: Callable[[Step], None]) -> None:
        self._doing, self._table, self._of, self._told = doing, table, of, told
        self._begun = self._last = time.monotonic()
        self.rows = 0

    def more(self, rows: int, *, already: int = 0, end: bool = False) -> None:
        self.rows += rows
        now = time.monotonic()
        if (end and self.rows) or now - self._last > _TOLD_EVERY_SECONDS:
            self._last = now
            rate = self.rows / max(now - self._begun, 0.001)
            self._told(Step(self._doing, self._table, self.rows + already, max(self._of, self.rows + already), rate))


def _move(source: End, target: End, table: Table, columns: Sequence[str], told: Callable[[Step], None]) -> None:
    come = target.come(table)
    already = come.rows
    pace = _Pace("copied", table.name, source.count(table), told)
    for rows in source.read(table, columns, come.after):
        come = Come(source.key_of(table, columns, rows[-1]), come.rows + len(rows))
        target.put(table, columns, rows, come)
        pace.more(len(rows), already=already)
    pace.more(0, already=already, end=True)


def _check(source: End, target: End, table: Table, columns: Sequence[str], pace: _Pace) -> None:
    there = summed(source, table, columns)
    here = summed(target, table, columns, pace.more)
    if there.rows != here.rows:
        raise GatewayError(
            f"{table.name}: {here.rows} rows in {target.name}, and {there.rows} in {source.name}. Empty {target.name}, and copy again"
        )
    if there.sum != here.sum:
        raise GatewayError(f"{table.name}: rows of {target.name} differ from those of {source.name}. Empty it, and copy again")


def _file(target: End, told: Callable[[Step], None]) -> None:
    pace = _Pace("filed for search", "sessions", 0, told)
    for filed in _filed(target):
        pace.more(filed)
    pace.more(0, end=True)


def _filed(target: End) -> Iterator[int]:
    while True:
        with target.lists() as lists:
            filed = lists.file(_FILED_AT_A_TIME)
        if not filed:
            return
        yield filed
