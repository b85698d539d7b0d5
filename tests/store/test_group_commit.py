"""The writer: many callers, one commit; a job's fault is its own, the disk's is everybody's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import checkpoints, group_commit
from gateway.store.connecting import connect, migrate
from gateway.store.group_commit import GroupCommit
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_file import SqliteFile
from gateway.store.transaction import SqlTransaction
from tests.world import wait_until

Job = Callable[[sqlite3.Connection], object]


@asynccontextmanager
async def writer(path: Path, fault: Callable[[str], None] | None = None) -> AsyncIterator[GroupCommit]:
    """Open, with a table `notes` of unique texts."""
    one = GroupCommit(SqliteFile(path), fault=fault)
    await one.open()
    await one.run(lambda c: c.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT UNIQUE)") and None)
    try:
        yield one
    finally:
        await one.close()


def note(text: str) -> Job:
    return lambda connection: connection.execute("INSERT INTO notes (text) VALUES (?)", (text,)) and None


def notes(path: Path) -> list[str]:
    """What another process would see."""
    connection = connect(path)
    try:
        return [row["text"] for row in connection.execute("SELECT text FROM notes ORDER BY rowid")]
    finally:
        connection.close()


async def test_a_done_job_is_on_disk_for_everybody(tmp_path: Path) -> None:
    async with writer(tmp_path / "x.db") as one:
        await one.run(note("a"))
        assert notes(tmp_path / "x.db") == ["a"]


async def test_what_gathers_while_a_commit_runs_shares_the_next(tmp_path: Path) -> None:
    async with writer(tmp_path / "x.db") as one:
        before = one.commits
        await asyncio.gather(*(one.submit(note(str(n))) for n in range(400)))
        assert one.commits - before < 20
        assert notes(tmp_path / "x.db") == [str(n) for n in range(400)], "in the order of asking"


async def test_a_job_that_raises_is_rolled_back_alone(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes (text) VALUES ('half')")
        raise ValueError("then it failed")

    async with writer(tmp_path / "x.db") as one:
        jobs: list[Job] = [note("a"), half, note("a"), note("b")]
        results = await asyncio.gather(*(one.submit(job) for job in jobs), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), ValueError, sqlite3.IntegrityError, type(None)]
        assert notes(tmp_path / "x.db") == ["a", "b"]


async def test_a_fault_in_one_statement_stands_in_nobodys_way(tmp_path: Path) -> None:
    """SQLite reports it in the same class as a broken disk."""
    async with writer(tmp_path / "x.db") as one:
        jobs: list[Job] = [note("a"), lambda c: c.execute("SELECT json_extract('{', '$.a')").fetchone(), note("b")]
        results = await asyncio.gather(*(one.submit(job) for job in jobs), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), sqlite3.OperationalError, type(None)]
        assert notes(tmp_path / "x.db") == ["a", "b"]


async def test_a_full_disk_fails_all_of_the_commit_and_nothing_stays_broken(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands in for the disk: it gives the same error at the same place."""
    async with writer(tmp_path / "x.db") as one:
        await one.run(note("before"))
        await one.run(lambda c: c.execute("PRAGMA max_page_count = 5") and None)
        results = await asyncio.gather(one.submit(note("small")), one.submit(note("x" * 100_000)), return_exceptions=True)
        assert all(isinstance(result, StoreUnavailable) for result in results), results
        assert notes(tmp_path / "x.db") == ["before"]
        await one.run(lambda c: c.execute("PRAGMA max_page_count = 1000000") and None)
        await one.run(note("after"))
        assert notes(tmp_path / "x.db") == ["before", "after"]


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
async def test_a_commit_that_fails_says_so_to_all(point: str, tmp_path: Path) -> None:
    failing = False

    def fault(at: str) -> None:
        if failing and at == point:
            raise OSError("the disk is gone")

    async with writer(tmp_path / "x.db", fault) as one:
        failing = True
        results = await asyncio.gather(one.submit(note("a")), one.submit(note("b")), return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
        failing = False
        await one.run(note("c"))
        assert notes(tmp_path / "x.db") == (["c"] if point == "before_commit" else ["a", "b", "c"])


async def test_what_cant_be_committed_with_others_fails_alone(tmp_path: Path) -> None:
    """A fault that shows only in the commit itself: here, a foreign key that is looked at in the end."""
    async with writer(tmp_path / "x.db") as one:
        await one.run(lambda c: c.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)") and None)
        await one.run(lambda c: c.execute("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)") and None)
        jobs: list[Job] = [note(str(n)) for n in range(9)]
        jobs.insert(5, lambda c: c.execute("INSERT INTO b VALUES (7)") and None)
        results = await asyncio.gather(*(one.submit(job) for job in jobs), return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 5 + [sqlite3.IntegrityError] + [type(None)] * 4
        assert notes(tmp_path / "x.db") == [str(n) for n in range(9)]


async def test_a_job_that_ends_the_transaction_fails_alone(tmp_path: Path) -> None:
    def ends_it(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR ROLLBACK INTO notes (text) VALUES ('a')")

    async with writer(tmp_path / "x.db") as one:
        jobs: list[Job] = [note("a"), ends_it, note("b")]
        results = await asyncio.gather(*(one.submit(job) for job in jobs), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), sqlite3.IntegrityError, type(None)]
        assert notes(tmp_path / "x.db") == ["a", "b"]


async def test_jobs_that_go_together_are_all_in_the_file_or_none(tmp_path: Path) -> None:
    """However many; the first commit fails."""
    failing, many = 0, [str(n) for n in range(1_000)]

    def fault(at: str) -> None:
        nonlocal failing
        if at == "before_commit" and failing:
            failing -= 1
            raise OSError("the disk is gone")

    def answers(keys: list[str]) -> Callable[[SqlTransaction], list[Exception | None]]:
        return lambda stored: stored.each([partial(stored.records.keep_answer, "acme", "ana", key, "f", "{}") for key in keys])

    def kept(stored: SqlTransaction) -> list[str]:
        return [key for key in many if stored.records.first_answer("acme", "ana", key)]

    store = SqliteStore(tmp_path, lambda: datetime.now(UTC), fault)
    await store.open()
    failing = 1
    results = await asyncio.gather(store.write(answers(many)), store.write(answers(["late"])), return_exceptions=True)
    assert isinstance(results[0], StoreUnavailable)
    assert await store.read(kept) == []
    done = await store.write(answers([*many[:500], many[0], *many[500:]]))
    assert [type(result) for result in done] == [type(None)] * 500 + [sqlite3.IntegrityError] + [type(None)] * 500
    assert await store.read(kept) == many
    await store.close()


async def test_what_has_happened_already_is_written_down_at_last(tmp_path: Path) -> None:
    failing = 0

    def fault(at: str) -> None:
        nonlocal failing
        if at == "before_commit" and failing:
            failing -= 1
            raise OSError("the disk is gone")

    async with writer(tmp_path / "x.db", fault) as one:
        failing = 3
        await one.insist(note("a"))
        assert notes(tmp_path / "x.db") == ["a"]
        failing = 1_000_000
        insisting = asyncio.create_task(one.insist(note("b")))
        await one.close()
        with pytest.raises(StoreUnavailable):
            await insisting


class FullDisk:
    """A fault by which every commit fails as on a full disk, while `full`."""

    full = False

    def __call__(self, at: str) -> None:
        if self.full and at == "before_commit":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


async def test_it_is_ready_as_the_last_commit_ended(tmp_path: Path) -> None:
    disk = FullDisk()
    async with writer(tmp_path / "x.db", disk) as one:
        await one.ready()
        disk.full = True
        with pytest.raises(StoreUnavailable):
            await one.run(note("a"))
        with pytest.raises(StoreUnavailable, match=r"x\.db: database or disk is full\. Free space"):
            await one.ready()
        disk.full = False
        await one.run(note("b"))
        await one.ready()


async def test_an_idle_writer_proves_itself_by_a_real_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "_FRESH_SECONDS", 0.0)
    disk, log = FullDisk(), tmp_path / "x.db-wal"
    async with writer(tmp_path / "x.db", disk) as one:
        before, commits = log.stat().st_size, one.commits
        await one.ready()
        assert one.commits == commits + 1
        assert log.stat().st_size > before, "pages went to the disk"
        disk.full = True
        with pytest.raises(StoreUnavailable):
            await one.ready()
        disk.full = False
        await one.ready()


async def test_a_writer_that_waits_for_anothers_lock_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "_HANGING_SECONDS", 0.0)
    async with writer(tmp_path / "x.db") as one:
        other = connect(tmp_path / "x.db")
        other.execute("BEGIN IMMEDIATE")
        waiting = one.submit(note("a"))

        async def hangs() -> bool:
            try:
                await one.ready()
            except StoreUnavailable as error:
                return "write lock" in str(error)
            return False

        await wait_until(hangs)
        other.execute("ROLLBACK")
        other.close()
        await waiting
        assert notes(tmp_path / "x.db") == ["a"]


