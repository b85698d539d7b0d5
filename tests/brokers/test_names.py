"""A name that becomes known later is the customer's from then on: in the running session, for its participants, and in all lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, Author, ChannelId, EndUser, InboundProfile
from tests.brokers.desk import Desk, desk

CHANNELS = ["whatsapp", "sms", "whatsapp-twilio", "messenger", "instagram", "line", "apple", "webchat", "open"]


def kim(name: str | None = None, **more: Any) -> EndUser:
    return EndUser(address=Address("kim-1"), name=name, **more)


async def called(one: Desk) -> tuple[str, set[str], list[str]]:
    """What the session, its participants and its lines call the customer."""
    (session,) = [session for session in await one.sessions() if session.status.value != "ended"]
    participants = {p.name for p in session.participants if p.role.value == "end_user"}
    lines = [line.entry.sender for line in await one.lines(session.id)]
    return session.end_user.name, participants, [sender.name for sender in lines if sender and sender.role.value == "end_user"]


@pytest.mark.parametrize("channel_id", CHANNELS)
async def test_a_later_message_that_brings_a_name_renames_the_session(channel_id: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        channel = {"channel_id": ChannelId(channel_id)}
        await one.take_in(one.message("hello", end_user=kim(), **channel))
        assert await called(one) == ("kim-1", {"kim-1"}, ["kim-1"])
        before = await one.rows("SELECT count(*) FROM events WHERE type = 'session'")
        await one.take_in(one.message("it's me", end_user=kim("Kim"), **channel))
        assert await called(one) == ("Kim", {"Kim"}, ["Kim", "Kim"])
        assert await one.rows("SELECT count(*) FROM events WHERE type = 'session'") > before, "desks are told"
        await one.take_in(one.message("without a name", end_user=kim(), **channel))
        assert await called(one) == ("Kim", {"Kim"}, ["Kim", "Kim", "Kim"])


async def test_a_session_that_our_own_side_opened_gets_the_customers_name_with_their_answer(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("are you there?", end_user=kim(), author=Author.business))
        await one.take_in(one.message("yes", end_user=kim("Kim")))
        assert await called(one) == ("Kim", {"Kim"}, ["Kim"])


async def test_any_event_may_bring_the_name(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", message_id="m1", end_user=kim()))
        await one.take_in(one.reaction("m1", "👍").model_copy(update={"end_user": kim("Kim")}))
        assert (await called(one))[0] == "Kim"
        await one.take_in(one.receipt("read", message_ids=("x",)).model_copy(update={"end_user": kim("Kim Paz")}))
        assert (await called(one))[0] == "Kim Paz"


async def test_who_signs_in_is_called_so_before_their_next_word(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", end_user=kim()))
        await one.take_in(InboundProfile(**one.event() | {"end_user": kim("Kim")}))
        assert await called(one) == ("Kim", {"Kim"}, ["Kim"])


async def test_a_username_stands_in_for_a_name_and_never_in_its_place(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", end_user=kim(username="kim.p")))
        await one.take_in(one.message("again", end_user=kim(username="kim.paz")))
        assert (await called(one))[0] == "kim.paz"
        await one.take_in(one.message("and again", end_user=kim("Kim", username="kim.paz")))
        await one.take_in(one.message("once more", end_user=kim(username="k")))
        assert (await called(one))[0] == "Kim"


async def test_the_next_session_knows_the_name_that_the_last_one_heard(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", end_user=kim("Kim")))
        await one.take_in(one.ended().model_copy(update={"end_user": kim()}))
        await one.take_in(one.message("one more thing", end_user=kim()))
        assert await called(one) == ("Kim", {"Kim"}, ["Kim"])


async def test_a_name_that_was_looked_up_and_one_that_a_message_brings_are_one_matter(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", end_user=kim()))
        await one.broker.profiles.learned("whatsapp", "kim-1", kim("Kim"))
        assert (await called(one))[0] == "Kim"
        await one.take_in(one.message("married", end_user=kim("Kim Paz-Ruiz")))
        assert (await called(one))[0] == "Kim Paz-Ruiz"
