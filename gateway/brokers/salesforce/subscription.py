"""An org's stream of events → the inbox: one stream per org and topic, held open for as long as the gateway runs.

Each event goes into the inbox under the org's lane, and only when it and all before it are on disk the place in the stream is kept (`progress.py`); so however
the process ends, nothing is lost, and what comes twice has the same event id. Nothing more is asked for than what is on disk already: at most 100 events are on
their way at any time, and while the store is unavailable those wait in memory and no others come.

A stream that ends is opened again (`stream_codes.py` says when); one that brings nothing for too long, not even a keepalive, is taken for dead. Within a process
there is one stream for each org, since `app` makes one `Subscription`; a second process on the same folder is excluded by `gateway.store.sole`. So no lease
is kept. Two gateways with folders of their own would each get all events of the org.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from adapters.errors import SendFailed
from gateway import clock as clocks
from gateway.backoff import LONGEST_BACKOFF, backoff
from gateway.brokers.salesforce.bookmark import Bookmark
from gateway.brokers.salesforce.connection import Connection
from gateway.brokers.salesforce.keeper import Keeper, Waiting
from gateway.brokers.salesforce.meter import Meter
from gateway.brokers.salesforce.positions import Positions
from gateway.brokers.salesforce.progress import Ticket
from gateway.brokers.salesforce.pubsub_pb2 import FetchRequest
from gateway.brokers.salesforce.racing import end_of, first_of
from gateway.brokers.salesforce.records import Records
from gateway.brokers.salesforce.stream_codes import Course, Ended
from gateway.brokers.salesforce.stream_reports import StreamReports
from gateway.brokers.salesforce.stream_state import StreamState
from gateway.clock import Clock, elapsed
from gateway.config.salesforce import SalesforceOrg
from gateway.doorbell.contract import Doorbell
from gateway.errors import StoreUnavailable
from gateway.metrics import Metrics
from gateway.store.inbox_contract import Inbox

# An access token; True: the last one was refused. Raises SendFailed.
Token: TypeAlias = Callable[[bool], Awaitable[str]]
MOST_OWED: Final = 100  # Salesforce owes no more, however much is asked for
_ASKED_AT_ONCE: Final = 25  # so that a request isn't sent for each event
_LOOK_SECONDS: Final = 5.0  # between two looks at the clock that never jumps
_EXHAUSTED: Final = "catch_up_events"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited, in seconds. `first`, `most`: before another try. `slow`: added when the org asks for less. `allowance`: when it may deliver no more.
    `held`: while a person has to change something. `settled`: a stream that lasted so long was a good one. `opened`: one that isn't refused within this can
    bring events. `saved_every`: between two commits of the position. `stop`: at the end, for events on their way."""

    first: float = 1.0
    most: float = 60.0
    slow: float = 30.0
    allowance: float = 1_800.0
    held: float = LONGEST_BACKOFF
    settled: float = 30.0
    opened: float = 1.0
    saved_every: float = 1.0
    stop: float = 10.0


