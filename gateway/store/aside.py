"""What is kept aside of a conversation: words said while another app answers, and ads or links that a customer came by without a word.

It is bounded: the newest `MOST_ASIDE` of a conversation, for as long as `records.purge` lets them be. Every function runs inside the caller's
transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from adapters.envelope import INBOUND, InboundMessage, InboundReferral

MOST_ASIDE: Final = 200


def keep(connection: sqlite3.Connection, inbound: InboundMessage | InboundReferral, address: str, now: float) -> None:
    """Keep it; the oldest makes room, and is counted."""
    connection.execute(
        "INSERT INTO aside (channel_id, address, message_id, envelope, at) VALUES (?, ?, ?, ?, ?)",
        (
            inbound.channel_id,
            address,
            inbound.message_id if isinstance(inbound, InboundMessage) else None,
            inbound.model_copy(update={"raw": {}}).model_dump_json(),
            now,
        ),
    )
    rows = connection.execute(
        "SELECT ordinal, left_out FROM aside WHERE channel_id = ? AND address = ? ORDER BY ordinal DESC LIMIT 2 OFFSET ?",
        (inbound.channel_id, address, MOST_ASIDE - 1),
    ).fetchall()
    if len(rows) == 2:
        oldest_kept, gone = rows
        connection.execute("UPDATE aside SET left_out = ? WHERE ordinal = ?", (gone["left_out"] + 1, oldest_kept["ordinal"]))
        connection.execute("DELETE FROM aside WHERE ordinal = ?", (gone["ordinal"],))


def take(
    connection: sqlite3.Connection, channel_id: str, address: str
) -> tuple[tuple[InboundMessage | InboundReferral, ...], int]:
    """All of the conversation, in the order in which it arrived, and how many before it weren't kept. It is aside no longer."""
    rows = connection.execute(
        "SELECT envelope, left_out FROM aside WHERE channel_id = ? AND address = ? ORDER BY ordinal", (channel_id, address)
    ).fetchall()
    if not rows:
        return (), 0
    connection.execute("DELETE FROM aside WHERE channel_id = ? AND address = ?", (channel_id, address))
    found = (INBOUND.validate_json(row["envelope"]) for row in rows)
    return tuple(one for one in found if isinstance(one, InboundMessage | InboundReferral)), rows[0]["left_out"]


def forget(connection: sqlite3.Connection, channel_id: str, address: str, message_id: str) -> None:
    """The customer took this message back: nobody of ours gets to read it."""
    connection.execute(
        "DELETE FROM aside WHERE channel_id = ? AND address = ? AND message_id = ?", (channel_id, address, message_id)
    )


def move(connection: sqlite3.Connection, channel_id: str, old: str, new: str) -> None:
    """The person is kept under another address from now on."""
    connection.execute("UPDATE aside SET address = ? WHERE channel_id = ? AND address = ?", (new, channel_id, old))
