"""The embedded broker's outbox and media shelf, as the journal's workers see them (`gateway.journal.contract`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from adapters.contract import Fetched, Sent
from adapters.envelope import Address, InboundReceipt, MediaState, OutboundFile, TypingSignal
from adapters.errors import SendFailed, Verdict
from gateway.brokers import receipts
from gateway.brokers.ground import Gone, Ground, channel_of, gone_by
from gateway.brokers.reconciling import give_up
from gateway.brokers.unit import Unit
from gateway.clock import Clock
from gateway.errors import Fenced, StoreUnavailable
from gateway.journal.contract import Look, OutboxItem, Room
from gateway.session.audience import audiences_of_session
from gateway.sharing.contract import Share
from gateway.store.contract import Again, Call, OutboxRow, Outcome, PendingFile, Ready, Store, Transaction
from gateway.store.files import FileStore
from gateway.store.lanes import ALL_LANES, lane_of
from gateway.store.outbox import message_of
from gateway.store.together import Together

_TYPING_AGE_SECONDS: Final = 5.0
_HASTENED_AT_A_TIME: Final = 1_000
_NO_ROOM: Final = Room(0)
_FENCED: Final = "the lane of this message is another process's"


class StoredOutbox:
    """See `gateway.journal.contract.Outbox`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ground: Ground,
        files: FileStore,
        typing: Callable[[], list[TypingSignal]],
        share: Share,
    ) -> None:
        self._store, self._ground, self._share = store, ground, share
        self._clock, self._steady = clock, ground.steady
        self._files, self._typing = files, typing
        self._begun = Together(store, self._begin)
        self._settled = Together(store, self._settle)

    async def look(self, room: Mapping[str, Room]) -> Look:
        """See the contract."""
        strangers: list[tuple[OutboxRow, Gone]] = []
        worker, lanes = self._share.worker, self._share.lanes("sender")
        only = None if lanes == ALL_LANES else lanes
        if not lanes:
            return Look()

        def read(stored: Transaction) -> Look:
            strangers.clear()  # it may be read once more, when a link broke
            now, heads = self._steady().timestamp(), stored.outbox.heads(only)
            due = sorted({channel_id for channel_id, at in heads if at <= now})
            ready: dict[str, Ready] = {}
            for channel_id in due:
                most, busy = room.get(channel_id, _NO_ROOM)
                ready[channel_id] = (
                    stored.outbox.ready(channel_id, steady=now, limit=most, busy=busy, lanes=only) if most > 0 else Ready()
                )
            rows = [row for one in ready.values() for row in one.rows]
            kinds = stored.sessions.kinds_of({row.session_id for row in rows}) if rows else {}
            stored.read_ahead_persons((row.channel_id, row.address) for row in rows)
            items: list[OutboxItem] = []
            for row in rows:
                lost = self._gone(row, kinds)
                if lost is None:
                    item = _item(row, _person(stored, row.channel_id, row.address), worker)
                    items.append(_with_next(stored, row, item))
                else:
                    strangers.append((row, lost))
            later = min((at - now for _, at in heads if at > now), default=None)
            full = [channel_id for channel_id, one in ready.items() if one.full]
            return Look(items, due, later, full, [channel_id for channel_id, one in ready.items() if one.held])

        found = await self._store.read(read)
        if strangers:
            await self._store.write(lambda stored: self._refuse(Unit(stored, self._ground), strangers))
        return found

    def _gone(self, row: OutboxRow, kinds: Mapping[str, str]) -> Gone | None:
        if row.kind != "call":
            return gone_by(self._ground.channels, row.channel_id, row.org, kinds[row.session_id])
        lost = gone_by(self._ground.channels, channel_of(row.address), row.org, kinds[row.session_id])
        return None if lost == "removed" else lost  # the lane says itself that the channel is no longer its

    def _refuse(self, unit: Unit, rows: Sequence[tuple[OutboxRow, Gone]]) -> None:
        """One org's words never go out by another's channel, nor one kind's addresses to another's provider; a row that was
        replayed by hand may be such a one."""
        for row, lost in rows:
            give_up(unit, row, lost)

    async def file(self, item: OutboxItem) -> OutboundFile | None:
        """See the contract."""
        media_id = item.media_id
        if media_id is None:
            return None
        about = await self._store.read(lambda stored: stored.media.get(media_id))
        if about is not None and about.state != "ready":
            # A file that another broker sends, or takes: the gateway fetches it first.
            if about.state == "pending":
                raise SendFailed(Verdict.again, "media_not_ready")
            if isinstance(item.message, Call):
                return None
            raise SendFailed(Verdict.dead, "media_gone", about.reason)
        try:
            content = await self._files.read(media_id)
        except StoreUnavailable as error:  # it stops this conversation alone: what has no file goes on
            raise SendFailed(Verdict.again, "media_not_ready") from error
        name = (about.name if about else None) or "file"
        return OutboundFile(
            name=name,
            mime_type=(about.mime_type if about else None) or "application/octet-stream",
            size_bytes=len(content),
            url=self._ground.links.absolute(media_id, name, self._clock()),
            content=content,
        )

    async def begin(self, item: OutboxItem) -> bool:
        """See the contract. Last of all, by our own clock, whether nobody can have taken this process for dead meanwhile: what is called out can't be taken back."""
        return self._is_ours(item) and await self._begun.do(item) and self._is_ours(item)

    def _is_ours(self, item: OutboxItem) -> bool:
        return self._share.worker == item.worker and self._share.still_ours()

    @staticmethod
    def _begin(stored: Transaction, items: Sequence[OutboxItem]) -> list[bool]:
        addresses = stored.outbox.addresses_of([item.id for item in items])
        worker = stored.worker
        known = [item for item in items if item.id in addresses and item.worker == worker]
        stored.read_ahead_persons((item.channel_id, addresses[item.id]) for item in known)
        reached = [item.id for item in known if _still_reaches(stored, item, addresses[item.id])]
        begun = stored.outbox.begin(reached, read_under=addresses)
        return [item.id in begun for item in items]

    async def settle(self, item: OutboxItem, outcome: Outcome) -> bool:
        """See the contract."""
        await asyncio.gather(*(self._settled.do((also, outcome, item.worker)) for also in item.also))
        return await self._settled.do((item.id, outcome, item.worker))

    def _settle(self, stored: Transaction, given: Sequence[tuple[str, Outcome, str]]) -> list[bool | Exception]:
        now = stored.worker
        outcomes = [(outbox_id, outcome) for outbox_id, outcome, worker in given if worker == now]
        settled = iter(self._settle_ours(stored, outcomes) if outcomes else ())
        return [next(settled) if worker == now else Fenced(_FENCED) for _, _, worker in given]

    def _settle_ours(self, stored: Transaction, outcomes: Sequence[tuple[str, Outcome]]) -> list[bool | Exception]:
        rows = stored.outbox.several([outbox_id for outbox_id, _ in outcomes])
        stored.read_ahead_sent(
            (rows[outbox_id], outcome.message_ids if isinstance(outcome, Sent) else ())
            for outbox_id, outcome in outcomes
            if outbox_id in rows
        )
        been_in = stored.sessions.been_in({row.session_id for row in rows.values()})

        def one(outbox_id: str, outcome: Outcome) -> None:
            row = rows.get(outbox_id)
            if row is None:
                return
            unit = Unit(stored, self._ground)
            stored.outbox.settle(row, outcome, steady=self._steady().timestamp())
            stored.conversations.remember(row.channel_id, row.address, outcome.remember)
            if row.kind == "call" and (holder := self._ground.holders.get(row.channel_id)) is not None:
                holder.answered(unit, row, outcome)
            for receipt in _overtook(stored, row, outcome):
                receipts.settle(unit, row.id, receipt)
            receipts.tell_delivery(unit, row, been_in[row.session_id])

        settled = stored.each([partial(one, *outcome) for outcome in outcomes])
        going_on = stored.outbox.go_on(rows.values())
        return [
            failed if failed is not None else outbox_id in going_on
            for failed, (outbox_id, _) in zip(settled, outcomes, strict=True)
        ]

    async def hasten(self, channel_id: str) -> None:
        """See the contract. A thousand at a time, since others wait for the writer."""
        while (
            await self._store.write(lambda stored: stored.outbox.hasten(channel_id, limit=_HASTENED_AT_A_TIME))
            == _HASTENED_AT_A_TIME
        ):
            pass

    async def typing(self) -> list[TypingSignal]:
        """See the contract; those that waited too long are no longer true."""
        now = self._clock()
        fresh = [s for s in self._typing() if (now - s.created_at).total_seconds() < _TYPING_AGE_SECONDS]
        return [await self._with_memory(signal) for signal in fresh]

    async def _with_memory(self, signal: TypingSignal) -> TypingSignal:
        person = await self._store.read(lambda stored: _person(stored, signal.channel_id, signal.to))
        return signal.model_copy(update=person)


