"""What is said while another app of the business answers, on the real broker: kept aside, and there when the conversation is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.envelope import Address, Author, EndUser, InboundHandover, InboundMessage, InboundReferral, MediaPart
from adapters.referral import Referral
from gateway.store.contract import MOST_ASIDE
from tests.brokers.desk import Desk, desk

AD = Referral(source="ad", id="120208", headline="20 % off", url="https://fb.me/1")


def said(one: Desk, text: str, *, by_the_bot: bool = False, **more: Any) -> InboundMessage:
    """As the adapter gives it: under an event id of its own."""
    message = one.message(text, author=Author.business if by_the_bot else Author.end_user, standby=True, **more)
    return message.model_copy(update={"event_id": f"standby:{message.event_id}"})


def handover(one: Desk, change: Literal["to_us", "away", "requested"], metadata: str | None = None) -> InboundHandover:
    return InboundHandover(**one.event(), change=change, app="Meta's inbox", metadata=metadata)


def came(one: Desk, **more: Any) -> InboundReferral:
    return InboundReferral(**one.event(), referral=AD, **more)


async def story(one: Desk, session_id: str) -> list[tuple[str, str | None]]:
    """Kinds and texts of the transcript."""
    return [(line.entry.kind.value, line.entry.text) for line in await one.lines(session_id)]


async def test_what_is_said_to_another_app_calls_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.take_in(said(one, "hi"), said(one, "I am a bot", by_the_bot=True))
        assert await one.sessions() == []


async def test_given_to_us_a_session_opens_with_what_was_said_before_and_why(tmp_path: Path) -> None:
    """C11: today nobody hears of it."""
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.take_in(
            came(one, standby=True), said(one, "hi"), said(one, "I am a bot", by_the_bot=True), said(one, "a person, please")
        )
        await one.restart()
        await one.take_in(handover(one, "to_us", "Wants a refund for order 4711"))
        session = await one.session()
        assert (session.status.value, session.offer is not None, session.end_user.name) == ("waiting", True, "Kim")
        assert await story(one, session.id) == [
            ("referral", "[from an ad: 20 % off]"),
            ("message", "hi"),
            ("message", "I am a bot"),
            ("message", "a person, please"),
            ("handover", "Wants a refund for order 4711"),
        ]


async def test_given_to_us_twice_it_is_told_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        event = handover(one, "to_us")
        await one.take_in(said(one, "hi"), event, event)
        session = await one.session()
        assert await story(one, session.id) == [("message", "hi"), ("handover", None)]
        assert await one.rows("SELECT count(*) FROM aside") == [(0,)]


async def test_words_to_us_without_a_handover_bring_what_was_said_before(tmp_path: Path) -> None:
    """A release is told to nobody: the next words come to whoever is asked to answer them."""
    async with desk(tmp_path) as one:
        await one.take_in(said(one, "hi"), said(one, "closed now", by_the_bot=True), one.message("is anybody there?"))
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["hi", "closed now", "is anybody there?"]
        assert session.status.value == "waiting"


async def test_words_that_the_handover_overtook_are_seen_at_once(tmp_path: Path) -> None:
    """After an outage nobody promises an order: what was said to the other app before may arrive after."""
    async with desk(tmp_path) as one:
        late = said(one, "a person, please", provider_time=one.now)
        later = said(one, "to the bot again", provider_time=one.now + timedelta(minutes=5))
        given = handover(one, "to_us").model_copy(update={"provider_time": one.now + timedelta(minutes=1)})
        await one.take_in(given, late, later)
        session = await one.session()
        assert await one.texts(session.id) == ["a person, please"]
        assert await one.rows("SELECT count(*) FROM aside") == [(1,)], "after the handover the other app answers again"
        await one.take_in(handover(one, "away"), said(one, "old news", provider_time=one.now))
        assert await one.texts(session.id) == ["a person, please"], "it isn't ours any more"


async def test_the_same_words_in_standby_and_then_to_us_stand_there_once_and_call_somebody(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.take_in(said(one, "hi", message_id="m1"), one.message("hi", event_id="m1", message_id="m1"))
        session = await one.session()
        assert (await one.texts(session.id), session.offer is not None) == (["hi"], True)


async def test_files_that_were_sent_to_another_app_are_fetched_when_they_are_ours(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        picture = MediaPart(media="image", source={"url": "https://cdn.example/1"})
        await one.take_in(said(one, "", parts=(picture,)), said(one, "", parts=(picture,)))
        assert await one.rows("SELECT count(*) FROM media") == [(0,)]
        await one.take_in(handover(one, "to_us"))
        assert await one.rows("SELECT entry_number, state FROM media ORDER BY entry_number") == [(1, "pending"), (2, "pending")]


async def test_what_was_taken_back_meanwhile_is_shown_to_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(said(one, "my card is 4111", message_id="m1"), said(one, "hi"), one.deletion("m1"))
        assert "4111" not in str(await one.rows("SELECT envelope FROM aside"))
        await one.take_in(handover(one, "to_us"))
        session = await one.session()
        assert await one.texts(session.id) == ["hi"]


async def test_what_was_changed_meanwhile_is_known(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(said(one, "helo", message_id="m1"), one.edit("m1", "hello"), handover(one, "to_us"))
        session = await one.session()
        assert (await one.lines(session.id))[0].edited


async def test_an_endless_talk_with_another_app_is_bounded_and_reps_are_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(*(said(one, f"word {n}") for n in range(MOST_ASIDE + 7)))
        assert await one.rows("SELECT count(*) FROM aside") == [(MOST_ASIDE,)]
        await one.take_in(handover(one, "to_us"))
        session = await one.session()
        lines = await one.lines(session.id)
        assert lines[0].entry.text == "word 7"
        assert lines[-1].entry.details["left_out"] == 7


async def test_one_conversations_words_never_stand_in_anothers(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        leo = EndUser(address=Address("leo"), name="Leo")
        await one.take_in(said(one, "kim's"), said(one, "leo's", end_user=leo), handover(one, "to_us"))
        (session,) = await one.sessions()
        assert (session.end_user.id, await one.texts(session.id)) == ("kim", ["kim's"])


async def test_taken_away_the_session_rests_and_given_back_it_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.take_in(handover(one, "away", "office"), said(one, "to the inbox"))
        assert (await one.session()).status.value == "inactive"
        await one.take_in(handover(one, "to_us"))
        session = await one.session()
        assert (session.id, session.status.value, [rep.id for rep in session.reps]) == (session_id, "active", ["ana"])
        assert ("message", "to the inbox") in await story(one, session_id)


@pytest.mark.parametrize("change", ["away", "requested"])
async def test_where_no_session_is_open_nothing_comes_of_it(tmp_path: Path, change: Literal["away", "requested"]) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(handover(one, change))
        assert await one.sessions() == []


async def test_who_comes_by_an_ad_without_a_word_is_announced_by_their_first_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.present("ana")
        await one.take_in(came(one))
        assert await one.sessions() == []
        await one.take_in(one.message("is this still on?"))
        session = await one.session()
        assert (await story(one, session.id))[:2] == [("referral", "[from an ad: 20 % off]"), ("message", "is this still on?")]
        assert session.referral == AD


async def test_who_comes_by_an_ad_in_an_open_session_is_a_line_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.take_in(came(one))
        assert (await story(one, session_id))[-1] == ("referral", "[from an ad: 20 % off]")


async def test_what_nobody_asked_for_is_thrown_away_after_nine_days(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(said(one, "hi"))
        one.later(10 * 86_400)
        await one.broker.purge()
        assert await one.rows("SELECT count(*) FROM aside") == [(0,)]


# What may happen in one conversation, in any order: words to another app or to us, of the customer or of the other app, who answers, ads, and
# everything once more.
STEPS = st.lists(
    st.sampled_from(["aside", "bot", "said", "to_us", "away", "requested", "came", "came_aside", "ended", "again", "restart"]),
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_whatever_the_order_every_word_stands_there_once_and_somebody_is_called(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_whatever_the_order(steps, tmp_path_factory.mktemp("order")))


async def _whatever_the_order(steps: list[str], folder: Path) -> None:
    async with desk(folder) as one:
        await one.present("ana")
        words: list[str] = []
        events: list[Any] = []
        for number, step in enumerate(steps):
            text = f"{step} {number}"
            makes: dict[str, Callable[[], Any]] = {
                "aside": lambda: said(one, text),  # noqa: B023
                "bot": lambda: said(one, text, by_the_bot=True),  # noqa: B023
                "said": lambda: one.message(text),  # noqa: B023
                "to_us": lambda: handover(one, "to_us"),
                "away": lambda: handover(one, "away"),
                "requested": lambda: handover(one, "requested"),
                "came": lambda: came(one),
                "came_aside": lambda: came(one, standby=True),
                "ended": lambda: one.ended(),
            }
            if step == "restart":
                await one.restart()
                continue
            if step == "again":
                assert await one.take_in(*events) == [None] * len(events)
                continue
            open_before = [s.id for s in await one.sessions() if s.status.value != "ended"]
            events.append(makes[step]())
            assert await one.take_in(events[-1]) == [None]
            words += [text] if step in ("aside", "bot", "said") else []
            open_after = [s for s in await one.sessions() if s.status.value != "ended"]
            assert len(open_after) <= 1
            if step in ("aside", "bot", "came", "came_aside", "away", "requested"):
                assert [s.id for s in open_after] == open_before, "nobody is called"
            if step in ("said", "to_us"):
                assert open_after[0].status.value in ("waiting", "active"), "somebody is called"
        await one.take_in(handover(one, "to_us"))
        told = [await one.texts(session.id) for session in await one.sessions()]
        assert sorted(str(text) for texts in told for text in texts) == sorted(words), "each once"
        for texts in told:
            numbers = [int(str(text).split()[1]) for text in texts]
            assert numbers == sorted(numbers), "in the order in which they arrived"
        assert await one.rows("SELECT count(*) FROM aside") == [(0,)]
