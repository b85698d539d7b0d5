"""P1 to P6, T6, R7, R8: who may be here, and whether they still are."""

from __future__ import annotations

from typing import Literal

import pytest

from gateway.session import commands as c
from gateway.session.admission import p6_limit
from gateway.session.decision import Refusal
from gateway.session.destinations import t3_destinations
from gateway.session.model import Login, Presence, Purpose, Recipient, RecipientType
from tests.session.world import OTHERS, Play, World, active, agent, conference, flow, queue


@pytest.mark.parametrize("recipient", [agent("ben"), queue("billing"), flow("escalate"), OTHERS], ids=lambda r: r.type.value)
def test_P1_the_standard_edition_refuses_every_conference_request(recipient: Recipient) -> None:
    play = active()
    play.world.set_channel(edition="standard")
    play.refused(c.Invite(by=Login("ana"), recipient=recipient), "conferencing_not_supported")


@pytest.mark.parametrize("recipient", [agent("ben"), queue("billing"), flow("escalate")], ids=lambda r: r.type.value)
@pytest.mark.parametrize("edition", ["enhanced", "standard"])
@pytest.mark.parametrize("limit", [1, 6])
def test_T6_the_only_rep_hands_over_on_every_edition_and_needs_no_seat(recipient: Recipient, edition: str, limit: int) -> None:
    play = active()
    play.world.set_channel(edition=edition, max_conference_participants=limit)
    id = play.invite("ana", recipient, purpose="transfer")
    taker = play.session.invitations[0].waits_for[0]
    play.accept(taker, id)
    assert play.reps == [taker]
    assert not play.session.conferenced, "a swap is no conference"


def test_T6_in_a_conference_a_transfer_is_a_request_as_any_other() -> None:
    play = conference("ana", "ben")
    play.world.set(conference_limit=2)
    play.refused(c.Invite(by=Login("ana"), recipient=agent("cleo"), purpose="transfer"), "participant_limit_reached")
    play.world.set_channel(edition="standard")
    play.refused(c.Invite(by=Login("ana"), recipient=agent("cleo"), purpose="transfer"), "conferencing_not_supported")


def test_P6_the_only_reps_transfer_takes_no_seat_from_others() -> None:
    play = active()
    play.world.set(conference_limit=2)
    transfer = play.invite("ana", agent("cleo"), purpose="transfer")
    play.join("ben")
    play.accept("cleo", transfer)
    assert play.reps == ["ben", "cleo"]


def test_P6_where_one_rep_is_the_limit_the_refusal_says_what_works() -> None:
    play = active()
    play.world.set_channel(max_conference_participants=1)
    refusal = play.refused(c.Invite(by=Login("ana"), recipient=agent("ben")), "participant_limit_reached")
    assert "transfer it" in refusal.sentence


# -------------------------------------------------------------------------------------------------------- R


@pytest.mark.parametrize("away", [Presence.away, Presence.offline, Presence.online_voice, Presence.busy])
def test_R7_an_offer_goes_to_the_next_at_once_when_the_rep_goes_away(away: Presence) -> None:
    play = Play()
    play.customer()
    offer = play.session.offer
    assert offer is not None
    play.world.go(away, offer.rep)
    play.ok(c.RepUnavailable(by=offer.rep))
    assert play.told("work_withdrawn")[0].data == {"reason": "unavailable"}
    assert play.session.offer is not None
    assert play.session.offer.rep != offer.rep


def test_R7_nobody_else_is_there_the_session_waits_and_is_offered_again_on_return() -> None:
    play = Play()
    play.world.go(Presence.away, "ben", "cleo")
    play.customer()
    play.world.go(Presence.offline, "ana")
    play.ok(c.RepUnavailable(by=Login("ana")))
    assert play.session.offer is None
    play.world.go(Presence.online, "ana")
    play.ok(c.Route(became_free=Login("ana")))
    assert play.session.offer is not None


def test_R7_an_agents_request_is_withdrawn_and_the_inviter_is_told_who_went() -> None:
    play = active()
    id = play.invite("ana", agent("ben"))
    play.world.go(Presence.away, "ben")
    play.ok(c.RepUnavailable(by=Login("ben")))
    assert not play.session.invitations
    assert play.entry("invitation_withdrawn").details["reason"] == "unavailable"
    (to_inviter,) = play.told("invitation_unavailable")
    assert (to_inviter.to, to_inviter.data) == (("ana",), {"invitation_id": id, "by": {"id": "ben", "name": "Ben"}})
    (to_ben,) = play.told("invitation_closed")
    assert (to_ben.to, to_ben.data["reason"]) == (("ben",), "unavailable")
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=id), "invitation_closed")
    play.world.go(Presence.online, "ben")
    play.invite("ana", agent("ben"))


def test_R7_a_queues_request_goes_on_with_the_others() -> None:
    play = active()
    id = play.invite("ana", queue("support"))
    assert play.session.invitations[0].waits_for == ("ben", "cleo")
    play.world.go(Presence.away, "ben")
    play.ok(c.RepUnavailable(by=Login("ben")))
    assert list(play.session.invitations[0].waits_for) == ["cleo"]
    assert not play.told("invitation_unavailable"), "there is somebody to wait for"
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=id), "invitation_closed")
    play.world.go(Presence.away, "cleo")
    play.ok(c.RepUnavailable(by=Login("cleo")))
    assert not play.session.invitations
    assert play.told("invitation_unavailable")


def test_R7_of_a_request_that_one_declined_and_the_other_cannot_answer_the_inviter_hears() -> None:
    play = active()
    id = play.invite("ana", queue("support"))
    play.world.go(Presence.away, "ben")
    play.ok(c.RepUnavailable(by=Login("ben")))
    play.ok(c.DeclineInvitation(by=Login("cleo"), invitation_id=id))
    assert play.told("invitation_declined")
    assert not play.session.invitations


def test_R7_who_is_in_the_session_stays() -> None:
    play = conference("ana", "ben")
    before = play.session
    play.world.go(Presence.away, "ben")
    play.ok(c.RepUnavailable(by=Login("ben")))
    assert play.session is before


@pytest.mark.parametrize("purpose", ["invite", "transfer"])
def test_R8_capacity_is_judged_again_on_acceptance(purpose: Literal["invite", "transfer"]) -> None:
    play = active()
    id = play.invite("ana", agent("ben"), purpose=purpose)
    play.world.other_load["ben"] = play.world.people["ben"].capacity
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=id), "recipient_at_capacity")
    play.world.other_load["ben"] -= 1
    play.accept("ben", id)


def test_R8_offered_work_is_judged_again_and_its_own_share_is_not_counted_twice() -> None:
    play = Play()
    play.world.set_rep("ana", capacity=1)
    play.customer()
    assert play.session.offer is not None
    assert play.session.offer.rep == "ana"
    play.world.other_load["ana"] = 1  # accepted an invitation elsewhere meanwhile
    play.refused(c.AcceptWork(by=Login("ana")), "recipient_at_capacity")
    play.world.other_load["ana"] = 0
    play.ok(c.AcceptWork(by=Login("ana")))


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
