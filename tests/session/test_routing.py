"""Who is offered a waiting session, and when (with M3's first notice, P2, P5 and L5 on the way)."""

from __future__ import annotations

from datetime import timedelta

from gateway.session import commands as c
from gateway.session.model import Login, Presence, Status
from tests.session.world import START, Play, World, active


def test_a_new_session_is_offered_to_who_has_been_idle_longest() -> None:
    play = Play()
    decision = play.customer("hello")
    assert play.session.status is Status.waiting
    assert play.session.offer is not None
    assert play.session.offer.rep == "ana"
    assert [(s.to, s.type, s.data["queue"]) for s in decision.signals] == [(("ana",), "work_offered", "support")]
    assert play.kinds() == ["message"]
    assert [(p.role.value, p.id, p.name) for p in play.session.participants] == [("end_user", "+4940123", "Kim")]


def test_least_used_capacity_goes_before_longest_idle() -> None:
    world = World()
    world.other_load = {"ana": 2, "ben": 1, "cleo": 1}
    play = Play(world)
    play.customer()
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"


def test_those_without_capacity_presence_or_rights_are_passed_over() -> None:
    world = World()
    world.other_load = {"ana": 5}
    world.go(Presence.away, "ben")
    play = Play(world)
    play.customer()
    assert play.session.offer is not None
    assert play.session.offer.rep == "cleo"


def test_without_anybody_the_session_waits_and_route_finds_who_comes() -> None:
    world = World()
    world.go(Presence.offline, "ana", "ben", "cleo")
    play = Play(world)
    play.customer()
    assert play.session.offer is None
    before = play.session
    assert play.ok(c.Route()).session is before
    world.go(Presence.online, "ben")
    play.ok(c.Route(became_free=Login("ben")))
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"


def test_a_channel_without_queue_or_with_an_unknown_one_waits() -> None:
    for name in (None, "gone"):
        world = World()
        world.set_channel(queue=name)
        play = Play(world)
        play.customer()
        assert play.session.offer is None


def test_declining_passes_to_the_next() -> None:
    play = Play()
    play.customer()
    play.ok(c.DeclineWork(by=Login("ana")))
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"
    assert [(s.to, s.data["reason"]) for s in play.told("work_withdrawn")] == [(("ana",), "declined")]
    assert [s.to for s in play.told("work_offered")] == [("ben",)]


def test_no_answer_passes_to_the_next() -> None:
    play = Play()
    play.customer()
    play.wait(30)
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"
    assert [(s.to, s.data["reason"]) for s in play.told("work_withdrawn")] == [(("ana",), "lapsed")]


def test_only_who_is_offered_it_may_answer() -> None:
    play = Play()
    play.customer()
    play.refused(c.AcceptWork(by=Login("ben")), "work_not_offered")
    play.refused(c.DeclineWork(by=Login("ben")), "work_not_offered")
    play.take("ana")
    play.refused(c.AcceptWork(by=Login("ana")), "work_not_offered")


def test_accepting_makes_it_active_and_tells_the_customer_who_came() -> None:
    play = Play()
    play.customer()
    decision = play.take("ana")
    assert play.session.status is Status.active
    assert play.reps == ["ana"]
    assert play.kinds(since=1) == ["participant_joined", "status_changed", "notice"]
    assert play.notices() == ["Ana has joined the conversation."]
    assert decision.session.passed == ()
    assert ("offer", "ana") not in play.timers
    assert ("idle", "") in play.timers


def test_when_all_have_passed_nobody_is_asked_at_once() -> None:
    play = Play()
    play.customer()
    for login in ("ana", "ben", "cleo"):
        play.ok(c.DeclineWork(by=Login(login)))
    assert play.session.offer is None
    assert play.signals[-1].type == "work_withdrawn"
    before = play.session
    play.now += timedelta(seconds=5)
    assert play.ok(c.Route()).session is before, "capacity freed by a decline starts no new round, nor moves the pause"


def test_the_round_starts_anew_when_someone_comes_online() -> None:
    play = Play()
    play.customer()
    for login in ("ana", "ben", "cleo"):
        play.ok(c.DeclineWork(by=Login(login)))
    play.ok(c.Route(became_free=Login("cleo")))
    assert play.session.offer is not None
    assert play.session.offer.rep == "ana"
    assert play.session.passed == ()


def test_the_round_starts_anew_after_a_pause() -> None:
    play = Play()
    play.customer()
    play.wait(89)  # three lapses of 30 s, less one second
    assert play.session.offer is not None
    assert play.session.offer.rep == "cleo"
    play.wait(1)
    assert play.session.offer is None
    assert play.timers == {("offer", ""): START + timedelta(seconds=90 + 60)}
    play.wait(60)
    assert play.session.offer is not None
    assert play.session.offer.rep == "ana"
    play.take("ana")
    assert ("offer", "") not in play.timers


def test_the_round_starts_anew_when_the_customer_writes_again() -> None:
    play = Play()
    play.customer()
    for login in ("ana", "ben", "cleo"):
        play.ok(c.DeclineWork(by=Login(login)))
    play.customer("anyone?")
    assert play.session.offer is not None
    assert play.session.offer.rep == "ana"


def test_a_newcomer_is_asked_before_the_round_starts_anew() -> None:
    world = World()
    world.go(Presence.away, "cleo")
    play = Play(world)
    play.customer()
    play.ok(c.DeclineWork(by=Login("ana")))
    play.ok(c.DeclineWork(by=Login("ben")))
    world.go(Presence.online, "cleo")
    play.ok(c.Route())
    assert play.session.offer is not None
    assert play.session.offer.rep == "cleo"
    assert play.session.passed == ("ana", "ben")


def test_a_stale_offer_timer_leaves_a_newer_offer_alone() -> None:
    play = Play()
    play.customer()
    offer = play.session.offer
    assert offer is not None
    play.now += timedelta(seconds=10)
    play.ok(c.TimerFired(kind="offer", ref="ana"))
    assert play.session.offer == offer
    assert play.timers["offer", "ana"] == offer.expires_at
    play.ok(c.TimerFired(kind="offer", ref="ben"))
    assert play.session.offer == offer


def test_route_changes_nothing_in_a_session_that_is_not_waiting() -> None:
    play = active()
    before = play.session
    assert play.ok(c.Route(became_free=Login("ben"))).session is before
