"""LINE's JSON: read with care, written in one place.

Readers take plain dicts: a missing or mistyped field that we need raises `Malformed`, everything else that we don't know is
left where it stands. Source: LINE Developers, "Messaging API reference", and github.com/line/line-openapi.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from adapters.contract import HttpReply
from adapters.errors import NotUnderstood
from adapters.reading import json_object

Json: TypeAlias = Mapping[str, Any]


class Malformed(ValueError):
    """An event lacks what its kind needs."""


def read_webhook(body: bytes) -> tuple[str | None, list[Any]]:
    """The `destination` and the events of a webhook's body. Raises NotUnderstood."""
    payload = json_object(body)
    events = payload.get("events")
    if not isinstance(events, list):
        raise NotUnderstood("the body has no list of events")
    return optional(payload, "destination"), events


def text(of: Json, key: str) -> str:
    """A text that must be there."""
    value = of.get(key)
    if not isinstance(value, str):
        raise Malformed(f"{key} is missing")
    return value


def optional(of: Json, key: str) -> str | None:
    """A text that may be there."""
    value = of.get(key)
    return value if isinstance(value, str) and value else None


def number(of: Json, key: str) -> float:
    """A number that must be there."""
    value = of.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise Malformed(f"{key} is not a number")
    return float(value)


def count(of: Json, key: str) -> int | None:
    """A whole number from 0 that may be there."""
    value = of.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def inner(of: Json, key: str) -> Json:
    """An object inside, empty where there is none."""
    value = of.get(key)
    return value if isinstance(value, dict) else {}


# ------------------------------------------------------------------------------------------------- answers

# LINE has no error codes: its answers are told apart by how their text begins. Source: LINE Developers, "Messaging API
# reference", error messages. Only this text distinguishes the two kinds of 429.
_CODES: Final = (
    ("Invalid reply token", "invalid_reply_token"),
    ("The request body has", "invalid_body"),
    ("The property", "invalid_property"),
    ("The request body could not be parsed", "invalid_json"),
    ("Failed to send messages", "failed_to_send"),
    ("Authentication failed", "authentication_failed"),
    ("Access to this API", "access_denied"),
    ("Not found", "not_found"),
    ("The retry key is already accepted", "retry_key_accepted"),
    ("The content type", "unsupported_content_type"),
    ("The API rate limit has been exceeded", "rate_limited"),
    ("You have reached your monthly limit", "monthly_limit"),
)


def read_json(reply: HttpReply) -> Json:
    """An answer's body as an object, empty where it is something else."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def error_code(reply: HttpReply) -> str:
    """Our name for what LINE answered, `http_410` where the text is unknown."""
    message = optional(read_json(reply), "message") or ""
    return next((code for start, code in _CODES if message.startswith(start)), f"http_{reply.status}")


def error_properties(reply: HttpReply) -> list[tuple[str, str]]:
    """What LINE finds wrong, as (property, message): `("messages[0].text", "Length must be …")`."""
    body = read_json(reply)
    details = body.get("details")
    found = [(optional(d, "property") or "", optional(d, "message") or "") for d in _objects(details)]
    return found or [("", optional(body, "message") or "")]


def sent_messages(reply: HttpReply) -> list[tuple[str, str | None]]:
    """The ids of the messages that LINE took, each with its quote token. A 409 for a known retry key has them too."""
    return [(optional(m, "id") or "", optional(m, "quoteToken")) for m in _objects(read_json(reply).get("sentMessages"))]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def dump(body: Json) -> bytes:
    """A request's body, as compact UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
