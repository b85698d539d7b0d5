"""Runs flows: the one place that calls providers. Timeouts, connection faults, caching and the guard against private addresses are here.

Addresses that customers or providers name (`HttpCall.foreign`) use a separate client (`public_addresses.py`).
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from adapters.contract import Flow, HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from gateway.clock import Elapsed, elapsed
from gateway.journal.public_addresses import NotPublic, PublicResolver, is_ip, is_public, public_socket

T = TypeVar("T")


class AddressRefused(NoReply):
    """A foreign address that is never called: it is inside the gateway's network, or isn't a web address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=False)


class Unsendable(NoReply):
    """The request can't be written, so nothing left the machine, and waiting helps nothing: mostly a token with a letter that no header can
    carry. The text never holds the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=False)


_MOST_REDIRECTS: Final = 5
_MOST_CACHED: Final = 2_000
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")  # RFC 9110, 5.5, without what isn't ASCII
# There was no connection, so the request was not sent.
_NEVER_LEFT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
)
# No address at all, or one written so that it could be read in two ways.
_NO_ADDRESS: Final = (aiohttp.InvalidURL, httpx.InvalidURL, httpx.UnsupportedProtocol)


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that providers' certificates are checked by. Reading them takes longer than all else at a start, so it is done once."""
    return httpx.create_ssl_context()


def _client(resolver: AbstractResolver | None, connections: int) -> httpx.AsyncClient:
    def session() -> aiohttp.ClientSession:
        guard = public_socket if resolver else None
        connector = aiohttp.TCPConnector(limit=connections, resolver=resolver, ttl_dns_cache=60, socket_factory=guard)
        return aiohttp.ClientSession(connector=connector, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar())

    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=_trusted(), client=session), follow_redirects=False, trust_env=False
    )


class Driver:
    """See the module. `private_hosts` are `host:port` that may be called although they were named by others (demo, tests)."""

    def __init__(self, *, private_hosts: Iterable[str] = (), connections: int = 200, time: Elapsed = elapsed) -> None:
        self._time = time
        self._private_hosts = frozenset(private_hosts)
        self._own = _client(None, connections)
        self._foreign = _client(PublicResolver(), 50)
        self._cached: dict[str, tuple[float, HttpReply]] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self._own.aclose()
        await self._foreign.aclose()

    async def run(self, flow: Flow[T], *, before_visible: Callable[[], Awaitable[None]] | None = None) -> T:
        """The flow's result. Raises what the flow raises, and Unsendable; another call without an answer becomes SendFailed: `again` when the provider can't have
        taken it, `unknown` when the customer may have seen it, `dead` when it is an address that we call never. `before_visible` is awaited before each call that the customer may see;
        what it raises ends the flow, without that call."""
        try:
            call = next(flow)
            while True:
                if before_visible is not None and call.visible is not False:
                    await before_visible()
                try:
                    reply = await self.call(call)
                except NoReply as lost:
                    call = self._throw(flow, lost, shown=before_visible is not None if call.visible is None else call.visible)
                else:
                    call = flow.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    def _throw(self, flow: Flow[Any], lost: NoReply, *, shown: bool) -> HttpCall:
        try:
            return flow.throw(lost)
        except Unsendable:
            raise
        except AddressRefused as refused:
            raise SendFailed(Verdict.dead, "media_address_refused") from refused
        except NoReply as uncaught:
            if uncaught.sent and shown:
                raise SendFailed(Verdict.unknown, "no_answer") from uncaught
            raise SendFailed(Verdict.again, "provider_unavailable") from uncaught

    async def call(self, call: HttpCall) -> HttpReply:
        """One call. Raises NoReply."""
        key = _key(call) if call.cache_seconds else ""
        if key and not call.refresh and (hit := self._cached.get(key)) and hit[0] > self._time():
            return hit[1]
        reply = await self._call(call)
        if key and reply.status < 300:
            if len(self._cached) >= _MOST_CACHED:
                self._cached.clear()
            self._cached[key] = (self._time() + call.cache_seconds, reply)
        return reply

    async def _call(self, call: HttpCall) -> HttpReply:
        if not call.foreign:
            return await self._once(self._own, call, call.url, dict(call.headers))
        url, headers = call.url, dict(call.headers)
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._once(self._client_for(url), call, url, headers)
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or not location:
                return reply
            following = urljoin(url, location)
            if urlsplit(following).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name.lower() not in ("authorization", "cookie")}
            url = following
        raise NoReply("too many redirects", sent=False)

    def _client_for(self, url: str) -> httpx.AsyncClient:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise AddressRefused("the address is not an http(s) URL")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if f"{host}:{port}" in self._private_hosts:
            return self._own
        if is_ip(host) and not is_public(host):
            raise AddressRefused("the address is inside the gateway's network")
        return self._foreign

    async def _once(self, client: httpx.AsyncClient, call: HttpCall, url: str, headers: dict[str, str]) -> HttpReply:
        files = [(f.field, (f.name, f.content, f.mime_type)) for f in call.files]
        body: dict[str, Any] = {"data": dict(call.fields), "files": files} if files else {"content": call.body or None}
        _check_headers(headers)
        timeout = httpx.Timeout(call.timeout_seconds, connect=min(5.0, call.timeout_seconds))
        try:
            request = _built(client, call.method, url, headers=headers, timeout=timeout, **body)
            response = await client.send(request, stream=True)
            try:
                content = await _read(response, call.max_reply_bytes)
                return HttpReply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, content)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, TimeoutError) as error:
            # By the cause: httpx-aiohttp calls a connection that was cut after the request a ConnectTimeout, too.
            cause = error.__cause__ or error
            if any(isinstance(one, NotPublic) for one in _causes(error)):
                raise AddressRefused("the address is inside the gateway's network") from error
            if call.foreign and isinstance(cause, _NO_ADDRESS):
                raise AddressRefused("the address is not an http(s) URL") from error
            raise NoReply(type(cause).__name__, sent=not isinstance(cause, _NEVER_LEFT)) from error


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raises Unsendable for what httpx and aiohttp refuse to write: the one while it builds the request, the other on an open connection."""
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise Unsendable(f"the header {name} has a character that is not allowed in headers")


def _built(client: httpx.AsyncClient, method: str, url: str, **parts: Any) -> httpx.Request:
    """Raises httpx.InvalidURL, and Unsendable for all else that is wrong with the request."""
    try:
        return client.build_request(method.encode("ascii").decode(), url, **parts)
    except (ValueError, TypeError) as error:  # the first is a UnicodeError, too; their texts may quote a secret
        reason = f"the request can't be built ({type(error).__name__})"
    raise Unsendable(reason)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of; aiohttp keeps the socket's and the resolver's error beside its own."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, getattr(one, "os_error", None)]


async def _read(response: httpx.Response, most: int) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            raise NoReply(f"the reply is longer than {most} bytes", sent=True)
    return bytes(content)


def _key(call: HttpCall) -> str:
    digest = hashlib.sha256()
    for part in (call.method, call.url, *(f"{k}:{v}" for k, v in sorted(call.headers.items()))):
        digest.update(part.encode() + b"\0")
    digest.update(call.body)
    return digest.hexdigest()
