"""What a batch costs on PostgreSQL: as many waits for the server, however many events are in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway import clock
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.demo import cast
from gateway.doorbell.local import LocalDoorbell
from gateway.identity.directory import caller_for
from gateway.links import MediaLinks
from gateway.session.commands import AcceptWork, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.store import PostgresStore
from tests import postgresql
from tests.store.backends import migrated

_MOST = 6  # 0 for the beginning and the writes, 2 to read ahead, 2 for routing's presence, and the commit


class Counted:
    """A broker on a database of its own, whose writer's waits are counted."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded = cast.load(1, folder)
        ground = Ground(loaded.channels, loaded.orgs, MediaLinks("secret", "http://gateway.example"), clock.new_id, clock.now)
        opened = PostgresDatabase.open

        def open_(database: PostgresDatabase) -> PostgresConnection:
            self.connection = opened(database)
            return self.connection

        monkeypatch.setattr(PostgresDatabase, "open", open_)
        store = PostgresStore(url, clock.now)
        self.broker = EmbeddedBroker(store, ground, LocalDoorbell(), clock.now, Folder(folder / "media", MEDIA))
        self.ana = caller_for(loaded.orgs["demo"], "ana")
        self._events = 0

    def messages(self, count: int) -> list[InboundMessage]:
        """Of as many customers, the same ones each time."""
        made = []
        for number in range(count):
            self._events += 1
            name = f"e{self._events}"
            about = {"channel_id": ChannelId("whatsapp"), "event_id": name, "message_id": name, "received_at": clock.now()}
            who = EndUser(address=Address(f"customer-{number}"), name=f"Customer {number}")
            made.append(InboundMessage(**about, end_user=who, parts=(TextPart(text="hello"),)))  # type: ignore[arg-type]
        return made

    async def trips(self, count: int) -> int:
        """For a batch of so many."""
        batch, before, commits = self.messages(count), self.connection.round_trips, self.broker.store.writer.commits  # type: ignore[attr-defined]
        done = await self.broker.take_in(batch)
        assert list(done) == [None] * count
        assert self.broker.store.writer.commits == commits + 1  # type: ignore[attr-defined]
        return self.connection.round_trips - before


@pytest.fixture
async def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    with postgresql.database(migrated) as url:
        one = Counted(url, tmp_path, monkeypatch)
        await one.broker.open()
        yield one
        await one.broker.close()


async def test_a_batch_costs_the_same_however_many_events_are_in_it(counted: Counted) -> None:
    assert await counted.trips(300) <= _MOST  # all open a session
    assert await counted.trips(300) <= _MOST  # all add to one
    assert await counted.trips(10) <= _MOST
    assert await counted.trips(1) <= _MOST


async def test_a_command_costs_a_handful(counted: Counted) -> None:
    await counted.broker.set_presence(counted.ana, Presence.online)
    await counted.trips(1)
    (waiting,) = (await counted.broker.sessions(counted.ana, status=None, mine=False, q=None, cursor=None, limit=10)).items
    accepted = await counted.broker.command(counted.ana, waiting.id, AcceptWork(by=Login("ana")))
    assert not isinstance(accepted, Refusal)
    before = counted.connection.round_trips
    said = await counted.broker.command(counted.ana, waiting.id, SayToCustomer(by=Login("ana"), text="hello"), key="k1")
    assert not isinstance(said, Refusal)
    assert counted.connection.round_trips - before <= _MOST
