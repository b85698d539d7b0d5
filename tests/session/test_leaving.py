"""L1 to L6: leaving and ending."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.envelope import Author
from gateway.session import commands as c
from gateway.session.decide import decide
from gateway.session.decision import Decision
from gateway.session.model import InvitationId, Login, Presence, Recipient, RecipientType, Status, Visibility
from tests.session.world import Play, World, active, agent, conference, message, queue

GRACE, IDLE = 120, 24 * 3600


def leave(by: str) -> c.Leave:
    return c.Leave(by=Login(by))


def end(by: str) -> c.End:
    return c.End(by=Login(by))


# ------------------------------------------------------------------------------------------------- L1, L2


def test_L1_reps_see_it_and_the_customer_is_told() -> None:
    play = conference("ana", "ben")
    play.ok(leave("ana"))
    assert play.reps == ["ben"]
    entry = play.entry("participant_left")
    assert entry.visibility is Visibility.reps
    assert entry.details == {"participant": {"role": "rep", "id": "ana", "name": "Ana"}, "reason": "left"}
    play.wait(2)
    assert play.notices()[-1] == "Ana has left the conversation."
    play.refused(c.SayToCustomer(by=Login("ana"), text="one more thing"), "not_a_participant")


def test_L1_only_who_is_in_can_leave() -> None:
    play = active()
    play.refused(leave("ben"), "not_a_participant")
    waiting = Play()
    waiting.customer()
    waiting.refused(leave("ana"), "not_a_participant")


def test_L2_the_last_rep_cannot_leave() -> None:
    play = active()
    play.refused(leave("ana"), "last_rep_must_end")
    play.join("ben")
    play.ok(leave("ana"))
    play.refused(leave("ben"), "last_rep_must_end")


def test_L2_of_two_who_leave_at_the_same_instant_one_is_told_to_end() -> None:
    play = conference("ana", "ben")
    assert isinstance(decide(play.session, leave("ana"), play.facts()), Decision)
    assert isinstance(decide(play.session, leave("ben"), play.facts()), Decision)
    play.ok(leave("ben"))  # this one is committed; the other decides once more on what it left
    play.refused(leave("ana"), "last_rep_must_end")
    assert play.reps == ["ana"]
    play.ok(end("ana"))


# ---------------------------------------------------------------------------------------------------- L3


def test_L3_the_last_rep_ends() -> None:
    play = conference("ana", "ben")
    refusal = play.refused(end("ana"), "other_reps_present")
    assert refusal.details["others"] == ["ben"]
    play.ok(leave("ben"))
    play.ok(end("ana"))
    assert play.session.status is Status.ended
    entry = play.entry("status_changed")
    assert entry.details == {"from": "active", "to": "ended", "reason": "ended_by_rep"}
    assert play.timers == {}


def test_L3_not_by_someone_outside() -> None:
    play = active()
    play.refused(end("ben"), "not_a_participant")


def test_L3_a_supervisor_ends_any_session() -> None:
    play = conference("ana", "ben")
    play.ok(end("sam"))
    assert play.session.status is Status.ended
    assert play.entry("status_changed").details["reason"] == "ended_by_supervisor"
    assert play.entry("status_changed").sender is not None
    waiting = Play()
    waiting.customer()
    waiting.ok(end("sam"))
    assert [(s.to, s.data["reason"]) for s in waiting.told("work_withdrawn")] == [(("ana",), "ended")]
    assert waiting.timers == {}


def test_L3_ending_withdraws_open_requests_and_lowers_the_flag() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    play.ok(c.RaiseFlag(by=Login("ana"), text="help"))
    since = play.session.entry_count
    play.ok(end("ana"))
    assert play.kinds(since) == ["invitation_withdrawn", "flag_lowered", "status_changed"]
    assert (play.session.invitations, play.session.flags) == ((), ())
    assert [(s.to, s.data["invitation_id"], s.data["reason"]) for s in play.told("invitation_closed")] == [
        (("ben",), id, "ended")
    ]


def test_L3_a_held_leave_notice_is_told_before_the_end() -> None:
    play = conference("ana", "ben")
    play.ok(leave("ben"))
    play.ok(end("ana"))
    assert play.notices()[-1] == "Ben has left the conversation."
    play.wait(10)
    assert len(play.notices()) == 3


ALL_OF_PEOPLE = [
    c.AcceptWork(by=Login("ana")),
    c.DeclineWork(by=Login("ana")),
    c.SayToCustomer(by=Login("ana"), text="hi"),
    c.Invite(by=Login("ana"), recipient=Recipient(type=RecipientType.agent, id="ben")),
    c.AcceptInvitation(by=Login("ana"), invitation_id=InvitationId("x")),
    c.DeclineInvitation(by=Login("ana"), invitation_id=InvitationId("x")),
    c.WithdrawInvitation(by=Login("ana"), invitation_id=InvitationId("x")),
    c.Leave(by=Login("ana")),
    c.End(by=Login("ana")),
    c.End(by=Login("sam")),
    c.RaiseFlag(by=Login("ana"), text="help"),
    c.LowerFlag(by=Login("ana")),
    c.Whisper(by=Login("sam"), text="hm"),
]


@pytest.mark.parametrize("command", ALL_OF_PEOPLE, ids=lambda command: f"{type(command).__name__}-{command.by}")
def test_L3_after_the_end_every_command_is_refused(command: c.Command) -> None:
    play = active()
    play.ok(end("ana"))
    play.refused(command, "session_not_active")


@pytest.mark.parametrize(
    "command",
    [
        c.Route(became_free=Login("ana")),
        c.RepConnected(by=Login("ana")),
        c.RepDisconnected(by=Login("ana")),
        *(c.TimerFired(kind=kind, ref="ana") for kind in ("offer", "invitation", "grace", "idle", "leave_notice")),
    ],
    ids=str,
)
def test_L3_after_the_end_the_clock_changes_nothing(command: c.Command) -> None:
    play = active()
    play.ok(end("ana"))
    before = play.session
    play.now += timedelta(days=30)
    assert play.ok(command).session is before


# ---------------------------------------------------------------------------------------------------- L4


def test_L4_the_customer_ends_it() -> None:
    play = conference("ana", "ben")
    play.ok(leave("ben"))
    notices = len(play.notices())
    play.end_by_customer()
    assert play.session.status is Status.ended
    entry = play.entry("status_changed")
    assert entry.details["reason"] == "opted_out"
    assert entry.sender is not None
    assert entry.sender.role.value == "end_user"
    assert entry.visibility is Visibility.reps
    play.wait(3600)
    assert len(play.notices()) == notices, "who has opted out is sent nothing more"
    assert play.timers == {}


def test_L4_the_next_message_opens_a_new_session() -> None:
    play = active()
    play.end_by_customer()
    first = play.session
    before = play.session
    play.end_by_customer()
    assert play.session is before, "ending twice is nothing"
    play.customer("me again")
    assert play.session.id != first.id
    assert play.session.status is Status.waiting
    assert play.session.offer is not None


def test_L4_a_message_for_an_ended_session_is_left_to_a_new_one() -> None:
    play = active()
    play.ok(end("ana"))
    play.refused(c.CustomerSaid(message=message("late")), "session_not_active")


# ---------------------------------------------------------------------------------------------------- L5


def test_L5_a_rep_who_comes_back_within_the_grace_time_has_not_left() -> None:
    play = conference("ana", "ben")
    play.ok(c.RepDisconnected(by=Login("ben")))
    assert play.session.absent == {"ben": play.now}
    play.wait(GRACE - 1)
    play.ok(c.RepConnected(by=Login("ben")))
    play.wait(GRACE)
    assert play.reps == ["ana", "ben"]
    assert play.session.absent == {}


def test_L5_after_the_grace_time_the_rep_leaves_as_by_L1() -> None:
    play = conference("ana", "ben")
    play.ok(c.RepDisconnected(by=Login("ben")))
    play.wait(GRACE)
    assert play.reps == ["ana"]
    assert play.session.status is Status.active
    assert play.entry("participant_left").details["reason"] == "disconnected"
    play.wait(2)
    assert play.notices()[-1] == "Ben has left the conversation."


def test_L5_if_it_was_the_last_one_the_session_is_routed_anew() -> None:
    play = active()
    id = play.invite("ana", agent("dora"))
    play.customer("are you there?")
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.wait(50)
    assert play.session.status is Status.active
    play.world.set(invitation_seconds=600)
    second = play.invite("ana", queue("billing"))
    play.wait(GRACE - 50)
    assert (play.session.status, play.reps, play.session.invitations) == (Status.waiting, [], ())
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben", "not the one who has just vanished"
    play.refused(c.AcceptInvitation(by=Login("dora"), invitation_id=id), "invitation_closed")
    play.refused(c.AcceptInvitation(by=Login("cleo"), invitation_id=second), "invitation_closed")
    play.wait(2)
    play.customer("hello?")
    play.take("ben")
    assert [e.text for e in play.entries if e.kind.value == "message"] == ["hello", "are you there?", "hello?"]
    assert play.notices() == [
        "Ana has joined the conversation.",
        "Ana has left the conversation.",
        "Ben has joined the conversation.",
    ]


def test_L5_who_vanished_may_have_it_back_when_nobody_else_is_there() -> None:
    world = World()
    world.go(Presence.offline, "ben", "cleo")
    play = active(world)
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.wait(GRACE)
    assert play.session.offer is None
    play.ok(c.Route(became_free=Login("ana")))
    play.take("ana")
    assert play.notices() == ["Ana has joined the conversation."], "back within the notice's window: no noise"


def test_L5_two_vanish_at_once_and_nobody_hangs() -> None:
    play = conference("ana", "ben")
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.ok(c.RepDisconnected(by=Login("ben")))
    play.wait(GRACE)
    assert play.session.status is Status.waiting
    assert play.reps == []
    assert play.session.absent == {}


def test_L5_an_old_timer_is_not_taken_for_the_new_one() -> None:
    play = active()
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.now += timedelta(seconds=100)
    play.ok(c.RepConnected(by=Login("ana")))
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.now += timedelta(seconds=20)
    play.ok(c.TimerFired(kind="grace", ref="ana"))
    assert play.reps == ["ana"]
    play.wait(100)
    assert play.reps == []


def test_L5_is_nothing_to_someone_outside_and_a_second_time() -> None:
    play = active()
    before = play.session
    assert play.ok(c.RepDisconnected(by=Login("ben"))).session is before
    assert play.ok(c.RepConnected(by=Login("ana"))).session is before
    play.ok(c.RepDisconnected(by=Login("ana")))
    before = play.session
    assert play.ok(c.RepDisconnected(by=Login("ana"))).session is before


def test_L5_the_flag_of_who_vanished_is_lowered() -> None:
    play = active()
    play.ok(c.RaiseFlag(by=Login("ana"), text="help"))
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.wait(GRACE)
    assert not play.session.flags
    assert play.entry("flag_lowered").details == {"raised_by": "ana", "reason": "left"}


# ---------------------------------------------------------------------------------------------------- L6


def test_L6_without_messages_it_turns_inactive_and_frees_capacity() -> None:
    play = conference("ana", "ben")
    play.wait(IDLE - 1)
    assert play.session.status.value == "active"
    assert play.facts().load["ana"] == 1
    play.wait(1)
    assert play.session.status is Status.inactive
    assert play.facts().load.get("ana", 0) == 0
    assert play.reps == ["ana", "ben"]
    assert play.session.last_reps == ("ana", "ben")
    assert len(play.notices()) == 2, "nobody has left"


@pytest.mark.parametrize("who", ["customer", "rep"])
def test_L6_every_message_sets_the_time_anew(who: str) -> None:
    play = active()
    play.wait(IDLE - 10)
    if who == "customer":
        play.customer("still here")
    else:
        play.say("ana")
    play.wait(IDLE - 1)
    assert play.session.status.value == "active"
    play.wait(1)
    assert play.session.status is Status.inactive


def test_L6_a_waiting_session_is_never_put_to_sleep() -> None:
    world = World()
    world.go(Presence.offline, "ana", "ben", "cleo")
    play = Play(world)
    play.customer()
    play.wait(10 * IDLE)
    play.ok(c.TimerFired(kind="idle", ref=""))
    assert play.session.status is Status.waiting


def test_L6_long_waiting_is_not_idleness() -> None:
    play = Play()
    play.customer()
    play.now += timedelta(seconds=2 * IDLE)  # nobody was there for two days
    play.take("ana")
    play.ok(c.TimerFired(kind="idle", ref=""))
    assert play.session.status.value == "active"
    play.wait(IDLE)
    assert play.session.status is Status.inactive


def test_L6_an_old_idle_timer_is_moved() -> None:
    play = active()
    play.wait(100)
    play.customer("again")
    play.ok(c.TimerFired(kind="idle", ref=""))
    assert play.session.status is Status.active
    assert play.timers["idle", ""] == play.now + timedelta(seconds=IDLE)


def test_L6_the_customer_wakes_it_with_the_same_reps() -> None:
    play = conference("ana", "ben")
    play.world.other_load = {"ana": 5}
    play.wait(IDLE)
    since = play.session.entry_count
    play.customer("one more question")
    assert (play.session.status, play.reps) == (Status.active, ["ana", "ben"])
    assert play.kinds(since) == ["message", "status_changed"]
    assert ("idle", "") in play.timers
    play.say("ben", "sure")


def test_L6_who_is_not_online_any_more_leaves_on_waking() -> None:
    play = conference("ana", "ben")
    play.wait(IDLE)
    play.world.go(Presence.away, "ana")
    play.customer("one more question")
    assert (play.session.status, play.reps) == (Status.active, ["ben"])
    play.wait(2)
    assert play.notices()[-1] == "Ana has left the conversation."


def test_L6_with_none_of_them_online_it_is_routed() -> None:
    play = conference("ana", "ben")
    play.wait(IDLE)
    play.world.go(Presence.offline, "ana", "ben")
    play.customer("one more question")
    assert (play.session.status, play.reps) == (Status.waiting, [])
    assert play.session.offer is not None
    assert play.session.offer.rep == "cleo"
    assert ("idle", "") not in play.timers


def test_L6_who_has_lost_the_rights_does_not_receive_it_again() -> None:
    play = active()
    play.wait(IDLE)
    play.world.set_rep("ana", permissions=frozenset())
    play.customer("one more question")
    assert play.session.status is Status.waiting
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"


def test_L6_who_lost_the_connection_meanwhile_has_the_grace_time_on_waking() -> None:
    play = active()
    play.wait(IDLE)
    play.ok(c.RepDisconnected(by=Login("ana")))
    assert ("grace", "ana") not in play.timers
    play.wait(3600)
    play.customer("one more question")
    assert play.reps == ["ana"]
    play.wait(GRACE)
    assert play.session.status is Status.waiting


def test_L6_open_requests_are_withdrawn_when_it_falls_asleep() -> None:
    world = World()
    world.set(idle_seconds=30)
    play = active(world)
    id = play.invite("ana", agent("ben"))
    play.wait(30)
    assert play.session.status is Status.inactive
    assert play.session.invitations == ()
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=id), "invitation_closed")


def test_L6_an_inactive_session_can_be_left_and_ended() -> None:
    play = conference("ana", "ben")
    play.wait(IDLE)
    play.refused(c.SayToCustomer(by=Login("ana"), text="hi"), "session_not_active")
    play.ok(leave("ana"))
    play.ok(end("ben"))
    assert play.session.status is Status.ended


def test_L6_our_own_words_by_another_tool_wake_nothing() -> None:
    play = active()
    play.wait(IDLE)
    play.customer("we called you", author=Author.business)
    assert play.session.status is Status.inactive
