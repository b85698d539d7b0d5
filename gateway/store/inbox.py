"""The inbox on SQLite (`gateway.store.inbox_contract`): a raw webhook is on disk before it is answered.

The hot road of the whole gateway. What gathers while a commit runs is one job of the next: one value for each channel (`batches`), one fsync, one call
back. No row changes when a webhook was dealt with: each channel has a watermark, which is written with a later commit, or a moment later when none follows.
A crash before that gives the last webhooks again. What isn't as plain (stuck, kept as unknown, replayed) becomes a row of its own in `inbox`, under its id.

The receiver is given what was committed a moment ago from memory, within bounds; beyond them, and after a start, values are read back.
Names, values and addresses may hold any bytes: they come out of it as the adapter verified them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from gateway.clock import Clock, elapsed
from gateway.store.group_commit import GroupCommit, Readers
from gateway.store.inbox_contract import Batch, Moved
from gateway.store.inbox_rows import (
    INBOX_FILE,
    NOTE,
    StoredInboxRows,
    keep_aside,
    keep_stuck,
    moves_on,
    position_in,
    settle,
    waiting_apart,
    waiting_batches,
    where_it_stopped,
    with_something,
)
from gateway.store.purging import throw_away
from gateway.store.putting import Commit, Gathered, Putting, by_channel, portions
from gateway.store.sqlite_file import SqliteFile
from gateway.store.statements import Connection

T = TypeVar("T")
# Of one channel's in memory: enough for the pauses of a receiver that keeps up.
_MOST_IN_MEMORY, _MOST_BYTES_IN_MEMORY = 2_000, 4 << 20
_NOTED_AFTER_SECONDS = 0.2  # when no commit follows that could write the watermarks
_MARK_SECONDS: Final = 0.1  # what arrives within this time counts as one arrival, to tell how long it waits


class _Packed(NamedTuple):
    """A batch as it is stored, too."""

    batch: Batch
    data: bytes


class _Lane:
    """What this process knows of a channel's webhooks. `done_to`: dealt with up to here; `given_to`: given to the receiver up to here."""

    def __init__(self, done_to: int = 0) -> None:
        self.done_to = self.given_to = self.committed_to = done_to
        self.in_hand: Batch | None = None
        self.fresh: deque[_Packed] = deque()  # the first of those that weren't given yet, from memory
        self.apart = True  # there may be waiting rows in `inbox`: they come first
        self.spilled = True  # there may be more batches in the file, after those in `fresh`
        self._rows = self._bytes = 0
        self._arrivals: deque[tuple[int, float]] = deque()

    def arrived(self, last: int) -> None:
        """Everything up to this id is in the file now."""
        now = elapsed()
        self.committed_to = max(self.committed_to, last)
        if self._arrivals and now - self._arrivals[-1][1] < _MARK_SECONDS:
            self._arrivals[-1] = (last, self._arrivals[-1][1])
        else:
            self._arrivals.append((last, now))

    def remember(self, one: _Packed) -> None:
        """It is in the file now, and may be given from memory."""
        last = one.batch.ids[-1]
        self.arrived(last)
        if last <= self.given_to:  # it was read back before we heard of its commit
            return
        full = self._rows >= _MOST_IN_MEMORY or self._bytes >= _MOST_BYTES_IN_MEMORY
        self.spilled = self.spilled or full
        if not self.spilled:
            self.fresh.append(one)
            self._count(one, 1)

    def from_memory(self, limit: int) -> Batch:
        """The next ones in `fresh`: at least one batch of them."""
        taken = [self._next()]
        n = len(taken[0].ids)
        while self.fresh and n + len(self.fresh[0].batch.ids) <= limit:
            taken.append(self._next())
            n += len(taken[-1].ids)
        if len(taken) == 1:
            return taken[0]
        return Batch(taken[0].channel_id, [i for one in taken for i in one.ids], [r for one in taken for r in one.requests])

    def settled(self, batch: Batch) -> int:
        """The batch was dealt with; the channel's watermark."""
        self.in_hand = None
        self.dealt_with(batch.ids[-1])
        return self.done_to

    def dealt_with(self, done_to: int) -> None:
        """Everything up to this id."""
        self.done_to = max(self.done_to, done_to)
        while self._arrivals and self._arrivals[0][0] <= self.done_to:
            self._arrivals.popleft()

    def backlog_seconds(self) -> float:
        """See the contract."""
        return elapsed() - self._arrivals[0][1] if self._arrivals else 0.0

    def _next(self) -> Batch:
        one = self.fresh.popleft()
        self._count(one, -1)
        return one.batch

    def _count(self, one: _Packed, sign: int) -> None:
        self._rows += sign * len(one.batch.ids)
        self._bytes += sign * len(one.data)


