"""Values of partner-owned routing: what is routed, to whom, and what comes of it. See `partner_routing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from gateway.brokers.salesforce.simulator.contract import OrgChannel, RoutingContext, RoutingType

WorkState: TypeAlias = Literal["Assigned", "Accepted", "Declined", "Cancelled", "Closed"]


@dataclass(frozen=True, slots=True)
class Talk:
    """An open session of a conversation. `opted_in`: whether the customer's consent is as full as the channel requires."""

    conversation: str
    work_item: str
    customer: str
    channel: OrgChannel
    opted_in: bool = True


@dataclass(frozen=True, slots=True)
class RepFacts:
    """A user who may be given work. `capacity`: total of the weights of work at one time; a percentage counts as its part of all. `tied`: the presence status
    is one that serves the channel. `licensed`: has Partner Messaging."""

    id: str
    capacity: float = 5
    tied: bool = True
    licensed: bool = True


class World(Protocol):
    """What the host knows."""

    def talk(self, work_item: str) -> Talk | None:
        """The open session with this id."""
        ...

    def rep(self, user: str) -> RepFacts | None:
        """A user of the org."""
        ...

    def queue(self, id: str) -> bool:
        """Whether the org has this queue (00G…)."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a rep wants a conversation to go: one of them."""

    user: str | None = None
    queue: str | None = None
    flow: str | None = None
    external: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What the org asked the partner to route. `by`: the rep who wants it; None: the session is new."""

    talk: Talk
    routing: RoutingType
    correlation_id: str
    by: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Psr:
    """A PendingServiceRouting."""

    id: str
    routing: RoutingType
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Work:
    """An AgentWork. `load`: what it takes of the rep's capacity."""

    id: str
    user: str
    talk: Talk
    context: RoutingContext
    load: float
    state: WorkState = "Assigned"
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """What one input comes to. `published`: (event type, payload), in order."""

    published: tuple[tuple[str, dict[str, Any]], ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __add__(self, other: Step) -> Step:
        return Step(self.published + other.published, self.joined + other.joined, self.left + other.left)
