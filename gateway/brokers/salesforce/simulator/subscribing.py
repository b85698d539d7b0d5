"""One Subscribe call: the subscriber says how many events it wants, and gets no more than that; while it wants some and there are none, it gets keepalives.

Source: Salesforce, "Subscribe RPC Method", "Flow Control" (Pub/Sub API; read 2026-11).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.brokers.salesforce.pubsub_pb2 import CUSTOM, LATEST, ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.bus_faults import BusFaults
from gateway.brokers.salesforce.simulator.bus_refusals import Refused
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.store.org_events import EventRow

MOST_OWED: Final = 100
MOST_RESPONSE_BYTES: Final = 3_000_000
_ROOM: Final = 2_000  # for all but the events


@dataclass(frozen=True, slots=True)
class Pace:
    """`keepalive_seconds`: after so long without an event that is owed; Salesforce promises 270 at most, and 60 were seen. `idle_seconds`: a stream on which
    nothing is owed ends after so long."""

    keepalive_seconds: float = 60.0
    idle_seconds: float = 60.0


async def first_of(requests: AsyncIterator[FetchRequest], pace: Pace) -> FetchRequest | None:
    """The request that opens the subscription; None: none came in time."""
    try:
        async with asyncio.timeout(pace.idle_seconds):
            return await anext(requests, None)
    except TimeoutError:
        return None


class Subscription:
    """The call. `run` ends when the stream is to end well, and raises Refused when it isn't."""

    def __init__(self, log: EventLog, schemas: Schemas, faults: BusFaults, pace: Pace, rpc_id: str) -> None:
        self._log, self._schemas, self._faults, self._pace, self._rpc_id = log, schemas, faults, pace, rpc_id
        self._generation = log.generation
        self._changed = asyncio.Event()
        self._owed = 0
        self._ready: deque[ConsumerEvent] = deque()  # read, and not delivered
        self._number, self._latest = 0, b""  # of what was read last; of what was delivered last
        self._refused: Refused | None = None
        self._silent = self._ended = False

    def cut(self, code: str) -> None:
        """See `Stream`."""
        self._refused = Refused(code)
        self._changed.set()

    def hush(self) -> None:
        """See `Stream`."""
        self._silent = True
        self._changed.set()

    async def run(self, first: FetchRequest, requests: AsyncIterator[FetchRequest], context: Any) -> None:
        """Deliver until the subscriber has gone, or was idle for too long. `first` has been taken from the requests already."""
        await self._begin(first)
        self._faults.streams.add(self)
        self._log.moved.add(self._changed)
        listening = asyncio.create_task(self._listen(requests), name=f"requests of {self._rpc_id}")
        try:
            await self._deliver(context)
        finally:
            self._faults.streams.discard(self)
            self._log.moved.discard(self._changed)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _begin(self, first: FetchRequest) -> None:
        self._want(first)
        self._faults.left()
        head = await self._log.head()
        self._latest = head.replay_id
        if first.replay_preset == LATEST:
            self._number = head.number
        elif first.replay_preset == CUSTOM:
            if not first.replay_id:
                raise Refused("subscription.fetch.replayid.validation.failed")
            place = None if self._faults.replay_lost else await self._log.find(first.replay_id)
            if place is None:
                raise Refused("subscription.fetch.replayid.corrupted")
            self._number, self._latest = place.number, place.replay_id

    def _want(self, request: FetchRequest) -> None:
        """Of the first request, topic and place count; those that follow may leave them out. Each adds to what is owed; more than 100 is 100."""
        if not self._latest and request.topic_name != self._log.topic:
            raise Refused("topic.not.found" if request.topic_name else "topic.validation.empty")
        if request.topic_name not in ("", self._log.topic):
            raise Refused("subscription.fetch.topic.mismatch")
        if not self._faults.permitted:
            raise Refused("subscription.topic.cannot.subscribe")
        if request.num_requested <= 0:
            raise Refused("subscription.fetch.requested.events.invalid")
        self._owed = min(self._owed + request.num_requested, MOST_OWED)

    async def _listen(self, requests: AsyncIterator[FetchRequest]) -> None:
        try:
            async for request in requests:
                self._want(request)
                self._changed.set()
        except Refused as refused:
            self._refused = refused
        self._ended = True
        self._changed.set()

    async def _deliver(self, context: Any) -> None:
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        while True:
            self._changed.clear()
            if self._refused is not None:
                raise self._refused
            if self._ended:
                return
            if self._owed and not self._silent and (response := await self._response()):
                await self._send(response, context)
                sent_at = clock()
                continue
            wait = self._pace.keepalive_seconds if self._owed else self._pace.idle_seconds
            try:
                async with asyncio.timeout_at(None if self._silent else sent_at + wait):
                    await self._changed.wait()
            except TimeoutError:
                if not self._owed:
                    return
                await self._send(await self._response() or await self._keepalive(), context)
                sent_at = clock()

    async def _send(self, response: FetchResponse, context: Any) -> None:
        if not self._silent:  # it may have become so while the log was read
            await context.write(response)

    async def _response(self) -> FetchResponse | None:
        """Events that are owed; None: there are none."""
        if not self._ready:
            page = await self._log.after(self._number, self._owed)
            self._same_numbering()
            if page.events:
                self._number = page.events[-1].number
            self._ready.extend(self._event(row) for row in page.events for _ in range(self._faults.deliveries))
        if not self._ready:
            return None
        most, size = min(self._owed, self._faults.left()), _ROOM
        events: list[ConsumerEvent] = []
        while self._ready and len(events) < most and (size := size + self._ready[0].ByteSize() + 8) <= MOST_RESPONSE_BYTES:
            events.append(self._ready.popleft())
        self._owed -= len(events)
        self._latest = events[-1].replay_id
        self._faults.deliver(len(events))
        return FetchResponse(events=events, **self._rest())

    async def _keepalive(self) -> FetchResponse:
        """No event, but an id to resume by that stays young: of a place that nothing which wasn't delivered comes before."""
        await self._log.refresh()
        page = await self._log.after(self._number, 1)
        self._same_numbering()
        if not page.events and page.head is not None:
            self._number, self._latest = page.head.number, page.head.replay_id
        return FetchResponse(**self._rest())

    def _same_numbering(self) -> None:
        if self._log.generation != self._generation:
            raise Refused("service.unavailable")

    def _event(self, row: EventRow) -> ConsumerEvent:
        payload = self._schemas.encode(row.event_type, row.payload, row.created_ms)
        event = ProducerEvent(id=row.event_id, schema_id=self._schemas.current, payload=payload)
        return ConsumerEvent(event=event, replay_id=row.replay_id)

    def _rest(self) -> dict[str, Any]:
        return {"latest_replay_id": self._latest, "rpc_id": self._rpc_id, "pending_num_requested": self._owed}