class SqliteInbox(Putting):
    """See `gateway.store.inbox_contract.Inbox`. One process puts, and one reads and settles; it needn't be the same."""

    def __init__(self, data_dir: Path, clock: Clock, *, fault: Callable[[str], None] | None = None) -> None:
        file = SqliteFile(data_dir / INBOX_FILE, "gateway.store.migrations.inbox")
        self._clock = clock
        self._last_id = 0  # ever given to a webhook
        self._lanes: dict[str, _Lane] = {}
        self._to_note: dict[str, int] = {}  # watermarks that aren't in the file yet
        self._noting: asyncio.TimerHandle | None = None
        super().__init__(GroupCommit(file, fault=fault), Readers(file, size=2))

    async def open(self) -> None:
        """See the contract."""
        await super().open()
        watermarks, newest, self._last_id = await self.readers.run(where_it_stopped)
        self._lanes = {channel_id: _Lane(done_to) for channel_id, done_to in watermarks.items()}
        for channel_id, last in newest.items():
            if last > self._lane(channel_id).done_to:
                self._lane(channel_id).arrived(last)

    async def close(self) -> None:
        """See the contract."""
        if self._noting:
            self._noting.cancel()
        if self._to_note:
            self._note()
        await super().close()

    # ------------------------------------------------------------------------------------------------------------ putting

    def _keep(self, gathered: Sequence[Gathered]) -> Commit:
        made = self._batches(gathered)
        noted, self._to_note = self._to_note, {}
        return Commit(self.writer.submit(partial(_keep, made, noted)), partial(self._committed, made, noted))

    def _batches(self, gathered: Sequence[Gathered]) -> list[_Packed]:
        made = []
        for channel_id, some in by_channel(gathered):
            ids = range(self._last_id + 1, self._last_id + 1 + len(some))
            self._last_id = ids[-1]
            made.append(_Packed(Batch(channel_id, ids, [one.request for one in some]), b"".join([one.packed for one in some])))
        return made

    def _committed(self, made: Sequence[_Packed], noted: Mapping[str, int], error: Exception | None) -> None:
        if error is None:
            for one in made:
                self._lane(one.batch.channel_id).remember(one)
        else:
            self._to_note = {**noted, **self._to_note}

    # ------------------------------------------------------------------------------------------------------- from a stream

    async def position(self, stream: str) -> int:
        """See `gateway.store.inbox_contract.Taker`."""
        return await self.readers.run(partial(position_in, stream))

    async def take_over(self, stream: str, moved: Sequence[Moved], *, after: int, up_to: int) -> bool:
        """See `gateway.store.inbox_contract.Taker`."""
        batches = [one for some in portions(moved) for one in self._batches(some)]
        stuck = [one for one in moved if one.stuck is not None]
        ids = range(self._last_id + 1, self._last_id + 1 + len(stuck))
        self._last_id += len(stuck)

        def job(connection: Connection) -> bool:
            if not moves_on(connection, stream, after, up_to):
                return False
            _keep(batches, {}, connection)
            keep_stuck(connection, dict(zip(ids, stuck, strict=True)))
            return True

        taken = await self.writer.run(job)
        for one in batches if taken else ():
            self._lane(one.batch.channel_id).remember(one)
        return taken

    # ------------------------------------------------------------------------------------------------------------ reading

    def backlog_seconds(self, channel_id: str) -> float:
        """See the contract."""
        return self._lane(channel_id).backlog_seconds()

    async def channels(self) -> list[str]:
        """See the contract."""
        apart, newest = await self.readers.run(with_something)
        for channel_id in apart:
            self._lane(channel_id).apart = True
        self.heard_of(newest)
        return sorted({*apart, *(channel_id for channel_id, last in newest.items() if last > self._lane(channel_id).done_to)})

    def newest(self) -> Mapping[str, int]:
        """By channel, the id of the latest webhook that is in the file, as far as this process knows."""
        return {channel_id: lane.committed_to for channel_id, lane in self._lanes.items()}

    def heard_of(self, newest: Mapping[str, int]) -> Sequence[str]:
        """By channel, the id of the latest webhook that is in the file; the channels of which another process has put some."""
        known = self._last_id
        found = [channel_id for channel_id, last in newest.items() if last > known]
        for channel_id in found:
            self._last_id = max(self._last_id, newest[channel_id])
            self._lane(channel_id).spilled = True
            self._lane(channel_id).arrived(newest[channel_id])
        return found

    def dealt_with_elsewhere(self, channel_id: str, done_to: int) -> None:
        """Another process reads and settles: it has dealt with the channel's webhooks up to this id."""
        self._lane(channel_id).dealt_with(done_to)

    async def waiting(self, channel_id: str, *, limit: int) -> Batch | None:
        """See the contract."""
        lane = self._lane(channel_id)
        if lane.in_hand is None and lane.apart:
            lane.in_hand = await self.readers.run(partial(waiting_apart, channel_id, limit))
            lane.apart = lane.in_hand is not None
        while lane.in_hand is None and (lane.fresh or lane.spilled):
            lane.in_hand = lane.from_memory(limit) if lane.fresh else await self._read_back(channel_id, lane, limit)
            if lane.in_hand:
                lane.given_to = lane.in_hand.ids[-1]
        return lane.in_hand

    async def _read_back(self, channel_id: str, lane: _Lane, limit: int) -> Batch | None:
        batch = await self.readers.run(partial(waiting_batches, channel_id, lane.given_to, limit))
        # What was committed meanwhile went by the memory, so that it is there only when nothing is missing before it.
        lane.spilled = (batch.ids[-1] if batch else lane.given_to) < lane.committed_to
        return batch

    async def settle(self, batch: Batch, remarks: Mapping[int, str], stuck: Mapping[int, str]) -> None:
        """See the contract."""
        if batch.apart or remarks or stuck:
            await self.writer.insist(partial(settle, batch, remarks, stuck, self._clock().timestamp()))
        self._to_note[batch.channel_id] = self._lane(batch.channel_id).settled(batch)
        if self._noting is None:
            self._noting = asyncio.get_running_loop().call_later(_NOTED_AFTER_SECONDS, self._note)

    def _note(self) -> None:
        """The watermarks, unless a commit has written them."""
        self._noting = None
        if self._to_note:
            self._write([])

    async def keep_aside(self, channel_id: str, org: str) -> None:
        """See the contract."""
        lane = self._lane(channel_id)
        await self.writer.run(partial(keep_aside, channel_id, lane.done_to, org))
        self._lanes[channel_id] = _Lane(max(lane.done_to, lane.committed_to))

    async def purge(self, done_days: float, stuck_days: float) -> None:
        """See the contract."""
        await throw_away(self, self._clock(), done_days, stuck_days)

    async def read(self, job: Callable[[StoredInboxRows], T]) -> T:
        """See the contract."""
        done_to = {channel_id: lane.done_to for channel_id, lane in self._lanes.items()}
        return await self.readers.run(lambda c: job(StoredInboxRows(c, done_to)))

    def _lane(self, channel_id: str) -> _Lane:
        return self._lanes.get(channel_id) or self._lanes.setdefault(channel_id, _Lane())


# ------------------------------------------------------------------------------------------------------ in one transaction


def _keep(packed: Sequence[_Packed], noted: Mapping[str, int], connection: Connection) -> None:
    for (channel_id, ids, requests, _), data in packed:
        times = requests[0].received_at.timestamp(), requests[-1].received_at.timestamp()
        connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", (ids[-1], channel_id, len(ids), *times, data))
    if noted:
        connection.executemany(NOTE, noted.items())
