"""Sessions and entries as one reader may see them: visibility, deliveries and files' state joined on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from gateway.brokers.contract import Caller, Line
from gateway.brokers.ground import Ground, org_of
from gateway.errors import BadCursor
from gateway.session.audience import Sight, as_seen_by, c10_reads, c10_shown, e1_sight, may_command, visible_to
from gateway.session.model import Entry, Page, Role, Session
from gateway.session.searching import found_by, has_all
from gateway.store.contract import EntryKey, StoredFile, Transaction, Wanted


def session_for(stored: Transaction, ground: Ground, caller: Caller, session_id: str) -> Session | None:
    """The session, if the caller may see it (E1)."""
    session = stored.sessions.load(session_id)
    if session is None or session.org != caller.org:
        return None
    return session if sight_of(session, ground, caller) else None


def sight_of(session: Session, ground: Ground, caller: Caller) -> Sight:
    """What of it the caller may see now (E1)."""
    if session.org != caller.org:
        return Sight()
    queues = ground.orgs[caller.org].queues_of(caller.login)
    return e1_sight(session, caller.login, caller.supervisor, queues)


def command_session_for(stored: Transaction, ground: Ground, caller: Caller, session_id: str) -> Session | None:
    """The session, if a command of the caller's is judged by the rules at all."""
    session = stored.sessions.load(session_id)
    if session is None or session.org != caller.org:
        return None
    queues = ground.orgs[caller.org].queues_of(caller.login)
    return session if may_command(session, caller.login, caller.supervisor, queues) else None


def shown(session: Session, ground: Ground, caller: Caller) -> Session:
    """The session without what this caller may not know of it."""
    settings = org_of(ground.orgs, session.org).settings
    return as_seen_by(session, sight_of(session, ground, caller), caller.login, caller.supervisor, settings)


def sessions_page(
    stored: Transaction, ground: Ground, caller: Caller, wanted: Wanted, *, cursor: str | None, limit: int
) -> Page[Session]:
    """A page of the sessions that the caller may see (E1), as they see them: search finds nothing by what they don't see. Raises BadCursor."""
    found: list[tuple[int, Session]] = []
    for place, session in stored.lists.walk(wanted, after=_place(cursor), chunk=limit + 1):
        seen = shown(session, ground, caller)
        if sight_of(session, ground, caller) and _is_found(seen, wanted):
            found.append((place, seen))
        if len(found) > limit:
            break
    items = tuple(session for _, session in found[:limit])
    return Page(items, str(found[limit - 1][0]) if len(found) > limit else None)


def _is_found(session: Session, wanted: Wanted) -> bool:
    customer = session.end_user
    return session.id == wanted.q or has_all(found_by(customer.id, customer.name), wanted.words)


def _place(cursor: str | None) -> int | None:
    """The cursor is the place of the last one given."""
    if cursor is None:
        return None
    try:
        place = int(cursor)
    except ValueError as wrong:
        raise BadCursor(cursor) from wrong
    if not -(2**63) <= place < 0:  # SQLite counts no further
        raise BadCursor(cursor)
    return place


def may_read(entry: Entry, session: Session, ground: Ground, caller: Caller) -> bool:
    """Whether the caller may read this entry now (C10, M4)."""
    settings = org_of(ground.orgs, session.org).settings
    return c10_reads(entry, sight_of(session, ground, caller), session, caller.login, caller.supervisor, settings)


