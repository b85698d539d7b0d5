"""`byoc store copy`: an installation moves to another store and back, whole, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.demo.world import demo_world
from gateway.errors import CannotStart
from gateway.store.connecting import connect
from gateway.store.copying.files import Files
from gateway.store.copying.moving import move
from gateway.store.copying.tables import LEFT, TABLES, Table
from gateway.store.postgresql.copying import Database
from gateway.store.postgresql.database import PostgresDatabase
from gateway.store.sqlite_file import SqliteFile
from tests import postgresql, s3
from tests.world import PNG, demo, outside, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url() -> Iterator[str]:
    with postgresql.database() as made:
        yield made


def copy(*words: str | Path) -> Result:
    source, target, *more = map(str, words)
    return CliRunner().invoke(main, ["store", "copy", "--from", source, "--to", target, *more])


def copied(*words: str | Path) -> str:
    done = copy(*words)
    assert done.exit_code == 0, done.output
    return done.output


def content(folder: Path) -> dict[str, list[Any]]:
    """All rows of a data folder, but for what a store makes by itself."""
    end = Files(folder, for_postgresql=False)
    end.open_source()
    try:
        return {table.name: sorted(_rows(end, table), key=repr) for table in TABLES}
    finally:
        end.close()


def _rows(end: Files | Database, table: Table) -> Iterator[tuple[Any, ...]]:
    columns = [one for one in end.columns(table) if one not in table.again and one not in table.own]
    for rows in end.read(table, columns):
        yield from rows


async def lived(folder: Path) -> None:
    """A folder that has seen some of everything."""
    async with demo(folder) as world:
        ana = world.rep("ana")
        await ana.present()
        for channel_id in ("sms", "webchat", "line"):
            kim = world.customer(channel_id)
            assert (await kim.says("hello \N{GRINNING FACE}")).status == 201
            session = await ana.take(channel_id)
            assert (await ana.say(session["id"], "good day", file=PNG)).status == 201
            await wait_until(lambda kim=kim: kim.seen("message"), what=f"{channel_id}: the answer")  # type: ignore[misc]
            assert (await kim.says("look", file=PNG)).status == 201
            if channel_id == "line":
                assert (await ana.post(f"/sessions/{session['id']}/end")).status == 200


def many(folder: Path, sessions: int) -> None:
    """A folder with so many sessions, of five lines each."""
    end = Files(folder, for_postgresql=False)
    end.open_target()
    end.close()
    with closing(connect(folder / "sessions.db")) as db:
        db.execute("BEGIN")
        state = '{"end_user": {"id": "+31", "name": "Kim"}, "channel_type": "sms"}'
        db.executemany(
            """INSERT INTO sessions (id, ordinal, org, channel_id, address, name, status, offered, version, last_activity, state, filed)
               VALUES (?, ?, 'acme', 'sms', ?, ?, 'ended', 0, 3, ?, ?, 0)""",
            [(f"s{n * 7919 % sessions:08}", n + 1, f"+31{n}", f"+31{n} kim", 1.7e9 + n, state) for n in range(sessions)],
        )
        lines = ((f"s{n % sessions:08}", n // sessions + 1, f'{{"text": "line {n}"}}') for n in range(sessions * 5))
        db.executemany("INSERT INTO entries VALUES (?, ?, 'message', 'all', ?, NULL)", lines)
        db.executemany(
            "INSERT INTO events (at, org, type, audience, data) VALUES (?, 'acme', 'entry', ' ana ', '{}')",
            [(1.7e9 + n,) for n in range(sessions)],
        )
        db.execute("DELETE FROM events WHERE number > ?", (sessions - 10,))
        db.execute("COMMIT")


# -------------------------------------------------------------------------------------------------------------- the list


def tables_of(folder: Path) -> dict[str, set[str]]:
    """By table, its columns, in all files of a new folder."""
    end = Files(folder, for_postgresql=False)
    end.open_target()
    end.close()
    found: dict[str, set[str]] = {}
    for name in ("sessions.db", "inbox.db", "chat.db"):
        with closing(sqlite3.connect(folder / name)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
                found[table] = {row[0] for row in db.execute(f"SELECT name FROM pragma_table_info('{table}')")}  # noqa: S608
    return found


def test_every_table_is_moved_or_said_to_be_left(tmp_path: Path, url: str) -> None:
    here = tables_of(tmp_path / "data")
    there = Database(url)
    there.open_target()
    rows = there._db.execute("SELECT relname FROM pg_class WHERE relnamespace = 'byoc'::regnamespace AND relkind IN ('r', 'p')")
    moved = {table.name for table in TABLES}
    assert len(moved) == len(TABLES)
    for found in (set(here), {row[0] for row in rows}):
        found = {name for name in found if not name.startswith("filed_grams_")}
        assert moved - found == set(), "moved, and not there"
        assert found - moved - set(LEFT) == set(), "there, and neither moved nor left: add it to gateway.store.copying.tables"
    for table in TABLES:
        ours, theirs = here[table.name] - table.own, set(there.columns(table)) - table.own
        assert ours == theirs, table.name
        assert set(table.key) <= ours, table.name
    there.close()


def test_every_number_that_a_database_gives_is_set(tmp_path: Path, url: str) -> None:
    counters = {table.name: table.counter for table in TABLES if table.counter}
    tables_of(tmp_path / "data")
    for name in ("sessions.db", "inbox.db", "chat.db"):
        with closing(sqlite3.connect(tmp_path / "data" / name)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"):
                assert table in counters
    there = Database(url)
    there.open_target()
    rows = there._db.execute(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relnamespace = 'byoc'::regnamespace AND attidentity <> ''"
    ).fetchall()
    assert {name.removeprefix("byoc."): column for name, column in rows}.items() - counters.items() <= {("lane_events", "id")}
    for table in TABLES:
        if table.counter:
            there.set_counter(table, 12_345)
            assert there.counter(table) == 12_345, table.name
    there.close()


# ---------------------------------------------------------------------------------------------------------------- moving


async def test_an_installation_moves_there_and_back(tmp_path: Path, url: str) -> None:
    await lived(tmp_path / "first")
    told = await asyncio.to_thread(copied, tmp_path / "first", url)
    assert "complete" in told
    assert re.search(r"entries +copied: \d+ rows, [\d,]+ a second", told)
    assert re.search(r"all tables +compared: ", told)
    assert f"they are in {tmp_path / 'first'}. To copy them, run it again with --config" in told
    back = await asyncio.to_thread(copied, url, tmp_path / "second")
    assert "no config says where they are. To copy them, run it again with --config" in back
    first, second = content(tmp_path / "first"), content(tmp_path / "second")
    for name in first:
        assert second[name] == first[name], name
    assert all(first[name] for name in ("sessions", "entries", "outbox", "batches", "visitor", "event", "media", "file"))
    config = {"data_dir": str(tmp_path / "kept"), "media_secret": "the-same-for-all-of-its-processes", "store": url}
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump({**config, "orgs": {"acme": {}}, "channels": {}}))
    again = await asyncio.to_thread(copied, tmp_path / "first", "postgresql", "--config", path)
    assert "all tables were copied before" in again
    files = [one for one in (tmp_path / "first" / "media").rglob("*") if one.is_file()]
    assert files
    for one in files:
        assert (tmp_path / "kept" / one.relative_to(tmp_path / "first")).read_bytes() == one.read_bytes()


async def test_from_one_folder_to_another_its_files_move_along_and_it_lives_on(tmp_path: Path) -> None:
    await lived(tmp_path / "first")
    told = await asyncio.to_thread(copied, tmp_path / "first", tmp_path / "second")
    files = {one.relative_to(tmp_path / "first") for one in (tmp_path / "first" / "media").rglob("*") if one.is_file()}
    assert files
    for one in files:
        assert (tmp_path / "second" / one).read_bytes() == (tmp_path / "first" / one).read_bytes()
    assert re.search(r"media +copied: \d+ files", told)
    async with demo(tmp_path / "second") as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        (session,) = [one for one in await ana.items("/sessions?mine=true") if one["channel_id"] == "sms"]
        assert (await ana.say(session["id"], "still here")).status == 201

        async def arrived() -> bool:
            return any("still here" in line["text"] for line in await kim.seen("message"))

        await wait_until(arrived)


async def test_a_demo_lives_on_in_the_database(tmp_path: Path, url: str) -> None:
    await lived(tmp_path / "data")
    await asyncio.to_thread(copied, tmp_path / "data", url)
    (tmp_path / "data" / "sessions.db").unlink()
    places = {"store": url, "media_secret": (tmp_path / "data" / "media.secret").read_text()}
    async with demo_world(0, tmp_path / "data", places=places) as (_, _, address), outside(address) as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        sessions = {one["channel_id"]: one for one in await ana.items("/sessions?mine=true")}
        assert {key: one["status"] for key, one in sessions.items()} == {"sms": "active", "webchat": "active", "line": "ended"}
        name = sessions["line"]["end_user"]["name"]
        assert [one["id"] for one in await ana.items(f"/sessions?status=ended&q={name.split()[0]}")] == [sessions["line"]["id"]]
        before = await ana.transcript(sessions["sms"]["id"])
        assert (await kim.says("are you there")).status == 201
        assert (await ana.say(sessions["sms"]["id"], "still here")).status == 201

        async def arrived() -> bool:
            return any("still here" in line["text"] for line in await kim.seen("message"))

        await wait_until(arrived)
        after = await ana.transcript(sessions["sms"]["id"])
        assert [one["number"] for one in after] == list(range(1, len(after) + 1))
        assert after[: len(before)] == before


async def test_files_go_into_the_bucket_of_the_config_and_back(tmp_path: Path, url: str) -> None:
    await lived(tmp_path / "first")
    with s3.s3_server(tmp_path) as server:
        bucket = server.new_bucket()
        about = {"endpoint": server.address, "access_key_id": s3.KEY[0], "secret_access_key": s3.KEY[1]}
        config = {
            "public_url": "https://chat.example.com",
            "data_dir": str(tmp_path / "of-the-config"),
            "store": url,
            "media": f"s3://{bucket}",
            "media_secret": "the-same-for-all-of-its-processes",
            "s3": about,
            "orgs": {"demo": {"reps": {}, "queues": {}}},
            "channels": {},
        }
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(config))
        told = await asyncio.to_thread(copied, tmp_path / "first", "postgresql", "--config", path)
        assert f"to s3://{bucket}" in told
        there = server.objects(bucket)
        for name in ("media", "chat-files"):
            files = [one for one in (tmp_path / "first" / name).rglob("*") if one.is_file()]
            assert files
            for one in files:
                assert there[str(one.relative_to(tmp_path / "first"))] == one.read_bytes()
        await asyncio.to_thread(copied, "postgresql", tmp_path / "second", "--config", path)
        for key, body in there.items():
            if not key.startswith("byoc-gateway"):
                assert (tmp_path / "second" / key).read_bytes() == body


def test_a_second_copy_of_the_same_does_nothing(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 20)
    copied(tmp_path / "data", url)
    assert "nothing to do" in copied(tmp_path / "data", url)


def test_what_is_not_empty_is_left_alone(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 20)
    many(tmp_path / "other", 10)
    done = copy(tmp_path / "data", tmp_path / "other")
    assert (done.exit_code, "is not empty (it has sessions)" in done.output) == (1, True)
    copied(tmp_path / "data", url)
    done = copy(tmp_path / "other", url)
    assert done.exit_code == 1
    assert f"has a copy of {tmp_path / 'data'}, not of {tmp_path / 'other'}" in done.output


def test_numbers_go_on_after_the_highest_that_was_ever_given(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 100)
    copied(tmp_path / "data", url)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT last FROM byoc.event_numbers").fetchone() == (100,)
    copied(url, tmp_path / "back")
    with closing(sqlite3.connect(tmp_path / "back" / "sessions.db")) as db:
        assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone() == (100,)


def test_what_no_text_of_postgresql_can_hold(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 1)
    with closing(connect(tmp_path / "data" / "sessions.db")) as db:
        db.execute("INSERT INTO channels VALUES ('sms', ?, ?)", ("ac\0me", "\\u0000 \\\\u0000"))
        db.execute("INSERT INTO salesforce_positions VALUES ('lane', x'00ff', 1.5)")
    copied(tmp_path / "data", url)
    with psycopg.connect(url) as there:
        assert there.execute("SELECT * FROM byoc.channels").fetchall() == [("sms", "ac\ufffdme", "\\ufffd \\\\u0000")]
        assert there.execute("SELECT replay_id FROM byoc.salesforce_positions").fetchall() == [(b"\x00\xff",)]


def unfinished(folder: Path, url: str) -> None:
    """All rows are copied, and then it was killed."""
    source, target = Files(folder, for_postgresql=True), Database(url)
    source.open_source()
    target.open_target()
    with pytest.raises(KeyboardInterrupt):
        move(source, target, lambda step: None, also=_killed)
    source.close()
    target.close()


def _killed() -> None:
    raise KeyboardInterrupt


async def test_no_gateway_starts_on_a_part(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 2)
    await asyncio.to_thread(unfinished, tmp_path / "data", url)
    with pytest.raises(CannotStart, match=r"a copy of .*data that is not complete: run `byoc store copy`"):
        PostgresDatabase(url).prepare()
    part = Files(tmp_path / "part", for_postgresql=False)
    part.open_target()
    part.begin_move("elsewhere")
    part.close()
    with pytest.raises(CannotStart, match="a copy of elsewhere that is not complete"):
        SqliteFile(tmp_path / "part" / "sessions.db", "gateway.store.migrations.sessions").open()
    await asyncio.to_thread(copied, tmp_path / "data", url)
    PostgresDatabase(url).prepare()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE byoc.entries SET body = 'other' WHERE number = 3 AND session_id = 's00000007'", "entries: rows of"),
        ("DELETE FROM byoc.entries WHERE number = 3 AND session_id = 's00000007'", "entries: 99 rows in"),
    ],
)
def test_a_row_that_differs_is_found(tmp_path: Path, url: str, statement: LiteralString, told: str) -> None:
    many(tmp_path / "data", 20)
    unfinished(tmp_path / "data", url)
    with psycopg.connect(url) as there:
        there.execute(statement)
    done = copy(tmp_path / "data", url)
    assert (done.exit_code, told in done.output) == (1, True), done.output


# ------------------------------------------------------------------------------------------------------------ on the way


@pytest.mark.parametrize("back", [False, True], ids=["to PostgreSQL", "to SQLite"])
@pytest.mark.timeout(300)
def test_killed_at_any_point_and_started_again_it_ends_with_the_same(tmp_path: Path, url: str, back: bool) -> None:
    many(tmp_path / "data", 4_000)
    source, target = str(tmp_path / "data"), url
    if back:
        copied(source, url)
        source, target = url, str(tmp_path / "target")
    command = [sys.executable, "-m", "gateway.cli", "store", "copy", "--from", source, "--to", target]
    begun = time.monotonic()
    killed = 0
    for _ in range(12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
        try:
            said, _ = process.communicate(timeout=random.uniform(0.3, 2.0) if killed else 0.6)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        else:
            assert process.returncode == 0, said
    assert killed, time.monotonic() - begun
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    if not back:
        copied(url, tmp_path / "target")
    first, second = content(tmp_path / "data"), content(tmp_path / "target")
    for name in first:
        assert second[name] == first[name], name


def test_a_gateway_on_the_source_is_noticed(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 20)
    copied(tmp_path / "data", url)
    with psycopg.connect(url, application_name="byoc"):
        done = copy(url, tmp_path / "other")
    assert (done.exit_code, "is in use" in done.output) == (1, True), done.output


def test_an_older_file_is_to_be_brought_up_to_date_first(tmp_path: Path, url: str) -> None:
    many(tmp_path / "data", 1)
    with closing(sqlite3.connect(tmp_path / "data" / "sessions.db")) as db:
        db.execute("PRAGMA user_version = 15")
    done = copy(tmp_path / "data", url)
    assert (done.exit_code, "start the gateway on it once" in done.output) == (1, True), done.output


def test_nothing_is_there_to_copy(tmp_path: Path, url: str) -> None:
    assert "has no sessions.db" in copy(tmp_path, url).output
    assert "has no tables of a gateway" in copy(url, tmp_path / "other").output
    assert "say where postgresql is" in copy(tmp_path, "postgresql").output
