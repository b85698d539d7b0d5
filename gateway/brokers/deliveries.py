"""The embedded broker's outbox and media shelf, as the journal's workers see them (`gateway.journal.contract`)."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from adapters.contract import Sent
from adapters.envelope import Address, InboundReceipt, MediaState, OutboundFile, TypingSignal
from gateway.brokers.ground import Gone, Ground, gone_by
from gateway.brokers.intake import settle_receipt, tell_delivery
from gateway.brokers.reconciling import UNSENT, Unsent
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell
from gateway.journal.contract import MediaItem, OutboxItem
from gateway.session.audience import audiences_of_session
from gateway.store import addresses, conversations, events, media, outbox, sessions, standing
from gateway.store.contract import Again, Outcome
from gateway.store.group_commit import GroupCommit
from gateway.store.media import MediaFolder
from gateway.store.outbox import OutboxRow
from gateway.store.readers import Readers

_TYPING_AGE_SECONDS: Final = 5.0


class StoredOutbox:
    """See `gateway.journal.contract.Outbox`."""

    def __init__(
        self,
        writer: GroupCommit,
        readers: Readers,
        bell: Doorbell,
        clock: Clock,
        ground: Ground,
        folder: MediaFolder,
        typing: Callable[[], list[TypingSignal]],
    ) -> None:
        self._writer, self._readers, self._bell, self._ground = writer, readers, bell, ground
        self._clock, self._steady = clock, ground.steady
        self._folder, self._typing = folder, typing

    async def ready(self, channel_id: str, *, limit: int, busy: Sequence[str]) -> list[OutboxItem]:
        """See the contract."""

        def read(connection: sqlite3.Connection) -> tuple[list[OutboxItem], list[tuple[OutboxRow, Gone]]]:
            items, strangers = [], []
            for row in outbox.ready(connection, channel_id, now=self._steady().timestamp(), limit=limit, busy=busy):
                kind = standing.kind_of(connection, row.session_id)
                lost = gone_by(self._ground.channels, channel_id, row.org, kind)
                if lost is None:
                    items.append(_item(row, _person(connection, channel_id, row.address)))
                else:
                    strangers.append((row, lost))
            return items, strangers

        items, strangers = await self._readers.run(read)
        if strangers:
            await self._writer.run(lambda c: self._refuse(c, strangers))
            self._bell.ring("events")
        return items

    def _refuse(self, connection: sqlite3.Connection, rows: Sequence[tuple[OutboxRow, Gone]]) -> None:
        """One org's words never go out by another's channel, nor one kind's addresses to another's provider; a row that was
        replayed by hand may be such a one."""
        now = self._clock().timestamp()
        for row, lost in rows:
            outbox.give_up(connection, row.id, UNSENT[lost].unsent if row.lost_at is None else UNSENT[lost].cut, now=now)
            tell_delivery(connection, row.org, row.session_id, row.entry_number, now)

    def give_up(self, connection: sqlite3.Connection, one: Unsent, limit: int) -> int:
        """Some of the messages that the config leaves no way to send, inside the caller's transaction; how many."""
        now, lost = self._clock().timestamp(), UNSENT[one.gone]
        rows = standing.give_up(connection, one.what, unsent=lost.unsent, cut=lost.cut, limit=limit, now=now)
        for row in rows:
            tell_delivery(connection, row["org"], row["session_id"], row["entry_number"], now)
        return len(rows)

    async def file(self, item: OutboxItem) -> OutboundFile | None:
        """See the contract."""
        media_id = (await self._readers.run(lambda c: outbox.one(c, item.id))).media_id
        if media_id is None:
            return None
        stored = await self._readers.run(lambda c: media.get(c, media_id))
        content = await asyncio.to_thread(self._folder.read, media_id)
        name = (stored["name"] if stored else None) or "file"
        return OutboundFile(
            name=name,
            mime_type=(stored["mime_type"] if stored else None) or "application/octet-stream",
            size_bytes=len(content),
            url=self._ground.links.absolute(media_id, name, self._clock()),
            content=content,
        )

    async def due(self) -> tuple[list[str], float | None]:
        """See the contract."""
        heads = await self._readers.run(outbox.heads)
        now = self._steady().timestamp()
        later = min((at - now for _, at in heads if at > now), default=None)
        return sorted({channel for channel, at in heads if at <= now}), later

    async def begin(self, item: OutboxItem) -> bool:
        """See the contract."""

        def write(connection: sqlite3.Connection) -> bool:
            person = _person(connection, item.channel_id, outbox.one(connection, item.id).address)
            reached = (item.message.to, {*item.message.aliases})
            return reached == (person["to"], {*person["aliases"]}) and outbox.begin(
                connection, item.id, self._clock().timestamp()
            )

        return await self._writer.run(write)

    async def settle(self, item: OutboxItem, outcome: Outcome) -> None:
        """See the contract."""

        def write(connection: sqlite3.Connection) -> None:
            row, now = outbox.one(connection, item.id), self._clock()
            outbox.settle(connection, row, outcome, now=now.timestamp(), steady=self._steady().timestamp())
            conversations.remember(connection, row.channel_id, row.address, outcome.remember)
            for receipt in self._overtook(connection, row, outcome):
                settle_receipt(connection, self._ground, row.id, receipt, now)
            tell_delivery(connection, row.org, row.session_id, row.entry_number, now.timestamp())

        await self._writer.run(write)
        self._bell.ring("events")

    @staticmethod
    def _overtook(connection: sqlite3.Connection, row: OutboxRow, outcome: Outcome) -> list[InboundReceipt]:
        """Receipts that came before the outcome was known, and tell more than the call could."""
        if isinstance(outcome, Again):
            return []
        names = [*outcome.message_ids, row.id] if isinstance(outcome, Sent) else [row.id]
        return [one for one in conversations.unpark(connection, row.channel_id, names) if isinstance(one, InboundReceipt)]

    async def typing(self) -> list[TypingSignal]:
        """See the contract; those that waited too long are no longer true."""
        now = self._clock()
        fresh = [s for s in self._typing() if (now - s.created_at).total_seconds() < _TYPING_AGE_SECONDS]
        return [await self._with_memory(signal) for signal in fresh]

    async def _with_memory(self, signal: TypingSignal) -> TypingSignal:
        return signal.model_copy(update=await self._readers.run(lambda c: _person(c, signal.channel_id, signal.to)))

    def requeue(self, connection: sqlite3.Connection, outbox_id: str) -> bool:
        """A troubled row once more, inside the caller's transaction; False: it isn't troubled."""
        now = self._clock().timestamp()
        row = outbox.requeue(connection, outbox_id, str(uuid.uuid4()), now)
        if row is not None:
            tell_delivery(connection, row["org"], row["session_id"], row["entry_number"], now)
        return row is not None


