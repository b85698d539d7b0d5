"""Events that come together have the effect that they have one by one, however they are cut into batches; and one that fails takes no other with it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.envelope import (
    Address,
    Author,
    ChannelId,
    EndUser,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundHandover,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    InboundReferral,
    InboundUnknown,
    MediaPart,
    ReceiptStatus,
    Referral,
    SignedReading,
    TextPart,
)
from gateway import clock
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.demo import cast
from gateway.doorbell.local import LocalDoorbell
from gateway.links import MediaLinks
from gateway.session.commands import Leave
from gateway.session.model import Login
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.sqlite import SqliteStore
from tests.brokers.desk import BEGIN, WHATSAPP, desk

NOW = BEGIN + timedelta(minutes=5)
NUMBER = Address("+34600111222")
# Kim by her id, with a number, by the number alone, and as she calls herself later; Lee, who may come by Kim's number; Max, whom nobody knows.
PEOPLE = (
    EndUser(address=Address("kim"), name="Kim"),
    EndUser(address=Address("kim")),
    EndUser(address=Address("kim"), name="Kimberly", username="kk"),
    EndUser(address=Address("kim"), aliases=(NUMBER,), lent=(NUMBER,)),
    EndUser(address=NUMBER, lent=(NUMBER,), name="Somebody"),
    EndUser(address=Address("kim-2"), formerly=(Address("kim"),)),
    EndUser(address=Address("lee"), name="Lee", profile={"vip": True}),
    EndUser(address=Address("lee"), aliases=(NUMBER,), lent=(NUMBER,)),
    EndUser(address=Address("max"), name="Max"),
    EndUser(address=Address("max")),
)
MESSAGES = ("m1", "m2", "m3", "kim-1", "ours")  # `kim-1` was there before, `ours` is a rep's


class World:
    """A broker on a copy of a file in which a conversation is under way."""

    def __init__(self, data_dir: Path, loaded: Any) -> None:
        links = MediaLinks("secret", "http://gateway.example")
        ground = Ground(loaded.channels, loaded.orgs, links, clock.new_id, lambda: NOW)
        self.store = SqliteStore(data_dir, lambda: NOW, ground.fault)
        self.broker = EmbeddedBroker(self.store, ground, LocalDoorbell(), lambda: NOW, Folder(data_dir / "media", MEDIA))

    async def taken_in(self, batches: Sequence[Sequence[Inbound]], *first: str) -> list[str | None]:
        """The kind of fault of each event; `first` are statements to run on the file before."""
        await self.broker.open()
        for statement in first:
            await self.store.writer.run(lambda file, statement=statement: file.execute(statement) and None)  # type: ignore[misc]
        results = [fault for batch in batches for fault in await self.broker.take_in(batch)]
        await self.broker.close()
        return [type(fault).__name__ if fault else None for fault in results]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kim talks with Ana and Ben, and has two messages of theirs, of which one is still to be sent; Lee's conversation has ended; Ana is free for more."""
    folder = tmp_path_factory.mktemp("base")

    async def prepare() -> None:
        async with desk(folder, in_files=True) as one:
            session_id = await one.conversation()
            await one.take_in(one.message("look here", message_id="kim-1"))
            await one.joined(session_id)
            (said,) = [await one.say(session_id, "good day")]
            await one.deliver()
            row = await one.rows(f"SELECT id FROM outbox WHERE entry_number = {said.entry.number}")  # type: ignore[union-attr]  # noqa: S608
            await one.write("UPDATE message_ids SET message_id = 'ours' WHERE outbox_id = ?", row[0][0])
            await one.say(session_id, "anything else?")
            lee = EndUser(address=Address("lee"), name="Lee")
            await one.take_in(
                one.message("it's me", end_user=lee), InboundEnded(**{**one.event(), "end_user": lee}, reason="closed")
            )
            await one.does(Leave(by=Login("ben")), session_id)

    asyncio.run(prepare())
    return folder


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return cast.load(1, tmp_path_factory.mktemp("config"))


def outcome(base: Path, loaded: Any, folder: Path, batches: Sequence[Sequence[Inbound]], *first: str) -> Any:
    """What each event came to, and all that is stored then."""
    folder.mkdir()
    with closing(sqlite3.connect(base / "sessions.db")) as there, closing(sqlite3.connect(folder / "sessions.db")) as here:
        there.backup(here)
    faults = asyncio.run(World(folder, loaded).taken_in(batches, *first))
    stored = dump(folder / "sessions.db")
    shutil.rmtree(folder)
    return faults, stored


