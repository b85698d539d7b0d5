"""Reads how an org is set up, with a token that may not see all of it. What can't be seen is said, and is never taken for missing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from adapters.contract import HttpCall, HttpReply, NoReply
from gateway.brokers.salesforce import queries
from gateway.brokers.salesforce.queries import Query
from gateway.config.salesforce import SalesforceOrg
from gateway.errors import GatewayError

Calls: TypeAlias = Callable[[HttpCall], Awaitable[HttpReply]]
"""One HTTP call; raises NoReply. The gateway's driver is the one that is used."""
Record: TypeAlias = Mapping[str, Any]

_UNKNOWN: Final = frozenset({"INVALID_TYPE", "NOT_FOUND", "INVALID_FIELD"})
_MOST_BYTES: Final = 4_194_304


class Unseen(Exception):
    """This token may not see it, or this version of the org's API doesn't have it. The text says which, without what was asked for in values."""


class OrgUnavailable(GatewayError):
    """The org doesn't answer, or refuses the token: nothing further can be found out."""


class Inspector:
    """Asks one org. Every method raises Unseen and OrgUnavailable."""

    def __init__(self, call: Calls, org: SalesforceOrg, token: str) -> None:
        self._call, self._org, self._token = call, org, token

    async def records(self, query: Query) -> list[Record]:
        """What a query finds. A set-up object that the Tooling API doesn't know is asked for as an ordinary one."""
        try:
            return await self._records(query)
        except Unseen:
            if not query.tooling:
                raise
            try:
                return await self._records(Query(query.source, query.fields, query.where))
            except Unseen:
                pass
            raise

    async def _records(self, query: Query) -> list[Record]:
        reply = await self.get(query.path(self._org.api_version))
        if reply.status != 200:
            raise Unseen(f"{query.source}: {_reason(reply)}")
        found = _json(reply)
        records = found.get("records") if isinstance(found, dict) else None
        if not isinstance(records, list):
            raise Unseen(f"{query.source}: the answer isn't a list of records")
        return [record for record in records if isinstance(record, dict)]

    async def one(self, query: Query) -> Record | None:
        """The first record."""
        return next(iter(await self.records(query)), None)

    async def fields_of(self, event: str) -> Mapping[str, str] | None:
        """A platform event's fields with their types; None: there is no such event, or this user may not see it."""
        reply = await self.get(queries.describe(event, self._org.api_version))
        if reply.status == 404:
            return None
        found = _json(reply)
        if reply.status != 200 or not isinstance(found, dict):
            raise Unseen(f"{event}: {_reason(reply)}")
        fields = [field for field in found.get("fields") or () if isinstance(field, dict)]
        return {str(field.get("name")): str(field.get("type")) for field in fields}

    async def get(self, path: str) -> HttpReply:
        """Below the org's own address."""
        return await self.send(HttpCall("GET", f"{self._org.instance_url}{path}", max_reply_bytes=_MOST_BYTES))

    async def send(self, call: HttpCall) -> HttpReply:
        """A call with the token."""
        headers = {**call.headers, "Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        authorized = HttpCall(
            call.method,
            call.url,
            headers,
            call.body,
            visible=call.visible,
            max_reply_bytes=call.max_reply_bytes,
            proxy=self._org.proxy,
        )
        try:
            reply = await self._call(authorized)
        except NoReply as lost:
            raise OrgUnavailable(f"{self._org.instance_url} doesn't answer ({lost})") from lost
        if reply.status == 401:
            raise OrgUnavailable(f"{self._org.instance_url} refuses the token ({codes_of(reply)}): sign in again")
        if reply.status >= 500:
            raise OrgUnavailable(f"{self._org.instance_url} answers {reply.status}: try again later")
        return reply


def codes_of(reply: HttpReply) -> str:
    """The error codes of a refusal, or its status. Messages are left out: they repeat what was sent."""
    found = _json(reply)
    told = found if isinstance(found, list) else [found]
    codes = [str(one["errorCode"]) for one in told if isinstance(one, dict) and one.get("errorCode")]
    return ", ".join(codes) or f"status {reply.status}"


def _reason(reply: HttpReply) -> str:
    codes = codes_of(reply)
    if reply.status == 403 or "INSUFFICIENT_ACCESS" in codes:
        return f"this user may not read it ({codes})"
    if any(code in _UNKNOWN for code in codes.split(", ")):
        return f"this user may not see it, or this version of the API doesn't have it ({codes})"
    return codes


def _json(reply: HttpReply) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError:
        return None
