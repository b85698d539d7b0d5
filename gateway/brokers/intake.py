"""What customers do, applied to sessions: each event once, found or opened in one step, in the caller's transaction."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, TypeVar
from zlib import crc32

from adapters.envelope import (
    Author,
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
    ReceiptStatus,
    StickerPart,
)
from adapters.replies import notice_sentence_of, sentence_of
from gateway.brokers import persons
from gateway.brokers.applying import apply
from gateway.brokers.ground import Ground
from gateway.journal.contract import TRIED_FOR
from gateway.session.commands import Command, CustomerCame, CustomerChanged, CustomerEnded, CustomerSaid, Earlier, ThreadChanged
from gateway.session.decide import decide, open_handed_over, open_session
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.model import EntryKind, Session, SessionId, Status
from gateway.store import addresses, aside, conversations, events, media, outbox, sessions
from gateway.store.contract import Again, Over, Why

T = TypeVar("T", InboundMessage, InboundReferral, InboundHandover)
Files: TypeAlias = dict[str, list[tuple[str, MediaPart]]]  # by message id: our id of each file, and how it is fetched

_log = logging.getLogger(__name__)


def take_in(connection: sqlite3.Connection, ground: Ground, inbound: Inbound, now: datetime) -> None:
    """Apply one event; a duplicate does nothing, nor does another reading of a signature that has had its effect. Typing isn't stored and
    doesn't come here."""
    if inbound.signed and not conversations.first_reading(connection, inbound.channel_id, inbound.signed, now.timestamp()):
        _log.warning("signature used again", extra={"action": "inbound.read_otherwise", "channel": inbound.channel_id})
        return
    # What has no effect yet may have one when its webhook is read again, after a fix or an upgrade: it isn't seen.
    known = not isinstance(inbound, InboundUnknown)
    if known and not conversations.first_sight(connection, inbound.channel_id, inbound.event_id, now.timestamp()):
        return
    ground.fault("event_marked")
    address = _remember(connection, ground, inbound, now)
    if isinstance(inbound, InboundMessage):
        _message(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundReceipt):
        _receipt(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundEdit | InboundDeletion | InboundReaction):
        _change(connection, ground, inbound, now)
    elif isinstance(inbound, InboundEnded):
        _ended(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundReferral):
        _referral(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundHandover):
        _handover(connection, ground, inbound, address, now)


def _remember(connection: sqlite3.Connection, ground: Ground, inbound: Inbound, now: datetime) -> str:
    """Who it is about, and what the event tells of them."""
    end_user = inbound.end_user
    if end_user is None:
        return ""
    said_at = min((inbound.provider_time or inbound.received_at).timestamp(), now.timestamp())
    if isinstance(inbound, InboundReceipt):
        address = addresses.learn(connection, inbound.channel_id, end_user, at=said_at)
    else:
        whose = addresses.settle(connection, inbound.channel_id, end_user, at=said_at)
        address = whose.address
        for old, new in whose.moved:
            persons.readdress(connection, inbound.channel_id, old, new, now)
    wrote = isinstance(inbound, InboundMessage) and inbound.author is Author.end_user
    conversations.remember(connection, inbound.channel_id, address, inbound.remember, wrote_at=said_at if wrote else None)
    if end_user.profile:
        conversations.keep_profile(connection, inbound.channel_id, address, end_user.profile)
    if end_user.name or end_user.username:
        persons.called(connection, inbound.channel_id, address, _org(ground, inbound), end_user, now)
    return address


def _message(connection: sqlite3.Connection, ground: Ground, inbound: InboundMessage, address: str, now: datetime) -> None:
    if conversations.message(connection, inbound.channel_id, inbound.message_id):
        return  # the same message under another event id
    before = _open_session(connection, ground, inbound, address)
    if inbound.standby and not _was_overtaken(before, inbound):
        aside.keep(connection, inbound, address, now.timestamp())
        return
    if before is None and inbound.author is Author.provider:
        return  # a changed number, say: nobody asks for anything
    ours = inbound.author is Author.end_user and not inbound.standby
    kept, _ = aside.take(connection, inbound.channel_id, address) if ours else ((), 0)
    said = tuple(one for one in kept if not isinstance(one, InboundMessage) or one.message_id != inbound.message_id)
    files: Files = {}
    earlier = _earlier(connection, ground, said, address, files)
    message = _with_media(ground, _known(connection, inbound, address), files)
    facts = _facts(connection, ground, inbound, address, before, now)
    decided: Decision | Refusal
    if before is None:
        decided = open_session(SessionId(ground.new_id("ses")), message, facts, earlier=earlier)
    else:
        answers = _entry_named(connection, message, before)
        decided = decide(before, CustomerSaid(message=message, earlier=earlier, answers=answers), facts)
    _write(connection, ground, before, decided, files, now)


