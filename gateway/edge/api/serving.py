"""From a declared call to an aiohttp handler: who asks, may they, what do they ask, and the answer in bytes."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from gateway.brokers.contract import Broker, Caller, Connector, Directory
from gateway.edge.api.call import Ask, Call
from gateway.edge.api.shapes import Shape
from gateway.edge.auth import Doorkeeper
from gateway.edge.input import Input, fields_of, json_of, query_of, unsupported
from gateway.edge.limits import Buckets, Limits, rate_limited
from gateway.edge.origins import Origins
from gateway.edge.problems import SECURITY_HEADERS, Fault, Problem, invalid, of_refusal
from gateway.edge.upload import Upload, form_of
from gateway.errors import BadCursor, BrokerUnavailable, StoreUnavailable
from gateway.metrics import Metrics
from gateway.session.decision import Refusal

log: Final = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_PATH_PART: Final = re.compile(r"[\x21-\x7e]{1,200}")
_RETRY_SECONDS: Final = "2"  # a restarting store or broker is back within seconds


@dataclass(slots=True)
class Api:
    """What every call needs. `address_of` gives the address that a request came from, proxies considered."""

    broker: Broker
    directory: Directory
    limits: Limits
    metrics: Metrics
    now: Callable[[], datetime]
    address_of: Callable[[web.Request], str]
    origins: Origins
    connector: Connector | None = None
    doorkeeper: Doorkeeper = field(init=False)
    _buckets: Buckets | None = field(init=False)

    def __post_init__(self) -> None:
        self.doorkeeper = Doorkeeper(self.directory, self.now, self.limits.wrong_tokens)
        self._buckets = Buckets(self.limits.requests) if self.limits.requests else None

    def admit(self, request: web.Request) -> Caller:
        """Who asks. Raises Problem: 401, 429."""
        caller = self.doorkeeper.caller_of_request(request, self.address_of(request))
        self.count(caller)
        return caller

    def count(self, caller: Caller) -> None:
        """One more request of this caller. Raises Problem (429)."""
        if self._buckets and (wait := self._buckets.take(f"{caller.org}\0{caller.login}")):
            raise rate_limited(wait)


def handler_of(call: Call, api: Api) -> Handler:
    """The aiohttp handler of a call."""

    async def handle(request: web.Request) -> web.StreamResponse:
        ask = await _ask(call, api, request)
        try:
            outcome = await call.handler(ask)
        except BadCursor:
            raise invalid(Fault("/cursor", "is not a cursor of this list", "query")) from None
        if isinstance(outcome, Refusal):
            api.metrics.refusals.labels(outcome.code).inc()
            raise of_refusal(outcome)
        return answer_of(outcome, call.status)

    return handle


def answer_of(shape: Shape | None, status: int) -> web.Response:
    """The shape as JSON; None: no content."""
    if shape is None:
        return web.Response(status=204, headers=SECURITY_HEADERS)
    body = shape.model_dump_json(by_alias=True).encode()
    return web.Response(status=status, body=body, content_type="application/json", headers=SECURITY_HEADERS)


async def _ask(call: Call, api: Api, request: web.Request) -> Ask[Any, Any]:
    # Who asks comes first: a stranger learns nothing of what a call takes, and none of their bytes are read.
    caller = api.admit(request)
    key = idempotency_key(request)
    path = path_of(request)
    query = query_of(request, call.query)
    body, file = await _body(call, api, request)
    return Ask(api.broker, api.directory, caller, path, path.get("session_id", ""), query, body, key, file, api.connector)


async def _body(call: Call, api: Api, request: web.Request) -> tuple[Input, Upload | None]:
    if accepts_form(call, request) and call.form is not None:
        given, file = await form_of(request, api.limits)
        return fields_of(given, call.form), file
    if call.method == "GET":
        return call.body(), None
    if call.form is not None and request.content_type != "application/json":
        raise unsupported("Send JSON (`application/json`), or a form with a file (`multipart/form-data`).")
    return await json_of(request, call.body, api.limits), None


def idempotency_key(request: web.Request) -> str | None:
    """The header's value. Raises Problem (422) unless it is 1-255 visible ASCII characters, given once."""
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise invalid(Fault("/Idempotency-Key", "must be 1 to 255 visible ASCII characters, given once", "header"))
    return values[0]


def path_of(request: web.Request) -> Mapping[str, str]:
    """The ids in the path. Raises Problem (404) for one that can't be an id of ours."""
    for name, value in request.match_info.items():
        if not _PATH_PART.fullmatch(value):
            noun = name.removesuffix("_id")
            raise Problem("message_not_found" if noun == "outbox" else f"{noun}_not_found", "Nothing has this id.")
    return dict(request.match_info)


def accepts_form(call: Call, request: web.Request) -> bool:
    """Whether the body is a form, and the call takes one."""
    return call.form is not None and request.content_type == "multipart/form-data"


def middleware_of(api: Api) -> Any:
    """Around all of the API: errors become problems, answers are counted, origins are told what they may."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        try:
            response = api.origins.preflight(request) or await handler(request)
        except Problem as problem:
            response = problem.response()
        except web.HTTPException as outcome:
            response = _problem_of(outcome).response()
        except (StoreUnavailable, BrokerUnavailable):  # reported once by whoever failed, not here for each call
            response = _unavailable().response()
        except Exception:  # the outermost handler: the log has the error, the caller gets a number to quote
            response = _failed(request).response()
        if not response.prepared:
            api.origins.allow(request, response)
        method = request.method if request.method in _METHODS else "other"
        api.metrics.answered(method, _route(request), response.status, time.perf_counter() - began)
        return response

    return around


def _problem_of(outcome: web.HTTPException) -> Problem:
    if isinstance(outcome, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(outcome.allowed_methods))
        return Problem("method_not_allowed", f"Use one of {allowed} here.", headers={"Allow": allowed})
    if outcome.status == 404:
        return Problem("not_found", "There is no such address; /docs lists all of them.")
    if outcome.status == 413:
        return Problem("too_large", "Send less at once.", headers={"Connection": "close"})
    if outcome.status >= 500:
        return Problem("internal_error", "The gateway failed. An operator finds the reason in its log.")
    return Problem("malformed_request", outcome.reason)


def _unavailable() -> Problem:
    detail = (
        "Nothing can be stored now. Try again shortly, with the same Idempotency-Key if you used one. If this continues, tell an operator: "
        "/readyz and the log say why."
    )
    return Problem("unavailable", detail, headers={"Retry-After": _RETRY_SECONDS})


def _failed(request: web.Request) -> Problem:
    number = uuid.uuid4().hex
    log.exception("call failed", extra={"action": "api.failed", "route": _route(request), "failure": number})
    return Problem("internal_error", f"The gateway failed. An operator finds the reason in its log under {number}.")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"