class Subscription:
    """See the module. One for each org."""

    def __init__(
        self,
        name: str,
        org: SalesforceOrg,
        inbox: Inbox,
        positions: Positions,
        token: Token,
        bell: Doorbell,
        metrics: Metrics | None = None,
        *,
        clock: Clock = clocks.now,
        pace: Pace = Pace(),
    ) -> None:
        self.lane = f"salesforce:{name}"
        self._org, self._inbox, self._positions, self._token, self._bell = org, inbox, positions, token, bell
        self._clock, self._pace = clock, pace
        self._records = Records(org)
        self._reports = StreamReports(name, Meter(org.events_per_day), metrics or Metrics(), clock)
        self._freed, self._may_ask, self._moved = 0, asyncio.Event(), asyncio.Event()
        self._connected_at = self._heard_at = elapsed()
        self._failures, self._token_refused, self._silent = 0, False, True
        self._last_published: datetime | None = None
        self._listens = False

    @property
    def state(self) -> StreamState:
        """For operators."""
        return self._reports.current()

    @property
    def listens(self) -> bool:
        """Whether what the org publishes from now on will be read: the place is known, or the stream has been open."""
        self._listens = self._listens or self.state.phase == "open"
        return self._listens

    @property
    def unkept(self) -> int:
        """How many events it has in memory that aren't on disk."""
        return self._keeper.unkept

    async def run(self) -> None:
        """Work until cancelled; then what is on its way is kept, and the position too. Raises StoreUnavailable when the position can't be read, or the
        beginning can't be kept."""
        kept, counts = await self._positions.load()
        self._listens = kept is not None and bool(kept.replay_id)
        self._bookmark = Bookmark(kept, self._clock(), catch_up_events=self._org.catch_up_events)
        self._reports.meter = Meter(self._org.events_per_day, counts)
        self._keeper = Keeper(self.lane, self._inbox, self._bell, self._is_durable)
        await self._save()
        keeping = asyncio.create_task(self._keeper.run(), name=f"keep events of {self.lane}")
        try:
            await first_of(self._connect(), self._save_now_and_then(), end_of(keeping))
        finally:
            await self._stop(keeping)

    async def _stop(self, keeping: asyncio.Task[None]) -> None:
        self._reports.stopped()
        with suppress(TimeoutError, StoreUnavailable):  # what isn't kept is delivered again after the start
            async with asyncio.timeout(self._pace.stop):
                if not keeping.done():
                    await self._keeper.at_most(0)
                await self._save()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    # --------------------------------------------------------------------------------------------------------- connecting

    async def _connect(self) -> None:
        """Again and again. What one connection brought is durable before the next begins, so that it begins where that ended."""
        while True:
            try:
                await self._converse()
            except Ended as ended:
                await self._keeper.at_most(0)
                await self._wait(await self._judged(ended))

    async def _converse(self) -> None:
        """One connection, until it ends. Raises Ended."""
        self._connected_at, self._silent = elapsed(), True
        connection = Connection(self._org, await self._access_token())
        try:
            await connection.check(self._records.topic)
            start = self._bookmark.start(self._clock())
            self._freed = 0
            self._may_ask.clear()
            self._heard_at = elapsed()
            await connection.subscribe(
                FetchRequest(
                    topic_name=self._records.topic,
                    replay_preset=start.preset,
                    replay_id=start.replay_id,
                    num_requested=MOST_OWED,
                )
            )
            await first_of(self._read(connection), self._ask(connection), self._watch())
        finally:
            await connection.close()

    async def _access_token(self) -> str:
        try:
            token = await self._token(self._token_refused)
        except SendFailed as failed:
            course = Course.hold if getattr(failed, "holds", False) else Course.again
            raise Ended("token", course, f"There is no access token: {failed}") from failed
        self._token_refused = False
        return token

    async def _judged(self, ended: Ended) -> float:
        """For how many seconds to wait; what follows from the end is done."""
        if elapsed() - self._connected_at >= self._pace.settled:
            self._failures = 0
        self._failures += 1
        if ended.course is Course.refresh:
            self._token_refused = True
        elif ended.course is Course.lost:
            self._reports.lost(ended)
            if gap := self._bookmark.lost(self._clock()):
                self._reports.gap(gap)
        elif ended.code == _EXHAUSTED:
            self._reports.gap(self._bookmark.go_on_from_now(self._last_published, self._clock()))
        self._moved.set()
        pause = self._pause(ended)
        self._reports.ended(ended, self._failures, pause)
        return pause

    def _pause(self, ended: Ended) -> float:
        p, course = self._pace, ended.course
        if course is Course.hold:
            return p.held
        if course is Course.allowance:
            return p.allowance
        if ended.code == _EXHAUSTED or (course in (Course.refresh, Course.lost) and self._failures == 1):
            return 0.0
        return (p.slow if course is Course.slow else 0.0) + backoff(self._failures, first_seconds=p.first, most_seconds=p.most)

    async def _wait(self, seconds: float) -> None:
        until = elapsed() + seconds
        while True:
            left = until - elapsed()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def _watch(self) -> None:
        """Raises Ended when the stream is silent for too long. While events wait for the disk nothing is asked for: that silence is ours."""
        limit = self._org.silence_seconds
        await asyncio.sleep(min(self._pace.opened, limit))
        self._reports.opened()
        while (left := self._heard_at + limit - elapsed()) > 0:
            await asyncio.sleep(min(left, _LOOK_SECONDS))
            if self._keeper.unkept:
                self._heard_at = elapsed()
        gone = self._silent and self._bookmark.may_be_gone(self._clock())
        why = f"Nothing arrived for {limit:g} seconds, not even a keepalive. The gateway connects again; if this repeats, check proxies and firewalls."
        raise Ended("silence", Course.lost if gone else Course.again, why)

    # ------------------------------------------------------------------------------------------------------------ reading

    async def _read(self, connection: Connection) -> None:
        while True:
            response = await connection.read()
            self._heard_at, self._silent = elapsed(), False
            self._reports.heard(len(response.events), response.rpc_id)
            for event in response.events:
                kept = await self._records.read(event, connection, self._clock())
                self._last_published = kept.published or self._last_published
                if self._bookmark.wanted(kept.published):
                    self._keeper.take(Waiting(self._bookmark.progress.arrived(event.replay_id), kept.request))
                else:
                    self._bookmark.progress.passed(event.replay_id)
                    self._free()
            if not response.events and response.latest_replay_id:
                self._bookmark.caught_up()
                self._bookmark.progress.passed(response.latest_replay_id)
            self._reports.state.catching_up = self._bookmark.catching_up
            self._up_to_date()
            if self._bookmark.exhausted:
                raise Ended(
                    _EXHAUSTED, Course.again, "As many events of the past were read as may be. The stream goes on from now."
                )
            await self._keeper.at_most(2 * MOST_OWED)  # whatever a server sends unasked

    async def _ask(self, connection: Connection) -> None:
        """For as many events as have become durable."""
        while True:
            await self._may_ask.wait()
            self._may_ask.clear()
            most, self._freed = self._freed, 0
            await connection.ask(self._records.topic, most)

    def _is_durable(self, ticket: Ticket) -> None:
        self._bookmark.progress.durable(ticket)
        self._free()
        self._up_to_date()

    def _free(self) -> None:
        self._freed += 1
        if self._freed >= _ASKED_AT_ONCE:
            self._may_ask.set()

    # ------------------------------------------------------------------------------------------------------- the position

    def _up_to_date(self) -> None:
        if not self._bookmark.progress.unfinished:
            self._bookmark.heard(self._clock())
        self._moved.set()

    async def _save_now_and_then(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                await self._save()
            except StoreUnavailable:
                self._moved.set()
            await asyncio.sleep(self._pace.saved_every)

    async def _save(self) -> None:
        position, counts = self._bookmark.position(), self._reports.meter.changed()
        try:
            await self._positions.save(position, counts)
        except StoreUnavailable:
            self._reports.meter.unsaved(counts)
            raise
        self._reports.state.position_at = position.at if position.replay_id else None
