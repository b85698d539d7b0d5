"""Reading JSON that may hold anything: what comes out can be kept, sent on, and never raises but as told here.

Some things are legal in JSON, or taken for it, and break later: halves of surrogate pairs (no store takes them), `NaN` and `Infinity`, nesting without
end, and a megabyte of nothing but brackets, which costs more time than any message. They are fixed or refused here, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from adapters.contract import Account, HttpReply, RawRequest
from adapters.envelope import Inbound, InboundUnknown, from_unix
from adapters.errors import NotUnderstood
from adapters.signing import sha256_hex

# Two patterns that begin with the same letters are found many times quicker than one with alternatives. (Behind an escaped backslash a half is
# plain text: then fixing changes nothing.)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR: Final = re.compile(rb"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F]")
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")  # of a form; in a row, because a character may have several
# Brackets and commas. A batch of 1,000 messages, the largest there is (Meta's), has half as many; and one in four bytes is a density that
# neither providers' JSON nor people's prose comes near.
_MOST_MARKS: Final = 60_000
_DENSEST: Final = 4
_MOST_KEYS: Final = 50_000  # each takes a microsecond; 1,000 messages of WhatsApp's have half as many
_DEEPEST: Final = 60  # of what an envelope keeps; no provider nests half as deep


class Malformed(ValueError):
    """An event lacks what its kind needs; the text names the field."""


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body in UTF-8, without lone surrogates; NaN and Infinity are None.

    Raises NotUnderstood for all else: another encoding, an array, nesting without end, a body of hardly anything but brackets and commas, or
    with tens of thousands of keys.
    """
    if len(body) > _MOST_MARKS:
        marks = sum(map(body.count, (b"[", b"{", b",")))
        keys = body.count(b'":') + body.count(b'" :') if body.count(b":") > _MOST_KEYS else 0
        if (marks > _MOST_MARKS and marks * _DENSEST > len(body)) or keys > _MOST_KEYS:
            raise NotUnderstood("the JSON has more members than any provider sends")
    try:
        found = json_value(body)
    except (ValueError, RecursionError) as cause:
        raise NotUnderstood("the body is not JSON in UTF-8") from cause
    if not isinstance(found, dict):
        raise NotUnderstood("the body is not a JSON object")
    return found


