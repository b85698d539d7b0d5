"""What an org reports, applied to sessions: each event once, in the caller's unit of work.

An event is known again by its own id and by that of its conversation entry, since one entry may come in two events. What is said to customers goes
through `relayed` (the rules' own room), by `RepSaid` alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias

from pydantic import JsonValue, TypeAdapter

from adapters.envelope import Address, ChannelId, EndUser, MediaPart, Part, TextPart
from gateway.brokers.ground import Work
from gateway.brokers.salesforce import formats
from gateway.brokers.salesforce.events import (
    ConsentChanged,
    CustomersReceipt,
    File,
    FileSettled,
    OrgEvent,
    PeopleChanged,
    Person,
    RepSaid,
    Routed,
    RoutingAsked,
    StatusChanged,
    WorkChanged,
)
from gateway.brokers.salesforce.links import shows_strange_link
from gateway.brokers.salesforce.partner_people import name_of, short
from gateway.brokers.salesforce.partnering import Partnering
from gateway.brokers.salesforce.places import Places, SalesforceLink, is_ours
from gateway.brokers.salesforce.subjects import address_of
from gateway.config.salesforce import SalesforceOrg
from gateway.session.commands import Command, RelayedPeople, RelayedSaid, RelayedStatus
from gateway.session.decision import Refusal
from gateway.session.model import Actor, Role, Session, Status
from gateway.store.contract import Over, Why

Tell: TypeAlias = Callable[[Work, Session, str, Mapping[str, Any]], None]
_log = logging.getLogger(__name__)
_ROLES: Final = {"Agent": Role.rep, "Supervisor": Role.supervisor, "Chatbot": Role.bot, "DigitalWorker": Role.bot}
_STATUSES: Final = {
    "Active": Status.active,
    "Waiting": Status.waiting,
    "New": Status.waiting,
    "Inactive": Status.inactive,
    "Ended": Status.ended,
}
_ENDED_BY: Final = {"Agent": "ended_by_rep", "Supervisor": "ended_by_supervisor", "EndUser": "ended"}
_RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_ACTORS: Final = TypeAdapter(tuple[Actor, ...])


class NotKnown(Exception):
    """The event is about a customer who has never written on this channel."""


def apply(work: Work, event: OrgEvent, org: SalesforceOrg, places: Places, tell: Tell, partnering: Partnering) -> None:
    """Apply one event; a double does nothing. `tell`: a call to Salesforce that needs no turn. Raises NotKnown."""
    link = places.by_address.get(event.address)
    if link is None:
        # One event may serve several gateways: what is for another one's channel isn't ours to judge.
        _log.debug("event of another channel", extra={"action": "salesforce.other_channel", "lane": places.lane})
        return
    seen = work.stored.conversations
    if not seen.first_sight(places.lane, event.event_id):
        return
    if event.entry_id and not seen.first_sight(places.lane, f"{event.kind} {event.entry_id}"):
        return
    work.ground.fault("org_event_marked")
    if event.customer:  # as they are known here now
        address = address_of(work.stored, places.lane, link.id, event.customer)
        event = event if address == event.customer else event.model_copy(update={"customer": address})
    if event.conversation and event.customer:
        seen.remember(places.lane, f"{link.id}/{event.customer}", {"conversation": event.conversation})
    if isinstance(event, RepSaid):
        _said(work, event, link, places, tell, org)
    elif isinstance(event, PeopleChanged):
        _people(work, event, link, org, places)
    elif isinstance(event, StatusChanged):
        _status(work, event, link, places)
    elif isinstance(event, FileSettled):
        _file_settled(work, event, places)
    elif isinstance(event, ConsentChanged):
        seen.remember(places.lane, f"{link.id}/{event.customer}", {"stopped": None if event.opted_in else True})
    elif isinstance(event, CustomersReceipt):
        _receipt(work, event, places)
    # All else is counted by the receiver, and shown to nobody.
    if is_ours(link) and isinstance(event, RoutingAsked | WorkChanged | PeopleChanged | Routed | StatusChanged):
        session = work.stored.sessions.newest_of_address(link.id, event.customer, link.config.org)
        if session is None:
            raise NotKnown("no customer with this address has written on the channel")
        partnering.happened(work, session, event)


def is_stale(event: OrgEvent, org: SalesforceOrg) -> bool:
    """Whether it comes too late to be told as news."""
    return event.at is not None and event.received_at - event.at > timedelta(minutes=org.stale_after_minutes)


def _open_session(work: Work, link: SalesforceLink, event: OrgEvent, places: Places) -> Session | None:
    session = work.stored.sessions.newest_of_address(link.id, event.customer, link.config.org)
    return session if session is not None and session.status is not Status.ended and session.broker == places.lane else None


def _said(work: Work, event: RepSaid, link: SalesforceLink, places: Places, tell: Tell, org: SalesforceOrg) -> None:
    session = _open_session(work, link, event, places)
    # A rep may write to a customer whose session has ended here: that opens a new one, for a customer who is known.
    known = session or work.stored.sessions.newest_of_address(link.id, event.customer, link.config.org)
    if known is None:
        raise NotKnown("no customer with this address has written on the channel")
    if session is None and work.stored.sessions.ended_by_customer(known.id):  # L4: they are sent nothing more
        tell(work, known, "interaction", formats.delivery_failed(event.entry_id, "conversation_closed").body)
        return
    if shows_strange_link(event.said, link.adapter.capabilities, org):
        tell(work, known, "interaction", formats.delivery_failed(event.entry_id, "media_address_refused").body)
        return
    by = _actor(event.sender, known, org) or Actor(role=Role.system, id="salesforce", name="Salesforce")
    spoken = formats.parts_for_customer(event.said, link.adapter.capabilities, kind=link.config.kind)
    if not spoken.texts and not spoken.files:  # a component that names its content elsewhere, say
        tell(work, known, "interaction", formats.delivery_failed(event.entry_id, "content_refused").body)
        return
    key = f"{link.id}/{event.customer}"
    choices: JsonValue = [choice.model_dump(mode="json") for choice in event.said.choices]
    asked: JsonValue = {"entry": event.entry_id, "choices": choices} if choices else None
    work.stored.conversations.remember(places.lane, key, {"asked": asked})
    said: list[tuple[Part, ...]] = [(TextPart(text=text),) for text in spoken.texts]
    files = [_file(work, file) for file in spoken.files]
    said += [(file,) for file in files]
    for file in files:
        work.stored.media.add(file.media_id or "", file, org=known.org, channel_id=places.lane)
    end_user = EndUser(address=Address(known.end_user.id), name=known.end_user.name, locale=known.locale)
    automatic = event.reason is not None or by.role is Role.system
    if session is not None:
        session = _let_in(work, session, key, places)
    for place, parts in enumerate(said):
        about: JsonValue = {"entry": event.entry_id, "conversation": event.conversation, "place": place, "of": len(said)}
        details: dict[str, JsonValue] = {"salesforce": about}
        shown = tuple(part.model_copy(update={"source": {}}) if isinstance(part, MediaPart) else part for part in parts)
        command = RelayedSaid(by, shown, details, ChannelId(link.id), end_user, automatic=automatic)
        session = _done(work, session, command)
    if session is not None:
        _let_in(work, session, key, places)


def _file(work: Work, file: File) -> MediaPart:
    family = (file.mime_type or "").partition("/")[0]
    return MediaPart(
        media=family if family in ("image", "video", "audio") else "file",  # type: ignore[arg-type]
        mime_type=file.mime_type,
        name=file.name,
        media_id=work.ground.new_id("med"),
        source={"url": file.url},
    )


def _people(work: Work, event: PeopleChanged, link: SalesforceLink, org: SalesforceOrg, places: Places) -> None:
    known = work.stored.sessions.newest_of_address(link.id, event.customer, link.config.org)
    if known is None:
        return
    last: dict[str, tuple[str, Actor]] = {}  # of one person's changes in one step, what they come to
    for change in event.changes:
        actor = _actor(change.person, known, org)
        if actor is not None and change.operation != "update":  # an update says nothing that customers see
            last[actor.id] = (change.operation, actor)
    came, went = (tuple(actor for operation, actor in last.values() if operation == one) for one in ("add", "remove"))
    session = _open_session(work, link, event, places)
    if session is None:
        _remember_early(work, f"{link.id}/{event.customer}", places, came, went)
        return
    session = _let_in(work, session, f"{link.id}/{event.customer}", places)
    memory = work.stored.conversations.of(places.lane, f"{link.id}/{event.customer}").memory
    wanted = not link.settings.announces and memory.get("stopped") is not True  # who stopped consent is written to by reps alone
    announced = wanted and not is_stale(event, org) and all(who.name for who in came)
    _done(work, session, RelayedPeople(came, went, announced))


def _remember_early(work: Work, key: str, places: Places, came: Iterable[Actor], went: Iterable[Actor]) -> None:
    """Who is in there while no session is open here: a rep who begins one is added before they write."""
    gone = {who.id for who in went}
    early = {who.id: who for who in (*_early(work, key, places), *came) if who.id not in gone}
    kept: JsonValue = [who.model_dump(mode="json") for who in early.values()] or None
    work.stored.conversations.remember(places.lane, key, {"early": kept})


def _early(work: Work, key: str, places: Places) -> tuple[Actor, ...]:
    return _ACTORS.validate_python(work.stored.conversations.of(places.lane, key).memory.get("early") or ())


def _let_in(work: Work, session: Session, key: str, places: Places) -> Session:
    """Those who were added before the session was open here come in, unannounced: what they say names them."""
    early = _early(work, key, places)
    if not early:
        return session
    work.stored.conversations.remember(places.lane, key, {"early": None})
    return _done(work, session, RelayedPeople(early, announced=False))


def _actor(person: Person | None, session: Session, org: SalesforceOrg) -> Actor | None:
    """A rep, supervisor or bot by the name that the event gives, else by the one under which they are in; by the login, where the config knows it. None: nobody
    of those."""
    role = _ROLES.get(person.role) if person is not None else None
    if person is None or role is None:
        return None
    login = name_of(person.subject, org.reps) or (
        short(person.subject) if _RECORD_ID.fullmatch(person.subject) else person.subject
    )
    known = next((p.name for p in session.participants if p.id == login), "")
    return Actor(role=role, id=login, name=person.name or known)


def _status(work: Work, event: StatusChanged, link: SalesforceLink, places: Places) -> None:
    session = _open_session(work, link, event, places)
    status = _STATUSES.get(event.status)
    if session is None and status is Status.ended:
        work.stored.conversations.remember(places.lane, f"{link.id}/{event.customer}", {"early": None})
    if session is None or status is None:
        return
    current = work.stored.conversations.of(places.lane, f"{link.id}/{event.customer}").memory.get("work_item")
    if event.session_id and isinstance(current, str) and short(event.session_id) != short(current):
        return  # the end of an earlier session, which comes after the begin of this one
    reason = _ENDED_BY.get(event.ended_by or "", "ended_by_salesforce") if status is Status.ended else "salesforce"
    if status is Status.ended and work.stored.outbox.has_open(places.lane, f"{link.id}/{session.end_user.id}"):
        # Salesforce opens another session for what is on its way. Here it stays one: else who takes that couldn't be announced.
        everybody = tuple(Actor(role=p.role, id=p.id, name=p.name) for p in session.participants if p.role is not Role.end_user)
        session = _done(work, session, RelayedPeople(went=everybody, announced=not link.settings.announces))
        status = Status.waiting
    _done(work, session, RelayedStatus(status, reason))


def _file_settled(work: Work, event: FileSettled, places: Places) -> None:
    """A customer's file that Salesforce took and then couldn't keep: an operator sees it as failed."""
    ref = work.stored.message_ids.of(places.lane, event.message_id)
    row = work.stored.outbox.one(ref.outbox_id) if ref and ref.outbox_id else None
    if row is None or event.error is None:
        return
    sentence = "Salesforce could not keep the customer's file. Open the file here, or ask the customer to send it in another way."
    work.stored.outbox.fail_late(row, Over("failed", Why("media_refused", sentence, event.error)))
    _log.warning("file not kept", extra={"action": "salesforce.file_refused", "row": row.id, "code": event.error})


def _receipt(work: Work, event: CustomersReceipt, places: Places) -> None:
    ref = work.stored.message_ids.of(places.lane, event.message_id)
    row = work.stored.outbox.one(ref.outbox_id) if ref and ref.outbox_id else None
    if row is not None:
        work.stored.outbox.raise_state(row, event.status)


def _done(work: Work, session: Session | None, command: Command) -> Session:
    """The session afterwards."""
    done = work.do(session, command)
    if isinstance(done, Refusal):
        raise RuntimeError(f"what Salesforce reported was refused: {done.code}")
    return done.session
