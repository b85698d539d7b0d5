"""A client that believes nothing: every answer is held against the API's own description, and its headers against ours."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import ClientResponse, ClientWebSocketResponse
from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator, FormatChecker

from gateway.edge.problems import SECURITY_HEADERS

FORMATS = FormatChecker(formats=())


def _is_a_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).utcoffset() is not None


FORMATS.checks("date-time", raises=ValueError)(_is_a_time)


class Description:
    """`/openapi.json`, made strict: a member that isn't described is a fault here, though clients pass over it."""

    def __init__(self, openapi: dict[str, Any]) -> None:
        self.openapi = openapi
        self._components = copy.deepcopy(openapi["components"])
        for schema in self._components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)
        templates = {path: re.sub(r"{\w+}", "[^/]+", path) for path in openapi["paths"]}
        self._paths = [(re.compile(pattern), path) for path, pattern in templates.items()]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that this request is, if it is described."""
        found = next((name for pattern, name in self._paths if pattern.fullmatch(path)), None)
        operation: dict[str, Any] | None = self.openapi["paths"][found].get(method.lower()) if found else None
        return operation

    def check(self, method: str, path: str, status: int, content_type: str, body: bytes) -> None:
        """Fails unless the answer is described, and is as described."""
        operation = self.operation(method, path)
        if operation is None:
            assert status in (404, 405), f"{method} {path} is not described, but answered {status}"
            self.validate({"$ref": "#/components/schemas/Problem"}, json.loads(body))
            return
        assert str(status) in operation["responses"], f"{operation['operationId']} doesn't describe {status}: {body!r}"
        contents = operation["responses"][str(status)].get("content")
        if contents is None:
            assert body == b""
            return
        assert content_type in contents
        self.validate(contents[content_type]["schema"], json.loads(body))

    def validate(self, schema: Mapping[str, Any], value: Any) -> None:
        """Fails unless the value fits the schema."""
        whole = {"components": self._components, **schema}
        Draft202012Validator(whole, format_checker=FORMATS).validate(value)


@dataclass(frozen=True)
class Reply:
    """An answer; `json` is None where there is no body."""

    status: int
    headers: Mapping[str, str]
    json: Any

    @property
    def code(self) -> str | None:
        """Of a problem."""
        return self.json.get("code") if isinstance(self.json, dict) else None


class Api:
    """The API for one token."""

    def __init__(self, http: TestClient[Any, Any], description: Description, token: str | None) -> None:
        self._http, self.description = http, description
        self.headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    async def __call__(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> Reply:
        """A call below `/api/v1`, its answer checked."""
        path = "/api/v1" + path
        async with self._http.request(method, path, headers={**self.headers, **(headers or {})}, **rest) as response:
            body = await response.read()
            self.description.check(method, response.url.path, response.status, response.content_type, body)
            check_headers(response)
            return Reply(response.status, dict(response.headers), json.loads(body) if body else None)

    async def get(self, path: str, **rest: Any) -> Reply:
        """GET."""
        return await self("GET", path, **rest)

    async def post(self, path: str, body: object | None = None, **rest: Any) -> Reply:
        """POST, with a JSON body or none."""
        if body is not None:
            rest["json"] = body
        return await self("POST", path, **rest)

    async def events(self, path: str = "/events", **rest: Any) -> Stream:
        """An event stream, past its `hello`."""
        socket = await self._http.ws_connect("/api/v1" + path, headers=self.headers, **rest)
        stream = Stream(socket, self.description)
        await stream.until("hello")
        return stream


class Stream:
    """An event stream whose frames are checked."""

    def __init__(self, socket: ClientWebSocketResponse, description: Description) -> None:
        self.socket, self._description = socket, description
        self.seen: list[Any] = []

    async def frame(self) -> Any:
        """The next frame but heartbeats."""
        while True:
            frame = json.loads(await self.socket.receive_str(timeout=20))
            if frame["type"] in ("hello", "pong", "heartbeat"):
                assert set(frame) == {"type", "id", "session_id", "data"}
            else:
                self._description.validate({"$ref": "#/components/schemas/Event"}, frame)
                self._check_data(frame["data"])
            if frame["type"] != "heartbeat":
                self.seen.append(frame)
                return frame

    async def until(self, type: str, **data: Any) -> Any:
        """The next frame of that type whose data has these members."""
        while True:
            frame = await self.frame()
            if frame["type"] == type and all(frame["data"].get(name) == value for name, value in data.items()):
                return frame

    def _check_data(self, data: dict[str, Any]) -> None:
        for name, schema in (("entry", "Entry"), ("session", "Session"), ("invitation", "Invitation")):
            if data.get(name) is not None:
                self._description.validate({"$ref": f"#/components/schemas/{schema}"}, data[name])
        if isinstance(data.get("delivery"), list):
            for one in data["delivery"]:
                self._description.validate({"$ref": "#/components/schemas/Delivery"}, one)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return as soon as it holds; fail when it doesn't within the time."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


def check_headers(response: ClientResponse) -> None:
    """Security headers stand on every answer, good or bad."""
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get(name) == value, f"{name} on {response.status} of {response.url}"
    if response.status == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
