"""Salesforce as the broker of some channels' sessions: what of a change it is told, and what becomes of the messages it sent.

Everything is written in the transaction of what it is about, as rows of the outbox. A conversation's calls go one after another on the org's lane,
`salesforce:NAME`; receipts, which wait for nothing and nothing waits for, go on `salesforce:NAME:receipts`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter

from adapters.envelope import Address, ChannelId, Speaker, TypingSignal
from gateway.brokers.contract import ReportedEvent
from gateway.brokers.ground import Work
from gateway.brokers.salesforce import applying, formats, history, subjects
from gateway.brokers.salesforce.events import ANY_ORG_EVENT, Choice, OrgEvent, RepTypes
from gateway.brokers.salesforce.partner_values import WorkSeen
from gateway.brokers.salesforce.partnering import Partnering
from gateway.brokers.salesforce.places import Places, SalesforceLink, is_ours, key_of
from gateway.config import Channel
from gateway.config.salesforce import SalesforceOrg
from gateway.session.decision import Decision
from gateway.session.model import Entry, EntryKind, Login, Role, Session, Status
from gateway.session.outward import speaker_id
from gateway.store.contract import Call, DueTimer, OutboxRow, Outcome, Transaction
from gateway.store.outbox import message_of

MOST_ACKNOWLEDGEMENTS: Final = 25
_MOST_OF_THE_PAST: Final = 300
_CHOICES: Final = TypeAdapter(tuple[Choice, ...])
_CHANGES: Final = (EntryKind.message_edited, EntryKind.message_deleted, EntryKind.reaction)


class SalesforceHolder:
    """See `gateway.brokers.ground.Holder`. One for each org."""

    kind = "salesforce"

    def __init__(self, name: str, org: SalesforceOrg, channels: Mapping[str, Channel]) -> None:
        self.name, self.org = name, org
        self.places = Places(name, channels)
        self.broker = self.places.lane
        self.lanes = frozenset({self.places.lane, self.places.receipts})
        self._partnering = Partnering(org, self.places, self.call)

    # ------------------------------------------------------------------------------------- what Salesforce is told

    def relay(self, work: Work, before: Session | None, decision: Decision) -> None:
        """What the customer said, changed and took back, in order; and that they ended it, where Salesforce can be told."""
        session = decision.session
        channel = self.places.channels[session.channel_id]
        if before is None and channel.settings.history and channel.settings.product == "ccaas":
            self._hand_over(work, decision)
        speaks = any(entry.kind is EntryKind.message and _is_customers(entry) for entry in decision.entries)
        for entry in decision.entries:
            if (
                entry.kind is EntryKind.handover and entry.details.get("change") == "to_us" and not speaks
            ):  # else nobody there would be called
                self._interactions(
                    work, session, entry, [formats.text(f"[handed over by another app] {entry.text or ''}".strip())]
                )
            if not _is_customers(entry):
                continue
            if entry.referral is not None:
                self._interactions(work, session, entry, [formats.text(f"[{entry.referral.plain}]")])
            if entry.kind is EntryKind.message:
                self._opts(work, session, channel, out=False)
                self._interactions(work, session, entry, self._message(work, session, entry))
            elif entry.kind in _CHANGES:
                self._interactions(work, session, entry, [formats.text(_words_of(entry))])
            elif entry.kind is EntryKind.status_changed and session.status is Status.ended:
                if entry.details.get("reason") in ("opted_out", "blocked"):
                    self._opts(work, session, channel, out=True)
                if is_ours(channel):
                    self._partnering.customer_ended(work, session)  # elsewhere there is no call that ends a session

    def _opts(self, work: Work, session: Session, channel: SalesforceLink, *, out: bool) -> None:
        """Where we keep the consent, Salesforce is told that the customer stopped it, and that they wrote again."""
        conversations, key = work.stored.conversations, key_of(session)
        was_out = conversations.of(self.places.lane, key).memory.get("opted_out") is True
        if channel.settings.consent != "partner" or was_out is out:
            return
        conversations.remember(self.places.lane, key, {"opted_out": out or None})
        self.call(work, session, "consent", {"consentStatus": "OptedOut" if out else "ImplicitlyOptedIn"})

    def _hand_over(self, work: Work, decision: Decision) -> None:
        """What was said within a day before this session began, where it wasn't said in Salesforce: the newest part first."""
        session = decision.session
        past = work.stored.sessions.before(session)
        if past is None or past.broker == self.broker:
            return
        said_again = {entry.details.get("message_id") for entry in decision.entries}
        entries = [
            entry
            for entry, change in islice(work.stored.sessions.newest_first(past.id), _MOST_OF_THE_PAST)
            if change is None and entry.details.get("message_id", "") not in said_again
        ]
        customer = subjects.subject_of(
            work.stored.conversations.of(self.places.lane, key_of(session)).memory, session.end_user.id
        )
        for portion in history.portions(entries, session_id=past.id, customer=customer, now=work.now):
            self.call(work, session, "history", portion)

    def _message(self, work: Work, session: Session, entry: Entry) -> list[formats.Interaction]:
        """A number or title answers the question that a rep asked last; a reply, the message that it names."""
        memory = work.stored.conversations.of(self.places.lane, key_of(session)).memory
        asked = memory.get("asked")
        if not isinstance(asked, dict):
            return formats.interactions(entry.parts)
        choices = _CHOICES.validate_python(asked.get("choices", ()))
        return formats.interactions(entry.parts, answers=str(asked.get("entry", "")) or None, choices=choices)

    def _interactions(self, work: Work, session: Session, entry: Entry, found: Iterable[formats.Interaction]) -> None:
        for one in found:
            self.call(work, session, "interaction", one.body, entry_number=entry.number, media_id=one.media_id)

    def call(
        self,
        work: Work,
        session: Session,
        operation: str,
        body: Mapping[str, Any],
        *,
        entry_number: int = 0,
        media_id: str | None = None,
        lane: str | None = None,
        ref: str = "",
        batch: str = "",
    ) -> None:
        """A call to Salesforce, after those that wait already in the same conversation and lane."""
        call = Call(
            id=work.ground.new_id("cal"),
            channel_id=ChannelId(lane or self.places.lane),
            to=Address(key_of(session)),
            retry_key=str(uuid.uuid4()),
            created_at=work.now,
            operation=operation,
            about=ChannelId(session.channel_id),
            body=dict(body),
            ref=ref,
            batch=batch,
            most=MOST_ACKNOWLEDGEMENTS if batch else 1,
        )
        work.stored.outbox.add(call, org=session.org, session_id=session.id, entry_number=entry_number, media_id=media_id)

    # ------------------------------------------------------------------------------ what became of what it sent

    def delivered(self, work: Work, row: OutboxRow) -> None:
        """A message of a rep's has been delivered, read, or won't be: Salesforce is told once of each, when all parts of it are so."""
        found = work.stored.sessions.entry(row.session_id, row.entry_number)
        about = found[0].details.get("salesforce") if found else None
        session = work.stored.sessions.load(row.session_id) if isinstance(about, dict) else None
        channel = self.places.channels.get(row.channel_id)
        if session is None or session.broker != self.broker or channel is None or not isinstance(about, dict):
            return
        entry_id = str(about["entry"])
        states = [state for one in work.stored.outbox.of_entries(_parts(work, row, about)).values() for state in one]
        for state in states:
            if state.status in ("failed", "skipped") and self._first(work, "failed", entry_id):
                body = formats.delivery_failed(entry_id, state.code or "refused", state.reason or "").body
                self.call(work, session, "interaction", body, lane=self.places.receipts)
        if not channel.settings.receipts or not about.get("conversation"):
            return
        reached = {state.status for state in states}
        if reached <= {"delivered", "read"}:
            kind: Any = "read" if reached == {"read"} else "delivered"
            if self._first(work, kind, entry_id):
                one = formats.acknowledgement(kind, entry_id, int(work.now.timestamp() * 1000))
                body = {"conversationIdentifier": str(about["conversation"]), "acknowledgements": [one]}
                self.call(work, session, "acknowledgement", body, lane=self.places.receipts, batch="acknowledgements")

    def _first(self, work: Work, what: str, entry_id: str) -> bool:
        return work.stored.conversations.first_sight(self.places.receipts, f"{what} {entry_id}")

    # ------------------------------------------------------------------------------------ what Salesforce reports

    def answered(self, work: Work, row: OutboxRow, outcome: Outcome) -> None:
        """What our routing waits for."""
        call = message_of(row)
        session = work.stored.sessions.load(row.session_id) if isinstance(call, Call) and call.ref else None
        if session is not None and isinstance(call, Call):
            self._partnering.answered(work, session, call, outcome)

    def came_free(self, work: Work, session: Session, *, anew: bool) -> None:
        """A customer who waits may have a rep now."""
        self._partnering.came_free(work, session, anew=anew)

    def routes(self, session: Session) -> bool:
        """Whether the session is one that this gateway routes."""
        link = self.places.channels.get(session.channel_id)
        return session.broker == self.broker and link is not None and is_ours(link)

    def work_seen(self, work: Work, session: Session, seen: WorkSeen) -> None:
        """A rep's browser reports what became of their work."""
        self._partnering.happened(work, session, seen)

    def apply(self, work: Work, event: ReportedEvent) -> None:
        """See `applying.apply`."""
        if not isinstance(event, OrgEvent):
            raise TypeError(f"{type(event).__name__} is no event of Salesforce's")
        applying.apply(work, event, self.org, self.places, partial(self.call, lane=self.places.receipts), self._partnering)

    def read(self, kept: str) -> ReportedEvent:
        """See `Holder`."""
        return ANY_ORG_EVENT.validate_json(kept)

    def readdressed(self, work: Work, channel_id: str, old: str, new: str) -> None:
        """The conversation goes on under the name that Salesforce knows the customer by."""
        subjects.moved(work.stored, self.lanes, channel_id, old, new, mark=work.ground.new_id("sub"))

    def fire(self, work: Work, session: Session, timer: DueTimer) -> None:
        """Of our routing."""
        self._partnering.fire(work, session, timer)

    # ------------------------------------------------------------------------------------------------------ typing

    def customer_types(self, session: Session, on: bool) -> TypingSignal | None:
        """To the org, unless the channel's typing is off: each uses up its allocation."""
        channel = self.places.channels.get(session.channel_id)
        if channel is None or not channel.settings.typing:
            return None
        return _typing(self.places.lane, key_of(session), session.last_message_at or session.opened_at, on)

    def rep_types(self, stored: Transaction, event: ReportedEvent) -> tuple[Session, TypingSignal] | None:
        """To the customer, while it is fresh, where the channel can show it."""
        if not isinstance(event, RepTypes):
            return None
        channel = self.places.by_address.get(event.address)
        if channel is None or not channel.settings.typing or "typing" not in channel.adapter.capabilities.outbound:
            return None
        if applying.is_stale(event, self.org):
            return None
        address = subjects.address_of(stored, self.places.lane, channel.id, event.customer) if event.customer else ""
        session = stored.sessions.newest_of_address(channel.id, address, channel.config.org)
        if session is None or session.status is Status.ended or session.broker != self.broker:
            return None
        by = event.sender
        speaker = Speaker(id=speaker_id(session.org, Login(by.subject)), name=by.name) if by and by.name else None
        return session, _typing(channel.id, session.end_user.id, event.received_at, event.on, speaker)


