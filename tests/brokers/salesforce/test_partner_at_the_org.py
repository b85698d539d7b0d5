"""Our routing and the org's, one against the other, in any order of what reps, customers and the clock do: calls go to the org, what it publishes comes back as
its events do. Nobody's requests run out of time, no two reps are asked at once, and nobody is in who wasn't asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract import RawRequest
from gateway.brokers.salesforce.events import OrgEvent, PeopleChanged, Person, PersonChange, Routed, StatusChanged, WorkChanged
from gateway.brokers.salesforce.events import RoutingAsked as Asked
from gateway.brokers.salesforce.parsing import parse
from gateway.brokers.salesforce.partner_people import short
from gateway.brokers.salesforce.partner_values import Answered, CameFree, CustomerEnded, Fired, OrgCall
from gateway.brokers.salesforce.simulator.contract import (
    OrgChannel,
    OrgRefusal,
    RoutingContext,
    RoutingDone,
    Target,
    WorkAsked,
)
from gateway.brokers.salesforce.simulator.partner_routing import PartnerRouting
from gateway.brokers.salesforce.simulator.partner_values import RepFacts, Step, Talk, Wish
from gateway.session.model import Presence
from tests.brokers.salesforce.partner_play import BILLING, ORG, SUPPORT, THEIR_QUEUE, USERS, PartnerPlay

CHANNEL = OrgChannel("a-1", "Byoc", product="ccaas", routing="partner")
SHORT = {short(user): login for login, user in USERS.items()}
WISHES = [
    *(Wish(user=user) for user in SHORT),
    Wish(queue=short(SUPPORT)),
    Wish(queue=short(BILLING)),
    Wish(queue=short(THEIR_QUEUE)),
    Wish(external="0036A000004Fp21"),
]
LIMIT = 3
OURS = (Asked, WorkChanged, Routed, StatusChanged, PeopleChanged)


class Both:
    """A conversation, seen from both sides. Calls and events wait until `go_on`."""

    def __init__(self) -> None:
        ids = count(1)
        self.play = PartnerPlay()
        self.play.world.set(conference_limit=LIMIT)
        self.org = PartnerRouting(self, lambda prefix: f"{prefix}{next(ids):012d}", lambda: f"uuid-{next(ids)}")
        self.events: list[OrgEvent] = []
        self.open: Talk | None = None
        self.sessions = count(1)

    # -------------------------------------------------------------------------------------------- the org's own world

    def talk(self, work_item: str) -> Talk | None:
        return self.open if self.open is not None and self.open.work_item == work_item else None

    def rep(self, user: str) -> RepFacts | None:
        return RepFacts(short(user)) if short(user) in SHORT else None

    def queue(self, id: str) -> bool:
        return short(id) in map(short, (SUPPORT, BILLING, THEIR_QUEUE))

    def took(self, step: Step) -> None:
        """What the org publishes waits to be read; who comes and goes is published, too."""
        for kind, payload in step.published:
            assert "timed out" not in json.dumps(payload), "every request is answered in time"
            headers = {"event-id": f"p{next(self.sessions)}", "replay-id": "01", "event-type": kind}
            request = RawRequest("EVENT", "/event/x", "", (), headers, json.dumps(payload).encode(), self.play.now)
            self.events += [one for one in parse(request, lane="salesforce:main", org=ORG) if isinstance(one, OURS)]
        for operation, users in (("add", step.joined), ("remove", step.left)):
            for user in users:
                person = Person(app_type="agent", subject=user, role="Agent")
                changes = (PersonChange(operation=operation, person=person),)  # type: ignore[arg-type]
                self.events.append(PeopleChanged(**self.play.common(), changes=changes))

    # ------------------------------------------------------------------------------------------------------ both move

    def call(self, call: OrgCall) -> None:
        """A row of the outbox is sent."""
        try:
            answered = self._made(call)
        except OrgRefusal as refusal:
            answered = {"ok": False, "code": refusal.code}
        if call.ref:
            self.play.do(Answered(ref=call.ref, **answered))

    def _made(self, call: OrgCall) -> dict[str, Any]:
        body: Any = call.body
        talk, now = self.open, self.play.now
        if talk is None:
            raise OrgRefusal(15_111)
        answered: dict[str, Any] = {"ok": True}
        if call.operation == "agent_work":
            about = body["routingContext"]
            context = RoutingContext(talk.conversation, about["routingType"], about["routingCorrelationId"])
            made, step = self.org.agent_work(WorkAsked(short(body["userId"]), talk.work_item, weight=1, context=context), now)
            answered["work_id"] = made.work_id
        elif call.operation == "close_agent_work":
            step = self.org.close(body["workId"], body["status"], now)
        elif call.operation == "routing_result":
            done = RoutingDone(talk.conversation, talk.work_item, body["success"], body["externallyRouted"], body["routingType"])
            step = self.org.routing_result(done, now)
        elif call.operation == "route":
            queue = body.get("routingInfo", {}).get("queueId")
            route, step = self.org.route(talk, body["routingType"], Target(queue=queue), now)
            answered["correlation"] = route.correlation_id
        elif call.operation == "unroute":
            step = self.org.unroute(talk, body["cancelReason"], now)
        elif call.operation == "session":
            step = self.end()
        else:
            step = self.org.remove(talk, body["participants"][0]["subject"], now)
        self.took(step)
        return answered

    def go_on(self) -> None:
        """The next row is sent, or the next event is read."""
        if self.play.unsent and (len(self.play.unsent) + len(self.events)) % 2 == 0:
            self.call(self.play.unsent.pop(0))
        elif self.events:
            event = self.events.pop(0)
            if isinstance(event, PeopleChanged):
                for change in event.changes:
                    login = SHORT[change.person.subject]
                    others = [one for one in self.play.reps if one != login]
                    self.play.reps = [*others, login] if change.operation == "add" else others
            self.play.do(event)  # type: ignore[arg-type]
        elif self.play.unsent:
            self.call(self.play.unsent.pop(0))

    def settle(self) -> None:
        """Until nothing is on its way."""
        for _ in range(200):
            if not (self.play.unsent or self.events):
                return
            self.go_on()
        raise AssertionError("the two never come to an end")

    def wait(self, seconds: float) -> None:
        """Time goes by in both."""
        until = self.play.now + timedelta(seconds=seconds)
        while due := sorted((at, ref) for ref, at in self.play.timers.items() if at <= until):
            at, ref = due[0]
            self.play.now = max(self.play.now, at)
            del self.play.timers[ref]
            self.play.do(Fired(ref=ref))
            self.settle()
        self.play.now = until
        self.took(self.org.due(self.play.now))

    # ------------------------------------------------------------------------------------------------- what people do

    def begin(self, _: int) -> None:
        if self.open is None:
            self.open = Talk("con-1", f"0Mw{next(self.sessions):012d}", "+4940123", CHANNEL)
            self.took(self.org.ask(self.open, "Initial", self.play.now))

    def ask(self, number: int) -> None:
        """A rep who is in asks; they wait for the answer to one request before they make another."""
        people = self.org.participants("con-1")
        if self.open is None or not people or self.org.requests:
            return
        routing: Any = "Transfer" if number % 3 == 0 else "Conference"
        wish = WISHES[number // 3 % len(WISHES)]
        if routing == "Conference" and wish.external:
            wish = WISHES[0]
        self.took(self.org.ask(self.open, routing, self.play.now, by=people[number % len(people)], wish=wish))

    def accept(self, _: int) -> None:
        self._answer(self.org.accept)

    def decline(self, _: int) -> None:
        self._answer(self.org.decline)

    def _answer(self, how: Callable[..., Step]) -> None:
        for work in self.assigned:
            self.took(how(work, self.play.now))

    def cancel(self, _: int) -> None:
        """A rep takes back what they asked for."""
        if any(request.by is not None for request in self.org.requests.values()):
            self.took(self.org.cancel("con-1", self.play.now))

    def presence(self, number: int) -> None:
        login = sorted(USERS)[number % len(USERS)]
        online = number % 3 > 0
        self.play.world.go(Presence.online if online else Presence.offline, login)
        if online:
            self.play.do(CameFree())

    def customer_ends(self, number: int) -> None:
        if self.open is not None and number % 4 == 0:
            self.play.do(CustomerEnded())

    def rep_ends(self, number: int) -> None:
        if self.open is not None and number % 4 == 0:
            self.took(self.end())

    def end(self) -> Step:
        talk, self.open = self.open, None
        assert talk is not None
        step = self.org.ended(talk, self.play.now)
        self.took(step)
        self.events.append(StatusChanged(**self.play.common(), session_id=talk.work_item, status="Ended"))
        self.play.reps.clear()
        return Step()

    def next_ones(self, number: int) -> None:
        for _ in range(1 + number % 3):
            self.go_on()

    def time(self, number: int) -> None:
        self.settle()
        self.wait((1, 10, 35)[number % 3])

    # ---------------------------------------------------------------------------------------------------------- rules

    @property
    def assigned(self) -> list[str]:
        return [work.id for work in self.org.works.values() if work.state == "Assigned"]

    def check(self) -> None:
        assert len(self.assigned) <= 1, "nobody else is asked before the one before is cancelled"
        assert len(self.org.participants("con-1")) <= LIMIT


DEEDS = ["begin", "begin", "ask", "ask", "accept", "accept", "decline", "cancel", "presence", "customer_ends", "rep_ends"]


@settings(max_examples=300, deadline=None, database=None)
@given(deeds=st.lists(st.tuples(st.sampled_from([*DEEDS, *["next_ones"] * 10, *["time"] * 3]), st.integers(0, 99)), max_size=60))
def test_both_sides_agree_whatever_happens(deeds: list[tuple[str, int]]) -> None:
    both = Both()
    both.begin(0)
    for deed, number in deeds:
        getattr(both, deed)(number)
        both.check()
    both.settle()
    for login in USERS:
        both.play.world.go(Presence.online, login)
    both.play.do(CameFree())
    for _ in range(6):
        both.settle()
        both.accept(0)
        both.settle()
        both.check()
        both.wait(70)
    assert both.assigned == []
    assert both.org.requests == {}
    if both.open is not None:
        assert both.org.participants("con-1") or "con-1" in both.org.psrs, "the customer isn't left alone"