def _was_overtaken(session: Session | None, inbound: InboundMessage) -> bool:
    """Whether it was said to another app before that gave us the conversation, and only arrives now."""
    ours_since = session.handed_over_at if session is not None else None
    return ours_since is not None and inbound.provider_time is not None and inbound.provider_time <= ours_since


def _referral(connection: sqlite3.Connection, ground: Ground, inbound: InboundReferral, address: str, now: datetime) -> None:
    """A line in a session that is open; else it waits for the customer's words, and stands before them. Nobody is called for it alone."""
    before = _open_session(connection, ground, inbound, address)
    if before is None or inbound.standby:
        aside.keep(connection, inbound, address, now.timestamp())
        return
    came = _known(connection, inbound, address)
    _write(
        connection,
        ground,
        before,
        decide(before, CustomerCame(came=came), ground.facts(connection, before, now)),
        {},
        now,
    )


def _handover(connection: sqlite3.Connection, ground: Ground, inbound: InboundHandover, address: str, now: datetime) -> None:
    """Given to us: a session opens, or is offered again, with all that was kept aside. Else it is told where a session is open."""
    before = _open_session(connection, ground, inbound, address)
    ours = inbound.change == "to_us"
    if before is None and not ours:
        return
    kept, left_out = aside.take(connection, inbound.channel_id, address) if ours else ((), 0)
    files: Files = {}
    earlier = _earlier(connection, ground, kept, address, files)
    handover = _known(connection, inbound, address)
    if handover.end_user.name is None and (names := [one.end_user.name for one in earlier if one.end_user.name]):
        handover = handover.model_copy(update={"end_user": handover.end_user.model_copy(update={"name": names[-1]})})
    command = ThreadChanged(handover=handover, earlier=earlier, left_out=left_out)
    facts = _facts(connection, ground, inbound, address, before, now)
    decided = (
        open_handed_over(SessionId(ground.new_id("ses")), command, facts) if before is None else decide(before, command, facts)
    )
    _write(connection, ground, before, decided, files, now)


def _open_session(connection: sqlite3.Connection, ground: Ground, inbound: InboundEvent, address: str) -> Session | None:
    """The conversation's session, if one hasn't ended."""
    session = sessions.newest_of_address(connection, inbound.channel_id, address, _org(ground, inbound))
    return session if session is not None and session.status is not Status.ended else None


def _facts(
    connection: sqlite3.Connection, ground: Ground, inbound: InboundEvent, address: str, before: Session | None, now: datetime
) -> Facts:
    """For the open session, or for one that is to be opened; whom another org knew is new to the one that has the channel now."""
    if before is not None:
        return ground.facts(connection, before, now)
    conversations.ask_anew(connection, inbound.channel_id, address)
    return ground.facts_to_open(connection, inbound.channel_id, now)


def _write(
    connection: sqlite3.Connection,
    ground: Ground,
    before: Session | None,
    decided: Decision | Refusal,
    files: Files,
    now: datetime,
) -> None:
    """Apply what was decided on something from the channel, and name its messages and files by their entries."""
    if isinstance(decided, Refusal):
        raise RuntimeError(f"what came from a channel was refused: {decided.code}")
    apply(connection, ground, before, decided, now)
    session = decided.session
    for entry in decided.entries:
        message_id = entry.details.get("message_id")
        if entry.kind is not EntryKind.message or not isinstance(message_id, str):
            continue
        conversations.name_message(connection, session.channel_id, message_id, session.id, entry.number)
        for media_id, part in files.get(message_id, ()):
            media.add(
                connection,
                media_id,
                part,
                org=session.org,
                channel_id=session.channel_id,
                session_id=session.id,
                entry_number=entry.number,
                now=now.timestamp(),
            )
        for waiting in conversations.unpark(connection, session.channel_id, [message_id]):
            if isinstance(waiting, InboundEdit | InboundDeletion | InboundReaction):
                _change(connection, ground, waiting, now)


