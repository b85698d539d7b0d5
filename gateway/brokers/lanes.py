"""Events in lanes, as the journal's workers see them (`gateway.journal.contract.Lanes`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from adapters.envelope import INBOUND, Inbound, InboundEvent
from gateway.brokers.contract import ReportedEvent, why_not_applied
from gateway.brokers.ground import Ground, of_the_broker
from gateway.journal.contract import LaneItem, Told
from gateway.store.contract import LaneEvent, Store, Transaction


class _TakesIn(Protocol):
    """`EmbeddedBroker.take_in`."""

    async def __call__(
        self,
        inbound: Sequence[Inbound | ReportedEvent],
        *,
        also: Callable[[Transaction, Sequence[Exception | None]], None] | None = None,
        by: str | None = None,
    ) -> Sequence[Exception | None]: ...


class StoredLanes:
    """See `gateway.journal.contract.Lanes`."""

    def __init__(self, store: Store, ground: Ground, take_in: _TakesIn) -> None:
        self._store, self._ground, self._take_in = store, ground, take_in

    async def persons(self, events: Sequence[InboundEvent]) -> Sequence[str]:
        """See the contract."""

        def read(stored: Transaction) -> list[str]:
            for channel_id in {event.channel_id for event in events}:
                stored.addresses.read_ahead(channel_id, [e.end_user for e in events if e.channel_id == channel_id and e.end_user])
            return [stored.addresses.known(event.channel_id, event.end_user) if event.end_user else "" for event in events]

        with of_the_broker():
            return await self._store.read(read)

    async def spread(self, told: Sequence[tuple[int, Told]], *, by: str | None = None) -> None:
        """See the contract."""
        rows = [(lane, one.event.channel_id, one.row_id, as_kept(one.event)) for lane, one in told]

        def put(stored: Transaction) -> None:
            stored.lanes.put(rows)
            self._ground.fault("spread")

        with of_the_broker():
            await self._store.write(put, by=by)

    async def room(self, most: int) -> bool:
        """See the contract."""
        with of_the_broker():
            return await self._store.read(lambda stored: stored.lanes.count(most)) < most

    async def waiting(self, lanes: Collection[int], *, limit: int) -> Sequence[LaneItem]:
        """See the contract."""
        with of_the_broker():
            return [self._item(one) for one in await self._store.read(lambda stored: stored.lanes.waiting(lanes, limit=limit))]

    def _item(self, kept: LaneEvent) -> LaneItem:
        holder = self._ground.holders.get(kept.channel_id)
        try:
            of_holder = holder is not None and kept.channel_id in holder.lanes
            event = holder.read(kept.event) if holder is not None and of_holder else INBOUND.validate_json(kept.event)
        except ValueError as error:  # of a newer version, say
            return LaneItem(kept.id, kept.lane, kept.channel_id, kept.row_id, None, error)
        return LaneItem(kept.id, kept.lane, kept.channel_id, kept.row_id, event)

    async def apply(self, items: Sequence[LaneItem], *, by: str | None = None) -> Sequence[Exception | None]:
        """See the contract."""

        def settle(stored: Transaction, results: Sequence[Exception | None]) -> None:
            failed = {
                one.row_id: why_not_applied(result)
                for one, result in zip(items[: len(results)], results, strict=True)
                if result is not None
            }
            if failed:
                stored.lanes.stick(failed)
            stored.lanes.done([one.id for one in items[: len(results)]])
            self._ground.fault("lane_settled")

        return await self._take_in([one.event for one in items if one.event is not None], also=settle, by=by)

    async def give_up(self, item: LaneItem, reason: str, *, by: str | None = None) -> None:
        """See the contract."""

        def stick(stored: Transaction) -> None:
            stored.lanes.stick({item.row_id: reason})
            stored.lanes.done([item.id])

        with of_the_broker():
            await self._store.write(stick, by=by)


def as_kept(event: Inbound | ReportedEvent) -> str:
    """Without the provider's own words for it, which only operators read, and those have the webhook."""
    return event.model_dump_json(exclude={"raw"})
