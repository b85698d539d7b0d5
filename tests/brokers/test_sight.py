"""E1: rights are judged when something is read, not when it happened. Whoever may no longer see a session learns nothing of what it has become."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.brokers.contract import Event
from gateway.edge.api.event_shapes import event_of
from gateway.session.commands import (
    AcceptInvitation,
    AcceptWork,
    DeclineInvitation,
    DeclineWork,
    Invite,
    Leave,
    RaiseFlag,
    SayToCustomer,
    WithdrawInvitation,
)
from gateway.session.decision import Refusal
from gateway.session.model import InvitationId, Login, Presence, Recipient, RecipientType, Session
from gateway.store.migrations import sessions as migrations_of_sessions
from tests.brokers.desk import Desk, desk
from tests.brokers.test_events import giving_out, heard, newest

ANA, BEN, CLEO = Login("ana"), Login("ben"), Login("cleo")
SECRET: Final = "SECRET"
TYPES: Final = {
    *("entry", "session", "delivery", "media", "presence", "work_offered", "work_withdrawn"),
    *("invitation_received", "invitation_closed", "invitation_declined", "invitation_expired"),
}


def agent(login: str) -> Recipient:
    return Recipient(type=RecipientType.agent, id=login)


SUPPORT: Final = Recipient(type=RecipientType.queue, id="support")


async def asked(one: Desk, session_id: str, by: str, recipient: Recipient, **more: Any) -> InvitationId:
    answer = await one.does(Invite(by=Login(by), recipient=recipient, **more), session_id)
    assert answer.invitation is not None
    return answer.invitation.id


# ------------------------------------------------------------------------ how Ben comes to see no more of it


async def declined(one: Desk) -> str:
    session_id = await one.conversation()
    await one.present("ben")
    await one.does(DeclineInvitation(by=BEN, invitation_id=await asked(one, session_id, "ana", agent("ben"))), session_id)
    return session_id


async def taken_by_another(one: Desk) -> str:
    session_id = await one.conversation()
    await one.present("ben", "cleo")
    invitation_id = await asked(one, session_id, "ana", SUPPORT)
    await one.does(AcceptInvitation(by=CLEO, invitation_id=invitation_id), session_id)
    await one.does(Leave(by=CLEO), session_id)
    return session_id


async def expired(one: Desk) -> str:
    session_id = await one.conversation()
    await one.present("ben")
    await asked(one, session_id, "ana", agent("ben"))
    one.later(61)
    await one.timers_fire()
    return session_id


async def withdrawn(one: Desk) -> str:
    session_id = await one.conversation()
    await one.present("ben")
    invitation_id = await asked(one, session_id, "ana", agent("ben"))
    await one.does(WithdrawInvitation(by=ANA, invitation_id=invitation_id), session_id)
    return session_id


async def left(one: Desk) -> str:
    session_id = await one.conversation()
    await one.joined(session_id)
    await one.does(Leave(by=BEN), session_id)
    return session_id


async def transferred_away(one: Desk) -> str:
    await one.present("ben")
    await one.take_in(one.message())
    session_id = (await one.session()).id
    await one.does(AcceptWork(by=BEN), session_id)
    await one.present("ana")
    invitation_id = await asked(one, session_id, "ben", agent("ana"), purpose="transfer")
    await one.does(AcceptInvitation(by=ANA, invitation_id=invitation_id), session_id)
    return session_id


async def offered_and_lapsed(one: Desk) -> str:
    await one.present("ben")
    await one.take_in(one.message())
    session_id = (await one.session()).id
    one.later(31)
    await one.timers_fire()
    await one.present("ana")
    await one.does(AcceptWork(by=ANA), session_id)
    return session_id


async def offered_and_declined(one: Desk) -> str:
    await one.present("ben")
    await one.take_in(one.message())
    session_id = (await one.session()).id
    await one.does(DeclineWork(by=BEN), session_id)
    await one.present("ana")
    await one.does(AcceptWork(by=ANA), session_id)
    return session_id


async def waited_in_the_queue(one: Desk) -> str:
    """Ben isn't even online; it waited in his queue until Ana took it."""
    return await one.conversation()


WAYS = [
    declined,
    taken_by_another,
    expired,
    withdrawn,
    left,
    transferred_away,
    offered_and_lapsed,
    offered_and_declined,
    waited_in_the_queue,
]
READS_ON = (left, transferred_away)  # what was said while he was in


async def everything_happens(one: Desk, session_id: str) -> None:
    """All kinds of events there are, with what Ben must not learn of."""
    await one.say(session_id, f"{SECRET} of ana")
    await one.take_in(one.message(f"{SECRET} of kim"))
    picture = await one.broker.store_file(one.caller("ana"), f"{SECRET}.png", "image/png", b"x")
    await one.does(SayToCustomer(by=ANA, file=picture), session_id)
    await one.deliver()
    await one.does(RaiseFlag(by=ANA, text=f"{SECRET} flag"), session_id)
    await one.present("cleo", status=Presence.away)
    await one.present("cleo")
    await asked(one, session_id, "ana", agent("cleo"), note=f"{SECRET} note")
    one.later(61)
    await one.timers_fire()
    invitation_id = await asked(one, session_id, "ana", agent("cleo"), note=f"{SECRET} note")
    await one.does(DeclineInvitation(by=CLEO, invitation_id=invitation_id), session_id)
    invitation_id = await asked(one, session_id, "ana", agent("cleo"), note=f"{SECRET} note")
    await one.does(AcceptInvitation(by=CLEO, invitation_id=invitation_id), session_id)