def entries_page(
    stored: Transaction,
    ground: Ground,
    caller: Caller,
    session: Session,
    *,
    before: int | None,
    after: int | None,
    limit: int,
) -> Page[Line]:
    """A page of the transcript, oldest first; C10."""
    sight = sight_of(session, ground, caller)
    settings = org_of(ground.orgs, session.org).settings
    onwards = after is not None
    walk = _onwards(stored, session, sight, after or 0, limit) if onwards else _backwards(stored, session, sight, before, limit)
    found: list[tuple[Entry, str | None]] = []
    more = False
    for entry, change in walk:
        if not visible_to(entry, session, caller.login, caller.supervisor, settings):
            continue
        if onwards and before is not None and entry.number >= before:
            break
        if len(found) == limit:
            more = True
            break
        found.append((c10_shown(entry, sight), change))
    if not onwards:
        found.reverse()
    entries: dict[EntryKey, tuple[Entry, str | None]] = {(session.id, one[0].number): one for one in found}
    lines = tuple(lines_of(stored, ground, {session.id: session}, entries).values())
    if not lines:
        return Page((), None, 0)
    if onwards:
        return Page(lines, str(lines[-1].entry.number) if more else None)
    oldest = lines[0].entry.number
    below = oldest - 1 if sight.whole else min(oldest - 1, sight.until)
    apart = stored.sessions.for_supervisors(session.id, below + 1)
    hidden = sum(not visible_to(one, session, caller.login, caller.supervisor, settings) for one in apart)
    return Page(lines, str(oldest) if more else None, below - hidden)


def _backwards(
    stored: Transaction, session: Session, sight: Sight, before: int | None, limit: int
) -> Iterator[tuple[Entry, str | None]]:
    """What this sight reads below `before`, newest first."""
    if not sight.whole:
        if sight.message > sight.until and (before is None or sight.message < before):
            yield from _at(stored, session, sight.message)
        before = min(before or sight.until + 1, sight.until + 1)
    yield from stored.sessions.newest_first(session.id, before=before, chunk=limit + 1)


def _onwards(stored: Transaction, session: Session, sight: Sight, after: int, limit: int) -> Iterator[tuple[Entry, str | None]]:
    """What this sight reads above `after`, oldest first."""
    for found in stored.sessions.oldest_first(session.id, after=after, chunk=limit + 1):
        if not sight.whole and found[0].number > sight.until:
            break
        yield found
    if not sight.whole and sight.message > max(after, sight.until):
        yield from _at(stored, session, sight.message)


def _at(stored: Transaction, session: Session, number: int) -> Iterator[tuple[Entry, str | None]]:
    if found := stored.sessions.entry(session.id, number):
        yield found


def lines_of(
    stored: Transaction, ground: Ground, sessions: Mapping[str, Session], entries: Mapping[EntryKey, tuple[Entry, str | None]]
) -> dict[EntryKey, Line]:
    """Entries of these sessions, in their order, with the current state of their deliveries and files, and the customer's current name."""
    if not entries:
        return {}
    keys = tuple(entries)
    deliveries, files = stored.outbox.of_entries(keys), stored.media.of_entries(keys)
    return {
        key: _line(
            _named(entry, sessions[key[0]]),
            change,
            deliveries.get(key, ()),
            {file.id: file_shape(ground, file, stored.now) for file in files.get(key, ())},
        )
        for key, (entry, change) in entries.items()
    }


def _named(entry: Entry, session: Session) -> Entry:
    """The customer's lines bear the name that is known now: those from before it was known had but an address to show."""
    sender = entry.sender
    if sender is None or sender.role is not Role.end_user or sender.name == session.end_user.name:
        return entry
    return entry.model_copy(update={"sender": sender.model_copy(update={"name": session.end_user.name})})


def _line(entry: Entry, change: str | None, delivery: Any, files: dict[str, dict[str, JsonValue]]) -> Line:
    deleted = change == "deleted"
    if deleted:
        entry, files = entry.model_copy(update={"text": None, "parts": (), "referral": None}), {}
    return Line(entry=entry, delivery=delivery, media=files, edited=change == "edited", deleted=deleted)


def file_shape(ground: Ground, file: StoredFile, now: datetime) -> dict[str, JsonValue]:
    """The state of a file, with its address once it is ready."""
    return {
        "state": file.state,
        "url": ground.links.relative(file.id, file.name, now) if file.state == "ready" else None,
        "mime_type": file.mime_type,
        "size_bytes": file.size_bytes,
        "name": file.name,
        "reason": file.reason,
    }