def _still_reaches(stored: Transaction, item: OutboxItem, address: str) -> bool:
    """Whether the customer has the same addresses as when the message was taken."""
    person = _person(stored, item.channel_id, address)
    return (item.message.to, {*item.message.aliases}) == (person["to"], {*person["aliases"]})


def _overtook(stored: Transaction, row: OutboxRow, outcome: Outcome) -> list[InboundReceipt]:
    """Receipts that arrived before the outcome was known, and say more than the call could."""
    if isinstance(outcome, Again):
        return []
    names = [*outcome.message_ids, row.id] if isinstance(outcome, Sent) else [row.id]
    return [one for one in stored.conversations.unpark(row.channel_id, names) if isinstance(one, InboundReceipt)]


def _with_next(stored: Transaction, row: OutboxRow, item: OutboxItem) -> OutboxItem:
    """With what its call can take along of the rows behind it."""
    message = item.message
    if not isinstance(message, Call) or not message.batch:
        return item
    also: list[str] = []
    for other in stored.outbox.following(row, limit=message.most):
        next_one = message_of(other)
        both = message.with_more(next_one) if isinstance(next_one, Call) else None
        if both is None:
            break
        message = both
        also.append(other.id)
    return item.model_copy(update={"message": message, "also": tuple(also)})


