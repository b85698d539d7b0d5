"""Sessions and entries as one reader may see them: visibility, deliveries and files' state joined on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from gateway.brokers.contract import Caller, Line, Page
from gateway.brokers.ground import Ground, org_of
from gateway.session.audience import as_seen_by, may_command, may_see, visible_to
from gateway.session.model import Entry, Session
from gateway.store import media, outbox, sessions


def session_for(connection: sqlite3.Connection, ground: Ground, caller: Caller, session_id: str) -> Session | None:
    """The session, if the caller may see it (E1)."""
    session = sessions.load(connection, session_id)
    if session is None or session.org != caller.org:
        return None
    queues = ground.orgs[caller.org].queues_of(caller.login)
    return session if may_see(session, caller.login, caller.supervisor, queues) else None


def command_session_for(connection: sqlite3.Connection, ground: Ground, caller: Caller, session_id: str) -> Session | None:
    """The session, if a command of the caller's is judged by the rules at all."""
    session = sessions.load(connection, session_id)
    if session is None or session.org != caller.org:
        return None
    queues = ground.orgs[caller.org].queues_of(caller.login)
    return session if may_command(session, caller.login, caller.supervisor, queues) else None


def shown(session: Session, ground: Ground, caller: Caller) -> Session:
    """The session without what this caller may not know of it (the flag, M4)."""
    settings = org_of(ground.orgs, session.org).settings
    return as_seen_by(session, caller.login, caller.supervisor, settings)


def entries_page(
    connection: sqlite3.Connection,
    ground: Ground,
    caller: Caller,
    session: Session,
    *,
    before: int | None,
    after: int | None,
    limit: int,
    now: datetime,
) -> Page[Line]:
    """A page of the transcript, oldest first; C10."""
    found: list[tuple[Entry, str | None]] = []
    if after is not None:
        walk = sessions.oldest_first(connection, session.id, after=after, chunk=limit + 1)
    else:
        walk = sessions.newest_first(connection, session.id, before=before, chunk=limit + 1)
    settings = org_of(ground.orgs, session.org).settings
    more = False
    for entry, change in walk:
        if not visible_to(entry, session, caller.login, caller.supervisor, settings):
            continue
        if after is not None and before is not None and entry.number >= before:
            break
        if len(found) == limit:
            more = True
            break
        found.append((entry, change))
    if after is None:
        found.reverse()
    lines = lines_of(connection, ground, session.id, found, now)
    if not lines:
        return Page((), None, 0)
    if after is not None:
        return Page(lines, str(lines[-1].entry.number) if more else None)
    oldest = lines[0].entry.number
    apart = sessions.for_supervisors(connection, session.id, oldest)
    hidden = sum(not visible_to(one, session, caller.login, caller.supervisor, settings) for one in apart)
    remaining = oldest - 1 - hidden
    return Page(lines, str(oldest) if more else None, remaining)


def lines_of(
    connection: sqlite3.Connection,
    ground: Ground,
    session_id: str,
    entries: Sequence[tuple[Entry, str | None]],
    now: datetime,
) -> tuple[Line, ...]:
    """Entries with how their deliveries and files stand now."""
    if not entries:
        return ()
    numbers = [entry.number for entry, _ in entries]
    deliveries = outbox.of_entries(connection, session_id, numbers)
    files = _files(connection, ground, session_id, min(numbers), max(numbers), now)
    return tuple(_line(entry, change, deliveries.get(entry.number, ()), files.get(entry.number, {})) for entry, change in entries)


def _line(entry: Entry, change: str | None, delivery: Any, files: dict[str, dict[str, JsonValue]]) -> Line:
    deleted = change == "deleted"
    if deleted:
        entry, files = entry.model_copy(update={"text": None, "parts": (), "referral": None}), {}
    return Line(entry=entry, delivery=delivery, media=files, edited=change == "edited", deleted=deleted)


def _files(
    connection: sqlite3.Connection, ground: Ground, session_id: str, first: int, last: int, now: datetime
) -> dict[int, dict[str, dict[str, JsonValue]]]:
    found: dict[int, dict[str, dict[str, JsonValue]]] = {}
    for row in media.of_entries(connection, session_id, first, last):
        found.setdefault(row["entry_number"], {})[row["id"]] = file_shape(ground, row, now)
    return found


def file_shape(ground: Ground, row: sqlite3.Row, now: datetime) -> dict[str, JsonValue]:
    """Where a file stands, with its address when it is ready."""
    ready = row["state"] == "ready"
    return {
        "state": row["state"],
        "url": ground.links.relative(row["id"], row["name"], now) if ready else None,
        "mime_type": row["mime_type"],
        "size_bytes": row["size_bytes"],
        "name": row["name"],
        "reason": row["reason"],
    }


def entries_of(connection: sqlite3.Connection, session_id: str, numbers: Iterable[int]) -> list[tuple[Entry, str | None]]:
    """These entries."""
    found = (sessions.entry(connection, session_id, number) for number in numbers)
    return [one for one in found if one]
