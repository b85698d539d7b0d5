"""A whole world in this process: an org with its REST API and event bus, and a gateway that serves it, with customers on two channels."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import registry
from gateway import clock, config
from gateway.app import Gateway
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.brokers.salesforce.simulator.partner_values import RepFacts
from gateway.brokers.salesforce.simulator.plain_org import PlainOrg
from gateway.brokers.salesforce.simulator.pubsub import Bus, serve
from gateway.brokers.salesforce.simulator.records import Records
from gateway.brokers.salesforce.simulator.rest import Rest
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from gateway.demo.host import SimulatorHost
from gateway.demo.phones import Phones
from tests.brokers.salesforce.keys import key_pair
from tests.chosen import store_of
from tests.world import PNG, Outside, World, outside, wait_until

ORG_ID: Final = "00D000000000001EAA"
EVENT, TYPE, PAYLOAD = "byoc__Message__e", "byoc__EventType__c", "byoc__Payload__c"
USERNAME, KEY = "byoc@example.com", "3MVG9consumer"
ANN, BOB = "005000000000ANN", "005000000000BOB"
SUPPORT = "00G000000000SUP"
DEFINITION: Final = "Byoc_Definition"
CHANNELS: Final = ("open", "whatsapp")


def address_of(channel_id: str) -> str:
    """The ChannelAddressIdentifier."""
    return f"address-of-{channel_id}"


def channels_of(**settings: Any) -> list[OrgChannel]:
    """The org's messaging channels, with these settings of their definition."""
    return [OrgChannel(address_of(one), DEFINITION, **settings) for one in CHANNELS]


@dataclass
class Sandbox:
    """The org: `plain` acts for its reps, `faults` make it fail, `bus` has those of its stream."""

    plain: PlainOrg
    faults: Faults
    bus: Bus
    tokens: IssuedTokens
    url: str

    def settings(self) -> dict[str, Any]:
        """As the gateway's config names it."""
        return {
            "org_id": ORG_ID,
            "login_url": self.url,
            "instance_url": self.url,
            "scrt_url": self.url,
            "pubsub_endpoint": self.bus.endpoint,
            "ca_file": str(self.bus.ca_file),
            "consumer_key": KEY,
            "username": USERNAME,
            "private_keys": [key_pair()[0].decode()],
            "event": EVENT,
            "event_type_field": TYPE,
            "event_payload_field": PAYLOAD,
            "reps": {"ana": ANN, "ben": BOB},
            "queues": {"support": SUPPORT},
        }

    def conversation(self, channel_id: str, customer: str | None = None) -> str | None:
        """The id of the conversation with a customer of this channel; None: there is none yet."""
        return next(
            (
                key
                for key, thread in self.plain.threads.items()
                if thread.address == address_of(channel_id) and customer in (None, thread.customer)
            ),
            None,
        )


@asynccontextmanager
async def sandbox(folder: Path, channels: list[OrgChannel] | None = None) -> AsyncIterator[Sandbox]:
    """An org whose reps are Ann and Bob."""
    users = {USERNAME: User(USERNAME, "005000000000GTW")}
    tokens = IssuedTokens(ORG_ID, clock.now, users, timedelta(hours=1))
    faults = Faults(tokens)
    published: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
    plain = PlainOrg(
        ORG_ID,
        channels or channels_of(),
        lambda kind, payload: published.put_nowait((kind, payload)),
        clock.now,
        reps=[RepFacts(ANN), RepFacts(BOB)],
        queues=frozenset({SUPPORT}),
        names={ANN: "Ann", BOB: "Bob"},
    )
    app = web.Application(client_max_size=64 * 1024 * 1024)
    server = TestServer(app)
    Rest(plain, tokens, faults).install(app, "/org")
    grants = Grants([App(KEY, (key_pair()[1],), frozenset({USERNAME}))], tokens)
    app.router.add_get("/org/files/dot.png", _picture)
    app.router.add_get("/org/files/elsewhere.png", _elsewhere)
    Instance(grants, tokens, users, Records()).install(app, "/org")
    await server.start_server()
    url = f"http://127.0.0.1:{server.port}/org"
    grants._audiences |= {url}
    schemas = Schemas(EVENT, TYPE, PAYLOAD)
    async with (
        EventLog(folder, f"/event/{EVENT}", clock.now) as log,
        serve(log, tokens, schemas, org_id=ORG_ID, instance_url=url, folder=folder, faults=faults) as bus,
    ):

        async def publish() -> None:
            while True:
                await log.append(*await published.get())

        publishing = asyncio.create_task(publish())
        try:
            yield Sandbox(plain, faults, bus, tokens, url)
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await server.close()


