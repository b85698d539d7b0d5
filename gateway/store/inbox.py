"""The inbox on SQLite (`gateway.store.inbox_contract`): a raw webhook is on disk before it is answered.

The hot road of the whole gateway: what gathers while a commit runs is one job of the next: one statement, one fsync, one call back.
Names, values and addresses may hold any bytes: they come out of it as the adapter verified them.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from adapters.contract import RawRequest
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.store.connecting import beside
from gateway.store.group_commit import GroupCommit, Readers, SharedFile
from gateway.store.inbox_contract import InboxCounts, InboxRow, Kept, Replayed, Tally

T = TypeVar("T")
_FILE: Final = "inbox.db"
# Credentials that were checked and are needed no more.
_NOT_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_INSERT: Final = (
    """INSERT INTO inbox (channel_id, received_at, method, url, path, query, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
)
_STATES: Final = ("waiting", "done", "stuck")  # by the number that is stored
_DONE, _STUCK = 1, 2
# Which channels have waiting rows: by steps along the index, so that it costs a few look-ups however many rows wait.
_CHANNELS: Final = """
    WITH RECURSIVE waiting (channel_id) AS (
        SELECT min(channel_id) FROM inbox INDEXED BY inbox_waiting WHERE state = 0
        UNION ALL
        SELECT (SELECT min(channel_id) FROM inbox INDEXED BY inbox_waiting WHERE state = 0 AND channel_id > waiting.channel_id)
        FROM waiting WHERE waiting.channel_id IS NOT NULL
    )
    SELECT channel_id FROM waiting WHERE channel_id IS NOT NULL
"""
_OLDEST: Final = "SELECT * FROM inbox INDEXED BY inbox_waiting WHERE state = 0 AND channel_id = ? ORDER BY id LIMIT ?"

_KEPT: Final[Mapping[Kept, str]] = {"stuck": "state = 2", "unknown": "state = 1 AND reason IS NOT NULL"}
# A row that is kept aside is known by how its reason begins: so these words stay in the list when they are changed. No other reason begins so.
_FOR_ANOTHER: Final = "it arrived while the channel belonged to org"
_FORMERLY: Final = ("it arrived while the channel belonged to org",)
_ASIDE: Final = "(" + " OR ".join(f"coalesce(reason, '') GLOB '{words} *'" for words in (_FOR_ANOTHER, *_FORMERLY)) + ")"


class _Gathered(NamedTuple):
    """A request to be kept, as a row, and whom to tell."""

    row: tuple[Any, ...]
    done: Callable[[Exception | None], None]


