"""C1 to C10: inviting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from gateway.session import commands as c
from gateway.session.audience import as_seen_by, c10_reads, c10_shown, e1_sight
from gateway.session.decide import decide
from gateway.session.decision import Decision, Refusal
from gateway.session.inviting import c1_one_recipient
from gateway.session.membership import ASKED_KEPT, newest
from gateway.session.model import (
    ClosedInvitation,
    Entry,
    EntryKind,
    FlowDefinition,
    FlowRule,
    InvitationId,
    InvitationStatus,
    Login,
    Presence,
    Recipient,
    Role,
    Visibility,
)
from tests.session.world import OTHERS, Play, World, active, agent, conference, flow, queue, rep


def ask(by: str, to: Recipient, purpose: Literal["invite", "transfer"] = "invite") -> c.Invite:
    return c.Invite(by=Login(by), recipient=to, purpose=purpose)


def answer(by: str, id: str) -> c.AcceptInvitation:
    return c.AcceptInvitation(by=Login(by), invitation_id=InvitationId(id))


def decline(by: str, id: str) -> c.DeclineInvitation:
    return c.DeclineInvitation(by=Login(by), invitation_id=InvitationId(id))


def withdraw(by: str, id: str) -> c.WithdrawInvitation:
    return c.WithdrawInvitation(by=Login(by), invitation_id=InvitationId(id))


# ------------------------------------------------------------------------------------------------ C1, C4


@pytest.mark.parametrize(
    "raw",
    [
        [{"type": "agent", "id": "ben"}],
        [{"type": "agent", "id": "ben"}, {"type": "agent", "id": "cleo"}],
        {"type": "agent", "id": ["ben", "cleo"]},
        {"type": "agent"},
        {"type": "team", "id": "x"},
        "ben",
        None,
    ],
)
def test_C1_anything_but_one_recipient_is_invalid_input(raw: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[Recipient, BeforeValidator(c1_one_recipient)]).validate_python(raw)
    with pytest.raises(ValidationError):
        c.Invite(by=Login("ana"), recipient=raw)


def test_C1_a_list_is_told_what_to_do_instead() -> None:
    with pytest.raises(ValueError, match="to invite several reps, send several requests"):
        c1_one_recipient([{"type": "agent", "id": "ben"}, {"type": "agent", "id": "cleo"}])


def test_C1_one_recipient_is_read() -> None:
    assert c1_one_recipient({"type": "queue", "id": "support"}) == {"type": "queue", "id": "support"}


def test_C1_several_reps_are_invited_by_several_requests() -> None:
    play = active()
    play.join("ben", "cleo")
    assert play.reps == ["ana", "ben", "cleo"]


@pytest.mark.parametrize("purpose", ["invite", "transfer"])
def test_C4_others_are_always_refused(purpose: Literal["invite", "transfer"]) -> None:
    play = active()
    play.refused(ask("ana", OTHERS, purpose), "recipient_type_not_allowed")


# ---------------------------------------------------------------------------------------------------- C2


def test_C2_an_agent_alone_is_asked() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    (signal,) = play.told("invitation_received")
    assert signal.to == ("ben",)
    assert signal.data["invitation"]["id"] == id
    assert signal.data["from"] == {"id": "ana", "name": "Ana"}
    entry = play.entry("invited")
    assert entry.visibility is Visibility.reps
    assert entry.details["recipient"] == {"type": "agent", "id": "ben", "name": "Ben"}
    assert play.notices() == ["Ana has joined the conversation."], "the customer isn't told of requests"


def test_C2_a_queue_asks_every_eligible_rep_of_it() -> None:
    world = World()
    world.queues["support"] = world.queues["support"].model_copy(update={"reps": ("ana", "ben", "cleo", "dora", "sam", "gone")})
    world.go(Presence.busy, "cleo")
    world.other_load = {"dora": 5}
    play = active(world)
    play.invite("ana", queue("support"))
    assert play.told("invitation_received")[0].to == ("ben", "sam")


def test_C2_first_acceptance_wins_and_the_others_are_told() -> None:
    play = active()
    id = play.invite("ana", queue("billing"))
    play.accept("dora", id)
    assert play.reps == ["ana", "dora"]
    assert [(s.to, s.data["reason"]) for s in play.told("invitation_closed")] == [
        (("cleo",), "taken"),
        (("dora",), "accepted"),
    ]
    play.refused(answer("cleo", id), "invitation_already_taken")
    play.refused(decline("cleo", id), "invitation_already_taken")
    assert play.kinds().count("participant_joined") == 2


def test_C2_of_simultaneous_acceptances_exactly_one_wins() -> None:
    """As a broker does: all decide on the same version, one is committed, the rest decide once more on what it left."""
    world = World()
    logins = [f"rep{n}" for n in range(200)]
    for login in logins:
        world.people[login] = rep(login)
        world.presence[login] = world.presence["ana"]
    world.queues["crowd"] = world.queues["support"].model_copy(update={"id": "crowd", "reps": tuple(logins)})
    play = active(world)
    id = play.invite("ana", queue("crowd"))
    at_once = [decide(play.session, answer(login, id), play.facts()) for login in logins]
    assert all(isinstance(outcome, Decision) for outcome in at_once)
    play.accept(logins[77], id)
    others = [play.do(answer(login, id)) for login in logins if login != logins[77]]
    assert {o.code for o in others if isinstance(o, Refusal)} == {"invitation_already_taken"}
    assert all(isinstance(o, Refusal) for o in others)
    assert play.reps == ["ana", logins[77]]
    assert play.notices()[1:] == [f"{logins[77].title()} has joined the conversation."]


def test_C2_one_who_was_not_asked_cannot_answer() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    for command in (answer("cleo", id), decline("cleo", id), answer("ana", id), answer("ben", "nonsense")):
        play.refused(command, "invitation_not_found")
    play.accept("ben", id)
    play.refused(answer("cleo", id), "invitation_not_found")
    play.refused(answer("ben", id), "already_participant")


def test_C2_a_queue_without_anyone_says_why() -> None:
    play = active()
    play.world.other_load = {"cleo": 5, "dora": 9}
    play.refused(ask("ana", queue("billing")), "recipient_at_capacity")
    play.world.go(Presence.offline, "cleo", "dora")
    play.refused(ask("ana", queue("billing")), "recipient_not_available")


def test_C2_unknown_recipients() -> None:
    play = active()
    for recipient in (agent("nobody"), queue("nowhere"), flow("nothing")):
        play.refused(ask("ana", recipient), "recipient_not_found")


def test_C2_recipients_of_another_org_are_unknown() -> None:
    world = World()
    world.people["eve"] = rep("eve", org="other")
    world.presence["eve"] = world.presence["ana"]
    world.queues["theirs"] = world.queues["support"].model_copy(update={"id": "theirs", "org": "other"})
    world.flows["theirs"] = world.flows["escalate"].model_copy(update={"id": "theirs", "org": "other"})
    play = active(world)
    for recipient in (agent("eve"), queue("theirs"), flow("theirs")):
        play.refused(ask("ana", recipient), "recipient_not_found")


def test_C2_what_is_remembered_of_closed_requests_is_bounded() -> None:
    def one(asked: int) -> ClosedInvitation:
        logins = tuple(Login(f"rep{n}") for n in range(asked))
        return ClosedInvitation(status=InvitationStatus.expired, inviter=Login("ana"), asked=logins)

    many = {InvitationId(f"inv{n}"): one(3) for n in range(40)}
    assert list(newest(many)) == [f"inv{n}" for n in range(20, 40)]
    crowds = {InvitationId(f"inv{n}"): one(ASKED_KEPT - 1) for n in range(3)}
    assert list(newest(crowds)) == ["inv2"]


# ---------------------------------------------------------------------------------------------------- C3


def test_C3_a_flow_yields_whom_to_ask() -> None:
    play = active()
    id = play.invite("ana", flow("escalate"))
    assert play.told("invitation_received")[0].to == ("dora",)
    invitation = play.session.invitation(id)
    assert invitation is not None
    assert (invitation.recipient, invitation.resolved) == (flow("escalate"), agent("dora"))
    play.accept("dora", id)
    assert play.reps == ["ana", "dora"]


def test_C3_a_flow_that_yields_a_queue_asks_it() -> None:
    play = active()
    play.customer("I want a refund")
    id = play.invite("ana", flow("escalate"))
    assert play.told("invitation_received")[0].to == ("cleo", "dora")
    play.refused(ask("ana", queue("billing")), "invitation_pending")
    play.ok(decline("cleo", id))
    assert play.told("invitation_declined") == [], "a queue's request lasts until all have declined, by way of a flow too"


def test_C3_a_flow_that_yields_nothing() -> None:
    play = active()
    play.refused(ask("ana", flow("nowhere")), "flow_yielded_no_recipient")
    play.world.flows["gone"] = FlowDefinition(id="gone", org="acme", name="Gone", rules=(FlowRule(to=agent("gone")),))
    play.refused(ask("ana", flow("gone")), "flow_yielded_no_recipient")


# ---------------------------------------------------------------------------------------------------- C5


def test_C5_bots_are_refused_by_default() -> None:
    play = active()
    play.refused(ask("ana", agent("robo")), "recipient_type_not_allowed")
    play.world.flows["bot"] = FlowDefinition(id="bot", org="acme", name="Bot", rules=(FlowRule(to=agent("robo")),))
    play.refused(ask("ana", flow("bot")), "recipient_type_not_allowed")


def test_C5_bots_are_let_in_with_a_warning() -> None:
    play = active()
    play.world.set(bots_in_conference="warn")
    decision = play.ok(ask("ana", agent("robo")))
    assert decision.warning
    assert decision.invitation is not None
    assert play.entry("invited").details["warning"] == decision.warning
    joined = play.accept("robo", decision.invitation.id)
    assert joined.warning == decision.warning
    assert play.entry("participant_joined").details["warning"] == decision.warning
    assert play.session.reps[1].role is Role.bot


def test_C5_a_queue_leaves_its_bots_out() -> None:
    world = World()
    world.queues["mixed"] = world.queues["support"].model_copy(update={"id": "mixed", "reps": ("robo", "dora")})
    play = active(world)
    play.invite("ana", queue("mixed"))
    assert play.told("invitation_received")[0].to == ("dora",)


def test_C5_a_bot_may_serve_alone_and_hand_over_but_not_confer() -> None:
    play = active()
    play.accept("robo", play.invite("ana", agent("robo"), purpose="transfer"))
    assert play.reps == ["robo"]
    play.refused(ask("robo", agent("ana")), "recipient_type_not_allowed")
    play.accept("ana", play.invite("robo", agent("ana"), purpose="transfer"))
    assert play.reps == ["ana"]


def test_C5_a_transfer_to_a_bot_would_leave_it_with_others() -> None:
    play = conference("ana", "ben")
    play.refused(ask("ana", agent("robo"), "transfer"), "recipient_type_not_allowed")


def test_C5_holds_on_acceptance_too() -> None:
    """Asked while ana was alone, the bot would come to find another rep there."""
    play = active()
    ben, robo = play.invite("ana", agent("ben")), play.invite("ana", agent("robo"), purpose="transfer")
    play.accept("ben", ben)
    play.refused(answer("robo", robo), "recipient_type_not_allowed")
    play.world.set(bots_in_conference="warn")
    assert play.accept("robo", robo).warning


# ---------------------------------------------------------------------------------------------------- C6


def test_C6_only_a_rep_in_the_session_invites() -> None:
    play = active()
    play.refused(ask("ben", agent("cleo")), "not_a_participant")
    play.refused(ask("sam", agent("cleo")), "not_a_participant")


def test_C6_who_is_in_is_not_asked() -> None:
    play = conference("ana", "ben")
    play.refused(ask("ana", agent("ben")), "already_participant")
    play.refused(ask("ana", agent("ana")), "already_participant")


def test_C6_one_open_request_for_a_rep() -> None:
    play = active()
    play.invite("ana", agent("ben"))
    play.refused(ask("ana", agent("ben")), "invitation_pending")
    play.refused(ask("ana", agent("ben"), "transfer"), "invitation_pending")
    id = play.invite("ana", queue("support"))
    assert play.told("invitation_received")[0].to == ("cleo",), "ben has his own request"
    play.refused(ask("ana", agent("cleo")), "invitation_pending")
    play.refused(ask("ana", queue("support")), "invitation_pending")
    play.ok(decline("cleo", id))
    play.invite("ana", agent("cleo"))


@pytest.mark.parametrize("by_name", [True, False], ids=["by_name", "by_another_queue"])
def test_C6_a_queue_of_which_all_are_asked_already_says_so(by_name: bool) -> None:
    play = active()
    play.world.go(Presence.away, "dora")
    play.world.queues["back"] = play.world.queues["billing"].model_copy(update={"id": "back", "name": "Back office"})
    play.invite("ana", agent("cleo") if by_name else queue("back"))
    refusal = play.refused(ask("ana", queue("billing")), "invitation_pending")
    assert "Cleo has an open request" in refusal.sentence


def test_C6_not_in_a_session_that_is_not_active() -> None:
    play = Play()
    play.customer()
    play.refused(ask("ana", agent("ben")), "session_not_active")
    play.take("ana")
    play.wait(play.world.settings.idle_seconds)
    play.refused(ask("ana", agent("ben")), "session_not_active")
    play.ok(c.End(by=Login("ana")))
    play.refused(ask("ana", agent("ben")), "session_not_active")


def test_C6_no_capacity_left() -> None:
    play = active()
    play.world.other_load = {"ben": 5}
    play.refused(ask("ana", agent("ben")), "recipient_at_capacity")


# ---------------------------------------------------------------------------------------------------- C7


def test_C7_the_rep_joins_is_announced_and_can_write_at_once() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    since = play.session.entry_count
    decision = play.accept("ben", id)
    assert decision.invitation is not None
    assert decision.invitation.status is InvitationStatus.accepted
    assert play.kinds(since) == ["participant_joined", "notice"]
    joined = play.entry("participant_joined")
    assert joined.visibility is Visibility.reps
    assert joined.details == {
        "participant": {"role": "rep", "id": "ben", "name": "Ben"},
        "reason": "invited",
        "invitation_id": id,
    }
    assert play.notices()[-1] == "Ben has joined the conversation."
    play.say("ben", "I'm here to help")
    assert play.said() == ["I'm here to help"]


# ---------------------------------------------------------------------------------------------------- C8


def test_C8_declined_the_inviter_alone_is_told() -> None:
    play = conference("ana", "cleo")
    id = play.invite("ana", agent("ben"))
    before, outgoing = play.session.entry_count, len(play.outgoing)
    decision = play.ok(decline("ben", id))
    assert [(s.to, s.data["by"], s.data["all"]) for s in play.told("invitation_declined")] == [
        (("ana",), {"id": "ben", "name": "Ben"}, True)
    ]
    assert [(s.to, s.data["reason"]) for s in play.told("invitation_closed")] == [(("ben",), "declined")]
    assert play.session.entry_count == before, "it stands above the log, not in it"
    assert len(play.outgoing) == outgoing, "the customer sees nothing"
    assert play.session.invitations == ()
    assert decision.invitation is not None
    assert decision.invitation.status is InvitationStatus.declined
    assert ("invitation", id) not in play.timers


def test_C8_a_queues_request_lasts_until_all_have_declined() -> None:
    play = active()
    id = play.invite("ana", queue("billing"))
    decision = play.ok(decline("cleo", id))
    assert decision.invitation is not None
    assert decision.invitation.status is InvitationStatus.open
    assert play.told("invitation_declined") == []
    play.refused(answer("cleo", id), "invitation_closed")
    play.refused(decline("cleo", id), "invitation_closed")
    play.ok(decline("dora", id))
    assert [(s.to, s.data["all"]) for s in play.told("invitation_declined")] == [(("ana",), True)]
    assert play.session.invitations == ()


def test_C8_after_one_has_declined_another_may_accept() -> None:
    play = active()
    id = play.invite("ana", queue("billing"))
    play.ok(decline("cleo", id))
    play.accept("dora", id)
    assert [(s.to, s.data["reason"]) for s in play.told("invitation_closed")] == [(("dora",), "accepted")]
    play.refused(answer("cleo", id), "invitation_already_taken")


# ---------------------------------------------------------------------------------------------------- C9


def test_C9_unanswered_it_expires_and_the_inviter_is_told() -> None:
    play = active()
    id = play.invite("ana", queue("billing"))
    play.ok(decline("cleo", id))
    play.wait(59)
    assert play.session.invitation(id) is not None
    play.wait(1)
    assert play.session.invitations == ()
    entry = play.entry("invitation_expired")
    assert (entry.visibility, entry.details["invitation_id"]) == (Visibility.reps, id)
    assert [s.to for s in play.told("invitation_expired")] == [("ana",)]
    assert [(s.to, s.data["reason"]) for s in play.told("invitation_closed")] == [(("dora",), "expired")]
    play.refused(answer("dora", id), "invitation_closed")
    play.refused(withdraw("ana", id), "invitation_closed")


def test_C9_its_time_is_over_even_if_the_timer_is_late() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    invitation = play.session.invitation(id)
    assert invitation is not None
    play.now = invitation.expires_at
    play.refused(answer("ben", id), "invitation_closed")


def test_C9_a_timer_that_is_early_or_late_does_no_harm() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    play.ok(c.TimerFired(kind="invitation", ref=id))
    assert play.session.invitation(id) is not None
    play.accept("ben", id)
    before = play.session
    play.now += play.timers["idle", ""] - play.now
    assert play.ok(c.TimerFired(kind="invitation", ref=id)).session is before


def test_C9_the_inviter_takes_it_back() -> None:
    play = conference("ana", "cleo")
    id = play.invite("ana", agent("ben"))
    play.refused(withdraw("cleo", id), "permission_denied")
    play.refused(withdraw("ben", id), "permission_denied")
    play.refused(withdraw("dora", id), "invitation_not_found")
    decision = play.ok(withdraw("ana", id))
    assert decision.invitation is not None
    assert decision.invitation.status is InvitationStatus.withdrawn
    entry = play.entry("invitation_withdrawn")
    assert (entry.visibility, entry.details["reason"]) == (Visibility.reps, "withdrawn")
    assert [(s.to, s.data["reason"]) for s in play.told("invitation_closed")] == [(("ben",), "withdrawn")]
    play.refused(answer("ben", id), "invitation_closed")
    play.refused(withdraw("ana", id), "invitation_closed")


def test_C9_the_requests_of_a_rep_who_leaves_are_withdrawn() -> None:
    play = conference("ana", "ben")
    mine, theirs = play.invite("ana", agent("cleo")), play.invite("ben", agent("dora"))
    play.ok(c.Leave(by=Login("ana")))
    assert [i.id for i in play.session.invitations] == [theirs]
    play.refused(answer("cleo", mine), "invitation_closed")


# --------------------------------------------------------------------------------------------------- C10


def readable(play: Play, login: str) -> list[Entry]:
    """What this rep may read."""
    sight = e1_sight(play.session, login, login == "sam", ())
    return [e for e in play.entries if c10_reads(e, sight, play.session, login, login == "sam", play.world.settings)]


def test_C10_a_joiner_reads_all_that_was_said_before() -> None:
    play = active()
    for n in range(25):
        play.customer(f"line {n}")
    play.ok(c.RaiseFlag(by=Login("ana"), text="help"))
    play.join("ben")
    flag = play.entry("flag_raised")
    assert readable(play, "ben") == [e for e in play.entries if e is not flag]


@pytest.mark.parametrize("recipient", [agent("ben"), queue("support")], ids=["agent", "queue"])
def test_C10_who_is_asked_in_reads_the_card_and_no_transcript(recipient: Recipient) -> None:
    play = active()
    play.customer("first")
    play.ok(c.Invite(by=Login("ana"), recipient=agent("cleo"), note="for Cleo"))
    play.customer("latest")
    play.ok(c.Invite(by=Login("ana"), recipient=recipient, note="for Ben"))
    assert [e.text for e in readable(play, "ben")] == ["latest"]
    sight = e1_sight(play.session, "ben", False, ())
    (line,) = (c10_shown(e, sight) for e in readable(play, "ben"))
    assert (line.sender.id, line.sender.name) == ("", "Kim") if line.sender else False
    seen = as_seen_by(play.session, sight, "ben", False, play.world.settings)
    assert [(i.note, i.asked) for i in seen.invitations] == [("for Ben", ("ben",))]
    assert [p.role for p in seen.participants] == [Role.end_user]
    assert (seen.end_user.name, seen.end_user.id, seen.channel_id) == ("Kim", "", play.session.channel_id)
    assert "+4940123" not in repr(seen), "the address"
    assert "cleo" not in repr(seen)
    play.say("ana", "the answer")
    assert [e.text for e in readable(play, "ben")] == ["the answer"], "the latest of either side"


def test_C10_who_has_left_reads_what_was_said_until_then() -> None:
    play = conference("ana", "ben")
    play.ok(c.Leave(by=Login("ben")))
    until = len(play.entries)
    play.customer("not for Ben")
    assert readable(play, "ben") == play.entries[:until]
    play.join("ben")
    assert readable(play, "ben") == play.entries, "back in"


def test_C10_who_handed_it_over_reads_the_handing_over() -> None:
    play = active()
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    until = len(play.entries)
    play.customer("not for Ana")
    assert readable(play, "ana") == play.entries[:until]
    assert readable(play, "ana")[-2].kind is EntryKind.transferred
