"""What an org serves at its login and instance addresses: tokens, who one is, queries and set-up records, and the limits.

Below a prefix: `POST /services/oauth2/token` (see `token`), `GET` or `POST /services/oauth2/userinfo`, `GET /services/data`, and for each version NN
`/services/data/vNN.0/` with `query?q=`, `tooling/query?q=` (see `soql`), `sobjects/EVENT/describe`, `[tooling/]sobjects/OBJECT[/ID]` (GET, POST, PATCH, DELETE), `limits`.
Reading requires the scope `api`; writing, an administrator. Errors are `[{"errorCode": "INVALID_SESSION_ID", "message": "…"}]`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.brokers.salesforce.simulator import soql, token
from gateway.brokers.salesforce.simulator.contract import Tokens, TokenSession
from gateway.brokers.salesforce.simulator.records import RecordRefusal, Records
from gateway.brokers.salesforce.simulator.token import Grants, TokenRefusal, User

_FIRST_VERSION, _LATEST_VERSION = 60, 67
_MOST_FORM: Final = 64 * 1024
_DAILY_REQUESTS: Final = 100_000

Handler = Callable[[web.Request, TokenSession, int], Awaitable[web.StreamResponse]]


class Instance:
    """See the module. `admins`: usernames that may write records and see all of them. `limits`: name of each further limit with (most, remaining)."""

    def __init__(
        self,
        grants: Grants,
        tokens: Tokens,
        users: Mapping[str, User],
        records: Records,
        *,
        instance_url: str | None = None,
        admins: frozenset[str] = frozenset(),
        limits: Callable[[], Mapping[str, tuple[int, int]]] = dict,
    ) -> None:
        """`instance_url`: what the token endpoint answers; None: the address that it was called at."""
        self.records = records
        self._grants = grants
        self._tokens = tokens
        self._users = users
        self._instance_url = instance_url
        self._admins = admins
        self._limits = limits
        self._requests = 0

    def install(self, app: web.Application, prefix: str = "") -> None:
        """Add the routes."""
        data = prefix + "/services/data/v{version:[0-9]{2}}.0"
        app.router.add_post(f"{prefix}/services/oauth2/token", self._token)
        for method in ("GET", "POST"):
            app.router.add_route(method, f"{prefix}/services/oauth2/userinfo", self._user_info)
        app.router.add_get(f"{prefix}/services/data", self._versions)
        for slash in ("", "/"):
            app.router.add_get(f"{data}/query{slash}", self._guarded(self._query))
            app.router.add_get(data + "/{tooling:tooling}/query" + slash, self._guarded(self._query))
            app.router.add_get(f"{data}/limits{slash}", self._guarded(self._limits_now))
            app.router.add_get(data + "/sobjects/{event}/describe" + slash, self._guarded(self._describe))
            for tooling in ("", "/{tooling:tooling}"):
                app.router.add_post(f"{data}{tooling}/sobjects/{{object}}{slash}", self._guarded(self._create))
        for tooling in ("", "/{tooling:tooling}"):
            app.router.add_route("*", f"{data}{tooling}/sobjects/{{object}}/{{id}}", self._guarded(self._record))
        app.router.add_route("*", data + "/{rest:.*}", self._guarded(_nowhere))

    # ---------------------------------------------------------------------------------------------------------- OAuth

    def _address(self, request: web.Request, prefix: str) -> str:
        return self._instance_url or str(request.url.origin()) + request.path.partition(prefix)[0]

    async def _token(self, request: web.Request) -> web.Response:
        raw = await request.content.read(_MOST_FORM)
        while len(raw) < _MOST_FORM and (more := await request.content.read(_MOST_FORM)):
            raw += more  # a chunked body comes in pieces
        address = self._address(request, "/services/oauth2/")
        try:
            session = self._grants.grant(dict(parse_qsl(raw.decode("utf-8", "replace"))), at=address)
        except TokenRefusal as refused:
            return web.json_response({"error": refused.error, "error_description": refused.description}, status=400)
        return web.json_response(
            token.answer(session, instance_url=address, login_url=address), headers={"Cache-Control": "no-store"}
        )

    async def _user_info(self, request: web.Request) -> web.Response:
        session = self._tokens.check(_bearer(request))
        if session is None:
            return web.Response(status=403, text="Bad_OAuth_Token")
        login_url = self._address(request, "/services/oauth2/")
        return web.json_response(token.user_info(session, self._users[session.username], login_url=login_url))

    # ----------------------------------------------------------------------------------------------------------- data

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            session = self._tokens.check(_bearer(request))
            if session is None:
                return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
            if "api" not in session.scopes:
                return _error(403, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
            version = int(request.match_info["version"])
            if not _FIRST_VERSION <= version <= _LATEST_VERSION:
                return _error(404, "NOT_FOUND", "The requested resource does not exist")
            self._requests += 1
            try:
                return await handler(request, session, version)
            except RecordRefusal as refused:
                return _error(refused.status, refused.code, refused.message, refused.fields)
            except soql.BadQuery as bad:
                return _error(400, bad.code, bad.message)

        return guarded

    async def _versions(self, request: web.Request) -> web.Response:
        numbers = range(_FIRST_VERSION, _LATEST_VERSION + 1)
        return web.json_response([{"label": f"{n}.0", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in numbers])

    async def _query(self, request: web.Request, session: TokenSession, version: int) -> web.Response:
        tooling = "tooling" in request.match_info
        admin = session.username in self._admins
        found = self.records.query(request.query.get("q", ""), version, tooling=tooling, admin=admin)
        return web.json_response({"totalSize": len(found), "done": True, "records": found})

    async def _limits_now(self, request: web.Request, session: TokenSession, version: int) -> web.Response:
        limits = {"DailyApiRequests": (_DAILY_REQUESTS, max(0, _DAILY_REQUESTS - self._requests)), **self._limits()}
        return web.json_response({name: {"Max": most, "Remaining": rest} for name, (most, rest) in limits.items()})

    async def _describe(self, request: web.Request, session: TokenSession, version: int) -> web.Response:
        described = self.records.describe(request.match_info["event"])
        if described is None:
            return _error(404, "NOT_FOUND", "The requested resource does not exist")
        return web.json_response(described)

    async def _create(self, request: web.Request, session: TokenSession, version: int) -> web.Response:
        body = await self._written(request, session)
        record_id = self.records.create(request.match_info["object"], body, version)
        return web.json_response({"id": record_id, "success": True, "errors": [], "warnings": [], "infos": []}, status=201)

    async def _record(self, request: web.Request, session: TokenSession, version: int) -> web.Response:
        name, record_id = request.match_info["object"], request.match_info["id"]
        if request.method == "GET":
            return web.json_response(self.records.get(name, record_id))
        if request.method == "PATCH":
            self.records.change(name, record_id, await self._written(request, session), version)
        elif request.method == "DELETE":
            self._may_write(session)
            self.records.delete(name, record_id)
        else:
            return _error(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed. Allowed are GET,PATCH,DELETE")
        return web.Response(status=204)

    async def _written(self, request: web.Request, session: TokenSession) -> Mapping[str, Any]:
        self._may_write(session)
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise RecordRefusal(400, "JSON_PARSER_ERROR", "The body is not a JSON object")
        return body

    def _may_write(self, session: TokenSession) -> None:
        if session.username not in self._admins:
            raise RecordRefusal(403, "INSUFFICIENT_ACCESS", "insufficient access rights: Customize Application is required")


async def _nowhere(request: web.Request, session: TokenSession, version: int) -> web.Response:
    return _error(404, "NOT_FOUND", "The requested resource does not exist")


def _bearer(request: web.Request) -> str:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind in ("Bearer", "OAuth") else ""


def _error(status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> web.Response:
    named: dict[str, Any] = {"fields": list(fields)} if fields else {}
    return web.json_response([{"errorCode": code, "message": message, **named}], status=status)
