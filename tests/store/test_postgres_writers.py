"""Several processes that write to one PostgreSQL database: each a store of its own here, whose writer is a thread with a connection."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from adapters.envelope import (
    Address,
    ChannelId,
    EndUser,
    InboundMessage,
    InboundReceipt,
    MediaPart,
    MediaState,
    ReceiptStatus,
    TextPart,
)
from gateway.clock import now
from gateway.errors import StoreUnavailable
from gateway.session.model import Login, Offer, Presence, Session, SessionEndUser, SessionId, Status
from gateway.store.contract import DueTimer, Transaction
from gateway.store.postgresql.connection import PostgresConnection
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.store import PostgresStore
from gateway.store.transaction import SqlTransaction
from tests import postgresql
from tests.store.backends import migrated

T = TypeVar("T")
AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
KIM = EndUser(address=Address("kim"))


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database(migrated) as url:
        yield url


@asynccontextmanager
async def processes(url: str, count: int = 2) -> AsyncIterator[list[PostgresStore]]:
    async with AsyncExitStack() as also:
        stores = [PostgresStore(url, now) for _ in range(count)]
        for store in stores:
            await store.open()
            also.push_async_callback(store.close)
        yield stores


@contextmanager
def held(url: str) -> Iterator[tuple[PostgresConnection, SqlTransaction]]:
    """A transaction that stays open for as long as the test likes."""
    database = PostgresDatabase(url)
    with closing(database.reader()) as connection:
        database.begin(connection)
        yield connection, SqlTransaction(connection, now)


def session(number: int, *, address: str = "kim", status: Status = Status.waiting) -> Session:
    return Session(
        id=SessionId(f"ses_{number}"),
        org="acme",
        channel_id=ChannelId("sms"),
        channel_type="sms",
        version=1,
        opened_at=AT,
        end_user=SessionEndUser(id=address, name="Kim"),
        status=status,
        queue="support",
    )


def changed(before: Session, **how: Any) -> Session:
    return before.model_copy(update={"version": before.version + 1, **how})


async def each_of(stores: list[PostgresStore], job: Callable[[Transaction], T], times: int) -> list[T]:
    return list(await asyncio.gather(*(stores[number % len(stores)].write(job) for number in range(times))))


async def test_of_many_who_find_or_open_a_session_one_opens_it(url: str) -> None:
    def find_or_open(stored: Transaction) -> bool:
        if stored.sessions.newest_of_address("sms", "kim", "acme") is not None:
            return False
        stored.sessions.save(session(random.randrange(10**9)), before=None)
        return True

    async with processes(url, 4) as stores:
        assert (await each_of(stores, find_or_open, 200)).count(True) == 1


async def test_nobody_saves_over_what_another_has_saved(url: str) -> None:
    def count(stored: Transaction) -> None:
        before = stored.sessions.load("ses_1")
        assert before is not None
        stored.sessions.save(changed(before, last_message=before.last_message + 1), before=before)

    async with processes(url, 3) as stores:
        await stores[0].write(lambda stored: stored.sessions.save(session(1), before=None))
        await each_of(stores, count, 150)
        found = await stores[1].read(lambda stored: stored.sessions.load("ses_1"))
    assert found is not None
    assert (found.last_message, found.version) == (150, 151)


async def test_a_command_under_one_key_is_done_once(url: str) -> None:
    done = []

    def once(stored: Transaction) -> str:
        if (first := stored.records.first_answer("acme", "ana", "key")) is not None:
            return first[1]
        answer = str(random.random())
        stored.records.keep_answer("acme", "ana", "key", "print", answer)
        stored.timers.set("ses_1", "effect", answer, AT, AT)
        done.append(answer)
        return answer

    async with processes(url, 3) as stores:
        answers = await each_of(stores, once, 60)
        effects = await stores[0].read(lambda stored: stored.timers.due(AT.timestamp()))
    assert len(set(answers)) == 1
    assert [one.ref for one in effects] == [answers[0]]


async def test_an_event_is_seen_first_once(url: str) -> None:
    async with processes(url, 3) as stores:
        seen = await each_of(stores, lambda stored: stored.conversations.first_sight("sms", "e1"), 60)
    assert seen.count(True) == 1


async def test_a_timer_fires_once(url: str) -> None:
    timer = DueTimer("ses_1", "offer", "", AT.timestamp(), AT.timestamp())
    async with processes(url, 3) as stores:
        await stores[0].write(lambda stored: stored.sessions.save(session(1), before=None))
        await stores[0].write(lambda stored: stored.timers.set("ses_1", "offer", "", AT, AT))
        taken = await each_of(stores, lambda stored: stored.timers.take(timer), 60)
    assert taken.count(True) == 1


async def test_what_is_remembered_of_a_customer_is_all_remembered(url: str) -> None:
    async with processes(url, 3) as stores:
        jobs = [
            stores[number % 3].write(
                lambda stored, number=number: stored.conversations.remember("sms", "kim", {f"k{number}": number}, wrote_at=number)  # type: ignore[misc]
            )
            for number in range(60)
        ]
        await asyncio.gather(*jobs)
        known = await stores[0].read(lambda stored: stored.conversations.of("sms", "kim"))
    assert known.memory == {f"k{number}": number for number in range(60)}
    assert known.last_inbound_at == 59


async def test_a_rep_is_given_no_more_than_they_can_take(url: str) -> None:
    def offer(stored: Transaction) -> bool:
        if stored.sessions.load_of("acme", "ana") >= 5:
            return False
        one = session(random.randrange(10**9), address=str(random.random()))
        offer = Offer(rep=Login("ana"), queue="support", offered_at=AT, expires_at=AT)
        stored.sessions.save(one.model_copy(update={"offer": offer}), before=None)
        return True

    async with processes(url, 4) as stores:
        assert (await each_of(stores, offer, 60)).count(True) == 5


async def test_a_rep_who_comes_free_and_a_session_that_comes_to_wait_find_each_other(url: str) -> None:
    """Whoever is second sees what the first has written."""
    async with processes(url, 2) as (one, other):
        for number in range(30):

            def comes(stored: Transaction, number: int = number) -> bool:
                stored.sessions.save(session(number, address=f"c{number}"), before=None)
                found = stored.reps.presence("acme", f"ana{number}", steady=now, grace_seconds=30)
                return found.status is Presence.online

            def comes_free(stored: Transaction, number: int = number) -> bool:
                stored.reps.set_presence("acme", f"ana{number}", Presence.online)
                return f"ses_{number}" in stored.sessions.to_route("acme", "support", 1000)

            assert any(await asyncio.gather(one.write(comes), other.write(comes_free)))


async def test_a_receipt_that_comes_while_the_message_is_written_down_as_sent_is_not_lost(url: str) -> None:
    """It has no customer, so nothing but the message's name is held by both."""
    async with processes(url, 2) as (sender, broker):
        for number in range(30):
            name = f"wamid.{number}"
            receipt = InboundReceipt(
                channel_id=ChannelId("sms"), event_id=name, received_at=AT, status=ReceiptStatus.read, message_ids=(name,)
            )

            def sent(stored: Transaction, name: str = name) -> bool:
                stored.message_ids.name("sms", name, "ses_1", 1)
                return bool(stored.conversations.unpark("sms", [name]))

            def comes(stored: Transaction, receipt: InboundReceipt = receipt, name: str = name) -> bool:
                if stored.message_ids.of("sms", name) is not None:
                    return True
                stored.conversations.park(receipt, [name])
                return False

            assert sorted(await asyncio.gather(sender.write(sent), broker.write(comes))) in ([False, True], [True, True])


