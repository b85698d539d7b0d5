"""T1 to T3: transferring, and the list of destinations."""

from __future__ import annotations

from typing import Literal

import pytest

from gateway.session import commands as c
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination, t3_destinations
from gateway.session.model import Login, Page, Presence, Purpose, RecipientType, Role, Status
from tests.session.world import OTHERS, Play, World, active, agent, conference, flow, queue, rep

Type = Literal["agent", "queue", "flow", "others"]


def listed(play: Play, type: Type = "agent", by: str = "ana", purpose: str = "invite", **more: object) -> Page[Destination]:
    page = t3_destinations(
        play.session,
        play.facts(),
        Login(by),
        purpose=Purpose(purpose),
        type=RecipientType(type),
        **more,  # type: ignore[arg-type]
    )
    assert isinstance(page, Page), page
    return page


def ids(page: Page[Destination]) -> list[str]:
    return [one.id for one in page.items]


# ---------------------------------------------------------------------------------------------------- T1


def test_T1_the_taker_joins_and_the_giver_leaves_in_one_step() -> None:
    play = active()
    id = play.invite("ana", agent("ben"), purpose="transfer")
    assert play.reps == ["ana"], "nobody is taken out before the other has said yes"
    since = play.session.entry_count
    play.accept("ben", id)
    assert play.reps == ["ben"]
    assert play.session.status is Status.active
    assert play.kinds(since) == ["participant_left", "participant_joined", "transferred", "notice"]
    transferred = play.entry("transferred")
    assert transferred.details == {
        "invitation_id": id,
        "recipient": {"type": "agent", "id": "ben", "name": "Ben"},
        "from": {"role": "rep", "id": "ana", "name": "Ana"},
        "to": {"role": "rep", "id": "ben", "name": "Ben"},
    }
    play.say("ben", "I take over")
    play.refused(c.SayToCustomer(by=Login("ana"), text="bye"), "not_a_participant")


def test_T1_one_combined_notice_and_no_other() -> None:
    play = active()
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    play.wait(60)
    assert play.notices() == ["Ana has joined the conversation.", "Ana has handed the conversation over to Ben."]


def test_T1_the_others_of_a_conference_stay() -> None:
    play = conference("ana", "ben", "cleo")
    play.accept("dora", play.invite("ben", queue("billing"), purpose="transfer"))
    assert play.reps == ["ana", "cleo", "dora"]


def test_T1_declined_expired_or_withdrawn_nothing_moves() -> None:
    play = active()
    play.ok(c.DeclineInvitation(by=Login("ben"), invitation_id=play.invite("ana", agent("ben"), purpose="transfer")))
    play.ok(c.WithdrawInvitation(by=Login("ana"), invitation_id=play.invite("ana", agent("ben"), purpose="transfer")))
    play.invite("ana", agent("ben"), purpose="transfer")
    play.wait(60)
    assert play.reps == ["ana"]
    assert play.notices() == ["Ana has joined the conversation."]


def test_T1_of_two_transfers_by_one_rep_the_first_accepted_withdraws_the_other() -> None:
    play = active()
    first, second = play.invite("ana", agent("ben"), purpose="transfer"), play.invite("ana", agent("cleo"), purpose="transfer")
    play.accept("cleo", second)
    assert play.reps == ["cleo"]
    assert play.session.invitations == ()
    play.refused(c.AcceptInvitation(by=Login("ben"), invitation_id=first), "invitation_closed")


def test_T1_to_a_queue_or_by_a_flow_it_becomes_that_queues_session() -> None:
    play = active()
    play.accept("dora", play.invite("ana", queue("billing"), purpose="transfer"))
    assert play.session.queue == "billing"
    play.ok(c.RepDisconnected(by=Login("dora")))
    play.wait(120)
    assert play.session.offer is not None
    assert play.session.offer.rep == "cleo"

    by_flow = active()
    by_flow.accept("dora", by_flow.invite("ana", flow("escalate"), purpose="transfer"))
    assert by_flow.reps == ["dora"]
    assert by_flow.session.queue == "support"


def test_T1_an_invitation_to_a_queue_does_not_move_the_session() -> None:
    play = active()
    play.accept("dora", play.invite("ana", queue("billing")))
    assert play.session.queue == "support"


def test_T1_is_refused_as_an_invitation_would_be() -> None:
    play = active()
    for command, code in (
        (c.Invite(by=Login("ben"), recipient=agent("cleo"), purpose="transfer"), "not_a_participant"),
        (c.Invite(by=Login("ana"), recipient=agent("ana"), purpose="transfer"), "already_participant"),
        (c.Invite(by=Login("ana"), recipient=agent("gone"), purpose="transfer"), "recipient_not_found"),
        (c.Invite(by=Login("ana"), recipient=flow("nowhere"), purpose="transfer"), "flow_yielded_no_recipient"),
    ):
        play.refused(command, code)


def test_T1_the_givers_flag_is_lowered() -> None:
    play = active()
    play.ok(c.RaiseFlag(by=Login("ana"), text="help"))
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    assert not play.session.flags


def test_T1_a_swap_of_two_is_no_conference() -> None:
    play = active()
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    assert not play.session.conferenced
    play.join("cleo", inviter="ben")
    assert play.session.conferenced


# ---------------------------------------------------------------------------------------------------- T2


@pytest.mark.parametrize("name", ["invite", "transfer"])
def test_T2_others_are_in_no_list_and_in_no_request(name: Literal["invite", "transfer"]) -> None:
    play = conference("ana", "ben")
    refusal = t3_destinations(play.session, play.facts(), Login("ana"), purpose=Purpose(name), type=RecipientType.others)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "recipient_type_not_allowed"
    play.refused(c.Invite(by=Login("ana"), recipient=OTHERS, purpose=name), "recipient_type_not_allowed")
    types: tuple[Type, ...] = ("agent", "queue", "flow")
    for type in types:
        assert all(one.type is not RecipientType.others for one in listed(play, type, purpose=name).items)


