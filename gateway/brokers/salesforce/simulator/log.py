"""The simulated org's event bus: what was published, in order, for 72 hours, with the replay ids that subscribers resume by.

A replay id is 8 bytes, big-endian, below 2^53, because a well-known client reads no more; ids grow, but with gaps, so that whoever counts on is found out. A
hostile log gives out longer bytes without any order instead: by Salesforce's word, an id is opaque.
Source: Salesforce, "Event Message Durability" (Pub/Sub API; read 2026-11).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

from gateway.clock import Clock, now
from gateway.store.org_events import OrgEvents, Page, Place

WINDOW: Final = timedelta(hours=72)
MOST_EVENT_BYTES: Final = 1_000_000
MOST_PAGE_CHARS: Final = 3_000_000
_FRESH: Final = timedelta(hours=1)  # an id that was given out within this is good for long enough
_PURGED_EVERY: Final = timedelta(hours=1)
_WIDEST_GAP: Final = 1_000


class TooLarge(ValueError):
    """An event may have 1 MB."""


class EventLog:
    """The bus of one topic on the file `events.db` of a folder; use it as a context. Everything that awaits raises StoreUnavailable.

    `moved` holds events (of asyncio) that are set whenever something was appended: who waits adds theirs and takes it out again. `generation` changes when the
    replay ids lose their meaning: what was read before belongs to another numbering.
    """

    def __init__(self, folder: Path, topic: str, clock: Clock = now, *, hostile: bool = False) -> None:
        self.topic = topic
        self.hostile = hostile
        self.moved: set[asyncio.Event] = set()
        self.generation = 0
        self._clock = clock
        self._file = OrgEvents(folder / "events.db")
        self._purged_at = clock()

    async def __aenter__(self) -> EventLog:
        await self._file.open()
        await self.refresh()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._file.close()

    async def append(self, event_type: str, payload: Mapping[str, Any], event_id: str | None = None) -> bytes:
        """Publish: on disk when the call returns, with its replay id. `event_id` (a UUID) makes it safe to repeat. Raises TooLarge."""
        return await self.append_text(event_type, json.dumps(payload, ensure_ascii=False, separators=(",", ":")), event_id)

    async def append_text(self, event_type: str, payload: str, event_id: str | None = None) -> bytes:
        """As `append`, with a payload that may be no JSON."""
        if len(payload.encode()) > MOST_EVENT_BYTES:
            raise TooLarge
        row = (self.topic, event_id or str(uuid4()), event_type, payload)
        place = await self._file.append(row, at_ms=self._ms(), gap=_gap(), issue=self._issue)
        for event in self.moved:
            event.set()
        await self._purge()
        return place.replay_id

    async def find(self, replay_id: bytes) -> Place | None:
        """Where a subscriber resumes; None: no such id, or older than 72 hours."""
        return await self._file.place(replay_id, self._oldest_ms())

    async def after(self, number: int, most: int = 100) -> Page:
        """What follows a place, in order, oldest first; 0 is the beginning. At most 3 MB."""
        return await self._file.page(self.topic, number, self._oldest_ms(), most, MOST_PAGE_CHARS)

    async def head(self) -> Place:
        """The newest place, whose id is good for long."""
        await self.refresh()
        page = await self._file.page(self.topic, 0, self._oldest_ms(), 0, 0)
        assert page.head is not None  # noqa: S101 - refresh() made one
        return page.head

    async def refresh(self) -> None:
        """See that the newest place is young: a quiet stream, too, has an id to resume by that stays valid."""
        head = (await self._file.page(self.topic, 0, 0, 0, 0)).head
        if head is None or head.created_ms <= self._ms() - _FRESH / timedelta(milliseconds=1):
            await self._file.mark(at_ms=self._ms(), gap=_gap(), issue=self._issue)

    async def forget_replay_ids(self) -> None:
        """As after a migration of the org: the events stay, and every id that was given out is invalid."""
        self.generation += 1
        await self._file.renumber(_gap(), self._issue)
        self.generation += 1  # who read in between read the new numbers as the old ones
        for event in self.moved:
            event.set()

    async def _purge(self) -> None:
        if self._clock() - self._purged_at >= _PURGED_EVERY:
            self._purged_at = self._clock()
            await self._file.purge(self._oldest_ms())

    def _issue(self, number: int) -> bytes:
        return secrets.token_bytes(11 + secrets.randbelow(30)) if self.hostile else number.to_bytes(8, "big")

    def _ms(self) -> int:
        return int(self._clock().timestamp() * 1_000)

    def _oldest_ms(self) -> int:
        return int((self._clock() - WINDOW).timestamp() * 1_000)


def _gap() -> int:
    return 1 + secrets.randbelow(_WIDEST_GAP)
