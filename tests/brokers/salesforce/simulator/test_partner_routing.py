"""Partner-owned routing as the simulated org keeps it: requests with their 60 seconds, PendingServiceRoutings, and work that reps accept or don't."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.brokers.salesforce.simulator.contract import (
    OrgChannel,
    OrgRefusal,
    RoutingContext,
    RoutingDone,
    RoutingType,
    Target,
    WorkAsked,
)
from gateway.brokers.salesforce.simulator.partner_routing import BUDGET, PartnerRouting
from gateway.brokers.salesforce.simulator.partner_values import RepFacts, Step, Talk, Wish

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CHANNEL = OrgChannel("address", "Byoc_Sms", product="ccaas", routing="partner", max_participants=3)
TALK = Talk("conversation", "0Mw000000000001", "kim", CHANNEL)
ANA, BEN, CAM, DEE = (f"0050000000000{number:02}" for number in range(1, 5))
QUEUE = "00G000000000001"


class Host:
    """An org with one open session, four reps and a queue."""

    def __init__(self, channel: OrgChannel = CHANNEL) -> None:
        self.reps = {one: RepFacts(one, capacity=2) for one in (ANA, BEN, CAM, DEE)}
        self.open: Talk | None = replace(TALK, channel=channel)
        self.made = 0
        self.routing = PartnerRouting(self, self.new_id)

    def new_id(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made:012}"

    def talk(self, work_item: str) -> Talk | None:
        return self.open if self.open is not None and self.open.work_item == work_item else None

    def rep(self, user: str) -> RepFacts | None:
        return self.reps.get(user)

    def queue(self, id: str) -> bool:
        return id == QUEUE

    def work(self, user: str, routing: RoutingType = "Initial", weight: float = 1) -> str:
        """Give work to a rep; its id."""
        made, _ = self.routing.agent_work(asked(user, routing, weight=weight), NOW)
        return made.work_id


@pytest.fixture
def host() -> Host:
    return Host()


def asked(user: str, routing: RoutingType = "Initial", **changed: Any) -> WorkAsked:
    context = RoutingContext("conversation", routing, "correlation")
    return replace(WorkAsked(user, TALK.work_item, 1.0, context=context), **changed)


def done(success: bool = True, external: bool = False, **changed: Any) -> RoutingDone:
    error = None if success else "nobody is there"
    return replace(RoutingDone("conversation", TALK.work_item, success, external, error=error), **changed)


def told(step: Step) -> list[tuple[Any, ...]]:
    """(entry type, what it says) of each event."""
    found: list[tuple[Any, ...]] = []
    for event_type, payload in step.published:
        entry = payload["payload"].get("entryPayload", {})
        if event_type == "RoutingRequested":
            found.append((event_type, payload["payload"]["routingType"]))
        elif entry["entryType"] == "RoutingWorkResult":
            found.append((entry["entryType"], entry["workType"], entry["workTargetId"]))
        else:
            found.append((entry["entryType"], entry["failureType"], entry.get("cancelReason")))
    return found


def refused(code: int, step: Any) -> None:
    with pytest.raises(OrgRefusal) as refusal:
        step()
    assert refusal.value.code == code


def test_a_request_says_what_is_wanted(host: Host) -> None:
    step = host.routing.ask(TALK, "Transfer", NOW, by=ANA, wish=Wish(queue=QUEUE))
    ((event_type, payload),) = step.published
    parameters = payload["payload"]["routingParameters"]
    channel_data = json.loads(parameters["channelData"])
    assert (event_type, parameters["queueId"], parameters["isTransfer"]) == ("RoutingRequested", QUEUE, True)
    assert channel_data["eventId"] == host.routing.requests["conversation"].correlation_id
    assert channel_data["conversationId"] == "conversation"


def test_whoever_does_not_route_within_a_minute_has_failed(host: Host) -> None:
    host.routing.ask(TALK, "Transfer", NOW, by=ANA, wish=Wish(user=BEN))
    assert host.routing.next_due() == NOW + BUDGET
    assert host.routing.due(NOW + BUDGET - timedelta(seconds=1)) == Step()
    assert told(host.routing.due(NOW + BUDGET)) == [("RoutingResult", "RoutingError", None)]
    assert host.routing.next_due() is None
    assert host.routing.routing_result(done(), NOW + BUDGET) == Step(), "too late"


@pytest.mark.parametrize("how", ["work", "route", "result"])
def test_a_new_session_is_routed_in_time(how: str, host: Host) -> None:
    host.routing.ask(TALK, "Initial", NOW)
    if how == "work":
        host.work(ANA)
    elif how == "route":
        host.routing.route(TALK, "Initial", Target(queue=QUEUE), NOW)
    else:
        host.routing.routing_result(done(), NOW)
    assert host.routing.due(NOW + BUDGET) == Step()


def test_a_transfer_is_over_only_with_its_result(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    host.routing.ask(TALK, "Transfer", NOW, by=ANA, wish=Wish(user=BEN))
    work = host.work(BEN, "Transfer")
    assert host.routing.next_due() == NOW + BUDGET
    step = host.routing.routing_result(done(routing="Transfer"), NOW)
    assert told(step) == [("RoutingResult", "None", None), ("RoutingWorkResult", "Closed", ANA)]
    assert step.left == (ANA,)
    assert host.routing.accept(work, NOW).joined == (BEN,)
    assert host.routing.participants("conversation") == (BEN,)


def test_a_failed_transfer_leaves_the_rep_where_they_are(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    host.routing.ask(TALK, "Transfer", NOW, by=ANA, wish=Wish(external="someone"))
    assert told(host.routing.routing_result(done(success=False), NOW)) == [("RoutingResult", "RoutingError", None)]
    assert host.routing.participants("conversation") == (ANA,)


def test_a_conference_keeps_everybody(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    host.routing.ask(TALK, "Conference", NOW, by=ANA, wish=Wish(user=BEN))
    work = host.work(BEN, "Conference")
    assert told(host.routing.routing_result(done(routing="Conference"), NOW)) == [("RoutingResult", "None", None)]
    host.routing.accept(work, NOW)
    assert host.routing.participants("conversation") == (ANA, BEN)


def test_a_conference_has_a_limit(host: Host) -> None:
    for user in (ANA, BEN, CAM):
        host.routing.accept(host.work(user, "Conference"), NOW)
    refused(10089, lambda: host.work(DEE, "Conference"))
    host.routing.remove(TALK, BEN, NOW)
    host.work(DEE, "Conference")


def test_work_that_is_not_cancelled_can_be_accepted_by_both(host: Host) -> None:
    first, second = host.work(ANA), host.work(BEN)
    host.routing.accept(first, NOW)
    host.routing.accept(second, NOW)
    assert host.routing.participants("conversation") == (ANA, BEN)


@pytest.mark.parametrize("status", ["Close", "Cancel"])
def test_unanswered_work_is_cancelled(status: Any, host: Host) -> None:
    work = host.work(ANA)
    assert told(host.routing.close(work, status, NOW)) == [("RoutingWorkResult", "Cancelled", ANA)]
    refused(10089, lambda: host.routing.accept(work, NOW))
    host.work(ANA)


def test_answered_work_is_not_in_a_cancellable_state(host: Host) -> None:
    accepted, declined = host.work(ANA), host.work(BEN)
    host.routing.accept(accepted, NOW)
    assert told(host.routing.decline(declined, NOW)) == [("RoutingWorkResult", "Declined", BEN)]
    for work in (accepted, declined):
        with pytest.raises(OrgRefusal, match="not in a cancellable state"):
            host.routing.close(work, "Cancel", NOW)
    refused(10082, lambda: host.routing.close("0Bz000000000099", "Cancel", NOW))
    refused(10085, lambda: host.routing.close(accepted, "Accept", NOW))


def test_what_a_pending_routing_knows_need_not_be_said(host: Host) -> None:
    refused(10089, lambda: host.routing.agent_work(asked(ANA, context=None), NOW))
    refused(10089, lambda: host.routing.agent_work(asked(ANA, weight=None), NOW))
    made, step = host.routing.route(TALK, "Initial", Target(queue=QUEUE), NOW)
    assert (made.work_item, told(step)) == (TALK.work_item, [("RoutingResult", "None", None)])
    work, _ = host.routing.agent_work(asked(ANA, context=None, weight=None), NOW)
    assert (work.psr_id, work.context.correlation_id) == (made.psr_id, made.correlation_id)
    host.routing.accept(work.work_id, NOW)
    assert host.routing.psrs == {}, "deleted when a rep accepts"


def test_a_routing_is_removed(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    host.routing.ask(TALK, "Conference", NOW, by=ANA, wish=Wish(queue=QUEUE))
    host.routing.route(TALK, "Conference", Target(queue=QUEUE), NOW)
    assert told(host.routing.unroute(TALK, "Unavailable", NOW)) == [("RoutingResult", "Cancelled", "Unavailable")]
    assert (host.routing.psrs, host.routing.requests) == ({}, {})
    assert host.routing.unroute(TALK, "Unknown", NOW) == Step()


def test_the_rep_takes_a_request_back(host: Host) -> None:
    host.routing.ask(TALK, "Conference", NOW, by=ANA, wish=Wish(user=BEN))
    assert told(host.routing.cancel("conversation", NOW)) == [("RoutingResult", "Cancelled", "Cancel")]
    assert host.routing.cancel("conversation", NOW) == Step()


def test_nothing_outlives_the_session(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    host.work(BEN, "Conference")
    host.routing.ask(TALK, "Conference", NOW, by=ANA, wish=Wish(user=BEN))
    assert told(host.routing.ended(TALK, NOW, by_end_user=True)) == [
        ("RoutingResult", "Cancelled", "EndUserEnded"),
        ("RoutingWorkResult", "Closed", ANA),
        ("RoutingWorkResult", "Cancelled", BEN),
    ]


def test_capacity(host: Host) -> None:
    host.reps[ANA] = RepFacts(ANA, capacity=4)
    for load in ({"weight": 3}, {"weight": None, "percentage": 75}):
        work, _ = host.routing.agent_work(asked(ANA, **load), NOW)
        host.open = replace(TALK, conversation="another", work_item="0Mw000000000002")
        context = RoutingContext("another", "Initial", "c")
        second = asked(ANA, weight=2, work_item="0Mw000000000002", context=context)
        refused(10089, lambda second=second: host.routing.agent_work(second, NOW))
        host.routing.agent_work(replace(second, weight=1), NOW)
        host.routing.ended(host.open, NOW)
        host.open = TALK
        host.routing.close(work.work_id, "Cancel", NOW)


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        (15106, {"user": "005000000000099"}),
        (15107, {"context": RoutingContext("another", "Initial", "c")}),
        (15111, {"work_item": "0Mw000000000099"}),
    ],
)
def test_work_that_is_refused(code: int, changed: dict[str, Any], host: Host) -> None:
    refused(code, lambda: host.routing.agent_work(replace(asked(ANA), **changed), NOW))


def test_one_rep_has_a_session_once(host: Host) -> None:
    host.routing.accept(host.work(ANA), NOW)
    refused(15109, lambda: host.work(ANA))
    host.routing.leave(TALK, ANA, NOW)
    host.work(ANA)


@pytest.mark.parametrize(("code", "changed"), [(15112, {"tied": False}), (15105, {"licensed": False})])
def test_reps_who_cannot_be_given_work(code: int, changed: dict[str, Any], host: Host) -> None:
    host.reps[ANA] = replace(host.reps[ANA], **changed)
    refused(code, lambda: host.work(ANA))


@pytest.mark.parametrize(
    ("code", "changed"),
    [(15102, {"product": "messaging"}), (15104, {"contact_center": False}), (10075, {"conference_supported": False})],
)
def test_channels_that_cannot(code: int, changed: dict[str, Any]) -> None:
    host = Host(replace(CHANNEL, **changed))
    refused(code, lambda: host.work(ANA, "Conference"))


def test_customers_who_have_not_agreed(host: Host) -> None:
    host.open = replace(TALK, opted_in=False)
    refused(15103, lambda: host.work(ANA))


def test_who_is_not_there_cannot_be_removed(host: Host) -> None:
    host.work(ANA)
    refused(10036, lambda: host.routing.remove(TALK, ANA, NOW))


def test_a_channel_may_not_want_to_hear_of_work() -> None:
    host = Host(replace(CHANNEL, routing_work_result=False))
    assert host.routing.accept(host.work(ANA), NOW) == Step(joined=(ANA,))


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: what holds stays so."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Host()
        self.inside: list[str] = []
        self.at = NOW

    def step(self, make: Any) -> None:
        try:
            step = make()
        except OrgRefusal:
            return
        step = step[1] if isinstance(step, tuple) else step
        self.inside.extend(step.joined)
        for user in step.left:
            self.inside.remove(user)

    @rule(user=st.sampled_from([ANA, BEN, CAM, DEE]), routing=st.sampled_from(["Initial", "Transfer", "Conference"]))
    def assign(self, user: str, routing: Any) -> None:
        self.step(lambda: self.host.routing.agent_work(asked(user, routing), self.at))

    @rule(pick=st.integers(0, 50), how=st.sampled_from(["accept", "decline", "close"]))
    def answer(self, pick: int, how: str) -> None:
        works = list(self.host.routing.works)
        if works and how == "close":
            self.step(lambda: self.host.routing.close(works[pick % len(works)], "Cancel", self.at))
        elif works:
            self.step(lambda: getattr(self.host.routing, how)(works[pick % len(works)], self.at))

    @rule(user=st.sampled_from([ANA, BEN]), routing=st.sampled_from(["Transfer", "Conference"]))
    def ask(self, user: str, routing: Any) -> None:
        self.step(lambda: self.host.routing.ask(TALK, routing, self.at, by=user, wish=Wish(user=CAM)))

    @rule(routing=st.sampled_from(["Initial", "Conference"]))
    def route(self, routing: Any) -> None:
        self.step(lambda: self.host.routing.route(TALK, routing, Target(), self.at))

    @rule(success=st.booleans())
    def finish(self, success: bool) -> None:
        self.step(lambda: self.host.routing.routing_result(done(success), self.at))

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        self.step(lambda: self.host.routing.due(self.at))

    @rule(user=st.sampled_from([ANA, BEN, CAM, DEE]))
    def remove(self, user: str) -> None:
        self.step(lambda: self.host.routing.remove(TALK, user, self.at))

    @invariant()
    def the_host_knows_who_is_in(self) -> None:
        assert sorted(self.inside) == sorted(self.host.routing.participants("conversation"))
        assert len(set(self.inside)) == len(self.inside)

    @invariant()
    def nothing_is_overdue(self) -> None:
        due = self.host.routing.next_due()
        assert due is None or due > self.at


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
