"""`byoc check --data`: what a start with another config would change, in words, without changing anything."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from adapters.contract import RawRequest
from gateway import config, webchat
from gateway.cli import main
from gateway.errors import GatewayError
from gateway.orphans import orphans
from tests.brokers.desk import BEGIN
from tests.brokers.test_config_changes import Shop, changed_everywhere, shop
from tests.store.backends import in_hand, keep

SENTENCES = [
    "Channel moves moves to org beta: 2 open sessions of org acme will end. Org acme keeps the history. A customer's next message opens a session in org beta.",
    "Channel line is not in the config: 1 open session of org acme will be inactive and free their reps. They can be read and ended; when the channel is back, they continue.",
    "Org acme has no queue billing: 1 open session on channel more will move to queue support.",
    "1 open session on channel more offered to a rep who can no longer take it: the offer will go to the next rep.",
    "Rep ben is not in org acme: they will leave 1 open session on channel line. An active session without another rep waits in its queue.",
    "3 messages of org acme waiting to be sent on channel line will not be sent and get the code channel_removed.",
    "2 webhooks of channel line not read yet: stuck, because the channel is not in the config. Add it again and replay (`byoc inbox list`), or leave them.",
    "1 webhook of channel moves not read yet, received for org acme: stuck, so that org beta reads nothing of them unless you replay them by their ids (`byoc inbox list`).",
]


def written(one: Shop, folder: Path) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump({**one.raw, "data_dir": str(one.data_dir)}))
    return path


async def folder_with_webhooks(folder: Path) -> Shop:
    one = await changed_everywhere(folder)
    inbox = one._gateway.inbox
    await inbox.open()
    for channel_id in ("line", "line", "moves"):
        await keep(inbox, channel_id, RawRequest("POST", "http://x/", "", (), {}, b"{}", BEGIN))
    await inbox.close()
    return one


def files(folder: Path) -> dict[str, bytes]:
    """What is kept, but for the two that SQLite makes for readers."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


async def test_what_becomes_of_each_is_said_in_words_and_nothing_is_done(tmp_path: Path) -> None:
    one = await folder_with_webhooks(tmp_path / "data")
    before = files(one.data_dir)
    done = CliRunner().invoke(main, ["check", "--config", str(written(one, tmp_path)), "--data", str(one.data_dir)])
    assert done.exit_code == 0, done.output
    first, second, *sentences = done.output.splitlines()
    assert first.endswith("no fault; 2 channel(s), 2 org(s)")
    assert second == f"{one.data_dir}: starting with this config will make these changes:"
    assert [line.removeprefix("  ") for line in sentences] == SENTENCES
    assert files(one.data_dir) == before


async def test_the_start_logs_what_check_said_and_then_there_is_nothing_to_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = await folder_with_webhooks(tmp_path / "data")
    async with one._gateway_anew().running():
        told = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "config.orphans"]
        assert told == SENTENCES
        loaded = config.load(written(one, tmp_path))
        # Beside the running gateway; the removed channel's webhooks may not be stuck yet.
        found = [sentence for sentence in orphans(loaded, one.data_dir, one.now) if "not in the config: " not in sentence]
        assert [sentence for sentence in found if not sentence.startswith("2 webhooks")] == []
    stuck = _rows(one.data_dir / "inbox.db", "SELECT channel_id, state, reason FROM inbox WHERE channel_id = 'moves'")
    assert stuck == [
        (
            "moves",
            2,
            "it arrived while the channel belonged to org acme's: replay it by its id to give it to the org that has the channel now",
        )
    ]


