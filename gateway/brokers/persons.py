"""Who customers are: what they are called, which address is theirs now, and how their running sessions follow; the profiler's view of it too
(`gateway.journal.contract.People`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from adapters.envelope import Address, EndUser
from gateway.brokers.ground import Ground
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell
from gateway.session.audience import audiences_of_session
from gateway.session.calling import address_shown
from gateway.session.model import Role, Session, SessionEndUser
from gateway.store import aside, conversations, events, sessions
from gateway.store.group_commit import GroupCommit
from gateway.store.readers import Readers


class StoredPeople:
    """See `gateway.journal.contract.People`."""

    def __init__(self, writer: GroupCommit, readers: Readers, bell: Doorbell, clock: Clock, ground: Ground) -> None:
        self._writer, self._readers, self._bell, self._clock, self._ground = writer, readers, bell, clock, ground

    async def unknown(self, channels: Sequence[str], *, limit: int) -> list[tuple[str, str]]:
        """See the contract."""
        places = ",".join("?" * len(channels))
        query = f"""SELECT channel_id, address FROM conversations INDEXED BY conversations_unknown
                    WHERE json_extract(person, '$.address') IS NULL AND channel_id IN ({places}) ORDER BY last_inbound_at DESC LIMIT ?"""  # noqa: S608
        rows = await self._readers.run(lambda c: c.execute(query, (*channels, limit)).fetchall())
        return [(row["channel_id"], row["address"]) for row in rows]

    async def end_user(self, channel_id: str, address: str) -> EndUser:
        """See the contract."""
        org = self._ground.channels[channel_id].config.org
        session = await self._readers.run(lambda c: sessions.newest_of_address(c, channel_id, address, org))
        name = session.end_user.name if session and session.end_user.name != address_shown(address) else None
        return EndUser(address=Address(address), name=name)

    async def learned(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """See the contract."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE conversations SET person = json_patch(person, ?) WHERE channel_id = ? AND address = ?",
                (end_user.model_dump_json(exclude_none=True), channel_id, address),
            )
            org = self._ground.channels[channel_id].config.org
            _rename(connection, channel_id, address, org, end_user.name or end_user.username, self._clock())

        await self._writer.run(write)
        self._bell.ring("events")


def called(connection: sqlite3.Connection, channel_id: str, address: str, org: str, end_user: EndUser, now: datetime) -> None:
    """An event calls the person by a name or username: that is kept, and the running session is called so from now on."""
    if conversations.keep_name(connection, channel_id, address, end_user):
        _rename(connection, channel_id, address, org, conversations.known_name(connection, channel_id, address), now)


def readdress(connection: sqlite3.Connection, channel_id: str, old: str, new: str, now: datetime) -> None:
    """The person has another address now: their sessions, what waits to be sent and what is kept aside are theirs under it."""
    for session in sessions.open_of_address(connection, channel_id, old):
        nameless = session.end_user.name == address_shown(old)
        name = address_shown(new) if nameless else session.end_user.name
        _save(connection, session, SessionEndUser(id=new, name=name), now)
    sessions.readdress(connection, channel_id, old, new)
    aside.move(connection, channel_id, old, new)


def _rename(connection: sqlite3.Connection, channel_id: str, address: str, org: str, name: str | None, now: datetime) -> None:
    """The running session, its participants and later lines; what was written stays as it was."""
    for session in sessions.open_of_address(connection, channel_id, address):
        if name and session.end_user.name != name and session.org == org:
            _save(connection, session, session.end_user.model_copy(update={"name": name}), now)


def _save(connection: sqlite3.Connection, session: Session, end_user: SessionEndUser, now: datetime) -> None:
    known = {"id": end_user.id, "name": end_user.name}
    participants = tuple(p.model_copy(update=known) if p.role is Role.end_user else p for p in session.participants)
    changed = session.model_copy(update={"end_user": end_user, "participants": participants, "version": session.version + 1})
    sessions.save(connection, changed, before=session, now=now, quiet=True)
    audience = audiences_of_session(changed)
    events.add(
        connection, org=session.org, session_id=session.id, type="session", audience=audience, data={}, now=now.timestamp()
    )
