"""Files in SQL: the rows have each file's state, and a `FileStore` the bytes under the same id."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from adapters.envelope import MediaPart, MediaState
from gateway.store.contract import EntryKey, PendingFile, StoredFile
from gateway.store.files import Ids
from gateway.store.gathering import Gathering, at

# A file's bytes are whole and durable before its row says ready (a customer's), or before any entry names it (a rep's).
MEDIA: Final = Ids("media", re.compile(r"\w*(\w\w)", re.ASCII))
_COLUMNS: Final = "id, org, session_id, entry_number, state, name, mime_type, size_bytes, reason"


class Media:
    """See `gateway.store.contract.Media`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._new = gathering.rows(
            """INSERT INTO media (id, org, channel_id, session_id, entry_number, state, part, name, mime_type, size_bytes, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING""",
            types="ttttittttif",
            news="media",
        )

    def add(
        self,
        media_id: str,
        part: MediaPart,
        *,
        org: str,
        channel_id: str | None = None,
        session_id: str | None = None,
        entry_number: int | None = None,
    ) -> None:
        """See the contract."""
        self._new.add(
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
                self._gathering.at,
            )
        )

    def belongs(self, media_id: str, session_id: str, entry_number: int, channel_id: str) -> None:
        """See the contract."""
        self._gathering.run(
            "UPDATE media SET session_id = ?, entry_number = ?, channel_id = coalesce(channel_id, ?) WHERE id = ? AND session_id IS NULL",
            (session_id, entry_number, channel_id, media_id),
        )

    def pending(self, steady: float, limit: int, busy: frozenset[str]) -> list[PendingFile]:
        """See the contract."""
        rows = self._gathering.run(
            "SELECT * FROM media WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, created_at LIMIT ?",
            (steady, limit + len(busy)),
        )
        return [
            PendingFile(row["id"], row["channel_id"], MediaPart.model_validate_json(row["part"]), row["attempts"])
            for row in rows
            if row["id"] not in busy
        ][:limit]

    def settle(
        self,
        media_id: str,
        state: MediaState,
        *,
        mime_type: str | None = None,
        name: str | None = None,
        size_bytes: int | None = None,
        reason: str | None = None,
    ) -> None:
        """See the contract."""
        self._gathering.run(
            """UPDATE media SET state = ?, mime_type = coalesce(?, mime_type), name = coalesce(name, ?), size_bytes = coalesce(?, size_bytes),
                   reason = ? WHERE id = ? AND state != 'ready'""",
            (state.value, mime_type, name, size_bytes, reason, media_id),
        )

    def try_later(self, media_id: str, steady: float, reason: str) -> None:
        """See the contract."""
        self._gathering.run(
            "UPDATE media SET attempts = attempts + 1, next_at = ?, reason = ? WHERE id = ? AND state = 'pending'",
            (steady, reason, media_id),
        )

    def begin_anew(self, latest: float) -> None:
        """See the contract."""
        statement = "UPDATE media SET next_at = :latest WHERE state = 'pending' AND next_at > :latest"
        self._gathering.run(statement, {"latest": latest})

    def get(self, media_id: str) -> StoredFile | None:
        """See the contract."""
        row = self._gathering.run(f"SELECT {_COLUMNS} FROM media WHERE id = ?", (media_id,)).fetchone()  # noqa: S608
        return StoredFile(*row) if row else None

    def of_entries(self, keys: Collection[EntryKey]) -> dict[EntryKey, tuple[StoredFile, ...]]:
        """See the contract."""
        rows, values = at(keys, "media", "entry_number")
        found: dict[EntryKey, list[StoredFile]] = {}
        for row in self._gathering.run(f"SELECT {_COLUMNS} FROM {rows}", values):  # noqa: S608
            found.setdefault((row["session_id"], row["entry_number"]), []).append(StoredFile(*row))
        return {key: tuple(files) for key, files in found.items()}

    def unnamed(self, before: float, limit: int) -> list[str]:
        """See the contract."""
        query = "SELECT id FROM media WHERE session_id IS NULL AND created_at < ? ORDER BY created_at LIMIT ?"
        return [row["id"] for row in self._gathering.run(query, (before, limit))]

    def forget(self, media_ids: Iterable[str]) -> None:
        """See the contract."""
        self._gathering.run_many("DELETE FROM media WHERE id = ? AND session_id IS NULL", [(one,) for one in media_ids])
