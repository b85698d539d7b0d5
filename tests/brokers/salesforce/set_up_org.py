"""An org with its set-up records, its tokens and its event bus, over real sockets: what `byoc check --online` and `byoc salesforce setup` ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import clock, config
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.brokers.salesforce.simulator.pubsub import Bus, serve
from gateway.brokers.salesforce.simulator.records import Records, set_up
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from gateway.config import GatewayConfig
from tests.brokers.salesforce.keys import key_pair
from tests.config.test_salesforce import ADDRESS, RAW, put

ORG_ID = "00D000000000001EAA"
EVENT, TYPE, PAYLOAD = "Byoc_Message__e", "EventType__c", "Payload__c"
GATEWAY, ADMIN = "gateway@example.com", "admin@example.com"
USERS = {name: User(name, f"00500000000000{number}") for number, name in enumerate((GATEWAY, ADMIN), 1)}
KEY = "3MVG9.consumer-key"
UK = ADDRESS.replace("0b6a", "0b6b")
CHANNELS = (OrgChannel(ADDRESS, "Byoc_Sms"), OrgChannel(UK, "Byoc_Uk", product="ccaas", routing="partner", consent="partner"))


@dataclass
class SetUpOrg:
    """`raw`: a config that fits it. `records` may be changed."""

    raw: dict[str, Any]
    records: Records
    tokens: IssuedTokens
    grants: Grants
    instance: Instance
    bus: Bus

    @property
    def config(self) -> GatewayConfig:
        return config.build(self.raw).config

    def admin_token(self) -> str:
        return self.tokens.issue(ADMIN, KEY, frozenset({"api"})).token

    def record(self, name: str, **where: Any) -> dict[str, Any]:
        found = self.records.find(name, **where)
        assert found is not None, (name, where)
        return found


@asynccontextmanager
async def set_up_org(
    folder: Path, channels: Sequence[OrgChannel] = CHANNELS, records: Records | None = None
) -> AsyncIterator[SetUpOrg]:
    """An org in which everything is as it must be; `records`: another set-up."""
    held = records or set_up(channels, org_id=ORG_ID, event=EVENT, type_field=TYPE, payload_field=PAYLOAD)
    if records is None and (vendor := held.find("ConversationVendorInfo", VendorType="BringYourOwnContactCenter")):
        vendor["ConnectorUrl"] = "http://127.0.0.1:8080/salesforce/connector"
    tokens = IssuedTokens(ORG_ID, clock.now, USERS, timedelta(hours=1))
    app = web.Application()
    server = TestServer(app)
    grants = Grants([App(KEY, (key_pair()[1],), frozenset({GATEWAY, ADMIN}))], tokens)
    instance = Instance(grants, tokens, USERS, held, admins=frozenset({ADMIN}))
    instance.install(app, "/org")
    await server.start_server()
    url = f"http://127.0.0.1:{server.port}/org"
    try:
        async with (
            EventLog(folder, f"/event/{EVENT}", clock.now) as log,
            serve(log, tokens, Schemas(EVENT, TYPE, PAYLOAD), org_id=ORG_ID, instance_url=url, folder=folder) as bus,
        ):
            yield SetUpOrg(_raw(url, bus), held, tokens, grants, instance, bus)
    finally:
        await server.close()


def _raw(url: str, bus: Bus) -> dict[str, Any]:
    here = {
        "login_url": url,
        "instance_url": url,
        "scrt_url": url,
        "pubsub_endpoint": bus.endpoint,
        "ca_file": str(bus.ca_file),
        "private_keys": [key_pair()[0].decode()],
        "org_id": ORG_ID,
        "consumer_key": KEY,
        "username": GATEWAY,
    }
    raw = put("salesforce.production", RAW["salesforce"]["production"] | here)
    british = {"product": "ccaas", "routing": "partner", "consent": "partner", "definition": "Byoc_Uk"}
    return put("channels.sms-uk.salesforce", RAW["channels"]["sms-uk"]["salesforce"] | british, raw)