async def test_a_full_disk_is_reported_once_with_what_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = FullDisk()
    async with writer(tmp_path / "x.db", disk) as one:
        disk.full = True
        for number in range(20):
            await asyncio.gather(*(one.submit(note(f"{number} {n}")) for n in range(20)), return_exceptions=True)
        disk.full = False
        await one.run(note("a"))
    failing, works = caplog.records
    assert (failing.action, works.action) == ("store.failing", "store.works")  # type: ignore[attr-defined]
    assert failing.reason == (  # type: ignore[attr-defined]
        "x.db: database or disk is full. Free space on the disk of `data_dir`; the gateway then recovers by itself."
    )
    assert failing.exc_info is None


class AtWork:
    """A job during which others can be asked for: its commit has `begun`, and goes on until `go`."""

    def __init__(self, one: GroupCommit) -> None:
        self._loop, self.begun, self.go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
        self.done = one.submit(self._work)

    def _work(self, connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        self.go.wait(60)


async def test_a_patient_job_lets_those_go_first_that_came_while_it_waited(tmp_path: Path) -> None:
    commits: list[list[str]] = [[]]
    async with writer(tmp_path / "x.db", lambda at: commits.append([]) if at == "after_commit" else None) as one:
        commits[:] = [[]]
        first = AtWork(one)
        await first.begun.wait()
        patient = one.submit(lambda _: commits[-1].append("patient"), patient=True)
        others = [one.submit(lambda _, text=text: commits[-1].append(text)) for text in ("a", "b")]  # type: ignore[misc]
        first.go.set()
        await asyncio.gather(first.done, patient, *others)
    assert commits == [[], ["a", "b"], ["patient"], []]


async def test_a_patient_job_is_passed_over_once_and_told_who_waits(tmp_path: Path) -> None:
    """However many others come, it is in every second commit."""
    commits: list[list[str]] = [[]]

    async with writer(tmp_path / "x.db", lambda at: commits.append([]) if at == "after_commit" else None) as one:
        commits[:] = [[]]

        def patient(_: sqlite3.Connection) -> None:
            commits[-1].append("hurried" if one.hurried() else "at leisure")

        await one.run(patient, patient=True)
        first = AtWork(one)
        await first.begun.wait()
        waiting, second = one.submit(patient, patient=True), AtWork(one)
        first.go.set()
        await second.begun.wait()
        other = one.submit(lambda _: commits[-1].append("other"))
        second.go.set()
        await asyncio.gather(first.done, second.done, waiting, other)
    assert commits == [["at leisure"], [], [], ["other", "hurried"], []]


async def test_a_caller_who_goes_away_tears_nothing(tmp_path: Path) -> None:
    async with writer(tmp_path / "x.db") as one:
        waiting = asyncio.create_task(one.run(note("a")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await one.run(note("b"))
        assert notes(tmp_path / "x.db") == ["a", "b"]


async def test_closing_commits_what_was_asked_and_takes_no_more(tmp_path: Path) -> None:
    async with writer(tmp_path / "x.db") as one:
        asked = [one.submit(note(str(n))) for n in range(50)]
        await one.close()
        await asyncio.gather(*asked)
        with pytest.raises(StoreUnavailable):
            await one.run(note("late"))
    assert len(notes(tmp_path / "x.db")) == 50


async def test_a_folder_that_cant_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be opened"):
        await GroupCommit(SqliteFile(tmp_path / "file" / "x.db")).open()


def test_every_commit_is_on_disk(tmp_path: Path) -> None:
    """The two settings that durability rests on."""
    connection = connect(tmp_path / "x.db")
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    connection.close()


@pytest.mark.parametrize("package", ["inbox", "sessions", "simulators"])
def test_tables_are_made_once_and_kept(package: str, tmp_path: Path) -> None:
    for _ in range(2):
        connection = connect(tmp_path / "x.db")
        migrate(connection, f"gateway.store.migrations.{package}")
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        assert tables > 0
        assert connection.execute("PRAGMA user_version").fetchone()[0] >= 1
        connection.close()


@pytest.mark.parametrize(
    "package",
    [
        "gateway.store.migrations.sessions",
        "gateway.store.migrations.inbox",
        "gateway.store.migrations.simulators",
        "gateway.webchat.migrations",
    ],
)
def test_migrations_are_numbered_from_one_without_gaps_or_doubles(package: str) -> None:
    """Which of them a file has had is known by their count."""
    names = sorted(found.name for found in resources.files(package).iterdir() if found.name.endswith(".sql"))
    assert [int(name.partition("_")[0]) for name in names] == list(range(1, len(names) + 1))


async def test_what_was_committed_is_copied_into_the_file_beside_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.001)
    path = tmp_path / "x.db"
    async with writer(path) as one:
        for text in ("first words", "more words"):
            await one.run(note(text))
            await wait_until(lambda text=text: text.encode() in path.read_bytes())  # type: ignore[misc]


async def test_a_log_that_became_long_is_copied_to_its_end_by_the_writer_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 3600.0)
    log = tmp_path / "x.db-wal"
    async with writer(tmp_path / "x.db") as one:
        for number in range(50):
            await one.run(note(f"{number} " * 5_000))
        size = log.stat().st_size
        await one.run(
            lambda connection: setattr(cast(SqliteFile, one._database)._checkpoints, "_long", True)
        )  # before the writer looks, not while it does
        for number in range(50, 60):
            await one.run(note(f"{number} " * 5_000))
        assert log.stat().st_size <= size + 20_000
    assert len(notes(tmp_path / "x.db")) == 60


async def test_a_file_that_can_t_be_opened_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[sqlite3.Connection] = []
    really = sqlite3.connect

    def noting(*given: Any, **more: Any) -> sqlite3.Connection:
        made.append(really(*given, **more))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noting)
    (tmp_path / "damaged.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreUnavailable):
        await GroupCommit(SqliteFile(tmp_path / "damaged.db")).open()
    (connection,) = made
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_a_close_in_the_moment_before_a_checkpoint_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.01)
    with closing(connect(tmp_path / "one.db")) as connection:
        one = checkpoints.Checkpoints(tmp_path / "one.db", connection)
        clear = one._work.clear

        def close_begins_first() -> None:
            one._closing.set()
            one._work.set()
            clear()

        monkeypatch.setattr(one._work, "clear", close_begins_first)
        one.open()
        one.committed()
        await asyncio.wait_for(asyncio.to_thread(one._thread.join, 10), 15)
        ended = not one._thread.is_alive()
        one._work.set()
        one.close()
        assert ended
