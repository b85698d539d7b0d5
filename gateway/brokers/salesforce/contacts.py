"""Whom a rep can name in Salesforce's Start Conference and Transfer lists, with partner-owned routing: those whom our own destination list has (T3), as far as
they have a record in Salesforce. Never `others` (T2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from gateway.brokers.contract import Contact
from gateway.brokers.salesforce.partner_people import as_we_call_them
from gateway.brokers.salesforce.partner_values import Around
from gateway.config.salesforce import SalesforceOrg
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination, t3_destinations
from gateway.session.model import Login, Purpose, RecipientType
from gateway.session.searching import fold

_ALL: Final = 100_000
# A request to them fails now, but may not a minute later: they are shown as busy. Whoever can't be asked for another reason isn't shown.
_BUSY: Final = frozenset({"recipient_at_capacity", "recipient_not_available"})


class Wanted(NamedTuple):
    """What the list is asked for."""

    types: Sequence[RecipientType]
    q: str = ""
    free: bool = False
    offset: int = 0
    limit: int = 50


def contacts_of(around: Around, by: Login, wanted: Wanted, waits: Callable[[str], int | None]) -> list[Contact] | Refusal:
    """One page, by type and then by name. `waits`: for a queue of ours, how many seconds somebody has waited in it."""
    around = as_we_call_them(around)
    session = around.session.model_copy(update={"broker": ""})  # what is asked here is what Salesforce will ask us to route
    found: list[Contact] = []
    refusal: Refusal | None = None
    for type in wanted.types:
        lists: dict[Purpose, dict[str, Destination]] = {}
        for purpose in (Purpose.invite, Purpose.transfer):
            page = t3_destinations(session, around.facts, by, purpose=purpose, type=type, q=wanted.q, limit=_ALL)
            if isinstance(page, Refusal):
                refusal = refusal or page
                continue
            lists[purpose] = {one.id: one for one in page.items if one.code is None or one.code in _BUSY}
        if not lists:
            return refusal or []
        found += _merged(lists, around.org, free=wanted.free)
    page_of = found[wanted.offset : wanted.offset + wanted.limit]
    queues = {record: name for name, record in around.org.queues.items()}
    return [
        one.model_copy(update={"waits_seconds": waits(queues[one.record])}) if one.type is RecipientType.queue else one
        for one in page_of
    ]


def _merged(lists: dict[Purpose, dict[str, Destination]], org: SalesforceOrg, *, free: bool) -> Iterator[Contact]:
    invited, transferred = lists.get(Purpose.invite, {}), lists.get(Purpose.transfer, {})
    for id, one in sorted({**invited, **transferred}.items(), key=lambda item: (fold(item[1].name), item[0])):
        record = _record_of(one, org)
        busy = one.code is not None
        if record is None or (free and busy):
            continue
        yield Contact(
            type=one.type,
            record=record,
            name=one.name,
            transfer=id in transferred,
            conference=id in invited,
            busy=busy,
            remark=_remark(one),
        )


def _record_of(one: Destination, org: SalesforceOrg) -> str | None:
    if one.type is RecipientType.agent:
        return org.reps.get(Login(one.id))
    return (org.queues if one.type is RecipientType.queue else org.flows).get(one.id)


def _remark(one: Destination) -> str:
    if one.type is RecipientType.agent:
        return f"{one.load} of {one.capacity} conversations"
    if one.type is RecipientType.queue:
        return f"{one.available} available"
    return ""
