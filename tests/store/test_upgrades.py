"""A file of sessions that an older version has left is brought up to date when it is opened, and says the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from gateway.session.model import Entry, EntryKind, Visibility
from gateway.store.connecting import connect, migrate
from tests.session.world import START
from tests.store.backends import on_sqlite


def entry(number: int, visibility: Visibility = Visibility.everyone) -> Entry:
    return Entry(number=number, kind=EntryKind.message, visibility=visibility, at=START, text=f"line {number}")


def file_of(folder: Path, version: int) -> None:
    """As this version left it: two sessions with three lines each, the second of them edited, the third for supervisors."""
    with closing(connect(folder / "sessions.db")) as connection:
        scripts = sorted(resources.files("gateway.store.migrations.sessions").iterdir(), key=lambda file: file.name)
        sql = [script.read_text() for script in scripts if script.name.endswith(".sql")]
        connection.executescript("".join(sql[:version]) + f"PRAGMA user_version = {version};")
        for session_id in ("ses_1", "ses_2"):
            connection.execute(
                """INSERT INTO sessions (id, ordinal, org, channel_id, address, name, status, offered, version, last_activity, state)
                   VALUES (?, ?, 'acme', 'line', ?, 'kim', 'active', 0, 3, 1, '{}')""",
                (session_id, int(session_id[-1]), session_id),
            )
            for one in (entry(1), entry(2), entry(3, Visibility.supervisors)):
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        session_id,
                        one.number,
                        one.kind,
                        one.visibility,
                        one.model_dump_json(),
                        "edited" if one.number == 2 else None,
                    ),
                )


def all_of(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """The version, the tables, and what the transcripts say."""
    queries = ("PRAGMA user_version", "SELECT name, sql FROM sqlite_master ORDER BY name", "SELECT * FROM entries")
    return [[tuple(row) for row in connection.execute(query)] for query in queries]


def test_transcripts_are_the_same_when_their_lines_are_kept_in_order_of_arrival(tmp_path: Path) -> None:
    file_of(tmp_path, 13)
    with on_sqlite(tmp_path) as jobs:
        for session_id in ("ses_1", "ses_2"):
            lines = jobs(lambda stored, whose=session_id: list(stored.sessions.oldest_first(whose)))  # type: ignore[misc]
            assert lines == [(entry(1), None), (entry(2), "edited"), (entry(3, Visibility.supervisors), None)]
            hidden = jobs(lambda stored, whose=session_id: stored.sessions.for_supervisors(whose, 9))  # type: ignore[misc]
            assert hidden == [entry(3, Visibility.supervisors)]
        jobs(lambda stored: stored.sessions.append("ses_1", [entry(4)]))
        assert [one.number for one, _ in jobs(lambda stored: list(stored.sessions.newest_first("ses_1")))] == [4, 3, 2, 1]


def test_an_upgrade_that_is_cut_off_changes_nothing_and_begins_again(tmp_path: Path) -> None:
    file_of(tmp_path, 13)
    with closing(connect(tmp_path / "sessions.db")) as connection:
        before = all_of(connection)
        connection.set_trace_callback(lambda statement: connection.interrupt() if "DROP TABLE" in statement else None)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            migrate(connection, "gateway.store.migrations.sessions")
    with closing(connect(tmp_path / "sessions.db")) as connection:
        assert all_of(connection) == before
    with on_sqlite(tmp_path) as jobs:
        assert len(jobs(lambda stored: list(stored.sessions.oldest_first("ses_1")))) == 3


def test_who_starts_a_new_version_is_told_why_it_takes_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def told() -> list[str]:
        caplog.clear()
        with on_sqlite(tmp_path):
            return [record.action for record in caplog.records]  # type: ignore[attr-defined]

    file_of(tmp_path, 13)
    assert told() == ["store.upgrading"]
    assert told() == []
    (tmp_path / "sessions.db").unlink()
    assert told() == [], "a new file has nothing that takes long"
