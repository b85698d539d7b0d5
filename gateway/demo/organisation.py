"""A simulated Salesforce org, whole: its people and desk on a broker of its own, its REST API, and its Pub/Sub API with TLS on a port of its own.

The desk at /desk and the API below /api/v1 are the org's console here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from adapters import registry
from gateway.app import Console, Gateway
from gateway.brokers.ground import Ground
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.channels import announce, org_channels
from gateway.brokers.salesforce.simulator.console import Attendance, console
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.estate import Estate
from gateway.brokers.salesforce.simulator.exporter import Exporter
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.hosting import Hosting
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.brokers.salesforce.simulator.org import SimulatedOrg
from gateway.brokers.salesforce.simulator.pubsub import Bus, serve
from gateway.brokers.salesforce.simulator.records import set_up
from gateway.brokers.salesforce.simulator.rest import Rest
from gateway.clock import new_id
from gateway.config import GatewayConfig, Loaded
from gateway.demo.access import ADMIN, CONSUMER_KEY, access, channel_settings
from gateway.store.org_records import OrgRecords
from gateway.store.sole import sole_user

_log = logging.getLogger(__name__)
PREFIX: Final = "byoc"
EVENT: Final = f"{PREFIX}__Message__e"
TYPE_FIELD: Final = f"{PREFIX}__EventType__c"
PAYLOAD_FIELD: Final = f"{PREFIX}__Payload__c"
DEFINITION: Final = f"{PREFIX}_Channel"
NAME: Final = "demo"  # of the org in a gateway's config
AT: Final = "/org"
PARTNER: Final[Mapping[str, Any]] = {"product": "ccaas", "routing": "partner"}
_PURGE_SECONDS: Final = 3600.0
DAILY_EVENTS: Final = 50_000
ORG_ID: Final = ids.long_id(ids.record_id("00D", "demo"))
Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the org is to be like. `origin`: the address of the port that serves its console and files; `orgs` and `channels` as in a config (of these, accounts
    aren't used); `media_secret` signs its files' addresses. `conference_limit` as MaxParticipantsForCnfrOverride on every channel."""

    origin: str
    orgs: Mapping[str, Any]
    channels: Mapping[str, Any]
    media_secret: str
    served: Mapping[str, Mapping[str, Any]] | None = None  # of a channel, what differs from `OrgChannel`'s usual values
    auto_response: bool = False


