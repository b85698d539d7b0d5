"""Gateways side by side on one PostgreSQL, as processes are: each message is sent by one of them, who types is seen everywhere, and who is connected is known to all."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import psycopg
import pytest
from aiohttp import web

from adapters.contract import Sent
from adapters.envelope import Address, ChannelId, EndUser, InboundTyping
from gateway.errors import Fenced
from gateway.journal.contract import Room
from gateway.session.decision import Refusal
from gateway.session.model import EntryKind, Presence
from gateway.shard import Shard
from gateway.store.lanes import ALL_LANES
from gateway.workers import Workers
from tests import postgresql
from tests.journal.outpost import Outpost, sms
from tests.journal.provider import Answering, OddProvider, Seen, odd_provider
from tests.store.backends import migrated
from tests.world import wait_until

_sids = itertools.count(1)


class Clocks:
    """The steady clock of all of them."""

    ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def taken() -> Answering:
    def answer(seen: Seen) -> web.Response:
        return web.json_response({"sid": f"SM{next(_sids):032x}", "status": "queued"}, status=201)

    return answer


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        one.will(taken())
        yield one


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database(migrated) as one:
        yield one


def shard_of(one: Outpost) -> Shard:
    return one.gateway.shards[0]


@asynccontextmanager
async def side_by_side(
    url: str,
    folder: Path,
    provider: OddProvider,
    count: int = 2,
    *,
    without: str = "",
    clock: Clocks | None = None,
    rate: float = 500,
) -> AsyncIterator[list[Outpost]]:
    """Each does all of its work but that of one name, and has its share of all lanes."""
    channel = sms(provider.address, messages_per_second=rate)
    async with AsyncExitStack() as stack:
        made: list[Outpost] = []
        for number in range(count):
            where = folder / str(number)
            one = Outpost(where, {"sms": channel}, steady=clock, store=url, media_secret="a-secret-of-some-length")
            made.append(one)
            shard, workers = shard_of(one), Workers()
            await shard.open()
            stack.push_async_callback(shard.close)
            stack.push_async_callback(shard.close_inbox)
            stack.push_async_callback(one.gateway.driver.close)
            stack.push_async_callback(workers.stop)
            for name, work in shard.work().items():
                if name != without:
                    workers.start(name, work)

        def shared_out() -> bool:
            shares = [shard_of(one).engine.share.lanes("sender") for one in made]
            return frozenset().union(*shares) == ALL_LANES and all(shares)

        await wait_until(shared_out, what="all lanes are somebody's")
        yield made


def shown(provider: OddProvider) -> list[str]:
    return [parse_qs(seen.body.decode())["Body"][0] for seen in provider.seen]


async def conversations(one: Outpost, count: int) -> list[str]:
    return [await one.conversation("sms", f"+1555{number:07}") for number in range(count)]


async def all_over(one: Outpost, session_ids: list[str]) -> None:
    for session_id in session_ids:

        async def over(session_id: str = session_id) -> bool:
            return not {"queued", "sending"} & set(await one.states(session_id))

        await wait_until(over, what="nothing waits", deadline=90)


async def test_each_message_is_sent_once_and_in_order_whoever_sends_and_leaves(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    async with side_by_side(url, tmp_path, provider) as (one, other):
        session_ids = await conversations(one, 12)
        for turn in range(4):
            for session_id in session_ids:
                await (one, other)[turn % 2].say(session_id, f"{session_id} {turn}")
        await shard_of(other).engine.share.leave()
        for session_id in session_ids:
            await one.say(session_id, f"{session_id} 4")
        await all_over(one, session_ids)
        for session_id in session_ids:
            assert await one.states(session_id) == ["sent"] * 5
        by_session: defaultdict[str, list[str]] = defaultdict(list)
        for text in shown(provider):
            session_id, _, number = text.rpartition(" ")
            by_session[session_id].append(number)
        assert by_session == {session_id: list("01234") for session_id in session_ids}


async def test_what_was_taken_up_under_a_name_that_is_gone_is_not_sent(provider: OddProvider, url: str, tmp_path: Path) -> None:
    async with side_by_side(url, tmp_path, provider, 1, without="sender") as (one,):
        session_ids = await conversations(one, 1)
        await one.say(session_ids[0], "hello")
        share, outbox = shard_of(one).engine.share, one.broker.outbox
        item = (await outbox.look({"sms": Room(1)})).items[0]
        assert item.worker == share.worker
        assert not await outbox.begin(item.model_copy(update={"worker": "another"}))
        assert await one.states(session_ids[0]) == ["queued"]
        assert await outbox.begin(item)
        with pytest.raises(Fenced):
            await outbox.settle(item.model_copy(update={"worker": "another"}), Sent())
        assert await one.states(session_ids[0]) == ["sending"]
        await outbox.settle(item, Sent())
        assert await one.states(session_ids[0]) == ["sent"]


async def test_what_another_process_is_sending_is_left_alone_while_that_is_alive(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    """Whosever its lane is: a conversation may have got another address, and with it another lane."""
    async with side_by_side(url, tmp_path, provider, 2, without="sender") as (one, other):
        session_id = (await conversations(one, 1))[0]
        await one.say(session_id, "hello")
        holder, rest = (one, other) if (await one.broker.outbox.look({"sms": Room(1)})).items else (other, one)
        item = (await holder.broker.outbox.look({"sms": Room(1)})).items[0]
        assert await holder.broker.outbox.begin(item)
        theirs = item.model_copy(update={"worker": shard_of(rest).engine.share.worker})
        assert not await rest.broker.outbox.begin(theirs)
        await shard_of(holder).engine.share.close()  # dead, in the middle of the call

        async def found() -> bool:
            items = (await rest.broker.outbox.look({"sms": Room(1)})).items
            return bool(items) and items[0].lost_at is not None

        await wait_until(found, what="whoever has the lane now takes its outcome for unknown")
        assert await rest.broker.outbox.begin(theirs)


async def test_who_types_is_seen_by_reps_everywhere_and_told_to_the_customer_by_one(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    async with side_by_side(url, tmp_path, provider, 2, without="sender") as (one, other):
        session_id = (await conversations(one, 1))[0]
        seen: list[str] = []

        async def listens() -> None:
            async for some in other.broker.events(other.ana, None):
                seen.extend(event.data["who"]["role"] for event in some if event.type == "typing")

        listening = asyncio.create_task(listens())
        try:
            typing = InboundTyping(
                channel_id=ChannelId("sms"),
                event_id="types",
                received_at=datetime.now(UTC),
                end_user=EndUser(address=Address("+15550000000")),
                on=True,
            )

            async def is_seen() -> bool:
                await one.broker.take_in([typing])
                return "end_user" in seen

            await wait_until(is_seen, what="the customer's typing reaches the other process")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        assert not isinstance(await other.broker.typing(other.ana, session_id, on=True), Refusal)


async def test_L5_a_rep_is_connected_while_any_process_has_a_stream_of_theirs(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    async with side_by_side(url, tmp_path, provider) as (one, other):

        async def connected() -> bool:
            return (await one.broker.presence(one.ana)).connected

        await one.broker.connected(one.ana)
        await other.broker.connected(other.ana)
        await one.broker.disconnected(one.ana)
        assert await connected(), "by the other process"
        await one.broker.connected(one.ana)
        await other.broker.disconnected(other.ana)
        assert await connected()
        await one.broker.disconnected(one.ana)
        assert not await connected()


async def test_L5_what_a_process_had_that_is_gone_is_missed_by_the_others(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    clock = Clocks()
    async with side_by_side(url, tmp_path, provider, clock=clock) as (one, other):
        await one.broker.set_presence(one.ana, Presence.online)
        await one.broker.connected(one.ana)
        await other.broker.connected(other.ana)
        await shard_of(other).engine.share.close()  # gone, with its streams
        await asyncio.sleep(1.5)
        assert (await one.broker.presence(one.ana)).connected, "only its own rows go"
        await one.broker.disconnected(one.ana)

        async def gone() -> bool:
            return not (await one.broker.presence(one.ana)).connected

        await wait_until(gone, what="the grace time begins")
        assert (await one.broker.presence(one.ana)).status is Presence.online
        clock.ahead += timedelta(seconds=121)
        assert (await one.broker.presence(one.ana)).status is Presence.offline


async def test_L5_who_comes_back_under_another_name_has_its_streams_again(
    provider: OddProvider, url: str, tmp_path: Path
) -> None:
    async with side_by_side(url, tmp_path, provider, 1) as (one,):
        await one.broker.connected(one.ana)
        share = shard_of(one).engine.share
        old = share.worker
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE byoc.workers SET gone = true")
        await wait_until(lambda: share.worker != old and share.has("adrift"), what="it is back")

        async def held() -> bool:
            return await one.broker.store.read(lambda stored: stored.reps.held_here()) == {("acme", "ana")}

        await wait_until(held, what="its streams are written down again")
        await wait_until(lambda: adrift_is_empty(one), what="what it had under the old name is gone")
        assert (await one.broker.presence(one.ana)).connected


async def adrift_is_empty(one: Outpost) -> bool:
    return not await one.broker.store.read(lambda stored: stored.reps.adrift())


async def test_timers_fire_once_over_all_brokers(provider: OddProvider, url: str, tmp_path: Path) -> None:
    clock = Clocks()
    async with side_by_side(url, tmp_path, provider, clock=clock, without="timers") as (one, other):
        session_ids = await conversations(one, 20)
        await one.broker.connected(one.ana)
        await one.broker.disconnected(one.ana)
        clock.ahead += timedelta(seconds=121)
        work = [asyncio.create_task(broker.run_timers()) for broker in (one.broker, other.broker)]

        async def left() -> bool:
            return all(
                [
                    [line.entry.kind for line in await one.lines(session_id)].count(EntryKind.participant_left)
                    for session_id in session_ids
                ]
            )

        try:
            await wait_until(left, what="Ana has left all of them")
            await asyncio.sleep(0.5)
            for session_id in session_ids:
                assert [line.entry.kind for line in await one.lines(session_id)].count(EntryKind.participant_left) == 1
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