async def _picture(request: web.Request) -> web.Response:
    return web.Response(body=PNG, content_type="image/png")


async def _elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("https://files.example/dot.png")


@asynccontextmanager
async def gateway_of(
    org: Sandbox,
    folder: Path,
    /,
    *,
    elsewhere: bool = True,
    also: Mapping[str, Sandbox] | None = None,
    by_channel: Mapping[str, Mapping[str, Any]] | None = None,
    limits: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[World]:
    """A gateway whose channels are the org's. `changes`: settings of all its channels' `salesforce`. `elsewhere`: False gives the gateway itself control. `also`: more
    orgs; `by_channel`: other settings of some channels, of which `salesforce` may be None."""
    orgs = {"production": org, **(also or {})}
    sock = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{sock.getsockname()[1]}"
    adapters = registry.load()
    channels: dict[str, Any] = {}
    for key in CHANNELS:
        link = {"org": "production", "address": address_of(key), "definition": DEFINITION, **changes}
        account = adapters[key].demo(key, f"{origin}/sim/{key}", f"{origin}/webhooks/{key}")
        channels[key] = {
            "kind": key,
            "org": "acme",
            "queue": "support",
            "account": account,
            **({"salesforce": link} if elsewhere else {}),
            **(by_channel or {}).get(key, {}),
        }
    raw = {
        "public_url": origin,
        "data_dir": str(folder),
        "media_secret": "a-secret-of-some-length",
        **store_of(folder),
        "limits": dict(limits or {}),
        "allow_private_media_hosts": [
            origin.removeprefix("http://"),
            *(one.url.removeprefix("http://").removesuffix("/org") for one in orgs.values()),
        ],
        "salesforce": {name: one.settings() for name, one in orgs.items()},
        "orgs": {
            "acme": {
                "settings": {"leave_notice_hold_seconds": 0},
                "reps": {
                    "sam": {"name": "Sam", "supervisor": True, "tokens": ["sam-token-0123456789"]},
                    "ana": {"name": "Ana", "tokens": ["ana-token-0123456789"]},
                    "ben": {"name": "Ben", "tokens": ["ben-token-0123456789"]},
                },
                "queues": {"support": {"name": "Support", "reps": ["ana", "ben"]}},
            },
            "globex": {
                "reps": {"gus": {"name": "Gus", "supervisor": True, "tokens": ["gus-token-0123456789"]}},
                "queues": {"support": {"name": "Support", "reps": ["gus"]}},
            },
        },
        "channels": channels,
        **store_of(folder),
    }
    loaded = config.build(raw)
    host = SimulatorHost(loaded.channels, folder, clock.now)
    phones = Phones(host, clock.now)
    gateway = Gateway(loaded, extend=lambda app, _: phones.install(app))
    async with (
        host.remembering(),
        gateway.running(sock) as at,
        host.working(),
        outside(at) as client,
    ):
        yield World(at, client.http, gateway, host, folder)


async def conversation_of(org: Sandbox, channel_id: str) -> str:
    """Wait for it."""
    return str(await wait_until(lambda: org.conversation(channel_id), what="the conversation in the org"))


def supervisor(world: Outside) -> Any:
    """Who sees all sessions of the gateway."""
    return world.rep("sam", "sam-token-0123456789")
