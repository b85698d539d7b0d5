"""Work on a session doesn't grow with its transcript: counted in steps of the database's machine, which no busy processor changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.session.commands import Leave
from gateway.session.model import Login, Purpose, RecipientType
from gateway.store.contract import Transaction
from gateway.store.sqlite import SqliteStore
from tests.brokers.desk import Desk, desk

_EVERY = 10


def store_of(one: Desk) -> SqliteStore:
    assert isinstance(one.broker.store, SqliteStore)
    return one.broker.store


def connections(one: Desk) -> list[sqlite3.Connection]:
    """The writer's and the readers'."""
    found = [store_of(one).writer._connection, *store_of(one).readers._free._queue]  # type: ignore[attr-defined]
    return [connection for connection in found if isinstance(connection, sqlite3.Connection)]


@contextmanager
def counted(one: Desk) -> Iterator[Callable[[], int]]:
    """How many steps (in tens) the database has taken since."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    for connection in connections(one):
        connection.set_progress_handler(step, _EVERY)
    try:
        yield lambda: steps
    finally:
        for connection in connections(one):
            connection.set_progress_handler(None, 0)


async def lengthen(one: Desk, session_id: str, length: int) -> None:
    """Fill the transcript up with copies of its first message."""

    def write(stored: Transaction) -> None:
        before, first = stored.sessions.load(session_id), stored.sessions.entry(session_id, 1)
        assert before is not None
        assert first is not None
        numbers = range(before.entry_count + 1, length + 1)
        stored.sessions.append(session_id, (first[0].model_copy(update={"number": n}) for n in numbers))
        longer = before.model_copy(update={"entry_count": length, "version": before.version + 1})
        stored.sessions.save(longer, before=before)

    await one.broker.store.write(write)


async def steps_of_everything(one: Desk, session_id: str) -> dict[str, int]:
    """What a day at the desk costs, operation by operation."""
    ana, found = one.caller("ana"), {}

    async def count(what: str, work: Any) -> None:
        with counted(one) as steps:
            await work
        found[what] = steps()

    await count("the customer says", one.take_in(one.message("and then?")))
    await count("a rep says", one.say(session_id))
    await count("first page", one.broker.entries(ana, session_id, before=None, after=None, limit=50))
    await count("middle page", one.broker.entries(ana, session_id, before=200, after=None, limit=50))
    await count("what is new", one.broker.entries(ana, session_id, before=None, after=100, limit=50))
    await count("the session", one.broker.session(ana, session_id))
    agents = one.broker.destinations(
        ana, session_id, purpose=Purpose.invite, type=RecipientType.agent, q="", cursor=None, limit=50
    )
    await count("destinations", agents)
    await count("join", one.joined(session_id))
    await count("leave", one.does(Leave(by=Login("ben")), session_id))
    return found


async def test_nothing_costs_more_in_a_long_session(tmp_path: Path) -> None:
    costs = []
    for length in (250, 5_000):
        async with desk(tmp_path / str(length), in_files=True) as one:
            session_id = await one.conversation()
            await lengthen(one, session_id, length)
            one.later(timedelta(minutes=1).total_seconds())
            costs.append(await steps_of_everything(one, session_id))
    short, long = costs
    assert {what: steps for what, steps in long.items() if steps > short[what] * 1.2 + 10} == {}, short


async def fill(one: Desk, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Many rows that nobody asks for."""
    await store_of(one).writer.run(lambda connection: connection.executemany(statement, rows) and None)


async def test_looking_for_people_nobody_knows_yet_doesnt_read_all_that_are_known(tmp_path: Path) -> None:
    """Every two seconds, for ever."""
    costs = []
    for known in (50, 5_000):
        async with desk(tmp_path / str(known), in_files=True) as one:
            people = [*(("line", f"U{number}", '{"address": "U"}') for number in range(known)), ("line", "new", "{}")]
            await fill(one, "INSERT INTO conversations (channel_id, address, person) VALUES (?, ?, ?)", people)
            with counted(one) as steps:
                assert await one.broker.profiles.unknown(["line", "apple"], limit=8) == [("line", "new")]
            costs.append(steps())
    assert costs[1] <= costs[0] + 10


async def test_counting_for_the_metrics_doesnt_read_what_is_over(tmp_path: Path) -> None:
    costs = []
    for over in (50, 5_000):
        async with desk(tmp_path / str(over), in_files=True) as one:
            await one.conversation()
            columns = "id, ordinal, org, channel_id, address, name, status, offered, version, last_activity, state"
            ended = ((f"s{n}", n + 2, "demo", "line", "U", "u", "ended", 0, 1, 0.0, "{}") for n in range(over))
            await fill(one, f"INSERT INTO sessions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ended)  # noqa: S608
            columns = (
                "id, org, channel_id, address, session_id, entry_number, kind, payload, retry_key, state, created_at, updated_at"
            )
            sent = ((f"m{n}", "demo", "line", "U", "s1", 1, "say", "{}", "k", "sent", 0.0, 0.0) for n in range(over))
            await fill(one, f"INSERT INTO outbox ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", sent)  # noqa: S608
            with counted(one) as steps:
                messages, sessions_now = await store_of(one).read(
                    lambda stored: (stored.outbox.tallies(), stored.sessions.open_by_status())
                )
            assert [tuple(row)[:3] for row in messages] == [("whatsapp", "queued", 1)]
            assert sessions_now == {"active": 1}
            costs.append(steps())
    assert costs[1] <= costs[0] + 10