def json_value(written: bytes) -> Any:
    """The value of JSON in UTF-8, without lone surrogates; NaN and Infinity are None. For JSON inside a text of other JSON or a form, too.

    Raises ValueError for what is not JSON, RecursionError for nesting without end.
    """
    try:
        # A third of json's time, and the same value. What it refuses (also a byte order mark, NaN, half a pair) is rare and goes the longer way.
        return from_json(written, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return whole(json.loads(written.decode("utf-8-sig"), parse_constant=lambda _: None), written)


def whole(value: Any, written: bytes) -> Any:
    """The value of the JSON in `written`, without lone surrogates; also for JSON inside a text of other JSON or a form."""
    return _mended(value) if _has_lone_halves(written) else value


def form_pairs(body: bytes, most: int) -> list[tuple[str, str]]:
    """The names and values of a form (`application/x-www-form-urlencoded`) in UTF-8, in order, empty ones too; what can't be decoded is `\ufffd`.

    Raises ValueError for more than `most` fields.
    """
    if body.count(b"&") >= most:
        raise ValueError(f"the form has more than {most} fields")
    pairs = []
    for field in body.decode("utf-8", "replace").replace("+", " ").split("&"):
        name, _, value = field.partition("=")
        if "%" in field:
            name, value = _ESCAPES.sub(_unescaped, name) if "%" in name else name, _ESCAPES.sub(_unescaped, value)
        if field:
            pairs.append((name, value))
    return pairs


def _unescaped(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "replace")


def answer_of(reply: HttpReply) -> dict[str, Any]:
    """The JSON object of a provider's answer; an empty one where the body is something else. Never raises."""
    try:
        return json_object(reply.body)
    except NotUnderstood:
        return {}


def _has_lone_halves(body: bytes) -> bool:
    """Emoji are surrogate pairs; half a pair is not a character."""
    halves = len(_HALF.findall(body))
    return halves != 0 and halves != 2 * len(_PAIR.findall(body))


def _mended(value: Any) -> Any:
    """The same with `\ufffd` for each half of a pair; by way of the text, which is many times quicker than value by value."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def kept(value: Any, depth: int = _DEEPEST) -> dict[str, Any]:
    """A raw event as an envelope keeps it: an object, without what lies deeper than `depth`. A value that isn't an object is `{"value": …}`.

    It is no copy: change neither afterwards.
    """
    shallow = value if _is_shallow(value, depth) else _shallow(value, depth)
    return shallow if isinstance(shallow, dict) else {"value": shallow}


def _is_shallow(value: Any, depth: int) -> bool:
    """Whether nothing in it can lie deeper, by the brackets of its JSON: written in C, it takes a fraction of a walk through the value."""
    try:
        written = to_json(value)
    except ValueError:
        return False
    return written.count(b"{") + written.count(b"[") <= depth


def _shallow(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_shallow(one, depth - 1) for one in value] if depth else "…"
    if isinstance(value, dict):
        return {key: _shallow(one, depth - 1) for key, one in value.items()} if depth else "…"
    return value


def digest_of(value: Any) -> str:
    """An id made from an event's content, `sha256-` and 32 hex digits, for events that have none: the same on each delivery, and the same for
    two events with the same content.
    """
    return "sha256-" + sha256_hex(json.dumps(kept(value), sort_keys=True).encode("utf-8", "surrogatepass"))[:32]


Fields: TypeAlias = dict[str, Any]


def each(
    request: RawRequest, account: Account, events: Iterable[tuple[str | None, Any]], read: Callable[[Any, Fields], Inbound]
) -> list[Inbound]:
    """Read events one by one, in order, and get as many: one that is malformed is kept as unknown, and costs only itself.

    `events` are pairs of the provider's id and the event; without an id (None, or empty) it is the event's digest. `read(event, fields)` gives
    the envelope; `fields` are those that every envelope has (`channel_id`, `event_id`, `raw`, `received_at`). It may raise Malformed and
    pydantic's ValidationError; any other error comes through.
    """
    found: list[Inbound] = []
    for event_id, event in events:
        fields: Fields = {"event_id": event_id or digest_of(event), "raw": kept(event)}
        fields |= {"channel_id": account.channel_id, "received_at": request.received_at}
        try:
            found.append(read(event, dict(fields)))
        except (Malformed, ValidationError):
            found.append(InboundUnknown(**fields, reason="malformed"))
    return found


def dig(value: object, *keys: str) -> Any:
    """The value within objects within objects, by their keys; None where one is missing or not an object. Never raises."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def dict_of(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(of: Mapping[str, Any], key: str, *, most: int | None = None) -> str:
    """A text that must be there and not be empty, with at most `most` code points; a whole number counts as its digits. Raises Malformed."""
    value = optional(of, key)
    if value is None:
        raise Malformed(f"{key}: a text is needed")
    if most is not None and len(value) > most:
        raise Malformed(f"{key}: at most {most} characters")
    return value


def optional(of: Mapping[str, Any], key: str) -> str | None:
    """A text that may be there; None where it is empty or something else. A whole number counts as its digits."""
    value = of.get(key)
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e30 else None


def number(of: Mapping[str, Any], key: str) -> float:
    """A finite number that must be there, under 10^15 either way. Raises Malformed; a text of digits isn't one."""
    value = of.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise Malformed(f"{key}: a number is needed")
    return float(value)


def count(of: Mapping[str, Any], key: str) -> int | None:
    """A whole number from 0 to 10^15 that may be there; None for anything else. Never raises."""
    value = of.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e15 else None


def moment(value: object = None, *, seconds: object = None, milliseconds: object = None) -> datetime | None:
    """A provider's time, in UTC. `value` is a text in RFC 3339 with its offset; by name, `seconds` or `milliseconds` are since 1970, as a number or
    as digits.

    None where it is missing or nonsense, and for a text without an offset. A bare number is taken for seconds, so milliseconds given so are
    None: give them by name. Never raises.
    """
    if milliseconds is not None:
        return from_unix(milliseconds, unit="ms")
    number = value if seconds is None else seconds
    if isinstance(number, bool) or number is None:
        return None
    if seconds is not None or isinstance(number, int | float):
        return from_unix(number)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo else None
    except (ValueError, OverflowError):
        return None