def _item(row: OutboxRow, person: Mapping[str, Any]) -> OutboxItem:
    return OutboxItem(
        id=row.id,
        channel_id=row.channel_id,
        address=row.address,
        message=row.message.model_copy(update=person),
        attempts=row.attempts,
        lost_at=datetime.fromtimestamp(row.lost_at, UTC) if row.lost_at is not None else None,
    )


def _person(connection: sqlite3.Connection, channel_id: str, address: str) -> dict[str, Any]:
    """What an outbound message carries of the person it goes to: their addresses as they are now, whatever they were when it was written."""
    about = conversations.of(connection, channel_id, address)
    return {
        "to": Address(address),
        "aliases": addresses.current(connection, channel_id, address),
        "memory": about.memory,
        "last_inbound_at": datetime.fromtimestamp(about.last_inbound_at, UTC) if about.last_inbound_at else None,
    }


class StoredMedia:
    """See `gateway.journal.contract.MediaShelf`."""

    def __init__(
        self, writer: GroupCommit, readers: Readers, bell: Doorbell, clock: Clock, ground: Ground, folder: MediaFolder
    ) -> None:
        self._writer, self._readers, self._bell, self._clock, self._folder = writer, readers, bell, clock, folder
        self._steady = ground.steady

    async def pending(self, *, limit: int, busy: frozenset[str]) -> list[MediaItem]:
        """See the contract."""
        now = self._steady().timestamp()
        rows = await self._readers.run(lambda c: media.pending(c, now, limit, busy))
        return [MediaItem(id=r.id, channel_id=r.channel_id, part=r.part, attempts=r.attempts) for r in rows]

    async def ready(self, item: MediaItem, content: bytes, mime_type: str | None, name: str | None) -> None:
        """See the contract."""
        await asyncio.to_thread(self._folder.write, item.id, content)
        await self._settle(
            item,
            lambda c: media.settle(c, item.id, MediaState.ready, mime_type=mime_type, name=name, size_bytes=len(content)),
        )

    async def later(self, item: MediaItem, *, seconds: float, reason: str) -> None:
        """See the contract."""
        at = self._steady().timestamp() + seconds
        await self._writer.insist(lambda c: media.try_later(c, item.id, at, reason))

    async def failed(self, item: MediaItem, *, reason: str) -> None:
        """See the contract."""
        await self._settle(item, lambda c: media.settle(c, item.id, MediaState.failed, reason=reason))

    async def stored(self, media_id: str) -> tuple[str, str] | None:
        """(type, name) of a file that is ready."""
        row = await self._readers.run(lambda c: media.get(c, media_id))
        if row is None or row["state"] != "ready":
            return None
        return row["mime_type"] or "application/octet-stream", row["name"] or "file"

    async def _settle(self, item: MediaItem, write: Callable[[sqlite3.Connection], None]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            write(connection)
            row = media.get(connection, item.id)
            session = sessions.load(connection, row["session_id"]) if row is not None and row["session_id"] else None
            if row is not None and session is not None:
                events.add(
                    connection,
                    org=row["org"],
                    session_id=row["session_id"],
                    type="media",
                    audience=audiences_of_session(session),
                    data={"number": row["entry_number"], "media_id": item.id},
                    now=self._clock().timestamp(),
                )

        await self._writer.insist(job)
        self._bell.ring("events")
