"""What customers do, applied to sessions: each event once, found or opened in one step, in the caller's unit of work."""

from __future__ import annotations

import logging
from typing import TypeAlias, TypeVar

from adapters.envelope import (
    Author,
    EndUser,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundEvent,
    InboundHandover,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    InboundReferral,
    InboundUnknown,
    MediaPart,
    Part,
    StickerPart,
)
from gateway.brokers import persons, receipts
from gateway.brokers.unit import Unit
from gateway.session.commands import Command, CustomerCame, CustomerChanged, CustomerEnded, CustomerSaid, Earlier, ThreadChanged
from gateway.session.decision import Refusal
from gateway.session.model import EntryKind, Session, Status

T = TypeVar("T", InboundMessage, InboundReferral, InboundHandover)
Files: TypeAlias = dict[str, list[tuple[str, MediaPart]]]  # by message id: our id of each file, and how it is fetched

_log = logging.getLogger(__name__)


def take_in(unit: Unit, inbound: Inbound) -> None:
    """Apply one event; a duplicate does nothing, nor does another reading of a signature that has had its effect. Typing isn't stored and
    doesn't come here."""
    seen = unit.stored.conversations
    if inbound.signed and not seen.first_reading(inbound.channel_id, inbound.signed):
        _log.warning("signature used again", extra={"action": "inbound.read_otherwise", "channel": inbound.channel_id})
        return
    # What has no effect yet may have one when its webhook is read again, after a fix or an upgrade: it isn't seen.
    if not isinstance(inbound, InboundUnknown) and not seen.first_sight(inbound.channel_id, inbound.event_id):
        return
    unit.ground.fault("event_marked")
    address = _remember(unit, inbound, inbound.end_user) if inbound.end_user else ""
    if isinstance(inbound, InboundMessage):
        _message(unit, inbound, address)
    elif isinstance(inbound, InboundReceipt):
        receipts.take_in(unit, inbound, address)
    elif isinstance(inbound, InboundEdit | InboundDeletion | InboundReaction):
        _change(unit, inbound)
    elif isinstance(inbound, InboundEnded):
        _ended(unit, inbound, address)
    elif isinstance(inbound, InboundReferral):
        _referral(unit, inbound, address)
    elif isinstance(inbound, InboundHandover):
        _handover(unit, inbound, address)


def _remember(unit: Unit, inbound: Inbound, end_user: EndUser) -> str:
    """The person that the event is about, and what it says about them."""
    stored, channel_id = unit.stored, inbound.channel_id
    said_at = min((inbound.provider_time or inbound.received_at).timestamp(), unit.now.timestamp())
    if isinstance(inbound, InboundReceipt):
        address = stored.addresses.learn(channel_id, end_user, at=said_at)
    else:
        whose = stored.addresses.settle(channel_id, end_user, at=said_at)
        address = whose.address
        for old, new in whose.moved:
            persons.readdress(unit, channel_id, old, new)
    wrote = isinstance(inbound, InboundMessage) and inbound.author is Author.end_user
    stored.conversations.remember(channel_id, address, inbound.remember, wrote_at=said_at if wrote else None)
    if end_user.profile:
        stored.conversations.keep_profile(channel_id, address, end_user.profile)
    if end_user.name or end_user.username:
        persons.called(unit, channel_id, address, _org(unit, inbound), end_user)
    return address


def _message(unit: Unit, inbound: InboundMessage, address: str) -> None:
    stored = unit.stored
    if stored.message_ids.of(inbound.channel_id, inbound.message_id):
        return  # the same message under another event id
    before = _open_session(unit, inbound, address)
    if inbound.standby and not _was_overtaken(before, inbound):
        stored.aside.keep(inbound, address)
        return
    if before is None and inbound.author is Author.provider:
        return  # a changed number, say: nobody asks for anything
    ours = inbound.author is Author.end_user and not inbound.standby
    kept, _ = stored.aside.take(inbound.channel_id, address) if ours else ((), 0)
    said = tuple(one for one in kept if not isinstance(one, InboundMessage) or one.message_id != inbound.message_id)
    files: Files = {}
    earlier = _earlier(unit, said, address, files)
    message = _with_media(unit, _known(unit, inbound, address), files)
    answers = _entry_named(unit, message, before) if before else None
    if before is None:
        stored.conversations.ask_anew(inbound.channel_id, address)
    _do(unit, before, CustomerSaid(message=message, earlier=earlier, answers=answers), files)


def _was_overtaken(session: Session | None, inbound: InboundMessage) -> bool:
    """Whether it was said to another app before that gave us the conversation, and only arrives now."""
    ours_since = session.handed_over_at if session is not None else None
    return ours_since is not None and inbound.provider_time is not None and inbound.provider_time <= ours_since


def _referral(unit: Unit, inbound: InboundReferral, address: str) -> None:
    """A line in an open session. Otherwise it waits for the customer's next message and goes before it; no rep is called for it alone."""
    before = _open_session(unit, inbound, address)
    if before is None or inbound.standby:
        unit.stored.aside.keep(inbound, address)
        return
    _do(unit, before, CustomerCame(came=_known(unit, inbound, address)), {})


