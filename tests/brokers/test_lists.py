"""What search finds for whom: nobody finds a session by what they may not see of it (E1, C10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.envelope import Address, EndUser
from gateway.session.commands import AcceptWork, DeclineInvitation, End, Invite, Leave
from gateway.session.model import InvitationId, Login, Presence, Recipient, RecipientType
from tests.brokers.desk import Desk, desk

NAME, NUMBER = "José Muñoz", "+4915112345678"


async def jose(one: Desk) -> str:
    """A conversation with José, whom Ana has taken; the session."""
    await one.present("ana")
    who = EndUser(address=Address(NUMBER), name=NAME)
    assert await one.take_in(one.message(end_user=who)) == [None]
    session_id = (await one.session("ana")).id
    await one.does(AcceptWork(by=Login("ana")), session_id)
    return session_id


async def asked(one: Desk, session_id: str, login: str = "ben") -> InvitationId:
    await one.present(login)
    recipient = Recipient(type=RecipientType.agent, id=login)
    answer = await one.does(Invite(by=Login("ana"), recipient=recipient), session_id)
    assert answer.invitation is not None
    return answer.invitation.id


async def finds(one: Desk, login: str, *searched: str) -> list[bool]:
    """Whether they do, by each of these; before what rests is filed and after."""
    both: list[list[bool]] = []
    for _ in range(2):
        pages = [
            await one.broker.sessions(one.caller(login), status=None, mine=False, q=q, cursor=None, limit=9) for q in searched
        ]
        both.append([bool(page.items) for page in pages])
        await one.broker.store.write(lambda stored: stored.lists.file(50))
    assert both[0] == both[1]
    return both[0]


async def test_name_and_number_find_it_whatever_case_and_accents(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        for ended in (False, True):
            if ended:
                await one.does(End(by=Login("ana")), session_id)
            for login in ("ana", "sam"):
                assert await finds(one, login, "jose", "MUÑOZ", "oz jo", "12345", NUMBER, session_id, " jose ") == [True] * 7
                assert await finds(one, login, "josé maria", "999", "ses_0") == [False] * 3


async def test_who_has_nothing_to_do_with_it_finds_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        assert await finds(one, "ben", "jose", "12345", session_id, "") == [False] * 4
        await one.does(End(by=Login("ana")), session_id)
        assert await finds(one, "ben", "jose", "12345", session_id, "") == [False] * 4


async def test_C10_who_is_only_asked_in_finds_the_name_and_not_the_number(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        await asked(one, session_id)
        assert await finds(one, "ben", "jose", session_id, "12345", NUMBER, "jose 12345") == [True, True, False, False, False]


async def test_who_was_in_finds_it_by_both_for_ever(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        await one.joined(session_id)
        await one.does(Leave(by=Login("ben")), session_id)
        assert await finds(one, "ben", "jose", "12345") == [True, True]
        await one.does(End(by=Login("ana")), session_id)
        assert await finds(one, "ben", "jose", "12345") == [True, True]


@pytest.mark.parametrize("way", ["declines", "goes away", "too late"])
async def test_who_is_not_asked_any_more_finds_nothing(way: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        invitation_id = await asked(one, session_id)
        if way == "declines":
            await one.does(DeclineInvitation(by=Login("ben"), invitation_id=invitation_id), session_id)
        elif way == "goes away":
            await one.present("ben", status=Presence.away)
        else:
            await one.does(End(by=Login("ana")), session_id)
        assert await finds(one, "ben", "jose", session_id, "") == [False] * 3


async def test_what_has_come_to_rest_is_filed_by_itself(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await jose(one)
        await one.does(End(by=Login("ana")), session_id)
        filing = asyncio.create_task(one.broker.run_filing())
        async with asyncio.timeout(60):
            for _ in range(1_000):
                await asyncio.sleep(0.01)
                if filed := await one.rows("SELECT 1 FROM sessions WHERE filed = 1"):
                    break
        filing.cancel()
        await asyncio.gather(filing, return_exceptions=True)
        assert filed
