"""The one place that builds concrete things and puts them together: stores, broker, workers, doors."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web

from adapters.contract import Answer, RawRequest
from gateway import clock as clocks
from gateway import pages
from gateway.brokers.contract import Broker, Directory
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.brokers.reconciling import Judged
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.doorbell.local import LocalDoorbell
from gateway.edge.api.install import Surface
from gateway.edge.api.install import install as install_api
from gateway.edge.doors import Doors, bound
from gateway.edge.health import Check
from gateway.edge.limits import Limits, Rate
from gateway.edge.media import FileOf, MediaDoor, ServedFile
from gateway.edge.pressure import Pressure
from gateway.edge.proxies import Proxies
from gateway.edge.webhook_route import WebhookRoute
from gateway.edge.webhooks import Webhooks
from gateway.errors import BrokerUnavailable, StoreUnavailable, without_salesforce
from gateway.identity.directory import ConfigDirectory
from gateway.journal.driver import Driver, peers_of
from gateway.journal.fetcher import Fetcher
from gateway.journal.profiler import Profiler
from gateway.journal.receiver import Receiver, sources_of
from gateway.journal.sender import Sender
from gateway.links import MediaLinks
from gateway.metrics import Metrics
from gateway.orphans import of_waiting_webhooks
from gateway.processes.inbox import InboxOfEdge
from gateway.processes.starting import Edge, Setup
from gateway.store.inbox import SqliteInbox
from gateway.store.media import MediaFolder
from gateway.store.sole import sole_user
from gateway.store.sqlite import SqliteStore
from gateway.watching import Watching

_log = logging.getLogger(__name__)
_PURGE_SECONDS: Final = 3600.0

if TYPE_CHECKING:  # rooms that only some gateways need are imported when their config says so: most of the start is importing
    from adapters.webchat import WebchatAccount
    from gateway.brokers.salesforce.orgs import SalesforceOrgs
    from gateway.identity.oidc import Issuer


@dataclass(frozen=True, slots=True)
class Console:
    """Whose sessions, people and files the API and the desk show: the gateway's own, or in a demo those of a simulated org."""

    broker: Broker
    directory: Directory
    file_of: FileOf


