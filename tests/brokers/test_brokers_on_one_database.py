"""Several brokers on one PostgreSQL database, as several processes are: of each race one wins, and nothing is done twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway import clock
from gateway.brokers.contract import Caller, Effect
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.demo import cast
from gateway.doorbell.local import LocalDoorbell
from gateway.identity.directory import caller_for
from gateway.links import MediaLinks
from gateway.session.commands import AcceptInvitation, AcceptWork, End, Invite, Leave, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import EntryKind, Login, Presence, Recipient, RecipientType, Role, Session, Status
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.postgresql.store import PostgresStore
from tests import postgresql
from tests.store.backends import migrated


class Office:
    """The brokers, and who asks them."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        self.loaded = loaded = cast.load(1, folder)
        links = MediaLinks("secret", "http://gateway.example")
        ground = Ground(loaded.channels, loaded.orgs, links, clock.new_id, clock.now)
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
