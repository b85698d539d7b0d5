"""Writing a decision down: session, entries, outbox rows, timers and what desks are told, in the caller's transaction, or nothing."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from datetime import datetime

from adapters.envelope import Address, ChannelId, MediaPart, Notice, OutboundFile, Say
from adapters.text import prepare
from gateway.brokers.ground import Ground, org_of
from gateway.session.audience import audiences_of_entry, audiences_of_session, audiences_of_signal
from gateway.session.commands import Route
from gateway.session.decide import decide
from gateway.session.decision import Decision, Outgoing, Refusal
from gateway.session.model import Session, Status
from gateway.store import conversations, events, media, outbox, people, sessions, timers

# After somebody becomes free, at most this many waiting sessions of a queue are looked at in the same transaction; sessions that all have
# passed on are among them, and ask again by their own timers.
_MOST_LOOKED_AT = 200


def apply(
    connection: sqlite3.Connection,
    ground: Ground,
    before: Session | None,
    decision: Decision,
    now: datetime,
    *,
    quiet: bool = False,
) -> None:
    """Write it all. `before` is the session that was decided on, None for a new one. `quiet`: nobody did anything, so the session
    keeps its place in the lists of latest activity."""
    after = decision.session
    if after is not before:
        sessions.save(connection, after, before=before, now=now, quiet=quiet)
        sessions.append(connection, after.id, decision.entries)
        ground.fault("entries_written")
        _note_work(connection, before, after, now)
        sessions.tie(connection, after)
    for one in decision.outgoing:
        _queue(connection, ground, after, one, now)
    ground.fault("outbox_written")
    timers.apply(connection, after.id, decision.timers, ahead=ground.steady() - now)
    _tell(connection, ground, before, decision, now)
    ground.fault("events_written")
    if before is not None:
        for login in _freed(before, after):
            passed = before.offer is not None and before.offer.rep == login  # declined it, or let it lapse
            route_for(connection, ground, after.org, login, now, anew=not passed)


def _note_work(connection: sqlite3.Connection, before: Session | None, after: Session, now: datetime) -> None:
    known = {p.id for p in before.reps} if before else set()
    for rep in after.reps:
        if rep.id not in known:
            people.took_work(connection, after.org, rep.id, now)


def _freed(before: Session, after: Session) -> set[str]:
    """Reps whom this decision gave capacity back."""
    return _busy(before) - _busy(after)


def _busy(session: Session) -> set[str]:
    offered = {str(session.offer.rep)} if session.offer else set()
    return offered | ({p.id for p in session.reps} if session.status is Status.active else set())


def _tell(connection: sqlite3.Connection, ground: Ground, before: Session | None, decision: Decision, now: datetime) -> None:
    after, at = decision.session, now.timestamp()
    settings = org_of(ground.orgs, after.org).settings
    for entry in decision.entries:
        audience = audiences_of_entry(entry, after, settings)
        data = {"number": entry.number}
        events.add(connection, org=after.org, session_id=after.id, type="entry", audience=audience, data=data, now=at)
    if after is not before:
        audience = audiences_of_session(after, before)
        events.add(connection, org=after.org, session_id=after.id, type="session", audience=audience, data={}, now=at)
    for signal in decision.signals:
        audience = audiences_of_signal(signal)
        data = dict(signal.data)
        events.add(connection, org=after.org, session_id=after.id, type=signal.type, audience=audience, data=data, now=at)


def _queue(connection: sqlite3.Connection, ground: Ground, session: Session, outgoing: Outgoing, now: datetime) -> None:
    """One outbox row for each message that the customer will see."""
    channel = ground.channels[session.channel_id]
    media_id = outgoing.file.media_id if outgoing.file else None
    if media_id:
        media.belongs(connection, media_id, session.id, outgoing.entry_number, session.channel_id)
    for message in _messages(connection, ground, session, outgoing, now):
        ready = prepare(message, channel.adapter.capabilities) if isinstance(message, Say) else [message]
        for one in ready:
            fresh = {"id": ground.new_id("msg" if one.kind == "say" else "ntc"), "retry_key": str(uuid.uuid4())}
            outbox.add(
                connection,
                org=session.org,
                session_id=session.id,
                entry_number=outgoing.entry_number,
                message=one.model_copy(update=fresh),
                media_id=media_id if isinstance(one, Say) and one.file else None,
            )


def _messages(
    connection: sqlite3.Connection, ground: Ground, session: Session, outgoing: Outgoing, now: datetime
) -> Iterable[Say | Notice]:
    address, channel_id = Address(session.end_user.id), ChannelId(session.channel_id)
    if outgoing.kind == "notice":
        code = outgoing.code or "waiting"
        yield Notice(
            id="",
            retry_key="",
            created_at=now,
            to=address,
            channel_id=channel_id,
            code=code,
            text=outgoing.text or "",
            about=outgoing.about,
        )
        return
    reply_to = conversations.message_id_of(connection, session.id, outgoing.reply_to) if outgoing.reply_to else None
    yield Say(
        id="",
        retry_key="",
        created_at=now,
        to=address,
        channel_id=channel_id,
        text=outgoing.text,
        file=_file(ground, outgoing.file, now) if outgoing.file else None,
        speaker=outgoing.speaker,
        reply_to=reply_to,
        human=outgoing.human,
    )


def _file(ground: Ground, part: MediaPart, now: datetime) -> OutboundFile:
    name = part.name or "file"
    return OutboundFile(
        name=name,
        mime_type=part.mime_type or "application/octet-stream",
        size_bytes=part.size_bytes or 0,
        url=ground.links.absolute(part.media_id or "", name, now),
    )


def route_for(
    connection: sqlite3.Connection, ground: Ground, org_id: str, login: str, now: datetime, *, anew: bool = True
) -> None:
    """Somebody may take work: offer them waiting sessions of their queues, oldest first, until they have as many as they can.

    `anew`: they came online or finished a session, so sessions that all reps have passed on are offered again.
    """
    org = org_of(ground.orgs, org_id)
    rep = org.people.get(login)
    if rep is None:
        return
    command = Route(became_free=rep.login if anew else None)
    for queue in sorted(org.queues_of(login)):
        for session_id in sessions.to_route(connection, org_id, queue, _MOST_LOOKED_AT):
            session = sessions.load(connection, session_id)
            if session is None or not ground.serves(session):
                continue
            facts = ground.facts(connection, session, now)
            if facts.load[login] >= rep.capacity:
                return
            decided = decide(session, command, facts)
            if not isinstance(decided, Refusal) and decided.session is not session:
                apply(connection, ground, session, decided, now)
