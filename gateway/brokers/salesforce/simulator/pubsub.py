"""The simulated org's Pub/Sub API: gRPC with TLS on a port of this machine, as strict as Salesforce's.

Source: Salesforce, "Pub/Sub API" (developer.salesforce.com/docs/platform/pub-sub-api; read 2026-11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import grpc

from gateway.brokers.salesforce.pubsub_pb2 import (
    PUBLISH,
    Error,
    FetchRequest,
    ProducerEvent,
    PublishRequest,
    PublishResponse,
    PublishResult,
    SchemaInfo,
    SchemaRequest,
    TopicInfo,
    TopicRequest,
)
from gateway.brokers.salesforce.pubsub_pb2_grpc import PubSubServicer, add_PubSubServicer_to_server
from gateway.brokers.salesforce.simulator.avro import Schemas
from gateway.brokers.salesforce.simulator.bus_faults import BusFaults
from gateway.brokers.salesforce.simulator.bus_refusals import PREFIX, REFUSALS, Refused
from gateway.brokers.salesforce.simulator.contract import Tokens
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.log import EventLog, TooLarge
from gateway.brokers.salesforce.simulator.subscribing import Pace, Subscription, first_of
from gateway.brokers.salesforce.simulator.tls import certificates
from gateway.clock import Clock, now
from gateway.errors import StoreUnavailable

T = TypeVar("T")
_USUAL: Final = Pace()
_GRACE_SECONDS: Final = 1.0
_MOST_STREAMS: Final = 1_000  # of one HTTP/2 connection
_DISTINGUISHED: Final = 15  # characters of a record id; the three after them are a checksum


@dataclass(frozen=True, slots=True)
class Bus:
    """The running service. `endpoint`: host and port, as clients are configured; `ca_file`: what they trust."""

    endpoint: str
    ca_file: Path
    log: EventLog = field(repr=False)
    schemas: Schemas = field(repr=False)
    faults: BusFaults = field(repr=False)

    async def forget_replay_ids(self) -> None:
        """As after a migration of the org: streams end, and the ids of before are invalid."""
        await self.log.forget_replay_ids()
        self.faults.disconnect()


@asynccontextmanager
async def serve(
    log: EventLog,
    tokens: Tokens,
    schemas: Schemas,
    *,
    org_id: str,
    instance_url: str,
    folder: Path,
    port: int = 0,
    pace: Pace = _USUAL,
    clock: Clock = now,
    faults: Faults | None = None,
) -> AsyncIterator[Bus]:
    """Serve the log, which is open, on 127.0.0.1; port 0 takes a free one. The certificates are kept in `folder`. `faults`: the org's, whose switches for the
    bus are obeyed. Raises OSError when the port is taken."""
    made = certificates(folder, now())  # clients judge them by the real time
    switches = BusFaults(clock, faults or Faults())
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", _MOST_STREAMS)])
    add_PubSubServicer_to_server(_Service(log, tokens, schemas, switches, pace, (org_id, instance_url)), server)
    credentials = grpc.ssl_server_credentials([(made.key, made.certificate)])
    try:
        taken = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    except RuntimeError as error:
        raise OSError(f"port {port} can't be used: {error}") from error
    await server.start()
    try:
        yield Bus(f"127.0.0.1:{taken}", made.ca_file, log, schemas, switches)
    finally:
        switches.disconnect()
        await server.stop(_GRACE_SECONDS)


class _Service(PubSubServicer):  # type: ignore[misc]
    def __init__(
        self, log: EventLog, tokens: Tokens, schemas: Schemas, faults: BusFaults, pace: Pace, org: tuple[str, str]
    ) -> None:
        self._log, self._tokens, self._schemas, self._faults, self._pace = log, tokens, schemas, faults, pace
        self._org_id, self._instance_url = org

    async def Subscribe(self, requests: AsyncIterator[FetchRequest], context: Any) -> None:
        # Before anything is refused: a client of Python's grpc that is still writing loses the code of a call that has ended, and reports INTERNAL.
        first = await first_of(requests, self._pace)
        if first is None:
            return

        async def work(rpc_id: str) -> None:
            await Subscription(self._log, self._schemas, self._faults, self._pace, rpc_id).run(first, requests, context)

        await self._answered(context, work)

    async def GetSchema(self, request: SchemaRequest, context: Any) -> SchemaInfo:
        async def work(rpc_id: str) -> SchemaInfo:
            if not self._faults.permitted:
                raise Refused("schema.meta.permission")
            text = self._schemas.text(request.schema_id)
            if text is None:
                raise Refused("schema.validation.failed")
            return SchemaInfo(schema_json=text, schema_id=request.schema_id, rpc_id=rpc_id)

        return await self._answered(context, work)

    async def GetTopic(self, request: TopicRequest, context: Any) -> TopicInfo:
        async def work(rpc_id: str) -> TopicInfo:
            self._topic(request.topic_name)
            if not self._faults.permitted:
                raise Refused("topic.meta.permission")
            return TopicInfo(
                topic_name=self._log.topic,
                tenant_guid=f"core/simulated/{self._org_id}",
                can_publish=True,
                can_subscribe=True,
                schema_id=self._schemas.current,
                rpc_id=rpc_id,
            )

        return await self._answered(context, work)

    async def Publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        return await self._answered(context, lambda rpc_id: self._published(request, rpc_id))

    async def PublishStream(self, requests: AsyncIterator[PublishRequest], context: Any) -> None:
        async def work(rpc_id: str) -> None:
            async for request in requests:
                await context.write(await self._published(request, rpc_id))

        await self._answered(context, work)

    async def _answered(self, context: Any, work: Callable[[str], Awaitable[T]]) -> T:
        """What the call comes to, once it is known whose it is; or its end with a code."""
        rpc_id = str(uuid4())
        try:
            self._authenticate(context)
            self._faults.meet()
            return await work(rpc_id)
        except (Refused, StoreUnavailable) as error:
            code = error.code if isinstance(error, Refused) else "service.unavailable"
            status, sentence = REFUSALS[code]
            await context.abort(status, f"{sentence} rpcId: {rpc_id}", (("error-code", PREFIX + code), ("rpc-id", rpc_id)))
            raise  # abort() never returns

    def _authenticate(self, context: Any) -> None:
        """All three are needed, and of one org. Whether the token still holds is asked once: a stream outlives it."""
        given = dict(context.invocation_metadata())
        token, url, org_id = (given.get(name) for name in ("accesstoken", "instanceurl", "tenantid"))
        if not (token and url and org_id):
            raise Refused("service.auth.headers.invalid")
        if str(url).rstrip("/") != self._instance_url.rstrip("/") or org_id[:_DISTINGUISHED] != self._org_id[:_DISTINGUISHED]:
            raise Refused("service.auth.headers.invalid")
        if self._tokens.check(str(token)) is None:
            raise Refused("service.auth.error")

    def _topic(self, name: str) -> None:
        if not name:
            raise Refused("topic.validation.empty")
        if name != self._log.topic:
            raise Refused("topic.not.found")

    async def _published(self, request: PublishRequest, rpc_id: str) -> PublishResponse:
        self._topic(request.topic_name)
        results = [await self._keep(event) for event in request.events]
        return PublishResponse(results=results, schema_id=self._schemas.current, rpc_id=rpc_id)

    async def _keep(self, event: ProducerEvent) -> PublishResult:
        """Each stands for itself: one that can't be read doesn't stop the others."""
        try:
            record = self._schemas.decode(event.schema_id, event.payload)
            event_type, payload = (record[name] or "" for name in (self._schemas.type_field, self._schemas.payload_field))
            replay_id = await self._log.append_text(event_type, payload, event.id or None)
        except TooLarge:
            return PublishResult(error=Error(code=PUBLISH, msg="The event is larger than 1 MB."), correlation_key=event.id)
        except ValueError as error:
            return PublishResult(error=Error(code=PUBLISH, msg=str(error)), correlation_key=event.id)
        return PublishResult(replay_id=replay_id, correlation_key=event.id)
