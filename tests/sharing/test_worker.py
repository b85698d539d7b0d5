"""Sharing work among processes, on a real server: nothing is done twice, nothing is left undone, whoever dies or stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import now
from gateway.doorbell.postgresql import PostgresDoorbell
from gateway.errors import Fenced, StoreUnavailable
from gateway.sharing.alone import AllMine
from gateway.sharing.contract import Group, Sharing, of_lanes
from gateway.sharing.worker import Worker
from gateway.store.lanes import ALL_LANES
from gateway.store.leases import About, Leases
from gateway.store.postgresql.connecting import connect
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.postgresql.store import PostgresStore
from tests import postgresql
from tests.proxy import link
from tests.world import wait_until

ROOT = Path(__file__).resolve().parents[2]
GROUPS = [of_lanes("broker"), Group("broker", ("purge", "filing", "timers"))]
SHORT = 3.0  # a lease, where somebody dies of it
WORK = "CREATE TABLE byoc.work (n bigserial, lane int, worker text, process text, holder text)"


def migrated(url: str) -> None:
    PostgresDatabase(url).open().close()


@contextmanager
def a_database() -> Iterator[str]:
    with postgresql.database(migrated) as url:
        yield url


def sql(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    with connect(url) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


# ------------------------------------------------------------------------------------------------------ in this process


def worker_of(url: str, *, process: str = "nobody", lease_seconds: float = 6.0, bell: PostgresDoorbell | None = None) -> Worker:
    """`process`: the connections of the tests' own process aren't to be cut."""
    leases = Leases(PostgresDatabase(url), lease_seconds=lease_seconds)
    return Worker(leases, About(process, "here", os.getpid(), "1"), bell=bell, lease_seconds=lease_seconds)


@asynccontextmanager
async def workers(url: str, count: int, *, lease_seconds: float = 6.0) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            bell = PostgresDoorbell(partial(connect, url))
            await bell.start()
            stack.push_async_callback(bell.close)
            one = worker_of(url, bell=bell, lease_seconds=lease_seconds)
            await one.start(GROUPS)
            stack.push_async_callback(one.close)
            await wait_until(lambda one=one: one.worker, what="it is registered")  # type: ignore[misc]
            made.append(one)
        yield made


def shared_out(*those: Sharing) -> bool:
    """Whether each lane, and each duty, is somebody's, and nobody else's."""
    lanes = Counter(lane for one in those for lane in one.lanes("broker"))
    single = [sum(one.has(duty) for one in those) for duty in ("purge", "filing", "timers")]
    assert not lanes or max(lanes.values()) == 1, lanes
    assert max(single) <= 1
    return lanes.keys() == ALL_LANES and single == [1, 1, 1]


async def test_the_work_is_shared_out_evenly_and_goes_on_when_somebody_leaves() -> None:
    with a_database() as url:
        async with workers(url, 3) as (one, two, three):
            assert (one.first, two.first, three.first) == (True, False, False)
            await wait_until(lambda: shared_out(one, two, three) and max(len(w.lanes("broker")) for w in (one, two, three)) == 22)
            assert [w.live("broker") for w in (one, two, three)] == [3, 3, 3]
            await two.leave()
            assert two.lanes("broker") == frozenset()
            await two.close()
            await wait_until(lambda: shared_out(one, three) and len(one.lanes("broker")) == 32, what="the others have its share")


async def test_duties_are_let_go_of_after_what_is_in_progress() -> None:
    with a_database() as url:
        async with workers(url, 1) as (one,):
            await wait_until(lambda: shared_out(one))
            asked: list[frozenset[str]] = []
            finished = asyncio.Event()

            async def finish(duties: frozenset[str]) -> None:
                asked.append(duties)
                await finished.wait()

            one.before_letting_go(finish)
            two = worker_of(url)
            await two.start(GROUPS)
            try:
                await wait_until(lambda: asked, what="half of it is to be let go of")
                assert not any(one.has(duty) for duty in asked[0]), "nothing new of it is begun"
                await asyncio.sleep(1.5)  # beats
                assert two.lanes("broker") == frozenset()
                finished.set()
                await wait_until(lambda: shared_out(one, two))
                assert len(two.lanes("broker")) == 32
            finally:
                await two.close()


async def test_changes_are_told() -> None:
    with a_database() as url:
        async with workers(url, 1) as (one,):
            told: list[int] = []
            one.on_change(lambda: told.append(len(one.lanes("broker"))))
            await wait_until(lambda: shared_out(one))
            two = worker_of(url)
            await two.start(GROUPS)
            await wait_until(lambda: len(two.lanes("broker")) == 32)
            assert told[-1] == 32
            await two.close()
            await wait_until(lambda: told[-1] == 64, what="it has all again")


async def test_one_at_a_time_is_alone() -> None:
    with a_database() as url:
        async with workers(url, 3) as those:
            inside, most, times = 0, 0, 0

            async def enters(one: Worker) -> None:
                nonlocal inside, most, times
                async with one.alone("start"):
                    inside += 1
                    most = max(most, inside)
                    await asyncio.sleep(0.05)
                    inside -= 1
                    times += 1

            await asyncio.gather(*(enters(one) for one in [*those, *those]))
            assert (most, times) == (1, 6)


async def test_a_writer_that_is_busy_is_not_dead_and_one_that_is_gone_waits_for_it_first() -> None:
    """Its beats don't wait for the row that its transaction holds; whoever would take over does."""
    with a_database() as url:
        async with workers(url, 1) as (one,):
            database = PostgresDatabase(url, worker=lambda: one.worker)
            connection = database.open()
            database.begin(connection)
            connection.execute("SELECT 1").fetchone()
            beaten = one._beaten_at
            await wait_until(lambda: one._beaten_at > beaten, what="it is still heard of")
            leases = Leases(PostgresDatabase(url), lease_seconds=-1.0)  # everybody counts as late
            assert await asyncio.to_thread(leases.take_over) == 0
            database.commit(connection)
            assert await asyncio.to_thread(leases.take_over) == 1
            leases.close()
            database.close(connection)


