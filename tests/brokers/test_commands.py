"""Commands on the real broker: E2 and E3 as the file has them, and races that one writer decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from gateway.brokers.contract import Effect
from gateway.session.commands import (
    AcceptInvitation,
    AcceptWork,
    Asked,
    DeclineInvitation,
    End,
    Invite,
    Leave,
    LowerFlag,
    RaiseFlag,
    SayToCustomer,
    Whisper,
)
from gateway.session.decision import Refusal
from gateway.session.model import InvitationId, Login, Purpose, Recipient, RecipientType
from tests.brokers.desk import desk

ANA, BEN, CLEO = Login("ana"), Login("ben"), Login("cleo")
# What a refusal, or a repetition, may add to.
RECORDS = ("audit", "answers", "sqlite_sequence")


async def test_E2_a_repeated_key_gives_the_first_answer_and_does_nothing_twice(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        first = await one.say(session_id, "good day", key="k1")
        before = await one.dump(*RECORDS)
        one.later(60)
        assert await one.say(session_id, "good day", key="k1") == first
        await one.restart()
        assert await one.say(session_id, "good day", key="k1") == first
        assert await one.dump(*RECORDS) == before


async def test_E2_the_same_key_at_the_same_instant_counts_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        answers = await asyncio.gather(*(one.say(session_id, "good day", key="k1") for _ in range(20)))
        assert len({answer.model_dump_json() for answer in answers}) == 1
        assert await one.texts(session_id) == ["hello", "good day"]


async def test_E2_a_refusal_is_an_answer_too(tmp_path: Path) -> None:
    """So that a repetition isn't suddenly done, after the caller was told no."""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        leave = Leave(by=ANA)
        refused = await one.refused_or_done(leave, session_id, key="k1")
        assert isinstance(refused, Refusal)
        await one.joined(session_id)
        assert await one.refused_or_done(leave, session_id, key="k1") == refused
        assert isinstance(await one.refused_or_done(leave, session_id, key="k2"), Effect)


async def test_E2_a_key_for_another_command_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.say(session_id, "good day", key="k1")
        other = await one.refused_or_done(SayToCustomer(by=ANA, text="good night"), session_id, key="k1")
        assert isinstance(other, Refusal)
        assert other.code == "idempotency_key_reused"


async def test_E2_a_key_is_its_callers_own(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.say(session_id, "from ana", key="k1")
        await one.say(session_id, "from ben", login="ben", key="k1")
        assert await one.texts(session_id) == ["hello", "from ana", "from ben"]


def agent(login: str) -> Recipient:
    return Recipient(type=RecipientType.agent, id=login)


REFUSED: list[tuple[Asked, str]] = [
    (Leave(by=ANA), "last_rep_must_end"),
    (Leave(by=CLEO), "session_not_found"),
    (SayToCustomer(by=ANA, text=""), "nothing_to_say"),
    (SayToCustomer(by=ANA, text="hello", reply_to=99), "entry_not_found"),
    (Invite(by=ANA, recipient=agent("ana")), "already_participant"),
    (Invite(by=ANA, recipient=agent("cleo")), "recipient_not_available"),
    (Invite(by=ANA, recipient=agent("nobody")), "recipient_not_found"),
    (Invite(by=ANA, recipient=Recipient(type=RecipientType.others, id="x")), "recipient_type_not_allowed"),
    (AcceptInvitation(by=ANA, invitation_id=InvitationId("inv_none")), "invitation_not_found"),
    (LowerFlag(by=ANA), "no_flag"),
    (Whisper(by=ANA, text="psst"), "no_flag"),
]


@pytest.mark.parametrize(("command", "code"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
async def test_E3_a_refusal_changes_nothing_but_the_audit(command: Asked, code: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        before = await one.dump(*RECORDS)
        refused = await one.refused_or_done(command, session_id)
        assert isinstance(refused, Refusal), refused
        assert refused.code == code
        assert refused.sentence
        assert await one.dump(*RECORDS) == before


async def test_E1_a_session_that_isnt_there_and_one_that_isnt_yours_answer_alike(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        strangers = await one.refused_or_done(End(by=CLEO), session_id)
        nobodys = await one.refused_or_done(End(by=CLEO), "ses_none")
        assert strangers == nobodys


# -------------------------------------------------------------------------------------------------- races


async def test_C2_of_all_who_accept_at_once_one_wins(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben", "cleo")
        queue = Recipient(type=RecipientType.queue, id="support")
        asked = await one.does(Invite(by=ANA, recipient=queue), session_id)
        assert asked.invitation is not None
        accept = [AcceptInvitation(by=by, invitation_id=asked.invitation.id) for by in (BEN, CLEO)]
        answers = await asyncio.gather(*(one.refused_or_done(command, session_id) for command in accept))
        assert Counter(getattr(answer, "code", "done") for answer in answers) == {"done": 1, "invitation_already_taken": 1}
        assert (await one.kinds(session_id)).count("participant_joined") == 2


async def test_C8_a_decline_is_the_inviters_to_know(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        asked = await one.does(Invite(by=ANA, recipient=agent("ben")), session_id)
        assert asked.invitation is not None
        before = await one.rows("SELECT count(*) FROM outbox")
        await one.does(DeclineInvitation(by=BEN, invitation_id=asked.invitation.id), session_id)
        assert await one.rows("SELECT count(*) FROM outbox") == before, "the customer hears nothing"


async def test_L2_of_two_last_reps_who_leave_at_once_one_stays(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        for _ in range(20):
            inside = {rep.id for rep in (await one.session()).reps}
            (missing,) = {"ana", "ben"} - inside
            await one.joined(session_id, guest=missing, host=inside.pop())
            answers = await asyncio.gather(*(one.refused_or_done(Leave(by=by), session_id) for by in (ANA, BEN)))
            assert sorted(getattr(answer, "code", "done") for answer in answers) == ["done", "last_rep_must_end"]
            assert len((await one.session()).reps) == 1


async def test_T1_a_transfer_is_one_step(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        asked = await one.does(Invite(by=ANA, recipient=agent("ben"), purpose="transfer"), session_id)
        assert asked.invitation is not None
        assert asked.invitation.purpose is Purpose.transfer
        queued = len(await one.rows("SELECT 1 FROM outbox"))
        await one.does(AcceptInvitation(by=BEN, invitation_id=asked.invitation.id), session_id)
        assert [rep.id for rep in (await one.session()).reps] == ["ben"]
        assert len(await one.rows("SELECT 1 FROM outbox")) == queued + 1, "one combined notice"


async def test_M4_what_is_whispered_reaches_no_customer(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.does(RaiseFlag(by=ANA, text="SECRET-flag"), session_id)
        await one.does(Whisper(by=ANA, text="SECRET-whisper"), session_id)
        told = str((await one.dump())["outbox"])
        assert "SECRET" not in told
        assert "SECRET" not in str([line.model_dump() for line in await one.lines(session_id, "ben")])
        assert "SECRET" in str([line.model_dump() for line in await one.lines(session_id, "sam")])


async def test_work_that_two_accept_goes_to_whom_it_was_offered(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana", "ben")
        await one.take_in(one.message())
        session = await one.session()
        assert session.offer is not None
        offered = session.offer.rep
        answers = await asyncio.gather(*(one.refused_or_done(AcceptWork(by=by), session.id) for by in (ANA, BEN)))
        done = [by for by, answer in zip((ANA, BEN), answers, strict=True) if isinstance(answer, Effect)]
        assert done == [offered]
