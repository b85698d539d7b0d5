"""What is SQLite's own of the inbox, and the commands on its file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway import operators
from gateway.cli import main
from gateway.errors import StoreUnavailable
from gateway.store import inbox as inbox_module
from gateway.store import purging, putting
from gateway.store.connecting import connect, to_read
from gateway.store.inbox import SqliteInbox
from gateway.store.inbox_rows import StoredInboxRows, of_another_org, opened
from tests.store.backends import Time, everything, in_hand, keep, webhooks
from tests.store.test_inbox import request
from tests.world import wait_until


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    one = SqliteInbox(tmp_path, Time())
    await one.open()
    yield one
    await one.close()


async def test_credentials_that_were_checked_are_in_no_file(inbox: SqliteInbox, tmp_path: Path) -> None:
    await keep(inbox, "apple", request(authorization="Bearer SECRET", cookie="SECRET", x_kept="yes"))
    assert all(b"SECRET" not in file.read_bytes() for file in sorted(tmp_path.iterdir()))  # noqa: ASYNC240


async def test_a_row_that_cant_be_stored_fails_alone(inbox: SqliteInbox) -> None:
    """SQLite refuses a value over its limit; the limit is lowered here."""
    connection = inbox.writer._connection
    assert isinstance(connection, sqlite3.Connection)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 20_000)
    bodies = [b"x" * (30_000 if number in (7, 11) else number) for number in range(20)]
    results = await asyncio.gather(*(keep(inbox, "line", request(body)) for body in bodies), return_exceptions=True)
    assert [number for number, result in enumerate(results) if result is not None] == [7, 11]
    assert not any(isinstance(result, StoreUnavailable) for result in results)
    assert [len(one.body) for one in await everything(inbox, "line")] == [n for n in range(20) if n not in (7, 11)]


async def test_whoever_fails_when_told_leaves_the_others_told(inbox: SqliteInbox, caplog: pytest.LogCaptureFixture) -> None:
    def fails(error: Exception | None) -> None:
        raise ZeroDivisionError

    inbox.put("line", request(), fails)
    await keep(inbox, "line", request())
    await keep(inbox, "line", request())
    assert [vars(record)["action"] for record in caplog.records] == ["webhook.failed"]
    assert len(await everything(inbox, "line")) == 3


async def test_what_came_for_another_org_is_told_and_replayed_by_its_id_alone(inbox: SqliteInbox, tmp_path: Path) -> None:
    """Waiting, stuck or kept as unknown when the channel moved: `--all` gives none of it to the org that has the channel now."""
    for _ in range(4):
        await keep(inbox, "line", request())
    await keep(inbox, "sms", request())
    stuck, unknown, waiting, other = 1, 2, 4, 5
    await inbox.settle(await in_hand(inbox, "line", limit=3), {unknown: "unknown: follow"}, {stuck: "no JSON"})
    await inbox.settle(await in_hand(inbox, "sms"), {}, {other: "no JSON"})
    why = of_another_org("acme")
    await inbox.keep_aside("line", "acme")
    await inbox.keep_aside("line", "beta")  # moved once more: they are still acme's
    listed = [line.split("  ", 3) for line in operators.stuck_webhooks(tmp_path, 10).lines]
    assert [(int(row_id), reason) for row_id, _, _, reason in listed] == [
        (stuck, f"{why} (before that: no JSON)"),
        (waiting, why),
        (other, "no JSON"),
    ]
    (line,) = operators.unknown_webhooks(tmp_path, 10).lines
    assert line.split("  ", 3)[3] == f"{why} (before that: unknown: follow)"

    def replayed(*words: str) -> tuple[int, list[str]]:
        told = CliRunner().invoke(main, ["inbox", "replay", *words, "--data", str(tmp_path)])
        return told.exit_code, told.output.splitlines()

    skipped = "received while the channel belonged to another org. To give one to the org that has the channel now: byoc inbox replay ID"
    assert replayed("--all") == (0, ["1 webhook(s) queued again", f"2 skipped, {skipped}"])
    assert replayed("--all", "--unknown") == (1, ["0 webhook(s) queued again", f"1 skipped, {skipped}"])
    assert (await inbox.channels()) == ["sms"]
    assert replayed(str(stuck), str(unknown)) == (0, ["2 webhook(s) queued again"])
    assert await inbox.channels() == ["line", "sms"]
    assert (await in_hand(inbox, "line")).ids == [stuck, unknown]


async def test_a_row_that_an_older_version_kept_aside_stays_aside(inbox: SqliteInbox, tmp_path: Path) -> None:
    """It is known by how its reason begins, and older versions said it in other words."""
    await keep(inbox, "line", request())
    older = (
        "it arrived while the channel belonged to org acme's: replay it by its id to give it to the org that has the channel now"
    )
    await inbox.settle(await in_hand(inbox, "line"), {}, {1: older})
    with opened(tmp_path) as rows:
        assert rows.replay(None) == (0, 1), "(again, skipped)"
    await inbox.keep_aside("line", "beta")
    (row,) = await inbox.read(lambda rows: rows.kept("stuck", 10))
    assert row.reason == older, "it is still acme's"


def older_file(folder: Path, count: int = 3) -> None:
    """As the version before batches left it: of `count` webhooks each, some that wait, some that were done, one stuck, one kept as unknown."""
    with closing(connect(folder / "inbox.db")) as connection:
        scripts = sorted(resources.files("gateway.store.migrations.inbox").iterdir(), key=lambda file: file.name)
        connection.executescript("".join(script.read_text() for script in scripts[:3]) + "PRAGMA user_version = 3;")
        insert = """INSERT INTO inbox (channel_id, received_at, method, url, path, query, headers, body, state, attempts, reason, done_at)
                    VALUES ('line', ?, 'POST', 'https://x/?a=1', '', '[["a", "1"]]', 'x-a: 1', ?, ?, ?, ?, ?)"""
        at = Time.now.timestamp()
        rows: list[tuple[Any, ...]] = [(at, b"done %d" % number, 1, 1, None, at) for number in range(count)]
        rows += [(at, b"waiting %d" % number, 0, 0, None, None) for number in range(count)]
        rows += [(at, b"stuck", 2, 1, "no JSON", None), (at, b"unknown", 1, 1, "unknown: follow", at)]
        connection.executemany(insert, rows)


async def test_a_file_of_an_older_version_is_read_on_in_its_order(tmp_path: Path) -> None:
    older_file(tmp_path)
    with to_read(tmp_path / "inbox.db") as connection:
        assert connection is not None
        before = StoredInboxRows(connection)
        assert before.counts() == (3, 1, 1), "before the first start, too"
        waiting = before.one(4)
        assert waiting is not None
        assert (waiting.request.body, waiting.request.query, before.one(99)) == (b"waiting 0", (("a", "1"),), None)
    inbox = SqliteInbox(tmp_path, Time())
    await inbox.open()
    await keep(inbox, "line", request(b"new"))
    assert await inbox.channels() == ["line"]
    assert await inbox.read(lambda rows: rows.counts()) == (4, 1, 1)
    with opened(tmp_path) as rows:
        assert rows.replay([7]) == (1, 0), "the one that was stuck"
    assert [one.body for one in await everything(inbox, "line")] == [b"waiting 0", b"waiting 1", b"waiting 2", b"stuck", b"new"]
    await inbox.close()
    shown = [(row.id, row.request.body, row.state, row.reason) for row in webhooks(tmp_path)]
    assert shown[5:] == [
        (6, b"waiting 2", "done", None),
        (7, b"stuck", "done", None),
        (8, b"unknown", "done", "unknown: follow"),
        (9, b"new", "done", None),
    ]


async def test_beyond_its_bounds_the_memory_gives_way_to_the_file_and_is_used_again(
    inbox: SqliteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "_MOST_IN_MEMORY", 2)
    read_back = inbox.readers.run
    reads = 0

    async def counting(job: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read_back(job)

    monkeypatch.setattr(inbox.readers, "run", counting)
    given = []
    for first in range(0, 12, 6):
        for number in range(first, first + 6):
            await keep(inbox, "line", request(str(number).encode()))
        given += [int(one.body) for one in await everything(inbox, "line")]
    assert given == list(range(12))
    before = reads
    for number in range(5):
        await keep(inbox, "line", request(str(number).encode()))
        assert [int(one.body) for one in await everything(inbox, "line")] == [number]
    assert reads == before, "who keeps up reads nothing back"


async def test_a_commit_is_bounded_in_webhooks_and_in_bytes(inbox: SqliteInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(putting, "_MOST_PER_COMMIT", 4)
    monkeypatch.setattr(putting, "_MOST_BYTES_PER_COMMIT", 10_000)
    await asyncio.gather(*(keep(inbox, "line", request()) for _ in range(10)))
    await asyncio.gather(*(keep(inbox, "line", request(b"x" * 6_000)) for _ in range(3)))
    sizes = await inbox.readers.run(lambda c: [row["n"] for row in c.execute("SELECT n FROM batches ORDER BY id")])
    assert sizes == [4, 4, 2, 2, 1]


async def test_the_watermark_is_written_when_nothing_comes_and_at_the_end(
    inbox: SqliteInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def written() -> bool:
        with opened(tmp_path) as rows:
            return rows.counts().waiting == 0

    monkeypatch.setattr(inbox_module, "_NOTED_AFTER_SECONDS", 0.001)
    await keep(inbox, "line", request())
    await everything(inbox, "line")
    await wait_until(written)
    monkeypatch.setattr(inbox_module, "_NOTED_AFTER_SECONDS", 3600)
    await keep(inbox, "line", request())
    await everything(inbox, "line")
    assert not await written()
    await inbox.close()
    assert await written()


async def test_old_batches_are_thrown_away_a_few_at_a_time(
    inbox: SqliteInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that webhooks which arrive meanwhile wait for a few milliseconds at most."""
    monkeypatch.setattr(purging, "_DELETING_SECONDS", 0.0)
    for channel_id in ("line", "line", "sms", "line"):
        await keep(inbox, channel_id, request())
    for channel_id in ("line", "sms"):
        await everything(inbox, channel_id)
    await keep(inbox, "apple", request())  # with the watermarks
    before = inbox.writer.commits
    await inbox.purge(-1, 90)
    assert [row.channel_id for row in webhooks(tmp_path)] == ["apple"]
    assert inbox.writer.commits - before == 4
