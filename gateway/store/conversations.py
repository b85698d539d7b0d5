"""What belongs to a conversation beyond its sessions, in SQL: adapters' memory, the person, seen events, what providers' message ids name, parked
events, and what is kept aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from adapters.envelope import (
    INBOUND,
    EndUser,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    InboundReferral,
    SignedReading,
)
from gateway.store.contract import MOST_ASIDE, MOST_PARKED_PER_NAME, Conversation, MessageRef, OutboxRow
from gateway.store.gathering import Gathering, among
from gateway.store.statements import Conflict

_UPSERT: Final = """INSERT INTO conversations (channel_id, address, memory, person, last_inbound_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (channel_id, address) DO UPDATE SET memory = excluded.memory, person = excluded.person, last_inbound_at = excluded.last_inbound_at"""
_FORGET_PERSONS: Final = """UPDATE conversations SET person = json_object('address', address, 'forgotten', 1) WHERE channel_id = ? AND address IN (
    SELECT address FROM conversations
    WHERE channel_id = ? AND person != '{}' AND json_extract(person, '$.forgotten') IS NULL LIMIT ?)"""
_FORGET: Final = {
    "sqlite": _FORGET_PERSONS,
    "postgresql": _FORGET_PERSONS.replace(
        "json_object('address', address, 'forgotten', 1)", "json_build_object('address', address, 'forgotten', 1)::text"
    ),
}


class _Json(NamedTuple):
    """A value, which is never changed, and its text: most messages change neither memory nor person."""

    text: str
    value: Mapping[str, Any]


_NOTHING: Final = _Json("{}", {})
_UNREAD: Final = object()


@lru_cache(2_000)
def _read(text: str) -> _Json:
    return _Json(text, from_json(text))


def _json(value: Mapping[str, Any]) -> _Json:
    return _Json(to_json(value).decode(), value)


class _Row(NamedTuple):
    channel_id: str
    address: str
    memory: _Json = _NOTHING
    person: _Json = _NOTHING
    last_inbound_at: float | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        return (self.channel_id, self.address, self.memory.text, self.person.text, self.last_inbound_at)


class Conversations:
    """See `gateway.store.contract.Conversations`.

    Where others write, too: who reads a conversation holds it. An event that two see for the first time is refused to the second by its key, and seen when that job
    is done once more; the same with readings of signatures. What is parked under a name, and what the name stands for, is held by the name by whoever parks and by
    whoever sends: so either finds the other's. (A customer's own message is held by its conversation.)
    """

    def __init__(self, gathering: Gathering, message_ids: MessageIds) -> None:
        self._gathering, self._message_ids = gathering, message_ids
        self._known: dict[tuple[str, str], _Row | None] = gathering.held()
        self._seen: dict[tuple[str, str], bool] = gathering.held()
        self._readings: dict[tuple[str, str], str | None] = gathering.held()
        self._parked: dict[tuple[str, str], bool] = gathering.held()  # whether anything waits for that message
        self._upserts = gathering.rows(_UPSERT, lambda row: row.values, types="ttttf", news="people")
        # Most messages say nothing new of the person: then the index of who is unknown, which looks into what is known, stays as it is.
        self._continued = gathering.rows(
            "UPDATE conversations SET memory = ?, last_inbound_at = ? WHERE channel_id = ? AND address = ?", types="tftt"
        )
        self._sights = gathering.rows("INSERT INTO seen_events (channel_id, event_id, at) VALUES (?, ?, ?)", types="ttf")
        self._firsts = gathering.rows(
            "INSERT INTO signed_readings (channel_id, proof, reading, at) VALUES (?, ?, ?, ?)", types="tttf"
        )

    # ---------------------------------------------------------------------------------------------------------- events

    def first_sight(self, channel_id: str, event_id: str) -> bool:
        """See the contract."""
        place = (channel_id, event_id)
        if place not in self._seen:
            query = "SELECT 1 FROM seen_events WHERE channel_id = ? AND event_id = ?"
            self._seen[place] = self._gathering.point(query, place).fetchone() is not None
        if self._seen[place]:
            return False
        self._gathering.change(self._seen, place, True)
        self._sights.add((*place, self._gathering.at))
        return True

    def first_reading(self, channel_id: str, signed: SignedReading) -> bool:
        """See the contract."""
        place = (channel_id, signed.proof)
        if place not in self._readings:
            query = "SELECT reading FROM signed_readings WHERE channel_id = ? AND proof = ?"
            row = self._gathering.point(query, place).fetchone()
            self._readings[place] = row["reading"] if row else None
        if self._readings[place] is None:
            self._gathering.change(self._readings, place, signed.reading)
            self._firsts.add((*place, signed.reading, self._gathering.at))
        return self._readings[place] == signed.reading

    def read_ahead_events(self, channel_id: str, inbound: Sequence[Inbound]) -> Callable[[], None]:
        """Hold which of these events were seen, what their signatures were taken for, and whether anything waits for their messages, when what is given back is
        called."""
        seen = self._there(channel_id, "seen_events", "event_id", [one.event_id for one in inbound])
        parked = self._there(channel_id, "parked", "names", [m.message_id for m in inbound if isinstance(m, InboundMessage)])
        proofs = list({one.signed.proof for one in inbound if one.signed})
        query = "SELECT proof, reading FROM signed_readings WHERE channel_id = ? AND proof IN (SELECT value FROM json_each(?))"
        signed = self._gathering.point(query, (channel_id, json.dumps(proofs))) if proofs else ()

        def hold() -> None:
            self._seen |= seen()
            self._parked |= parked()
            if proofs:
                found = {row["proof"]: row["reading"] for row in signed}
                self._readings.update({(channel_id, proof): found.get(proof) for proof in proofs})

        return hold

    def _there(self, channel_id: str, table: str, column: str, names: Sequence[str]) -> Callable[[], dict[tuple[str, str], bool]]:
        return _which_are_there(self._gathering, channel_id, table, column, names)

    def read_ahead_parked(self, channel_id: str, names: Sequence[str]) -> Callable[[], None]:
        """Hold whether anything waits for these names, when what is given back is called."""
        there = self._there(channel_id, "parked", "names", names)
        return lambda: self._parked.update(there())

    def park(self, inbound: Inbound, names: Iterable[str]) -> None:
        """See the contract."""
        channel_id, names = inbound.channel_id, list(names)
        self._gathering.lock_names((channel_id, name) for name in names)
        if self._gathering.shared and any(self._message_ids.was_named_meanwhile(channel_id, name) for name in names):
            raise Conflict(names)
        for name in names:
            place = (channel_id, name)
            count = self._gathering.run("SELECT count(*) FROM parked WHERE channel_id = ? AND names = ?", place).fetchone()[0]
            if count < MOST_PARKED_PER_NAME:
                self._gathering.run(
                    """INSERT INTO parked (channel_id, names, event_id, envelope, at) VALUES (?, ?, ?, ?, ?)
                       ON CONFLICT (channel_id, names, event_id) DO NOTHING""",
                    (*place, inbound.event_id, inbound.model_dump_json(), self._gathering.at),
                )
            self._parked.pop(place, None)

    def unpark(self, channel_id: str, names: Sequence[str]) -> list[Inbound]:
        """See the contract."""
        found: list[Inbound] = []
        for name in names:
            place = (channel_id, name)
            if place not in self._parked:
                self._gathering.lock_names([place])
                self.read_ahead_parked(channel_id, [name])()
            if self._parked[place]:
                statement = "DELETE FROM parked WHERE channel_id = ? AND names = ? RETURNING envelope, at"
                rows = self._gathering.run(statement, place).fetchall()
                found += [INBOUND.validate_json(row["envelope"]) for row in sorted(rows, key=lambda row: row["at"])]
                del self._parked[place]
        return found

    # --------------------------------------------------------------------------------------------- memory and the person

    def of(self, channel_id: str, address: str) -> Conversation:
        """See the contract."""
        row = self._row(channel_id, address)
        return Conversation(row.memory.value, row.last_inbound_at or None) if row else Conversation({}, None)

    def _row(self, channel_id: str, address: str) -> _Row | None:
        place = (channel_id, address)
        if place not in self._known:
            self.read_ahead(channel_id, [address])()
        return self._known[place]

    def read_ahead(self, channel_id: str, addresses: Sequence[str]) -> Callable[[], None]:
        """Hold what is known of these conversations, when what is given back is called."""
        self._gathering.lock_conversations((channel_id, address) for address in addresses)
        which, value = among("address", addresses)
        query = f"SELECT address, memory, person, last_inbound_at FROM conversations WHERE channel_id = ? AND {which}"  # noqa: S608
        found = self._gathering.point(query, (channel_id, value))

        def hold() -> None:
            self._known.update(dict.fromkeys((channel_id, address) for address in addresses))
            for address, memory, person, at in found:
                self._known[channel_id, address] = _Row(channel_id, address, _read(memory), _read(person), at)

        return hold

    def _save(self, row: _Row) -> None:
        place = (row.channel_id, row.address)
        before = self._known[place]
        self._gathering.change(self._known, place, row)
        if before is not None and before.person is row.person and place not in self._upserts.waiting:
            self._continued.add((row.memory.text, row.last_inbound_at, *place), place)
        else:
            self._continued.drop(place)
            self._upserts.add(row, place)

    def remember(self, channel_id: str, address: str, changes: Mapping[str, Any], *, wrote_at: float | None = None) -> None:
        """See the contract."""
        if wrote_at is None and not changes:
            return
        known = self._row(channel_id, address) or _Row(channel_id, address)
        at = wrote_at if known.last_inbound_at is None else max(wrote_at or 0, known.last_inbound_at)
        memory = known.memory
        if any(memory.value.get(key) != value for key, value in changes.items()):
            memory = _json({key: value for key, value in {**memory.value, **changes}.items() if value is not None})
        self._save(_Row(channel_id, address, memory, known.person, at))

    def keep_profile(self, channel_id: str, address: str, profile: Mapping[str, Any]) -> None:
        """See the contract."""
        if known := self._row(channel_id, address):
            self._save(known._replace(person=_json(_patched(known.person.value, {"profile": profile}))))

    def attributes(self, channel_id: str, address: str) -> dict[str, str]:
        """See the contract."""
        known = self._row(channel_id, address)
        profile = (known.person.value.get("profile") if known else None) or {}
        return {key: str(value) for key, value in profile.items() if isinstance(value, str | int | float | bool)}

    def keep_name(self, channel_id: str, address: str, end_user: EndUser) -> bool:
        """See the contract."""
        called = {key: value for key, value in (("name", end_user.name), ("username", end_user.username)) if value}
        known = self._row(channel_id, address) or _Row(channel_id, address)
        person = known.person.value
        if all(person.get(key) == value for key, value in called.items()):
            return False
        self._save(known._replace(person=_json({**person, **called})))
        return True

    def learn(self, channel_id: str, address: str, end_user: EndUser) -> None:
        """See the contract."""
        if known := self._row(channel_id, address):
            told = end_user.model_dump(mode="json", exclude_none=True)
            self._save(known._replace(person=_json(_patched(known.person.value, told))))

    def known_name(self, channel_id: str, address: str) -> str | None:
        """See the contract."""
        known = self._row(channel_id, address)
        person = known.person.value if known else {}
        name = person.get("name")
        return name if name is not None else person.get("username")

    def unknown(self, channels: Sequence[str], limit: int) -> list[tuple[str, str]]:
        """See the contract."""
        if not channels:
            return []
        places = ",".join("?" * len(channels))
        query = f"""SELECT channel_id, address FROM conversations INDEXED BY conversations_unknown
                    WHERE json_extract(person, '$.address') IS NULL AND channel_id IN ({places}) ORDER BY last_inbound_at DESC NULLS LAST LIMIT ?"""  # noqa: S608
        return [(row["channel_id"], row["address"]) for row in self._gathering.run(query, (*channels, limit))]

    def move(self, channel_id: str, old: str, new: str) -> None:
        """See the contract."""
        values = {"channel": channel_id, "old": old, "new": new}
        self._gathering.lock_conversations([(channel_id, old), (channel_id, new)])
        self._gathering.run(
            """INSERT INTO conversations (channel_id, address, memory, person, last_inbound_at)
               SELECT channel_id, :new, memory, person, last_inbound_at FROM conversations WHERE channel_id = :channel AND address = :old
               ON CONFLICT (channel_id, address) DO UPDATE SET memory = json_patch(excluded.memory, conversations.memory),
                   person = json_patch(excluded.person, conversations.person),
                   last_inbound_at = max(coalesce(conversations.last_inbound_at, 0), coalesce(excluded.last_inbound_at, 0))""",
            values,
        )
        self._gathering.run("DELETE FROM conversations WHERE channel_id = :channel AND address = :old", values)
        self._known.clear()

    # ------------------------------------------------------------------------------- channels that changed hands or kind

    def ask_anew(self, channel_id: str, address: str) -> None:
        """See the contract."""
        known = self._row(channel_id, address)
        if known and known.person.value.get("forgotten") is not None:
            kept = {key: value for key, value in known.person.value.items() if key not in ("address", "forgotten")}
            self._save(known._replace(person=_json(kept)))

    def forget_persons(self, channel_id: str, limit: int) -> int:
        """See the contract."""
        done = self._gathering.run(_FORGET[self._gathering.dialect], (channel_id, channel_id, limit))
        self._known.clear()
        return done.rowcount

    def forget_all(self, channel_id: str) -> None:
        """See the contract."""
        for table in ("conversations", "aliases", "parked", "aside"):
            self._gathering.run(f"DELETE FROM {table} WHERE channel_id = ?", (channel_id,))  # noqa: S608
        self._gathering.forget()

    def forget_words(self, channel_id: str) -> None:
        """See the contract."""
        self._gathering.run("DELETE FROM aside WHERE channel_id = ?", (channel_id,))
        self._gathering.run(
            "DELETE FROM parked WHERE channel_id = ? AND json_extract(envelope, '$.kind') NOT IN ('receipt', 'deletion')",
            (channel_id,),
        )
        self._gathering.forget()


class MessageIds:
    """See `gateway.store.contract.MessageIds`. Who names a message that another names at the same time is refused by the key, and done once more."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._known: dict[tuple[str, str], MessageRef | None] = gathering.held()
        self._new = gathering.rows(
            "INSERT INTO message_ids (channel_id, message_id, session_id, number) VALUES (?, ?, ?, ?)", types="ttti"
        )
        self._ours = gathering.rows(
            """INSERT INTO message_ids (channel_id, message_id, session_id, number, outbox_id) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (channel_id, message_id) DO UPDATE SET written_off = 0 WHERE message_ids.outbox_id = excluded.outbox_id""",
            types="tttit",
        )

    def of(self, channel_id: str, message_id: str) -> MessageRef | None:
        """See the contract."""
        place = (channel_id, message_id)
        if place not in self._known:
            query = "SELECT session_id, number, outbox_id FROM message_ids WHERE channel_id = ? AND message_id = ?"
            row = self._gathering.point(query, place).fetchone()
            self._known[place] = MessageRef(*row) if row else None
        return self._known[place]

    def was_named_meanwhile(self, channel_id: str, name: str) -> bool:
        """Whether it stands for something, though it was read that it doesn't."""
        if self._known.get((channel_id, name), _UNREAD) is not None:
            return False
        query = "SELECT 1 FROM message_ids WHERE channel_id = ? AND message_id = ?"
        return self._gathering.run(query, (channel_id, name)).fetchone() is not None

    def read_ahead(self, channel_id: str, inbound: Sequence[Inbound]) -> Callable[[], None]:
        """Hold what the ids that these events name stand for, when what is given back is called."""
        names: set[str] = set()
        for one in inbound:
            if isinstance(one, InboundMessage | InboundEdit | InboundDeletion | InboundReaction):
                names.add(one.message_id)
            if isinstance(one, InboundMessage) and one.reply_to:
                names.add(one.reply_to)
            if isinstance(one, InboundReceipt):
                names.update(one.message_ids)
        return self.read_ahead_names(channel_id, names)

    def read_ahead_names(self, channel_id: str, names: Collection[str]) -> Callable[[], None]:
        """Hold what these ids stand for, when what is given back is called."""
        query = """SELECT message_id, session_id, number, outbox_id FROM message_ids
                   WHERE channel_id = ? AND message_id IN (SELECT value FROM json_each(?))"""
        found = self._gathering.point(query, (channel_id, json.dumps(list(names)))) if names else ()

        def hold() -> None:
            self._known.update(dict.fromkeys((channel_id, name) for name in names))
            for name, *ref in found:
                self._known[channel_id, name] = MessageRef(*ref)

        return hold

    def name(self, channel_id: str, message_id: str, session_id: str, number: int) -> None:
        """See the contract."""
        if self.of(channel_id, message_id) is None:
            place = (channel_id, message_id)
            self._gathering.change(self._known, place, MessageRef(session_id, number, None))
            self._new.add((*place, session_id, number), place)

    def of_entry(self, session_id: str, number: int) -> str | None:
        """See the contract."""
        ours = """SELECT message_id FROM message_ids WHERE session_id = ? AND number = ? AND outbox_id IS NOT NULL
                  ORDER BY written_off LIMIT 1"""
        theirs = """SELECT json_extract(body, '$.details.message_id') AS message_id FROM entries
                    WHERE session_id = ? AND number = ? AND kind = 'message'"""
        place = (session_id, number)
        row = self._gathering.run(ours, place).fetchone() or self._gathering.run(theirs, place).fetchone()
        return row["message_id"] if row else None

    def stand_for(self, row: OutboxRow, message_ids: Sequence[str], *, again: bool = False) -> None:
        """See the contract."""
        self._gathering.lock_names((row.channel_id, message_id) for message_id in message_ids)
        for message_id in message_ids:
            known, place = self.of(row.channel_id, message_id), (row.channel_id, message_id)
            if known is None:
                self._gathering.change(self._known, place, MessageRef(row.session_id, row.entry_number, row.id))
            if known is None or (again and known.outbox_id == row.id):
                self._ours.add((*place, row.session_id, row.entry_number, row.id), place)

    def write_off(self, row: OutboxRow, message_ids: Sequence[str] | None = None) -> None:
        """See the contract."""
        known = [one for one in self.of_row(row) if message_ids is None or one in message_ids]
        statement = "UPDATE message_ids SET written_off = 1 WHERE channel_id = ? AND message_id = ?"
        self._gathering.run_many(statement, [(row.channel_id, one) for one in known])

    def of_row(self, row: OutboxRow) -> dict[str, bool]:
        """See the contract."""
        query = "SELECT message_id, written_off FROM message_ids WHERE session_id = ? AND number = ? AND outbox_id = ?"
        return {
            one["message_id"]: bool(one["written_off"])
            for one in self._gathering.run(query, (row.session_id, row.entry_number, row.id))
        }


