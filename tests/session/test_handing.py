"""L6 where another app of the business answers: what a session does when the conversation is given to us, taken away, or asked for; and what
the customer came by (M1)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from adapters.envelope import Address, Author, ChannelId, EndUser, InboundHandover, InboundReferral
from adapters.referral import Referral, ReferredProduct
from gateway.session import commands as c
from gateway.session.decide import open_handed_over
from gateway.session.flows import holds
from gateway.session.model import FlowCondition, Presence, ReferralCondition, SessionId, Status
from tests.session.world import START, Play, active, agent, conference, message

AD = Referral(source="ad", id="120208", ref="spring", headline="20 % off", url="https://fb.me/1")


def handover(change: Literal["to_us", "away", "requested"], metadata: str | None = None, **more: Any) -> InboundHandover:
    return InboundHandover(
        channel_id=ChannelId("sms"),
        event_id=f"handover-{change}",
        end_user=EndUser(address=Address("+4940123"), name="Kim"),
        received_at=START,
        change=change,
        app="Meta's inbox",
        app_id="263902037430900",
        metadata=metadata,
        **more,
    )


def came(referral: Referral = AD) -> InboundReferral:
    end_user = EndUser(address=Address("+4940123"), name="Kim")
    return InboundReferral(
        channel_id=ChannelId("sms"), event_id="came-1", end_user=end_user, received_at=START, referral=referral
    )


def aside(*texts: str) -> c.Earlier:
    """Said to another app, which answered each."""
    said = [message(text, 100 + n, standby=True) for n, text in enumerate(texts)]
    answered = [message(f"bot: {text}", 200 + n, standby=True, author=Author.business) for n, text in enumerate(texts)]
    return tuple(one for pair in zip(said, answered, strict=True) for one in pair)


def changed(change: Literal["to_us", "away", "requested"], metadata: str | None = None, **more: Any) -> c.ThreadChanged:
    return c.ThreadChanged(handover=handover(change, metadata), **more)


def test_L6_a_conversation_that_is_given_to_us_opens_a_session_and_is_offered() -> None:
    play = Play()
    command = changed("to_us", "Wants a refund", earlier=aside("hi", "a person, please"))
    play._apply(None, open_handed_over(SessionId("ses1"), command, play.facts()))
    assert play.session.status is Status.waiting
    assert play.session.offer is not None
    assert [e.text for e in play.entries] == ["hi", "bot: hi", "a person, please", "bot: a person, please", "Wants a refund"]
    assert [e.kind.value for e in play.entries] == ["message"] * 4 + ["handover"]
    assert play.session.last_inbound_at == START
    assert not play.outgoing


def test_L6_given_to_us_without_a_word_before_it_opens_one_too() -> None:
    play = Play()
    play._apply(None, open_handed_over(SessionId("ses1"), changed("to_us"), play.facts()))
    assert play.session.offer is not None
    assert play.kinds() == ["handover"]


def test_L6_given_to_us_an_inactive_session_wakes_with_the_same_reps() -> None:
    play = active()
    play.wait(25 * 3600)
    assert play.session.status is Status.inactive
    play.ok(changed("to_us", "back to you", earlier=aside("hi")))
    assert play.session.status.value == "active"
    assert play.reps == ["ana"]
    assert play.kinds()[-4:] == ["message", "message", "handover", "status_changed"]


def test_L6_given_to_us_it_is_routed_when_its_reps_have_gone() -> None:
    play = active()
    play.wait(25 * 3600)
    play.world.go(Presence.offline, "ana")
    play.ok(changed("to_us"))
    assert play.session.status is Status.waiting
    assert play.session.offer is not None
    assert play.session.offer.rep != "ana"


def test_L6_given_to_us_a_round_that_all_have_passed_begins_anew() -> None:
    play = Play()
    play.customer()
    while play.session.offer is not None:
        play.ok(c.DeclineWork(by=play.session.offer.rep))
    play.ok(changed("to_us"))
    assert play.session.offer is not None


def test_L6_taken_away_the_session_rests_and_frees_its_reps() -> None:
    play = conference("ana", "ben")
    play.invite("ana", agent("cleo"))
    play.ok(changed("away", "office"))
    assert play.session.status is Status.inactive
    assert play.session.invitations == ()
    assert play.reps == ["ana", "ben"]
    assert play.entry("handover").text == "office"
    assert play.entry("status_changed").details["reason"] == "handed_over"
    play.refused(c.SayToCustomer(by=play.facts().reps["ana"].login, text="hi"), "session_not_active")


def test_L6_taken_away_where_an_answer_takes_it_back_the_session_goes_on() -> None:
    play = active()
    play.ok(c.ThreadChanged(handover=handover("away", may_answer=True)))
    assert play.session.status.value == "active"
    assert play.entry("handover").details["may_answer"] is True
    play.say("ana", "back to a person")


def test_L6_taken_away_from_a_waiting_session_the_offer_is_withdrawn() -> None:
    play = Play()
    play.customer()
    assert play.session.offer is not None
    play.ok(changed("away"))
    assert (play.session.status.value, play.session.offer is None) == ("inactive", True)
    assert [one.data["reason"] for one in play.told("work_withdrawn")] == ["handed_over"]
    play.wait(3600)
    assert play.session.offer is None, "nobody is asked by an old timer"


def test_L6_taken_away_and_given_back_it_goes_on_with_the_same_reps() -> None:
    play = active()
    play.ok(changed("away"))
    play.ok(changed("to_us"))
    assert (play.session.status, play.reps) == (Status.active, ["ana"])
    assert play.session.idle_at is not None
    play.say("ana", "I'm back")


def test_L6_taken_away_the_customers_next_words_to_us_wake_it() -> None:
    """Some handovers are never told: the provider sends the words to whom it asks to answer."""
    play = active()
    play.ok(changed("away"))
    play.customer("hello again")
    assert (play.session.status, play.reps) == (Status.active, ["ana"])


def test_L6_asked_for_nothing_changes_but_reps_are_told() -> None:
    play = active()
    before = play.session
    play.ok(changed("requested", "bot is back"))
    assert (play.session.status, play.reps) == (before.status, ["ana"])
    assert play.entry("handover").details["change"] == "requested"


@pytest.mark.parametrize("change", ["to_us", "away", "requested"])
def test_L6_an_ended_session_stays_as_it_is(change: Literal["to_us", "away", "requested"]) -> None:
    play = active()
    play.end_by_customer()
    before = play.session
    play.ok(changed(change))
    assert play.session is before


@pytest.mark.parametrize("change", ["to_us", "away", "requested"])
def test_L6_the_customer_is_told_nothing_of_who_answers(change: Literal["to_us", "away", "requested"]) -> None:
    play = active()
    sent = len(play.outgoing)
    play.ok(changed(change, "internal words", earlier=aside("hi")))
    assert len(play.outgoing) == sent
    assert play.entry("handover").visibility.value == "reps"


# ------------------------------------------------------------------------------------------------ referrals


def test_M1_the_ad_that_a_message_came_by_stands_on_it_and_in_the_session() -> None:
    play = Play()
    play.customer("is this still on?", referral=AD)
    play.customer("hello?")
    assert [e.referral for e in play.entries if e.kind.value == "message"] == [AD, None]
    assert play.session.referral == AD


def test_M1_who_comes_by_a_link_without_a_word_wakes_nobody() -> None:
    play = active()
    play.wait(25 * 3600)
    play.ok(c.CustomerCame(came=came()))
    assert play.session.status is Status.inactive
    line = play.entry("referral")
    assert (line.referral, line.visibility.value, line.text) == (AD, "reps", "[from an ad: 20 % off]")
    assert play.session.referral == AD


def test_M1_what_was_said_to_another_app_is_marked_so() -> None:
    play = active()
    play.ok(changed("to_us", earlier=aside("hi")))
    assert [e.details.get("standby", False) for e in play.entries if e.kind.value == "message"] == [False, True, True]


BY: list[tuple[dict[str, Any], Referral | None, bool]] = [
    ({}, AD, True),
    ({}, None, False),
    ({"sources": ("ad", "post")}, AD, True),
    ({"sources": ("link",)}, AD, False),
    ({"sources": ("ad",), "refs": ("spring",)}, AD, True),
    ({"sources": ("ad",), "refs": ("autumn",)}, AD, False),
    ({"ids": ("120208",)}, AD, True),
    ({"groups": ("sales",)}, Referral(source="link", ref="order_status", group="sales"), True),
    ({"groups": ("sales",)}, Referral(source="link", ref="order_status"), False),
    ({"products": ("SKU1", "SKU2")}, Referral(source="product", product=ReferredProduct(id="SKU2")), True),
    ({"products": ("SKU1",)}, AD, False),
]


@pytest.mark.parametrize(("when", "referral", "expected"), BY)
def test_C3_flows_route_by_what_the_customer_came_by_last(
    when: dict[str, Any], referral: Referral | None, expected: bool
) -> None:
    play = Play()
    play.customer("hello", referral=Referral(source="page", url="https://shop.example"))
    play.end_by_customer()
    play.customer("hello", **({"referral": referral} if referral else {}))
    play.customer("and another thing")
    assert holds(FlowCondition(referral=ReferralCondition(**when)), play.session, play.facts()) is expected