async def test_numbers_of_events_are_committed_in_their_order(url: str) -> None:
    """Readers go on after the last that they have read, while transactions are held open on purpose."""
    read: list[int] = []
    over = threading.Event()
    written = []

    def add(stored: Transaction, name: str) -> None:
        stored.events.add(org="acme", session_id=name, type="entry", audience={"rep:ana"}, data={"name": name})

    def slow_writer(who: int) -> None:
        database, rng = PostgresDatabase(url), random.Random(who)
        with closing(database.reader()) as connection:
            for number in range(25):
                database.begin(connection)
                stored = SqlTransaction(connection, now)
                for part in range(rng.randrange(1, 4)):
                    name = f"{who}-{number}-{part}"
                    add(stored, name)
                    written.append(name)
                stored.finish()
                over.wait(rng.random() * 0.02)  # with all of it in hand
                database.commit(connection)

    names: list[str] = []

    def read_on(store: Any) -> int:
        found = store.events.after(read[-1] if read else 0)
        read.extend(one.number for one in found)
        names.extend(one.data["name"] for one in found)
        return len(found)

    async with processes(url, 1) as (reader,):
        writers = [asyncio.to_thread(slow_writer, who) for who in range(4)]
        running = asyncio.gather(*writers)
        while not running.done():
            await reader.read(read_on)
            await asyncio.sleep(0)
        await running
        await reader.read(read_on)
        newest = await reader.read(lambda stored: stored.events.newest())
    assert sorted(names) == sorted(written)
    assert read == list(range(1, len(written) + 1))
    assert newest == len(written)


