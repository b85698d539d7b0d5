"""A simulated org's event bus with a plain client of its own: real TLS, gRPC and SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc

from gateway.brokers.salesforce.pubsub_pb2 import CUSTOM, EARLIEST, LATEST, FetchRequest, FetchResponse, ReplayPreset
from gateway.brokers.salesforce.pubsub_pb2_grpc import PubSubStub
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.contract import TokenSession
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.log import EventLog
from gateway.brokers.salesforce.simulator.pubsub import Bus, serve
from gateway.brokers.salesforce.simulator.subscribing import Pace
from gateway.clock import Clock, now

TOPIC: Final = "/event/byoc__Message__e"
FIELDS: Final = ("byoc__Message__e", "byoc__EventType__c", "byoc__Payload__c")
ORG_ID: Final = "00D000000000001EAA"
INSTANCE_URL: Final = "https://example.my.salesforce.com"
TOKEN: Final = "00D!token"
AUTH: Final = (("accesstoken", TOKEN), ("instanceurl", INSTANCE_URL), ("tenantid", ORG_ID))
QUICK: Final = Pace(keepalive_seconds=0.05, idle_seconds=0.05)
PATIENT: Final = Pace(keepalive_seconds=60, idle_seconds=60)
START: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class SteppedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class OneToken:
    """Knows one token, until it is expired."""

    def __init__(self) -> None:
        self.valid = {TOKEN}

    def issue(self, username: str, consumer_key: str, scopes: frozenset[str]) -> TokenSession:
        return self._session(TOKEN)

    def check(self, token: str) -> TokenSession | None:
        return self._session(token) if token in self.valid else None

    def expire_all(self) -> None:
        self.valid.clear()

    def _session(self, token: str) -> TokenSession:
        return TokenSession(token, ORG_ID, "005000000000001", "byoc@example.com", "key", frozenset(), START)


class Reader:
    """A Subscribe call; None from `read` is its end."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def ask(self, count: int, preset: ReplayPreset = LATEST, replay_id: bytes = b"", topic: str = TOPIC) -> None:
        await self.call.write(FetchRequest(topic_name=topic, replay_preset=preset, replay_id=replay_id, num_requested=count))

    async def read(self) -> FetchResponse | None:
        try:
            response = await self.call.read()
        except grpc.aio.AioRpcError:
            return None
        return None if response is grpc.aio.EOF else response

    async def texts(self, count: int) -> list[str]:
        """The ids of the next events, whatever keepalives come in between."""
        found: list[str] = []
        while len(found) < count:
            response = await self.read()
            assert response is not None, await self.code()
            found += [one.event.id for one in response.events]
        return found

    async def code(self) -> str:
        """How the call ended: its error code, without the prefix."""
        return error_code(await self.call.trailing_metadata())


def error_code(trailers: Any) -> str:
    """Without the prefix; empty: none."""
    return str(dict(trailers).get("error-code", "")).removeprefix("sfdc.platform.eventbus.grpc.")


class World:
    """The bus, its log, the tokens it knows, and a stub."""

    def __init__(self, bus: Bus, tokens: OneToken, stub: Any) -> None:
        self.bus, self.log, self.tokens, self.stub = bus, bus.log, tokens, stub

    def subscribe(self, auth: Any = AUTH) -> Reader:
        return Reader(self.stub.Subscribe(metadata=auth))

    async def from_start(self, count: int = 100) -> Reader:
        reader = self.subscribe()
        await reader.ask(count, EARLIEST)
        return reader

    async def after(self, replay_id: bytes, count: int = 100) -> Reader:
        reader = self.subscribe()
        await reader.ask(count, CUSTOM, replay_id)
        return reader


@asynccontextmanager
async def bus_world(
    folder: Path, pace: Pace = PATIENT, clock: Clock = now, *, hostile: bool = False, port: int = 0, faults: Faults | None = None
) -> AsyncIterator[World]:
    tokens = OneToken()
    async with (
        EventLog(folder, TOPIC, clock, hostile=hostile) as log,
        serve(
            log,
            tokens,
            Schemas(*FIELDS),
            org_id=ORG_ID,
            instance_url=INSTANCE_URL,
            folder=folder,
            pace=pace,
            clock=clock,
            port=port,
            faults=faults,
        ) as bus,
        grpc.aio.secure_channel(bus.endpoint, grpc.ssl_channel_credentials(bus.ca_file.read_bytes())) as channel,
    ):
        yield World(bus, tokens, PubSubStub(channel))
