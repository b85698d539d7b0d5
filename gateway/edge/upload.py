"""A form with a file, read piece by piece and cut off at the limit; and file names made harmless."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from gateway.edge.input import reading, refuse_announced, too_large
from gateway.edge.limits import Limits
from gateway.edge.problems import Fault, Problem, invalid, pointer_of

_FIELD_BYTES: Final = 512 * 1024  # 100,000 characters of a message take at most 400,000 bytes in UTF-8
_ENVELOPE_BYTES: Final = 16 * 1024  # boundaries and part headers
_MAX_PARTS: Final = 10
_MAX_NAME_CHARS: Final = 120
_MIME_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_UNWANTED: Final = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form; the name is clean, the type what the caller says."""

    name: str
    mime_type: str
    content: bytes


async def form_of(request: web.Request, limits: Limits) -> tuple[dict[str, str], Upload | None]:
    """The form's fields and its one `file`. Raises Problem: 400, 408, 413, 422."""
    refuse_announced(request, limits.max_file_bytes + _FIELD_BYTES + _ENVELOPE_BYTES)
    async with reading(limits.body_seconds):
        try:
            return await _parts(request, limits)
        except ValueError as broken:  # aiohttp's word for a boundary or part header that makes no sense
            raise Problem("malformed_request", "The form is malformed: its parts can't be separated.") from broken


async def _parts(request: web.Request, limits: Limits) -> tuple[dict[str, str], Upload | None]:
    fields: dict[str, str] = {}
    file: Upload | None = None
    count = 0
    async for part in await request.multipart():
        count += 1
        if not isinstance(part, BodyPartReader) or part.name is None or count > _MAX_PARTS:
            raise Problem("malformed_request", "Send the form's fields as separate parts, each with a name.")
        if part.name in fields or (part.name == "file" and file):
            raise invalid(Fault(pointer_of([part.name]), "given more than once", "form"))
        if part.name == "file":
            file = await _file(part, limits.max_file_bytes)
        else:
            fields[part.name] = await _text(part)
    return fields, file


async def _file(part: BodyPartReader, max_bytes: int) -> Upload:
    content = await _limited(part, max_bytes)
    if not content:
        raise invalid(Fault("/file", "is empty", "form"))
    return Upload(clean_name(part.filename or ""), clean_type(part.headers.get("Content-Type", "")), content)


async def _text(part: BodyPartReader) -> str:
    try:
        return (await _limited(part, _FIELD_BYTES)).decode()
    except UnicodeDecodeError:
        raise invalid(Fault(pointer_of([part.name or ""]), "must be UTF-8", "form")) from None


async def _limited(part: BodyPartReader, max_bytes: int) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(64 * 1024):
        content += piece
        if len(content) > max_bytes:
            raise too_large(max_bytes)
    return bytes(content)


def clean_type(stated: str) -> str:
    """The stated type without its parameters, or `application/octet-stream`. What the bytes look like is not asked: guessing has
    made harmless files dangerous, and files are given out as they were stated, never run."""
    mime_type = stated.partition(";")[0].strip().lower()
    return mime_type if _MIME_TYPE.fullmatch(mime_type) else "application/octet-stream"


def clean_name(stated: str) -> str:
    """A name that is safe to show, to store and to put in a header: no path, no control, direction or reserved characters.

    At most 120 characters, the ending kept; never empty, never starting with a dot.
    """
    name = unicodedata.normalize("NFC", _decoded(stated)).replace("\\", "/").rpartition("/")[2]
    # Cc controls; Cf directions, which can make "gpj.exe" read "exe.jpg"; Cs half characters; Co, Cn nobody's.
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    name = _UNWANTED.sub("_", name).strip().lstrip(".").strip()
    if len(name) > _MAX_NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 16 else ""
        name = name[: _MAX_NAME_CHARS - len(ending)] + ending
    return name.rstrip(". ") or "file"


def _decoded(name: str) -> str:
    # Programs (aiohttp, for one) percent-encode the whole name, browsers only its quotes and line ends; neither says so.
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name