async def test_who_holds_a_transaction_open_before_its_events_hinders_nobody(url: str) -> None:
    async with processes(url, 1) as (store,):
        with held(url) as (connection, stored):
            stored.events.add(org="acme", session_id="slow", type="entry", audience=(), data={})
            stored.sessions.save(session(1), before=None)
            stored.finish()
            assert stored.sessions.load("ses_1") is not None  # all but its events is in the database
            for name in ("a", "b"):
                await store.write(
                    lambda one, name=name: one.events.add(org="acme", session_id=name, type="entry", audience=(), data={})  # type: ignore[misc]
                )
            assert [one.session_id for one in await store.read(lambda one: one.events.after(0))] == ["a", "b"]
            connection.execute("COMMIT")
        found = await store.read(lambda one: one.events.after(2))
    assert [(one.number, one.session_id) for one in found] == [(3, "slow")]


async def test_events_of_a_job_that_failed_are_told_to_nobody(url: str) -> None:
    def add(stored: Transaction, name: str) -> None:
        stored.events.add(org="acme", session_id=name, type="entry", audience=(), data={})

    def jobs(stored: Transaction) -> None:
        def fails() -> None:
            add(stored, "failed")
            stored.timers.next_due()  # needs a statement: then it is in a savepoint of its own
            raise ValueError("on purpose")

        stored.each([lambda: add(stored, "first"), fails, lambda: add(stored, "last")])

    async def failing(store: PostgresStore) -> None:
        def job(stored: Transaction) -> None:
            add(stored, "failed")
            raise ValueError("on purpose")

        with pytest.raises(ValueError, match="on purpose"):
            await store.write(job)

    async with processes(url, 1) as (store,):
        await asyncio.gather(store.write(jobs), failing(store), store.write(lambda stored: add(stored, "other")))
        found = await store.read(lambda stored: stored.events.after(0))
    assert sorted(str(one.session_id) for one in found) == ["first", "last", "other"]


async def test_two_who_hold_what_the_other_wants_both_end(url: str) -> None:
    def count(stored: Transaction, numbers: list[int]) -> None:
        for number in numbers:
            before = stored.sessions.load(f"ses_{number}")
            assert before is not None
            stored.sessions.load_of("acme", f"ana{number}")
            stored.sessions.save(changed(before, last_message=before.last_message + 1), before=before)

    async with processes(url, 2) as stores:
        await _six(stores[0])
        pairs = [random.sample(range(6), 2) for _ in range(60)]
        jobs = [stores[number % 2].write(partial(count, numbers=pair)) for number, pair in enumerate(pairs)]
        await asyncio.gather(*jobs)
        found = await stores[0].read(lambda stored: stored.sessions.several([f"ses_{number}" for number in range(6)]))
    assert sum(one.last_message for one in found.values()) == 120


async def _six(store: PostgresStore, **having: Any) -> None:
    sessions = [session(number, address=f"c{number}").model_copy(update=having) for number in range(6)]

    def save(stored: Transaction) -> None:
        for one in sessions:
            stored.sessions.save(one, before=None)

    await store.write(save)


@pytest.mark.parametrize("seed", range(3))
async def test_two_writers_of_random_jobs_end_as_some_order_of_them_would(url: str, seed: int) -> None:
    """Each job moves an amount between two of six sessions, if there is so much: in any order, one after the other, nothing is lost and nothing is below zero."""
    rng = random.Random(seed)

    async with processes(url, 2) as stores:
        await _six(stores[0], last_message=10)

        def move(stored: Transaction, give: int, take: int, much: int) -> int:
            giver, taker = stored.sessions.load(f"ses_{give}"), stored.sessions.load(f"ses_{take}")
            assert giver is not None
            assert taker is not None
            if giver.last_message < much:
                return 0
            stored.sessions.save(changed(giver, last_message=giver.last_message - much), before=giver)
            stored.sessions.save(changed(taker, last_message=taker.last_message + much), before=taker)
            return 1

        jobs = []
        for number in range(400):
            give, take = rng.sample(range(6), 2)
            values = (give, take, rng.randrange(1, 8))
            jobs.append(stores[number % 2].write(lambda stored, values=values: move(stored, *values)))  # type: ignore[misc]
        moved = sum(await asyncio.gather(*jobs))
        found = await stores[0].read(lambda stored: stored.sessions.several([f"ses_{number}" for number in range(6)]))
    assert sum(one.last_message for one in found.values()) == 60
    assert min(one.last_message for one in found.values()) >= 0
    assert sum(one.version - 1 for one in found.values()) == 2 * moved


