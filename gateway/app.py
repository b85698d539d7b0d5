"""The one place that builds concrete things and puts them together: stores, broker, workers, doors."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aiohttp import web

from adapters.contract import Answer, RawRequest
from gateway import clock as clocks
from gateway import pages
from gateway.brokers.contract import Broker, Connector, Directory
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.edge.api.install import install as install_api
from gateway.edge.doors import Doors, bound
from gateway.edge.health import Check, Health
from gateway.edge.limits import Limits, Rate
from gateway.edge.media import FileOf, MediaDoor, ServedFile
from gateway.edge.pressure import Pressure
from gateway.edge.proxies import Proxies
from gateway.edge.webhook_route import WebhookRoute
from gateway.edge.webhooks import Webhooks
from gateway.file_places import FilePlaces
from gateway.identity.directory import ConfigDirectory
from gateway.journal.driver import Driver
from gateway.links import MediaLinks
from gateway.metrics import Metrics
from gateway.processes.starting import Edge, Setup
from gateway.roles import ALL, Role
from gateway.several import BrokerByOrg, ConnectorByOrg, KeeperByChannel, RingingByTopic, Some
from gateway.shard import Common, Shard, parts_of
from gateway.store.inbox_contract import Keeper
from gateway.store.media import MEDIA
from gateway.store.sole import sole_user
from gateway.watching import Watching
from gateway.workers import Work, Workers

_log = logging.getLogger(__name__)

if TYPE_CHECKING:  # rooms that only some gateways need are imported when their config says so: most of the start is importing
    from adapters.webchat import WebchatAccount
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
        roles: Collection[Role] = ALL,
    ) -> None:
        """`roles`: which of a gateway's doors it opens, and which of its work it does."""
        config = loaded.config
        self.loaded, self.config, self.clock, self.roles = loaded, config, clock, frozenset(roles)
        # What waits within the process goes by a clock that never jumps. A clock that a test sets is both.
        self.steady = steady or (clocks.steady if clock is clocks.now else clock)
        self.data_dir = config.data_dir
        parts = parts_of(loaded)
        self._alone = any(part.store is None for part in parts)
        if self._alone:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics()
        self.links = MediaLinks(_media_secret(loaded), config.public_url)
        self._places = FilePlaces(config)
        self.files = self._places.store("media", MEDIA)
        self.driver = driver(private_hosts=config.allow_private_media_hosts)
        self.edge = Edge(edge, grace_seconds=config.limits.grace_seconds) if edge else None
        if "api" in self.roles:
            _find_chat_at_home(loaded)
        common = Common(
            self.roles, clock, self.steady, new_id, fault, self.driver, self.metrics, self.links, self.files, self.edge
        )
        self.shards = [Shard(part, common) for part in parts]
        # Of the one store that most gateways have.
        shard = self.shards[0]
        self.store, self.broker, self.inbox, self.bell = shard.store, shard.broker, shard.inbox, shard.bell
        self.receiver, self.sender, self.fetcher = shard.receiver, shard.sender, shard.fetcher
        self.salesforce = shard.salesforce
        channels = loaded.channels
        known = ConfigDirectory(config, loaded.orgs, channels)
        self.issuer: Issuer | None = None
        self.directory: Directory = known
        if config.oidc and "api" in self.roles:
            from gateway.identity import oidc

            self.issuer = oidc.Issuer(config.oidc, self.driver.call, self.data_dir / "oidc.json")
            self.directory = oidc.OidcDirectory(known, self.issuer, loaded.orgs)
        kept = _kept(self.shards)
        self.pressure = Pressure(channels, kept, backlog_seconds=config.longest_backlog_seconds)
        self.webhooks = Webhooks(
            channels,
            kept,
            _rung(self.shards),
            self.metrics,
            clock,
            public_url=config.public_url,
            max_bytes=config.limits.webhook_max_bytes,
            read_seconds=config.limits.webhook_read_seconds,
            refusing=self.pressure,
        )
        self._kept = kept
        self._broker = _broker(self.shards)
        self._connector = _connector(self.shards)
        self._demo, self._extend = demo, extend
        self.console = console or Console(self._broker, self.directory, self.file_of)

    def application(self) -> tuple[web.Application, Health]:
        """The doors of its roles on one application. What isn't behind one of them answers 404."""
        app = web.Application(client_max_size=self.config.limits.webhook_max_bytes)
        health = Health(self.metrics, self._checks())
        if self.roles != ALL:
            health.about = {"roles": sorted(self.roles)}
        if "edge" in self.roles:
            WebhookRoute(self.webhooks).install(app)
        if self._takes_webhooks:
            health.remarks["webhooks"] = self.pressure.told
        if self.roles != {"edge"}:
            health.remarks["files"] = self.files.trouble
        if isinstance(self._broker, BrokerByOrg):
            health.remarks["stores"] = self._broker.stores.told
        if "broker" in self.roles and self.config.inbox is not None:
            health.remarks["streams"] = self._streams_told
        if any(shard.salesforce for shard in self.shards):
            health.remarks["salesforce"] = self._salesforce_told
            health.details["salesforce"] = self._salesforce_described
        if "api" in self.roles:
            self._open_to_people(app, health)
        else:
            health.install(app)
        if self.roles != {"edge"}:
            Watching([shard.watched for shard in self.shards], self.metrics, self.clock).install()
        if self._extend:
            self._extend(app, self)
        return app, health

    @property
    def _takes_webhooks(self) -> bool:
        """From providers, or from its own web chat service."""
        return "edge" in self.roles or ("api" in self.roles and bool(_chat_accounts(self.loaded)))

    def _checks(self) -> dict[str, Check]:
        """What the roles need."""
        checks: dict[str, Check] = {}
        if self.roles != {"edge"}:
            checks["broker"] = self._broker.ready
        if self._takes_webhooks:
            checks["inbox"] = self._kept.ready
        elif "broker" in self.roles:
            checks["inbox"] = self._inboxes_ready
        if self.issuer:
            checks["oidc"] = self.issuer.ready
        return checks

    async def _inboxes_ready(self) -> None:
        await Some().ready(shard.inbox.ready for shard in self.shards)

    def _open_to_people(self, app: web.Application, health: Health) -> None:
        """The API, the pages, files, and web chat."""
        limits, proxies = self.config.limits, Proxies(self.config.trusted_proxies)
        install_api(
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
            health=health,
            connector=self._connector,
            now=self.clock,
            address_of=proxies.address_of,
        )
        MediaDoor(self.links, self._served_file, self.clock).install(app)
        if _chat_accounts(self.loaded):
            self._open_to_visitors(app, health)
        pages.install(app, demo=self._demo, oidc=self._oidc_login(), connector=self._connector_page())

    def _open_to_visitors(self, app: web.Application, health: Health) -> None:
        from gateway import webchat

        files = self._places.store("chat-files", webchat.FILES)
        services = [
            webchat.ChatService(accounts, self.accept_here, shard.engine.chat(), files, shard.engine.signals, self.clock)
            for shard in self.shards
            if (accounts := _chat_accounts(shard.loaded))
        ]
        webchat.install(app, services, client_address=Proxies(self.config.trusted_proxies).address_of)

        some = Some()
        health.checks["chat"] = lambda: some.ready(service.ready for service in services)

    @asynccontextmanager
    async def running(self, sock: socket.socket | None = None) -> AsyncIterator[str]:
        """Serve, and yield the address it listens on. On exit, finish work in progress and close everything.
        Raises GatewayError when another gateway works in the same folder."""
        with sole_user(self.data_dir) if self._alone else nullcontext(-1) as lock:
            for warning in self.loaded.warnings:
                _log.warning("%s", warning, extra={"action": "config.warning"})
            async with self._serving(sock, lock) as address:
                yield address

    @asynccontextmanager
    async def _serving(self, sock: socket.socket | None, lock: int) -> AsyncIterator[str]:
        if self.issuer:
            await self.issuer.start()
        if self.roles != {"edge"}:
            await self.files.open()
        for shard in self.shards:
            await shard.open()
        app, health = self.application()
        webhooks = self.webhooks if "edge" in self.roles else None
        doors = Doors(app, webhooks, grace_seconds=self.config.limits.grace_seconds / 2)
        workers = Workers()
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
            health.draining = True
            # Finish sends first: in the demo, this server is also their provider. Webhooks that arrive meanwhile are kept for the next start.
            await asyncio.gather(*(shard.drain() for shard in self.shards))
            if self.edge is not None:
                await self.edge.stop()
            await doors.close()
            await workers.stop()
            await self.driver.close()
            for shard in self.shards:
                await shard.close_inbox()
            if self.edge is not None:
                await self.edge.end()
            for shard in self.shards:
                await shard.close()

    def _oidc_login(self) -> pages.OidcLogin | None:
        oidc, page = self.config.oidc, self.issuer.sign_in_page() if self.issuer else None
        if oidc is None or page is None or oidc.client_id is None:
            return None
        return pages.OidcLogin(page.authorization_endpoint, page.token_endpoint, oidc.client_id, oidc.scope, oidc.name)

    def _connector_page(self) -> pages.ConnectorPage | None:
        if self._connector is None:
            return None
        orgs = [shard.salesforce for shard in self.shards if shard.salesforce]
        frames = tuple(dict.fromkeys(frame for one in orgs for frame in one.connector_frames))
        return pages.ConnectorPage(frames, next((one.connector_toolkit for one in orgs if one.connector_toolkit), None))

    def _salesforce_told(self) -> str | None:
        told = (shard.salesforce.told(shard.sender.waits) for shard in self.shards if shard.salesforce)
        return " ".join(filter(None, told)) or None

    def _streams_told(self) -> str | None:
        return "; ".join(filter(None, (shard.streams.told() for shard in self.shards if shard.streams))) or None

    def _salesforce_described(self) -> Mapping[str, object]:
        now = self.clock()
        orgs = (shard.salesforce.described(now) for shard in self.shards if shard.salesforce)
        return {name: described for one in orgs for name, described in one.items()}

    def _work(self) -> dict[str, Work]:
        work: dict[str, Work] = {"oidc": self.issuer.run} if self.issuer else {}
        if self._takes_webhooks:
            work["pressure"] = self.pressure.run
        for number, shard in enumerate(self.shards, start=1):
            also = f" {number}" if len(self.shards) > 1 else ""
            work |= {f"{name}{also}": one for name, one in shard.work().items()}
        return work

    async def _count_webhooks(self) -> None:
        assert self.edge is not None  # noqa: S101
        self.metrics.count_webhooks(await self.edge.call("counted"))

    async def file_of(self, media_id: str) -> ServedFile | None:
        """A file that the gateway has stored."""
        for shard in self.shards:
            if found := await shard.file_of(media_id):
                return found
        return None

    async def _served_file(self, media_id: str) -> ServedFile | None:
        return await self.file_of(media_id) or await self.console.file_of(media_id)

    async def accept_here(self, channel_id: str, request: RawRequest) -> Answer:
        """A webhook made in this process, by web chat's service. Raises NotAuthentic, StoreUnavailable."""
        return await self.webhooks.accept(channel_id, request)


def _broker(shards: Sequence[Shard]) -> Broker:
    if len(shards) == 1:
        return shards[0].broker
    by_org = {org: shard.broker for shard in shards for org in shard.loaded.orgs}
    return BrokerByOrg(by_org, {key: shard.broker for shard in shards for key in shard.sources})


def _connector(shards: Sequence[Shard]) -> Connector | None:
    by_org = {org: shard.connector for shard in shards if shard.connector for org in shard.loaded.orgs}
    return shards[0].connector if len(shards) == 1 else ConnectorByOrg(by_org) if by_org else None


def _kept(shards: Sequence[Shard]) -> Keeper | KeeperByChannel:
    """Where webhooks are kept."""
    if len(shards) == 1:
        return shards[0].keeper
    return KeeperByChannel({key: shard.keeper for shard in shards for key in shard.loaded.channels})


def _rung(shards: Sequence[Shard]) -> Doorbell:
    """What is rung for them."""
    if len(shards) == 1:
        return shards[0].bell
    return RingingByTopic({inbox_topic(key): shard.bell for shard in shards for key in shard.loaded.channels})


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