def _handover(unit: Unit, inbound: InboundHandover, address: str) -> None:
    """Given to us: a session opens, or is offered again, with all that was kept aside. Else it is told where a session is open."""
    before = _open_session(unit, inbound, address)
    ours = inbound.change == "to_us"
    if before is None and not ours:
        return
    kept, left_out = unit.stored.aside.take(inbound.channel_id, address) if ours else ((), 0)
    files: Files = {}
    earlier = _earlier(unit, kept, address, files)
    handover = _known(unit, inbound, address)
    if handover.end_user.name is None and (names := [one.end_user.name for one in earlier if one.end_user.name]):
        handover = handover.model_copy(update={"end_user": handover.end_user.model_copy(update={"name": names[-1]})})
    if before is None:
        unit.stored.conversations.ask_anew(inbound.channel_id, address)
    _do(unit, before, ThreadChanged(handover=handover, earlier=earlier, left_out=left_out), files)


def _ended(unit: Unit, inbound: InboundEnded, address: str) -> None:
    session = unit.stored.sessions.newest_of_address(inbound.channel_id, address, _org(unit, inbound))
    if session is None:
        return
    if session.status is not Status.ended:
        unit.do(session, CustomerEnded(ended=inbound.model_copy(update={"raw": {}})))
    # L4: the customer is sent nothing more, nor what had not gone out by then.
    for row in unit.stored.outbox.withdraw(inbound.channel_id, session.end_user.id):
        receipts.tell_delivery(unit, row)


def _change(unit: Unit, inbound: InboundEdit | InboundDeletion | InboundReaction) -> None:
    stored, channel_id = unit.stored, inbound.channel_id
    if isinstance(inbound, InboundDeletion) and inbound.end_user:
        stored.aside.forget(channel_id, stored.addresses.known(channel_id, inbound.end_user), inbound.message_id)
    ref = stored.message_ids.of(channel_id, inbound.message_id)
    session = stored.sessions.load(ref.session_id) if ref else None
    if ref is None or session is None:
        stored.conversations.park(inbound, [inbound.message_id])
        return
    if session.org != _org(unit, inbound) and not isinstance(inbound, InboundDeletion):
        return  # the channel belongs to another org now: the old org gets no new messages, but deletions are applied
    # In a session that has ended an edit may be refused: the mark on the entry is all there is to do.
    unit.do(session, CustomerChanged(change=inbound.model_copy(update={"raw": {}}), number=ref.number))
    if isinstance(inbound, InboundEdit | InboundDeletion):
        stored.sessions.mark_changed(session.id, ref.number, "edited" if isinstance(inbound, InboundEdit) else "deleted")


def _do(unit: Unit, before: Session | None, command: Command, files: Files) -> None:
    """What comes from a channel can't be refused. Its messages and files are named by their entries."""
    done = unit.do(before, command)
    if isinstance(done, Refusal):
        raise RuntimeError(f"what came from a channel was refused: {done.code}")
    session, stored = done.session, unit.stored
    for entry in done.entries:
        message_id = entry.details.get("message_id")
        if entry.kind is not EntryKind.message or not isinstance(message_id, str):
            continue
        stored.message_ids.name(session.channel_id, message_id, session.id, entry.number)
        for media_id, part in files.get(message_id, ()):
            about = {"org": session.org, "channel_id": session.channel_id, "session_id": str(session.id)}
            stored.media.add(media_id, part, **about, entry_number=entry.number)
        for waiting in stored.conversations.unpark(session.channel_id, [message_id]):
            if isinstance(waiting, InboundEdit | InboundDeletion | InboundReaction):
                _change(unit, waiting)


def _org(unit: Unit, inbound: InboundEvent) -> str:
    """Whose channel it is now."""
    return unit.ground.channels[inbound.channel_id].config.org


def _open_session(unit: Unit, inbound: InboundEvent, address: str) -> Session | None:
    """The conversation's session, if one hasn't ended."""
    session = unit.stored.sessions.newest_of_address(inbound.channel_id, address, _org(unit, inbound))
    return session if session is not None and session.status is not Status.ended else None


def _entry_named(unit: Unit, message: InboundMessage, session: Session) -> int | None:
    """The entry of this session that the message answers."""
    ref = unit.stored.message_ids.of(message.channel_id, message.reply_to) if message.reply_to else None
    return ref.number if ref and ref.session_id == session.id else None


def _known(unit: Unit, inbound: T, address: str) -> T:
    """The event as it is applied: under the conversation's own address, and with the known name."""
    told = inbound.end_user
    known = {"address": address, "name": told.name or unit.stored.conversations.known_name(inbound.channel_id, address)}
    if known == {"address": told.address, "name": told.name}:  # the usual case
        return inbound
    return inbound.model_copy(update={"end_user": told.model_copy(update=known)})


def _with_media(unit: Unit, message: InboundMessage, files: Files) -> InboundMessage:
    """Files named by our ids and without what is needed to fetch them, which is put into `files`."""
    found: list[tuple[str, MediaPart]] = []

    def named(part: MediaPart) -> MediaPart:
        media_id = unit.ground.new_id("med")
        found.append((media_id, part))
        return part.model_copy(update={"media_id": media_id, "source": {}})

    def each(part: Part) -> Part:
        if isinstance(part, MediaPart):
            return named(part)
        if isinstance(part, StickerPart) and part.media:
            return part.model_copy(update={"media": named(part.media)})
        return part

    parts = tuple(each(part) for part in message.parts)
    if not found:
        return message
    files[message.message_id] = found
    return message.model_copy(update={"parts": parts})


def _earlier(unit: Unit, kept: Earlier, address: str, files: Files) -> Earlier:
    """The messages that were kept aside, as they are applied."""
    return tuple(
        _with_media(unit, _known(unit, one, address), files) if isinstance(one, InboundMessage) else _known(unit, one, address)
        for one in kept
    )
