"""Fill a data folder with conversations that have ended, as years of work leave them: for measuring lists, search, starts and purges at size.

    python -m bench.archive FOLDER --sessions 1000000 [--org demo] [--reps 500] [--not-filed]

About 100,000 sessions a minute. The rows are as the store writes them, by its own tables, but without going through the rules. What the gateway does in
the background with sessions that have ended (filing them for search) is done, too, unless `--not-filed` leaves it to the gateway.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import JsonValue

from gateway.clock import now
from gateway.session.model import Actor, Entry, EntryKind, Participant, Role, Session, SessionEndUser, Status, Visibility
from gateway.store.connecting import SqliteConnection, connect, migrate
from gateway.store.transaction import SqlTransaction

_CHUNK: Final = 5_000
_FIRST: Final = """Ana María José Łukasz Zoë Søren Jürgen Noémie Chloé Иван Ольга Δήμητρα 美咲 王伟 Nguyễn Fatima Aïcha Omar Priya Rahul Kim Alex Sam Robin
    Mia Leo Emma Noah Olivia Liam Sofia Lucas Marta Pedro Inês João Björn Åsa Mehmet Ayşe Zofia Tomáš Ilse Femke Dirk Bram Giulia Marco Luca Elif"""
_LAST: Final = (
    "Ba Be Bo Da De Do Fa Fe Ga Gu Ha He Ka Ko La Le Li Ma Mi Mo Na No Pa Pe Ra Re Ro Sa Se Si Ta To Va Vi Wa We Ya Zu",
    "rsen ndez lski mann tova rini beck kers ssen vski goni llez ntos wood ston ford hara moto shima deva",
)


@dataclass(frozen=True)
class Archive:
    """What to make. Sessions end one after the other, the last just before `until`; a person comes back about `visits` times."""

    sessions: int
    org: str = "demo"
    channels: Sequence[tuple[str, str]] = (("whatsapp", "whatsapp"), ("sms", "sms"), ("line", "line"))  # id and kind
    reps: Sequence[str] = ("ana", "ben", "cleo")
    queue: str = "support"
    visits: int = 3
    years: float = 2.0
    until: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    seed: int = 1
    filed: bool = True  # for search, as the gateway does in the background; False: it has that still to do, as after an upgrade


class _Person(NamedTuple):
    channel: str
    kind: str
    address: str
    name: str


def person(archive: Archive, number: int) -> _Person:
    """The same number is the same person, with one of some 40,000 names and an address of their own."""
    play = random.Random(f"{archive.seed}-{number}")
    channel, kind = archive.channels[number % len(archive.channels)]
    name = f"{play.choice(_FIRST.split())} {''.join(play.choice(part.split()) for part in _LAST)}"
    digits = f"{4915_0000_0000 + number * 7919 % 9_9999_9999:d}"
    return _Person(channel, kind, f"U{play.getrandbits(128):032x}" if kind == "line" else f"+{digits}", name)


def fill(connection: SqliteConnection, archive: Archive) -> None:
    """Write it, in transactions of a few thousand sessions. The tables must be there; what is in them stays."""
    begin = connection.execute("SELECT coalesce(max(ordinal), 0) FROM sessions").fetchone()[0]
    step = timedelta(days=365 * archive.years) / max(1, archive.sessions)
    made = _sessions(archive, begin, archive.until - step * archive.sessions, step)
    write = {
        table: f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        for table, columns in _TABLES.items()
    }
    while some := list(itertools.islice(made, _CHUNK)):
        connection.execute("BEGIN IMMEDIATE")
        for table, statement in write.items():
            connection.executemany(statement, [row for one in some for row in one[table]])
        connection.execute("COMMIT")
    if archive.filed:
        _file(connection)


def _file(connection: SqliteConnection) -> None:
    done = _CHUNK
    while done >= _CHUNK:
        connection.execute("BEGIN IMMEDIATE")
        transaction = SqlTransaction(connection, now)
        done = transaction.lists.file(_CHUNK)
        transaction.finish()
        connection.execute("COMMIT")


_TABLES: Final = {
    "sessions": [
        "id",
        "ordinal",
        "org",
        "channel_id",
        "address",
        "name",
        "status",
        "queue",
        "offered",
        "version",
        "last_activity",
        "state",
    ],
    "entries": ["session_id", "number", "kind", "visibility", "body"],
    "rep_sessions": ["org", "login", "session_id", "tie", "counts"],
    "conversations": ["channel_id", "address", "memory", "person", "last_inbound_at"],
    "seen_events": ["channel_id", "event_id", "at"],
    "message_ids": ["channel_id", "message_id", "session_id", "number"],
    "outbox": [
        "id",
        "org",
        "channel_id",
        "address",
        "session_id",
        "entry_number",
        "kind",
        "payload",
        "retry_key",
        "state",
        "rank",
        "created_at",
        "sent_at",
        "updated_at",
    ],
    "audit": ["org", "session_id", "at", "login", "command", "outcome", "details"],
}


def _sessions(archive: Archive, begin: int, at: datetime, step: timedelta) -> Iterator[dict[str, list[tuple[object, ...]]]]:
    play = random.Random(archive.seed)
    state, body = _templates(archive)
    people = max(1, archive.sessions // archive.visits)
    for number in range(archive.sessions):
        at += step
        who = person(archive, play.randrange(people))
        rep = play.choice(archive.reps)
        id, ordinal = f"ses_{begin + number:08x}{play.getrandbits(32):08x}", begin + number + 1
        ended, when = at.timestamp(), at.isoformat().replace("+00:00", "Z")
        told = {
            "@ID": id,
            "@CHANNEL": who.channel,
            "@KIND": who.kind,
            "@ADDRESS": who.address,
            "@NAME": who.name,
            "@REP": rep,
            "@AT": when,
        }
        yield {
            "sessions": [
                (
                    id,
                    ordinal,
                    archive.org,
                    who.channel,
                    who.address,
                    who.name.casefold(),
                    "ended",
                    archive.queue,
                    0,
                    9,
                    ended,
                    _filled(state, told),
                )
            ],
            "entries": [(id, n, kind, seen, _filled(text, told)) for n, (kind, seen, text) in enumerate(body, 1)],
            "rep_sessions": [(archive.org, rep, id, "in", 0)],
            "conversations": [(who.channel, who.address, "{}", json.dumps({"name": who.name, "address": who.address}), ended)],
            "seen_events": [(who.channel, f"e-{id}", ended)],
            "message_ids": [(who.channel, f"m-{id}", id, 1)],
            "outbox": [
                (
                    f"msg_{id}",
                    archive.org,
                    who.channel,
                    who.address,
                    id,
                    4,
                    "say",
                    '{"id": "", "text": "You are welcome."}',
                    id,
                    "read",
                    3,
                    ended,
                    ended,
                    ended,
                )
            ],
            "audit": [(archive.org, id, ended, rep, "End", "done", "{}")],
        }


def _templates(archive: Archive) -> tuple[str, list[tuple[str, str, str]]]:
    """A session and its transcript as the store writes them, with `@NAME` and the like to be filled in."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    customer = Actor(role=Role.end_user, id="@ADDRESS", name="@NAME")
    rep = Actor(role=Role.rep, id="@REP", name="@REP")
    session = Session.model_validate(
        {
            "id": "@ID",
            "org": archive.org,
            "channel_id": "@CHANNEL",
            "channel_type": "@KIND",
            "end_user": SessionEndUser(id="@ADDRESS", name="@NAME"),
            "status": Status.ended,
            "participants": [Participant(**dict(one), joined_at=at) for one in (customer, rep)],
            "queue": archive.queue,
            "been_in": ("@REP",),
            "last_message": 4,
            "entry_count": 5,
            "version": 9,
            "opened_at": at,
            "last_message_at": at,
            "last_inbound_at": at,
        }
    )
    everyone, reps = Visibility.everyone, Visibility.reps
    joined: dict[str, JsonValue] = {"participant": {"role": "rep", "id": "@REP", "name": "@REP"}, "reason": "accepted"}
    said = "Good day, my parcel number 48-223 has not arrived and I would like to know where it is."
    entries = [
        Entry(
            number=1,
            kind=EntryKind.message,
            visibility=everyone,
            at=at,
            sender=customer,
            text=said,
            details={"message_id": "m-@ID"},
        ),
        Entry(number=2, kind=EntryKind.participant_joined, visibility=reps, at=at, sender=rep, details=joined),
        Entry(number=3, kind=EntryKind.notice, visibility=everyone, at=at, text="@REP is here.", details={"code": "joined"}),
        Entry(number=4, kind=EntryKind.message, visibility=everyone, at=at, sender=rep, text="You are welcome."),
        Entry(
            number=5,
            kind=EntryKind.status_changed,
            visibility=reps,
            at=at,
            details={"from": "active", "to": "ended", "reason": "ended_by_rep"},
        ),
    ]
    text = [(e.kind.value, e.visibility.value, _timeless(e.model_dump_json(exclude_none=True))) for e in entries]
    return _timeless(session.model_dump_json(exclude_defaults=True)), text


def _timeless(text: str) -> str:
    return text.replace("2026-01-01T00:00:00Z", "@AT")


def _filled(template: str, told: dict[str, str]) -> str:
    for mark, value in told.items():
        template = template.replace(mark, value)
    return template


def main() -> None:
    """From the command line."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("folder", type=Path)
    given.add_argument("--sessions", type=int, default=100_000)
    given.add_argument("--org", default="demo")
    given.add_argument("--reps", type=int, default=0, help="how many beside the demo's, named rep-0 and so on")
    given.add_argument("--not-filed", action="store_true", help="as an older version leaves it")
    told = given.parse_args()
    reps = ("ana", "ben", "cleo", *(f"rep-{n}" for n in range(told.reps)))
    told.folder.mkdir(parents=True, exist_ok=True)
    with closing(connect(told.folder / "sessions.db")) as connection:
        migrate(connection, "gateway.store.migrations.sessions")
        fill(connection, Archive(told.sessions, told.org, reps=reps, filed=not told.not_filed))


if __name__ == "__main__":
    main()
