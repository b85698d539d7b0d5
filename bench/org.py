"""A Salesforce org in the load's process: sign-in, Interaction Service and event bus as the simulated org has them, with their checks, TLS and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bench.servers import free_port
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
from gateway.clock import now

ORG_ID: Final = "00D000000000001EAA"
EVENT, TYPE_FIELD, PAYLOAD_FIELD = "byoc__Message__e", "byoc__EventType__c", "byoc__Payload__c"
ADDRESS, DEFINITION, ANN = "bench-address", "Bench_Definition", "005000000000ANN"
_USERNAME, _KEY = "bench@example.com", "consumer-key-of-the-bench"
_AT_ONCE: Final = 200
_LIVES: Final = timedelta(days=1)


@dataclass
class Org:
    """`plain` acts for its rep Ann; what it publishes gathers in `said` until `publish`. `token`: one that its bus takes."""

    plain: PlainOrg
    bus: Bus
    said: list[tuple[str, dict[str, Any]]]
    url: str
    token: str
    _key: bytes

    async def publish(self, *, at_once: int = _AT_ONCE) -> None:
        """All that was said, in order."""
        said, self.said[:] = list(self.said), []
        await self.append(said, at_once=at_once)

    async def append(self, events: Sequence[tuple[str, dict[str, Any]]], *, at_once: int = _AT_ONCE) -> None:
        """These events; so many share a commit."""
        for first in range(0, len(events), at_once):
            await asyncio.gather(*(self.bus.log.append(*one) for one in events[first : first + at_once]))

    def settings(self) -> dict[str, Any]:
        """As a gateway's config has it."""
        return {
            "org_id": ORG_ID,
            "login_url": self.url,
            "instance_url": self.url,
            "scrt_url": self.url,
            "pubsub_endpoint": self.bus.endpoint,
            "ca_file": str(self.bus.ca_file),
            "consumer_key": _KEY,
            "username": _USERNAME,
            "private_keys": [self._key.decode()],
            "event": EVENT,
            "event_type_field": TYPE_FIELD,
            "event_payload_field": PAYLOAD_FIELD,
            "events_per_day": 1_000_000_000,
        }


@asynccontextmanager
async def org(folder: Path) -> AsyncIterator[Org]:
    """With one channel, on ports of this machine."""
    key, certificate = _key_pair()
    users = {_USERNAME: User(_USERNAME, "005000000000GTW")}
    tokens = IssuedTokens(ORG_ID, now, users, _LIVES)
    said: list[tuple[str, dict[str, Any]]] = []
    faults, channel = Faults(tokens), OrgChannel(ADDRESS, DEFINITION)
    plain = PlainOrg(ORG_ID, [channel], lambda *one: said.append(one), now, reps=[RepFacts(ANN)], names={ANN: "Ann"})
    url = f"http://127.0.0.1:{(port := free_port())}/org"
    app = web.Application()
    Rest(plain, tokens, faults).install(app, "/org")
    grants = Grants([App(_KEY, (certificate,), frozenset({_USERNAME}))], tokens, frozenset({url}))
    Instance(grants, tokens, users, Records()).install(app, "/org")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    schemas = Schemas(EVENT, TYPE_FIELD, PAYLOAD_FIELD)
    try:
        async with (
            EventLog(folder, f"/event/{EVENT}", now) as log,
            serve(log, tokens, schemas, org_id=ORG_ID, instance_url=url, folder=folder, faults=faults) as bus,
        ):
            token = tokens.issue(_USERNAME, _KEY, frozenset()).token
            yield Org(plain, bus, said, url, token, key)
    finally:
        await runner.cleanup()


def _key_pair() -> tuple[bytes, bytes]:
    """The app's private key and its certificate."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name, began = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")]), datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = made.not_valid_before(began).not_valid_after(began + timedelta(days=3_650)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, certificate.public_bytes(pem)
