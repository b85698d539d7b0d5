"""What belongs to a conversation beyond its sessions: adapters' memory, the person, seen events, providers' message ids, parked events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from adapters.envelope import INBOUND, EndUser, Inbound, SignedReading

MOST_PARKED_PER_NAME = 20


class Conversation(NamedTuple):
    """The adapter's memory, and when the customer last wrote (Unix seconds)."""

    memory: dict[str, Any]
    last_inbound_at: float | None


class MessageRef(NamedTuple):
    """Which entry a provider's message id names; `outbox_id` when it is ours."""

    session_id: str
    number: int
    outbox_id: str | None


def first_sight(connection: sqlite3.Connection, channel_id: str, event_id: str, now: float) -> bool:
    """Whether the event is new; from now on it is not."""
    done = connection.execute(
        "INSERT OR IGNORE INTO seen_events (channel_id, event_id, at) VALUES (?, ?, ?)", (channel_id, event_id, now)
    )
    return done.rowcount == 1


def first_reading(connection: sqlite3.Connection, channel_id: str, signed: SignedReading, now: float) -> bool:
    """Whether the proof stands for this reading of the request: for the first that came under it, and for no other."""
    connection.execute(
        "INSERT OR IGNORE INTO signed_readings (channel_id, proof, reading, at) VALUES (?, ?, ?, ?)",
        (channel_id, signed.proof, signed.reading, now),
    )
    row = connection.execute(
        "SELECT reading FROM signed_readings WHERE channel_id = ? AND proof = ?", (channel_id, signed.proof)
    ).fetchone()
    return bool(row["reading"] == signed.reading)


def remember(
    connection: sqlite3.Connection, channel_id: str, address: str, changes: Mapping[str, Any], *, wrote_at: float | None = None
) -> None:
    """Merge into the memory, key by key; None removes."""
    if not changes and wrote_at is None:
        return
    known = of(connection, channel_id, address)
    memory = {key: value for key, value in {**known.memory, **changes}.items() if value is not None}
    connection.execute(
        """INSERT INTO conversations (channel_id, address, memory, last_inbound_at) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET memory = excluded.memory,
               last_inbound_at = max(coalesce(excluded.last_inbound_at, 0), coalesce(conversations.last_inbound_at, 0))""",
        (channel_id, address, json.dumps(memory), wrote_at),
    )


def of(connection: sqlite3.Connection, channel_id: str, address: str) -> Conversation:
    """What is remembered of the conversation."""
    row = connection.execute(
        "SELECT memory, last_inbound_at FROM conversations WHERE channel_id = ? AND address = ?", (channel_id, address)
    ).fetchone()
    return Conversation(json.loads(row["memory"]), row["last_inbound_at"] or None) if row else Conversation({}, None)


def keep_profile(connection: sqlite3.Connection, channel_id: str, address: str, profile: Mapping[str, Any]) -> None:
    """What the customer or the channel told of the person (a form's answers, say), merged into what is known."""
    connection.execute(
        """UPDATE conversations SET person = json_patch(person, json_object('profile', json(?)))
           WHERE channel_id = ? AND address = ?""",
        (json.dumps(profile), channel_id, address),
    )


def attributes(connection: sqlite3.Connection, session_id: str) -> dict[str, str]:
    """What is known of a session's customer, for flows' conditions: the profile's plain values, as texts."""
    row = connection.execute(
        """SELECT json_extract(c.person, '$.profile') AS profile FROM conversations c
           JOIN sessions s ON s.channel_id = c.channel_id AND s.address = c.address WHERE s.id = ?""",
        (session_id,),
    ).fetchone()
    profile = json.loads(row["profile"]) if row and row["profile"] else {}
    return {key: str(value) for key, value in profile.items() if isinstance(value, str | int | float | bool)}


def known_name(connection: sqlite3.Connection, channel_id: str, address: str) -> str | None:
    """What the person is called: by an event, or as the provider told when it was asked; the name, else the username."""
    row = connection.execute(
        """SELECT coalesce(json_extract(person, '$.name'), json_extract(person, '$.username')) AS name FROM conversations
           WHERE channel_id = ? AND address = ?""",
        (channel_id, address),
    ).fetchone()
    return row["name"] if row else None


