"""Partner-owned routing, whatever comes in whatever order: reps answer, calls are answered late, events come twice, late or never, timers fire early and
late, and people end things at any moment. After every step the rules of `gateway.brokers.salesforce.partner` hold.

Salesforce's side is kept by `PartnerPlay`: what it knows of an AgentWork is the truth; what the gateway hears of it may be old.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gateway.brokers.salesforce.events import RoutingAsked, WorkChanged
from gateway.brokers.salesforce.partner_people import short
from gateway.brokers.salesforce.partner_values import CameFree, CustomerEnded, Fired, Happened, RemoveRep
from gateway.session.model import Presence
from tests.brokers.salesforce.partner_play import (
    BILLING,
    ESCALATE,
    NOWHERE,
    STRANGER,
    SUPPORT,
    THEIR_FLOW,
    THEIR_QUEUE,
    USERS,
    PartnerPlay,
)

TARGETS: list[dict[str, str]] = [
    *({"user": user} for user in USERS.values()),
    {"user": STRANGER},
    {"queue": SUPPORT},
    {"queue": SUPPORT},
    {"queue": BILLING},
    {"queue": THEIR_QUEUE},
    {"flow": ESCALATE, "queue": SUPPORT},
    {"flow": NOWHERE, "queue": SUPPORT},
    {"flow": THEIR_FLOW},
    {"bot": "0Xx000000000001"},
    {"external": "contact-1"},
    {},
]
LOGINS = sorted(USERS)
MOST_CALLS_A_STEP = 5


class Conversations(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.play = PartnerPlay()
        self.news: list[Happened] = []  # what the gateway hasn't heard yet
        self.heard: list[Happened] = []
        self.asked: dict[str, RoutingAsked] = {}  # by correlation, in the order they were heard
        self.excused: set[str] = set()  # which may go without a result: they were ended from outside
        self.over = False

    def tell(self, happened: Happened, *, most: int = MOST_CALLS_A_STEP) -> None:
        """The gateway hears it."""
        before = len(self.play.calls)
        called = self.play.do(happened)
        assert len(called) <= most, called
        assert not (self.over and called), "nothing is called after the end"
        assert len(self.play.calls) == before + len(called)

    def hear(self, happened: Happened) -> None:
        if isinstance(happened, RoutingAsked):
            if happened.routing == "Initial":
                self.excused |= self.asked.keys()
                self.over = False
            if self.over:
                self.excused.add(happened.correlation)
            self.asked.setdefault(happened.correlation, happened)
        elif happened.__class__.__name__ == "PeopleChanged" or getattr(happened, "status", "") in ("Active", "New"):
            self.over = False
        self.tell(happened, most=30)  # of queued requests many may be answered at once
        self.heard = [*self.heard, happened][-20:]

    # -------------------------------------------------------------------------------------------------------- Salesforce

    @rule(routing=st.sampled_from(["Initial", "Transfer", "Conference", "Conference"]), to=st.sampled_from(TARGETS))
    def request(self, routing: Literal["Initial", "Transfer", "Conference"], to: dict[str, str]) -> None:
        self.news.append(self.play.asked(routing, **to))

    @precondition(lambda self: self.news)
    @rule(place=st.integers(0, 3))
    def news_arrives(self, place: int) -> None:
        self.hear(self.news.pop(min(place, len(self.news) - 1)))

    @precondition(lambda self: self.heard)
    @rule(place=st.integers(0, 19))
    def news_arrives_again(self, place: int) -> None:
        again = self.heard[place % len(self.heard)]
        if isinstance(again, RoutingAsked | WorkChanged):
            before = len(self.play.calls)
            self.tell(again)
            if isinstance(again, RoutingAsked):
                assert len(self.play.calls) == before

    @precondition(lambda self: self.play.unsent)
    @rule()
    def a_call_is_sent(self) -> None:
        call = self.play.unsent[0]
        if call.operation == "close_agent_work":
            work = next(one for id, one in self.play.works.items() if short(id) == call.body["workId"])
            assert work.user, "only what was assigned is cancelled"
        before = len(self.play.works)
        self.play.send_one()
        for id in list(self.play.works)[before:]:
            self.news.append(self._work(id, "Assigned"))

    @precondition(lambda self: self.play.ringing)
    @rule(
        change=st.sampled_from(["Accepted", "Declined", "Closed"]),
        event=st.booleans(),
        joins=st.booleans(),
        data=st.data(),
    )
    def a_rep_answers(
        self, change: Literal["Accepted", "Declined", "Closed"], event: bool, joins: bool, data: st.DataObject
    ) -> None:
        ringing = [id for id, work in self.play.works.items() if work.state == "assigned"]
        id = data.draw(st.sampled_from(ringing))
        states: dict[str, Any] = {"Accepted": "accepted", "Declined": "declined", "Closed": "closed"}
        self.play.works[id].state = states[change]
        if event:
            self.news.append(self._work(id, change))
        login = next((login for login, user in USERS.items() if user == self.play.works[id].user), None)
        if change == "Accepted" and joins and login is not None:
            if login not in self.play.reps:
                self.play.reps.append(login)
            self.news.append(self.play.people(login))

    def _work(self, id: str, change: str) -> WorkChanged:
        return WorkChanged(**self.play.common(), change=change, work_id=id, target="0Mw000000000001")

    @rule(
        reason=st.sampled_from(["Cancel", "EndUserEnded", "Decline", "Unavailable"]),
        routing=st.sampled_from(["", "Initial", "Conference"]),
    )
    def cancelled(self, reason: str, routing: str) -> None:
        current = self.play.routing.current
        if reason == "EndUserEnded":
            self.excused |= self.asked.keys()
        elif current is not None and reason == "Cancel":
            self.excused.add(current.correlation)
        self.tell(self.play.routed(routing=routing, cancel_reason=reason), most=30)
        if reason == "EndUserEnded":
            self.over = True

    @rule(status=st.sampled_from(["Active", "Ended", "Inactive"]))
    def status_changes(self, status: str) -> None:
        if status == "Ended":
            self.excused |= self.asked.keys()
        if status == "Active":
            self.over = False
        self.tell(self.play.status(status))
        if status == "Ended":
            self.over = True
            self.play.reps.clear()

    # ---------------------------------------------------------------------------------------------------------- our side

    @precondition(lambda self: self.play.timers)
    @rule(data=st.data(), seconds=st.sampled_from([0, 1, 20, 300]))
    def a_timer_fires(self, data: st.DataObject, seconds: int) -> None:
        ref = data.draw(st.sampled_from(sorted(self.play.timers)))
        at = self.play.timers.pop(ref)
        self.play.now = max(self.play.now, at)
        self.tell(Fired(ref=ref), most=30)

    @rule(ref=st.sampled_from(["offer:1", "offer:2", "budget:1", "budget:7", "pause:1", "pause:3"]))
    def an_old_timer_fires(self, ref: str) -> None:
        if ref not in self.play.timers:
            self.tell(Fired(ref=ref), most=30)

    @rule(login=st.sampled_from(LOGINS), status=st.sampled_from([Presence.online, Presence.offline]))
    def presence_changes(self, login: str, status: Presence) -> None:
        self.play.world.go(status, login)
        if status is Presence.online:
            self.tell(CameFree())

    @rule(again=st.booleans())
    def somebody_comes_free(self, again: bool) -> None:
        self.tell(CameFree(again=again))

    @rule(login=st.sampled_from(LOGINS), replace=st.booleans())
    def a_rep_is_removed(self, login: str, replace: bool) -> None:
        self.tell(RemoveRep(user=USERS[login], replace=replace))

    @rule(sure=st.integers(0, 4))
    def the_customer_ends(self, sure: int) -> None:
        if sure:
            return
        self.excused |= self.asked.keys()
        self.tell(CustomerEnded())
        self.over = True
        self.play.reps.clear()

    # --------------------------------------------------------------------------------------------------------- what holds

    @invariant()
    def never_two_open_works_of_one_request(self) -> None:
        """On Salesforce's side, which is the truth: those that ring, plus what is on the way there. After an end Salesforce cancels what rings."""
        if self.over:
            for work in self.play.works.values():
                work.state = "closed" if work.state == "assigned" else work.state
            self.play.unsent.clear()
        on_its_way = sum(call.operation == "agent_work" for call in self.play.unsent)
        assert len(self.play.ringing) + on_its_way <= 1

    @invariant()
    def one_result_a_request_at_most(self) -> None:
        results = [call.body for call in self.play.calls if call.operation == "routing_result"]
        assert len(results) <= len(self.asked)
        for body in results:
            assert ("errorMessage" in body) == (body["success"] is False)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        """No timer without what it is for, so none can fire for nothing again and again."""
        routing = self.play.routing
        requests = [one for one in (routing.current, *routing.queued) if one is not None]
        numbers = {one.number for one in requests} | {one.work.number for one in requests if one.work}
        assert {int(ref.partition(":")[2]) for ref in self.play.timers} <= numbers

    def teardown(self) -> None:
        """All that is on its way arrives, and time goes by: every request has its result then."""
        play = self.play
        while self.news:
            self.hear(self.news.pop(0))
            play.send()
        for _ in range(3):
            play.wait(400)
            play.send()
            for id, work in list(play.works.items()):
                if work.state == "assigned":
                    work.state = "declined"
                    self.tell(self._work(id, "Declined"), most=30)
                    play.send()
        unanswered = self.asked.keys() - self.excused
        answered = Counter(bool(call.body["success"]) for call in play.calls if call.operation == "routing_result").total()
        assert len(unanswered) <= answered <= len(self.asked)
        assert [one.number for one in play.routing.queued if not one.answered] == []
        current = play.routing.current
        assert current is None or current.answered


def test_every_rule_holds_in_any_order() -> None:
    random.seed()
    limits = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Conversations, settings=limits)
