"""Who customers are: what they are called, which address is theirs now, and how their running sessions follow; the profiler's view of it too
(`gateway.journal.contract.Profiles`)."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.envelope import Address, EndUser
from gateway.brokers.ground import Ground
from gateway.brokers.unit import Unit
from gateway.session.audience import audiences_of_session
from gateway.session.calling import address_shown
from gateway.session.model import Role, Session, SessionEndUser
from gateway.store.contract import Store, Transaction


class StoredProfiles:
    """See `gateway.journal.contract.Profiles`."""

    def __init__(self, store: Store, ground: Ground) -> None:
        self._store, self._ground = store, ground

    async def unknown(self, channels: Sequence[str], *, limit: int) -> list[tuple[str, str]]:
        """See the contract."""
        return await self._store.read(lambda stored: stored.conversations.unknown(channels, limit))

    async def end_user(self, channel_id: str, address: str) -> EndUser:
        """See the contract."""
        org = self._ground.channels[channel_id].config.org
        session = await self._store.read(lambda stored: stored.sessions.newest_of_address(channel_id, address, org))
        name = session.end_user.name if session and session.end_user.name != address_shown(address) else None
        return EndUser(address=Address(address), name=name)

    async def learned(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """See the contract."""
        org = self._ground.channels[channel_id].config.org

        def write(stored: Transaction) -> None:
            stored.conversations.learn(channel_id, address, end_user)
            _rename(Unit(stored, self._ground), channel_id, address, org, end_user.name or end_user.username)

        await self._store.write(write)


def called(unit: Unit, channel_id: str, address: str, org: str, end_user: EndUser) -> None:
    """An event calls the person by a name or username: that is kept, and the running session is called so from now on."""
    conversations = unit.stored.conversations
    if conversations.keep_name(channel_id, address, end_user):
        _rename(unit, channel_id, address, org, conversations.known_name(channel_id, address))


def readdress(unit: Unit, channel_id: str, old: str, new: str) -> None:
    """The person has another address now: their sessions, what waits to be sent and what is kept aside are theirs under it."""
    for session in unit.stored.sessions.open_of_address(channel_id, old):
        nameless = session.end_user.name == address_shown(old)
        name = address_shown(new) if nameless else session.end_user.name
        _save(unit, session, SessionEndUser(id=new, name=name))
    unit.stored.sessions.readdress(channel_id, old, new)
    if (holder := unit.ground.holders.get(channel_id)) is not None:
        holder.readdressed(unit, channel_id, old, new)
    unit.stored.aside.move(channel_id, old, new)


def _rename(unit: Unit, channel_id: str, address: str, org: str, name: str | None) -> None:
    """The running session, its participants and later lines; what was written stays as it was."""
    sessions = unit.stored.sessions
    if not name or sessions.newest_of_address(channel_id, address, org) is None:
        return  # the usual case: they have written for the first time
    for session in sessions.open_of_address(channel_id, address):
        if session.end_user.name != name and session.org == org:
            _save(unit, session, session.end_user.model_copy(update={"name": name}))


def _save(unit: Unit, session: Session, end_user: SessionEndUser) -> None:
    known = {"id": end_user.id, "name": end_user.name}
    participants = tuple(p.model_copy(update=known) if p.role is Role.end_user else p for p in session.participants)
    changed = session.model_copy(update={"end_user": end_user, "participants": participants, "version": session.version + 1})
    unit.stored.sessions.save(changed, before=session, quiet=True)
    audience = audiences_of_session(changed)
    unit.stored.events.add(org=session.org, session_id=session.id, type="session", audience=audience, data={})
