"""`GET /media/{id}/{name}`: files by signed addresses, for reps' pages and for providers that fetch them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from aiohttp import web

from gateway.clock import Clock
from gateway.edge.giving_out import Kept, give_out
from gateway.edge.problems import Problem
from gateway.errors import StoreUnavailable
from gateway.links import MediaLinks

# Shown in place; all else is for saving, so that a customer's page or script can never run under our address.
_SHOWN: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/", "video/")


class ServedFile(NamedTuple):
    """A stored file: its bytes, and what they are."""

    kept: Kept
    mime_type: str


FileOf = Callable[[str], Awaitable[ServedFile | None]]


class MediaDoor:
    """See the module."""

    def __init__(self, links: MediaLinks, file_of: FileOf, clock: Clock) -> None:
        self._links, self._file_of, self._clock = links, file_of, clock

    def install(self, app: web.Application) -> None:
        """The one route."""
        app.router.add_get("/media/{media_id}/{name}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The bytes, with ranges and caching; 404 for whatever isn't sound, without saying why."""
        media_id = request.match_info["media_id"]
        expires, signature = request.query.get("e", ""), request.query.get("s", "")
        if not self._links.valid(media_id, expires, signature, self._clock()):
            return _gone()
        try:
            file = await self._file_of(media_id)
        except StoreUnavailable:
            return _unavailable()
        if file is None:
            return _gone()
        shown = file.mime_type.startswith(_SHOWN)
        headers = {
            "Content-Type": file.mime_type if shown else "application/octet-stream",
            "Content-Disposition": "inline" if shown else "attachment",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        try:
            return await give_out(request, file.kept, headers)
        except FileNotFoundError:
            return _gone()
        except StoreUnavailable:
            return _unavailable()


def _gone() -> web.Response:
    return Problem("not_found", "This file address has expired or is not valid. Reload the conversation.").response()


def _unavailable() -> web.Response:
    detail = "The file can't be read now; try again shortly."
    return Problem("unavailable", detail, headers={"Retry-After": "2"}).response()
