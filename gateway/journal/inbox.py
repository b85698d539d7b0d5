"""The inbox on SQLite: a raw webhook is on disk before it is answered.

The hot road of the whole gateway: what gathers while a commit runs is written by one statement and made durable by one fsync.
Names, values and addresses may hold any bytes: they come out of it as the adapter verified them.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from adapters.contract import RawRequest
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.journal.contract import InboxRow
from gateway.store.group_commit import GroupCommit, Savepoints
from gateway.store.readers import Readers

T = TypeVar("T")

# Credentials that were checked and are needed no more.
_NOT_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_INSERT: Final = (
    """INSERT INTO inbox (channel_id, received_at, method, url, path, query, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
)
WAITING, DONE, STUCK = 0, 1, 2
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


def _apply(connection: sqlite3.Connection, jobs: Sequence[Any]) -> list[Any]:
    """Rows by one statement, other jobs one by one, in their order."""
    if not any(callable(job) for job in jobs):
        connection.executemany(_INSERT, jobs)
        return [None] * len(jobs)
    run = Savepoints()
    results: list[Any] = []
    for job in jobs:
        results += run(connection, [job]) if callable(job) else [connection.execute(_INSERT, job) and None]
    return results


class SqliteInbox:
    """See `gateway.journal.contract.Inbox`, and `put` for the edge."""

    def __init__(self, data_dir: Path, clock: Clock, *, fault: Callable[[str], None] | None = None) -> None:
        path = data_dir / "inbox.db"
        self._clock = clock
        self._writer = GroupCommit(path, apply=_apply, migrations="gateway.store.migrations.inbox", fault=fault)
        self._readers = Readers(path, size=2)

    async def open(self) -> None:
        """Open the file."""
        await self._writer.open()
        await self._readers.open()

    async def close(self) -> None:
        """Commit what is in hand and close."""
        await self._writer.close()
        await self._readers.close()

    async def ready(self) -> None:
        """Raises StoreUnavailable when nothing can be made durable."""
        await self._writer.ready()

    def put(self, channel_id: str, request: RawRequest) -> asyncio.Future[None]:
        """Keep a request; it is on disk when the future is done. The future raises StoreUnavailable."""
        return self._writer.submit(
            (
                channel_id,
                request.received_at.timestamp(),
                _storable(request.method),
                _storable(request.url),
                _storable(request.path),
                json.dumps(request.query) if request.query else "[]",
                _storable(_lines(request.headers)),
                request.body,
            )
        )

    # ----------------------------------------------------------------------------------------- for the receiver

    async def channels(self) -> list[str]:
        """See the contract."""
        return await self._readers.run(lambda c: [row["channel_id"] for row in c.execute(_CHANNELS)])

    async def waiting(self, channel_id: str, *, limit: int) -> list[InboxRow]:
        """See the contract."""
        return await self._readers.run(lambda c: [read_row(row) for row in c.execute(_OLDEST, (channel_id, limit))])

    async def settle(self, done: Sequence[tuple[int, str | None]], stuck: Sequence[tuple[int, str]]) -> None:
        """See the contract."""
        now = self._clock().timestamp()
        values: list[tuple[int, float | None, str | None, int]] = [
            (DONE, now, remark and _plain(remark), row_id) for row_id, remark in done
        ]
        values += [(STUCK, None, _plain(why), row_id) for row_id, why in stuck]
        statement = "UPDATE inbox SET state = ?, done_at = ?, reason = ?, attempts = attempts + 1 WHERE id = ?"
        await self._writer.insist(lambda c: c.executemany(statement, values) and None)

    async def purge(self, done_days: float, stuck_days: float) -> None:
        """Throw away what was dealt with long ago."""
        now = self._clock()
        done, stuck = now - timedelta(days=done_days), now - timedelta(days=stuck_days)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM inbox WHERE state = 1 AND done_at < ?", (done.timestamp(),))
            connection.execute("DELETE FROM inbox WHERE state = 2 AND received_at < ?", (stuck.timestamp(),))

        await self._writer.run(write)

    async def keep_aside(self, channel_id: str, reason: str) -> None:
        """What isn't done with waits for a person: what was not read yet becomes stuck, and `replay` takes none of it but by its id.

        `reason` is one of `of_another_org`; what a row was stuck or kept for is told after it. A row that is kept aside already stays as it is.
        """

        def write(connection: sqlite3.Connection) -> None:
            values = {"reason": reason, "channel": channel_id}
            connection.execute("UPDATE inbox SET state = 2, reason = :reason WHERE state = 0 AND channel_id = :channel", values)
            for which in (_STUCK, _UNKNOWN):
                connection.execute(
                    f"""UPDATE inbox SET reason = :reason || ' (before that: ' || reason || ')'
                        WHERE {which} AND channel_id = :channel AND NOT {_ASIDE}""",  # noqa: S608
                    values,
                )

        await self._writer.run(write)

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """For operators and metrics."""
        return await self._readers.run(job)


