"""Several brokers on one PostgreSQL database, as several processes are: of each race one wins, and nothing is done twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.contract import Sent
from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway import clock
from gateway.brokers import intake
from gateway.brokers.contract import Caller, Effect
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.brokers.unit import Unit
from gateway.demo import cast
from gateway.doorbell.local import LocalDoorbell
from gateway.identity.directory import caller_for
from gateway.journal.contract import OutboxItem, Room
from gateway.links import MediaLinks
from gateway.session.commands import AcceptInvitation, AcceptWork, End, Invite, Leave, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import EntryKind, Login, Presence, Recipient, RecipientType, Role, Session, Status
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.store import PostgresStore
from gateway.store.transaction import SqlTransaction
from tests import postgresql
from tests.store.backends import migrated

T = TypeVar("T")


class Office:
    """The brokers, and who asks them."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        self.url = url
        self.loaded = loaded = cast.load(1, folder)
        links = MediaLinks("secret", "http://gateway.example")
        self.ground = ground = Ground(loaded.channels, loaded.orgs, links, clock.new_id, clock.now)
        self.brokers = [
            EmbeddedBroker(PostgresStore(url, clock.now), ground, LocalDoorbell(), clock.now, Folder(folder / "media", MEDIA))
            for _ in range(count)
        ]

    @property
    def any(self) -> EmbeddedBroker:
        return random.choice(self.brokers)

    def caller(self, login: str) -> Caller:
        return caller_for(self.loaded.orgs["demo"], login)

    def message(self, name: str, customer: str) -> InboundMessage:
        about = {"channel_id": ChannelId("whatsapp"), "event_id": name, "message_id": name, "received_at": clock.now()}
        who = EndUser(address=Address(customer), name=customer)
        return InboundMessage(**about, end_user=who, parts=(TextPart(text=name),))  # type: ignore[arg-type]

    async def sessions(self) -> list[Session]:
        page = await self.brokers[0].sessions(self.caller("sam"), status=None, mine=False, q=None, cursor=None, limit=200)
        return list(page.items)

    async def taken(self, customer: str) -> Session:
        """One that Ana has, who alone is online."""
        assert await self.any.take_in([self.message(f"hello-{customer}", customer)]) == [None]
        (session,) = (one for one in await self.sessions() if one.end_user.id == customer)
        taken = await self.does(AcceptWork(by=Login("ana")), session.id)
        assert isinstance(taken, Effect), taken
        return taken.session

    async def does(self, command: Any, session_id: str, **more: Any) -> Effect | Refusal:
        return await self.any.command(self.caller(command.by), session_id, command, **more)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with postgresql.database(migrated) as url:
        async with AsyncExitStack() as also:
            one = Office(url, tmp_path, 3)
            for broker in one.brokers:
                await broker.open()
                also.push_async_callback(broker.close)
            yield one


async def test_each_event_is_applied_once_and_each_customer_has_one_session(office: Office) -> None:
    """Every broker is given the same events at the same time, as when a lane is taken over from one that isn't quite dead."""
    batches = [[office.message(f"{customer}-{number}", customer) for customer in ("kim", "lee", "max")] for number in range(8)]
    results = await asyncio.gather(*(broker.take_in(batch) for batch in batches for broker in office.brokers))
    assert all(not any(one) for one in results)
    found = await office.sessions()
    assert sorted(one.end_user.id for one in found) == ["kim", "lee", "max"]
    for session in found:
        page = await office.any.entries(office.caller("sam"), session.id, before=None, after=0, limit=200)
        assert not isinstance(page, Refusal)
        said = [line.entry.text for line in page.items if line.entry.kind is EntryKind.message]
        assert sorted(map(str, said)) == sorted(f"{session.end_user.id}-{number}" for number in range(8))


async def test_of_many_who_accept_one_wins(office: Office) -> None:
    """An invitation of a queue asks all of its reps."""
    await office.any.set_presence(office.caller("ana"), Presence.online)
    for number in range(4):
        session = await office.taken(f"c{number}")
        for login in ("ben", "cleo"):
            await office.any.set_presence(office.caller(login), Presence.online)
        asked = await office.does(
            Invite(by=Login("ana"), recipient=Recipient(type=RecipientType.queue, id="support")), session.id
        )
        assert isinstance(asked, Effect), asked
        assert asked.invitation is not None
        logins = [str(login) for login in asked.invitation.asked] * 10
        assert logins
        accept = [AcceptInvitation(by=Login(login), invitation_id=asked.invitation.id) for login in logins]
        answers = await asyncio.gather(*(office.does(one, session.id) for one in accept))
        assert sum(isinstance(one, Effect) for one in answers) == 1, answers
        (now,) = (one for one in await office.sessions() if one.id == session.id)
        (ana, guest) = sorted(rep.id for rep in now.reps)
        assert isinstance(await office.does(Leave(by=Login(guest)), session.id), Effect)
        for login in ("ben", "cleo"):
            await office.any.set_presence(office.caller(login), Presence.away)
        assert isinstance(await office.does(End(by=Login(ana)), session.id), Effect)