class Gateway:
    """A whole gateway in one process. `running()` opens it, serves, and drains on the way out."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        demo: bool = False,
        clock: Clock = clocks.now,
        steady: Clock | None = None,
        new_id: Callable[[str], str] = clocks.new_id,
        fault: Callable[[str], None] | None = None,
        extend: Callable[[web.Application, Gateway], None] | None = None,
        driver: Callable[..., Driver] = Driver,
        edge: Setup | None = None,
        console: Console | None = None,
    ) -> None:
        config = loaded.config
        self.loaded, self.config, self.clock = loaded, config, clock
        # What waits within the process goes by a clock that never jumps. A clock that a test sets is both.
        self.steady = steady or (clocks.steady if clock is clocks.now else clock)
        self.data_dir = config.data_dir
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.bell = LocalDoorbell()
        self.metrics = Metrics()
        self.links = MediaLinks(_media_secret(loaded), config.public_url)
        self.folder = MediaFolder(self.data_dir / "media")
        self.salesforce = _salesforce(loaded)
        holders = self.salesforce.holders if self.salesforce else {}
        ground = Ground(loaded.channels, loaded.orgs, self.links, new_id, self.steady, fault or (lambda point: None), holders)
        self.store = SqliteStore(self.data_dir, clock, ground.fault, self.bell.ring)
        self.broker = EmbeddedBroker(self.store, ground, self.bell, clock, self.folder)
        self.edge = Edge(edge, grace_seconds=config.limits.grace_seconds) if edge else None
        self.inbox = (
            InboxOfEdge(self.data_dir, clock, self.edge, self.bell)
            if self.edge
            else SqliteInbox(self.data_dir, clock, fault=fault)
        )
        self.driver = driver(private_hosts=config.allow_private_media_hosts)
        channels = loaded.channels
        _find_chat_at_home(loaded)
        lanes = self.salesforce.peers if self.salesforce else {}
        peers = peers_of(channels) | lanes
        self.receiver = Receiver(self.inbox, self.broker, sources_of(channels) | lanes, self.bell, self.metrics)
        self.sender = Sender(self.broker.outbox, self.driver, peers, self.bell, clock, self.metrics, fault)
        self.fetcher = Fetcher(self.broker.media, self.driver, peers, self.bell, clock, config.limits.file_max_bytes)
        self.profiler = Profiler(self.broker.profiles, self.driver, channels, self.bell, clock)
        known = ConfigDirectory(config, loaded.orgs, channels)
        self.issuer: Issuer | None = None
        self.directory: Directory = known
        if config.oidc:
            from gateway.identity import oidc

            self.issuer = oidc.Issuer(config.oidc, self.driver.call, self.data_dir / "oidc.json")
            self.directory = oidc.OidcDirectory(known, self.issuer, loaded.orgs)
        if self.salesforce:
            self.salesforce.connect(self.driver.run, self.inbox, self.store, self.bell, self.metrics, clock)
        self.connector = self.salesforce.connector(self.store, ground) if self.salesforce else None
        self.pressure = Pressure(channels, self.inbox, backlog_seconds=config.limits.backlog_seconds)
        self.webhooks = Webhooks(
            channels,
            self.inbox,
            self.bell,
            self.metrics,
            clock,
            public_url=config.public_url,
            max_bytes=config.limits.webhook_max_bytes,
            read_seconds=config.limits.webhook_read_seconds,
            refusing=self.pressure,
        )
        self._demo, self._extend = demo, extend
        self.console = console or Console(self.broker, self.directory, self.file_of)

    def application(self) -> tuple[web.Application, Surface]:
        """All doors on one application."""
        limits, proxies = self.config.limits, Proxies(self.config.trusted_proxies)
        checks: dict[str, Check] = {"inbox": self.inbox.ready, **({"oidc": self.issuer.ready} if self.issuer else {})}
        app = web.Application(client_max_size=limits.webhook_max_bytes)
        WebhookRoute(self.webhooks).install(app)
        surface = install_api(
            app,
            self.console.broker,
            self.console.directory,
            limits=Limits(
                max_body_bytes=limits.api_max_bytes,
                max_file_bytes=limits.file_max_bytes,
                requests=Rate(per_second=limits.api_requests_per_minute / 60, burst=limits.api_requests_per_minute),
            ),
            origins=self.config.api_origins,
            public_url=self.config.public_url,
            metrics=self.metrics,
            checks=checks,
            connector=self.connector,
            now=self.clock,
            address_of=proxies.address_of,
        )
        surface.health.remarks["webhooks"] = self.pressure.told
        if self.salesforce:
            orgs = self.salesforce
            surface.health.remarks["salesforce"] = lambda: orgs.told(self.sender.waits)
            surface.health.details["salesforce"] = lambda: orgs.described(self.clock())
        MediaDoor(self.links, self._served_file, self.clock).install(app)
        chat_accounts = _chat_accounts(self.loaded)
        if chat_accounts:
            from gateway import webchat

            visitors = webchat.install(
                app, chat_accounts, self.accept_here, self.data_dir, client_address=proxies.address_of, now=self.clock
            )
            surface.health.checks["chat"] = visitors.ready
        pages.install(app, demo=self._demo, oidc=self._oidc_login(), connector=self._connector_page())
        Watching(self.inbox, self.store, self.metrics, self.clock).install()
        if self._extend:
            self._extend(app, self)
        return app, surface

    @asynccontextmanager
    async def running(self, sock: socket.socket | None = None) -> AsyncIterator[str]:
        """Serve, and yield the address it listens on. On exit, finish work in progress and close everything.
        Raises GatewayError when another gateway works in the same folder."""
        with sole_user(self.data_dir) as lock:
            for warning in self.loaded.warnings:
                _log.warning("%s", warning, extra={"action": "config.warning"})
            async with self._serving(sock, lock) as address:
                yield address

    @asynccontextmanager
    async def _serving(self, sock: socket.socket | None, lock: int) -> AsyncIterator[str]:
        if self.issuer:
            await self.issuer.start()
        await self.inbox.open()
        await self.broker.open(self._take_over)
        app, surface = self.application()
        doors = Doors(app, self.webhooks, grace_seconds=self.config.limits.grace_seconds / 2)
        workers = _Workers()
        try:
            listen = self.config.listen
            if self.edge is not None:
                await self.edge.start(bound(listen.host, listen.port_for_webhooks), lock)
                self.metrics.before_reading(self._count_webhooks)
            address = await doors.open(sock or (listen.host, listen.port))
            for name, work in self._work().items():
                workers.start(name, work)
            yield address
        finally:
            surface.health.draining = True
            # Finish sends first: in the demo, this server is also their provider. Webhooks that arrive meanwhile are kept for the next start.
            await self._drain()
            if self.edge is not None:
                await self.edge.stop()
            await doors.close()
            await workers.stop()
            await self.driver.close()
            await self.inbox.close()
            if self.edge is not None:
                await self.edge.end()
            await self.broker.close()

    async def _take_over(self, judged: Judged) -> None:
        """What of a channel that changed hands is kept elsewhere than at the broker; made again when the start is."""
        tallies = await self.inbox.read(lambda rows: rows.tallies())
        for sentence in of_waiting_webhooks(tallies, judged.moved, self.loaded):
            _log.warning("%s", sentence, extra={"action": "config.orphans"})
        for channel_id, before, _ in judged.moved:
            if before in self.loaded.orgs:
                await self.inbox.keep_aside(channel_id, before)
            from gateway import webchat

            await asyncio.to_thread(webchat.forget_profiles, self.data_dir, channel_id)

    def _oidc_login(self) -> pages.OidcLogin | None:
        oidc, page = self.config.oidc, self.issuer.sign_in_page() if self.issuer else None
        if oidc is None or page is None or oidc.client_id is None:
            return None
        return pages.OidcLogin(page.authorization_endpoint, page.token_endpoint, oidc.client_id, oidc.scope, oidc.name)

    def _connector_page(self) -> pages.ConnectorPage | None:
        orgs = self.salesforce
        return pages.ConnectorPage(orgs.connector_frames, orgs.connector_toolkit) if orgs and self.connector else None

    def _work(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {
            "hub": self.broker.hub.run,
            "pressure": self.pressure.run,
            "receiver": self.receiver.run,
            "sender": self.sender.run,
            "fetcher": self.fetcher.run,
            "profiler": self.profiler.run,
            "timers": self.broker.run_timers,
            "presence": self.broker.run_presence,
            "filing": self.broker.run_filing,
            "purge": self._purge,
            **({"oidc": self.issuer.run} if self.issuer else {}),
            **(self.salesforce.work if self.salesforce else {}),
        }

    async def _count_webhooks(self) -> None:
        assert self.edge is not None  # noqa: S101
        self.metrics.count_webhooks(await self.edge.call("counted"))

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.config.limits.grace_seconds / 2):
                await self.sender.drain()
        except TimeoutError:
            left = self.sender.in_hand
            _log.warning(
                "calls were still unanswered at the end of the grace time", extra={"action": "drain.cut", "messages": left}
            )

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_SECONDS)
            retention = self.config.retention
            await self.inbox.purge(retention.inbox_days, retention.stuck_days)
            await self.broker.purge()

    async def file_of(self, media_id: str) -> ServedFile | None:
        """A file that the gateway has stored."""
        found = await self.broker.media.stored(media_id)
        return ServedFile(self.folder.path(media_id), found[0]) if found else None

    async def _served_file(self, media_id: str) -> ServedFile | None:
        return await self.file_of(media_id) or await self.console.file_of(media_id)

    async def accept_here(self, channel_id: str, request: RawRequest) -> Answer:
        """A webhook made in this process, by web chat's service. Raises NotAuthentic, StoreUnavailable."""
        return await self.webhooks.accept(channel_id, request)


