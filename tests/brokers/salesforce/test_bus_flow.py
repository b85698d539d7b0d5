"""How much a subscriber gets, and when: demand, keepalives, idle streams, resuming, and what may go wrong on the way."""

from __future__ import annotations

from pathlib import Path

import grpc

from gateway.brokers.salesforce.pubsub_pb2 import (
    EARLIEST,
    LATEST,
    ProducerEvent,
    PublishRequest,
    SchemaRequest,
    TopicRequest,
)
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.subscribing import Pace
from tests.brokers.salesforce.bus import AUTH, ORG_ID, PATIENT, QUICK, TOPIC, SteppedClock, bus_world

ONLY_KEEPALIVES = Pace(keepalive_seconds=0.02, idle_seconds=60)


async def test_events_come_in_order_and_only_those_that_were_asked_for(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        for n in range(5):
            await world.log.append("Interaction", {"n": n}, f"e{n}")
        reader = await world.from_start(3)
        first = await reader.read()
        assert first is not None
        assert [one.event.id for one in first.events] == ["e0", "e1", "e2"]
        assert first.pending_num_requested == 0
        assert first.latest_replay_id == first.events[-1].replay_id
        await reader.ask(100)
        second = await reader.read()
        assert second is not None
        assert [one.event.id for one in second.events] == ["e3", "e4"]
        assert second.pending_num_requested == 98
        await world.log.append("Interaction", {}, "e5")
        assert await reader.texts(1) == ["e5"]


async def test_demand_above_a_hundred_is_cut_silently(tmp_path: Path) -> None:
    async with bus_world(tmp_path, ONLY_KEEPALIVES) as world:
        reader = world.subscribe()
        for _ in range(3):
            await reader.ask(2_000)
        response = await reader.read()
        assert response is not None
        assert response.pending_num_requested == 100


async def test_latest_brings_only_what_comes_after(tmp_path: Path) -> None:
    async with bus_world(tmp_path, ONLY_KEEPALIVES) as world:
        await world.log.append("Interaction", {}, "before")
        reader = world.subscribe()
        await reader.ask(10, LATEST)
        keepalive = await reader.read()  # it has begun
        assert keepalive is not None
        assert not keepalive.events
        await world.log.append("Interaction", {}, "after")
        assert await reader.texts(1) == ["after"]


async def test_a_keepalive_has_an_id_to_resume_by(tmp_path: Path) -> None:
    async with bus_world(tmp_path, ONLY_KEEPALIVES) as world:
        reader = await world.from_start()
        keepalive = await reader.read()
        assert keepalive is not None
        assert not keepalive.events
        assert keepalive.pending_num_requested == 100
        reader.call.cancel()
        await world.log.append("Interaction", {}, "e0")
        assert await (await world.after(keepalive.latest_replay_id)).texts(1) == ["e0"]


async def test_the_id_of_a_quiet_stream_stays_valid_for_days(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with bus_world(tmp_path, ONLY_KEEPALIVES, clock) as world:
        await world.log.append("Interaction", {}, "e0")
        reader = await world.from_start()
        assert await reader.texts(1) == ["e0"]
        latest = b""
        for _ in range(4):
            clock.move(days=1)
            for _ in range(2):  # one may have been on its way already
                keepalive = await reader.read()
                assert keepalive is not None
                latest = keepalive.latest_replay_id
        await world.log.append("Interaction", {}, "e1")
        assert await (await world.after(latest)).texts(1) == ["e1"]


async def test_a_stream_on_which_nothing_is_owed_ends(tmp_path: Path) -> None:
    async with bus_world(tmp_path, QUICK) as world:
        await world.log.append("Interaction", {}, "e0")
        reader = await world.from_start(1)
        assert await reader.texts(1) == ["e0"]
        assert await reader.read() is None
        assert await reader.call.code() is grpc.StatusCode.OK


async def test_a_stream_that_asks_for_nothing_ends(tmp_path: Path) -> None:
    async with bus_world(tmp_path, QUICK) as world:
        assert await world.subscribe().read() is None


async def test_a_live_stream_outlives_its_token_and_no_new_call_does(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        await world.log.append("Interaction", {}, "e0")
        reader = await world.from_start()
        assert await reader.texts(1) == ["e0"]
        world.tokens.expire_all()
        await world.log.append("Interaction", {}, "e1")
        assert await reader.texts(1) == ["e1"]
        again = await world.from_start()
        assert await again.read() is None
        assert await again.code() == "service.auth.error"


async def test_an_event_is_read_by_the_schema_that_its_id_names(tmp_path: Path) -> None:
    async with bus_world(tmp_path, hostile=True) as world:
        schemas = world.bus.schemas
        await world.log.append("Interaction", {"text": "hello é"}, "e0")
        reader = await world.from_start()
        response = await reader.read()
        assert response is not None
        (old,) = response.events
        schemas.change()
        await world.log.append("RoutingRequested", {"text": "bye"}, "e1")
        response = await reader.read()
        assert response is not None
        (new,) = response.events
        assert new.event.schema_id != old.event.schema_id
        for event, text in ((old, '{"text":"hello é"}'), (new, '{"text":"bye"}')):
            info = await world.stub.GetSchema(SchemaRequest(schema_id=event.event.schema_id), metadata=AUTH)
            assert info.schema_id == event.event.schema_id
            assert info.schema_json == schemas.text(info.schema_id)
            assert schemas.decode(info.schema_id, event.event.payload)["byoc__Payload__c"] == text


async def test_what_the_topic_is(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        info = await world.stub.GetTopic(TopicRequest(topic_name=TOPIC), metadata=AUTH)
        assert (info.topic_name, info.can_subscribe, info.schema_id) == (TOPIC, True, world.bus.schemas.current)
        assert ORG_ID in info.tenant_guid
        assert info.rpc_id


async def test_what_is_published_is_delivered(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        schemas = world.bus.schemas
        payload = schemas.encode("Interaction", '{"n":1}', 0)
        good = ProducerEvent(id="e0", schema_id=schemas.current, payload=payload)
        bad = [
            ProducerEvent(id="e1", schema_id="unknown", payload=payload),
            ProducerEvent(id="e2", schema_id=schemas.current, payload=payload[:-1]),
            ProducerEvent(id="e3", schema_id=schemas.current, payload=schemas.encode("Interaction", "x" * 1_000_001, 0)),
        ]
        answer = await world.stub.Publish(PublishRequest(topic_name=TOPIC, events=[good, *bad]), metadata=AUTH)
        assert [bool(one.replay_id) for one in answer.results] == [True, False, False, False]
        assert [one.correlation_key for one in answer.results] == ["e0", "e1", "e2", "e3"]
        assert [bool(one.error.msg) for one in answer.results] == [False, True, True, True]
        stream = world.stub.PublishStream(metadata=AUTH)
        await stream.write(PublishRequest(topic_name=TOPIC, events=[ProducerEvent(schema_id=schemas.current, payload=payload)]))
        response = await stream.read()
        await stream.done_writing()
        assert len(await (await world.from_start()).texts(2)) == 2
        assert response.results[0].replay_id > answer.results[0].replay_id


async def test_a_response_stays_below_three_megabytes(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        for n in range(7):
            await world.log.append("Interaction", {"text": "é" * 450_000}, f"e{n}")
        reader = await world.from_start()
        sizes: list[int] = []
        ids: list[str] = []
        while len(ids) < 7:
            response = await reader.read()
            assert response is not None
            sizes.append(response.ByteSize())
            ids += [one.event.id for one in response.events]
        assert ids == [f"e{n}" for n in range(7)]
        assert max(sizes) <= 3_000_000


async def test_streams_that_are_cut_may_be_opened_again(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        await world.log.append("Interaction", {}, "e0")
        reader = await world.from_start()
        response = await reader.read()
        assert response is not None
        world.bus.faults.disconnect()
        assert await reader.read() is None
        assert await reader.call.code() is grpc.StatusCode.UNAVAILABLE
        assert await reader.code() == "service.unavailable"
        await world.log.append("Interaction", {}, "e1")
        assert await (await world.after(response.latest_replay_id)).texts(1) == ["e1"]


async def test_a_silent_stream_stays_open_and_a_new_one_speaks(tmp_path: Path) -> None:
    async with bus_world(tmp_path, ONLY_KEEPALIVES) as world:
        reader = await world.from_start()
        assert await reader.read() is not None
        world.bus.faults.go_silent()
        await world.log.append("Interaction", {}, "e0")
        assert await (await world.from_start()).texts(1) == ["e0"]
        world.bus.faults.disconnect()
        while (response := await reader.read()) is not None:
            assert not response.events  # a keepalive that was on its way


async def test_each_event_twice(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        world.bus.faults.deliver_twice = True
        for n in range(2):
            await world.log.append("Interaction", {}, f"e{n}")
        reader = await world.from_start(3)
        assert await reader.texts(3) == ["e0", "e0", "e1"]
        await reader.ask(1)
        assert await reader.texts(1) == ["e1"]


async def test_the_day_s_deliveries_are_counted_for_each_subscriber(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with bus_world(tmp_path, PATIENT, clock) as world:
        world.bus.faults.daily = 3
        for n in range(2):
            await world.log.append("Interaction", {}, f"e{n}")
        assert await (await world.from_start()).texts(2) == ["e0", "e1"]
        second = await world.from_start()
        assert await second.texts(1) == ["e0"]
        assert await second.read() is None
        assert await second.code() == "subscription.limit.exceeded"
        clock.move(days=1)
        assert await (await world.from_start()).texts(2) == ["e0", "e1"]


async def test_a_subscriber_that_has_gone_is_forgotten(tmp_path: Path) -> None:
    async with bus_world(tmp_path, ONLY_KEEPALIVES) as world:
        reader = await world.from_start()
        assert await reader.read() is not None
        assert len(world.bus.faults.streams) == 1
        await reader.call.done_writing()
        assert await reader.call.code() is grpc.StatusCode.OK
        other = world.subscribe()
        await other.ask(1, EARLIEST)
        assert await other.read() is not None
        assert len(world.bus.faults.streams) == 1


async def test_an_org_that_was_started_again_goes_on_where_it_was(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        replay_id = await world.log.append("Interaction", {}, "e0")
        await world.log.append("Interaction", {}, "e1")
        reader = await world.from_start()
        assert await reader.texts(2) == ["e0", "e1"]
    async with bus_world(tmp_path) as world:
        await world.log.append("Interaction", {}, "e2")
        assert await (await world.after(replay_id)).texts(2) == ["e1", "e2"]


async def test_after_a_migration_ids_are_invalid_and_events_are_still_there(tmp_path: Path) -> None:
    async with bus_world(tmp_path) as world:
        old = await world.log.append("Interaction", {}, "e0")
        await world.log.append("Interaction", {}, "e1")
        reader = await world.from_start()
        assert await reader.texts(2) == ["e0", "e1"]
        await world.bus.forget_replay_ids()
        assert await reader.read() is None
        stale = await world.after(old)
        assert await stale.read() is None
        assert await stale.code() == "subscription.fetch.replayid.corrupted"
        assert await (await world.from_start()).texts(2) == ["e0", "e1"]


async def test_the_org_s_own_switches_are_obeyed(tmp_path: Path) -> None:
    faults = Faults()
    async with bus_world(tmp_path, faults=faults) as world:
        replay_id = await world.log.append("Interaction", {}, "e0")
        faults.apply({"deliver_twice": True})
        reader = await world.from_start()
        assert await reader.texts(2) == ["e0", "e0"]
        faults.apply({"disconnect_streams": True})
        assert await reader.read() is None
        assert await reader.code() == "service.unavailable"
        for switch, code in (("replay_lost", "fetch.replayid.corrupted"), ("allocation_used", "limit.exceeded")):
            faults.apply({switch: True})
            reader = await world.after(replay_id)
            assert await reader.read() is None
            assert await reader.code() == f"subscription.{code}"
        faults.apply({"clear": True})
        await world.log.append("Interaction", {}, "e1")
        assert await (await world.after(replay_id)).texts(1) == ["e1"]
