"""Receipts for sent messages: which rows a receipt names, and how each changes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

from adapters.envelope import InboundReceipt, ReceiptStatus
from adapters.replies import notice_sentence_of, sentence_of
from gateway.brokers.unit import Unit
from gateway.journal.contract import TRIED_FOR
from gateway.store.contract import Again, OutboxRow, Over, Why


def take_in(unit: Unit, receipt: InboundReceipt, address: str) -> None:
    """Settle the rows that it names; `address` is the customer's, or empty."""
    named = _named_rows(unit, receipt)
    if receipt.up_to is not None and address:
        named += unit.stored.outbox.sent_until(receipt.channel_id, address, receipt.up_to.timestamp())
    elif not named:
        # It may have overtaken the answer to our own call: it waits until the ids are known.
        unit.stored.conversations.park(receipt, [*receipt.message_ids, *filter(None, [receipt.outbox_id])])
    for outbox_id in dict.fromkeys(named):
        settle(unit, outbox_id, receipt)


def _named_rows(unit: Unit, receipt: InboundReceipt) -> list[str]:
    found = [receipt.outbox_id] if receipt.outbox_id and unit.stored.outbox.one(receipt.outbox_id) else []
    for message_id in receipt.message_ids:
        ref = unit.stored.message_ids.of(receipt.channel_id, message_id)
        if ref and ref.outbox_id:
            found.append(ref.outbox_id)
    return found


def settle(unit: Unit, outbox_id: str, receipt: InboundReceipt) -> None:
    """Apply a receipt to one row, and tell those who see its entry."""
    outbox, message_ids = unit.stored.outbox, unit.stored.message_ids
    row = outbox.one(outbox_id)
    if row is None or row.channel_id != receipt.channel_id:
        return
    failed, named = receipt.status is ReceiptStatus.failed, set(receipt.message_ids)
    known = message_ids.of_row(row)
    written_off = bool(named) and all(known.get(one, False) for one in named)
    if row.state == "sending" and failed != written_off:
        # A failure, of this try or of an earlier one; or good news under an id that failed once, where ids are the same on each try. Which
        # try is meant shows when the call that is under way has ended.
        unit.stored.conversations.park(receipt, [*receipt.message_ids, outbox_id])
        return
    if written_off:
        return
    counting = {one for one, off in known.items() if not off}
    of_another_try = failed and bool(counting and named) and counting.isdisjoint(named)
    message_ids.stand_for(row, receipt.message_ids)  # an id that only the receipt brought, after our call was cut off
    if failed:
        changed = not of_another_try and _failed(unit, row, receipt)
        message_ids.write_off(row, receipt.message_ids)
    else:
        changed = outbox.raise_state(row, receipt.status.value)
    if changed:
        tell_delivery(unit, row)


def _failed(unit: Unit, row: OutboxRow, receipt: InboundReceipt) -> bool:
    """A late failure is final, unless nothing was delivered and trying later helps: then it is sent once more automatically."""
    code, wait = receipt.code or "refused", receipt.again_after_seconds
    words = notice_sentence_of(code) if row.kind == "notice" else sentence_of(code)
    why = Why(code, receipt.sentence or words, receipt.provider_code, receipt.detail)
    # A notice that comes later than what it announces tells the customer nothing (M3), nor does what was said a day ago.
    young = unit.now.timestamp() - row.created_at < TRIED_FOR.total_seconds()
    channel = unit.ground.channels.get(row.channel_id)
    ours = channel is not None and channel.config.org == row.org  # another org's account sends nothing of this one's
    wanted = row.kind != "notice" and not unit.stored.sessions.ended_by_customer(row.session_id)  # L4
    if wait is not None and young and ours and wanted:
        spread = crc32(row.id.encode()) / 2**32  # what failed together, for being too much, doesn't come back together
        again = Again(replace(why, reason=sentence_of(code, waits=True)), wait * (1 + spread))
        steady = unit.ground.steady().timestamp()
        if unit.stored.outbox.resend_late(row, again, retry_key=str(uuid.uuid4()), steady=steady):
            return True
    return unit.stored.outbox.fail_late(row, Over("skipped" if row.kind == "notice" else "failed", why))


def tell_delivery(unit: Unit, row: OutboxRow, been_in: Iterable[str] | None = None) -> None:
    """Those who see the session are told that the delivery of an entry has changed, and a broker elsewhere that controls it. `been_in`: who is or was in it, if
    that is known."""
    holder = unit.ground.holders.get(row.channel_id)
    if holder is not None and row.kind == "say":
        holder.delivered(unit, row)
    if been_in is None:
        been_in = unit.stored.sessions.been_in([row.session_id])[row.session_id]
    audience = {f"rep:{login}" for login in been_in} | {"supervisors"}
    data = {"number": row.entry_number}
    unit.stored.events.add(org=row.org, session_id=row.session_id, type="delivery", audience=audience, data=data)
