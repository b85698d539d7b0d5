"""Twilio's forms and JSON, read leniently: unknown parameters are kept, nothing here refuses a value.

Twilio adds parameters without notice, and they take part in the signature.
Source: Twilio, "Twilio's request to your incoming message Webhook URL".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from adapters.contract import HttpReply, RawRequest
from adapters.errors import NotUnderstood
from adapters.reading import form_pairs, whole

Fields: TypeAlias = Mapping[str, str]

# A message's id. What Twilio signs has no marks between names and values: a captured request could else name any piece of itself as its id.
_SID: Final = re.compile(r"(SM|MM)[0-9a-f]{32}", re.IGNORECASE)
# A parameter's name, as all that Twilio documents and all that it was seen to add: `MessageSid`, `MediaUrl0`.
_NAME: Final = re.compile(r"[A-Z][A-Za-z_]{1,63}[0-9]{0,3}")

# A message of 1,600 characters takes at most 19 KB when each is percent-encoded; six times that leaves room for form answers.
MAX_FORM_BYTES: Final = 131_072
MAX_FORM_FIELDS: Final = 1_000


def pairs(body: bytes) -> list[tuple[str, str]]:
    """The names and values of a form, in order and untrimmed, empty ones too. Raises ValueError for more than Twilio ever sends."""
    if len(body) > MAX_FORM_BYTES:
        raise ValueError(f"the form is longer than {MAX_FORM_BYTES} bytes")
    return form_pairs(body, MAX_FORM_FIELDS)


def is_form(request: RawRequest) -> bool:
    """Whether the body is a form, as all that Twilio sends for messages is."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return content_type in ("", "application/x-www-form-urlencoded")


def form(request: RawRequest) -> list[tuple[str, str]] | None:
    """The names and values of the form, as `pairs` gives them; None for a GET or another body. Raises NotUnderstood."""
    if request.method == "GET" or not is_form(request):
        return None
    try:
        return pairs(request.body)
    except ValueError as fault:
        raise NotUnderstood(f"the form can't be read: {fault}") from fault


def read(request: RawRequest, told: list[tuple[str, str]] | None) -> Fields:
    """The parameters of a webhook: `told` by its form, or of the query for a GET. NULs, which some phones send, are left out; so is, of a form,
    what has no name of Twilio's form.

    Raises NotUnderstood for a body that isn't a form.
    """
    if told is None and request.method != "GET":
        raise NotUnderstood("the body is not a form")
    fields: dict[str, str] = {}
    for name, value in request.query if told is None else told:
        if told is None or _is_name(name):
            fields.setdefault(name.replace("\0", ""), value.replace("\0", ""))
    if not any(fields):
        raise NotUnderstood("the form is empty")
    return fields


@lru_cache(maxsize=512)  # Twilio's names are few, and the same in each webhook
def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name.replace("\0", "")) is not None


def is_sid(text: str) -> bool:
    """Whether a text is a message's id: SM or MM and 32 hex digits."""
    return _SID.fullmatch(text) is not None


def number(value: str | None) -> float | None:
    """A decimal number, or None for anything else."""
    try:
        return float(value) if value and value.replace(".", "").lstrip("-").isdigit() else None
    except ValueError:
        return None


def loads(text: str | bytes) -> Any:
    """JSON, or None for anything that is none (or only Python's idea of it)."""
    try:
        written = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        return whole(json.loads(text, parse_constant=_refuse), written)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def members(reply: HttpReply) -> dict[str, Any]:
    """The members of a JSON answer; none if it isn't an object."""
    found = loads(reply.body)
    return found if isinstance(found, dict) else {}
