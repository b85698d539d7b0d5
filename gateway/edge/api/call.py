"""Declares each API call once, with its input and output. Routing, checks and the OpenAPI text are derived from it.

    @call("POST", "/sessions/{session_id}/leave", "Leave the conversation", answer=SessionShape, codes=("last_rep_must_end",))
    async def leave(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal: ...

A handler is given an `Ask` whose parts are checked already, and gives back a shape, a `Refusal`, or None (204). It knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.brokers.contract import Broker, Caller, Connector, Directory
from gateway.edge.api.shapes import Shape
from gateway.edge.input import Input, Nothing
from gateway.edge.upload import Upload
from gateway.session.decision import Refusal

B = TypeVar("B", bound="Input")
Q = TypeVar("Q", bound="Input")

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask(Generic[B, Q]):
    """One call, checked: who asks what of whom. `session_id` is the path's, empty where it has none; `key` is the idempotency key.
    `connector`: where a broker elsewhere has this gateway route."""

    broker: Broker
    directory: Directory
    caller: Caller
    path: Mapping[str, str]
    session_id: str
    query: Q
    body: B
    key: str | None = None
    file: Upload | None = None
    connector: Connector | None = None


Handler = Callable[[Ask[Any, Any]], Awaitable[Shape | Refusal | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """A declared call. `path` is below `/api/v1`; `codes` are its own refusals, in addition to those that every call may give.

    `form`: the body may also be multipart/form-data with these fields and one `file`.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    tag: str
    query: type[Input]
    body: type[Input]
    form: type[Input] | None
    answer: type[Shape] | None
    status: int
    codes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.handler.__name__

    @property
    def description(self) -> str:
        """The handler's docstring."""
        return (self.handler.__doc__ or "").strip()

    @property
    def takes_body(self) -> bool:
        """Whether there is anything to say in a body."""
        return self.body is not Nothing


def call(
    method: str,
    path: str,
    summary: str,
    *,
    tag: str,
    query: type[Q] = Nothing,  # type: ignore[assignment]
    body: type[B] = Nothing,  # type: ignore[assignment]
    form: type[B] | None = None,
    answer: type[Shape] | None = None,
    status: int | None = None,
    codes: tuple[str, ...] = (),
) -> Callable[[Callable[[Ask[B, Q]], Awaitable[Shape | Refusal | None]]], Call]:
    """Declare a call. Nothing is registered: each module of nouns lists its calls in `CALLS`."""

    def declare(handler: Callable[[Ask[B, Q]], Awaitable[Shape | Refusal | None]]) -> Call:
        done = status or (200 if answer else 204)
        return Call(method, path, summary, handler, tag, query, body, form, answer, done, codes)

    return declare