async def test_two_who_leave_at_once_never_leave_nobody(office: Office) -> None:
    await office.any.set_presence(office.caller("ana"), Presence.online)
    for number in range(6):
        session = await office.taken(f"c{number}")
        await office.any.set_presence(office.caller("ben"), Presence.online)
        (host,) = session.reps
        guest = "ben"
        asked = await office.does(Invite(by=Login(host.id), recipient=Recipient(type=RecipientType.agent, id=guest)), session.id)
        assert isinstance(asked, Effect), asked
        assert asked.invitation is not None
        joined = await office.does(AcceptInvitation(by=Login(guest), invitation_id=asked.invitation.id), session.id)
        assert isinstance(joined, Effect), joined
        left = await asyncio.gather(*(office.does(Leave(by=Login(login)), session.id) for login in (host.id, guest)))
        (after,) = (one for one in await office.sessions() if one.id == session.id)
        assert after.status is not Status.active or [p for p in after.participants if p.role is Role.rep]
        assert sum(isinstance(one, Effect) for one in left) == 1, left
        await office.any.set_presence(office.caller("ben"), Presence.away)
        (last,) = after.reps
        assert isinstance(await office.does(End(by=Login(last.id)), session.id), Effect)


async def test_a_command_under_one_key_is_done_once(office: Office) -> None:
    await office.any.set_presence(office.caller("ana"), Presence.online)
    session = await office.taken("kim")
    say = SayToCustomer(by=Login("ana"), text="hello")
    answers = await asyncio.gather(*(office.does(say, session.id, key="once") for _ in range(30)))
    numbers = {answer.entry.number for answer in answers if isinstance(answer, Effect) and answer.entry}
    assert len(numbers) == 1
    assert all(isinstance(answer, Effect) for answer in answers)


@asynccontextmanager
async def kim_moves(office: Office, meanwhile: Awaitable[T]) -> AsyncIterator[asyncio.Task[T]]:
    """Another process applies that Kim has another id now, and commits when what is done `meanwhile` waits for it."""
    database = PostgresDatabase(office.url)
    moves = office.message("moves", "kim2")
    moves = moves.model_copy(update={"end_user": EndUser(address=Address("kim2"), formerly=(Address("kim"),), name="Kim")})
    with closing(database.reader()) as connection, closing(database.reader()) as looks:
        database.begin(connection)
        stored = SqlTransaction(connection, clock.now)
        intake.take_in(Unit(stored, office.ground), moves)
        stored.finish()
        connection.execute("SELECT 1").fetchone()
        task = asyncio.ensure_future(meanwhile)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        async with asyncio.timeout(60):
            while looks.execute(waits).fetchone()[0] == 0:
                assert not task.done(), task
                await asyncio.sleep(0.01)
        database.commit(connection)
        yield task


async def to_kim(office: Office) -> OutboxItem:
    await office.any.set_presence(office.caller("ana"), Presence.online)
    session = await office.taken("kim")
    assert isinstance(await office.does(SayToCustomer(by=Login("ana"), text="hello"), session.id), Effect)
    while True:
        (item, *_) = (await office.brokers[0].outbox.look({"whatsapp": Room(10)})).items
        if item.message.kind == "say":
            return item
        assert await office.brokers[0].outbox.begin(item)
        await office.brokers[0].outbox.settle(item, Sent(message_ids=(f"m-{item.id}",)))


async def test_nothing_is_called_out_to_an_id_that_the_customer_has_just_given_up(office: Office) -> None:
    """The sender has looked where the message goes, and waits for who moves the customer."""
    item = await to_kim(office)
    assert item.message.to == "kim"
    async with kim_moves(office, office.brokers[0].outbox.begin(item)) as begun:
        assert await begun is False
    (again,) = (await office.brokers[0].outbox.look({"whatsapp": Room(10)})).items
    assert (again.id, again.message.to) == (item.id, "kim2")


async def test_what_a_call_is_remembered_by_goes_with_a_customer_who_moves_meanwhile(office: Office) -> None:
    item = await to_kim(office)
    assert await office.brokers[0].outbox.begin(item)
    outcome = Sent(message_ids=("m1",), remember={"window": "open"})
    async with kim_moves(office, office.brokers[0].outbox.settle(item, outcome)) as settled:
        await settled
    known = [
        await office.brokers[0].store.read(lambda stored, who=who: stored.conversations.of("whatsapp", who).memory)  # type: ignore[misc]
        for who in ("kim", "kim2")
    ]
    assert known == [{}, {"window": "open"}]
