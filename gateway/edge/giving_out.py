"""Gives out a stored file with ranges and caching: from the disk by aiohttp, from elsewhere a part at a time, in the same way."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from aiohttp import ETag, hdrs, web

from gateway.errors import StoreUnavailable

_PART: Final = 1024 * 1024  # held for each download


class Kept(Protocol):
    """A file that is there, as the store of files tells of it (`gateway.store.files.FoundFile`)."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def modified(self) -> datetime:
        """When it was written."""
        ...

    @property
    def tag(self) -> str:
        """Differs when the bytes do."""
        ...

    @property
    def path(self) -> Path | None:
        """Where it is on the disk, if it is."""
        ...

    @property
    def read(self) -> Callable[[int, int], Awaitable[bytes]]:
        """Gives the bytes from here up to, and without, there. Raises FileNotFoundError, StoreUnavailable."""
        ...


async def give_out(request: web.Request, file: Kept, headers: dict[str, str]) -> web.StreamResponse:
    """Raises FileNotFoundError and StoreUnavailable, as long as nothing is sent."""
    if file.path is not None:
        return web.FileResponse(file.path, headers=headers)
    response = web.StreamResponse(headers=headers)
    response.etag = file.tag
    response.last_modified = file.modified.replace(microsecond=0)
    if _unchanged(request, response):
        response.set_status(304)
        await response.prepare(request)
        return response
    start, end = 0, file.size
    if hdrs.RANGE in request.headers and _still_of_it(request, response):
        wanted = _wanted(request, file.size)
        if wanted is None:
            response.headers[hdrs.CONTENT_RANGE] = f"bytes */{file.size}"
            response.set_status(416)
            response.content_length = 0
            await response.prepare(request)
            return response
        start, end = wanted
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{file.size}"
        response.set_status(206)
    response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    response.content_length = end - start
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    part = await file.read(start, min(start + _PART, end))  # before the status is sent: a store that is away is then told
    await response.prepare(request)
    try:
        while part:
            await response.write(part)
            start += len(part)
            part = await file.read(start, min(start + _PART, end)) if start < end else b""
    except (StoreUnavailable, FileNotFoundError):  # reported by the store; a body that ends early tells the client
        if request.transport is not None:
            request.transport.abort()
    return response


def _unchanged(request: web.Request, response: web.StreamResponse) -> bool:
    if (tags := request.if_none_match) is not None:
        return any(tag == ETag("*") or (response.etag is not None and tag.value == response.etag.value) for tag in tags)
    since, modified = request.if_modified_since, response.last_modified
    return since is not None and modified is not None and modified <= since


def _still_of_it(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether what the client has of it is of the same file."""
    condition = request.headers.get(hdrs.IF_RANGE)
    return condition is None or condition in (response.headers[hdrs.ETAG], response.headers[hdrs.LAST_MODIFIED])


def _wanted(request: web.Request, size: int) -> tuple[int, int] | None:
    """From where to where; None: there is no such part of it."""
    with contextlib.suppress(ValueError):  # it isn't understood
        wanted = request.http_range
        start, end, _ = slice(wanted.start, wanted.stop).indices(size)
        if start < end and (wanted.start is None or wanted.start < size):
            return start, end
    return None
