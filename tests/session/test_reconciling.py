"""A session under another config: what it has lost, what becomes of it, and that nothing is lost twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.session import commands as c
from gateway.session.model import ChannelFacts, EntryKind, Login, Presence, Session, Status
from gateway.session.reconciling import Lost, losses
from tests.session.world import Play, agent, flow, queue

NOTHING_SAID = {"removed": "inactive", "moved": "ended", "kind_changed": "ended"}


def lost(play: Play) -> list[str]:
    return [loss.lost.value for loss in losses(play.session, play.facts())]


def reconciled(play: Play) -> Session:
    """By a start; a second start finds nothing to do."""
    before = play.session
    found = losses(before, play.facts())
    play.ok(c.Reconcile())
    assert {loss.lost for loss in losses(play.session, play.facts())} <= {Lost.room}
    after = play.session
    play.ok(c.Reconcile())
    assert play.session is after
    assert (after is not before) == any(loss.lost is not Lost.room for loss in found)
    return after


def served() -> Play:
    play = Play()
    play.customer()
    play.take("ana")
    return play


def test_under_the_same_config_nothing_changes() -> None:
    play = served()
    play.join("ben")
    play.invite("ana", queue("billing"))
    assert lost(play) == []
    before = play.session
    assert reconciled(play) is before


@pytest.mark.parametrize("gone", ["removed", "moved", "kind_changed"])
def test_by_a_channel_that_is_gone_nothing_is_sent(gone: str) -> None:
    play = served()
    play.join("ben")
    play.invite("ana", queue("billing"))
    play.ok(c.Leave(by=Login("ben")))  # the leave notice is held
    sent = len(play.all_outgoing)
    play.world.set_channel(gone=gone, can_notify=False)
    session = reconciled(play)
    assert session.status.value == NOTHING_SAID[gone]
    assert session.invitations == ()
    assert session.held_notices == ()
    play.wait(10 * 24 * 3600)
    assert len(play.all_outgoing) == sent
    assert play.session.status.value == NOTHING_SAID[gone]


@pytest.mark.parametrize("gone", ["moved", "kind_changed"])
def test_the_reason_of_the_end_is_in_the_transcript(gone: str) -> None:
    play = served()
    play.world.set_channel(gone=gone)
    reconciled(play)
    assert play.entries[-1].details == {"from": "active", "to": "ended", "reason": f"channel_{gone}"}


def test_an_ended_session_has_nothing_to_lose() -> None:
    play = served()
    play.ok(c.End(by=Login("ana")))
    play.world.people.clear()
    play.world.queues.clear()
    play.world.set_channel(gone="moved")
    assert lost(play) == []


@pytest.mark.parametrize("gone", [None, "removed"])
def test_who_waits_goes_on_waiting_when_the_channel_is_back(gone: Any) -> None:
    play = Play()
    play.world.go(Presence.offline, *play.world.people)
    play.customer()
    play.world.set_channel(gone="removed")
    assert reconciled(play).set_aside is Status.waiting
    play.world.set_channel(gone=gone)
    session = reconciled(play)
    assert session.status is (Status.waiting if gone is None else Status.inactive)


def test_an_idle_session_of_a_removed_channel_is_left_as_it_is() -> None:
    play = served()
    play.wait(25 * 3600)
    assert play.session.status is Status.inactive
    play.world.set_channel(gone="removed")
    before = play.session
    assert reconciled(play) is before


def test_nobody_is_told_that_a_removed_rep_left_where_nobody_is_talking() -> None:
    play = served()
    play.wait(25 * 3600)
    sent = len(play.all_outgoing)
    del play.world.people["ana"]
    session = reconciled(play)
    assert session.reps == ()
    play.wait(60)
    assert len(play.all_outgoing) == sent
    play.customer("I am back")
    assert play.session.status is Status.waiting
    assert play.session.offer is not None


def test_a_queues_invitation_goes_on_with_those_who_still_serve_it() -> None:
    play = served()
    play.invite("ana", queue("billing"))
    billing = play.world.queues["billing"]
    play.world.queues["billing"] = billing.model_copy(update={"reps": (Login("dora"),)})
    session = reconciled(play)
    assert [i.asked for i in session.invitations] == [("dora",)]
    play.accept("dora", session.invitations[0].id)


@pytest.mark.parametrize(("kind", "id"), [("queues", "billing"), ("flows", "escalate")])
def test_an_invitation_of_what_is_gone_is_withdrawn(kind: str, id: str) -> None:
    play = served()
    play.invite("ana", queue(id) if kind == "queues" else flow(id))
    del getattr(play.world, kind)[id]
    assert reconciled(play).invitations == ()
    assert play.entries[-1].kind is EntryKind.invitation_withdrawn


def test_who_lost_the_rights_is_not_asked_any_more() -> None:
    play = Play()
    play.customer()
    assert play.session.offer is not None
    first = play.session.offer.rep
    play.world.set_rep(first, licences=frozenset())
    offer = reconciled(play).offer
    assert offer is not None
    assert offer.rep != first


def test_a_limit_that_was_lowered_puts_nobody_out() -> None:
    play = served()
    play.join("ben", "cleo")
    play.world.set(conference_limit=2)
    assert lost(play) == ["room"]
    assert len(reconciled(play).reps) == 3
    play.refused(c.Invite(by=Login("ana"), recipient=agent("dora")), "participant_limit_reached")


def test_reps_stay_together_on_a_channel_that_is_standard_now() -> None:
    play = served()
    play.join("ben")
    play.invite("ana", agent("cleo"))
    play.world.set_channel(edition="standard")
    session = reconciled(play)
    assert session.invitations == ()
    assert len(session.reps) == 2
    play.say("ben")


CHANGES = st.fixed_dictionaries(
    {
        "people": st.sets(st.sampled_from(["ana", "ben", "cleo", "dora"])),
        "queues": st.sets(st.sampled_from(["support", "billing"])),
        "flows": st.sets(st.sampled_from(["escalate"])),
        "queue": st.sampled_from(["support", "billing", None]),
        "gone": st.sampled_from([None, None, None, "removed", "moved", "kind_changed"]),
        "edition": st.sampled_from(["enhanced", "standard"]),
        "limit": st.integers(1, 6),
    }
)
STEPS = st.lists(
    st.sampled_from(["join ben", "join cleo", "ask cleo", "ask billing", "ask escalate", "idle", "gone ana", "flag"])
)


@given(STEPS, st.lists(CHANGES, min_size=1, max_size=3), st.booleans())
def test_whatever_the_config_takes_a_session_fits_it_afterwards(steps: list[str], changes: list[Any], taken: bool) -> None:
    play = Play()
    play.customer()
    if taken:
        play.take("ana")
        for step in steps:
            _step(play, step)
    world = play.world
    people, queues, flows = dict(world.people), dict(world.queues), dict(world.flows)
    for change in changes:
        world.people = {k: v for k, v in people.items() if k not in change["people"]}
        world.queues = {k: v for k, v in queues.items() if k not in change["queues"]}
        world.flows = {k: v for k, v in flows.items() if k not in change["flows"]}
        channel_queue = change["queue"] if change["queue"] in world.queues else None
        world.channel = ChannelFacts(
            **world.channel.model_dump(include={"id", "kind", "org", "chat"}),
            queue=channel_queue,
            edition=change["edition"],
            gone=change["gone"],
            can_notify=change["gone"] is None,
        )
        world.set(conference_limit=change["limit"])
        said = [e for e in play.entries if e.kind is EntryKind.message]
        session = reconciled(play)
        assert [e for e in play.entries if e.kind is EntryKind.message] == said
        if session.status is Status.ended:
            return
        assert all(rep.id in world.people for rep in session.reps)
        assert session.offer is None or session.offer.rep in world.people
        assert all(login in world.people for i in session.invitations for login in i.waits_for)
        if change["gone"] is None:
            assert session.queue in world.queues or (session.queue is None and channel_queue is None)
            assert session.set_aside is None
        else:
            assert session.status is Status.inactive
            assert session.offer is None
            assert session.invitations == ()
        assert session.status is not Status.active or session.reps


def _step(play: Play, step: str) -> None:
    word, _, who = step.partition(" ")
    if word == "idle":
        if play.session.status is Status.active and not play.session.absent:  # else it is routed every 30 s of a day
            play.wait(25 * 3600)
    elif word == "gone":
        play.ok(c.RepDisconnected(by=Login(who)))
    elif word == "flag":
        play.do(c.RaiseFlag(by=Login("ana"), text="help"))
    else:
        to = agent(who) if who == who.lower() and who in ("ben", "cleo") else (flow(who) if who == "escalate" else queue(who))
        play.do(c.Invite(by=Login("ana"), recipient=to))
        if word == "join":
            for invitation in play.session.invitations:
                play.do(c.AcceptInvitation(by=Login(who), invitation_id=invitation.id))
