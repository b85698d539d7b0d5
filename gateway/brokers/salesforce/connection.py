"""One connection to an org's Pub/Sub API, with one Subscribe call: gRPC over TLS, through an HTTP proxy if the org has one.

A connection is made for each attempt, and shares no socket with another, so that a half-dead one is never used again.
Source: Salesforce Developers, Pub/Sub API, "Subscribe RPC Method" and "Supported Authentication" (read 2026-11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc

from gateway.brokers.salesforce.pubsub_pb2 import FetchRequest, FetchResponse, SchemaRequest, TopicRequest
from gateway.brokers.salesforce.pubsub_pb2_grpc import PubSubStub
from gateway.brokers.salesforce.stream_codes import Course, Ended, code_of
from gateway.config.salesforce import SalesforceOrg

T = TypeVar("T")
_CALL_SECONDS: Final = 30.0  # of all but the stream
_MOST_BYTES: Final = 8 << 20  # of a response; Salesforce sends 3 MB at most
_MOST_WORDS: Final = 400  # characters
_CHECKSUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def tenant_id(org_id: str) -> str:
    """The org's id in 18 characters: a checksum of three says which of the 15 are capitals.

    Source: Salesforce Help, "Convert 15 Character IDs to 18 Character IDs".
    """
    if len(org_id) != 15:
        return org_id
    fives = (org_id[start : start + 5] for start in (0, 5, 10))
    return org_id + "".join(_CHECKSUM[sum(1 << place for place, one in enumerate(five) if one.isupper())] for five in fives)


def options(org: SalesforceOrg) -> list[tuple[str, Any]]:
    """Of the channel. The environment's proxy is left alone: the config says it all."""
    proxy = [("grpc.http_proxy", org.proxy)] if org.proxy else [("grpc.enable_http_proxy", 0)]
    return [*proxy, ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", _MOST_BYTES)]


def trusted(ca_file: Path | None) -> bytes | None:
    """The certificates to trust; None: those that gRPC brings along. Raises Ended when the file can't be read."""
    try:
        return ca_file.read_bytes() if ca_file else None
    except OSError as error:
        why = f"The certificates can't be read ({error.strerror}). Correct `ca_file` of the org, or let the gateway read it."
        raise Ended("ca_file", Course.hold, why) from error


class Connection:
    """See the module. Every method raises Ended."""

    def __init__(self, org: SalesforceOrg, token: str) -> None:
        credentials = grpc.ssl_channel_credentials(trusted(org.ca_file))
        self._channel = grpc.aio.secure_channel(org.pubsub_endpoint, credentials, options=options(org))
        self._stub = PubSubStub(self._channel)
        self._metadata = (("accesstoken", token), ("instanceurl", org.instance_url), ("tenantid", tenant_id(org.org_id)))
        self._call: Any = None
        self.rpc_id = ""  # of the latest response

    async def check(self, topic: str) -> str:
        """Whether the org can be reached and lets us read the topic; the id of its schema."""
        call = self._stub.GetTopic(TopicRequest(topic_name=topic), metadata=self._metadata, timeout=_CALL_SECONDS)
        found = await self._told(call)
        if not found.can_subscribe:
            raise Ended("subscription.topic.cannot.subscribe", rpc_id=found.rpc_id)
        return str(found.schema_id)

    async def subscribe(self, request: FetchRequest) -> None:
        """Open the stream; the first request says where it begins."""
        self._call = self._stub.Subscribe(metadata=self._metadata)
        await self._told(self._call.write(request))

    async def ask(self, topic: str, most: int) -> None:
        """Let the server send so many events more."""
        await self._told(self._call.write(FetchRequest(topic_name=topic, num_requested=most)))

    async def read(self) -> FetchResponse:
        """The next response. To cancel it ends the stream."""
        response = await self._told(self._call.read())
        if response is grpc.aio.EOF:
            status, trailers = await self._call.code(), await self._call.trailing_metadata()
            raise self._ended(status, trailers, "") if status is not grpc.StatusCode.OK else Ended("closed", rpc_id=self.rpc_id)
        self.rpc_id = response.rpc_id or self.rpc_id
        return response  # type: ignore[no-any-return]

    async def schema(self, schema_id: str) -> str:
        """A schema as Avro's JSON."""
        call = self._stub.GetSchema(SchemaRequest(schema_id=schema_id), metadata=self._metadata, timeout=_CALL_SECONDS)
        return str((await self._told(call)).schema_json)

    async def close(self) -> None:
        """End everything at once."""
        if self._call is not None:
            self._call.cancel()
        await self._channel.close()

    async def _told(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except grpc.aio.AioRpcError as error:
            raise self._ended(error.code(), error.trailing_metadata(), error.details() or "") from error
        except asyncio.InvalidStateError as error:  # written to a call that has ended well
            raise Ended("closed", rpc_id=self.rpc_id) from error

    def _ended(self, status: Any, trailers: Any, details: str) -> Ended:
        told = {key: value for key, value in trailers or () if isinstance(value, str)}
        given, rpc_id = told.get("error-code"), told.get("rpc-id") or self.rpc_id
        if given is None and status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            why = f"The Pub/Sub API can't be reached: {_one_line(details)}. If this lasts, check `pubsub_endpoint`, `proxy` and `ca_file` of the org, and firewalls."
            return Ended("unreachable", Course.again, why, rpc_id=rpc_id)
        code = code_of(given, status.name)
        if status is grpc.StatusCode.INVALID_ARGUMENT and given is None and "replay" in details.lower():
            code = "subscription.fetch.replayid.corrupted"
        return Ended(code, rpc_id=rpc_id)


def _one_line(details: str) -> str:
    """gRPC's own words, for operators."""
    return " ".join(details.split())[:_MOST_WORDS].rstrip(".")
