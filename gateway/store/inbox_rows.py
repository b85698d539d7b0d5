"""What is in the inbox's file, and how it is read; putting is `gateway.store.inbox`.

`batches` has what one commit kept of a channel's webhooks, in one value, and `watermarks` up to which id they were dealt with. `inbox` has what has a state of
its own, a row each: webhooks that are stuck, were kept as unknown or are replayed, and those that older versions kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from adapters.contract import RawRequest
from gateway.store.connecting import beside
from gateway.store.inbox_contract import Batch, InboxCounts, InboxRow, Kept, Moved, Replayed, Tally
from gateway.store.packing import lines_of, query_of, request_of, unpacked
from gateway.store.statements import Connection, Dialect, Row

INBOX_FILE: Final = "inbox.db"
_MOST_BYTES_IN_HAND: Final = 4 << 20
_STATES: Final = ("waiting", "done", "stuck")  # by the number that is stored
_WAITING, _DONE, _STUCK = 0, 1, 2
# Which channels have waiting rows, and the newest batch of each channel: by steps along an index, so that it costs a few look-ups however many there are.
_WITH_ROWS: Final = """
    WITH RECURSIVE found (channel_id) AS (
        SELECT min(channel_id) FROM inbox INDEXED BY inbox_waiting WHERE state = 0
        UNION ALL
        SELECT (SELECT min(channel_id) FROM inbox INDEXED BY inbox_waiting WHERE state = 0 AND channel_id > found.channel_id)
        FROM found WHERE found.channel_id IS NOT NULL
    )
    SELECT channel_id FROM found WHERE channel_id IS NOT NULL
"""
_NEWEST: Final = """
    WITH RECURSIVE found (channel_id) AS (
        SELECT min(channel_id) FROM batches
        UNION ALL
        SELECT (SELECT min(channel_id) FROM batches WHERE channel_id > found.channel_id) FROM found WHERE found.channel_id IS NOT NULL
    )
    SELECT channel_id, (SELECT max(id) FROM batches WHERE channel_id = found.channel_id) FROM found WHERE channel_id IS NOT NULL
