"""One conversation with partner-owned routing, and Salesforce on the other side, which does as its calls say: it keeps AgentWorks, and has them answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from adapters.envelope import ChannelId
from gateway.brokers.salesforce.events import (
    PeopleChanged,
    Person,
    PersonChange,
    Routed,
    RoutingAsked,
    StatusChanged,
    WorkChanged,
)
from gateway.brokers.salesforce.partner import decide
from gateway.brokers.salesforce.partner_people import name_of, short
from gateway.brokers.salesforce.partner_values import Answered, Around, Fired, Happened, OrgCall, Routing, WorkSeen, dump, load
from gateway.config import SalesforceOrg
from gateway.session.decision import Facts, SetTimer
from gateway.session.model import Login, Participant, Role, Session, SessionEndUser, SessionId, Status
from tests.session.world import START, World

USERS = {login: f"005000000000{login:0>3.3}AAA" for login in ("ana", "ben", "cle", "dor", "eve")}
USERS = {"ana": USERS["ana"], "ben": USERS["ben"], "cleo": USERS["cle"], "dora": USERS["dor"]}
STRANGER = "005000000000eveAAA"  # a user of the org whom the settings don't name
SUPPORT, BILLING, THEIR_QUEUE = "00G000000000001AAA", "00G000000000002AAA", "00G000000000009AAA"
ESCALATE, NOWHERE, THEIR_FLOW = "300000000000001AAA", "300000000000002AAA", "300000000000009AAA"
LANE = ChannelId("salesforce:main")

ORG = SalesforceOrg(
    org_id="00D000000000001",
    instance_url="https://example.my.salesforce.com",
    scrt_url="https://example.my.salesforce-scrt.com",
    consumer_key="key",
    username="gateway@example.com",
    private_keys=("secret",),  # type: ignore[arg-type]
    event="byoc__Message__e",
    event_type_field="byoc__EventType__c",
    event_payload_field="byoc__Payload__c",
    reps={Login(login): user for login, user in USERS.items()},
    queues={"support": SUPPORT, "billing": BILLING},
    flows={"escalate": ESCALATE, "nowhere": NOWHERE},
)


@dataclass
class SalesforceWork:
    """An AgentWork as Salesforce keeps it."""

    user: str
    state: Literal["assigned", "accepted", "declined", "closed"] = "assigned"


@dataclass
class PartnerPlay:
    """`calls` are all that was called; those of the last step are what `do` returns."""

    world: World = field(default_factory=World)
    now: datetime = START
    routing: Routing = field(default_factory=Routing)
    calls: list[OrgCall] = field(default_factory=list)
    unsent: list[OrgCall] = field(default_factory=list)
    timers: dict[str, datetime] = field(default_factory=dict)
    works: dict[str, SalesforceWork] = field(default_factory=dict)
    reps: list[str] = field(default_factory=list)
    asked_elsewhere: dict[str, int] = field(default_factory=dict)
    events: int = 0

    @property
    def around(self) -> Around:
        """What the rules may know at this moment."""
        world = self.world
        load = Counter({**world.other_load})
        load.update(short(USERS[login]) for login in self.reps)
        facts = Facts(
            now=self.now,
            new_id=lambda prefix: prefix,
            settings=world.settings,
            channel=world.channel,
            reps=world.people,
            queues=world.queues,
            flows=world.flows,
            presence=world.presence,
            load=load,
        )
        people = tuple(
            Participant(role=Role.rep, id=short(USERS[login]), name=login.title(), joined_at=START) for login in self.reps
        )
        session = Session(
            id=SessionId("ses1"),
            org="acme",
            channel_id=ChannelId("sms"),
            channel_type="sms",
            end_user=SessionEndUser(id="+4940123", name="Kim"),
            status=Status.active if people else Status.waiting,
            participants=people,
            queue="support",
            opened_at=START,
        )
        return Around(session, facts, ORG, self.asked_elsewhere)

    # ------------------------------------------------------------------------------------------------------ our side

    def do(self, happened: Happened) -> list[tuple[str, dict[str, Any]]]:
        """What is called for it."""
        kept = load(dump(self.routing))
        assert kept == self.routing, "it survives the store"
        step = decide(kept, happened, self.around)
        self.routing = step.routing
        self.calls += step.calls
        self.unsent += step.calls
        for timer in step.timers:
            if isinstance(timer, SetTimer):
                self.timers[timer.ref] = timer.due_at
            else:
                self.timers.pop(timer.ref, None)
        return [(call.operation, dict(call.body)) for call in step.calls]

    def wait(self, seconds: float) -> list[str]:
        """Time goes by, and what falls due fires, in order; what was called meanwhile is answered by Salesforce. The operations."""
        until, first = self.now + timedelta(seconds=seconds), len(self.calls)
        while due := sorted((at, ref) for ref, at in self.timers.items() if at <= until):
            at, ref = due[0]
            self.now = max(self.now, at)
            del self.timers[ref]
            self.do(Fired(ref=ref))
            self.send()
        self.now = until
        return [call.operation for call in self.calls[first:]]

    # ------------------------------------------------------------------------------------------------ Salesforce's side

    def send(self) -> None:
        """The outbox is sent, in order, and Salesforce answers."""
        while self.unsent:
            self.send_one()

    def send_one(self) -> None:
        """The first row of the outbox."""
        call = self.unsent.pop(0)
        if call.operation == "agent_work":
            id = f"0Bz{len(self.works):0>12}AAA"
            self.works[id] = SalesforceWork(str(call.body["userId"]))
            self.do(Answered(ref=call.ref, ok=True, work_id=id))
        elif call.operation == "close_agent_work":
            work = next(one for id, one in self.works.items() if short(id) == call.body["workId"])
            cancellable = work.state == "assigned"
            if cancellable:
                work.state = "closed"
            self.do(Answered(ref=call.ref, ok=cancellable, code=None if cancellable else 15_000))
        elif call.operation == "route":
            self.do(Answered(ref=call.ref, ok=True, correlation="from-route"))

    @property
    def ringing(self) -> list[str]:
        """Whom Salesforce is asking: users."""
        return [work.user for work in self.works.values() if work.state == "assigned"]

    def seen(self, change: Any, work_id: str, *, by: str | None = None) -> WorkSeen:
        """What the browser of this user, else of the one whose work it is, reports of it."""
        known = self.works.get(work_id)
        return WorkSeen(user=by or (known.user if known else str(self.routing.asked)), change=change, work_id=work_id)

    def answer(
        self, login: str, change: Literal["Accepted", "Declined"], *, event: bool = True
    ) -> list[tuple[str, dict[str, Any]]]:
        """The rep answers. `event`: the gateway hears of it; a rep who accepts comes in, in any case."""
        id, work = next((id, one) for id, one in self.works.items() if one.user == USERS[login] and one.state == "assigned")
        work.state = "accepted" if change == "Accepted" else "declined"
        called = self.do(WorkChanged(**self.common(), change=change, work_id=id, target="0Mw000000000001")) if event else []
        if change == "Accepted":
            self.reps.append(login)
            called += self.do(self.people(login))
        return called

    def people(self, login: str, operation: Literal["add", "remove"] = "add", role: str = "Agent") -> PeopleChanged:
        """Somebody comes or goes."""
        person = Person(app_type="agent", subject=short(USERS[login]), role=role)
        return PeopleChanged(**self.common(), changes=(PersonChange(operation=operation, person=person),))

    def asked(self, routing: Literal["Initial", "Transfer", "Conference"] = "Initial", **to: Any) -> RoutingAsked:
        """RoutingRequested; `correlation` is new unless given."""
        common = self.common()
        return RoutingAsked(**common, **{"correlation": f"cor-{common['event_id']}", "routing": routing, **to})

    def routed(self, **fields: Any) -> Routed:
        """RoutingResult."""
        return Routed(**self.common(), **fields)

    def status(self, status: str) -> StatusChanged:
        """SessionStatusChanged."""
        return StatusChanged(**self.common(), status=status)

    def common(self) -> dict[str, Any]:
        """What all events have."""
        self.events += 1
        about = {"address": "a-1", "customer": "+4940123", "conversation": "con-1"}
        return {"channel_id": LANE, "event_id": f"e{self.events}", "received_at": self.now, "at": self.now, **about}

    def come_in(self, *logins: str) -> None:
        """An Initial request that these reps serve, before the test begins."""
        self.reps += logins


def login_of(user: object) -> str:
    """Ours of a Salesforce user."""
    return str(name_of(str(user), ORG.reps))