def _entry_named(connection: sqlite3.Connection, message: InboundMessage, session: Session) -> int | None:
    """The entry of this session that the message answers."""
    ref = conversations.message(connection, message.channel_id, message.reply_to) if message.reply_to else None
    return ref.number if ref and ref.session_id == session.id else None


def _known(connection: sqlite3.Connection, inbound: T, address: str) -> T:
    """The event as it goes on: under the conversation's own address, with the name that is known, and without the raw bytes."""
    name = inbound.end_user.name or conversations.known_name(connection, inbound.channel_id, address)
    end_user = inbound.end_user.model_copy(update={"address": address, "name": name})
    return inbound.model_copy(update={"end_user": end_user, "raw": {}})


def _with_media(ground: Ground, message: InboundMessage, files: Files) -> InboundMessage:
    """Files named by our ids and without what is needed to fetch them, which is put into `files`."""
    found: list[tuple[str, MediaPart]] = []

    def named(part: MediaPart) -> MediaPart:
        media_id = ground.new_id("med")
        found.append((media_id, part))
        return part.model_copy(update={"media_id": media_id, "source": {}})

    def each(part: Part) -> Part:
        if isinstance(part, MediaPart):
            return named(part)
        if isinstance(part, StickerPart) and part.media:
            return part.model_copy(update={"media": named(part.media)})
        return part

    parts = tuple(each(part) for part in message.parts)
    files[message.message_id] = found
    return message.model_copy(update={"parts": parts})


def _earlier(connection: sqlite3.Connection, ground: Ground, kept: Earlier, address: str, files: Files) -> Earlier:
    """What was kept aside, as it goes on."""
    return tuple(
        _with_media(ground, _known(connection, one, address), files)
        if isinstance(one, InboundMessage)
        else _known(connection, one, address)
        for one in kept
    )


def _change(
    connection: sqlite3.Connection,
    ground: Ground,
    inbound: InboundEdit | InboundDeletion | InboundReaction,
    now: datetime,
) -> None:
    if isinstance(inbound, InboundDeletion):
        aside.forget(connection, inbound.channel_id, known_address(connection, inbound), inbound.message_id)
    ref = conversations.message(connection, inbound.channel_id, inbound.message_id)
    session = sessions.load(connection, ref.session_id) if ref else None
    if ref is None or session is None:
        conversations.park(connection, inbound, [inbound.message_id], now.timestamp())
        return
    if session.org != _org(ground, inbound) and not isinstance(inbound, InboundDeletion):
        return  # the channel is another org's now: the old one hears no new words, but what is taken back is taken back
    change = inbound.model_copy(update={"raw": {}})
    _decide(connection, ground, session, CustomerChanged(change=change, number=ref.number), now)
    if isinstance(inbound, InboundEdit | InboundDeletion):
        word = "edited" if isinstance(inbound, InboundEdit) else "deleted"
        sessions.mark_changed(connection, session.id, ref.number, word)


def _ended(connection: sqlite3.Connection, ground: Ground, inbound: InboundEnded, address: str, now: datetime) -> None:
    session = sessions.newest_of_address(connection, inbound.channel_id, address, _org(ground, inbound))
    if session is not None and session.status is not Status.ended:
        _decide(connection, ground, session, CustomerEnded(ended=inbound.model_copy(update={"raw": {}})), now)
    if session is not None:
        # L4: the customer is sent nothing more, nor what had not gone out by then.
        at = now.timestamp()
        for row in outbox.withdraw(connection, inbound.channel_id, session.end_user.id, now=at):
            tell_delivery(connection, row["org"], row["session_id"], row["entry_number"], at)


def _org(ground: Ground, inbound: InboundEvent) -> str:
    """Whose channel it is now."""
    return ground.channels[inbound.channel_id].config.org


def _decide(connection: sqlite3.Connection, ground: Ground, session: Session, command: Command, now: datetime) -> None:
    decided = decide(session, command, ground.facts(connection, session, now))
    if isinstance(decided, Refusal):
        return  # say, an edit in a session that has ended: the mark on the entry is all there is to do
    apply(connection, ground, session, decided, now)


# ------------------------------------------------------------------------------------------------- receipts


def _receipt(connection: sqlite3.Connection, ground: Ground, receipt: InboundReceipt, address: str, now: datetime) -> None:
    named = _named_rows(connection, receipt)
    if receipt.up_to is not None and address:
        named += outbox.sent_until(connection, receipt.channel_id, address, receipt.up_to.timestamp())
    elif not named:
        # It may have overtaken the answer to our own call: it waits until the ids are known.
        conversations.park(connection, receipt, [*receipt.message_ids, *filter(None, [receipt.outbox_id])], now.timestamp())
    for outbox_id in dict.fromkeys(named):
        settle_receipt(connection, ground, outbox_id, receipt, now)


