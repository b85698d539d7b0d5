"""The Interaction Service of the simulated org: every endpoint below `{prefix}/api/v1/`, strict about headers, bodies, products and limits.

Errors are `{"code": 10017, "message": "…"}`; of /consent and /capabilities `{"success": false, "errorDetail": {"code", "message"}}`, and so, with the status of a
success, what the org refuses of a valid PATCH /agentWork, /routingResult and /participant. /acknowledgement adds `"success": false` to the two. What ends a session may
answer 200 with `{"success": false, "errorReason": "SESSION_NOT_FOUND"}`.

Which status goes with a code isn't published: see `refusals`. The order of checks isn't either; here: rate limit, token, headers, body, channel, then the org.
Source: Salesforce's published API description (github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import web

from gateway import clock
from gateway.brokers.salesforce.simulator import bodies, endpoints, headers
from gateway.brokers.salesforce.simulator.contract import Org, OrgRefusal, Tokens
from gateway.brokers.salesforce.simulator.endpoints import Answered, Asked, Endpoints
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.refusals import RATE_LIMITED, READ_ONLY, status_of, text_of
from gateway.clock import Clock, Elapsed

Shape = Literal["error", "detail", "both"]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `form`: its body is multipart. `type_required`: AuthorizationContextType must be given. `bots`: it belongs to external bots."""

    method: str
    path: str
    handler: Callable[[Endpoints, Asked], Awaitable[Answered]]
    status: int = 202
    shape: Shape = "error"
    form: bool = False
    type_required: bool = False
    bots: bool = False


ROUTES: Final = (
    Route("POST", "/interactions", Endpoints.interactions, form=True),
    Route("POST", "/conversation", Endpoints.conversation),
    Route("POST", "/conversationHistory", Endpoints.history, type_required=True),
    Route("POST", "/acknowledgement", Endpoints.acknowledgement, 200, "both"),
    Route("POST", "/route", Endpoints.route),
    Route("DELETE", "/route", Endpoints.unroute),
    Route("POST", "/agentWork", Endpoints.agent_work),
    Route("PATCH", "/agentWork", Endpoints.close_agent_work, type_required=True),
    Route("POST", "/routingResult", Endpoints.routing_result),
    Route("POST", "/participant", Endpoints.participant, 200),
    Route("POST", "/messagingSession", Endpoints.messaging_session, 200),
    Route("PATCH", "/consent", Endpoints.consent, 200, "detail"),
    Route("PATCH", "/capabilities", Endpoints.capabilities, 200, "detail"),
    Route("POST", "/conversationEntry", endpoints.no_bot, type_required=True, bots=True),
    Route("GET", "/conversationEntry", endpoints.no_bot, 200, type_required=True, bots=True),
    Route("POST", "/attachment", endpoints.no_bot, form=True, type_required=True, bots=True),
)


class Cut(Exception):
    """The connection is to be cut."""


@dataclass(slots=True)
class Pace:
    """At most so many calls in a second; what isn't used isn't saved up."""

    elapsed: Elapsed
    _left: float = 0
    _at: float = field(default=float("-inf"))

    def admits(self, rate: float) -> bool:
        """Whether one more call is admitted now."""
        now, most = self.elapsed(), max(rate, 1.0)
        self._left = min(most, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Rest:
    """See the module."""

    def __init__(
        self, org: Org, tokens: Tokens, faults: Faults, *, now: Clock = clock.now, elapsed: Elapsed = clock.elapsed
    ) -> None:
        self._org = org
        self._tokens = tokens
        self._faults = faults
        self._endpoints = Endpoints(org, faults, now)
        self._pace = Pace(elapsed)

    def install(self, app: web.Application, prefix: str = "") -> None:
        """Add the routes, and `{prefix}/_faults` (see `faults`)."""
        for route in ROUTES:
            app.router.add_route(route.method, f"{prefix}/api/v1{route.path}", self._serving(route))
        app.router.add_get(f"{prefix}/_faults", self._show_faults)
        app.router.add_post(f"{prefix}/_faults", self._set_faults)

    def _serving(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                return await self._serve(route, request)
            except OrgRefusal as refusal:
                return _refused(route, refusal)
            except Cut:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)

        return serve

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        self._fail("before", route)
        if not self._pace.admits(self._faults.state.requests_per_second):
            raise OrgRefusal(RATE_LIMITED)
        context = headers.read(request.headers, route.type_required, route.bots, self._tokens, self._org)
        if self._faults.state.read_only:
            raise OrgRefusal(READ_ONLY)
        body, files = await bodies.read(request, form=route.form)
        answered = await route.handler(self._endpoints, Asked(context, body, files))
        self._fail("after", route)
        if answered.refusal is not None:
            detail = {"code": answered.refusal.code, "message": text_of(answered.refusal)}
            return web.json_response({"success": False, "errorDetail": detail}, status=route.status)
        return web.json_response({"success": True, **answered.body}, status=route.status)

    def _fail(self, when: Literal["before", "after"], route: Route) -> None:
        code = self._faults.planned(when, route.path)
        if code == 0:
            raise Cut
        if code is not None:
            raise OrgRefusal(code)

    async def _show_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._faults.describe())

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            wish = await request.json()
        except (ValueError, RecursionError):
            return web.json_response({"error": "the body is not JSON"}, status=400)
        try:
            return web.json_response(self._faults.apply(wish))
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)


def _refused(route: Route, refusal: OrgRefusal) -> web.Response:
    detail: Mapping[str, Any] = {"code": refusal.code, "message": text_of(refusal)}
    if route.shape == "detail":
        detail = {"success": False, "errorDetail": detail}
    elif route.shape == "both":
        detail = {"success": False, **detail}
    return web.json_response(detail, status=status_of(refusal.code))