# ---------------------------------------------------------------------------------------------------- T3


def test_T3_agents_with_their_capacity_in_use() -> None:
    play = active()
    play.world.other_load = {"ben": 2, "cleo": 5}
    found = {one.id: one for one in listed(play).items}
    assert list(found) == ["ben", "cleo", "dora", "sam"]
    assert (found["ben"].load, found["ben"].capacity, found["ben"].name) == (2, 5, "Ben")
    assert (found["cleo"].load, found["cleo"].capacity) == (5, 5), "shown though full: one sees why not"


def test_T3_never_who_asks_who_is_in_or_cannot_be_asked() -> None:
    world = World()
    world.people["eve"] = rep("eve", org="other")
    world.presence["eve"] = world.presence["ana"]
    world.go(Presence.online_voice, "dora")
    world.set_rep("sam", licences=frozenset())
    play = conference("ana", "ben", world=world)
    assert ids(listed(play)) == ["cleo"]
    assert ids(listed(play, by="ben")) == ["cleo"]


def test_T3_bots_are_listed_where_they_may_come() -> None:
    play = active()
    assert "robo" not in ids(listed(play))
    assert "robo" in ids(listed(play, purpose="transfer"))
    play.world.set(bots_in_conference="warn")
    bots = [one for one in listed(play).items if one.bot]
    assert [one.id for one in bots] == ["robo"]


def test_T3_no_agents_without_direct_routing() -> None:
    play = active()
    play.world.set(skills_and_direct_to_agent_routing=False)
    assert ids(listed(play)) == []
    assert ids(listed(play, "queue")) == ["billing", "support"]


def test_T3_queues_with_how_many_of_their_reps_are_available() -> None:
    world = World()
    world.go(Presence.away, "dora")
    world.queues["theirs"] = world.queues["support"].model_copy(update={"id": "theirs", "org": "other"})
    play = active(world)
    assert [(one.id, one.name, one.available) for one in listed(play, "queue").items] == [
        ("billing", "Billing", 1),
        ("support", "Support", 2),
    ]


def test_T3_flows_for_those_who_may_run_them() -> None:
    play = active()
    assert ids(listed(play, "flow")) == ["escalate", "nowhere"]
    play.world.set_rep("ana", permissions=frozenset({"messaging_agent"}))
    assert ids(listed(play, "flow")) == []


def test_T3_only_for_who_is_in_an_active_session() -> None:
    def code(by: str) -> str:
        outcome = t3_destinations(play.session, play.facts(), Login(by), purpose=Purpose.invite, type=RecipientType.agent)
        assert isinstance(outcome, Refusal)
        return outcome.code

    play = active()
    assert code("ben") == "not_a_participant"
    play.ok(c.End(by=Login("ana")))
    assert code("ana") == "session_not_active"


@pytest.mark.parametrize(
    ("q", "found"),
    [("", 3), ("josé", 1), ("JOSE", 1), ("garcia jose", 1), ("garcia", 2), ("jg1", 1), ("straße", 1), ("strasse", 1), ("x", 0)],
)
def test_T3_search_by_words_whatever_case_and_accents(q: str, found: int) -> None:
    world = World()
    world.people = {"ana": world.people["ana"]}
    for login, name in (("jg1", "José García"), ("jg2", "Ann Garcia"), ("jg3", "Uwe Straße")):
        world.people[login] = rep(login, name)
        world.presence[login] = world.presence["ana"]
    play = active(world)
    assert len(listed(play, q=q).items) == found


def test_T3_pages_hold_everyone_once_in_order_of_names() -> None:
    world = World()
    for n in range(57):
        login = f"rep{n:02}"
        world.people[login] = rep(login, f"Name {n % 7} of {n % 3}")
        world.presence[login] = world.presence["ana"]
    play = active(world)
    seen: list[Destination] = []
    cursor: str | None = None
    for _ in range(20):
        page = listed(play, limit=10, cursor=cursor)
        seen += page.items
        assert page.remaining == 61 - len(seen)
        cursor = page.next
        if cursor is None:
            break
    assert len({one.id for one in seen}) == 61
    assert [one.name.casefold() for one in seen] == sorted(one.name.casefold() for one in seen)


def test_T3_paging_survives_comings_and_goings() -> None:
    play = active()
    first = listed(play, limit=2)
    assert ids(first) == ["ben", "cleo"]
    play.world.go(Presence.offline, "cleo")
    assert ids(listed(play, limit=2, cursor=first.next)) == ["dora", "sam"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "WyJhIl0", "bnVsbA", "é", "W" * 5000, "WzEsMl0"])
def test_T3_a_cursor_that_is_none_of_ours(cursor: str) -> None:
    play = active()
    outcome = t3_destinations(
        play.session, play.facts(), Login("ana"), purpose=Purpose.invite, type=RecipientType.agent, cursor=cursor
    )
    assert isinstance(outcome, Page) or outcome.code == "invalid_input"


def test_T3_what_is_listed_as_free_can_be_asked() -> None:
    play = conference("ana", "ben")
    play.world.other_load = {"dora": 5}
    for one in listed(play).items:
        outcome = play.do(c.Invite(by=Login("ana"), recipient=agent(one.id)))
        full = one.load is not None and one.capacity is not None and one.load >= one.capacity
        assert isinstance(outcome, Refusal) == full


def test_a_participant_by_transfer_keeps_the_role() -> None:
    play = active()
    play.accept("robo", play.invite("ana", agent("robo"), purpose="transfer"))
    assert play.session.reps[0].role is Role.bot
