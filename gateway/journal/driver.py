"""Runs flows: the one place that calls providers. Timeouts, connection faults, caching and the guard against private addresses are here.

Addresses that customers or providers name (`HttpCall.foreign`) use a separate client (`public_addresses.py`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from adapters.contract import Fetched, Flow, HttpCall, HttpReply, NoReply, Sent
from adapters.envelope import MediaPart, Outbound
from adapters.errors import SendFailed, Verdict
from gateway.clock import Elapsed, elapsed
from gateway.config import Channel
from gateway.journal.contract import Peer
from gateway.journal.public_addresses import NotPublic, PublicResolver, is_ip, is_public, public_socket
from gateway.store.contract import Call

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
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
# Ours to write, and not aiohttp's: it adds a type to a body that has none, and tells the world its version.
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "byoc-gateway"}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_AS_IT_IS: Final = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+")  # RFC 3986, 2: an address that needs no escapes
_IN_A_NAME: Final = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}  # HTML, "multipart form data"


class Driver:
    """See the module. `private_hosts` are `host:port` that may be called although they were named by others (demo, tests)."""

    def __init__(self, *, private_hosts: Iterable[str] = (), connections: int = 200, time: Elapsed = elapsed) -> None:
        self._time = time
        self._private_hosts = frozenset(private_hosts)
        self._connections = connections
        self._sessions: dict[
            bool, aiohttp.ClientSession
        ] = {}  # by whether the address is foreign; made on the loop that uses them
        self._cached: dict[str, tuple[float, HttpReply]] = {}

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, foreign: bool) -> aiohttp.ClientSession:
        if foreign not in self._sessions:
            guard = {"resolver": PublicResolver(), "socket_factory": public_socket} if foreign else {}
            connector = aiohttp.TCPConnector(limit=50 if foreign else self._connections, ttl_dns_cache=60, **guard)  # type: ignore[arg-type]
            self._sessions[foreign] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS, skip_auto_headers=["Content-Type"]
            )
        return self._sessions[foreign]

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
            return await self._once(call, call.url, call.headers, foreign=False)
        url, headers = call.url, call.headers
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._once(call, url, headers, foreign=self._is_foreign(url))
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or not location:
                return reply
            following = urljoin(url, location)
            if call.leads_to is not None and not call.leads_to(following):
                raise AddressRefused("it redirects to an address that is not allowed")
            if urlsplit(following).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name.lower() not in ("authorization", "cookie")}
            url = following
        raise NoReply("too many redirects", sent=False)

    def _is_foreign(self, url: str) -> bool:
        """Whether it is called behind the guard. Raises AddressRefused for one that is never called."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise AddressRefused("the address is not an http(s) URL")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if f"{host}:{port}" in self._private_hosts:
            return False
        if is_ip(host) and not is_public(host):
            raise AddressRefused("the address is inside the gateway's network")
        return True

    async def _once(self, call: HttpCall, url: str, headers: Mapping[str, str], *, foreign: bool) -> HttpReply:
        _check(call.method, headers)
        body = call.body
        if call.files:
            kind, body = _form(call)
            headers = {**headers, "Content-Type": kind}
        timeout = aiohttp.ClientTimeout(
            connect=call.timeout_seconds, sock_connect=min(5.0, call.timeout_seconds), sock_read=call.timeout_seconds
        )
        # A proxy of the config's may be on a private address; it is the proxy then that looks names up.
        session = self._session(foreign=foreign and call.proxy is None)
        try:
            target = _address(url)
            async with session.request(
                call.method, target, headers=headers, data=body or None, timeout=timeout, allow_redirects=False, proxy=call.proxy
            ) as response:
                content = await _read(response, call.max_reply_bytes)
                return HttpReply(response.status, _joined(response), content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if any(isinstance(one, NotPublic) for one in _causes(error)):
                raise AddressRefused("the address is inside the gateway's network") from error
            if call.foreign and isinstance(error, aiohttp.InvalidURL):
                raise AddressRefused("the address is not an http(s) URL") from error
            raise NoReply(type(error).__name__, sent=not isinstance(error, _NEVER_LEFT)) from error


def _check(method: str, headers: Mapping[str, str]) -> None:
    """Raises Unsendable for what aiohttp refuses to write on an open connection."""
    if not _TOKEN.fullmatch(method):
        raise Unsendable("the request can't be built: its method is none")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise Unsendable(f"the header {name} has a character that is not allowed in headers")


def _address(url: str) -> URL:
    """As it was given, since a signature may be over it; only one with what no address can have is escaped. Raises aiohttp.InvalidURL."""
    try:
        return URL(url, encoded=_AS_IT_IS.fullmatch(url) is not None)
    except ValueError:
        raise aiohttp.InvalidURL("") from None  # the address may hold a secret


def _form(call: HttpCall) -> tuple[str, bytes]:
    """(its type, its bytes)."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []

    def part(head: str, content: bytes) -> None:
        parts.extend(
            (f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode(errors="replace"), content, b"\r\n")
        )

    for name, value in call.fields.items():
        part(f'name="{name.translate(_IN_A_NAME)}"', value.encode(errors="replace"))
    for one in call.files:
        name = f'name="{one.field.translate(_IN_A_NAME)}"; filename="{one.name.translate(_IN_A_NAME)}"'
        part(f"{name}\r\nContent-Type: {one.mime_type}", one.content)
    return f"multipart/form-data; boundary={boundary}", b"".join((*parts, f"--{boundary}--\r\n".encode()))


def _joined(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Headers by lower-case name; what came more than once is one list."""
    joined: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


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


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    arriving = response.content
    if arriving.is_eof() and arriving.exception() is None:  # mostly all of it came with the head
        whole = arriving.read_nowait()
        if len(whole) > most:
            raise NoReply(f"the reply is longer than {most} bytes", sent=True)
        return whole
    content = bytearray()
    async for chunk in response.content.iter_any():
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


class ChannelPeer:
    """A channel's account at its provider, as `gateway.journal.contract.Peer`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.messages_per_second = channel.config.messages_per_second
        self.takes = True

    def send(self, message: Outbound | Call, now: datetime) -> Flow[Sent | None]:
        """See the contract."""
        if isinstance(message, Call):
            raise TypeError("a provider takes no calls of a broker's")
        return self._channel.adapter.send(message, self._channel.account, now)

    def media(self, part: MediaPart, now: datetime) -> Flow[Fetched]:
        """See the contract."""
        return self._channel.adapter.media(part, self._channel.account, now)

    def may_repeat(self, message: Outbound | Call, lost_at: datetime, now: datetime) -> bool:
        """See the contract."""
        adapter = self._channel.adapter
        if adapter.retry_safe is not None and not isinstance(message, Call):
            return adapter.retry_safe(message, self._channel.account, lost_at, now)
        return adapter.capabilities.retry_key


def peers_of(channels: Mapping[str, Channel]) -> dict[str, Peer]:
    """By channel id."""
    return {key: ChannelPeer(channel) for key, channel in channels.items()}
