"""How a call of the API is declared: once, with what it takes and gives. Routing, checks and the OpenAPI text all come from it.

    @call("POST", "/sessions/{session_id}/leave", "Leave the conversation", answer=SessionShape, codes=("last_rep_must_end",))
    async def leave(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal: ...

A handler is given an `Ask` whose parts are checked already, and gives back a shape, a `Refusal`, or None (204). It knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gateway.brokers.contract import Broker, Caller, Directory
from gateway.edge.api.shapes import Shape
from gateway.session.decision import Refusal
from gateway.session.wording import says_something

B = TypeVar("B", bound="Asked")
Q = TypeVar("Q", bound="Asked")

PREFIX = "/api/v1"


class Asked(BaseModel):
    """Ground of what callers send: an unknown field is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Asked):
    """No body (an empty JSON object will do), or no query."""


def _no_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL can't keep it, and no channel can send it
        raise ValueError("must not hold a NUL character")
    return text


def _seen(text: str) -> str:
    if not says_something(text):
        raise ValueError(
            "holds nothing that can be seen: blanks and invisible characters alone are no text, write letters, digits or an emoji"
        )
    return text


Words = Annotated[str, AfterValidator(_no_nul), AfterValidator(_seen)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_nul)]
Cursor = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,500}$")]
Limit = Annotated[int, Field(ge=1, le=1_000)]
Number = Annotated[int, Field(ge=0, le=2**53 - 1)]  # beyond it JavaScript miscounts, and SQLite overflows at 2**63
Search = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_nul)]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form; the name is clean, the type what the caller says."""

    name: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Ask(Generic[B, Q]):
    """One call, checked: who asks what of whom. `key` is the idempotency key."""

    broker: Broker
    directory: Directory
    caller: Caller
    path: Mapping[str, str]
    query: Q
    body: B
    key: str | None = None
    file: Upload | None = None

    @property
    def session_id(self) -> str:
        """Of the path."""
        return self.path["session_id"]


Handler = Callable[[Ask[Any, Any]], Awaitable[Shape | Refusal | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """A declared call. `path` is below `/api/v1`; `codes` are the refusals of its own, beside those that every call may give.

    `form`: the body may also be multipart/form-data with these fields and one `file`.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    tag: str
    query: type[Asked]
    body: type[Asked]
    form: type[Asked] | None
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
