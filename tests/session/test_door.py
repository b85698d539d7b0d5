"""E1 to E4, and who may see what."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import get_args

import pytest

from gateway.session import commands as c
from gateway.session.audience import (
    as_seen_by,
    audiences_of_session,
    audiences_of_signal,
    e1_sight,
    may_command,
    may_see,
)
from gateway.session.decide import BY_PEOPLE, RULES, TIMERS, decide
from gateway.session.decision import Decision, Refusal
from gateway.session.door import e2_fingerprint, e2_same_command, e4_whole
from gateway.session.draft import Draft
from gateway.session.model import Login, Presence, Session, Visibility
from gateway.session.outward import PublicEntry, outgoing_for
from gateway.session.refusals import CODES, e3_refuse
from gateway.session.replay import State, replay, state_of
from tests.session.world import Play, World, active, agent, conference, queue, rep

# ---------------------------------------------------------------------------------------------------- E1


@pytest.mark.parametrize("login", ["eve", "nobody"])
def test_E1_another_orgs_rep_finds_no_session(login: str) -> None:
    world = World()
    world.people["eve"] = rep("eve", org="other", supervisor=True)
    play = active(world)
    for command in (
        c.SayToCustomer(by=Login(login), text="hi"),
        c.End(by=Login(login)),
        c.Whisper(by=Login(login), text="hi"),
        c.AcceptWork(by=Login(login)),
    ):
        play.refused(command, "session_not_found")


def test_E1_every_command_of_people_carries_who_asks() -> None:
    carry = {kind for kind in RULES if "by" in kind.__annotations__}
    assert carry - {c.RepConnected, c.RepDisconnected, c.RepUnavailable, c.RelayedSaid} == set(BY_PEOPLE)


def test_E1_who_may_see_a_session() -> None:
    play = Play()
    play.customer()

    def sees(login: str, *queues: str) -> bool:
        return may_see(play.session, login, login == "sam", queues)

    assert sees("ana"), "it is offered to her"
    assert sees("sam")
    assert not sees("ben")
    assert sees("ben", "support"), "it waits in his queue"
    play.take("ana")
    assert not sees("ben", "support"), "it doesn't wait any more"
    id = play.invite("ana", queue("billing"))
    assert sees("dora")
    play.ok(c.DeclineInvitation(by=Login("dora"), invitation_id=id))
    assert not sees("dora")
    play.accept("cleo", id)
    play.ok(c.Leave(by=Login("ana")))
    assert sees("ana"), "she was in it"


def test_E1_one_who_comes_too_late_may_ask_to_hear_it() -> None:
    play = active()
    id = play.invite("ana", queue("billing"))
    play.accept("cleo", id)
    assert not may_see(play.session, "dora", False, ())
    assert may_command(play.session, "dora", False, ())
    assert not may_command(play.session, "ben", False, ())


def test_E1_events_go_to_those_who_may_see_and_to_those_who_could_before() -> None:
    play = Play()
    play.customer()
    waiting = play.session
    assert audiences_of_session(waiting) == {"supervisors", "rep:ana", "queue:support"}
    play.take("ana")
    assert audiences_of_session(play.session) == {"supervisors", "rep:ana"}
    assert audiences_of_session(play.session, waiting) == {"supervisors", "rep:ana", "queue:support"}
    play.invite("ana", agent("ben"))
    assert audiences_of_signal(play.told("invitation_received")[0]) == {"rep:ben"}


def seen_by(play: Play, login: str) -> Session:
    """The session as this rep may see it."""
    sight = e1_sight(play.session, login, login == "sam", ())
    return as_seen_by(play.session, sight, login, login == "sam", play.world.settings)


def test_C8_who_declined_is_shown_to_the_inviter_alone() -> None:
    play = conference("ana", "ben")
    id = play.invite("ana", queue("billing"))
    play.ok(c.DeclineInvitation(by=Login("cleo"), invitation_id=id))
    shown = {login: [i.declined for i in seen_by(play, login).invitations] for login in ("ana", "ben", "cleo", "dora", "sam")}
    assert shown == {"ana": [("cleo",)], "ben": [()], "cleo": [], "dora": [()], "sam": [("cleo",)]}


# ---------------------------------------------------------------------------------------------------- E2


def test_E2_a_repetition_is_told_from_another_command() -> None:
    first = e2_fingerprint("s1", c.SayToCustomer(by=Login("ana"), text="hi"))
    assert e2_fingerprint("s1", c.SayToCustomer(by=Login("ana"), text="hi")) == first
    assert e2_same_command(first, first) is None
    for session, other in (
        ("s2", c.SayToCustomer(by=Login("ana"), text="hi")),
        ("s1", c.SayToCustomer(by=Login("ana"), text="ho")),
        ("s1", c.SayToCustomer(by=Login("ben"), text="hi")),
        ("s1", c.Leave(by=Login("ana"))),
        ("s1", c.End(by=Login("ana"))),
    ):
        refusal = e2_same_command(first, e2_fingerprint(session, other))
        assert isinstance(refusal, Refusal)
        assert refusal.code == "idempotency_key_reused"


def test_E2_deciding_twice_gives_the_same() -> None:
    play = active()
    facts = play.facts()._replace(new_id=lambda prefix: f"{prefix}-fixed")
    command = c.Invite(by=Login("ana"), recipient=agent("ben"))
    assert decide(play.session, command, facts) == decide(play.session, command, facts)


# ---------------------------------------------------------------------------------------------------- E3


def test_E3_every_code_says_what_it_means_and_what_to_do() -> None:
    for code, meaning in CODES.items():
        assert code.replace("_", "").isalpha()
        assert code.islower()
        assert meaning.endswith(".")
        assert ": " in meaning or "Only" in meaning


def test_E3_a_code_outside_the_table_is_a_fault() -> None:
    with pytest.raises(KeyError):
        e3_refuse("because", "No.")


def test_E3_a_refusal_changes_nothing() -> None:
    play = active()
    before = play.session.model_dump_json()
    play.refused(c.Leave(by=Login("ana")), "last_rep_must_end")
    assert play.session.model_dump_json() == before


# ---------------------------------------------------------------------------------------------------- E4


def test_E4_a_decision_that_does_not_hold_together_is_never_given_out() -> None:
    play = active()
    good = decide(play.session, c.SayToCustomer(by=Login("ana"), text="hi"), play.facts())
    assert isinstance(good, Decision)
    assert e4_whole(play.session, good) is good
    hidden = good.entries[0].model_copy(update={"visibility": Visibility.reps})
    broken = [
        good._replace(entries=(good.entries[0].model_copy(update={"number": 99}),)),
        good._replace(entries=()),
        good._replace(entries=(hidden,)),
        good._replace(session=good.session.model_copy(update={"version": 99})),
        good._replace(session=play.session),
        good._replace(outgoing=(dataclasses.replace(good.outgoing[0], entry_number=1),)),
    ]
    for decision in broken:
        with pytest.raises(AssertionError):
            e4_whole(play.session, decision)


def test_E4_a_session_is_what_its_transcript_adds_up_to() -> None:
    play = conference("ana", "ben")
    play.ok(c.RaiseFlag(by=Login("ana"), text="help"))
    id = play.invite("ben", queue("billing"))
    state = replay(play.entries)
    assert state == state_of(play.session)
    assert state.reps == ("ana", "ben")
    assert (state.flags, state.conferenced) == ((("ana", "help"),), True)
    assert state.invitations == {id}
    assert replay([]) == State()


def test_E4_a_decision_that_changes_nothing_is_the_very_session() -> None:
    play = active()
    before = play.session
    for command in (
        c.Route(),
        c.RepConnected(by=Login("ana")),
        c.RepDisconnected(by=Login("ben")),
        c.TimerFired(kind="grace", ref="ana"),
        c.TimerFired(kind="invitation", ref="gone"),
        c.TimerFired(kind="leave_notice", ref="ana"),
        c.TimerFired(kind="offer", ref="ana"),
    ):
        decision = decide(before, command, play.facts())
        assert isinstance(decision, Decision)
        assert decision == Decision(before)
        assert decision.session is before


def test_E4_the_work_does_not_grow_with_the_transcript() -> None:
    """What a decision reads and what it gives is the same at entry 10 and at entry 10,000."""
    play = active()
    short = len(play.session.model_dump_json())
    play.current = play.session.model_copy(update={"entry_count": 100_000})
    decision = decide(play.session, c.SayToCustomer(by=Login("ana"), text="hi"), play.facts())
    assert isinstance(decision, Decision)
    assert decision.entries[0].number == 100_001
    assert len(decision.session.model_dump_json()) < short + 200


# ------------------------------------------------------------------------------------------- the machinery


def test_every_command_and_timer_has_its_rule() -> None:
    kinds = set(get_args(c.Command))
    assert kinds == set(RULES) | {c.TimerFired}
    assert set(TIMERS) == {value for name, value in vars(c.TimerKind).items() if not name.startswith("_")}


def test_a_draft_knows_the_sessions_fields() -> None:
    play = active()
    with pytest.raises(TypeError, match="colour"):
        Draft(play.session, play.facts()).change(colour="red")


def test_a_notice_goes_out_as_a_notice() -> None:
    play = active()
    out = outgoing_for(PublicEntry(play.entry("notice")), code="joined")
    assert (out.kind, out.code, out.human) == ("notice", "joined", False)


def test_the_player_lets_time_go_by_in_order() -> None:
    world = World()
    world.go(Presence.offline, "cleo")
    play = Play(world)
    play.customer()
    start = play.now
    play.wait(45)
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"
    assert play.session.offer.offered_at == start + timedelta(seconds=30)
    assert play.now == start + timedelta(seconds=45)
