"""Files that no entry names: thrown away after a day, row and bytes; those that an entry names stay. On a real SQLite file and a real folder."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, MediaPart, TextPart
from gateway.app import Gateway
from gateway.brokers.contract import Caller, Effect
from gateway.brokers.embedded import EmbeddedBroker
from gateway.demo import cast
from gateway.errors import StoreUnavailable
from gateway.identity.directory import caller_for
from gateway.session.commands import AcceptWork, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Presence
from gateway.store.files import FileStore

DAY = timedelta(days=1)


class World:
    """A broker of the demo's, at a time that the test sets."""

    def __init__(self, data_dir: Path) -> None:
        self.now = datetime(2026, 11, 2, 8, tzinfo=UTC)
        gateway = Gateway(cast.load(1, data_dir), demo=True, clock=lambda: self.now)
        self.broker: EmbeddedBroker = gateway.broker
        self._store = gateway.store
        self.kept: FileStore = gateway.files
        self.root = data_dir / "media"
        self.ana: Caller = caller_for(gateway.loaded.orgs["demo"], "ana")

    async def conversation(self) -> str:
        """Kim has written, and Ana has taken it; the session."""
        await self.broker.connected(self.ana)
        await self.broker.set_presence(self.ana, Presence.online)
        wrote = InboundMessage(
            channel_id=ChannelId("whatsapp"),
            event_id="kim-1",
            message_id="kim-1",
            end_user=EndUser(address=Address("kim"), name="Kim"),
            received_at=self.now,
            parts=(TextPart(text="hello"), MediaPart(media="image", source={"id": "1"})),
        )
        assert await self.broker.take_in([wrote]) == [None]
        page = await self.broker.sessions(self.ana, status=None, mine=False, q=None, cursor=None, limit=10)
        (session,) = page.items
        assert isinstance(await self.broker.command(self.ana, session.id, AcceptWork(by=self.ana.login)), Effect)
        return session.id

    async def upload(self, content: bytes = b"picture") -> MediaPart:
        return await self.broker.store_file(self.ana, "hinge.png", "image/png", content)

    async def says(self, session_id: str, part: MediaPart, key: str | None = None) -> Effect | Refusal:
        command = SayToCustomer(by=self.ana.login, file=part)
        return await self.broker.command(self.ana, session_id, command, key=key)

    async def purged(self) -> None:
        await self.broker.purge()

    async def rows(self) -> set[str]:
        return set(await self._store.readers.run(lambda c: [row["id"] for row in c.execute("SELECT id FROM media")]))

    async def bytes_of(self, part: MediaPart) -> bytes | None:
        try:
            return await self.kept.read(part.media_id or "")
        except FileNotFoundError:
            return None

    def files(self) -> int:
        return sum(1 for path in self.root.rglob("*") if path.is_file())


@asynccontextmanager
async def world(data_dir: Path) -> AsyncIterator[World]:
    one = World(data_dir)
    await one.broker.open()
    try:
        yield one
    finally:
        await one.broker.close()


async def test_a_file_whose_message_was_refused_goes_after_a_day(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        session_id = await one.conversation()
        kept = await one.upload(b"kept")
        assert isinstance(await one.says(session_id, kept), Effect)
        refused = await one.upload(b"refused")
        answer = await one.broker.command(one.ana, session_id, SayToCustomer(by=one.ana.login, file=refused, reply_to=99))
        assert isinstance(answer, Refusal)
        one.now += DAY
        await one.purged()
        assert await one.bytes_of(refused) == b"refused"  # to the day, not before
        one.now += timedelta(seconds=1)
        before = await one.rows()
        await one.purged()
        assert await one.bytes_of(refused) is None
        assert before - await one.rows() == {refused.media_id}
        assert await one.bytes_of(kept) == b"kept"


async def test_a_file_that_came_twice_under_one_key_stays_once(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        session_id = await one.conversation()
        first, again = await one.upload(), await one.upload()
        told = [await one.says(session_id, part, key="k") for part in (first, again)]
        assert told[0] == told[1]
        one.now += 2 * DAY
        await one.purged()
        assert (await one.bytes_of(first), await one.bytes_of(again)) == (b"picture", None)
        assert again.media_id not in await one.rows()


async def test_a_customer_s_file_stays_though_it_was_never_fetched(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.conversation()
        (theirs,) = await one.rows()
        one.now += 100 * DAY
        await one.purged()
        assert await one.rows() == {theirs}


async def test_more_files_than_are_taken_at_a_time_go_in_one_purge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.brokers.embedded._FILES_AT_A_TIME", 2)
    async with world(tmp_path) as one:
        for _ in range(5):
            await one.upload()
        assert one.files() == 5
        one.now += 2 * DAY
        await one.purged()
        assert (one.files(), await one.rows()) == (0, set())


async def test_a_full_disk_leaves_no_bytes_behind_and_its_row_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as one:

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "no space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("gateway.store.folder.os.fsync", full)
            with pytest.raises(StoreUnavailable, match="no space left"):
                await one.upload()
        assert one.files() == 0, "nothing in part, on a disk that has no room"
        one.now += 2 * DAY
        await one.purged()
        assert (one.files(), await one.rows()) == (0, set())


async def test_a_purge_that_was_cut_off_is_taken_up_again(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        part = await one.upload()
        await one.kept.delete([part.media_id or ""])  # the bytes are gone, and the process died before the row was
        one.now += 2 * DAY
        await one.purged()
        assert await one.rows() == set()
