"""P1 to P6: who may be here."""

from __future__ import annotations

import pytest

from gateway.session import commands as c
from gateway.session.decision import Refusal
from gateway.session.destinations import t3_destinations
from gateway.session.model import Login, Presence, Purpose, RecipientType
from gateway.session.people import p6_limit
from tests.session.world import OTHERS, Play, World, active, agent, conference, flow, queue


@pytest.mark.parametrize("recipient", [agent("ben"), queue("billing"), flow("escalate"), OTHERS], ids=lambda r: r.type.value)
@pytest.mark.parametrize("purpose", ["invite", "transfer"])
def test_P1_the_standard_edition_refuses_every_conference_request(recipient, purpose) -> None:  # type: ignore[no-untyped-def]
    play = active()
    play.world.set_channel(edition="standard")
    play.refused(c.Invite(by=Login("ana"), recipient=recipient, purpose=purpose), "conferencing_not_supported")


def test_P1_the_standard_edition_relays_messages() -> None:
    world = World()
    world.set_channel(edition="standard")
    play = active(world)
    play.say("ana", "hi")
    play.customer("thanks")
    assert play.said() == ["hi"]
    assert play.kinds()[-2:] == ["message", "message"]


def test_P1_the_standard_edition_lists_no_destinations() -> None:
    play = active()
    play.world.set_channel(edition="standard")
    refusal = t3_destinations(play.session, play.facts(), Login("ana"), purpose=Purpose.invite, type=RecipientType.agent)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "conferencing_not_supported"


RIGHTS = [
    (True, {"enhanced_chat_user"}, {"enhanced_chat_rep"}, []),
    (True, {"messaging_user"}, {"messaging_agent"}, ["enhanced_chat_user", "enhanced_chat_rep"]),
    (True, {"enhanced_chat_user"}, set(), ["enhanced_chat_rep"]),
    (True, set(), {"enhanced_chat_rep"}, ["enhanced_chat_user"]),
    (False, {"messaging_user"}, {"messaging_agent"}, []),
    (False, {"enhanced_chat_user"}, {"enhanced_chat_rep"}, ["messaging_user", "messaging_agent"]),
    (False, {"messaging_user"}, set(), ["messaging_agent"]),
    (False, set(), {"messaging_agent"}, ["messaging_user"]),
]


@pytest.mark.parametrize(("chat", "licences", "permissions", "missing"), RIGHTS)
def test_P2_a_rep_needs_licence_and_permission_of_the_channel(
    chat: bool, licences: set[str], permissions: set[str], missing: list[str]
) -> None:
    play = active()
    play.world.set_channel(chat=chat)
    play.world.set_rep("ben", licences=frozenset(licences), permissions=frozenset(permissions))
    command = c.Invite(by=Login("ana"), recipient=agent("ben"))
    if not missing:
        play.ok(command)
        return
    refusal = play.refused(command, "permission_denied")
    assert refusal.details["missing"] == missing
    assert all(word in refusal.sentence for word in missing)


def test_P2_is_checked_again_on_accepting_an_invitation() -> None:
    play = active()
    invitation = play.invite("ana", agent("ben"))
    play.world.set_rep("ben", permissions=frozenset())
    refusal = play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=invitation), "permission_denied")
    assert refusal.details["missing"] == ["messaging_agent"]


def test_P2_is_checked_when_work_is_offered_and_when_it_is_accepted() -> None:
    world = World()
    world.set_rep("ana", licences=frozenset())
    play = Play(world)
    play.customer()
    assert play.session.offer is not None
    assert play.session.offer.rep == "ben"
    world.set_rep("ben", licences=frozenset())
    play.refused(c.AcceptWork(by=Login("ben")), "permission_denied")


def test_P2_ending_ones_own_needs_the_rights_too() -> None:
    play = active()
    play.world.set_rep("ana", permissions=frozenset())
    play.refused(c.End(by=Login("ana")), "permission_denied")


def test_P2_a_queue_asks_only_those_with_the_rights() -> None:
    play = active()
    play.world.set_rep("cleo", licences=frozenset())
    invitation = play.invite("ana", queue("billing"))
    assert [i.asked for i in play.session.invitations if i.id == invitation] == [("dora",)]