class SqliteInbox(SharedFile):
    """See `gateway.store.inbox_contract.Inbox`."""

    def __init__(self, data_dir: Path, clock: Clock, *, fault: Callable[[str], None] | None = None) -> None:
        path = data_dir / _FILE
        self._clock = clock
        self._gathered: list[_Gathered] = []
        self._busy = False  # a commit is under way, or about to begin
        super().__init__(GroupCommit(path, migrations="gateway.store.migrations.inbox", fault=fault), Readers(path, size=2))

    async def close(self) -> None:
        """See the contract."""
        self._commit()
        await super().close()

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract."""
        row = (
            channel_id,
            request.received_at.timestamp(),
            _storable(request.method),
            _storable(request.url),
            _storable(request.path),
            json.dumps(request.query) if request.query else "[]",
            _storable(_lines(request.headers)),
            request.body,
        )
        self._gathered.append(_Gathered(row, done))
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._commit)  # with what else this turn of the loop brings

    def _commit(self) -> None:
        """All that has gathered, as one job: what arrives until it is done gathers for the next."""
        self._busy = bool(self._gathered)
        if self._busy:
            gathered, self._gathered = self._gathered, []
            self._write(gathered)

    def _write(self, gathered: Sequence[_Gathered]) -> None:
        rows = [one.row for one in gathered]
        self.writer.submit(lambda c: c.executemany(_INSERT, rows) and None).add_done_callback(partial(self._written, gathered))

    def _written(self, gathered: Sequence[_Gathered], commit: asyncio.Future[None]) -> None:
        error = cast("Exception | None", commit.exception())
        if len(gathered) > 1 and error is not None and not isinstance(error, StoreUnavailable):
            for one in gathered:  # one of them can't be stored: it fails alone
                self._write([one])
            return
        self._commit()
        for one in gathered:
            one.done(error)

    async def channels(self) -> list[str]:
        """See the contract."""
        return await self.readers.run(lambda c: [row["channel_id"] for row in c.execute(_CHANNELS)])

    async def waiting(self, channel_id: str, *, limit: int) -> list[InboxRow]:
        """See the contract."""
        return await self.readers.run(lambda c: [_row(row) for row in c.execute(_OLDEST, (channel_id, limit))])

    async def settle(self, done: Sequence[tuple[int, str | None]], stuck: Sequence[tuple[int, str]]) -> None:
        """See the contract."""
        now = self._clock().timestamp()
        values: list[tuple[int, float | None, str | None, int]] = [
            (_DONE, now, remark and _plain(remark), row_id) for row_id, remark in done
        ]
        values += [(_STUCK, None, _plain(why), row_id) for row_id, why in stuck]
        statement = "UPDATE inbox SET state = ?, done_at = ?, reason = ?, attempts = attempts + 1 WHERE id = ?"
        await self.writer.insist(lambda c: c.executemany(statement, values) and None)

    async def keep_aside(self, channel_id: str, org: str) -> None:
        """See the contract."""
        values = {"reason": of_another_org(org), "channel": channel_id}
        statements = ["UPDATE inbox SET state = 2, reason = :reason WHERE state = 0 AND channel_id = :channel"]
        statements += [
            f"UPDATE inbox SET reason = :reason || ' (before that: ' || reason || ')' WHERE {which} AND channel_id = :channel AND NOT {_ASIDE}"  # noqa: S608
            for which in _KEPT.values()
        ]
        await self.writer.run(lambda c: [c.execute(statement, values) for statement in statements] and None)

    async def purge(self, done_days: float, stuck_days: float) -> None:
        """See the contract."""
        now = self._clock()
        done, stuck = now - timedelta(days=done_days), now - timedelta(days=stuck_days)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM inbox WHERE state = 1 AND done_at < ?", (done.timestamp(),))
            connection.execute("DELETE FROM inbox WHERE state = 2 AND received_at < ?", (stuck.timestamp(),))

        await self.writer.run(write)

    async def read(self, job: Callable[[SqliteInboxRows], T]) -> T:
        """See the contract."""
        return await self.readers.run(lambda c: job(SqliteInboxRows(c)))


class SqliteInboxRows:
    """See `gateway.store.inbox_contract.InboxRows`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, row_id: int) -> InboxRow | None:
        """See the contract."""
        row = self._connection.execute("SELECT * FROM inbox WHERE id = ?", (row_id,)).fetchone()
        return _row(row) if row else None

    def kept(self, which: Kept, limit: int) -> list[InboxRow]:
        """See the contract."""
        query = f"SELECT * FROM inbox WHERE {_KEPT[which]} ORDER BY id LIMIT ?"  # noqa: S608
        return [_row(row) for row in self._connection.execute(query, (limit,))]

    def counts(self) -> InboxCounts:
        """See the contract."""
        return InboxCounts(*(self._count(which) for which in ("state = 0", *_KEPT.values())))

    def tallies(self) -> list[Tally]:
        """See the contract."""
        # One statement for each partial index: together in one condition they would have every row of the last days read.
        query = (
            "SELECT channel_id, state, count(*), min(received_at) FROM inbox INDEXED BY {} WHERE state = {} GROUP BY channel_id"
        )
        rows = [row for one in (("inbox_waiting", 0), ("inbox_stuck", 2)) for row in self._connection.execute(query.format(*one))]
        return [Tally(channel_id, _STATES[state], count, oldest) for channel_id, state, count, oldest in rows]

    def replay(self, ids: Sequence[int] | None, which: Kept = "stuck") -> Replayed:
        """See the contract."""
        statement = "UPDATE inbox SET state = 0, reason = NULL WHERE "
        if ids is None:
            again = self._connection.execute(f"{statement} {_KEPT[which]} AND NOT {_ASIDE}").rowcount
            return Replayed(again, self._count(f"{_KEPT[which]} AND {_ASIDE}"))
        done = self._connection.executemany(f"{statement} id = ? AND state != 0", [(row_id,) for row_id in ids])
        return Replayed(done.rowcount, 0)

    def _count(self, which: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM inbox WHERE {which}").fetchone()[0])  # noqa: S608


@contextmanager
def opened(data_dir: Path) -> Iterator[SqliteInboxRows]:
    """The inbox in one transaction, beside a gateway that may be running. Raises GatewayError where there is none."""
    with beside(data_dir / _FILE) as connection:
        yield SqliteInboxRows(connection)


def of_another_org(org: str) -> str:
    """Why a webhook is kept aside that came while its channel was this org's."""
    return f"{_FOR_ANOTHER} {org}'s: replay it by its id to give it to the org that has the channel now"


def _storable(text: str) -> str | bytes:
    """As SQLite can keep it. Bytes that are no UTF-8 reach us as lone surrogates, which it refuses in a text."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass")


def _text(stored: str | bytes) -> str:
    """Back again."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _plain(reason: str) -> str:
    """For reading only: it may quote the provider, whose bytes may not be text."""
    return reason.encode("utf-8", "backslashreplace").decode()


def _lines(headers: Mapping[str, str]) -> str:
    """As lines `name: value`, as they came: on the hot road JSON would cost three times as much, and no header from the wire holds a line end."""
    return "\n".join([f"{name}: {value}" for name, value in headers.items() if name not in _NOT_KEPT])


def _headers(stored: str | bytes) -> dict[str, str]:
    """Back again."""
    return dict(line.split(": ", 1) for line in _text(stored).split("\n") if ": " in line)


def _row(row: sqlite3.Row) -> InboxRow:
    request = RawRequest(
        method=_text(row["method"]),
        url=_text(row["url"]),
        path=_text(row["path"]),
        query=tuple(cast("tuple[str, str]", tuple(pair)) for pair in json.loads(row["query"])),
        headers=_headers(row["headers"]),
        body=row["body"],
        received_at=datetime.fromtimestamp(row["received_at"], UTC),
    )
    return InboxRow(
        id=row["id"],
        channel_id=row["channel_id"],
        request=request,
        state=_STATES[row["state"]],
        attempts=row["attempts"],
        reason=row["reason"],
    )
