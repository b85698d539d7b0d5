"""What customers do, applied to sessions: each event once, found or opened in one step, in the caller's transaction."""

from __future__ import annotations

import logging
import sqlite3
from datetime import datetime

from adapters.envelope import (
    Author,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    MediaPart,
    Part,
    ReceiptStatus,
    StickerPart,
)
from adapters.replies import SENTENCES
from gateway.brokers.applying import apply
from gateway.brokers.ground import Ground
from gateway.session.commands import Command, CustomerChanged, CustomerEnded, CustomerSaid
from gateway.session.decide import decide, open_session
from gateway.session.decision import Decision, Refusal
from gateway.session.model import Session, SessionId, Status
from gateway.store import conversations, events, media, outbox, sessions

_log = logging.getLogger(__name__)


def take_in(connection: sqlite3.Connection, ground: Ground, inbound: Inbound, now: datetime) -> None:
    """Apply one event; a duplicate does nothing, nor does another reading of a signature that has had its effect. Typing isn't stored and
    doesn't come here."""
    if inbound.signed and not conversations.first_reading(connection, inbound.channel_id, inbound.signed, now.timestamp()):
        _log.warning("signature used again", extra={"action": "inbound.read_otherwise", "channel": inbound.channel_id})
        return
    if not conversations.first_sight(connection, inbound.channel_id, inbound.event_id, now.timestamp()):
        return
    ground.fault("event_marked")
    address = _remember(connection, inbound, now)
    if isinstance(inbound, InboundMessage):
        _message(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundReceipt):
        _receipt(connection, ground, inbound, address, now)
    elif isinstance(inbound, InboundEdit | InboundDeletion | InboundReaction):
        _change(connection, ground, inbound, now)
    elif isinstance(inbound, InboundEnded):
        _ended(connection, ground, inbound, address, now)


def _remember(connection: sqlite3.Connection, inbound: Inbound, now: datetime) -> str:
    if inbound.end_user is None:
        return ""
    address = conversations.address_of(connection, inbound.channel_id, inbound.end_user)
    wrote = isinstance(inbound, InboundMessage) and inbound.author is Author.end_user
    wrote_at = (inbound.provider_time or inbound.received_at).timestamp() if wrote else None
    wrote_at = min(wrote_at, now.timestamp()) if wrote_at is not None else None
    conversations.remember(connection, inbound.channel_id, address, inbound.remember, wrote_at=wrote_at)
    if inbound.end_user.profile:
        conversations.keep_profile(connection, inbound.channel_id, address, inbound.end_user.profile)
    return address


def _message(connection: sqlite3.Connection, ground: Ground, inbound: InboundMessage, address: str, now: datetime) -> None:
    if conversations.message(connection, inbound.channel_id, inbound.message_id):
        return  # the same message under another event id
    message, files = _with_media(ground, inbound, address)
    if message.end_user.name is None:
        known = conversations.known_name(connection, inbound.channel_id, address)
        message = message.model_copy(update={"end_user": message.end_user.model_copy(update={"name": known})})
    session = sessions.newest_of_address(connection, inbound.channel_id, address)
    facts = ground.facts(connection, inbound.channel_id, now)
    before = session if session is not None and session.status is not Status.ended else None
    if before is None and message.author is Author.provider:
        return  # a changed number, say: nobody asks for anything
    decided: Decision | Refusal
    if before is None:
        decided = open_session(SessionId(ground.new_id("ses")), message, facts)
    else:
        answers = _entry_named(connection, message, before)
        decided = decide(before, CustomerSaid(message=message, answers=answers), facts)
    if isinstance(decided, Refusal):
        raise RuntimeError(f"a customer's message was refused: {decided.code}")
    apply(connection, ground, before, decided, now)
    number = decided.entries[0].number if decided.entries else decided.session.entry_count
    number = next((e.number for e in decided.entries if e.kind.value == "message"), number)
    conversations.name_message(connection, inbound.channel_id, inbound.message_id, decided.session.id, number)
    for media_id, part in files:
        media.add(
            connection,
            media_id,
            part,
            org=decided.session.org,
            channel_id=inbound.channel_id,
            session_id=decided.session.id,
            entry_number=number,
            now=now.timestamp(),
        )
    for waiting in conversations.unpark(connection, inbound.channel_id, [inbound.message_id]):
        if isinstance(waiting, InboundEdit | InboundDeletion | InboundReaction):
            _change(connection, ground, waiting, now)


