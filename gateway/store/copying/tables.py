"""What is moved from one store to another: every table, its key, and what of it each store makes by itself. A test compares this list with the databases'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Part: TypeAlias = Literal["sessions", "inbox", "chat"]


@dataclass(frozen=True, slots=True)
class Table:
    """`key`: in its order the rows are read. `counter`: its column that the database numbers."""

    name: str
    key: tuple[str, ...]
    counter: str | None = None
    part: Part = "sessions"
    by_rowid: bool = False  # in a SQLite file, rows lie in the order of their numbers, whatever the key is
    # Columns that a store makes again: they get their default, or what stands here.
    again: Mapping[str, object] = field(default_factory=dict)
    # Of an older row in a SQLite file, what stands for a column.
    read_as: Mapping[str, str] = field(default_factory=dict)
    raw: frozenset[str] = frozenset()  # texts that may be none: they are moved as bytes
    own: frozenset[str] = frozenset()  # columns that one of the databases alone has, with a default
    at_a_time: int = 5_000


# The sessions of a file that an older version wrote last aren't filed, and have the name alone where newer ones have what they are found by.
_FOUND_BY: Final = "CASE WHEN filed IS NULL THEN found_by(address, name) ELSE name END"

TABLES: Final[tuple[Table, ...]] = (
    Table("channels", ("channel_id",)),
    Table("sessions", ("ordinal",), counter="ordinal", again={"filed": 0}, read_as={"name": _FOUND_BY}),
    Table("entries", ("session_id", "number"), by_rowid=True),
    Table("rep_sessions", ("org", "login", "session_id"), again={"rests": None, "place": None}),
    Table("conversations", ("channel_id", "address")),
    Table("aliases", ("channel_id", "alias")),
    Table("message_ids", ("channel_id", "message_id")),
    Table("seen_events", ("channel_id", "event_id")),
    Table("signed_readings", ("channel_id", "proof")),
    Table("parked", ("channel_id", "names", "event_id")),
    Table("aside", ("ordinal",), counter="ordinal"),
    Table("outbox", ("ordinal",), counter="ordinal", own=frozenset({"sender"})),
    Table("outbox_attempts", ("outbox_id", "attempt")),
    Table("timers", ("session_id", "kind", "ref")),
    Table("events", ("number",), counter="number"),
    Table("answers", ("org", "login", "key")),
    Table("presence", ("org", "login")),
    Table("media", ("id",)),
    Table("audit", ("id",), counter="id"),
    Table("salesforce_positions", ("lane",)),
    Table("salesforce_events", ("lane", "hour")),
    Table("batches", ("id",), part="inbox", own=frozenset({"kept_at"}), at_a_time=64),
    Table("watermarks", ("channel_id",), part="inbox"),
    Table(
        "inbox",
        ("id",),
        counter="id",
        part="inbox",
        raw=frozenset({"method", "url", "path", "query", "headers"}),
        own=frozenset({"lease_until", "next_at"}),
        at_a_time=500,
    ),
    Table("streams", ("stream",), part="inbox"),
    Table("visitor", ("channel_id", "visitor_id"), part="chat"),
    Table("event", ("channel_id", "visitor_id", "seq"), part="chat"),
    Table("relay", ("number",), counter="number", part="chat"),
    Table("file", ("channel_id", "file_id"), part="chat"),
)

# What isn't moved, and why.
LEFT: Final[Mapping[str, str]] = {
    "filed": "sessions are filed for search again, in the form of the store",
    "filed_grams": "as above",
    "event_numbers": "the counter of events, which is set",
    "lane_events": "events on their way: their webhooks are read again",
    "workers": "who works on the store now",
    "leases": "as above",
    "rep_streams": "as above",
    "paces": "when an account may send next: seconds",
    "schema_version": "the store's own",
    "copied": "how far the move has got",
}