def forget_persons(connection: sqlite3.Connection, channel_id: str, limit: int) -> int:
    """What is known of the people of a channel that another org has now: names, and what they answered to forms. How many were forgotten.

    What the adapter remembers stays (say, that a customer has opted out). Providers aren't asked about everybody again, but about who
    comes to write (`ask_anew`).
    """
    done = connection.execute(
        """UPDATE conversations SET person = json_object('address', address, 'forgotten', 1)
           WHERE channel_id = ? AND address IN (
               SELECT address FROM conversations
               WHERE channel_id = ? AND person != '{}' AND json_extract(person, '$.forgotten') IS NULL LIMIT ?)""",
        (channel_id, channel_id, limit),
    )
    return done.rowcount


def ask_anew(connection: sqlite3.Connection, channel_id: str, address: str) -> None:
    """Whom another org knew is new to this one."""
    connection.execute(
        """UPDATE conversations SET person = json_remove(person, '$.address', '$.forgotten')
           WHERE channel_id = ? AND address = ? AND json_extract(person, '$.forgotten') IS NOT NULL""",
        (channel_id, address),
    )


def forget_all(connection: sqlite3.Connection, channel_id: str) -> None:
    """The channel is of another kind now: its addresses and what its adapter remembered mean nothing to the new one."""
    for table in ("conversations", "aliases", "parked", "aside"):
        connection.execute(f"DELETE FROM {table} WHERE channel_id = ?", (channel_id,))  # noqa: S608


def forget_words(connection: sqlite3.Connection, channel_id: str) -> None:
    """What was kept aside, and edits that wait for their message, were meant for the org that had the channel; receipts are nobody's words."""
    connection.execute("DELETE FROM aside WHERE channel_id = ?", (channel_id,))
    connection.execute(
        "DELETE FROM parked WHERE channel_id = ? AND json_extract(envelope, '$.kind') NOT IN ('receipt', 'deletion')",
        (channel_id,),
    )


def keep_name(connection: sqlite3.Connection, channel_id: str, address: str, end_user: EndUser) -> bool:
    """What an event calls the person; whether that is new."""
    called = {key: value for key, value in (("name", end_user.name), ("username", end_user.username)) if value}
    done = connection.execute(
        """INSERT INTO conversations (channel_id, address, person) VALUES (:channel, :address, :called)
           ON CONFLICT DO UPDATE SET person = json_patch(person, :called) WHERE json_patch(person, :called) != json(person)""",
        {"channel": channel_id, "address": address, "called": json.dumps(called)},
    )
    return done.rowcount == 1


def name_message(connection: sqlite3.Connection, channel_id: str, message_id: str, session_id: str, number: int) -> None:
    """A provider's message id stands for this entry."""
    connection.execute(
        "INSERT OR IGNORE INTO message_ids (channel_id, message_id, session_id, number) VALUES (?, ?, ?, ?)",
        (channel_id, message_id, session_id, number),
    )


def message(connection: sqlite3.Connection, channel_id: str, message_id: str) -> MessageRef | None:
    """The entry that a provider's message id names."""
    row = connection.execute(
        "SELECT session_id, number, outbox_id FROM message_ids WHERE channel_id = ? AND message_id = ?", (channel_id, message_id)
    ).fetchone()
    return MessageRef(*row) if row else None


def message_id_of(connection: sqlite3.Connection, session_id: str, number: int) -> str | None:
    """The provider's id of an entry (its first, when it became several messages)."""
    row = connection.execute(
        "SELECT message_id FROM message_ids WHERE session_id = ? AND number = ? ORDER BY written_off LIMIT 1",
        (session_id, number),
    ).fetchone()
    return row["message_id"] if row else None


def park(connection: sqlite3.Connection, inbound: Inbound, names: Iterable[str], now: float) -> None:
    """Keep an event that came before the message it names; few per message, so that nonsense can't fill the disk."""
    for name in names:
        count = connection.execute(
            "SELECT count(*) FROM parked WHERE channel_id = ? AND names = ?", (inbound.channel_id, name)
        ).fetchone()[0]
        if count < MOST_PARKED_PER_NAME:
            connection.execute(
                "INSERT OR IGNORE INTO parked (channel_id, names, event_id, envelope, at) VALUES (?, ?, ?, ?, ?)",
                (inbound.channel_id, name, inbound.event_id, inbound.model_dump_json(), now),
            )


def unpark(connection: sqlite3.Connection, channel_id: str, names: Sequence[str]) -> list[Inbound]:
    """The events that waited for these messages, oldest first."""
    found: list[Inbound] = []
    for name in names:
        rows = connection.execute(
            "DELETE FROM parked WHERE channel_id = ? AND names = ? RETURNING envelope, at", (channel_id, name)
        ).fetchall()
        found += [INBOUND.validate_json(row["envelope"]) for row in sorted(rows, key=lambda row: row["at"])]
    return found
