"""The inbox on PostgreSQL (`gateway.store.inbox_contract`): many processes put, and for each channel one reads and settles.

What gathers while a commit is under way is one statement, which goes to the server together with its commit, so nothing is held while a process or the network
takes its time. **Ids commit in order**: the statement takes its turn at an advisory lock, until its end. So one who has read a channel up to an id never has to
look for a smaller one, and a watermark is all that is kept of what was dealt with.

Nothing is given from memory: others may have put something between. How long the oldest of a channel waits is known by looking, and by what this process does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeVar

from gateway.clock import Clock, elapsed
from gateway.errors import StoreUnavailable
from gateway.store.database import Database
from gateway.store.group_commit import GroupCommit, Readers
from gateway.store.inbox_contract import Batch, Moved
from gateway.store.inbox_rows import (
    NOTE,
    StoredInboxRows,
    channels_with_rows,
    keep_aside,
    keep_stuck,
    moves_on,
    of_another_org,
    position_in,
    settle,
    waiting_apart,
)
from gateway.store.packing import unpacked
from gateway.store.purging import throw_away
from gateway.store.putting import Commit, Gathered, Putting, by_channel, portions
from gateway.store.statements import Connection

T = TypeVar("T")
_TURN: Final = 0x62796F69  # of PostgreSQL's advisory locks
_MOST_BYTES_IN_HAND: Final = 4 << 20
_NOTED_AFTER_SECONDS = 0.2
_LOOK_SECONDS: Final = 0.5
# Of several channels at once. `last`: the id of the last of all; `behind`: how many come after each channel's own.
_KEEP: Final = """
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(?)),
    ids AS MATERIALIZED (SELECT setval('webhook_ids', nextval('webhook_ids') + ? - 1) AS last FROM turn)
    INSERT INTO batches (id, channel_id, n, first_at, last_at, data)
    SELECT last - behind, one.channel_id, n, first_at, last_at, data
    FROM ids, unnest(?::text[], ?::integer[], ?::integer[], ?::double precision[], ?::double precision[], ?::bytea[])
        AS one (channel_id, n, behind, first_at, last_at, data)
"""
_IDS: Final = """
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(?))
    SELECT setval('webhook_ids', nextval('webhook_ids') + ? - 1) - ? FROM turn
"""
# Whole batches of a channel, the oldest first, up to a number of webhooks and of bytes, but at least one. Only theirs are read, however many wait.
_NEXT: Final = """
    WITH oldest AS (
        SELECT id, n, octet_length(data) AS size FROM batches
        WHERE channel_id = :channel AND id > greatest(:after, (SELECT done_to FROM watermarks WHERE channel_id = :channel))
        ORDER BY id LIMIT :most
    ), counted AS (
        SELECT id, sum(n) OVER by_id AS webhooks, sum(size) OVER by_id AS bytes, row_number() OVER by_id AS number
        FROM oldest WINDOW by_id AS (ORDER BY id)
    )
    SELECT id, n, data, extract(epoch FROM clock_timestamp())::double precision - kept_at AS age FROM counted JOIN batches USING (id)
    WHERE number = 1 OR (webhooks <= :most AND bytes <= :most_bytes) ORDER BY id
"""
# Of each channel that has batches which weren't dealt with, the oldest; by steps along an index.
_OLDEST: Final = """
    WITH RECURSIVE found (channel_id) AS (
        (SELECT channel_id FROM batches ORDER BY channel_id LIMIT 1)
        UNION ALL
        SELECT (SELECT b.channel_id FROM batches b WHERE b.channel_id > found.channel_id ORDER BY b.channel_id LIMIT 1)
        FROM found WHERE found.channel_id IS NOT NULL
    )
    SELECT found.channel_id, oldest.id, oldest.age, (SELECT max(b.id) FROM batches b WHERE b.channel_id = found.channel_id) AS newest
    FROM found LEFT JOIN watermarks w ON w.channel_id = found.channel_id
    CROSS JOIN LATERAL (
        SELECT b.id, extract(epoch FROM clock_timestamp())::double precision - b.kept_at AS age FROM batches b
        WHERE b.channel_id = found.channel_id AND b.id > coalesce(w.done_to, 0) ORDER BY b.id LIMIT 1
    ) AS oldest WHERE found.channel_id IS NOT NULL
"""


class _Oldest(NamedTuple):
    """Of a channel, the oldest batch that wasn't dealt with as far as is stored, its age in seconds, and the newest."""

    channel_id: str
    id: int
    age: float
    newest: int


