"""Sessions that a broker elsewhere controls: its decisions are written down, its people are announced, and nothing of ours is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.envelope import Address, ChannelId, EndUser, TextPart
from gateway.session import commands as c
from gateway.session.decide import open_relayed
from gateway.session.model import Actor, EntryKind, Login, Role, SessionId, Status, Visibility
from tests.session.world import Play, World, agent

ANN = Actor(role=Role.rep, id="005000000000ANN", name="Ann")
BOB = Actor(role=Role.rep, id="005000000000BOB", name="Bob")
KIM = EndUser(address=Address("+4940123"), name="Kim")
SUE = Actor(role=Role.supervisor, id="005000000000SUE", name="Sue")


@pytest.fixture
def play() -> Play:
    world = World()
    world.channel = world.channel.model_copy(update={"broker": "salesforce", "queue": None})
    world.settings = world.settings.model_copy(update={"leave_notice_hold_seconds": 0})
    play = Play(world)
    play.customer("hello")
    return play


def said(by: Actor, text: str) -> c.RelayedSaid:
    return c.RelayedSaid(by, (TextPart(text=text),), {"salesforce": {"entry": "e1"}}, ChannelId("sms"), KIM)


def notices(play: Play) -> list[str]:
    return [entry.text or "" for entry in play.entries if entry.kind is EntryKind.notice]


def test_nobody_of_ours_is_asked_to_take_it(play: Play) -> None:
    assert (play.session.status, play.session.offer, play.session.broker) == (Status.waiting, None, "salesforce")
    play.ok(c.Route(became_free=Login("ana")))
    assert play.session.offer is None


@pytest.mark.parametrize(
    "command",
    [
        c.AcceptWork(by=Login("ana")),
        c.SayToCustomer(by=Login("ana"), text="hi"),
        c.Invite(by=Login("ana"), recipient=agent("ben")),
        c.Leave(by=Login("ana")),
        c.End(by=Login("sam")),
        c.RaiseFlag(by=Login("ana"), text="help"),
        c.Whisper(by=Login("sam"), text="psst"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_our_reps_command_is_refused(play: Play, command: c.Asked) -> None:
    play.refused(command, "conferencing_controlled_by_salesforce")


def test_C7_M3_who_comes_is_announced_and_can_speak(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    assert play.session.status is Status.active
    assert notices(play) == ["Ann has joined the conversation."]
    done = play.ok(said(ANN, "Good day"))
    assert [(out.kind, out.text) for out in done.outgoing] == [("say", "Good day")]


def test_M2_names_are_said_once_two_reps_have_been_in(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    play.ok(c.RelayedPeople(came=(BOB,)))
    done = play.ok(said(BOB, "Hi"))
    assert [out.speaker.name if out.speaker else None for out in done.outgoing] == ["Bob"]


def test_L1_who_leaves_is_announced_and_the_last_one_leaves_it_waiting(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN, BOB)))
    play.ok(c.RelayedPeople(went=(ANN,)))
    assert notices(play)[-1] == "Ann has left the conversation."
    play.ok(c.RelayedPeople(went=(BOB,)))
    assert play.session.status is Status.waiting


def test_T1_M3_one_step_with_both_is_one_notice(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    before = len(notices(play))
    play.ok(c.RelayedPeople(came=(BOB,), went=(ANN,)))
    assert len(notices(play)) == before + 1
    assert "Ann" in notices(play)[-1]
    assert "Bob" in notices(play)[-1]


def test_M3_supervisors_come_unannounced_and_what_they_say_is_said(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    before = notices(play)
    play.ok(c.RelayedPeople(came=(SUE,)))
    assert notices(play) == before
    done = play.ok(said(SUE, "I can help"))
    assert [out.text for out in done.outgoing] == ["I can help"]


def test_reported_twice_it_changes_nothing(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    session = play.session
    play.ok(c.RelayedPeople(came=(ANN,)))
    play.ok(c.RelayedPeople(went=(BOB,)))
    assert play.session is session


def test_where_the_broker_announces_itself_we_are_silent(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,), announced=False))
    assert notices(play) == []
    assert [entry.visibility for entry in play.entries if entry.kind is EntryKind.participant_joined] == [Visibility.reps]


def test_L3_ended_there_it_is_ended_here_once(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    play.ok(c.RelayedStatus(Status.ended, "ended_by_rep"))
    assert play.session.status is Status.ended
    session = play.session
    play.ok(c.RelayedStatus(Status.active, "late"))
    assert play.session is session


def test_the_customer_ends_it(play: Play) -> None:
    play.ok(c.RelayedPeople(came=(ANN,)))
    play.end_by_customer()
    assert play.session.status is Status.ended


STEPS = st.lists(
    st.sampled_from(
        [
            c.RelayedPeople(came=(ANN,)),
            c.RelayedPeople(came=(BOB,), went=(ANN,)),
            c.RelayedPeople(went=(BOB,)),
            c.RelayedPeople(came=(SUE,)),
            said(ANN, "one"),
            c.RelayedStatus(Status.inactive, "idle"),
            c.RelayedStatus(Status.waiting, "waiting"),
        ]
    ),
    max_size=12,
)


@given(STEPS)
def test_whatever_the_order_reports_never_fail_and_no_timer_of_ours_runs(steps: list[c.Command]) -> None:
    for play in fresh():
        for step in steps:
            play.ok(step)
        joined = sum(entry.kind is EntryKind.participant_joined for entry in play.entries)
        left = sum(entry.kind is EntryKind.participant_left for entry in play.entries)
        assert joined - left == len(play.session.participants) - 1


def fresh() -> Iterator[Play]:
    world = World()
    world.channel = world.channel.model_copy(update={"broker": "salesforce", "queue": None})
    play = Play(world)
    play.customer("hello")
    yield play


def test_a_rep_who_writes_first_opens_a_session() -> None:
    world = World()
    world.channel = world.channel.model_copy(update={"broker": "salesforce", "queue": None})
    play = Play(world)
    play.begin(open_relayed(SessionId("ses1"), said(ANN, "Your order has arrived"), play.facts()))
    assert (play.session.status, [out.text for out in play.outgoing]) == (Status.active, ["Your order has arrived"])