async def test_the_new_org_gets_nothing_that_was_stuck_or_unknown_for_the_old_one(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as one:
        await one.conversation()
    inbox = one._gateway.inbox
    await inbox.open()
    for _ in range(2):
        await keep(inbox, "line", RawRequest("POST", "http://x/", "", (), {}, b"{}", BEGIN))
    batch = await in_hand(inbox, "line")
    stuck, unknown = batch.ids
    await inbox.settle(batch, {unknown: "unknown: follow"}, {stuck: "the adapter failed: oh"})
    await inbox.close()
    one.line.update({"org": "beta", "queue": "all"})
    async with one._gateway_anew().running():
        for words in (["--all"], ["--all", "--unknown"]):
            told = CliRunner().invoke(main, ["inbox", "replay", *words, "--data", str(one.data_dir)])
            assert told.output.startswith("0 webhook(s) queued again\n1 skipped, "), told.output
    reasons = _rows(one.data_dir / "inbox.db", "SELECT state, reason FROM inbox ORDER BY id")
    acmes = (
        "it arrived while the channel belonged to org acme's: replay it by its id to give it to the org that has the channel now"
    )
    assert reasons == [(2, f"{acmes} (before that: the adapter failed: oh)"), (1, f"{acmes} (before that: unknown: follow)")]


def _rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path) as connection:
        return connection.execute(query).fetchall()


async def test_all_that_is_stored_fits_the_config_that_stored_it(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        path = written(one, tmp_path)
        done = CliRunner().invoke(main, ["check", "--config", str(path), "--data", str(one.data_dir)])
    assert done.output.splitlines()[1:] == [f"{tmp_path / 'data'}: nothing stored is affected"]


async def test_a_file_of_an_older_gateway_is_read_as_it_is(tmp_path: Path) -> None:
    one = await changed_everywhere(tmp_path / "data")
    with sqlite3.connect(one.data_dir / "sessions.db") as connection:
        connection.execute("DROP TABLE channels")
        connection.execute("PRAGMA user_version = 2")
    loaded = config.load(written(one, tmp_path))
    assert orphans(loaded, one.data_dir, one.now) == SENTENCES[:6]
    assert _rows(one.data_dir / "sessions.db", "PRAGMA user_version") == [(2,)]


def test_an_empty_folder_and_none_at_all(tmp_path: Path) -> None:
    loaded = config.build({})
    assert orphans(loaded, tmp_path, datetime.now(UTC)) == []
    with pytest.raises(GatewayError, match="is not a folder"):
        orphans(loaded, tmp_path / "nowhere", datetime.now(UTC))


async def test_a_renamed_orgs_webhooks_are_read_by_the_org_of_the_new_name(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as one:
        await one.conversation()
    await one._gateway.inbox.open()
    await keep(one._gateway.inbox, "line", RawRequest("POST", "http://x/", "", (), {}, b"{}", BEGIN))
    await one._gateway.inbox.close()
    one.raw["orgs"]["acme-gmbh"] = one.raw["orgs"].pop("acme")
    one.line["org"] = "acme-gmbh"
    found = orphans(config.load(written(one, tmp_path)), one.data_dir, one.now)
    assert found[0].endswith(
        "Org acme is not in the config, so nobody can read the history until it is added again. A customer's next message opens a session in org acme-gmbh."
    )
    assert (
        found[-1]
        == "1 webhook of channel line not read yet, received for org acme, which is not in the config: they go to org acme-gmbh."
    )


def test_what_visitors_told_one_org_in_forms_is_not_told_to_the_next(tmp_path: Path) -> None:
    webchat.forget_profiles(tmp_path, "webchat")  # nothing is there
    assert list(tmp_path.iterdir()) == []
    from gateway.store.connecting import connect, migrate

    db = connect(tmp_path / "chat.db")
    migrate(db, "gateway.webchat.migrations")
    for channel_id in ("webchat", "other"):
        db.execute(
            "INSERT INTO visitor (channel_id, visitor_id, created_at, seen_at, profile, generation) VALUES (?, 'v', '', '', ?, 1)",
            (channel_id, '{"prechat": {"order": "66"}}'),
        )
    webchat.forget_profiles(tmp_path, "webchat")
    assert [tuple(row) for row in db.execute("SELECT channel_id, profile FROM visitor ORDER BY channel_id")] == [
        ("other", '{"prechat": {"order": "66"}}'),
        ("webchat", "{}"),
    ]
    db.close()