async def test_who_is_gone_can_write_nothing_under_its_name_and_comes_back_under_another() -> None:
    with a_database() as url:
        async with workers(url, 1) as (one,):
            await wait_until(lambda: shared_out(one))
            name = [one.worker]
            store = PostgresStore(url, now, worker=lambda: name[0])
            await store.open()
            await store.write(lambda stored: stored.timers.begin_anew(), by=one.worker)
            leases = Leases(PostgresDatabase(url), lease_seconds=-1.0)
            assert await asyncio.to_thread(leases.take_over) == 1
            leases.close()
            with pytest.raises(StoreUnavailable, match="taken for dead"):
                await store.write(lambda stored: stored.timers.begin_anew())
            await wait_until(lambda: one.worker != name[0] and shared_out(one), what="it has all of it again")
            old, name[0] = name[0], one.worker
            with pytest.raises(Fenced):
                await store.write(lambda stored: stored.timers.begin_anew(), by=old)
            with pytest.raises(Fenced):
                await store.insist(lambda stored: stored.timers.begin_anew(), by=old)
            await store.write(lambda stored: stored.timers.begin_anew(), by=one.worker)
            await store.close()


async def test_after_the_server_was_away_nobody_takes_the_others_for_dead(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "data") as server:
        async with workers(server.url(), 2, lease_seconds=10.0) as (one, two):
            await wait_until(lambda: shared_out(one, two) and len(one.lanes("broker")) == len(two.lanes("broker")) == 32)
            names = one.worker, two.worker
            told: list[bool] = []
            holder = one if one.has("purge") else two
            holder.on_change(lambda: told.append(holder.has("purge")))
            await asyncio.to_thread(server.stop)
            await wait_until(
                lambda: not one.lanes("broker") and not two.lanes("broker"), what="nothing is theirs, by their clocks"
            )
            assert not one.still_ours()
            assert not one.has("purge")
            await wait_until(lambda: told[-1:] == [False], what="who has a duty is told that it is lost")
            await asyncio.sleep(2)
            await asyncio.to_thread(server.start)
            await wait_until(lambda: shared_out(one, two), what="they go on")
            await wait_until(lambda: told[-1:] == [True], what="who waits for a duty is told that it is there again")
            await asyncio.sleep(2)
            assert (one.worker, two.worker) == names


async def test_an_unreachable_server_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with postgresql.server(tmp_path / "data") as server:
        await asyncio.to_thread(server.stop)
        one = worker_of(server.url())
        await one.start(GROUPS)
        try:
            await wait_until(lambda: one._outage.reason is not None)
            assert one.lanes("broker") == frozenset()
            waits = asyncio.create_task(one.alone("start").__aenter__())
            await asyncio.to_thread(server.start)
            await wait_until(lambda: shared_out(one))
            await waits
        finally:
            await one.close()


async def test_who_has_a_store_to_itself_has_everything_at_once() -> None:
    alone = AllMine()
    assert shared_out(alone)
    assert alone.first
    assert alone.still_ours()
    async with alone.alone("start"), alone.alone("start"):
        await alone.leave()
        await alone.close()


# -------------------------------------------------------------------------------------------------------- processes apart


class Process:
    """One of `at_work`."""

    def __init__(self, url: str, folder: Path, number: int, *, lease_seconds: float = SHORT) -> None:
        self.calls = folder / f"calls-{number}"
        self.calls.touch()
        command = [sys.executable, "-m", "tests.sharing.at_work", url, str(lease_seconds), str(self.calls)]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def calls_since(self, moment: float) -> list[str]:
        """The names under which it has called since."""
        lines = [line.split() for line in self.calls.read_text().splitlines()]
        return [name for name, at in lines if float(at) > moment]


