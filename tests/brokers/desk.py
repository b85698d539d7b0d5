"""The embedded broker of the demo's config on a real file, at a time that the test sets; no sockets, no workers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.contract import Sent
from adapters.envelope import (
    Address,
    ChannelId,
    EndUser,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    Part,
    ReceiptStatus,
    TextPart,
)
from gateway import operators
from gateway.app import Gateway
from gateway.brokers.contract import Caller, Directory, Effect, Line
from gateway.brokers.embedded import EmbeddedBroker
from gateway.config import Channel
from gateway.demo import cast
from gateway.doorbell.local import LocalDoorbell
from gateway.identity.directory import caller_for
from gateway.journal.contract import OutboxItem, Room
from gateway.session.commands import AcceptInvitation, AcceptWork, Asked, Invite, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence, Recipient, RecipientType, Session
from gateway.store.statements import Connection
from tests.chosen import store_of, stored_in

WHATSAPP = ChannelId("whatsapp")
_TABLES = {
    # A virtual table's rows stand in tables of its own.
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
    "postgresql": "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'byoc'",
}
BEGIN = datetime(2026, 11, 2, 8, tzinfo=UTC)


@dataclass
class Desk:
    """Everything that may be done to a broker. `open` again on the same folder is a restart."""

    data_dir: Path
    now: datetime = BEGIN
    step: timedelta = timedelta(0)  # how far the wall clock was set off since the start
    channel_id: ChannelId = WHATSAPP
    in_files: bool = False  # whatever store was chosen
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _fails_at: str | None = None

    def __post_init__(self) -> None:
        self._build()

    def _build(self) -> None:
        places = {} if self.in_files else store_of(self.data_dir)
        loaded = cast.load(1, self.data_dir, places)
        wall, steady = lambda: self.now + self.step, lambda: self.now
        self._gateway = Gateway(loaded, demo=True, clock=wall, steady=steady, fault=self._fault)
        self.broker: EmbeddedBroker = alone(self._gateway)

    def _fault(self, point: str) -> None:
        if point == self._fails_at:
            fault = OSError if point == "before_commit" else ValueError  # the disk's, or a job's own
            raise fault(f"failed at {point}, as the test asked")

    @contextmanager
    def failing_at(self, point: str) -> Iterator[None]:
        """Whatever comes to that point of a transaction fails there."""
        self._fails_at = point
        yield
        self._fails_at = None

    def channel(self, channel_id: str) -> Channel:
        """A channel of the demo's, with its adapter and account."""
        return self._gateway.loaded.channels[channel_id]

    def account(self, channel_id: str) -> Any:
        """Its account's settings."""
        return self.channel(channel_id).account

    async def restart(self) -> None:
        """As after a crash: nothing of the process is left."""
        await self.broker.close()
        self._build()
        await self.broker.open()

    def later(self, seconds: float) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)

    @property
    def directory(self) -> Directory:
        """Who is who, as the API is given it."""
        return self._gateway.directory

    def caller(self, login: str) -> Caller:
        """Somebody of the demo's cast."""
        return caller_for(self._gateway.loaded.orgs["demo"], login)

    # ------------------------------------------------------------------------------------------- customers

    def event(self, name: str | None = None) -> dict[str, Any]:
        """What every event has."""
        return {
            "channel_id": self.channel_id,
            "event_id": name or f"event-{next(self._count)}",
            "received_at": self.now,
            "end_user": EndUser(address=Address("kim"), name="Kim"),
        }

    def message(
        self, text: str = "hello", *, event_id: str | None = None, message_id: str | None = None, **more: Any
    ) -> InboundMessage:
        event = self.event(event_id)
        parts: tuple[Part, ...] = more.pop("parts", (TextPart(text=text),))
        return InboundMessage(**{**event, "message_id": message_id or event["event_id"], "parts": parts, **more})

    def edit(self, message_id: str, text: str) -> InboundEdit:
        return InboundEdit(**self.event(), message_id=message_id, parts=(TextPart(text=text),))

    def deletion(self, message_id: str) -> InboundDeletion:
        return InboundDeletion(**self.event(), message_id=message_id)

    def reaction(self, message_id: str, emoji: str | None) -> InboundReaction:
        return InboundReaction(**self.event(), message_id=message_id, emoji=emoji)

    def ended(self) -> InboundEnded:
        return InboundEnded(**self.event(), reason="closed")

    def receipt(self, status: str, **named: Any) -> InboundReceipt:
        return InboundReceipt(**{**self.event(), "status": ReceiptStatus(status), **named})

    async def take_in(self, *events: Any) -> Sequence[Exception | None]:
        """All at once, as the receiver gives a batch."""
        return await self.broker.take_in(events)

    # ------------------------------------------------------------------------------------------------ reps

    async def present(self, *logins: str, status: Presence = Presence.online) -> None:
        for login in logins:
            await self.broker.set_presence(self.caller(login), status)

    async def does(self, command: Asked, session_id: str, *, key: str | None = None) -> Effect:
        """A command that must be done."""
        answer = await self.refused_or_done(command, session_id, key=key)
        assert isinstance(answer, Effect), answer
        return answer

    async def refused_or_done(self, command: Asked, session_id: str, *, key: str | None = None) -> Effect | Refusal:
        return await self.broker.command(self.caller(command.by), session_id, command, key=key)

    async def session(self, login: str = "sam") -> Session:
        """The newest that this rep may see."""
        page = await self.broker.sessions(self.caller(login), status=None, mine=False, q=None, cursor=None, limit=1)
        return page.items[0]

    async def sessions(self) -> list[Session]:
        page = await self.broker.sessions(self.caller("sam"), status=None, mine=False, q=None, cursor=None, limit=100)
        return list(page.items)

    async def conversation(self) -> str:
        """Kim has said hello, and Ana has taken it; the session."""
        await self.present("ana")
        assert await self.take_in(self.message()) == [None]
        session_id = (await self.session("ana")).id
        await self.does(AcceptWork(by=Login("ana")), session_id)
        return session_id

    async def joined(self, session_id: str, guest: str = "ben", host: str = "ana") -> None:
        """The host asks the guest in, who comes."""
        await self.present(guest)
        recipient = Recipient(type=RecipientType.agent, id=guest)
        asked = await self.does(Invite(by=Login(host), recipient=recipient), session_id)
        assert asked.invitation is not None
        await self.does(AcceptInvitation(by=Login(guest), invitation_id=asked.invitation.id), session_id)

    async def say(self, session_id: str, text: str = "good day", *, login: str = "ana", key: str | None = None) -> Effect:
        return await self.does(SayToCustomer(by=Login(login), text=text), session_id, key=key)

    async def lines(self, session_id: str, login: str = "sam") -> list[Line]:
        page = await self.broker.entries(self.caller(login), session_id, before=None, after=0, limit=1_000)
        assert not isinstance(page, Refusal), page
        return list(page.items)

    async def texts(self, session_id: str) -> list[str | None]:
        """What was said, by anybody."""
        return [line.entry.text for line in await self.lines(session_id) if line.entry.kind.value == "message"]

    async def kinds(self, session_id: str) -> list[str]:
        return [line.entry.kind.value for line in await self.lines(session_id)]

    # ---------------------------------------------------------------------------------------------- outbox

    async def ready(self, *, limit: int = 10) -> list[OutboxItem]:
        """What may be sent now."""
        return list((await self.broker.outbox.look({self.channel_id: Room(limit)})).items)

    async def begun(self, *, limit: int = 10) -> list[OutboxItem]:
        """What may be sent now, each with its call begun."""
        items = await self.ready(limit=limit)
        for item in items:
            assert await self.broker.outbox.begin(item)
        return items

    async def deliver(self) -> None:
        """The provider takes all that waits; its ids are `their-` and ours."""
        while items := await self.begun():
            for item in items:
                await self.broker.outbox.settle(item, Sent((f"their-{item.id}",)))

    async def replay(self, outbox_id: str) -> None:
        """An operator sends it again."""
        operators.replay_messages(
            self.data_dir if self.in_files else stored_in(self.data_dir), [outbox_id], clock=lambda: self.now
        )

    async def states(self, session_id: str) -> list[str]:
        """Of all messages to the customer, in order."""
        return [one.status for line in await self.lines(session_id) for one in line.delivery]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """From the file."""
        return await self._gateway.store.readers.run(lambda c: [tuple(row) for row in c.execute(query)])

    async def write(self, statement: str, *values: Any) -> None:
        """Into the file."""
        await self._gateway.store.writer.run(lambda c: c.execute(statement, values) and None)

    async def dump(self, *but: str) -> dict[str, list[tuple[Any, ...]]]:
        """The whole file, but these tables."""

        def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
            query = _TABLES[connection.dialect]
            names = [row["name"] for row in connection.execute(query)]
            return {name: [tuple(r) for r in connection.execute(f"SELECT * FROM {name}")] for name in names if name not in but}  # noqa: S608

        return await self._gateway.store.readers.run(read)

    async def timers_fire(self) -> None:
        """All that are due, and those that follow from them."""
        while await self.rows(f"SELECT 1 FROM timers WHERE fires_at <= {self.now.timestamp()}"):  # noqa: S608
            firing = asyncio.create_task(self.broker.run_timers())
            await asyncio.sleep(0.01)
            firing.cancel()
            await asyncio.gather(firing, return_exceptions=True)


def alone(gateway: Gateway) -> EmbeddedBroker:
    """Its broker. Where processes share a database, no worker has duties here: so one with which all work is its own, as on a file."""
    whole = gateway.broker
    if gateway.loaded.config.store is None:
        return whole
    return EmbeddedBroker(whole.store, whole._ground, LocalDoorbell(), whole._clock, whole._files)


@asynccontextmanager
async def desk(data_dir: Path, *, in_files: bool = False) -> AsyncIterator[Desk]:
    """Open, and closed at the end. `in_files`: on SQLite, whatever store was chosen for the tests."""
    one = Desk(data_dir, in_files=in_files)
    await one.broker.open()
    try:
        yield one
    finally:
        await one.broker.close()