def _parts(work: Work, row: OutboxRow, about: Mapping[str, Any]) -> list[tuple[str, int]]:
    """All entries of the rep's message that the row is a part of: a text and its files. A change of the session's status may be between them."""
    place, of = int(about.get("place", 0)), int(about.get("of", 1))
    around = range(row.entry_number - place - 1, row.entry_number - place + of + 1) if of > 1 else (row.entry_number,)
    found = work.stored.sessions.entries_at([(row.session_id, number) for number in around])
    return [key for key, (entry, _) in found.items() if _entry_of(entry) == about["entry"]]


def _entry_of(entry: Entry) -> JsonValue:
    """Salesforce's id of it; None: a rep of Salesforce's didn't say it."""
    about = entry.details.get("salesforce")
    return about.get("entry") if isinstance(about, dict) else None


def _typing(channel_id: str, to: str, at: datetime, on: bool, speaker: Speaker | None = None) -> TypingSignal:
    return TypingSignal(
        id=f"typ_{uuid.uuid4().hex}",
        channel_id=ChannelId(channel_id),
        to=Address(to),
        retry_key=str(uuid.uuid4()),
        created_at=at,
        on=on,
        speaker=speaker,
    )


def _is_customers(entry: Entry) -> bool:
    return entry.sender is not None and entry.sender.role is Role.end_user


def _words_of(entry: Entry) -> str:
    """What the customer did to an earlier message, in words: Salesforce has no form for it."""
    if entry.kind is EntryKind.message_edited:
        return f"[edited] {entry.text or ''}"
    if entry.kind is EntryKind.message_deleted:
        return "[took a message back]"
    emoji = entry.details.get("emoji")
    return f"[reacted with {emoji}]" if emoji else "[took a reaction back]"
