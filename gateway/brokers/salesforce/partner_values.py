"""What partner-owned routing knows of one conversation, what can happen to it, and what comes of that. Values; the rules are in `partner`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from pydantic import AwareDatetime, JsonValue

from adapters.envelope import Value
from gateway.brokers.salesforce.events import PeopleChanged, Routed, RoutingAsked, StatusChanged, WorkChanged
from gateway.config import SalesforceOrg
from gateway.session.decision import CancelTimer, Facts, SetTimer
from gateway.session.model import Session

KIND: Final = "partner_routing"  # of all its timers


# ------------------------------------------------------------------------------------------------------- what is known


class Target(Value):
    """Whom a request is for. `id` is Salesforce's; `fallback` the queue that goes with a flow."""

    kind: Literal["user", "queue", "flow", "bot", "external", "channel"]
    id: str = ""
    fallback: str | None = None


class Work(Value):
    """The AgentWork of a request that is open: a rep is being asked.

    `assigning`: the call is on its way; `ringing`: the rep can answer; `closing`: being cancelled; `disputed`: Salesforce wouldn't cancel it, so the rep
    has just answered, and how is not known yet.
    """

    number: int
    user: str
    id: str | None = None
    phase: Literal["assigning", "ringing", "closing", "disputed"] = "assigning"


class Request(Value):
    """A RoutingRequested that is being served, or waits for the one before it.

    `answered`: its routingResult is on the way. `done`: nobody else is asked for it, and it only waits for its work to be cancelled. `route`: the answer
    to POST /route is awaited, after which Salesforce routes (`theirs`) or we do (`ours`). `passed`: users who were asked and didn't come; `works`: their
    AgentWorks, as 15 characters.
    """

    number: int
    routing: Literal["Initial", "Transfer", "Conference"]
    target: Target
    correlation: str
    conversation: str
    asked_at: AwareDatetime
    answered: bool = False
    done: bool = False
    route: Literal["theirs", "ours"] | None = None
    passed: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    work: Work | None = None
    declined: bool = False  # the last one who was asked said no, rather than nothing

    @property
    def holds(self) -> bool:
        """Whether the customer waits for it, so that it can't fail: they are new, or the rep who transferred them was told that it worked, and left."""
        return self.routing == "Initial" or (self.routing == "Transfer" and self.answered)


class Routing(Value):
    """All of one conversation. `seen`: the latest requests, so that a repeated one does nothing; `works`: the latest AgentWorks that
    aren't open any more. `session`: ours, and `ended`: whether it has, by what Salesforce or the customer said."""

    current: Request | None = None
    queued: tuple[Request, ...] = ()
    seen: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    session: str = ""
    numbers: int = 0  # given to requests and works so far
    ended: bool = False

    @property
    def asked(self) -> str | None:
        """The user who has open work of this conversation that isn't accepted: it counts towards their load."""
        return self.current.work.user if self.current is not None and self.current.work is not None else None

    @property
    def waits(self) -> bool:
        """Whether the customer waits for a rep to come free."""
        request = self.current
        return request is not None and request.holds and not (request.done or request.work or request.route)


def load(kept: str | bytes | None) -> Routing:
    """From what `dump` gave; None: nothing is known yet. Raises ValueError."""
    return Routing() if kept is None else Routing.model_validate_json(kept)


def dump(routing: Routing) -> str:
    """As JSON, to be stored in the transaction of what follows from it."""
    return routing.model_dump_json(exclude_defaults=True)


# ----------------------------------------------------------------------------------------------------- what can happen


class Answered(Value):
    """What Salesforce answered to a call that had a `ref`. `ok`: it was done; else it won't be tried again, and `code` is Salesforce's. `work_id`: of POST
    /agentWork; `correlation`: of POST /route."""

    ref: str
    ok: bool
    work_id: str | None = None
    correlation: str | None = None
    code: int | None = None


class WorkSeen(Value):
    """What the connector in a rep's browser saw of an AgentWork: the same news as WorkChanged, by another road. `user`: whose browser; it counts for their own
    work alone."""

    user: str
    change: Literal["Assigned", "Accepted", "Declined", "Closed", "Cancelled"]
    work_id: str


class Fired(Value):
    """A timer is due. What it was for may be gone; then it changes nothing."""

    ref: str


class CameFree(Value):
    """A rep may take work. `again`: also those who passed may be asked once more (somebody came online or finished a conversation; not: passed)."""

    again: bool = True


class CustomerEnded(Value):
    """The customer ended the conversation on the channel (L4)."""


class RemoveRep(Value):
    """A rep is to leave the session. `replace`: they were the only one and lost their connection (L5), so it is routed again first."""

    user: str
    replace: bool = False


Happened: TypeAlias = (
    RoutingAsked
    | WorkChanged
    | PeopleChanged
    | Routed
    | StatusChanged
    | Answered
    | WorkSeen
    | Fired
    | CameFree
    | CustomerEnded
    | RemoveRep
)


class Around(NamedTuple):
    """What is known beside it. `session`: its participants are named as Salesforce names them, by user id. `facts` with the customer's words
    (`Unit.facts(session, words=True)`). `asked`: how many of the other conversations have a user as their `Routing.asked`, by 15 characters; a rep who is
    being asked has less capacity left."""

    session: Session
    facts: Facts
    org: SalesforceOrg
    asked: Mapping[str, int] = MappingProxyType({})


# --------------------------------------------------------------------------------------------------- what comes of it


class OrgCall(NamedTuple):
    """A call for the outbox. What its body lacks is known when it is sent: `workItemId`, the channel's address and the customer's, and the conversation where
    the event didn't name it. `ref` is to come back in `Answered`; empty where the answer doesn't matter."""

    operation: Literal["agent_work", "close_agent_work", "routing_result", "route", "unroute", "participant", "session"]
    body: Mapping[str, JsonValue]
    ref: str = ""


class Step(NamedTuple):
    """The state afterwards, and what must be committed with it, in this order."""

    routing: Routing
    calls: tuple[OrgCall, ...] = ()
    timers: tuple[SetTimer | CancelTimer, ...] = ()
