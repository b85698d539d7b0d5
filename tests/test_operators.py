"""Operators' commands say and do the same on a PostgreSQL database as on the files of a data folder, which was copied there; with `stores` by org, on all of them."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.store.inbox import SqliteInbox
from gateway.store.leases import About, Changes, Leases, Shared
from gateway.store.postgresql.database import PostgresDatabase
from tests import postgresql
from tests.brokers.test_config_changes import Shop
from tests.store.backends import in_hand
from tests.test_orphans import SENTENCES, folder_with_webhooks, written


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database() as made:
        yield made


@pytest.fixture
def another() -> Iterator[str]:
    with postgresql.database() as made:
        yield made


@dataclass(frozen=True)
class Both:
    """The same in files and in a database. `webhooks`: stuck and kept as unknown; `failed`: a message."""

    shop: Shop
    url: str
    webhooks: tuple[int, int]
    failed: str

    def said(self, *words: str) -> str:
        """The same by both."""
        by_files = byoc(*words, "--data", str(self.shop.data_dir))
        by_database = byoc(*words, BYOC_STORE=self.url)
        assert (by_files.exit_code, by_files.output) == (by_database.exit_code, by_database.output)
        return by_database.output


def byoc(*words: str, **environment: str) -> Result:
    done = CliRunner().invoke(main, list(words), env={"BYOC_STORE": "", **environment})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
async def both(tmp_path: Path, url: str) -> Both:
    shop = await folder_with_webhooks(tmp_path / "data")
    inbox = SqliteInbox(shop.data_dir, lambda: shop.now)
    await inbox.open()
    batch = await in_hand(inbox, "line")
    stuck, unknown = batch.ids
    await inbox.settle(batch, {unknown: "unknown: follow"}, {stuck: "no JSON"})
    await inbox.close()
    with closing(sqlite3.connect(shop.data_dir / "sessions.db")) as db:
        (failed,) = db.execute("SELECT id FROM outbox ORDER BY ordinal LIMIT 1").fetchone()
        db.execute(
            "UPDATE outbox SET state = 'failed', code = 'rate_limited', provider_code = '429', reason = 'slow down' WHERE id = ?",
            (failed,),
        )
        db.execute("INSERT INTO outbox_attempts VALUES (?, 1, 1700000000.5, 'failed', 'what it said')", (failed,))
        db.commit()
    done = await asyncio.to_thread(byoc, "store", "copy", "--from", str(shop.data_dir), "--to", url)
    assert done.exit_code == 0, done.output
    return Both(shop, url, (stuck, unknown), failed)


async def test_they_say_the_same(both: Both) -> None:
    stuck, unknown = both.webhooks
    assert "  line  no JSON" in both.said("inbox", "list")
    assert "unknown: follow" in both.said("inbox", "list", "--unknown")
    assert json.loads(both.said("inbox", "show", str(stuck)))["state"] == "stuck"
    assert json.loads(both.said("inbox", "show", str(unknown)))["body"] == "{}"
    assert "no webhook 999" in both.said("inbox", "show", "999")
    assert "  failed  rate_limited (429)  slow down" in both.said("outbox", "list")
    assert "  queued  " in both.said("outbox", "list", "--queued")
    assert json.loads(both.said("outbox", "show", both.failed))["attempts"][0]["detail"] == "what it said"


async def test_they_do_the_same(both: Both) -> None:
    stuck, unknown = both.webhooks
    assert both.said("inbox", "replay", "--all") == "1 webhook(s) queued again\n"
    assert both.said("inbox", "replay", str(unknown)) == "1 webhook(s) queued again\n"
    assert both.said("inbox", "list").startswith("no webhook is stuck; ")
    assert json.loads(both.said("inbox", "show", str(stuck)))["state"] == "waiting"
    assert both.said("outbox", "replay", both.failed) == "1 message(s) queued again\n"
    assert both.said("outbox", "replay", both.failed) == "0 message(s) queued again\n"
    assert "no message has failed" in both.said("outbox", "list")


async def test_check_says_what_a_start_would_change(both: Both, tmp_path: Path) -> None:
    path = written(both.shop, tmp_path)
    config = yaml.safe_load(path.read_text())
    by_files = byoc("check", "--config", str(path), "--data", str(both.shop.data_dir)).output.splitlines()
    path.write_text(yaml.safe_dump({**config, "media_secret": "for-all-of-its-processes", "store": both.url}))
    by_database = byoc("check", "--config", str(path), "--stored").output.splitlines()
    assert [line.strip() for line in by_files[2:]] == [line.strip() for line in by_database[2:]]
    assert SENTENCES[0] in [line.strip() for line in by_database]
    assert by_database[1].startswith("PostgreSQL 127.0.0.1:")
    assert by_database[1].endswith(": starting with this config will make these changes:")


async def test_the_config_says_where_to_look(both: Both, tmp_path: Path) -> None:
    path = written(both.shop, tmp_path)
    assert "no JSON" in byoc("inbox", "list", "--config", str(path)).output
    config = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump(
            {**config, "media_secret": "for-all-of-its-processes", "store": both.url, "data_dir": str(tmp_path / "nothing")}
        )
    )
    assert "no JSON" in byoc("inbox", "list", "--config", str(path)).output
    assert "no JSON" in byoc("inbox", "list", BYOC_CONFIG=str(path)).output
    assert "no JSON" in byoc("inbox", "list", "--data", str(both.shop.data_dir), BYOC_CONFIG=str(path)).output
    twice = byoc("inbox", "list", "--config", str(path), "--data", str(both.shop.data_dir))
    assert (twice.exit_code, "give one of --data, --config and --store" in twice.output) == (2, True)


async def test_with_stores_by_org_they_go_over_all(both: Both, tmp_path: Path, another: str) -> None:
    with psycopg.connect(another) as db:
        PostgresDatabase(another).prepare()
        db.execute(
            "INSERT INTO byoc.inbox (id, channel_id, received_at, method, url, path, query, headers, body, state, reason) "
            "VALUES (1, 'moves', 1.7e9, 'POST', 'http://x', '', '', '', '{}', 2, 'of the other store')"
        )
    path = written(both.shop, tmp_path)
    config = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump({**config, "media_secret": "for-all-of-its-processes", "store": both.url, "stores": {"beta": another}})
    )
    listed = byoc("inbox", "list", "--config", str(path)).output
    assert "no JSON" in listed
    assert "of the other store" in listed
    needs = byoc("inbox", "show", "1", "--config", str(path))
    assert (needs.exit_code, "say with --org whose you mean" in needs.output) == (1, True)
    shown = byoc("inbox", "show", "1", "--config", str(path), "--org", "beta")
    assert json.loads(shown.output)["reason"] == "of the other store"
    assert "no org gamma" in byoc("inbox", "list", "--config", str(path), "--org", "gamma").output
    assert byoc("inbox", "replay", "--all", "--config", str(path)).output == "2 webhook(s) queued again\n"
    assert json.loads(byoc("outbox", "show", both.failed, "--config", str(path)).output)["id"] == both.failed
    assert byoc("check", "--config", str(path), "--stored").output.count("PostgreSQL 127.0.0.1:") == 2


def test_who_does_what(url: str, tmp_path: Path) -> None:
    PostgresDatabase(url).prepare()
    nobody = byoc("workers", BYOC_STORE=url)
    assert (nobody.exit_code, nobody.output.strip().endswith("no process works on it")) == (1, True)
    leases = Leases(PostgresDatabase(url), lease_seconds=6)
    about = About("byoc", "host-1", 4711, "0.1.0")
    leases.register("w1", about, {"broker", "sender"})
    duties = frozenset({*(f"broker {n}" for n in (0, 1, 2, 5)), "sort sms", "purge"})

    def all_of_them(_: Shared) -> Changes:
        return Changes(claims=duties)

    leases.beat("w1", all_of_them)
    told = byoc("workers", BYOC_STORE=url)
    assert told.exit_code == 0
    assert told.output.startswith("w1  host-1:4711  ")
    assert told.output.split("  ")[2] == "broker, sender"
    assert told.output.strip().endswith("  purge, sort sms, broker 0-2,5")
    leases.retire("w1")
    leases.close()
    assert byoc("workers", BYOC_STORE=url).output.split("  ")[2] == "stopping"
    (tmp_path / "data").mkdir()
    assert "one process has it to itself" in byoc("workers", "--data", str(tmp_path / "data")).output


def test_the_address_of_a_database_is_not_in_what_help_asks_for() -> None:
    assert "Better set BYOC_STORE" in " ".join(byoc("inbox", "list", "--help").output.split())
    assert "BYOC_STORE" not in os.environ