class _Waits(NamedTuple):
    """The oldest batch of a channel that wasn't dealt with, as this process knows, and since when it waits, by our own clock."""

    id: int
    since: float


@dataclass(slots=True)
class _Channel:
    """What this process knows of a channel that it reads. `apart`: there may be waiting rows in `inbox`; they come first."""

    done_to: int = 0
    in_hand: Batch | None = None
    apart: bool = True


class PostgresInbox(Putting):
    """See the module. A database of its own, so that webhooks don't wait for what else is written."""

    def __init__(self, database: Database, clock: Clock, *, fault: Callable[[str], None] | None = None) -> None:
        self._clock = clock
        self._channels: dict[str, _Channel] = {}
        self._waits: dict[str, _Waits] = {}
        self._to_note: dict[str, int] = {}  # watermarks that aren't written yet
        self._noting: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._opened_at = elapsed()
        super().__init__(GroupCommit(database, fault=fault), Readers(database, size=2))

    async def open(self) -> None:
        """See the contract. It may be called again after it failed, and after something beside it failed."""
        if self._looking is not None:
            return
        await super().open()
        self._opened_at = elapsed()
        await self._look()
        self._looking = asyncio.create_task(self._look_on(), name="how long webhooks wait")

    async def close(self) -> None:
        """See the contract."""
        if self._looking is not None:
            self._closing.set()
            await self._looking  # not cut off: a reader's thread would go on for itself
        if self._noting is not None:
            self._noting.cancel()
            self._note()
        await super().close()

    # ------------------------------------------------------------------------------------------------------------ putting

    def _keep(self, gathered: Sequence[Gathered]) -> Commit:
        channels = [channel_id for channel_id, _ in by_channel(gathered)]
        return Commit(self.writer.submit(partial(_kept, gathered)), partial(self._put, channels))

    def _put(self, channels: Sequence[str], error: Exception | None) -> None:
        if error is None:
            now = elapsed()
            for channel_id in channels:  # its id isn't known here, and needn't be
                self._waits.setdefault(channel_id, _Waits(0, now))

    async def position(self, stream: str) -> int:
        """See `gateway.store.inbox_contract.Taker`."""
        return await self.readers.run(partial(position_in, stream))

    async def take_over(self, stream: str, moved: Sequence[Moved], *, after: int, up_to: int) -> bool:
        """See `gateway.store.inbox_contract.Taker`."""
        parts = [part for part in portions(moved) if part]
        stuck = [one for one in moved if one.stuck is not None]

        def job(connection: Connection) -> bool:
            if not moves_on(connection, stream, after, up_to):
                return False
            for part in parts:
                _kept(part, connection)
            if stuck:
                first = connection.execute(_IDS, (_TURN, len(stuck), len(stuck) - 1)).fetchone()[0]
                keep_stuck(connection, dict(enumerate(stuck, start=first)))
            return True

        return await self.writer.run(job)

    # ------------------------------------------------------------------------------------------------------------ reading

    def backlog_seconds(self, channel_id: str) -> float:
        """See the contract."""
        waits = self._waits.get(channel_id)
        return elapsed() - waits.since if waits is not None else 0.0

    async def _look_on(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._closing.wait()
            await self._look()

    async def _look(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # what was known grows older meanwhile
            self._saw(await self.readers.run(_oldest))

    def _saw(self, found: Sequence[_Oldest]) -> list[str]:
        """The channels that have waiting batches, by what is stored and by what this process has dealt with."""
        waiting = {one.channel_id: one for one in found if one.newest > self._channel(one.channel_id).done_to}
        for channel_id in self._waits.keys() - waiting.keys():
            del self._waits[channel_id]
        for one in waiting.values():
            self._saw_one(one.channel_id, one.id, one.age)
        return list(waiting)

    def _saw_one(self, channel_id: str, first: int, age: float) -> None:
        known = self._waits.get(channel_id)
        if known is None or known.id != first:  # of one batch the same is told each time, whatever a look takes
            # What waited before we were there says nothing of whether it is worked off now.
            self._waits[channel_id] = _Waits(first, max(elapsed() - max(age, 0), self._opened_at))

    async def channels(self) -> list[str]:
        """See the contract."""
        apart, oldest = await self.readers.run(lambda c: (channels_with_rows(c), _oldest(c)))
        for channel_id in apart:
            self._channel(channel_id).apart = True
        return sorted({*apart, *self._saw(oldest)})

    async def waiting(self, channel_id: str, *, limit: int) -> Batch | None:
        """See the contract."""
        channel = self._channel(channel_id)
        if channel.in_hand is None and channel.apart:
            channel.in_hand = await self.readers.run(partial(waiting_apart, channel_id, limit))
            channel.apart = channel.in_hand is not None
        if channel.in_hand is None:
            batch, age = await self.readers.run(partial(_next, channel_id, channel.done_to, limit))
            channel.in_hand = batch
            if batch is None:
                self._waits.pop(channel_id, None)
            else:
                self._saw_one(channel_id, batch.ids[0], age)
        return channel.in_hand

    async def settle(self, batch: Batch, remarks: Mapping[int, str], stuck: Mapping[int, str]) -> None:
        """See the contract."""
        if batch.apart or remarks or stuck:
            await self.writer.insist(partial(settle, batch, remarks, stuck, self._clock().timestamp()))
        channel = self._channel(batch.channel_id)
        channel.in_hand = None
        channel.done_to = max(channel.done_to, batch.ids[-1])
        self._to_note[batch.channel_id] = channel.done_to
        if self._noting is None:
            self._noting = asyncio.get_running_loop().call_later(_NOTED_AFTER_SECONDS, self._note)

    def _note(self) -> None:
        self._noting = None
        noted, self._to_note = self._to_note, {}

        def written(commit: asyncio.Future[None]) -> None:
            if commit.exception() is not None:
                self._to_note = {**noted, **self._to_note}

        if noted:
            self.writer.submit(partial(_noted, noted)).add_done_callback(written)

    async def keep_aside(self, channel_id: str, org: str) -> None:
        """See the contract."""
        channel = self._channel(channel_id)
        await self.writer.run(partial(_kept_aside, channel_id, channel.done_to, org))
        channel.in_hand = None

    async def purge(self, done_days: float, stuck_days: float) -> None:
        """See the contract."""
        await throw_away(self, self._clock(), done_days, stuck_days)

    async def read(self, job: Callable[[StoredInboxRows], T]) -> T:
        """See the contract."""
        done_to = {channel_id: channel.done_to for channel_id, channel in self._channels.items()}
        return await self.readers.run(lambda c: job(StoredInboxRows(c, done_to)))

    def _channel(self, channel_id: str) -> _Channel:
        return self._channels.get(channel_id) or self._channels.setdefault(channel_id, _Channel())


# ------------------------------------------------------------------------------------------------------ in one transaction


def _kept(gathered: Sequence[Gathered], connection: Connection) -> None:
    """Nothing of it is waited for: it goes out with the commit."""
    rows, behind = [], len(gathered)
    for channel_id, some in by_channel(gathered):
        behind -= len(some)
        times = (some[0].request.received_at.timestamp(), some[-1].request.received_at.timestamp())
        rows.append((channel_id, len(some), behind, *times, b"".join([one.packed for one in some])))
    connection.execute(_KEEP, (_TURN, len(gathered), *map(list, zip(*rows, strict=True))))


def _kept_aside(channel_id: str, done_to: int, org: str, connection: Connection) -> None:
    """With what of it is on its way to who applies it."""
    keep_aside(channel_id, done_to, org, connection)
    read = connection.execute("DELETE FROM lane_events WHERE channel_id = ? RETURNING row_id", (channel_id,)).fetchall()
    StoredInboxRows(connection).stick({row["row_id"]: of_another_org(org) for row in read})


def _noted(noted: Mapping[str, int], connection: Connection) -> None:
    connection.executemany(NOTE, sorted(noted.items()))


def _oldest(connection: Connection) -> list[_Oldest]:
    return [_Oldest(*row) for row in connection.execute(_OLDEST)]


def _next(channel_id: str, after: int, limit: int, connection: Connection) -> tuple[Batch | None, float]:
    """And the age of its oldest."""
    values = {"channel": channel_id, "after": after, "most": limit, "most_bytes": _MOST_BYTES_IN_HAND}
    rows = connection.execute(_NEXT, values).fetchall()
    if not rows:
        return None, 0.0
    ids = [i for row in rows for i in range(row["id"] - row["n"] + 1, row["id"] + 1)]
    return Batch(channel_id, ids, [one for row in rows for one in unpacked(row["data"])]), rows[0]["age"]
