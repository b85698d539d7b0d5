"""Which pages may use the API from a browser: those of the gateway's own origin, and those listed in the config.

By default no other: no CORS header is sent, and a WebSocket that a stranger's page opens is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.edge.problems import Problem

_METHODS: Final = "GET, POST, PUT, DELETE"
_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key"
_PREFLIGHT_SECONDS: Final = "600"


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins beside our own (`https://desk.example`, no path). `public_url` is where browsers find the gateway."""

    allowed: Sequence[str] = ()
    public_url: str | None = None

    def check(self, request: web.Request) -> None:
        """Raises Problem (403) for a page of an origin that isn't listed. Programs send no Origin and pass."""
        origin = request.headers.get("Origin")
        if origin is None or origin in self.allowed or self._is_ours(origin, request):
            return
        raise Problem("origin_not_allowed", "Pages of this origin may not connect. The origin can be listed in the config.")

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks beforehand, for listed origins."""
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        if request.headers.get("Origin") not in self.allowed:
            return None
        told = {"Allow-Methods": _METHODS, "Allow-Headers": _HEADERS, "Max-Age": _PREFLIGHT_SECONDS}
        return web.Response(status=204, headers={f"Access-Control-{name}": value for name, value in told.items()})

    def allow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a page of a listed origin read the answer."""
        if not self.allowed:
            return
        response.headers["Vary"] = "Origin"
        origin = request.headers.get("Origin")
        if origin in self.allowed:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _is_ours(self, origin: str, request: web.Request) -> bool:
        # Host, not the scheme: behind a proxy that ends TLS we see http where the browser sees https.
        try:
            host = urlsplit(origin).netloc
            ours = urlsplit(self.public_url or "").netloc
        except ValueError:
            return False
        return bool(host) and host in (request.host, ours)
