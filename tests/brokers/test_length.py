"""Work on a session doesn't grow with its transcript: counted in steps of the database's machine, which no busy processor changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.session.commands import Leave
from gateway.session.model import Login, Purpose, RecipientType
from gateway.store import sessions
from tests.brokers.desk import Desk, desk

_EVERY = 10


def connections(one: Desk) -> list[sqlite3.Connection]:
    """The writer's and the readers'."""
    return [one.broker._writer._connection, *one.broker._readers._free._queue]  # type: ignore[attr-defined]


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

    def write(connection: sqlite3.Connection) -> None:
        before, first = sessions.load(connection, session_id), sessions.entry(connection, session_id, 1)
        assert before is not None
        assert first is not None
        numbers = range(before.entry_count + 1, length + 1)
        sessions.append(connection, session_id, (first[0].model_copy(update={"number": n}) for n in numbers))
        longer = before.model_copy(update={"entry_count": length, "version": before.version + 1})
        sessions.save(connection, longer, before=before, now=one.now)

    await one.broker._writer.run(write)


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
        async with desk(tmp_path / str(length)) as one:
            session_id = await one.conversation()
            await lengthen(one, session_id, length)
            one.later(timedelta(minutes=1).total_seconds())
            costs.append(await steps_of_everything(one, session_id))
    short, long = costs
    assert {what: steps for what, steps in long.items() if steps > short[what] * 1.2 + 10} == {}, short