class Aside:
    """See `gateway.store.contract.Aside`. Who keeps, takes or forgets holds the conversation."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._any: dict[tuple[str, str], bool] = gathering.held()

    def read_ahead(self, channel_id: str, addresses: Sequence[str]) -> Callable[[], None]:
        """Hold whether anything is aside of these conversations, when what is given back is called."""
        self._gathering.lock_conversations((channel_id, address) for address in addresses)
        there = _which_are_there(self._gathering, channel_id, "aside", "address", addresses)
        return lambda: self._any.update(there())

    def _is_empty(self, channel_id: str, address: str) -> bool:
        if (channel_id, address) not in self._any:
            self.read_ahead(channel_id, [address])()
        return not self._any[channel_id, address]

    def keep(self, inbound: InboundMessage | InboundReferral, address: str) -> None:
        """See the contract."""
        self._gathering.lock_conversations([(inbound.channel_id, address)])
        self._gathering.run(
            "INSERT INTO aside (channel_id, address, message_id, envelope, at) VALUES (?, ?, ?, ?, ?)",
            (
                inbound.channel_id,
                address,
                inbound.message_id if isinstance(inbound, InboundMessage) else None,
                inbound.model_copy(update={"raw": {}}).model_dump_json(),
                self._gathering.at,
            ),
        )
        self._any.pop((inbound.channel_id, address), None)
        rows = self._gathering.run(
            "SELECT ordinal, left_out FROM aside WHERE channel_id = ? AND address = ? ORDER BY ordinal DESC LIMIT 2 OFFSET ?",
            (inbound.channel_id, address, MOST_ASIDE - 1),
        ).fetchall()
        if len(rows) == 2:
            oldest_kept, gone = rows
            more = (gone["left_out"] + 1, oldest_kept["ordinal"])
            self._gathering.run("UPDATE aside SET left_out = ? WHERE ordinal = ?", more)
            self._gathering.run("DELETE FROM aside WHERE ordinal = ?", (gone["ordinal"],))

    def take(self, channel_id: str, address: str) -> tuple[tuple[InboundMessage | InboundReferral, ...], int]:
        """See the contract."""
        if self._is_empty(channel_id, address):
            return (), 0
        place = (channel_id, address)
        query = "SELECT envelope, left_out FROM aside WHERE channel_id = ? AND address = ? ORDER BY ordinal"
        rows = self._gathering.run(query, place).fetchall()
        self._gathering.run("DELETE FROM aside WHERE channel_id = ? AND address = ?", place)
        del self._any[place]
        found = (INBOUND.validate_json(row["envelope"]) for row in rows)
        return tuple(one for one in found if isinstance(one, InboundMessage | InboundReferral)), rows[0][
            "left_out"
        ] if rows else 0

    def forget(self, channel_id: str, address: str, message_id: str) -> None:
        """See the contract."""
        if not self._is_empty(channel_id, address):
            statement = "DELETE FROM aside WHERE channel_id = ? AND address = ? AND message_id = ?"
            self._gathering.run(statement, (channel_id, address, message_id))
            self._any.pop((channel_id, address), None)

    def move(self, channel_id: str, old: str, new: str) -> None:
        """See the contract."""
        self._gathering.lock_conversations([(channel_id, old), (channel_id, new)])
        self._gathering.run("UPDATE aside SET address = ? WHERE channel_id = ? AND address = ?", (new, channel_id, old))
        self._any.clear()


def _which_are_there(
    gathering: Gathering, channel_id: str, table: str, column: str, names: Sequence[str]
) -> Callable[[], dict[tuple[str, str], bool]]:
    """Which of these names of a channel the table has a row for, when what is given back is called."""
    if not names:
        return dict
    which, value = among(column, names)
    query = f"SELECT DISTINCT {column} FROM {table} WHERE channel_id = ? AND {which}"  # noqa: S608
    rows = gathering.point(query, (channel_id, value))

    def found() -> dict[tuple[str, str], bool]:
        there = {row[0] for row in rows}
        return {(channel_id, name): name in there for name in names}

    return found


def _patched(known: Any, patch: Any) -> Any:
    """RFC 7396, as SQLite's `json_patch`."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(known) if isinstance(known, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _patched(merged.get(key), value)
    return merged
