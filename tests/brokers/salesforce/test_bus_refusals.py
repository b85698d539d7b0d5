"""Every refusal of the simulated Pub/Sub API: the status, and the code in the trailer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from gateway.brokers.salesforce.pubsub_pb2 import CUSTOM, EARLIEST, PublishRequest, SchemaRequest, TopicRequest
from gateway.brokers.salesforce.simulator.bus_refusals import PREFIX, REFUSALS
from tests.brokers.salesforce.bus import AUTH, TOPIC, SteppedClock, World, bus_world

Ended = tuple[StatusCode, Any]


async def unary(call: Any) -> Ended:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.trailing_metadata()


async def subscribe(world: World, *requests: dict[str, Any], auth: Any = AUTH) -> Ended:
    reader = world.subscribe(auth)
    for request in requests:
        await reader.ask(**request)
    while await reader.read() is not None:
        pass
    return await reader.call.code(), await reader.call.trailing_metadata()


def without(name: str) -> Any:
    return tuple(pair for pair in AUTH if pair[0] != name)


def with_(name: str, value: str) -> Any:
    return (*without(name), (name, value))


async def not_permitted(world: World, call: Callable[[World], Awaitable[Ended]]) -> Ended:
    world.bus.faults.permitted = False
    return await call(world)


async def too_old(world: World, clock: SteppedClock) -> Ended:
    replay_id = await world.log.append("Interaction", {})
    clock.move(hours=72)
    return await subscribe(world, {"count": 1, "preset": CUSTOM, "replay_id": replay_id})


async def used_up(world: World) -> Ended:
    world.bus.faults.daily = 0
    return await subscribe(world, {"count": 1})


@dataclass(frozen=True)
class Case:
    name: str
    code: str
    status: StatusCode
    call: Callable[[World, SteppedClock], Awaitable[Ended]]


def topic(world: World, name: str = TOPIC, auth: Any = AUTH) -> Awaitable[Ended]:
    return unary(world.stub.GetTopic(TopicRequest(topic_name=name), metadata=auth))


def schema(world: World, schema_id: str, auth: Any = AUTH) -> Awaitable[Ended]:
    return unary(world.stub.GetSchema(SchemaRequest(schema_id=schema_id), metadata=auth))


def publish(world: World, name: str) -> Awaitable[Ended]:
    return unary(world.stub.Publish(PublishRequest(topic_name=name), metadata=AUTH))


WHO, BAD, NOT_FOUND, FORBIDDEN = (
    StatusCode.UNAUTHENTICATED,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.PERMISSION_DENIED,
)
HEADERS, REPLAY = "service.auth.headers.invalid", "subscription.fetch.replayid"
CASES = [
    *(Case(f"no {n}", HEADERS, WHO, lambda w, c, n=n: subscribe(w, {"count": 1}, auth=without(n))) for n, _ in AUTH),  # type: ignore[misc]
    *(Case(f"empty {n}", HEADERS, WHO, lambda w, c, n=n: topic(w, auth=with_(n, ""))) for n, _ in AUTH),  # type: ignore[misc]
    Case("another org", HEADERS, WHO, lambda w, c: topic(w, auth=with_("tenantid", "00D000000000002EAA"))),
    Case("another instance", HEADERS, WHO, lambda w, c: topic(w, auth=with_("instanceurl", "https://other.my.salesforce.com"))),
    Case("unknown token", "service.auth.error", WHO, lambda w, c: subscribe(w, {"count": 1}, auth=with_("accesstoken", "x"))),
    Case("unknown token: topic", "service.auth.error", WHO, lambda w, c: topic(w, auth=with_("accesstoken", "x"))),
    Case("unknown token: schema", "service.auth.error", WHO, lambda w, c: schema(w, "x", with_("accesstoken", "x"))),
    Case("no topic", "topic.validation.empty", BAD, lambda w, c: subscribe(w, {"count": 1, "topic": ""})),
    Case("empty topic", "topic.validation.empty", BAD, lambda w, c: topic(w, "")),
    Case("publish: empty topic", "topic.validation.empty", BAD, lambda w, c: publish(w, "")),
    Case("unknown topic", "topic.not.found", NOT_FOUND, lambda w, c: subscribe(w, {"count": 1, "topic": "/event/Other__e"})),
    Case("unknown topic: info", "topic.not.found", NOT_FOUND, lambda w, c: topic(w, "/event/Other__e")),
    Case("unknown schema", "schema.validation.failed", BAD, lambda w, c: schema(w, "unknown")),
    Case("empty schema", "schema.validation.failed", BAD, lambda w, c: schema(w, "")),
    Case("asks for none", "subscription.fetch.requested.events.invalid", BAD, lambda w, c: subscribe(w, {"count": 0})),
    Case("asks for less", "subscription.fetch.requested.events.invalid", BAD, lambda w, c: subscribe(w, {"count": -1})),
    Case("asks for none later", "subscription.fetch.requested.events.invalid", BAD, lambda w, c: subscribe(w, {"count": 1}, {"count": 0})),
    Case("other topic later", "subscription.fetch.topic.mismatch", BAD, lambda w, c: subscribe(w, {"count": 1}, {"count": 1, "topic": "/event/Other__e"})),
    Case("CUSTOM without an id", f"{REPLAY}.validation.failed", BAD, lambda w, c: subscribe(w, {"count": 1, "preset": CUSTOM})),
    Case("unknown id", f"{REPLAY}.corrupted", BAD, lambda w, c: subscribe(w, {"count": 1, "preset": CUSTOM, "replay_id": b"\0" * 8})),
    Case("id of no length", f"{REPLAY}.corrupted", BAD, lambda w, c: subscribe(w, {"count": 1, "preset": CUSTOM, "replay_id": b"x"})),
    Case("id that is too old", f"{REPLAY}.corrupted", BAD, too_old),
    Case("no permission", "subscription.topic.cannot.subscribe", FORBIDDEN, lambda w, c: not_permitted(w, lambda w: subscribe(w, {"count": 1}))),
    Case("no permission: topic", "topic.meta.permission", FORBIDDEN, lambda w, c: not_permitted(w, topic)),
    Case("no permission: schema", "schema.meta.permission", FORBIDDEN, lambda w, c: not_permitted(w, lambda w: schema(w, w.bus.schemas.current))),
    Case("used up", "subscription.limit.exceeded", StatusCode.RESOURCE_EXHAUSTED, lambda w, c: used_up(w)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_call_is_refused_with_its_code(case: Case, tmp_path: Path) -> None:
    clock = SteppedClock()
    async with bus_world(tmp_path, clock=clock) as world:
        status, trailers = await case.call(world, clock)
    assert dict(trailers)["error-code"] == PREFIX + case.code
    assert status is case.status
    assert dict(trailers)["rpc-id"]


async def test_every_code_can_be_met_at_the_next_call_and_only_then(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        for code, (expected, _) in REFUSALS.items():
            world.bus.faults.refuse(code)
            status, trailers = await subscribe(world, {"count": 1, "preset": EARLIEST})
            assert (status, dict(trailers)["error-code"]) == (expected, PREFIX + code)
        world.bus.faults.unavailable(2)
        assert [(await topic(world))[0] for _ in range(2)] == [StatusCode.UNAVAILABLE] * 2
        assert (await world.stub.GetTopic(TopicRequest(topic_name=TOPIC), metadata=AUTH)).can_subscribe
        with pytest.raises(KeyError):
            world.bus.faults.refuse("no.such.code")


async def test_a_later_request_may_leave_out_the_topic_and_its_place_is_passed_over(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        for n in range(3):
            await world.log.append("Interaction", {}, f"e{n}")
        reader = await world.from_start(1)
        assert await reader.texts(1) == ["e0"]
        await reader.ask(1, topic="")
        assert await reader.texts(1) == ["e1"]
        await reader.ask(1, CUSTOM, b"nonsense")
        assert await reader.texts(1) == ["e2"]
