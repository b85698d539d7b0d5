"""What is SQLite's own of the inbox, and the commands on its file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import operators
from gateway.cli import main
from gateway.errors import StoreUnavailable
from gateway.store.inbox import SqliteInbox, of_another_org, opened
from tests.store.backends import Time, keep
from tests.store.test_inbox import request


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
    inbox.writer._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 20_000)
    bodies = [b"x" * (30_000 if number in (7, 11) else number) for number in range(20)]
    results = await asyncio.gather(*(keep(inbox, "line", request(body)) for body in bodies), return_exceptions=True)
    assert [number for number, result in enumerate(results) if result is not None] == [7, 11]
    assert not any(isinstance(result, StoreUnavailable) for result in results)
    assert [len(row.request.body) for row in await inbox.waiting("line", limit=30)] == [n for n in range(20) if n not in (7, 11)]


async def test_what_came_for_another_org_is_told_and_replayed_by_its_id_alone(inbox: SqliteInbox, tmp_path: Path) -> None:
    """Waiting, stuck or kept as unknown when the channel moved: `--all` gives none of it to the org that has the channel now."""
    for _ in range(4):
        await keep(inbox, "line", request())
    await keep(inbox, "sms", request())
    stuck, unknown, done, waiting = await inbox.waiting("line", limit=4)
    (other,) = await inbox.waiting("sms", limit=1)
    await inbox.settle([(unknown.id, "unknown: follow"), (done.id, None)], [(stuck.id, "no JSON"), (other.id, "no JSON")])
    why = of_another_org("acme")
    await inbox.keep_aside("line", "acme")
    await inbox.keep_aside("line", "beta")  # moved once more: they are still acme's
    listed = [line.split("  ", 3) for line in operators.stuck_webhooks(tmp_path, 10).lines]
    assert [(int(row_id), reason) for row_id, _, _, reason in listed] == [
        (stuck.id, f"{why} (before that: no JSON)"),
        (waiting.id, why),
        (other.id, "no JSON"),
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
    assert replayed(str(stuck.id), str(unknown.id)) == (0, ["2 webhook(s) queued again"])
    assert [row.id for row in await inbox.waiting("line", limit=9)] == [stuck.id, unknown.id]


async def test_a_row_that_an_older_version_kept_aside_stays_aside(inbox: SqliteInbox, tmp_path: Path) -> None:
    """It is known by how its reason begins, and older versions said it in other words."""
    await keep(inbox, "line", request())
    older = (
        "it arrived while the channel belonged to org acme's: replay it by its id to give it to the org that has the channel now"
    )
    await inbox.settle([], [(1, older)])
    with opened(tmp_path) as rows:
        assert rows.replay(None) == (0, 1), "(again, skipped)"
    await inbox.keep_aside("line", "beta")
    (row,) = await inbox.read(lambda rows: rows.kept("stuck", 10))
    assert row.reason == older, "it is still acme's"