def _item(row: OutboxRow, person: dict[str, Any], worker: str) -> OutboxItem:
    return OutboxItem(
        id=row.id,
        channel_id=row.channel_id,
        message=message_of(row, **person),
        media_id=row.media_id,
        lane=lane_of(row.channel_id, row.address),
        worker=worker,
        attempts=row.attempts,
        hastened=row.hastened,
        lost_at=datetime.fromtimestamp(row.lost_at, UTC) if row.lost_at is not None else None,
    )


def _person(stored: Transaction, channel_id: str, address: str) -> dict[str, Any]:
    """What an outbound message carries of the person it goes to: their addresses as they are now, whatever they were when it was written."""
    about = stored.conversations.of(channel_id, address)
    return {
        "to": Address(address),
        "aliases": stored.addresses.current(channel_id, address),
        "memory": about.memory,
        "last_inbound_at": datetime.fromtimestamp(about.last_inbound_at, UTC) if about.last_inbound_at else None,
    }


class StoredMedia:
    """See `gateway.journal.contract.MediaShelf`."""

    def __init__(self, store: Store, ground: Ground, files: FileStore) -> None:
        self._store, self._files, self._steady = store, files, ground.steady

    async def pending(self, *, limit: int, busy: frozenset[str]) -> list[PendingFile]:
        """See the contract."""
        steady = self._steady().timestamp()
        return await self._store.read(lambda stored: stored.media.pending(steady, limit, busy))

    async def ready(self, file: PendingFile, fetched: Fetched) -> None:
        """See the contract."""
        await self._files.write(file.id, fetched.content)
        what = {"mime_type": fetched.mime_type or None, "name": fetched.name or None}
        size = len(fetched.content)
        await self._settle(file, lambda stored: stored.media.settle(file.id, MediaState.ready, **what, size_bytes=size))

    async def later(self, file: PendingFile, *, seconds: float, reason: str) -> None:
        """See the contract."""
        at = self._steady().timestamp() + seconds
        await self._store.insist(lambda stored: stored.media.try_later(file.id, at, reason))

    async def failed(self, file: PendingFile, *, reason: str) -> None:
        """See the contract."""
        await self._settle(file, lambda stored: stored.media.settle(file.id, MediaState.failed, reason=reason))

    async def stored(self, media_id: str) -> tuple[str, str] | None:
        """(type, name) of a file that is ready."""
        file = await self._store.read(lambda stored: stored.media.get(media_id))
        if file is None or file.state != "ready":
            return None
        return file.mime_type or "application/octet-stream", file.name or "file"

    async def _settle(self, pending: PendingFile, write: Callable[[Transaction], None]) -> None:
        def job(stored: Transaction) -> None:
            write(stored)
            file = stored.media.get(pending.id)
            session = stored.sessions.load(file.session_id) if file is not None and file.session_id else None
            if file is not None and session is not None:
                stored.events.add(
                    org=file.org,
                    session_id=file.session_id,
                    type="media",
                    audience=audiences_of_session(session),
                    data={"number": file.entry_number, "media_id": pending.id},
                )

        await self._store.insist(job)
