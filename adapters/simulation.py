"""What a simulated provider is: the other side of an adapter, strict, without I/O.

A simulator is a state machine over the inputs `handle` (we call the provider's API), `act` (a customer does something on the
handset), and `settled` (a call that the provider made came back). Everything it does is determined by these and their times, so
the host keeps the inputs and gets the same provider back after a restart. It refuses what the real provider refuses, with the
provider's own error bodies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from adapters.contract import Answer, RawRequest


class CannotAct(Exception):
    """The handset can't do that on this channel, or not now; the text says why."""


class SimFile(BaseModel):
    """A file on the handset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mime_type: str
    content: bytes = Field(repr=False)


class Action(BaseModel):
    """What a customer does. `customer` is a plain name such as `kim`: the simulator makes the channel's address from it.

    `say` needs text or file; `react`, `edit`, `unsend` need `target`, the `id` of a line on the handset; `details` hold what else
    the kind takes (`latitude` and `longitude`; a choice's `id`, `title`; `times` to deliver the webhook more than once).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal[
        "say",
        "typing",
        "read",
        "end",
        "block",
        "unblock",
        "react",
        "edit",
        "unsend",
        "location",
        "contact",
        "sticker",
        "choose",
        "offline",
        "online",
    ]
    customer: str = Field(min_length=1, max_length=64)
    text: str | None = None
    file: SimFile | None = None
    target: str | None = None
    on: bool = True
    details: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request that the provider makes: a webhook to us, or a `fetch` of a file that we named.

    Calls with the same `lane` go one after another, each until it is settled (the provider keeps one customer's order);
    `delay_seconds` is waited first. `id` is unique within the simulator.
    """

    id: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    purpose: Literal["webhook", "fetch"] = "webhook"
    lane: str = ""
    delay_seconds: float = 0.0
    timeout_seconds: float = 15.0
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an input leads to: an answer (for `handle`), the calls that the provider now makes, and for `act` the `line_id` that
    the handset shows it under."""

    answer: Answer = field(default_factory=Answer)
    calls: tuple[ProviderCall, ...] = ()
    line_id: str | None = None


class Shown(BaseModel):
    """One line of a handset, as the provider knows it.

    `speaker` is the name that the channel itself shows beside the bubble (None where it has none). `status` of my own lines: `sending`,
    `sent` (the webhook was taken), `failed`; of theirs: None. `media` is `{"name", "mime_type", "size_bytes", "file_id"}`.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    id: str
    sender: Literal["me", "them"] = Field(alias="from")
    kind: Literal["message", "notice"] = "message"
    text: str | None = None
    speaker: str | None = None
    at: datetime
    status: str | None = None
    media: dict[str, Any] | None = None


class Simulator(Protocol):
    """The provider's side of one channel."""

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to the provider's API; `request.path` stands below the simulator's base. Unknown paths: the provider's 404."""
        ...

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something. Raises CannotAct, and then changes nothing."""
        ...

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """The call came back (None: no answer in time); the calls that follow, say a redelivery with its `delay_seconds`."""
        ...

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Calls to make and settle before the handset is read; most providers need none."""
        ...

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        ...

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        ...


def digits_of(customer: str, count: int) -> str:
    """Digits that stand for a customer in ids and numbers: the same name, the same digits."""
    return str(int.from_bytes(hashlib.sha256(customer.encode()).digest()[:16], "big"))[-count:].rjust(count, "0")


def hex_of(customer: str, count: int) -> str:
    """Lower-case hex digits that stand for a customer."""
    return hashlib.sha256(customer.encode()).hexdigest()[:count]