class Organisation:
    """See the module. `working()` opens it, and closes it in order on the way out."""

    def __init__(self, wanted: Wanted, data_dir: Path) -> None:
        self.data_dir = data_dir
        adapters, uploads = registry.load(), data_dir / "uploads"
        served = {id: _served(id, (wanted.served or {}).get(id, {})) for id in wanted.channels}
        plain = {id: _plain(one, served[id]) for id, one in wanted.channels.items()}
        config = GatewayConfig.model_validate(
            {
                "public_url": wanted.origin,
                "data_dir": str(data_dir),
                "media_secret": wanted.media_secret,
                "limits": {"api_requests_per_minute": 100_000},
                "orgs": wanted.orgs,
                "channels": plain,
            }
        )
        channels = org_channels(config.channels, adapters, uploads, lambda signal: self.exporter.types(signal))
        self.desk = Gateway(Loaded(config, channels))
        (people,) = self.desk.loaded.orgs.values()
        for id, channel in channels.items():
            if not served[id].conference_supported:
                channel.facts = channel.facts.model_copy(update={"edition": "standard"})
        self.log = EventLog(data_dir, f"/event/{EVENT}")
        self.records = OrgRecords(data_dir / "records.db", ids.work_item)
        self.estate = Estate(
            id=ORG_ID,
            people=people,
            channels=channels,
            served=served,
            broker=self.desk.broker,
            store=self.desk.store,
            ground=Ground(channels, self.desk.loaded.orgs, self.desk.links, new_id),
            records=self.records,
            bus=self.log,
            uploads=uploads,
            clock=self.desk.clock,
        )
        self.hosting = Hosting(self.estate)
        self.attendance = Attendance()
        broker = console(self.desk.broker, self.hosting, self.attendance)
        self.console = Console(broker, self.desk.directory, self.desk.file_of)
        self.exporter = Exporter(self.estate, self.hosting)
        self.org = SimulatedOrg(self.estate, self.hosting)
        self.access = access(data_dir / "access", ORG_ID, wanted.origin, AT, self.desk.clock)
        self.faults = Faults(self.access.tokens)
        self.bus: Bus | None = None
        self.announce(wanted.auto_response)

    def announce(self, on: bool) -> None:
        """Whether the org tells customers who has joined (an auto-response component)."""
        self.announces = on
        for channel in self.estate.channels.values():
            announce(channel, on)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Organisation]:
        """Everything but doors. Raises GatewayError when another process works in the folder."""
        desk, tasks = self.desk, list[asyncio.Task[None]]()
        async with AsyncExitStack() as stack:
            stack.enter_context(sole_user(self.data_dir))
            await desk.broker.open()
            stack.push_async_callback(desk.broker.close)
            stack.push_async_callback(desk.driver.close)
            await self.records.open()
            stack.push_async_callback(self.records.close)
            await stack.enter_async_context(self.log)
            await self.hosting.open()
            work: dict[str, Work] = {
                "hub": desk.broker.hub.run,
                "sender": desk.sender.run,
                "fetcher": desk.fetcher.run,
                "timers": desk.broker.run_timers,
                "presence": desk.broker.run_presence,
                "filing": desk.broker.run_filing,
                "exporter": self.exporter.run,
                "typing": self.exporter.run_typing,
                "hosting": self.hosting.run,
                "purge": self._purge,
            }
            stack.push_async_callback(_stop, tasks)
            tasks += [asyncio.create_task(_keep(name, one), name=f"org {name}") for name, one in work.items()]
            yield self

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_SECONDS)
            await self.desk.broker.purge()

    @asynccontextmanager
    async def published(self, port: int = 0) -> AsyncIterator[Bus]:
        """The Pub/Sub API, to be entered inside `working`."""
        at, schemas = self.access, Schemas(EVENT, TYPE_FIELD, PAYLOAD_FIELD)
        about: dict[str, Any] = {"org_id": self.estate.id, "instance_url": at.url, "folder": self.data_dir / "tls"}
        async with serve(self.log, at.tokens, schemas, **about, port=port, faults=self.faults) as self.bus:
            self.bus.faults.daily = DAILY_EVENTS
            yield self.bus

    def install(self, app: web.Application) -> None:
        """The org's REST below `/org`, `/org/_numbers` and `/org/_admin_token`."""
        served = self.estate.served.values()
        records = set_up(served, org_id=self.estate.id, event=EVENT, type_field=TYPE_FIELD, payload_field=PAYLOAD_FIELD)
        records.faults = self.faults
        at = self.access
        instance = Instance(at.grants, at.tokens, at.users, records, instance_url=at.url, admins=frozenset({ADMIN}))
        instance.install(app, AT)
        Rest(self.org, at.tokens, self.faults).install(app, AT)
        app.router.add_get(f"{AT}/_numbers", self._numbers)
        app.router.add_get(f"{AT}/_admin_token", self._admin_token)

    def settings(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """What a gateway's config says of this org: its block under `salesforce`, and the block `salesforce` of each channel. Once `published` is entered."""
        assert self.bus is not None, "the Pub/Sub API runs first"  # noqa: S101
        names = {"event": EVENT, "event_type_field": TYPE_FIELD, "event_payload_field": PAYLOAD_FIELD}
        org = self.access.org_settings(self.estate.people, self.bus.endpoint, self.bus.ca_file, names)
        return {NAME: org}, {
            id: channel_settings(NAME, channel, announces=self.announces) for id, channel in self.estate.served.items()
        }

    async def _admin_token(self, request: web.Request) -> web.Response:
        """A new access token of an administrator, as `sf org auth show-access-token` prints one of a real org."""
        at = self.access
        return web.Response(text=at.tokens.issue(ADMIN, CONSUMER_KEY, frozenset({"api"})).token)

    async def _numbers(self, request: web.Request) -> web.Response:
        """What the org has used of its limits."""
        numbers = await self.org.numbers()
        if self.bus is not None:
            numbers["deliveries_24h"] = {"delivered": self.bus.faults.delivered, "most": self.bus.faults.daily}
        return web.json_response(numbers)


async def _keep(name: str, work: Work) -> None:
    while True:
        try:
            return await work()
        except Exception:
            _log.exception("worker of the simulated org failed", extra={"action": "worker.failed", "worker": name})
            await asyncio.sleep(1)


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _plain(channel: Mapping[str, Any], served: OrgChannel) -> dict[str, Any]:
    """The channel's settings at the org's broker. Where a partner routes, no queue of the org's does."""
    left_out = {"account", "salesforce", *(["queue"] if served.routing == "partner" else [])}
    kept = {key: value for key, value in channel.items() if key not in left_out}
    return kept | ({} if served.max_participants is None else {"max_conference_participants": served.max_participants})


def _served(channel_id: str, differing: Mapping[str, Any]) -> OrgChannel:
    return replace(OrgChannel(address=ids.address_of(channel_id), definition=DEFINITION), **differing)
