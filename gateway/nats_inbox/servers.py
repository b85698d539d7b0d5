"""The connection to the NATS servers: one, made again whenever it is lost.

The client library can do that by itself, but keeps what was being published for the next server, and tells nobody of what it gave up. Here a lost
connection ends all that was asked over it, at once, and who asked decides whether to ask again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error, MaxPayloadError, NoRespondersError
from pydantic import SecretStr

from gateway.backoff import backoff
from gateway.clock import elapsed
from gateway.config.places import NatsConfig
from gateway.errors import GatewayError, StoreUnavailable
from gateway.nats_inbox.stream import Ask, Refused, prepared, said
from gateway.outage import Outage

T = TypeVar("T")
_log = logging.getLogger(__name__)
_CONNECT_SECONDS: Final = 2  # to one of them
_ASK_SECONDS: Final = 5.0
_PING_SECONDS: Final = 2  # a server that is frozen is found out after two
_DOUBT_SECONDS: Final = 5.0  # a connection that is younger was looked at just now
_HEAD_BYTES: Final = 65_536  # what a message has beside a webhook's body
_NOT_THERE: Final = "the NATS servers can't be reached"


class Servers:
    """See the module. `most_bytes`: the largest webhook that will be sent. `looks_only`: the stream is neither made nor changed."""

    def __init__(
        self, url: SecretStr, settings: NatsConfig, *, stream: str | None = None, most_bytes: int = 0, looks_only: bool = False
    ) -> None:
        self._urls, self._who = _apart([one.strip() for one in url.get_secret_value().split(",")])
        random.shuffle(self._urls)  # the first is tried first
        self._settings, self.stream, self._most_bytes = settings, stream or settings.stream, most_bytes
        self._looks_only = looks_only
        self._client: Client | None = None
        self._lost: asyncio.Future[None]
        self._outage = Outage(_log, "the connection to the NATS servers", "nats")
        self._reason = f"{_NOT_THERE} yet"
        self._away_since = self._connected_at = elapsed()
        self._keeping: asyncio.Task[None] | None = None
        self._there = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self.most_payload = 0
        self.number = 0  # of the connection: what was subscribed to on an earlier one is gone

    async def open(self) -> None:
        """Servers that don't answer are waited for, in the background. Raises GatewayError for what an operator has to fix first."""
        try:
            await self._connect()
        except StoreUnavailable as error:
            self._failed(error)
        except GatewayError:
            await self.close()
            raise
        self._keeping = asyncio.create_task(self._keep(), name="nats")

    async def close(self) -> None:
        """Hang up."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        self.drop()
        if self._closing:
            await asyncio.wait(self._closing)

    def away_seconds(self) -> float:
        """For how long there has been no connection; 0 while there is one."""
        return 0.0 if self._client else elapsed() - self._away_since

    async def there(self, timeout_seconds: float) -> None:
        """Return when there is a connection, or after the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._there.wait()

    def drop(self) -> None:
        """Give the connection up, and make another."""
        client, self._client = self._client, None
        if client is not None:
            self._next_first()
            self._there.clear()
            self._away_since = elapsed()
            self._hang_up(client)
            if not self._lost.done():
                self._lost.set_result(None)

    def doubt(self) -> None:
        """Nothing can be published: look again at what it is that we are connected to. A stream that is gone is made again."""
        if self._client is not None and elapsed() - self._connected_at > _DOUBT_SECONDS:
            self.drop()

    # ---------------------------------------------------------------------------------------------------- asking

    async def request(
        self, subject: str, payload: bytes, *, headers: dict[str, str] | None = None, timeout_seconds: float = _ASK_SECONDS
    ) -> Msg:
        """Publish, and wait for the answer. Raises StoreUnavailable; GatewayError for a message that is too large."""
        return await self.work(lambda client: client.request(subject, payload, timeout=timeout_seconds, headers=headers))

    async def ask(self, what: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """A call of JetStream's API (https://docs.nats.io/reference/reference-protocols/nats_api_reference). Raises Refused, StoreUnavailable."""
        return await self.work(lambda client: _ask(client)(what, given))

    async def subscribe(self, subject: str, call: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Until the connection is lost."""
        return await self.work(lambda client: client.subscribe(subject, cb=call))

    async def publish(self, subject: str, payload: bytes, reply: str) -> None:
        """Without waiting for anything."""
        await self.work(lambda client: client.publish(subject, payload, reply=reply))

    def new_inbox(self) -> str:
        """A subject of our own. Raises StoreUnavailable."""
        if self._client is None:
            raise StoreUnavailable(self._reason)
        return self._client.new_inbox()

    async def work(self, job: Callable[[Client], Awaitable[T]]) -> T:
        """Have the client do something, as long as this connection holds. Raises StoreUnavailable."""
        client = self._client
        if client is None:
            raise StoreUnavailable(self._reason)
        lost = self._lost
        doing = asyncio.ensure_future(job(client))
        try:
            await asyncio.wait((doing, lost), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() or doing.cancelled():
                raise StoreUnavailable("the connection to the NATS server was lost")
            return doing.result()
        except NoRespondersError as error:
            raise StoreUnavailable("the stream has no leader: a majority of its servers must be up, with JetStream on") from error
        except MaxPayloadError as error:
            raise GatewayError(
                f"a webhook is larger than the NATS servers take ({client.max_payload} bytes): raise max_payload"
            ) from error
        except TimeoutError as error:
            if self._client is client:
                self.drop()  # it may be this server's fault
            raise StoreUnavailable("the NATS server doesn't answer") from error
        except (Error, OSError) as error:
            raise StoreUnavailable(f"the NATS server fails: {_words(error)}") from error
        finally:
            doing.cancel()

    # ------------------------------------------------------------------------------------------------ connecting

    async def _keep(self) -> None:
        failures = 0
        while True:
            if self._client is None:
                try:
                    await self._connect()
                except Exception as error:
                    failures += 1
                    if not isinstance(error, GatewayError):  # a fault of ours: it is tried again all the same
                        _log.exception(
                            "connecting to the NATS servers failed", extra={"action": "worker.failed", "worker": "nats"}
                        )
                    self._failed(error)
                    await asyncio.sleep(backoff(failures, first_seconds=0.05, most_seconds=2))
                    continue
            failures = 0
            self._outage.worked()
            await asyncio.wait([self._lost])
            self.drop()

    def _failed(self, error: Exception) -> None:
        self._reason = str(error) if isinstance(error, GatewayError) else type(error).__name__
        self._outage.failed(self._reason)

    async def _connect(self) -> None:
        client = Client()
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        last: list[Exception] = []

        async def closed() -> None:
            if not lost.done():
                lost.set_result(None)

        async def failed(error: Exception) -> None:
            last.append(error)

        try:
            async with asyncio.timeout(_CONNECT_SECONDS * (len(self._urls) + 1)):
                await client.connect(
                    self._urls,
                    name="byoc",
                    error_cb=failed,
                    closed_cb=closed,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    dont_randomize=True,
                    connect_timeout=_CONNECT_SECONDS,
                    ping_interval=_PING_SECONDS,
                    max_outstanding_pings=2,
                    user_credentials=_credentials(self._settings.credentials_file),
                    user=self._who.get("user"),
                    password=self._who.get("password"),
                    token=self._who.get("token"),
                )
                await self._look(client)
        except asyncio.CancelledError:
            self._hang_up(client)
            raise
        except Exception as error:
            self._hang_up(client)
            self._next_first()
            told = _told(error, [*last, error])
            if told is error:
                raise
            raise told from error
        self._client, self._lost, self.most_payload = client, lost, client.max_payload
        self._connected_at = elapsed()
        self.number += 1
        self._there.set()

    def _next_first(self) -> None:
        """The one that is tried first may be the one that is frozen."""
        self._urls.append(self._urls.pop(0))

    async def _look(self, client: Client) -> None:
        """At what it is that we are connected to."""
        if self._looks_only:
            return
        if self._most_bytes + _HEAD_BYTES > client.max_payload:
            raise GatewayError(
                f"the NATS servers take messages of {client.max_payload} bytes, and a webhook may have {self._most_bytes} (limits.webhook_max_bytes): "
                "set `max_payload: 8MB` in the servers' configuration, or lower the limit"
            )
        await prepared(_ask(client), self.stream, self._settings)

    def _hang_up(self, client: Client) -> None:
        async def close() -> None:
            with contextlib.suppress(Exception):  # a frozen server takes nothing any more
                async with asyncio.timeout(_PING_SECONDS):
                    await client.close()

        task = asyncio.create_task(close(), name="nats hangs up")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _ask(client: Client) -> Ask:
    async def ask(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
        answer = await client.request(f"$JS.API.{what}", json.dumps(given).encode(), timeout=_ASK_SECONDS)
        return said(answer.data, "JetStream")

    return ask


def _apart(urls: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The addresses, and who we are to the servers. nats-py would send them as an address has them, percent signs and all."""
    parts = [urlsplit(one) for one in urls]
    who = {(one.username, one.password) for one in parts}
    user, password = who.pop() if len(who) == 1 else (None, None)
    if user is None:
        return list(urls), {}
    bare = [urlunsplit(one._replace(netloc=one.netloc.rpartition("@")[2])) for one in parts]
    return bare, {"token": unquote(user)} if password is None else {"user": unquote(user), "password": unquote(password)}


def _credentials(path: str | None) -> str | None:
    """The file's path, once it is known to be one. nats-py reads a file without a token for ever. Raises GatewayError."""
    if path is None:
        return None
    try:
        text = Path(path).read_text("ascii", "replace")
    except OSError as error:
        raise GatewayError(f"{path} can't be read (nats.credentials_file): {error.strerror}") from error
    if not all(f"BEGIN {part}" in text for part in ("NATS USER JWT", "USER NKEY SEED")):
        raise GatewayError(f"{path} isn't a NATS credentials file (nats.credentials_file): it has no user's token and seed")
    return path


def _told(error: Exception, seen: list[Exception]) -> Exception:
    """What came of an attempt to connect, as an error of ours. Addresses hold passwords: they are not in it."""
    words = " ".join(_words(one) for one in seen).lower()
    if "authorization violation" in words or "authentication" in words:
        return GatewayError("the NATS servers refuse us: check the user and the password in `inbox`, or `nats.credentials_file`")
    if isinstance(error, ModuleNotFoundError):
        return GatewayError("`nats.credentials_file` needs a package that is not installed (nkeys): install nats-py[nkeys]")
    if isinstance(error, NoRespondersError) or (isinstance(error, Refused) and error.code in (10039, 10076)):
        return StoreUnavailable(
            "the NATS servers have no JetStream for us: switch it on (`jetstream {…}`), and see that a majority of them is up"
        )
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, Error | OSError | TimeoutError | ValueError):
        return StoreUnavailable(f"{_NOT_THERE}: {_words(seen[0])}")
    return error


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__).removeprefix("nats: ")
