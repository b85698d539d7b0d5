"""Timers are rows: they fire after a restart, once, and late if nobody was there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.envelope import MediaPart
from gateway.backoff import LONGEST_BACKOFF
from gateway.journal.contract import Room
from gateway.session.commands import AcceptInvitation, AcceptWork, Invite, Leave
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence, Recipient, RecipientType
from gateway.store.contract import Again, Why
from tests.brokers.desk import Desk, desk
from tests.world import wait_until

ANA, BEN = Login("ana"), Login("ben")


async def test_C9_an_invitation_expires_though_the_process_was_down(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        asked = await one.does(Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
        assert asked.invitation is not None
        one.later(59)
        await one.timers_fire()
        assert (await one.session()).invitations
        one.later(3_600)
        await one.restart()
        await one.timers_fire()
        await one.timers_fire()
        assert (await one.session()).invitations == ()
        assert (await one.kinds(session_id)).count("invitation_expired") == 1
        late = await one.refused_or_done(AcceptInvitation(by=BEN, invitation_id=asked.invitation.id), session_id)
        assert isinstance(late, Refusal)


async def test_a_timer_fires_once_though_two_look_at_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        await one.does(Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
        one.later(61)
        looking = [asyncio.create_task(one.broker.run_timers()) for _ in range(5)]

        async def expired() -> bool:
            return "invitation_expired" in await one.kinds(session_id)

        await wait_until(expired)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        assert (await one.kinds(session_id)).count("invitation_expired") == 1


async def test_an_offer_that_nobody_answers_goes_to_the_next(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana", "ben")
        await one.take_in(one.message())
        offered = [await offered_to(one)]
        for _ in range(2):
            one.later(31)
            await one.timers_fire()
            offered.append(await offered_to(one))
        assert set(offered[:2]) == {"ana", "ben"}
        assert offered[2] is None, "both have passed; they are asked anew after a pause"
        one.later(61)
        await one.timers_fire()
        assert await offered_to(one) in ("ana", "ben")


async def offered_to(one: Desk) -> str | None:
    offer = (await one.session()).offer
    return offer.rep if offer else None


async def test_L5_who_had_a_stream_when_the_process_died_gets_the_grace_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        for login in ("ana", "ben"):
            await one.broker.connected(one.caller(login))
        await one.restart()
        await one.broker.connected(one.caller("ana"))  # came back
        one.later(119)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana", "ben"}
        one.later(2)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana"}


async def test_L5_when_the_last_is_gone_the_session_is_routed_anew_with_all_that_was_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.broker.connected(one.caller("ana"))
        await one.broker.disconnected(one.caller("ana"))
        await one.take_in(one.message("are you there?"))
        await one.present("ben")
        one.later(121)
        await one.timers_fire()
        session = await one.session()
        assert (session.status.value, session.reps) == ("waiting", ())
        assert await offered_to(one) == "ben"
        assert await one.texts(session_id) == ["hello", "are you there?"]


async def test_L6_a_silent_session_sleeps_and_wakes_with_the_same_rep(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        one.later(24 * 3_600 + 1)
        await one.timers_fire()
        assert (await one.session()).status.value == "inactive"
        await one.take_in(one.message("me again"))
        session = await one.session()
        assert (session.id, session.status.value) == (session_id, "active")
        assert [rep.id for rep in session.reps] == ["ana"]


async def test_M3_who_comes_back_at_once_makes_no_noise(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        queued = len(await one.rows("SELECT 1 FROM outbox"))
        await one.does(Leave(by=BEN), session_id)
        one.later(1)
        await one.timers_fire()
        await one.joined(session_id)
        one.later(10)
        await one.timers_fire()
        assert len(await one.rows("SELECT 1 FROM outbox")) == queued
        await one.does(Leave(by=BEN), session_id)
        one.later(3)
        await one.restart()
        await one.timers_fire()
        assert len(await one.rows("SELECT 1 FROM outbox")) == queued + 1, "the leave notice that was held"


async def test_whose_presence_is_gone_is_offered_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.broker.connected(one.caller("ana"))
        await one.broker.disconnected(one.caller("ana"))
        one.later(121)
        assert (await one.broker.presence(one.caller("ana"))).status is Presence.offline
        await one.take_in(one.message())
        assert await offered_to(one) is None
        await one.broker.connected(one.caller("ana"))
        await one.present("ana")
        assert await offered_to(one) == "ana"


# ------------------------------------------------------------------------------------ the wall clock is set


STEPS = [timedelta(seconds=-45), timedelta(hours=-1), timedelta(hours=1)]


@pytest.mark.parametrize("step", STEPS)
async def test_a_timer_runs_its_time_though_the_wall_clock_is_set_meanwhile(step: timedelta, tmp_path: Path) -> None:
    """Each kind, set before the step and after it: an invitation, an offer, the grace time, idleness, a notice that is held."""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        for one.step in (timedelta(0), step):
            await one.present("ben")
            await one.does(Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
            one.later(50)
            one.step = step
            await one.timers_fire()
            assert (await one.session()).invitations
            one.later(11)
            await one.timers_fire()
            assert not (await one.session()).invitations
        assert (await one.kinds(session_id)).count("invitation_expired") == 2


@pytest.mark.parametrize("step", STEPS)
async def test_L5_the_grace_time_is_as_long_as_it_is(step: timedelta, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.broker.connected(one.caller("ben"))
        await one.broker.disconnected(one.caller("ben"))
        one.step = step
        one.later(110)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana", "ben"}
        assert (await one.broker.presence(one.caller("ben"))).status is Presence.online
        one.later(11)
        await one.timers_fire()
        assert {rep.id for rep in (await one.session()).reps} == {"ana"}
        assert (await one.broker.presence(one.caller("ben"))).status is Presence.offline


@pytest.mark.parametrize("step", STEPS)
async def test_L6_and_an_offer_take_their_time_too(step: timedelta, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana", "ben")
        await one.take_in(one.message())
        first = await offered_to(one)
        one.step = step
        one.later(29)
        await one.timers_fire()
        assert await offered_to(one) == first
        one.later(2)
        await one.timers_fire()
        second = await offered_to(one)
        assert {first, second} == {"ana", "ben"}
        await one.does(AcceptWork(by=Login(second or "")), (await one.session()).id)
        one.step = timedelta(0)
        one.later(24 * 3_600 - 60)
        await one.timers_fire()
        assert (await one.session()).status.value == "active"
        one.later(61)
        await one.timers_fire()
        assert (await one.session()).status.value == "inactive"


@pytest.mark.parametrize("step", STEPS)
async def test_a_timer_that_waits_over_a_start_fires_once_at_most_so_much_early_or_late(step: timedelta, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        await one.does(Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
        one.now += step  # the new process begins with the new time
        await one.restart()
        await one.timers_fire()
        assert bool((await one.session()).invitations) is (step < timedelta(0)), "early by so much"
        one.later(61 + abs(step.total_seconds()))
        await one.timers_fire()
        assert (await one.kinds(session_id)).count("invitation_expired") == 1


async def test_a_file_that_waits_for_a_retry_is_fetched_though_the_wall_clock_was_set_back_before_a_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        part = MediaPart(mime_type="image/png", source={"id": "1"})
        await one.take_in(one.message(parts=(part,)))
        (item,) = await one.broker.media.pending(limit=1, busy=frozenset())
        await one.broker.media.later(item, seconds=300, reason="The provider is unavailable.")
        one.now -= timedelta(hours=1)
        await one.restart()
        one.later(LONGEST_BACKOFF)
        assert [again.id for again in await one.broker.media.pending(limit=1, busy=frozenset())] == [item.id]


async def test_a_retry_that_is_due_soon_is_due_at_its_time_after_a_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.conversation()
        (row,) = (await one.broker.outbox.look({one.channel_id: Room(1)})).items
        why = Why(code="provider_unavailable", reason="The provider is unavailable.")
        await one.broker.outbox.settle(row, Again(why, LONGEST_BACKOFF))
        one.later(9)
        before = await one.rows("SELECT id, next_at FROM outbox")
        await one.restart()
        assert await one.rows("SELECT id, next_at FROM outbox") == before


async def test_L5_who_was_gone_is_gone_after_the_grace_time_though_the_wall_clock_was_set_back_before_a_start(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.broker.connected(one.caller("ana"))
        await one.broker.disconnected(one.caller("ana"))
        one.now -= timedelta(hours=1)
        await one.restart()
        one.later(121)
        assert (await one.broker.presence(one.caller("ana"))).status is Presence.offline
        await one.take_in(one.message())
        assert await offered_to(one) is None
