"""The way in for visitors: which channel, from which page, how often; and every refusal told as a problem that a page may read."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from adapters.webchat import WebchatAccount
from gateway.clock import Elapsed
from gateway.edge.auth import token_of_header, unauthenticated
from gateway.edge.limits import Buckets, Rate, rate_limited
from gateway.edge.problems import Problem
from gateway.errors import GatewayError
from gateway.webchat import tokens
from gateway.webchat.model import Visitor
from gateway.webchat.service import ChatService

_log = logging.getLogger(__name__)
_COMMON: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# A page of another origin may send these, and may read when to come back.
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "authorization, content-type, last-event-id",
    "Access-Control-Max-Age": "7200",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, let in. `cors` are headers for its answer."""

    request: web.Request
    service: ChatService
    account: WebchatAccount
    rates: Rates
    cors: Mapping[str, str] = field(default_factory=dict)

    async def visitor(self) -> tuple[Visitor, tokens.Bearer]:
        """Whose token the request carries. Raises Problem (401)."""
        token = token_of_header(self.request.headers.getall("Authorization", []))
        return await self.visitor_of(token)

    async def visitor_of(self, token: str) -> tuple[Visitor, tokens.Bearer]:
        """Whose token this is. Raises Problem (401)."""
        try:
            return await self.service.visitor_of(self.account, token)
        except tokens.NotProven as error:
            raise unauthenticated(f"Start a new session: {error}.", error="invalid_token") from None

    def slow_down(self, buckets: Buckets, visitor: Visitor) -> None:
        """Count one of the visitor's doings. Raises Problem (429)."""
        if wait := buckets.take(visitor.visitor_id):
            raise rate_limited(wait)


class Rates:
    """What is counted for one channel."""

    def __init__(self, account: WebchatAccount, time: Elapsed) -> None:
        limits = account.limits
        self.messages = _a_minute(limits.messages_per_minute, time)
        self.signals = _a_minute(limits.signals_per_minute, time)
        self.sessions = _a_minute(limits.sessions_per_minute, time)
        self.requests = _a_minute(limits.requests_per_minute, time)


def _a_minute(count: int, time: Elapsed) -> Buckets:
    return Buckets(Rate(per_second=count / 60, burst=count), time)


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]
ClientAddress = Callable[[web.Request], str]


class Door:
    """Wraps the handlers of all channels."""

    def __init__(self, services: Iterable[ChatService], client_address: ClientAddress) -> None:
        self._services = {channel_id: service for service in services for channel_id in service.channels}
        self._address = client_address
        self._rates = {channel_id: Rates(one.channels[channel_id], one.time) for channel_id, one in self._services.items()}

    def visitors(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """For calls of pages: the origin is looked at, the network's budget too."""

        async def handle(request: web.Request) -> web.StreamResponse:
            cors: dict[str, str] = {"Vary": "Origin"}
            try:
                visit = self._visit(request, cors)
                if wait := visit.rates.requests.take(self.network(request)):
                    raise rate_limited(wait)
                response = await handler(visit)
            except Problem as problem:
                response = problem.response()
            except GatewayError:
                response = _unavailable().response()
            if not response.prepared:
                response.headers.update(cors)
                for name, value in _COMMON.items():
                    response.headers.setdefault(name, value)
            return response

        return handle

    def gateway(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """For calls of the gateway itself, which prove themselves by a signature."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                service, account = self._account(request)
                return await handler(Visit(request, service, account, self._rates[account.channel_id]))
            except Problem as problem:
                return problem.response()
            except GatewayError:
                return _unavailable().response()

        return handle

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        """What a browser asks before it lets a page of another origin call."""
        cors: dict[str, str] = {"Vary": "Origin"}
        try:
            self._visit(request, cors)
        except Problem as problem:
            return problem.response()
        return web.Response(status=204, headers={**cors, **_PREFLIGHT})

    def network(self, request: web.Request) -> str:
        """The caller's network: one office, one home or one phone company's block."""
        return network_of(self._address(request))

    def _visit(self, request: web.Request, cors: dict[str, str]) -> Visit:
        service, account = self._account(request)
        origin = request.headers.get("Origin")
        if origin is not None:
            if not may_embed(account, origin, request.host):
                detail = "This page's origin is not in the channel's `allowed_origins`. Add it there."
                raise Problem("origin_not_allowed", detail)
            cors |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
        return Visit(request, service, account, self._rates[account.channel_id], cors)

    def _account(self, request: web.Request) -> tuple[ChatService, WebchatAccount]:
        channel_id = request.match_info["channel_id"]
        service = self._services.get(channel_id)
        if service is None:
            raise Problem("not_found", "No web chat channel has this id.")
        return service, service.channels[channel_id]


def may_embed(account: WebchatAccount, origin: str, host: str) -> bool:
    """Whether a page of this origin may use the widget. Tokens go in a header, never in a cookie, so `*` gives nothing away that a
    page doesn't hold already."""
    if origin in account.allowed_origins or "*" in account.allowed_origins:
        return True
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False


def network_of(address: str) -> str:
    """The /24 of an IPv4 address, the /56 of an IPv6 one; what is neither stands for itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 56), strict=False))


def _unavailable() -> Problem:
    return Problem("unavailable", "The chat can't store anything now. Try again shortly.", headers={"Retry-After": "2"})
