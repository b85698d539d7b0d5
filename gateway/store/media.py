"""Files in SQL and in a folder: the rows say where each stands, the folder holds the bytes under the same id."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from adapters.envelope import MediaPart, MediaState
from gateway.store.folder import Folder


class PendingMedia(NamedTuple):
    """A customer's file that is still to be fetched."""

    id: str
    org: str
    channel_id: str
    session_id: str
    entry_number: int
    part: MediaPart
    attempts: int


def add(
    connection: sqlite3.Connection,
    media_id: str,
    part: MediaPart,
    *,
    org: str,
    channel_id: str | None,
    session_id: str | None,
    entry_number: int | None,
    now: float,
) -> None:
    """Write a file down; a `pending` one will be fetched."""
    connection.execute(
        """INSERT OR IGNORE INTO media (id, org, channel_id, session_id, entry_number, state, part, name, mime_type, size_bytes, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            media_id,
            org,
            channel_id,
            session_id,
            entry_number,
            part.state.value,
            part.model_dump_json(exclude_defaults=True),
            part.name,
            part.mime_type,
            part.size_bytes,
            now,
        ),
    )


def belongs(connection: sqlite3.Connection, media_id: str, session_id: str, entry_number: int, channel_id: str) -> None:
    """A rep's file was said in this entry."""
    connection.execute(
        "UPDATE media SET session_id = ?, entry_number = ?, channel_id = ? WHERE id = ? AND session_id IS NULL",
        (session_id, entry_number, channel_id, media_id),
    )


def pending(connection: sqlite3.Connection, now: float, limit: int, busy: frozenset[str]) -> list[PendingMedia]:
    """Files to fetch now, oldest first; those in `busy` are being fetched."""
    rows = connection.execute(
        "SELECT * FROM media WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, created_at LIMIT ?",
        (now, limit + len(busy)),
    )
    return [
        PendingMedia(
            row["id"],
            row["org"],
            row["channel_id"],
            row["session_id"],
            row["entry_number"],
            MediaPart.model_validate_json(row["part"]),
            row["attempts"],
        )
        for row in rows
        if row["id"] not in busy
    ][:limit]


def settle(
    connection: sqlite3.Connection,
    media_id: str,
    state: MediaState,
    *,
    mime_type: str | None = None,
    name: str | None = None,
    size_bytes: int | None = None,
    reason: str | None = None,
) -> None:
    """It is ready, or it failed for good."""
    connection.execute(
        """UPDATE media SET state = ?, mime_type = coalesce(?, mime_type), name = coalesce(name, ?), size_bytes = coalesce(?, size_bytes),
               reason = ? WHERE id = ?""",
        (state.value, mime_type, name, size_bytes, reason, media_id),
    )


def try_later(connection: sqlite3.Connection, media_id: str, at: float, reason: str) -> None:
    """Not yet; once more at `at`."""
    connection.execute(
        "UPDATE media SET attempts = attempts + 1, next_at = ?, reason = ? WHERE id = ? AND state = 'pending'",
        (at, reason, media_id),
    )


def begin_anew(connection: sqlite3.Connection, latest: float) -> None:
    """A process starts, and with it the steady clock: by it nothing waits beyond `latest`, however far the old one was ahead."""
    connection.execute("UPDATE media SET next_at = :latest WHERE state = 'pending' AND next_at > :latest", {"latest": latest})


def get(connection: sqlite3.Connection, media_id: str) -> sqlite3.Row | None:
    """One row."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM media WHERE id = ?", (media_id,)).fetchone()
    return row


def of_entries(connection: sqlite3.Connection, session_id: str, first: int, last: int) -> list[sqlite3.Row]:
    """The files of these entries."""
    return connection.execute(
        "SELECT * FROM media WHERE session_id = ? AND entry_number BETWEEN ? AND ?", (session_id, first, last)
    ).fetchall()


def unnamed(connection: sqlite3.Connection, before: float, limit: int) -> list[str]:
    """Files written down before this that no entry names: a rep's upload whose message was refused, or was a repetition."""
    rows = connection.execute(
        "SELECT id FROM media WHERE session_id IS NULL AND created_at < ? ORDER BY created_at LIMIT ?", (before, limit)
    )
    return [row["id"] for row in rows]


def forget(connection: sqlite3.Connection, media_ids: Iterable[str]) -> None:
    """Strike out files that no entry names."""
    connection.executemany("DELETE FROM media WHERE id = ? AND session_id IS NULL", [(one,) for one in media_ids])


class MediaFolder(Folder):
    """The bytes. A file is whole and on disk before its row says ready (a customer's), or before any entry names it (a rep's)."""

    what = "media"
    ids = re.compile(r"\w*(\w\w)", re.ASCII)