async def test_filing_leaves_out_what_another_is_at(url: str) -> None:
    async with processes(url, 1) as (store,):
        before = session(1, status=Status.ended)
        await store.write(lambda stored: stored.sessions.save(before, before=None))
        with held(url) as (connection, stored):
            kept = stored.sessions.load("ses_1")
            stored.sessions.save(changed(before, status=Status.waiting), before=kept)
            stored.sessions.several(["ses_1"])  # it is written, not committed
            assert await store.write(lambda one: one.lists.file(100)) == 0
            stored.finish()
            connection.execute("COMMIT")
        assert await store.write(lambda one: one.lists.file(100)) == 0
        assert await store.read(lambda one: one.sessions.of_rep("acme", "ana", "in")) == []


async def test_who_decides_for_an_org_waits_for_others_commits_without_doing_it_again(url: str) -> None:
    """Its patience with conversations is short; a disk that stands still for a moment is no reason to begin anew."""
    done = []

    def decide(stored: Transaction) -> None:
        done.append(stored.sessions.load_of("acme", "ana"))
        stored.events.add(org="acme", session_id=None, type="presence", audience=["supervisors"], data={})

    async with processes(url, 1) as (store,):
        with held(url) as (connection, _), closing(PostgresDatabase(url).reader()) as looks:
            connection.execute("UPDATE event_numbers SET last = last RETURNING last").fetchone()
            writing = asyncio.create_task(store.write(decide))
            async with asyncio.timeout(60):
                while looks.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0] == 0:
                    assert not writing.done(), writing
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.6)  # three times its patience
            connection.execute("COMMIT")
        await writing
    assert len(done) == 1


async def test_who_waits_in_vain_for_what_another_holds_is_told_to_come_again(url: str) -> None:
    """It isn't the job's fault: an event that meets this is not given up."""

    def against_the_order(stored: Transaction) -> None:
        stored.sessions.load_of("acme", "ana")
        stored.sessions.newest_of_address("sms", "kim", "acme")

    async with processes(url, 1) as (store,):
        with held(url) as (connection, other):
            other.sessions.newest_of_address("sms", "kim", "acme")
            with pytest.raises(StoreUnavailable, match="held"):
                await store.write(against_the_order)
            connection.execute("ROLLBACK")
        await store.write(against_the_order)


async def test_a_file_that_is_there_is_not_called_lost_by_a_slower_process(url: str) -> None:
    """It was taken for dead while it fetched, another has fetched the file, and the provider gives it out once."""
    part = MediaPart(media="image", state=MediaState.pending)
    async with processes(url) as (quick, slow):
        await quick.write(lambda stored: stored.media.add("med_1", part, org="acme", channel_id="sms"))
        await quick.write(lambda stored: stored.media.settle("med_1", MediaState.ready, size_bytes=3))
        await slow.write(lambda stored: stored.media.settle("med_1", MediaState.failed, reason="gone"))
        found = await quick.read(lambda stored: stored.media.get("med_1"))
    assert found is not None
    assert (found.state, found.reason) == ("ready", None)


async def test_what_was_kept_aside_may_be_thrown_away_before_it_is_taken(url: str) -> None:
    said = InboundMessage(
        channel_id=ChannelId("sms"), event_id="e1", message_id="m1", received_at=AT, end_user=KIM, parts=(TextPart(text="hi"),)
    )
    async with processes(url) as (one, _):
        await one.write(lambda stored: stored.aside.keep(said, "kim"))
        with held(url) as (connection, stored):
            stored.aside.read_ahead("sms", ["kim"])()
            with closing(PostgresDatabase(url).reader()) as other:
                PostgresDatabase(url).begin(other)
                purging = SqlTransaction(other, lambda: now() + timedelta(days=10))
                purging.records.purge(100)
                other.execute("COMMIT")
            assert stored.aside.take("sms", "kim") == ((), 0)
            connection.execute("ROLLBACK")
