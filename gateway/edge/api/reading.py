"""From an HTTP request to checked values, or to a Problem that points at each fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import ValidationError

from gateway.edge.api.call import Asked, Call, Nothing
from gateway.edge.limits import Limits, read_body
from gateway.edge.problems import Fault, Problem, invalid, pointer_of

A = TypeVar("A", bound=Asked)

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_PATH_PART: Final = re.compile(r"[\x21-\x7e]{1,200}")

# pydantic's own sentences speak of Python; these three are what people meet.
_WORDS: Final[Mapping[str, str]] = {
    "extra_forbidden": "unknown field",
    "missing": "required",
    "model_type": "must be a JSON object",
}


def idempotency_key(request: web.Request) -> str | None:
    """The header's value. Raises Problem (422) unless it is 1-255 visible ASCII characters, given once."""
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise invalid(Fault("/Idempotency-Key", "must be 1 to 255 visible ASCII characters, given once", "header"))
    return values[0]


def path_of(request: web.Request) -> Mapping[str, str]:
    """The ids in the path. Raises Problem (404) for one that can't be an id of ours."""
    for name, value in request.match_info.items():
        if not _PATH_PART.fullmatch(value):
            noun = name.removesuffix("_id")
            raise Problem("message_not_found" if noun == "outbox" else f"{noun}_not_found", "There is nothing of this id.")
    return dict(request.match_info)


def query_of(request: web.Request, model: type[A]) -> A:
    """The query's parameters. Raises Problem (422): unknown, repeated or unfit ones."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise invalid(Fault(pointer_of([name]), "given more than once", "query"))
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        raise faults_of(wrong, "query") from None


async def json_of(request: web.Request, model: type[A], limits: Limits) -> A:
    """The body as JSON. Raises Problem: 400, 408, 413, 415, 422. A call that takes no body takes `{}` too."""
    body = await read_body(request, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)
    if not body and model is Nothing:
        return model()
    if request.content_type != "application/json":
        raise unsupported("Send JSON, and say so: `Content-Type: application/json`.")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise unsupported("Send JSON in UTF-8.")
    try:
        # Strict, so that "true" is no boolean and 1 no text: a caller's slip is told, not guessed at.
        return model.model_validate_json(body, strict=True)
    except ValidationError as wrong:
        raise faults_of(wrong, "body") from None


def fields_of(given: Mapping[str, str], model: type[A]) -> A:
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
        return Problem("malformed_request", f"The body is not sound JSON: {broken['msg'].removeprefix('Invalid JSON: ')}.")
    return invalid(*(Fault(pointer_of(e["loc"]), _sentence(e), place) for e in errors))


def unsupported(detail: str) -> Problem:
    """415."""
    return Problem("unsupported_media_type", detail)


def accepts_form(call: Call, request: web.Request) -> bool:
    """Whether the body is a form, and the call takes one."""
    return call.form is not None and request.content_type == "multipart/form-data"


def _sentence(error: Mapping[str, Any]) -> str:
    told: str = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return told[0].lower() + told[1:]
