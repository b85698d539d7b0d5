"""The gateway's side of the stream against the simulated org's bus: real gRPC, TLS and SQLite."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adapters.contract import RawRequest
from gateway.brokers.salesforce.positions import StoredPositions
from gateway.brokers.salesforce.subscription import Pace, Subscription
from gateway.clock import Clock, now
from gateway.config.salesforce import SalesforceOrg
from gateway.doorbell.local import LocalDoorbell
from gateway.metrics import Metrics
from gateway.store.contract import StreamPosition
from gateway.store.inbox import SqliteInbox
from gateway.store.sqlite import SqliteStore
from tests.brokers.salesforce.bus import INSTANCE_URL, ORG_ID, TOKEN, World
from tests.store.backends import webhooks
from tests.world import wait_until

LANE: Final = "salesforce:prod"
PACE: Final = Pace(
    first=0.02, most=0.05, slow=0.02, allowance=60, held=60, settled=0.0, opened=0.02, saved_every=0.01, stop=5.0
)  # fmt: skip
ORG: Final = SalesforceOrg(
    org_id=ORG_ID,
    instance_url=INSTANCE_URL,
    scrt_url="https://example.my.salesforce-scrt.com",
    consumer_key="key",
    username="byoc@example.com",
    private_keys=("a key that nothing is signed with",),  # type: ignore[arg-type]
    event="byoc__Message__e",
    event_type_field="byoc__EventType__c",
    event_payload_field="byoc__Payload__c",
)


class Killable(StoredPositions):
    """A process that was killed keeps no position any more."""

    killed = False

    async def save(self, position: StreamPosition, events: Mapping[int, int]) -> None:
        """Nothing, once it was killed."""
        if not self.killed:
            await super().save(position, events)


class Listening:
    """One life of the gateway, as far as the stream goes. `full`: nothing can be written to the inbox. `no_token`: why there is no token, the next
    times that one is asked for."""

    def __init__(self, world: World, folder: Path, org: SalesforceOrg, pace: Pace, clock: Clock, fail: int) -> None:
        self.world, self.folder, self.full = world, folder, False
        self.no_token: list[Exception] = []
        self._fail = fail
        self.inbox = SqliteInbox(folder, clock, fault=self._fault)
        self.store = SqliteStore(folder, clock, self._fault_of_positions)
        self.positions, self.metrics, self.tokens = Killable(self.store, LANE), Metrics(), list[bool]()
        self.subscription = Subscription(
            "prod", org, self.inbox, self.positions, self._token, LocalDoorbell(), self.metrics, clock=clock, pace=pace
        )
        self.task: asyncio.Task[None] | None = None

    def _fault(self, point: str) -> None:
        if self.full and point == "before_commit":
            raise OSError(errno.ENOSPC, "No space left on device")

    def _fault_of_positions(self, point: str) -> None:
        if self._fail and point == "before_commit":
            self._fail -= 1
            raise OSError(errno.ENOSPC, "No space left on device")

    async def _token(self, refresh: bool) -> str:
        self.tokens.append(refresh)
        if self.no_token:
            raise self.no_token.pop(0)
        if refresh:
            self.world.tokens.valid.add(TOKEN)
        return TOKEN

    async def open(self) -> None:
        self.folder.mkdir(exist_ok=True)
        await self.inbox.open()
        await self.store.open()
        self.task = asyncio.create_task(self.subscription.run())

    async def stop(self) -> None:
        """In good order."""
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None
        await self.inbox.close()
        await self.store.close()

    async def kill(self) -> None:
        """No position is kept from this moment on."""
        self.positions.killed = True
        await self.stop()

    async def subscribed(self) -> None:
        """Until the bus has the stream."""
        await wait_until(lambda: self.world.bus.faults.streams, what="a stream")

    def kept(self) -> list[RawRequest]:
        """All that the inbox ever got, in order."""
        return [row.request for row in webhooks(self.folder) if row.channel_id == LANE]

    def ids(self) -> list[str]:
        """The event ids of all that the inbox ever got, in order."""
        return [one.headers["event-id"] for one in self.kept()]

    def ends(self, code: str) -> float:
        """How often the stream ended, or wasn't opened, with this code."""
        return self.metrics.registry.get_sample_value("byoc_salesforce_ends_total", {"org": "prod", "code": code}) or 0.0

    async def has(self, *ids: str) -> None:
        """Until all of these are in the inbox."""
        await wait_until(lambda: set(ids) <= set(self.ids()), what=f"events {ids[-1]}")

    async def position(self) -> StreamPosition | None:
        """As it is kept."""
        return (await self.positions.load())[0]

    async def at(self, replay_id: bytes) -> None:
        """Until this position is kept."""

        async def there() -> bool:
            found = await self.position()
            return found is not None and found.replay_id == replay_id

        await wait_until(there, what="the position")


@asynccontextmanager
async def listening(
    world: World, folder: Path, *, pace: Pace = PACE, clock: Clock = now, first_commits_fail: int = 0, **settings: Any
) -> AsyncIterator[Listening]:
    """A gateway that listens; it ends in good order unless it was killed. `settings` are those of the org."""
    org = ORG.model_copy(update={"pubsub_endpoint": world.bus.endpoint, "ca_file": world.bus.ca_file, **settings})
    made = Listening(world, folder, org, pace, clock, first_commits_fail)
    await made.open()
    try:
        yield made
    finally:
        await made.stop()


async def publish(world: World, *ids: str) -> bytes:
    """Events with these ids; the replay id of the last."""
    replay_id = b""
    for event_id in ids:
        replay_id = await world.log.append("Interaction", {"id": event_id}, event_id)
    return replay_id


def body(event_id: str) -> bytes:
    """What `publish` put into an event."""
    return json.dumps({"id": event_id}, separators=(",", ":")).encode()


def hurried(**seconds: float) -> Pace:
    """The tests' pace, with some of it changed."""
    return replace(PACE, **seconds)
