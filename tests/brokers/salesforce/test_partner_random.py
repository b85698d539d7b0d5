"""Partner-owned routing, whatever comes in whatever order: reps answer, calls are answered late, events come twice, late or never, timers fire early and
late, and people end things at any moment. After every step the rules of `gateway.brokers.salesforce.partner` hold.

Salesforce's side is kept by `PartnerPlay`: what it knows of an AgentWork is the truth; what the gateway hears of it may be old.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.brokers.salesforce.events import PeopleChanged, RoutingAsked, WorkChanged
from gateway.brokers.salesforce.partner_values import Answered, CameFree, CustomerEnded, Fired, Happened, RemoveRep
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
ROUTINGS: list[Literal["Initial", "Transfer", "Conference"]] = ["Initial", "Transfer", "Conference", "Conference", "Conference"]
USUAL = ["request", "request", *["first_news"] * 4, *["send"] * 5, "accept", "decline", "decline", "timer", "timer"]
UNUSUAL = ["late_news", "old_news", "close", "cancel", "wake", "end", "old_timer", "presence", "free", "remove"]


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

    def tell(self, happened: Happened) -> list[Any]:
        """The gateway hears it."""
        waiting = 1 + len(self.play.routing.queued)
        called = self.play.do(happened)
        assert len(called) <= 3 * waiting + 1, "a step is bounded: a result, a cancellation and an assignment for each request"
        # Except the cancellation of a work whose call was on its way then.
        after = {operation for operation, _ in called} - (
            {"close_agent_work"} if isinstance(happened, Answered | WorkChanged) else set()
        )
        assert not (self.over and after and not isinstance(happened, CustomerEnded)), "nothing is called after the end"
        return called

    def hear(self, happened: Happened) -> None:
        if isinstance(happened, RoutingAsked):
            if happened.routing == "Initial":
                self.excused |= self.asked.keys()
                self.over = False
            if self.over:
                self.excused.add(happened.correlation)
            self.asked.setdefault(happened.correlation, happened)
        elif isinstance(happened, PeopleChanged) or getattr(happened, "status", "") in ("Active", "New"):
            self.over = False
        self.tell(happened)
        self.heard = [*self.heard, happened][-20:]

    @rule(kinds=st.lists(st.sampled_from(USUAL), min_size=4, max_size=8), number=st.integers(0, 999))
    def the_usual(self, kinds: list[str], number: int) -> None:
        """What makes conversations go on, so that they come far."""
        for place, kind in enumerate(kinds):
            getattr(self, kind)(number + 7 * place)
            self.never_two_open_works_of_one_request()

    @rule(kind=st.sampled_from(UNUSUAL), number=st.integers(0, 999))
    def the_unusual(self, kind: str, number: int) -> None:
        """What disturbs them."""
        getattr(self, kind)(number)

    # -------------------------------------------------------------------------------------------------------- Salesforce

    def request(self, number: int) -> None:
        routing = ROUTINGS[number % len(ROUTINGS)] if self.asked else "Initial"
        event = self.play.asked(routing, **TARGETS[number // 7 % len(TARGETS)])
        # A conversation of its own, so that every result names its request.
        self.news.append(event.model_copy(update={"conversation": event.correlation}))

    def first_news(self, number: int) -> None:
        if self.news:
            self.hear(self.news.pop(0))

    def late_news(self, number: int) -> None:
        if self.news:
            self.hear(self.news.pop(number % len(self.news)))

    def old_news(self, number: int) -> None:
        if self.heard:
            again = self.heard[number % len(self.heard)]
            self.over &= not isinstance(again, PeopleChanged)
            called = self.tell(again)
            assert not (called and isinstance(again, RoutingAsked)), "a repeated request does nothing"

    def send(self, number: int) -> None:
        if not self.play.unsent:
            return
        before = len(self.play.works)
        self.play.send_one()
        self.news += [self._work(id, "Assigned") for id in list(self.play.works)[before:]]

    def accept(self, number: int) -> None:
        self._answer("Accepted", "accepted", number)

    def decline(self, number: int) -> None:
        self._answer("Declined", "declined", number)

    def close(self, number: int) -> None:
        self._answer("Closed", "closed", number)

    def _answer(self, change: str, state: Literal["accepted", "declined", "closed"], number: int) -> None:
        """A rep does it. Now and then no event says so; but who accepts comes in, as a rule."""
        for id, work in self.play.works.items():
            if work.state == "assigned":
                work.state = state
                if number % 4:
                    self.news.append(self._work(id, change))
                login = next((login for login, user in USERS.items() if user == work.user), None)
                if state == "accepted" and login is not None and number % 5:
                    self.play.reps = [*{*self.play.reps, login}]
                    self.news.append(self.play.people(login))
                return

    def _work(self, id: str, change: str) -> WorkChanged:
        return WorkChanged(**self.play.common(), change=change, work_id=id, target="0Mw000000000001")

    def cancel(self, number: int) -> None:
        reason = ("Cancel", "Decline", "Unavailable")[number % 3]
        current = self.play.routing.current
        if current is not None and reason == "Cancel":
            self.excused.add(current.correlation)
        self.tell(self.play.routed(routing=("", "Initial", "Conference")[number // 3 % 3], cancel_reason=reason))

    def wake(self, number: int) -> None:
        self.over = False
        self.tell(self.play.status("Active"))

    def end(self, number: int) -> None:
        self.excused |= self.asked.keys()
        ends: tuple[Happened, ...] = (
            CustomerEnded(),
            self.play.status("Ended"),
            self.play.routed(routing="Initial", cancel_reason="EndUserEnded"),
        )
        self.tell(ends[number % 3])
        self.over = True
        self.play.reps.clear()
        for work in self.play.works.values():  # Salesforce cancels what rings
            work.state = "closed" if work.state == "assigned" else work.state

    # ---------------------------------------------------------------------------------------------------------- our side

    def timer(self, number: int) -> None:
        if self.play.timers:
            ref = sorted(self.play.timers)[number % len(self.play.timers)]
            self.play.now = max(self.play.now, self.play.timers.pop(ref))
            self.tell(Fired(ref=ref))

    def old_timer(self, number: int) -> None:
        ref = f"{('offer', 'budget', 'pause')[number % 3]}:{number // 3 % 12}"
        if ref not in self.play.timers:
            self.tell(Fired(ref=ref))

    def presence(self, number: int) -> None:
        status = Presence.online if number % 3 else Presence.offline
        self.play.world.go(status, LOGINS[number % len(LOGINS)])
        if status is Presence.online:
            self.tell(CameFree())

    def free(self, number: int) -> None:
        self.tell(CameFree(again=bool(number % 2)))

    def remove(self, number: int) -> None:
        self.tell(RemoveRep(user=USERS[LOGINS[number % len(LOGINS)]], replace=bool(number // 4 % 2)))

    # --------------------------------------------------------------------------------------------------------- what holds

    @invariant()
    def never_two_open_works_of_one_request(self) -> None:
        """On Salesforce's side, which is the truth: those that ring, plus what is on the way there."""
        on_its_way = sum(call.operation == "agent_work" for call in self.play.unsent)
        assert len(self.play.ringing) + on_its_way <= 1

    @invariant()
    def one_result_a_request_at_most(self) -> None:
        assert self.results.keys() <= self.asked.keys()
        assert set(self.results.values()) <= {1}

    @property
    def results(self) -> Counter[str]:
        """How many each request has."""
        results = [call.body for call in self.play.calls if call.operation == "routing_result"]
        assert all(("errorMessage" in body) == (body["success"] is False) for body in results)
        return Counter(str(body["conversationIdentifier"]) for body in results)

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
                    self.tell(self._work(id, "Declined"))
                    play.send()
        self.one_result_a_request_at_most()
        assert self.asked.keys() - self.excused <= self.results.keys()


def test_every_rule_holds_in_any_order() -> None:
    limits = settings(
        max_examples=200, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Conversations, settings=limits)