@pytest.mark.parametrize("purpose", ["invite", "transfer"])
def test_P3_naming_a_flow_needs_run_flows(purpose) -> None:  # type: ignore[no-untyped-def]
    play = active()
    play.world.set_rep("ana", permissions=frozenset({"messaging_agent"}))
    refusal = play.refused(c.Invite(by=Login("ana"), recipient=flow("escalate"), purpose=purpose), "permission_denied")
    assert refusal.details["missing"] == ["run_flows"]
    assert "run_flows" in refusal.sentence


def test_P3_is_not_needed_for_agents_and_queues() -> None:
    play = active()
    play.world.set_rep("ana", permissions=frozenset({"messaging_agent"}))
    play.invite("ana", agent("ben"))
    play.invite("ana", queue("billing"))


def test_P4_inviting_a_rep_needs_direct_routing() -> None:
    play = active()
    play.world.set(skills_and_direct_to_agent_routing=False)
    play.refused(c.Invite(by=Login("ana"), recipient=agent("ben")), "direct_routing_disabled")
    play.refused(c.Invite(by=Login("ana"), recipient=flow("escalate")), "direct_routing_disabled")  # it yields a rep
    play.invite("ana", queue("billing"))


@pytest.mark.parametrize("status", [s for s in Presence if s is not Presence.online])
def test_P5_only_reps_online_for_messaging_can_be_asked(status: Presence) -> None:
    play = active()
    play.world.go(status, "ben", "cleo", "dora")
    play.refused(c.Invite(by=Login("ana"), recipient=agent("ben")), "recipient_not_available")
    play.refused(c.Invite(by=Login("ana"), recipient=queue("billing")), "recipient_not_available")


def test_P5_one_of_whom_nothing_is_known_is_offline() -> None:
    play = active()
    del play.world.presence["ben"]
    play.refused(c.Invite(by=Login("ana"), recipient=agent("ben")), "recipient_not_available")


def test_P6_open_invitations_count_against_the_limit() -> None:
    play = active()
    play.world.set(conference_limit=3)
    play.invite("ana", agent("ben"))
    second = play.invite("ana", agent("cleo"))
    refusal = play.refused(c.Invite(by=Login("ana"), recipient=agent("dora")), "participant_limit_reached")
    assert refusal.details["limit"] == 3
    play.ok(c.DeclineInvitation(by=Login("cleo"), invitation_id=second))
    play.invite("ana", agent("dora"))


def test_P6_the_limit_is_six_by_default_and_counts_reps_not_the_customer() -> None:
    world = World()
    for login in ("eve", "finn", "gil"):
        world.people[login] = world.people["ben"].model_copy(update={"login": login, "name": login.title()})
        world.presence[login] = world.presence["ben"]
    play = conference("ana", "ben", "cleo", "dora", "eve", "finn", world=world)
    assert len(play.session.participants) == 7
    play.refused(c.Invite(by=Login("ana"), recipient=agent("gil")), "participant_limit_reached")


@pytest.mark.parametrize(("org", "channel", "limit"), [(6, None, 6), (6, 3, 3), (6, 9, 6), (2, 3, 2), (1, None, 1), (6, 0, 1)])
def test_P6_a_channel_lowers_the_limit_and_never_raises_it(org: int, channel: int | None, limit: int) -> None:
    world = World()
    world.set(conference_limit=org)
    world.set_channel(max_conference_participants=channel)
    assert p6_limit(world.settings, world.channel) == limit


def test_P6_a_limit_lowered_meanwhile_holds_on_acceptance() -> None:
    play = active()
    invitation = play.invite("ana", agent("ben"))
    play.world.set(conference_limit=1)
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=invitation), "participant_limit_reached")


def test_P6_a_transfer_swaps_one_for_one_in_a_session_filled_meanwhile() -> None:
    play = active()
    transfer = play.invite("ana", agent("ben"), purpose="transfer")
    play.world.set(conference_limit=1)
    play.accept("ben", transfer)
    assert play.reps == ["ben"]