def _named_rows(connection: sqlite3.Connection, receipt: InboundReceipt) -> list[str]:
    found = [receipt.outbox_id] if receipt.outbox_id and _row(connection, receipt.outbox_id) else []
    for message_id in receipt.message_ids:
        ref = conversations.message(connection, receipt.channel_id, message_id)
        if ref and ref.outbox_id:
            found.append(ref.outbox_id)
    return found


def _row(connection: sqlite3.Connection, outbox_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
    return row


def settle_receipt(
    connection: sqlite3.Connection, ground: Ground, outbox_id: str, receipt: InboundReceipt, now: datetime
) -> None:
    """Raise (or fail) one row by a receipt, and tell those who see its entry."""
    row = _row(connection, outbox_id)
    if row is None or row["channel_id"] != receipt.channel_id:
        return
    at, failed = now.timestamp(), receipt.status is ReceiptStatus.failed
    written_off = outbox.all_written_off(connection, row, receipt.message_ids)
    if row["state"] == "sending" and failed != written_off:
        # A failure, of this try or of an earlier one; or good news under an id that failed once, where ids are the same on each try. Which
        # try is meant shows when the call that is under way has ended.
        conversations.park(connection, receipt, [*receipt.message_ids, outbox_id], at)
        return
    if written_off:
        return
    others = failed and outbox.knows_others_only(connection, row, receipt.message_ids)
    outbox.know(connection, row, receipt.message_ids)  # an id that only the receipt brought, after our call was cut off
    if failed:
        changed = not others and _failed(connection, ground, row, receipt, at)
        outbox.write_off(connection, row, receipt.message_ids)
    else:
        changed = outbox.raise_state(connection, outbox_id, receipt.status.value, at)
    if changed:
        tell_delivery(connection, row["org"], row["session_id"], row["entry_number"], at)


def _failed(connection: sqlite3.Connection, ground: Ground, row: sqlite3.Row, receipt: InboundReceipt, at: float) -> bool:
    """A late failure is final, unless nothing was delivered and trying later helps: then it is sent once more automatically."""
    code, wait = receipt.code or "refused", receipt.again_after_seconds
    words = notice_sentence_of(code) if row["kind"] == "notice" else sentence_of(code)
    why = Why(code, receipt.sentence or words, receipt.provider_code, receipt.detail)
    # A notice that comes later than what it announces tells the customer nothing (M3), nor does what was said a day ago.
    young = at - row["created_at"] < TRIED_FOR.total_seconds()
    channel = ground.channels.get(row["channel_id"])
    ours = channel is not None and channel.config.org == row["org"]  # another org's account sends nothing of this one's
    wanted = row["kind"] != "notice" and not sessions.ended_by_customer(connection, row["session_id"])  # L4
    if wait is not None and young and ours and wanted:
        spread = crc32(row["id"].encode()) / 2**32  # what failed together, for being too much, doesn't come back together
        again = Again(replace(why, reason=sentence_of(code, waits=True)), wait * (1 + spread))
        steady = ground.steady().timestamp()
        if outbox.resend_late(connection, row, again, retry_key=str(uuid.uuid4()), now=at, steady=steady):
            return True
    return outbox.fail_late(connection, row, Over("skipped" if row["kind"] == "notice" else "failed", why), now=at)


def tell_delivery(connection: sqlite3.Connection, org: str, session_id: str, number: int, at: float) -> None:
    """Those who see the session are told that the delivery of an entry has changed."""
    audience = {
        f"rep:{row['login']}"
        for row in connection.execute(
            "SELECT login FROM rep_sessions WHERE session_id = ? AND tie IN ('in', 'was')", (session_id,)
        )
    }
    events.add(
        connection,
        org=org,
        session_id=session_id,
        type="delivery",
        audience={*audience, "supervisors"},
        data={"number": number},
        now=at,
    )


def known_address(connection: sqlite3.Connection, inbound: Inbound) -> str:
    """The address that this person's conversation is kept under, without writing anything down."""
    if inbound.end_user is None:
        return ""
    return addresses.known(connection, inbound.channel_id, inbound.end_user)