@contextmanager
def processes(url: str, folder: Path, count: int) -> Iterator[list[Process]]:
    sql(url, WORK)
    with ExitStack() as stack:
        made = []
        for number in range(count):
            made.append(Process(url, folder, number))
            stack.callback(made[-1].process.wait)
            stack.callback(made[-1].process.kill)
        yield made


def shares(url: str) -> dict[int, int]:
    """How many lanes each process has, by its number at the system."""
    found = sql(
        url, "SELECT pid, count(duty) FROM byoc.workers w LEFT JOIN byoc.leases l ON l.worker = w.id WHERE NOT gone GROUP BY pid"
    )
    return {int(str(pid)): int(str(count)) for pid, count in found}


async def all_work(url: str, *those: Process) -> None:
    """Until the lanes are shared out among these, and all lanes go on."""
    pids = {one.process.pid for one in those}
    even = 64 // len(those)
    await wait_until(
        lambda: shares(url).keys() == pids and all(n in (even, even + 1) for n in shares(url).values()), what="shared out"
    )
    last = sql(url, "SELECT coalesce(max(n), 0) FROM byoc.work")[0][0]
    query = "SELECT count(DISTINCT lane), count(DISTINCT process) FROM byoc.work WHERE n > %s"
    await wait_until(lambda: sql(url, query, last)[0] == (64, len(those)), what="all lanes go on")


def nothing_was_done_by_others(url: str) -> bool:
    """Whether whoever wrote had the lane at that moment."""
    return sql(url, "SELECT count(*) FROM byoc.work WHERE holder IS DISTINCT FROM worker") == [(0,)]


async def test_what_a_killed_process_had_the_others_go_on_with(tmp_path: Path) -> None:
    with a_database() as url, processes(url, tmp_path, 3) as those:
        await all_work(url, *those)
        those[1].kill(signal.SIGKILL)
        await all_work(url, those[0], those[2])
        assert nothing_was_done_by_others(url)


async def test_what_a_process_had_that_stops_the_others_have_at_once(tmp_path: Path) -> None:
    with a_database() as url, processes(url, tmp_path, 2) as those:
        await all_work(url, *those)
        those[0].kill(signal.SIGTERM)
        await wait_until(lambda: those[0].process.poll() is not None, what="it has ended")
        assert those[0].process.returncode == 0
        assert those[0].process.pid not in shares(url), "nobody waits for a lease to end"
        await all_work(url, those[1])
        assert nothing_was_done_by_others(url)


@pytest.mark.parametrize("writing", [False, True], ids=["at any moment", "within a transaction"])
async def test_a_process_that_stood_still_does_nothing_with_what_it_had(tmp_path: Path, writing: bool) -> None:
    with a_database() as url, processes(url, tmp_path, 2) as those:
        await all_work(url, *those)
        frozen, other = those
        if writing:
            frozen.kill(signal.SIGUSR1)
            await wait_until(frozen.calls.with_suffix(".still").exists, what="it stands still")
        else:
            frozen.kill(signal.SIGSTOP)
        old = sql(url, "SELECT id FROM byoc.workers WHERE pid = %s AND NOT gone", frozen.process.pid)[0][0]
        await all_work(url, other)
        last = sql(url, "SELECT max(n) FROM byoc.work")[0][0]
        woken = time.clock_gettime(time.CLOCK_BOOTTIME)
        frozen.kill(signal.SIGCONT)
        await all_work(url, frozen, other)
        assert sql(url, "SELECT count(*) FROM byoc.work WHERE worker = %s AND n > %s", old, last) == [(0,)]
        called = frozen.calls_since(woken)
        assert called
        assert old not in called
        assert nothing_was_done_by_others(url)


@pytest.mark.parametrize("silently", [False, True], ids=["broken", "silent"])
async def test_a_process_whose_link_is_cut_does_nothing_until_it_is_back(tmp_path: Path, silently: bool) -> None:
    port = postgresql.shared().port
    with a_database() as url, processes(url, tmp_path, 1) as those, link(port) as cable:
        far = Process(url.replace(f":{port}/", f":{cable.port}/"), tmp_path, 7)
        try:
            await all_work(url, those[0], far)
            cable.cut(silently=silently)
            await all_work(url, those[0])
            moment = time.clock_gettime(time.CLOCK_BOOTTIME)
            await asyncio.sleep(2)
            assert far.calls_since(moment) == []
            cable.restore()
            await all_work(url, those[0], far)
            assert nothing_was_done_by_others(url)
        finally:
            far.process.kill()
            far.process.wait()