def frame(one: Desk, event: Event, login: str) -> dict[str, Any]:
    """The event as it goes over the wire."""
    shape = event_of(event, one.caller(login), one.directory)
    told: dict[str, Any] = json.loads(shape.model_dump_json())
    return told


async def all_events(one: Desk, login: str, after: int) -> list[dict[str, Any]]:
    """What this rep is told of all that happened since; a line to the supervisors marks the end."""
    await one.present(login, status=Presence.busy)
    last = await newest(one)
    found: list[dict[str, Any]] = []
    async with giving_out(one):
        while not found or found[-1]["id"] < last:
            (event,) = await heard(one, login, found[-1]["id"] if found else after, 1)
            found.append(frame(one, event, login))
    return found


@pytest.mark.parametrize("restarted", [False, True], ids=["live", "restarted"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_E1_who_may_no_longer_see_a_session_is_told_nothing_of_what_it_became(
    way: Callable[[Desk], Awaitable[str]], restarted: bool, tmp_path: Path
) -> None:
    async with desk(tmp_path) as one:
        session_id = await way(one)
        lost_at = await newest(one)
        lines = len(await one.lines(session_id))
        await everything_happens(one, session_id)
        if restarted:
            await one.restart()
        frames = await all_events(one, "ben", 0)
        everything = await all_events(one, "sam", 0)
        types = {type for (type,) in await one.rows("SELECT DISTINCT type FROM events")}
        assert types >= TYPES - {"media"}, "every type has happened"
        assert {f["type"] for f in everything} >= {"entry", "session", "delivery", "presence"}

        assert SECRET not in str(frames)
        assert "cleo" not in str([f["data"] for f in frames if f["type"] != "presence"]), "who came later"
        of_it = [f for f in frames if f["session_id"] == session_id]
        entries = [f["data"]["entry"]["number"] for f in of_it if f["type"] == "entry"]
        assert bool(entries) == (way in READS_ON)
        assert all(number <= lines for number in entries)
        for f in of_it:
            if f["type"] == "delivery":
                assert way in READS_ON
                assert f["data"]["number"] <= lines, "how lines fare that he may read"
            else:
                assert f["id"] <= lost_at or f["type"] == "session_gone", f
            if f["type"] == "session":
                assert way in READS_ON
                assert f["data"]["session"]["access"] == "past"
                assert f["data"]["session"]["entry_count"] <= lines
                assert [p["role"] for p in f["data"]["session"]["participants"]] == ["end_user"]
            assert f["type"] not in ("invitation_received", "work_offered"), "what is over is over"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_E1_nor_does_any_reading_tell(way: Callable[[Desk], Awaitable[str]], tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await way(one)
        lines = len(await one.lines(session_id))
        await everything_happens(one, session_id)
        ben = one.caller("ben")
        session = await one.broker.session(ben, session_id)
        page = await one.broker.entries(ben, session_id, before=None, after=None, limit=100)
        listed = await one.broker.sessions(ben, status=None, mine=False, q=None, cursor=None, limit=100)
        told = str((session, page, listed))
        assert SECRET not in told
        assert "cleo" not in told
        if way in READS_ON:
            assert not isinstance(page, Refusal)
            assert [line.entry.number for line in page.items] == list(range(1, lines + 1))
        else:
            assert isinstance(session, Refusal)
            assert isinstance(page, Refusal)
            assert not listed.items


def the_step() -> str:
    (step,) = (one for one in files(migrations_of_sessions).iterdir() if one.name.endswith("_what_reps_may_still_read.sql"))
    return step.read_text()


async def test_sessions_that_were_kept_without_it_are_told_from_their_transcripts(tmp_path: Path) -> None:
    """An older data file says neither how far who left may read nor which message is the latest."""
    async with desk(tmp_path, in_files=True) as one:
        session_id = await left(one)
        await one.present("cleo")
        await asked(one, session_id, "ana", agent("cleo"), note="please")
        before = await one.rows("SELECT id, state FROM sessions")
        expected = [
            await one.broker.entries(one.caller(who), session_id, before=None, after=None, limit=100) for who in ("ben", "cleo")
        ]
    path = tmp_path / "sessions.db"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE sessions SET state = json_remove(state, '$.left', '$.last_message')")
        assert file.execute("SELECT state FROM sessions").fetchall() != [state for _, state in before]
        file.executescript(the_step())
    async with desk(tmp_path, in_files=True) as one:
        assert [Session.model_validate_json(state) for (state,) in await one.rows("SELECT state FROM sessions")] == [
            Session.model_validate_json(state) for _, state in before
        ]
        found = [
            await one.broker.entries(one.caller(who), session_id, before=None, after=None, limit=100) for who in ("ben", "cleo")
        ]
        assert found == expected
