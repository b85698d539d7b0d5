"""Apple's JSON: read leniently, by plain functions, so that a strange field is passed over and never an error.

Source: Apple, "Messages for Business REST API": "Type text", "Type interactive", "Messages received", "Messages sent".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from adapters import made
from adapters.apple.mmcs import NotUnlocked, signature_base64
from adapters.envelope import MediaPart, MediaState, Part, UnknownPart

BALLOON: Final = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.icloud.apps.messages.business.extension"
OBJECT_MARK: Final = "\ufffc"  # in a text once per attachment, at its position
MAX_TEXT: Final = 10_000  # Apple publishes none; the largest that a provider in front of Apple allows (Webex Connect)
MAX_FILE_BYTES: Final = 100_000_000  # "up to 100 MB"; any type
SESSION: Final = "sessionIdentifier"

_MAX_MEMBERS: Final = 500
_MAX_MARKS: Final = 60_000  # a megabyte of `[]` costs a quarter of a second to check; an answer inline has at most 10 KB
_LONE_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_VOICE: Final = frozenset({"audio/x-caf", "audio/caf", "audio/amr"})


def load(body: bytes) -> dict[str, Any]:
    """The body as an object. Halves of surrogate pairs become `?`, for no store takes them. Raises ValueError."""
    if len(body) > _MAX_MARKS and sum(map(body.count, (b"[", b"{", b","))) > _MAX_MARKS:
        raise ValueError("the JSON has too many members")
    try:
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        value = _load_slowly(body)
    if not isinstance(value, dict):
        raise ValueError("the JSON is not an object")
    return value


def _load_slowly(body: bytes) -> Any:
    """What is rare: a byte order mark, half a pair; and what isn't JSON."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
        if _LONE_HALF.search(body):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    return value


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def words(source: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that holds a text (or a number, as text), without the blanks around it."""
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            if bare := value.strip():
                return bare
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def section(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A field that is an object; empty where it is none."""
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def objects(source: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a field that is a list. Raises ValueError for one that no phone makes (a megabyte of `{}` costs seconds)."""
    value = source.get(name)
    if not isinstance(value, list):
        return []
    if len(value) > _MAX_MEMBERS:
        raise ValueError(f"{name} has over {_MAX_MEMBERS} members")
    return [one for one in value if isinstance(one, dict)]


def count(source: Mapping[str, Any], name: str) -> int | None:
    """A number, written as such or as digits (`size` comes both ways)."""
    value = words(source, name) or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None


def bare_business(value: str) -> str:
    """The business id without its URN, in lower case, for comparing."""
    return value.strip().lower().removeprefix("urn:biz:")


def family(mime_type: str | None, name: str | None) -> Any:
    """Which kind of media it is; `.caf` is what the Messages app records as a voice message."""
    kind, ending = (mime_type or "").partition(";")[0].strip().lower(), (name or "").lower()
    if kind in _VOICE or ending.endswith((".caf", ".amr")):
        return "voice"
    head = kind.partition("/")[0]
    return head if head in ("image", "video", "audio") else "file"


def attachment_part(source: Mapping[str, Any]) -> MediaPart:
    """An attachment as a pending file, or a failed one if Apple left out the fields needed to fetch it."""
    where = file_source(source)
    mime_type, name = words(source, "mimeType"), words(source, "name")
    whole = where is not None and "key" in where
    return MediaPart(
        media=family(mime_type, name),
        state=MediaState.pending if whole else MediaState.failed,
        mime_type=mime_type,
        name=name,
        size_bytes=count(source, "size"),
        source={**where} if where and whole else {},
        reason=None if whole else "Apple's message lacks the fields needed to fetch the file",
    )


def file_source(source: Mapping[str, Any]) -> dict[str, str] | None:
    """What fetching takes: url, owner, signature (in base64) and key; None where a needed one is missing or unfit for a header."""
    found = {"url": words(source, "url"), "owner": words(source, "owner"), "signature": _signature(source)}
    if not all(value and value.isascii() and value.isprintable() for value in found.values()):
        return None
    key = words(source, "key", "dataRefSig")
    return {name: value or "" for name, value in found.items()} | ({"key": key} if key else {})


def _signature(source: Mapping[str, Any]) -> str | None:
    """Inbound `signature` is hex; `signature-base64` is what it says."""
    signature = words(source, "signature")
    if signature is not None:
        try:
            return signature_base64(signature)
        except NotUnlocked:
            pass
    return words(source, "signature-base64")


def text_parts(body: str, attachments: list[MediaPart]) -> list[Part]:
    """The words and the files, in the order in which the customer put them; a file without a mark comes last."""
    if body.count(OBJECT_MARK) > _MAX_MEMBERS:
        body = body.replace(OBJECT_MARK, "")
    if OBJECT_MARK not in body:
        return [*([made.text(text=body)] if body.strip() else []), *attachments]
    parts: list[Part] = []
    waiting = list(attachments)
    for index, words_between in enumerate(body.split(OBJECT_MARK)):
        if index and waiting:
            parts.append(waiting.pop(0))
        if words_between.strip():
            parts.append(made.text(text=words_between.strip()))
    return [*parts, *waiting] or [UnknownPart(provider_type="attachment", fallback="[attachment that did not arrive]")]