"""
_OLDEST: Final = "SELECT * FROM inbox INDEXED BY inbox_waiting WHERE state = 0 AND channel_id = ? ORDER BY id LIMIT ?"
_NEXT: Final = "SELECT id, n, data FROM batches WHERE channel_id = ? AND id > ? ORDER BY id"
_SOME_AT_ONCE: Final = 50  # batches
# A row of its own. One that is there already differs in nothing but these.
_APART: Final = """
    INSERT INTO inbox (id, channel_id, received_at, method, url, path, query, headers, body, state, attempts, reason, done_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET state = excluded.state, attempts = excluded.attempts, reason = excluded.reason, done_at = excluded.done_at
"""
_SETTLED: Final = (
    f"{_APART} WHERE inbox.state <> 2 OR excluded.state = 2"  # where several share the work, an event may have failed already
)
NOTE: Final = """
    INSERT INTO watermarks (channel_id, done_to) VALUES (?, ?) ON CONFLICT (channel_id) DO UPDATE
    SET done_to = excluded.done_to WHERE excluded.done_to > watermarks.done_to
"""

_KEPT: Final[Mapping[Kept, str]] = {"stuck": "state = 2", "unknown": "state = 1 AND reason IS NOT NULL"}
# A row that is kept aside is known by how its reason begins: so these words stay in the list when they are changed. No other reason begins so.
_FOR_ANOTHER: Final = "it arrived while the channel belonged to org"
_FORMERLY: Final = ("it arrived while the channel belonged to org",)
_ASIDE: Final = (
    "("
    + " OR ".join(f"substr(coalesce(reason, ''), 1, {len(words) + 1}) = '{words} '" for words in (_FOR_ANOTHER, *_FORMERLY))
    + ")"
)


def settle(batch: Batch, remarks: Mapping[int, str], stuck: Mapping[int, str], now: float, connection: Connection) -> None:
    """Rows that have a state of their own, and the watermark with them: they are never read a second time as part of their batch."""
    told = {**remarks, **stuck}
    states = {i: (_STUCK, None) if i in stuck else (_DONE, now) for i in (batch.ids if batch.apart else told)}
    if batch.apart:
        values = [(state, at, _plain(told.get(i)), i) for i, (state, at) in states.items()]
        connection.executemany(
            "UPDATE inbox SET state = ?, done_at = ?, reason = ?, attempts = attempts + 1 WHERE id = ? AND state = 0", values
        )
    else:
        requests = dict(zip(batch.ids, batch.requests, strict=True))
        rows = [
            (i, batch.channel_id, *_columns(requests[i], connection.dialect), state, 1, _plain(told[i]), at)
            for i, (state, at) in states.items()
        ]
        connection.executemany(_SETTLED, rows)
    connection.execute(NOTE, (batch.channel_id, batch.ids[-1]))


def keep_aside(channel_id: str, done_to: int, org: str, connection: Connection) -> None:
    """See the contract. Batches that wait become rows."""
    reason = of_another_org(org)
    connection.execute(NOTE, (channel_id, done_to))
    done_to = connection.execute("SELECT done_to FROM watermarks WHERE channel_id = ?", (channel_id,)).fetchone()[0]
    while some := connection.execute(f"{_NEXT} LIMIT {_SOME_AT_ONCE}", (channel_id, done_to)).fetchall():
        for done_to, n, data in some:
            ids = range(done_to - n + 1, done_to + 1)
            rows = [
                (i, channel_id, *_columns(one, connection.dialect), _STUCK, 0, reason, None)
                for i, one in zip(ids, unpacked(data), strict=True)
            ]
            connection.executemany(_APART, rows)
    connection.execute(NOTE, (channel_id, done_to))
    values = {"reason": reason, "channel": channel_id}
    connection.execute("UPDATE inbox SET state = 2, reason = :reason WHERE state = 0 AND channel_id = :channel", values)
    for which in _KEPT.values():
        before = "reason = :reason || ' (before that: ' || reason || ')'"
        connection.execute(f"UPDATE inbox SET {before} WHERE {which} AND channel_id = :channel AND NOT {_ASIDE}", values)  # noqa: S608


def position_in(stream: str, connection: Connection) -> int:
    row = connection.execute("SELECT position FROM streams WHERE stream = ?", (stream,)).fetchone()
    return int(row[0]) if row else 0


def moves_on(connection: Connection, stream: str, after: int, up_to: int) -> bool:
    """Set the position in a stream, unless it isn't `after` any more."""
    connection.execute("INSERT INTO streams (stream, position) VALUES (?, 0) ON CONFLICT (stream) DO NOTHING", (stream,))
    statement = "UPDATE streams SET position = ? WHERE stream = ? AND position = ?"
    return connection.execute(statement, (up_to, stream, after)).rowcount == 1


def keep_stuck(connection: Connection, moved: Mapping[int, Moved]) -> None:
    """By id, what can't be read."""
    rows = [
        (i, one.channel_id, *_columns(one.request, connection.dialect), _STUCK, 0, _plain(one.stuck), None)
        for i, one in moved.items()
    ]
    connection.executemany(_APART, rows)


def watermarks(connection: Connection) -> dict[str, int]:
    return dict(cast("Iterable[tuple[str, int]]", connection.execute("SELECT channel_id, done_to FROM watermarks")))


def _newest(connection: Connection) -> dict[str, int]:
    """By channel, the id of its newest batch."""
    return dict(cast("Iterable[tuple[str, int]]", connection.execute(_NEWEST)))


def where_it_stopped(connection: Connection) -> tuple[dict[str, int], dict[str, int], int]:
    """Watermarks, newest batches, and the highest id that was ever given: rows and batches may be thrown away, these numbers are not."""
    done_to, newest = watermarks(connection), _newest(connection)
    rows = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'").fetchone()
    return done_to, newest, max([0, *done_to.values(), *newest.values(), *(rows or ())])


def channels_with_rows(connection: Connection) -> list[str]:
    """Those that have waiting rows of their own."""
    return [row["channel_id"] for row in connection.execute(_WITH_ROWS)]


def with_something(connection: Connection) -> tuple[list[str], dict[str, int]]:
    return channels_with_rows(connection), _newest(connection)


def waiting_apart(channel_id: str, limit: int, connection: Connection) -> Batch | None:
    rows = [_row(row) for row in connection.execute(_OLDEST, (channel_id, limit))]
    return Batch(channel_id, [row.id for row in rows], [row.request for row in rows], apart=True) if rows else None


def waiting_batches(channel_id: str, after: int, limit: int, connection: Connection) -> Batch | None:
    """Whole batches alone."""
    ids: list[int] = []
    requests: list[RawRequest] = []
    size = 0
    for last, n, data in connection.execute(_NEXT, (channel_id, after)):
        if ids and (len(ids) + n > limit or size + len(data) > _MOST_BYTES_IN_HAND):
            break
        ids += range(last - n + 1, last + 1)
        requests += unpacked(data)
        size += len(data)
    return Batch(channel_id, ids, requests) if ids else None


class StoredInboxRows:
    """See `gateway.store.inbox_contract.InboxRows`. `done_to`: watermarks that may not be in the file yet."""

    def __init__(self, connection: Connection, done_to: Mapping[str, int] | None = None) -> None:
        self._connection = connection
        # Who only reads may read the file of an older version, which has no batches.
        batches = "SELECT 1 FROM sqlite_master WHERE name = 'batches'"
        self._batched = connection.dialect != "sqlite" or bool(connection.execute(batches).fetchone())
        self._done_to = watermarks(connection) if self._batched else {}
        for channel_id, last in (done_to or {}).items():
            self._done_to[channel_id] = max(last, self._done_to.get(channel_id, 0))

    def one(self, row_id: int) -> InboxRow | None:
        """See the contract."""
        row = self._connection.execute("SELECT * FROM inbox WHERE id = ?", (row_id,)).fetchone()
        return _row(row) if row else self._batched_one(row_id)

    def _batched_one(self, row_id: int) -> InboxRow | None:
        query = "SELECT id, channel_id, n, data FROM batches WHERE id >= ? ORDER BY id LIMIT 1"
        found = self._connection.execute(query, (row_id,)).fetchone() if self._batched else None
        if found is None or row_id <= found["id"] - found["n"]:
            return None
        done = row_id <= self._done_to.get(found["channel_id"], 0)
        request = unpacked(found["data"])[row_id - found["id"] - 1]
        return InboxRow(row_id, found["channel_id"], request, "done" if done else "waiting", int(done), None)

    def kept(self, which: Kept, limit: int) -> list[InboxRow]:
        """See the contract."""
        query = f"SELECT * FROM inbox WHERE {_KEPT[which]} ORDER BY id LIMIT ?"  # noqa: S608
        return [_row(row) for row in self._connection.execute(query, (limit,))]

    def counts(self) -> InboxCounts:
        """See the contract."""
        waiting = sum(one.rows for one in self.tallies() if one.state == "waiting")
        return InboxCounts(waiting, *(self._count(which) for which in _KEPT.values()))

    def tallies(self) -> list[Tally]:
        """See the contract."""
        # One statement for each partial index: together in one condition they would have every row of the last days read.
        query = (
            "SELECT channel_id, {1}, count(*), min(received_at) FROM inbox INDEXED BY {0} WHERE state = {1} GROUP BY channel_id"
        )
        rows = [row for one in (("inbox_waiting", 0), ("inbox_stuck", 2)) for row in self._connection.execute(query.format(*one))]
        found = {(channel_id, state): (count, oldest) for channel_id, state, count, oldest in rows}
        for channel_id, count, oldest in (*self._waiting_in_batches(), *self._on_their_way()):
            apart, since = found.get((channel_id, _WAITING), (0, oldest))
            found[channel_id, _WAITING] = apart + count, min(since, oldest)
        return sorted(Tally(channel_id, _STATES[state], *found[channel_id, state]) for channel_id, state in found)

    def _waiting_in_batches(self) -> Iterator[tuple[str, int, float]]:
        query = "SELECT sum(n), min(first_at) FROM batches WHERE channel_id = ? AND id > ?"
        for channel_id, last in (_newest(self._connection) if self._batched else {}).items():
            done_to = self._done_to.get(channel_id, 0)
            if last > done_to:
                yield channel_id, *self._connection.execute(query, (channel_id, done_to)).fetchone()

    def _on_their_way(self) -> Iterable[tuple[str, int, float]]:
        """Webhooks that were read, of which something isn't applied yet, where others do that."""
        if self._connection.dialect == "sqlite":
            return ()
        return cast(
            "Iterable[tuple[str, int, float]]",
            self._connection.execute("SELECT channel_id, count(DISTINCT row_id), min(at) FROM lane_events GROUP BY channel_id"),
        )

    def replay(self, ids: Sequence[int] | None, which: Kept = "stuck") -> Replayed:
        """See the contract."""
        statement = "UPDATE inbox SET state = 0, reason = NULL WHERE "
        if ids is None:
            again = self._connection.execute(f"{statement} {_KEPT[which]} AND NOT {_ASIDE}").rowcount
            return Replayed(again, self._count(f"{_KEPT[which]} AND {_ASIDE}"))
        return Replayed(sum(self._again(row_id) for row_id in ids), 0)

    def _again(self, row_id: int) -> bool:
        row = self.one(row_id)
        if row is None or row.state == "waiting":
            return False
        self._write(row, _WAITING, row.attempts, None)
        return True

    def stick(self, reasons: Mapping[int, str]) -> None:
        """Webhooks of which something couldn't be applied, by their ids: they wait for an operator, whatever their state was."""
        for row_id, reason in reasons.items():
            row = self.one(row_id)
            if row is not None:  # it may be thrown away by now
                self._write(row, _STUCK, max(row.attempts, 1), _plain(reason))

    def _write(self, row: InboxRow, state: int, attempts: int, reason: str | None) -> None:
        columns = _columns(row.request, self._connection.dialect)
        self._connection.execute(_APART, (row.id, row.channel_id, *columns, state, attempts, reason, None))

    def _count(self, which: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM inbox WHERE {which}").fetchone()[0])  # noqa: S608


@contextmanager
def opened(data_dir: Path) -> Iterator[StoredInboxRows]:
    """The inbox in one transaction, beside a gateway that may be running. Raises GatewayError where there is none."""
    with beside(data_dir / INBOX_FILE) as connection:
        yield StoredInboxRows(connection)


def of_another_org(org: str) -> str:
    """Why a webhook is kept aside that came while its channel was this org's."""
    return f"{_FOR_ANOTHER} {org}'s: replay it by its id to give it to the org that has the channel now"


def _storable(text: str, dialect: Dialect) -> str | bytes:
    """As it can be kept. Bytes that are no UTF-8 reach us as lone surrogates, which no database takes in a text; PostgreSQL takes no NUL either."""
    return text if dialect == "sqlite" and text.isascii() else text.encode("utf-8", "surrogatepass")


def _text(stored: str | bytes) -> str:
    """Back again."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _plain(reason: str | None) -> str | None:
    """For reading only: it may quote the provider, whose bytes may not be text."""
    return reason and reason.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _columns(request: RawRequest, dialect: Dialect) -> tuple[Any, ...]:
    """As a row of its own has it, from `received_at` to `body`."""
    texts = (request.method, request.url, request.path, query_of(request.query), lines_of(request.headers))
    return (request.received_at.timestamp(), *[_storable(text, dialect) for text in texts], request.body)


def _row(row: Row) -> InboxRow:
    texts = [_text(row[column]) for column in ("method", "url", "path", "query", "headers")]
    request = request_of(texts, row["body"], row["received_at"])
    return InboxRow(row["id"], row["channel_id"], request, _STATES[row["state"]], row["attempts"], row["reason"])