def _storable(text: str) -> str | bytes:
    """As SQLite can keep it. Bytes that are no UTF-8 reach us as lone surrogates, which it refuses in a text."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass")


def _text(stored: str | bytes) -> str:
    """Back again."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _plain(reason: str) -> str:
    """For reading alone: it may quote the provider, whose words may be no text at all."""
    return reason.encode("utf-8", "backslashreplace").decode()


def _lines(headers: Mapping[str, str]) -> str:
    """As lines `name: value`, as they came: on the hot road JSON would cost three times as much, and no header from the wire holds a line end."""
    return "\n".join([f"{name}: {value}" for name, value in headers.items() if name not in _NOT_KEPT])


def headers_of(stored: str | bytes) -> dict[str, str]:
    """Back again."""
    return dict(line.split(": ", 1) for line in _text(stored).split("\n") if ": " in line)


def read_row(row: sqlite3.Row) -> InboxRow:
    """A row as a value."""
    return InboxRow(
        id=row["id"],
        channel_id=row["channel_id"],
        received_at=datetime.fromtimestamp(row["received_at"], UTC),
        method=_text(row["method"]),
        url=_text(row["url"]),
        path=_text(row["path"]),
        query=tuple(cast("tuple[str, str]", tuple(pair)) for pair in json.loads(row["query"])),
        headers=headers_of(row["headers"]),
        body=row["body"],
        attempts=row["attempts"],
        reason=row["reason"],
    )


# ------------------------------------------------------------------------------------------ for operators


def waiting_webhooks(connection: sqlite3.Connection) -> dict[str, int]:
    """How many are not read yet, by channel."""
    rows = connection.execute(
        "SELECT channel_id, count(*) AS count FROM inbox INDEXED BY inbox_waiting WHERE state = 0 GROUP BY channel_id"
    )
    return {row["channel_id"]: row["count"] for row in rows}


def of_another_org(before: str) -> str:
    """Why a webhook is kept aside that came while its channel was another org's."""
    return f"{_FOR_ANOTHER} {before}'s: replay it by its id to give it to the org that has the channel now"


_STUCK: Final = "state = 2"
_UNKNOWN: Final = "state = 1 AND reason IS NOT NULL"
# A row that is kept aside is known by how its reason begins, in older files too. No other reason begins so.
_FOR_ANOTHER: Final = "it came while the channel was org"
_ASIDE: Final = f"coalesce(reason, '') GLOB '{_FOR_ANOTHER} *'"


def stuck_rows(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """What waits for an operator, oldest first."""
    return connection.execute(f"SELECT * FROM inbox WHERE {_STUCK} ORDER BY id LIMIT ?", (limit,)).fetchall()  # noqa: S608


def unknown_rows(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """What had its effect but for some events that have no meaning here, oldest first."""
    return connection.execute(f"SELECT * FROM inbox WHERE {_UNKNOWN} ORDER BY id LIMIT ?", (limit,)).fetchall()  # noqa: S608


class Counts(NamedTuple):
    """How many webhooks are not read yet, stuck, and kept as unknown."""

    waiting: int
    stuck: int
    unknown: int


def counts(connection: sqlite3.Connection) -> Counts:
    """Of the whole inbox."""
    which = ("state = 0", _STUCK, _UNKNOWN)
    found = (connection.execute(f"SELECT count(*) FROM inbox WHERE {one}").fetchone()[0] for one in which)  # noqa: S608
    return Counts(*found)


def one_row(connection: sqlite3.Connection, row_id: int) -> sqlite3.Row | None:
    """A row, whatever its state."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM inbox WHERE id = ?", (row_id,)).fetchone()
    return row


def kept_aside(connection: sqlite3.Connection, *, unknown: bool = False) -> int:
    """How many of the stuck ones, or of those kept as unknown, `replay` takes only by their ids."""
    which = _UNKNOWN if unknown else _STUCK
    found: int = connection.execute(f"SELECT count(*) FROM inbox WHERE {which} AND {_ASIDE}").fetchone()[0]  # noqa: S608
    return found


def replay(connection: sqlite3.Connection, ids: Sequence[int] | None, *, unknown: bool = False) -> int:
    """Let rows be read again; how many. None: all stuck ones, or all that were kept as unknown, but none that came for another org
    than has the channel now. Runs in the caller's transaction."""
    if ids is None:
        which = _UNKNOWN if unknown else _STUCK
        return connection.execute(f"UPDATE inbox SET state = 0, reason = NULL WHERE {which} AND NOT {_ASIDE}").rowcount  # noqa: S608
    count = 0
    for row_id in ids:
        done = connection.execute("UPDATE inbox SET state = 0, reason = NULL WHERE id = ? AND state != 0", (row_id,))
        count += done.rowcount
    return count


__all__ = [
    "Counts",
    "SqliteInbox",
    "StoreUnavailable",
    "counts",
    "kept_aside",
    "of_another_org",
    "one_row",
    "read_row",
    "replay",
    "stuck_rows",
    "unknown_rows",
    "waiting_webhooks",
]