class _Workers:
    """The background tasks: named, watched, and started again when one fails, so that a fault in one message stops no channel."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(self._keep(name, work), name=name))

    async def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await work()
            except (StoreUnavailable, BrokerUnavailable):  # reported where it fails; the worker waits for its return
                await asyncio.sleep(1)
            except Exception:
                _log.exception("worker %s failed and is restarted", name, extra={"action": "worker.failed", "worker": name})
                await asyncio.sleep(1)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _salesforce(loaded: Loaded) -> SalesforceOrgs | None:
    """The Salesforce orgs, if the config names any. Raises GatewayError."""
    if not loaded.config.salesforce:
        return None
    try:
        from gateway.brokers.salesforce.orgs import SalesforceOrgs
    except ModuleNotFoundError as missing:
        raise without_salesforce(missing) from missing
    return SalesforceOrgs(loaded)


def _find_chat_at_home(loaded: Loaded) -> None:
    """Web chat's service runs in this process. Unless configured otherwise, it is called directly, not through the public address."""
    listen = loaded.config.listen
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "::", "") else listen.host  # noqa: S104
    for channel_id, account in _chat_accounts(loaded).items():
        if not account.api_base and listen.port:
            base = f"http://{host}:{listen.port}/chat/{channel_id}"
            loaded.channels[channel_id].account = account.model_copy(update={"api_base": base})


def _chat_accounts(loaded: Loaded) -> dict[str, WebchatAccount]:
    return {
        str(key): cast("WebchatAccount", one.account) for key, one in loaded.channels.items() if one.adapter.kind == "webchat"
    }


def _media_secret(loaded: Loaded) -> str:
    """The secret that signs files' addresses: given, or made once and kept with the data."""
    given = loaded.config.media_secret
    if given is not None:
        return given.get_secret_value()
    return kept_secret(loaded.config.data_dir / "media.secret")


def kept_secret(path: Path) -> str:
    """A random secret that is made at the first start, readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()
