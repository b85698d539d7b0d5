"""The embedded broker's knowledge of persons, as the profiler sees it (`gateway.journal.contract.People`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from adapters.envelope import Address, EndUser
from gateway.brokers.ground import Ground
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell
from gateway.session.audience import audiences_of_session
from gateway.session.model import Session, Status
from gateway.store import events, sessions
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
        name = session.end_user.name if session and session.end_user.name != address else None
        return EndUser(address=Address(address), name=name)

    async def learned(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """See the contract."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE conversations SET person = json_patch(person, ?) WHERE channel_id = ? AND address = ?",
                (end_user.model_dump_json(exclude_none=True), channel_id, address),
            )
            session = sessions.newest_of_address(connection, channel_id, address, self._ground.channels[channel_id].config.org)
            name = end_user.name or end_user.username
            if session is not None and session.status is not Status.ended and name and session.end_user.name != name:
                self._rename(connection, session, name)

        await self._writer.run(write)
        self._bell.ring("events")

    def _rename(self, connection: sqlite3.Connection, session: Session, name: str) -> None:
        renamed = session.model_copy(
            update={
                "end_user": session.end_user.model_copy(update={"name": name}),
                "participants": tuple(
                    p.model_copy(update={"name": name}) if p.id == session.end_user.id else p for p in session.participants
                ),
                "version": session.version + 1,
            }
        )
        now = self._clock()
        sessions.save(connection, renamed, before=session, now=now)
        audience = audiences_of_session(renamed)
        events.add(
            connection, org=session.org, session_id=session.id, type="session", audience=audience, data={}, now=now.timestamp()
        )