def _entry_named(connection: sqlite3.Connection, message: InboundMessage, session: Session) -> int | None:
    """The entry of this session that the message answers."""
    ref = conversations.message(connection, message.channel_id, message.reply_to) if message.reply_to else None
    return ref.number if ref and ref.session_id == session.id else None


def _with_media(ground: Ground, message: InboundMessage, address: str) -> tuple[InboundMessage, list[tuple[str, MediaPart]]]:
    """The message as it goes on (files named by our ids, without what is needed to fetch them), and the files."""
    files: list[tuple[str, MediaPart]] = []

    def named(part: MediaPart) -> MediaPart:
        media_id = ground.new_id("med")
        files.append((media_id, part))
        return part.model_copy(update={"media_id": media_id, "source": {}})

    def each(part: Part) -> Part:
        if isinstance(part, MediaPart):
            return named(part)
        if isinstance(part, StickerPart) and part.media:
            return part.model_copy(update={"media": named(part.media)})
        return part

    parts = tuple(each(part) for part in message.parts)
    end_user = message.end_user.model_copy(update={"address": address})
    return message.model_copy(update={"parts": parts, "end_user": end_user, "raw": {}}), files


def _change(
    connection: sqlite3.Connection,
    ground: Ground,
    inbound: InboundEdit | InboundDeletion | InboundReaction,
    now: datetime,
) -> None:
    ref = conversations.message(connection, inbound.channel_id, inbound.message_id)
    session = sessions.load(connection, ref.session_id) if ref else None
    if ref is None or session is None:
        conversations.park(connection, inbound, [inbound.message_id], now.timestamp())
        return
    change = inbound.model_copy(update={"raw": {}})
    _decide(connection, ground, session, CustomerChanged(change=change, number=ref.number), now)
    if isinstance(inbound, InboundEdit | InboundDeletion):
        word = "edited" if isinstance(inbound, InboundEdit) else "deleted"
        sessions.mark_changed(connection, session.id, ref.number, word)


def _ended(connection: sqlite3.Connection, ground: Ground, inbound: InboundEnded, address: str, now: datetime) -> None:
    session = sessions.newest_of_address(connection, inbound.channel_id, address)
    if session is not None and session.status is not Status.ended:
        _decide(connection, ground, session, CustomerEnded(ended=inbound.model_copy(update={"raw": {}})), now)


def _decide(connection: sqlite3.Connection, ground: Ground, session: Session, command: Command, now: datetime) -> None:
    decided = decide(session, command, ground.facts(connection, session.channel_id, now))
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
        settle_receipt(connection, outbox_id, receipt, now)


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


def settle_receipt(connection: sqlite3.Connection, outbox_id: str, receipt: InboundReceipt, now: datetime) -> None:
    """Raise (or fail) one row by a receipt, and tell those who see its entry."""
    row = _row(connection, outbox_id)
    if row is None or row["channel_id"] != receipt.channel_id:
        return
    at = now.timestamp()
    for message_id in receipt.message_ids:  # an id that only the receipt brought, after our call was cut off
        connection.execute(
            "INSERT OR IGNORE INTO message_ids (channel_id, message_id, session_id, number, outbox_id) VALUES (?, ?, ?, ?, ?)",
            (row["channel_id"], message_id, row["session_id"], row["entry_number"], outbox_id),
        )
    if receipt.status is ReceiptStatus.failed:
        code = receipt.code or "refused"
        reason = receipt.sentence or SENTENCES.get(code) or SENTENCES["refused"]  # a plug-in's code may be its own
        changed = outbox.fail_late(connection, outbox_id, code=code, reason=reason, provider_code=receipt.provider_code, now=at)
    else:
        changed = outbox.raise_state(connection, outbox_id, receipt.status.value, at)
    if changed:
        tell_delivery(connection, row["org"], row["session_id"], row["entry_number"], at)


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
    row = connection.execute(
        "SELECT address FROM aliases WHERE channel_id = ? AND alias = ?", (inbound.channel_id, inbound.end_user.address)
    ).fetchone()
    return row["address"] if row else inbound.end_user.address
