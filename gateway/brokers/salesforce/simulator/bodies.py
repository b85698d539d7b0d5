"""The body of a call: JSON, or a multipart form with the part `json` and perhaps the part `attachments`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import BodyPartReader, MultipartReader, web

from gateway.brokers.salesforce.simulator.checking import refused
from gateway.brokers.salesforce.simulator.interactions import MOST_FILE_BYTES, SentFile

_MOST_JSON: Final = 1024 * 1024
_CHUNK: Final = 256 * 1024


async def read(request: web.Request, *, form: bool) -> tuple[Mapping[str, Any], tuple[SentFile, ...]]:
    """The JSON, and the files. Raises OrgRefusal: 10016 for another content type, 10100 without a body, 10078 for what can't be read."""
    if not request.body_exists:
        raise refused(10100, "A request body is required")
    wanted = "multipart/form-data" if form else "application/json"
    if request.content_type != wanted:
        raise refused(10016, f"Content-Type must be {wanted}")
    if form:
        return await _form(request)
    content = b""
    async for chunk in request.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > _MOST_JSON:
            raise refused(10078, "The body is too large")
    return _object(content), ()


async def _form(request: web.Request) -> tuple[Mapping[str, Any], tuple[SentFile, ...]]:
    body: Mapping[str, Any] | None = None
    files: list[SentFile] = []
    try:
        reader: MultipartReader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise refused(10078, "A part can't have parts")
            if part.name == "json" and body is None:
                body = _json_part(part, await _content(part, _MOST_JSON))
            elif part.name == "attachments":
                content = await _content(part, MOST_FILE_BYTES)
                files.append(SentFile(unquote(part.filename or ""), part.headers.get("Content-Type"), content))
            else:
                raise refused(10078, f"The part {part.name!r} is not known, or given twice")
    except (ValueError, KeyError, AssertionError, web.HTTPException) as wrong:
        raise refused(10078, "The multipart form can't be read") from wrong
    if body is None:
        raise refused(10078, "The part json is missing")
    return body, tuple(files)


def _json_part(part: BodyPartReader, content: bytes) -> Mapping[str, Any]:
    if part.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise refused(10016, "The part json must have the Content-Type application/json")
    return _object(content)


async def _content(part: BodyPartReader, most: int) -> bytes:
    """At most one byte more than permitted; the rest is read and dropped, so that the caller gets its answer."""
    content = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        content += chunk[: most + 1 - len(content)]
    return bytes(content)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise refused(10078, "The body is not valid JSON") from None
    if not isinstance(found, dict):
        raise refused(10078, "The body must be a JSON object")
    return found
