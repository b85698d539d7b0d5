"""What callers send, from bytes to checked values, or to a Problem that points at each fault. Bodies are cut off while they come in, never after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeVar

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import BadHttpMessage
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.edge.limits import Limits
from gateway.edge.problems import Fault, Problem, invalid, pointer_of
from gateway.session.saying import says_something

T = TypeVar("T", bound="Input")

# pydantic's own sentences speak of Python; these three are what people meet.
_WORDS: Final[Mapping[str, str]] = {
    "extra_forbidden": "unknown field",
    "missing": "required",
    "model_type": "must be a JSON object",
}


class Input(BaseModel):
    """Base of what callers send: an unknown field is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Nothing(Input):
    """No body (an empty JSON object will do), or no query."""


def _no_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL can't keep it, and no channel can send it
        raise ValueError("must not hold a NUL character")
    return text


def _seen(text: str) -> str:
    if not says_something(text):
        raise ValueError("has no visible text: write letters, digits or an emoji; spaces and invisible characters don't count")
    return text


Words = Annotated[str, AfterValidator(_no_nul), AfterValidator(_seen)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_nul)]
Cursor = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,500}$")]
Limit = Annotated[int, Field(ge=1, le=1_000)]
Number = Annotated[int, Field(ge=0, le=2**53 - 1)]  # beyond it JavaScript miscounts, and SQLite overflows at 2**63
Search = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_nul)]


def too_large(max_bytes: int) -> Problem:
    """413."""
    return Problem("too_large", f"Send at most {max_bytes} bytes.", headers={"Connection": "close"})


def refuse_announced(request: web.Request, max_bytes: int) -> None:
    """Raises Problem (413) for a body that says beforehand that it is too large: not a byte of it is read."""
    if request.content_length is not None and request.content_length > max_bytes:
        raise too_large(max_bytes)


async def read_body(request: web.Request, *, max_bytes: int, seconds: float) -> bytes:
    """The whole body. Raises Problem: 413 as soon as it exceeds `max_bytes` (counted after decompression), 408 when it
    trickles for longer than `seconds`, 400 when its coding is broken."""
    refuse_announced(request, max_bytes)
    if request.content.is_eof() and request.content.exception() is None:  # as nearly always, all of it came with the head
        whole = request.content.read_nowait()
        if len(whole) > max_bytes:
            raise too_large(max_bytes)
        return whole
    body = bytearray()
    async with reading(seconds):
        async for piece in request.content.iter_any():
            body += piece
            # Counted while reading: Content-Length may be missing, and compression may hide the size.
            if len(body) > max_bytes:
                raise too_large(max_bytes)
    return bytes(body)


@asynccontextmanager
async def reading(seconds: float) -> AsyncIterator[None]:
    """Around whatever reads a body: what goes wrong on the way becomes a Problem (408, 400)."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        # Close: the rest of the body may still arrive, and would be read as the next request.
        detail = f"The body did not arrive within {seconds:g} s; send it faster, or in smaller pieces."
        raise Problem("request_too_slow", detail, headers={"Connection": "close"}) from None
    except (BadHttpMessage, web.RequestPayloadError, ClientPayloadError) as broken:
        detail = "The body is malformed: its length or compression doesn't match the headers."
        raise Problem("malformed_request", detail, headers={"Connection": "close"}) from broken


def query_of(request: web.Request, model: type[T]) -> T:
    """The query's parameters. Raises Problem (422): unknown, repeated or unfit ones."""
    if model is Nothing and not request.query_string:
        return model()
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise invalid(Fault(pointer_of([name]), "given more than once", "query"))
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        raise faults_of(wrong, "query") from None


async def json_of(request: web.Request, model: type[T], limits: Limits) -> T:
    """The body as JSON. Raises Problem: 400, 408, 413, 415, 422. A call that takes no body takes `{}` too."""
    body = await read_body(request, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)
    if not body and model is Nothing:
        return model()
    if request.content_type != "application/json":
        raise unsupported("Send JSON with `Content-Type: application/json`.")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise unsupported("Send JSON in UTF-8.")
    try:
        # Strict: "true" is not a boolean and 1 is not a text. A caller's mistake is reported, not guessed at.
        return model.model_validate_json(body, strict=True)
    except ValidationError as wrong:
        raise faults_of(wrong, "body") from None


def fields_of(given: Mapping[str, str], model: type[T]) -> T:
    """A form's fields. Raises Problem (422). An empty field counts as none: that is how browsers send it."""
    try:
        return model.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as wrong:
        raise faults_of(wrong, "form") from None


def faults_of(wrong: ValidationError, place: str) -> Problem:
    """422 with a pointer to each fault; 400 where it isn't JSON at all. What was sent isn't repeated: it may be a customer's words."""
    errors: list[Any] = wrong.errors(include_url=False, include_context=False, include_input=False)
    broken = next((e for e in errors if e["type"] == "json_invalid"), None)
    if broken:
        return Problem("malformed_request", f"The body is not valid JSON: {broken['msg'].removeprefix('Invalid JSON: ')}.")
    return invalid(*(Fault(pointer_of(e["loc"]), _sentence(e), place) for e in errors))


def unsupported(detail: str) -> Problem:
    """415."""
    return Problem("unsupported_media_type", detail)


def _sentence(error: Mapping[str, Any]) -> str:
    told: str = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return told[0].lower() + told[1:]
