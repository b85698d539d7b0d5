"""What the connector page inside Salesforce asks (`gateway.brokers.contract.Connector`), answered from the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from gateway.brokers.contract import Caller, Contact
from gateway.brokers.ground import Ground
from gateway.brokers.salesforce.contacts import Wanted, contacts_of
from gateway.brokers.salesforce.holder import SalesforceHolder
from gateway.brokers.salesforce.partner_people import short
from gateway.brokers.salesforce.partner_values import Around, WorkSeen
from gateway.brokers.salesforce.places import key_of
from gateway.brokers.unit import Unit
from gateway.session.decision import Refusal
from gateway.session.model import RecipientType, Session, Status
from gateway.store.contract import Store, Transaction

_NOT_FOUND: Final = Refusal("session_not_found", "You have no such session in Salesforce. Open one that you are in.")


class _Found(NamedTuple):
    """A session of the caller's, and the org that it is in."""

    session: Session
    holder: SalesforceHolder


class SalesforceConnector:
    """Of all orgs in which this gateway routes some channel."""

    def __init__(self, holders: Sequence[SalesforceHolder], store: Store, ground: Ground) -> None:
        self._holders, self._store, self._ground = holders, store, ground

    async def contacts(
        self, caller: Caller, work_item: str, *, types: Sequence[RecipientType], q: str, free: bool, offset: int, limit: int
    ) -> Sequence[Contact] | Refusal:
        """See the contract."""
        wanted = Wanted(types, q, free, offset, limit)
        return await self._store.read(lambda stored: self._contacts(stored, caller, work_item, wanted))

    def _contacts(self, stored: Transaction, caller: Caller, work_item: str, wanted: Wanted) -> list[Contact] | Refusal:
        found = self._session_of(stored, caller, work_item, ("in",))
        if isinstance(found, Refusal):
            return found
        unit = Unit(stored, self._ground)
        around = Around(found.session, unit.facts(found.session, words=True), found.holder.org)
        return contacts_of(around, caller.login, wanted, lambda queue: _waits(stored, caller.org, queue, unit.now))

    async def work_changed(self, caller: Caller, work_item: str, work: str, change: str) -> Refusal | None:
        """See the contract."""
        return await self._store.write(lambda stored: self._work_changed(stored, caller, work_item, work, change))

    def _work_changed(self, stored: Transaction, caller: Caller, work_item: str, work: str, change: Any) -> Refusal | None:
        found = self._session_of(stored, caller, work_item, ("in", "offered", "was"))
        if isinstance(found, Refusal):
            return found
        seen = WorkSeen(user=found.holder.org.reps[caller.login], change=change, work_id=work)
        found.holder.work_seen(Unit(stored, self._ground), found.session, seen)
        return None

    def _session_of(self, stored: Transaction, caller: Caller, work_item: str, ties: tuple[str, ...]) -> _Found | Refusal:
        """The session of that name in Salesforce, if it is the caller's."""
        orgs = [holder for holder in self._holders if caller.login in holder.org.reps]
        if not orgs:
            sentence = "Your login has no Salesforce user id in the gateway's settings: have it added to `reps` of the org."
            return Refusal("permission_denied", sentence)
        for holder in orgs:
            user = holder.org.reps[caller.login]
            names = dict.fromkeys((caller.login, user, short(user)))
            ids = dict.fromkeys(id for name in names for id in stored.sessions.of_rep(caller.org, name, *ties))
            for session in map(stored.sessions.load, ids):
                if session is not None and holder.routes(session) and _is(stored, holder, session, work_item):
                    return _Found(session, holder)
        return _NOT_FOUND


def _is(stored: Transaction, holder: SalesforceHolder, session: Session, work_item: str) -> bool:
    known = stored.conversations.of(holder.places.lane, key_of(session)).memory.get("work_item")
    return isinstance(known, str) and short(known) == short(work_item)


def _waits(stored: Transaction, org: str, queue: str, now: datetime) -> int | None:
    """How long the customer who has waited longest in the queue does; 0: nobody waits."""
    first = next(iter(stored.sessions.to_route(org, queue, 1)), None)
    session = stored.sessions.load(first) if first is not None else None
    if session is None or session.status is not Status.waiting:
        return 0
    return max(0, int((now - (session.last_inbound_at or session.opened_at)).total_seconds()))