# ----------------------------------------------------------------------------------------------------------- what is stored

_OWN_IDS = re.compile(r"\b(?:ses|msg|ntc|med|inv|typ)_[0-9a-f]+\b")
_KEYS = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_QUERIES = {
    "sessions": "SELECT * FROM sessions ORDER BY ordinal",
    "entries": "SELECT e.* FROM entries e JOIN sessions s ON s.id = e.session_id ORDER BY s.ordinal, e.number",
    "outbox": "SELECT * FROM outbox ORDER BY ordinal",
    "events": "SELECT at, org, session_id, type, audience, data FROM events WHERE type != 'session' ORDER BY number",
    "sessions told of": "SELECT DISTINCT org, session_id, audience FROM events WHERE type = 'session' ORDER BY number",
    "media": "SELECT * FROM media ORDER BY rowid",
    "aside": "SELECT channel_id, address, message_id, envelope, left_out FROM aside ORDER BY ordinal",
    **{
        table: f"SELECT * FROM {table}"  # noqa: S608
        for table in (
            "rep_sessions",
            "seen_events",
            "signed_readings",
            "message_ids",
            "conversations",
            "aliases",
            "timers",
            "parked",
        )
    },
}


def dump(path: Path) -> dict[str, list[Any]]:
    """All rows that matter, with our own ids told apart only by the order in which they are met. How often a session is said to have changed, and when,
    doesn't matter: whoever is told reads it as it is then."""
    names: dict[str, str] = {}

    def own(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"id {len(names)}")

    def told(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = _OWN_IDS.sub(own, _KEYS.sub("key", value))
        return json.loads(text) if text.startswith(("{", "[")) else text

    with closing(sqlite3.connect(path)) as file:
        found = {table: [[told(value) for value in row] for row in file.execute(query)] for table, query in _QUERIES.items()}
    ordered = {"sessions", "entries", "outbox", "events", "media", "aside"}
    return {table: rows if table in ordered else sorted(rows, key=repr) for table, rows in found.items()}


# ------------------------------------------------------------------------------------------------------------ what happens


@st.composite
def events(draw: st.DrawFn) -> Inbound:
    channel_id = ChannelId(draw(st.sampled_from(["whatsapp"] * 12 + ["nowhere"])))  # a channel that is not in the config fails
    about: dict[str, Any] = {
        "channel_id": channel_id,
        "event_id": f"event-{draw(st.integers(1, 50))}",
        "end_user": draw(st.sampled_from(PEOPLE)),
        "received_at": NOW,
        "provider_time": draw(st.sampled_from([None, NOW - timedelta(minutes=9), NOW - timedelta(seconds=3)])),
        "remember": draw(st.sampled_from([{}, {}, {"token": "a"}, {"token": None, "seen": 1}])),
        "signed": draw(st.sampled_from([None] * 9 + [SignedReading(proof="p", reading=one) for one in "ab"])),
    }
    named = {**about, "message_id": draw(st.sampled_from(MESSAGES))}
    kind = draw(
        st.sampled_from(
            ["message"] * 6 + ["edit", "deletion", "reaction", "receipt", "receipt", "ended", "referral", "handover", "unknown"]
        )
    )
    if kind == "message":
        text, picture = TextPart(text=draw(st.sampled_from(["hello", "and?"]))), MediaPart(media="image", source={"id": "1"})
        parts = (text, picture) if draw(st.integers(0, 5)) == 0 else (text,)
        author = draw(st.sampled_from([Author.end_user] * 6 + [Author.business, Author.provider]))
        names = draw(st.sampled_from([*MESSAGES, *[f"new-{n}" for n in range(20)]]))
        reply_to, standby = draw(st.sampled_from([None, None, "ours", "m1"])), draw(st.integers(0, 7)) == 0
        return InboundMessage(**{**named, "message_id": names}, parts=parts, author=author, reply_to=reply_to, standby=standby)
    if kind == "edit":
        return InboundEdit(**named, parts=(TextPart(text="better"),))
    if kind == "deletion":
        return InboundDeletion(**named)
    if kind == "reaction":
        return InboundReaction(**named, emoji=draw(st.sampled_from(["👍", None])))
    if kind == "receipt":
        status = draw(st.sampled_from([*ReceiptStatus]))
        up_to = NOW if draw(st.booleans()) and status is not ReceiptStatus.failed else None
        return InboundReceipt(**about, status=status, message_ids=() if up_to else (named["message_id"],), up_to=up_to)
    if kind == "ended":
        return InboundEnded(**about, reason="closed")
    if kind == "referral":
        return InboundReferral(**about, referral=Referral(source="ad", id="17"))
    if kind == "handover":
        return InboundHandover(**about, change=draw(st.sampled_from(["to_us", "away", "requested"])))
    return InboundUnknown(**about, reason="of another kind")


def cut(events: Sequence[Inbound], places: Sequence[int]) -> Iterator[Sequence[Inbound]]:
    at = [0, *sorted({place % (len(events) + 1) for place in places}), len(events)]
    return (events[first:last] for first, last in itertools.pairwise(at) if first < last)


@settings(
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(events(), min_size=2, max_size=16), st.lists(st.integers(0, 30), max_size=4))
def test_batches_have_the_effect_of_their_events(
    base: Path, loaded: Any, tmp_path: Path, happened: list[Inbound], places: list[int]
) -> None:
    alone = outcome(base, loaded, tmp_path / "alone", [[one] for one in happened])
    assert outcome(base, loaded, tmp_path / "together", [happened]) == alone
    assert outcome(base, loaded, tmp_path / "cut", list(cut(happened, places))) == alone


def test_of_many_messages_of_a_batch_the_session_is_told_of_once(base: Path, loaded: Any, tmp_path: Path) -> None:
    """Each line is an event; that the session changed is one, for whoever reads it sees all that the batch did."""
    (tmp_path / "here").mkdir()
    with closing(sqlite3.connect(base / "sessions.db")) as there, closing(sqlite3.connect(tmp_path / "here/sessions.db")) as here:
        there.backup(here)
    asyncio.run(World(tmp_path / "here", loaded).taken_in([[said(3 * number) for number in range(1, 5)]]))
    with closing(sqlite3.connect(tmp_path / "here/sessions.db")) as file:
        newest = "(SELECT id FROM sessions ORDER BY ordinal DESC LIMIT 1)"
        told = [row[0] for row in file.execute(f"SELECT type FROM events WHERE session_id = {newest} ORDER BY number")]  # noqa: S608
        newest_entry = file.execute(f"SELECT max(number) FROM entries WHERE session_id = {newest}").fetchone()  # noqa: S608
    assert (told.count("entry"), told.count("session"), newest_entry) == (4, 1, (4,))


# ------------------------------------------------------------------------------------------------------------------- faults


def said(number: int, text: str = "hello", channel_id: ChannelId = WHATSAPP) -> InboundMessage:
    end_user = EndUser(address=Address(f"customer-{number % 3}"), name=f"Customer {number % 3}")
    about: dict[str, Any] = {"channel_id": channel_id, "received_at": NOW, "end_user": end_user}
    return InboundMessage(**about, event_id=f"e{number}", message_id=f"said-{number}", parts=(TextPart(text=text),))


def test_one_that_fails_leaves_nothing_and_takes_no_other_with_it(base: Path, loaded: Any, tmp_path: Path) -> None:
    bad = said(5, channel_id=ChannelId("nowhere"))
    faults, stored = outcome(base, loaded, tmp_path / "with", [[*map(said, range(5)), bad, *map(said, range(6, 9))]])
    assert faults == [None] * 5 + ["KeyError"] + [None] * 3
    assert stored == outcome(base, loaded, tmp_path / "without", [[*map(said, range(5)), *map(said, range(6, 9))]])[1]


def test_one_that_cant_be_written_is_found_among_many(base: Path, loaded: Any, tmp_path: Path) -> None:
    """It fails only when all that the batch gathered is written."""
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN NEW.body LIKE '%poison%' BEGIN SELECT RAISE(ABORT, 'no'); END"
    batch = [*map(said, range(4)), said(4, "poison"), *map(said, range(5, 8))]
    faults, stored = outcome(base, loaded, tmp_path / "with", [batch], refuse)
    assert faults == [None] * 4 + ["IntegrityError"] + [None] * 3
    assert stored == outcome(base, loaded, tmp_path / "without", [batch[:4] + batch[5:]])[1]
