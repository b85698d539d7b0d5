"""The stream of an org's events: everything gets into the inbox, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import NotUnderstood, SendFailed, Verdict
from gateway.brokers.salesforce.codes import OrgFault
from gateway.brokers.salesforce.parsing import parse
from gateway.brokers.salesforce.simulator.subscribing import Pace as BusPace
from gateway.brokers.salesforce.stream_codes import ADVICE, Course, advice
from gateway.clock import now
from gateway.errors import StoreUnavailable
from tests.brokers.salesforce.bus import TOPIC, SteppedClock, bus_world
from tests.brokers.salesforce.listening import LANE, ORG, body, hurried, listening, publish
from tests.world import wait_until

CHATTY = BusPace(keepalive_seconds=0.05, idle_seconds=60)


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(vars(record).get("action")) for record in caplog.records]


def numbered(first: int, last: int) -> list[str]:
    return [f"e{number:04}" for number in range(first, last)]


async def test_an_event_is_in_the_inbox_as_it_was_published(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        replay_id = await publish(world, "e1")
        await us.has("e1")
        await us.at(replay_id)
        (kept,) = us.kept()
        assert (kept.method, kept.url, kept.path, kept.query) == ("EVENT", TOPIC, "", ())
        assert kept.headers == {"event-id": "e1", "replay-id": replay_id.hex(), "event-type": "Interaction"}
        assert kept.body == body("e1")
        assert us.subscription.state.phase == "open"
        assert us.subscription.state.remark() is None


async def test_it_begins_now_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world:
        await publish(world, "before")
        async with listening(world, tmp_path / "data") as us:
            await us.subscribed()
            await publish(world, "e1", "e2")
            await us.has("e2")
        await publish(world, "e3", "e4")
        async with listening(world, tmp_path / "data") as us:
            await publish(world, "e5")
            await us.has("e5")
            assert us.ids() == ["e1", "e2", "e3", "e4", "e5"]


async def test_replay_ids_are_opaque(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org", hostile=True) as world:
        for number, (first, last) in enumerate(pairwise([0, 3, 7, 9])):
            async with listening(world, tmp_path / "data") as us:
                if not number:
                    await us.subscribed()
                await publish(world, *numbered(first, last))
                await us.has(*numbered(first, last))
                assert us.ids() == numbered(0, last)


async def test_many_events_come_in_order_though_only_100_are_on_their_way(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        last = await publish(world, *numbered(0, 450))
        await us.at(last)
        assert us.ids() == numbered(0, 450)


async def test_what_came_after_the_beginning_is_not_lost_though_no_place_was_known(tmp_path: Path) -> None:
    """The first life ends before the bus said anything. What was published long before the beginning isn't ours."""
    clock = SteppedClock()
    async with bus_world(tmp_path / "org", clock=clock) as world:
        await publish(world, "long before")
        clock.move(hours=1)
        async with listening(world, tmp_path / "data", clock=clock) as us:
            await us.subscribed()
            position = await us.position()
            assert position is not None
            assert position.replay_id == b""
            await us.kill()
        clock.move(minutes=10)
        await publish(world, "meanwhile")
        async with listening(world, tmp_path / "data", clock=clock) as us:
            await us.has("meanwhile")
            await publish(world, "after")
            await us.has("after")
            assert us.ids() == ["meanwhile", "after"]


async def test_a_quiet_stream_has_a_place_too(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org", CHATTY) as world:
        async with listening(world, tmp_path / "data") as us:
            await wait_until(lambda: us.subscription.state.last_keepalive_at, what="a keepalive")
            await us.at((await world.log.head()).replay_id)
            await us.kill()
        await publish(world, "e1")
        async with listening(world, tmp_path / "data") as us:
            await us.has("e1")


async def test_nothing_is_lost_by_a_kill_and_what_comes_twice_has_the_same_id(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world:
        for number in range(6):
            async with listening(world, tmp_path / "data", pace=hurried(saved_every=0.0 if number % 2 else 0.05)) as us:
                if not number:
                    await us.subscribed()
                await publish(world, *numbered(number * 40, number * 40 + 20))
                await us.kill()
            await publish(world, *numbered(number * 40 + 20, number * 40 + 40))
        async with listening(world, tmp_path / "data") as us:
            await us.has(*numbered(0, 240))
            assert list(dict.fromkeys(us.ids())) == numbered(0, 240)


async def test_a_stream_that_is_cut_again_and_again_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        for number in range(20):
            last = await publish(world, *numbered(number * 10, number * 10 + 10))
            world.bus.faults.disconnect(["service.unavailable", "subscription.internal.error"][number % 2])
        await us.at(last)
        assert us.ids() == numbered(0, 200)


async def test_an_event_that_is_delivered_twice_is_kept_twice_under_one_id(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        world.bus.faults.deliver_twice = True
        await us.subscribed()
        last = await publish(world, "e1", "e2")
        await us.at(last)
        await wait_until(lambda: us.ids().count("e2") == 2, what="the double")
        assert us.ids() == ["e1", "e1", "e2", "e2"]


async def test_a_silent_stream_is_opened_again(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org", CHATTY) as world, listening(world, tmp_path / "data", silence_seconds=0.5) as us:
        await us.subscribed()
        world.bus.faults.go_silent()
        await publish(world, "e1")
        await us.has("e1")
        assert us.ids() == ["e1"]


async def test_an_expired_token_is_replaced_at_once(tmp_path: Path) -> None:
    async with (
        bus_world(tmp_path / "org") as world,
        listening(world, tmp_path / "data", pace=hurried(first=60, most=60)) as us,
    ):
        await us.subscribed()
        world.tokens.expire_all()
        world.bus.faults.disconnect("service.auth.error")
        await publish(world, "e1")
        await us.has("e1")
        assert us.tokens == [False, True]


async def test_a_lost_place_has_all_read_again_that_is_still_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        await us.at(await publish(world, "e1", "e2"))
        await world.bus.forget_replay_ids()
        await publish(world, "e3")
        await us.has("e3")
        assert us.ids() == ["e1", "e2", "e1", "e2", "e3"]
        assert us.subscription.state.gap is None
    assert actions(caplog).count("salesforce.position_lost") == 1


async def test_a_gap_of_more_than_72_hours_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = SteppedClock()
    async with bus_world(tmp_path / "org", clock=clock) as world:
        async with listening(world, tmp_path / "data", clock=clock) as us:
            await us.subscribed()
            await us.at(await publish(world, "e1"))
        clock.move(hours=10)
        await publish(world, "lost")
        clock.move(hours=75)
        await publish(world, "e2")
        async with listening(world, tmp_path / "data", clock=clock) as us:
            await us.has("e2")
            assert us.ids() == ["e1", "e2"]
            remark = us.subscription.state.remark()
            assert remark is not None
            assert "between 2026-11-02T09:00:00Z and 2026-11-02T22:00:00Z may be lost" in remark
    assert "salesforce.gap" in actions(caplog)


async def test_no_more_of_the_past_is_read_again_than_may_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = SteppedClock()
    async with bus_world(tmp_path / "org", clock=clock) as world:
        async with listening(world, tmp_path / "data", clock=clock) as us:
            await us.subscribed()
            await us.at(await publish(world, "e"))
        await publish(world, *numbered(0, 300))
        await world.bus.forget_replay_ids()
        clock.move(minutes=1)
        async with listening(world, tmp_path / "data", clock=clock, catch_up_events=120) as us:
            await wait_until(lambda: us.subscription.state.gap, what="the gap")
            await us.subscribed()
            await publish(world, "now")
            await us.has("now")
            read = us.ids()[1:-1]
            assert read == ["e", *numbered(0, len(read) - 1)]
            assert 120 <= len(read) <= 220
            assert not us.subscription.state.catching_up
    assert "salesforce.gap" in actions(caplog)


async def test_a_used_up_allowance_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bus_world(tmp_path / "org") as world:
        world.bus.faults.daily = 0
        async with listening(world, tmp_path / "data") as us:
            await wait_until(lambda: us.subscription.state.phase == "held", what="the hold")
            await asyncio.sleep(0.1)
            assert us.tokens == [False]
            assert us.subscription.state.code == "subscription.limit.exceeded"
            assert actions(caplog).count("salesforce.held") == 1
            await publish(world, "e1")
        world.bus.faults.heal()
        async with listening(world, tmp_path / "data") as us:
            await us.has("e1")


async def test_what_a_person_must_change_is_held_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bus_world(tmp_path / "org") as world:
        world.bus.faults.permitted = False
        async with listening(world, tmp_path / "data", pace=hurried(held=0.05)) as us:
            await wait_until(lambda: us.subscription.state.phase == "held", what="the hold")
            remark = us.subscription.state.remark()
            assert remark is not None
            assert "Read access" in remark
            await wait_until(lambda: len(us.tokens) > 2, what="another look")
            assert actions(caplog).count("salesforce.held") == 1
            world.bus.faults.heal()
            await us.subscribed()
            await publish(world, "e1")
            await us.has("e1")
            assert us.subscription.state.remark() is None


@pytest.mark.parametrize("code", sorted(ADVICE))
async def test_each_code_takes_its_course(code: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While it connects, and in the middle of a stream."""
    held = advice(code).course in (Course.hold, Course.allowance)
    pace = hurried(held=0.02, allowance=0.02)
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data", pace=pace) as us:
        await us.subscribed()
        await us.at(await publish(world, "e1"))
        world.bus.faults.refuse(code, 2)
        world.bus.faults.disconnect(code)
        await wait_until(lambda: us.ends(code) == 3, what="the ends")
        assert us.subscription.state.rpc_id
        await publish(world, "e2")
        await us.has("e2")
        assert list(dict.fromkeys(us.ids())) == ["e1", "e2"]
        assert len(us.ids()) == (3 if advice(code).course is Course.lost else 2)
        assert (True in us.tokens) is (advice(code).course is Course.refresh)
    told = [record for record in caplog.records if vars(record).get("action") == "salesforce.held"]
    assert bool(told) is held
    assert all(vars(one)["code"] == code and advice(code).sentence in one.message for one in told)


async def test_a_changed_schema_is_fetched_in_the_middle(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        await publish(world, "e1")
        await us.has("e1")
        world.bus.schemas.change()
        await publish(world, "e2")
        await us.has("e2")
        assert [one.body for one in us.kept()] == [body("e1"), body("e2")]


async def test_a_record_without_the_configured_field_is_kept_whole(tmp_path: Path) -> None:
    async with (
        bus_world(tmp_path / "org") as world,
        listening(world, tmp_path / "data", event_payload_field="byoc__Other__c") as us,
    ):
        await us.subscribed()
        await us.at(await publish(world, "e1"))
        (kept,) = us.kept()
        assert kept.headers["event-type"] == ""
        assert b'"byoc__Payload__c"' in kept.body


async def test_a_record_that_was_kept_whole_is_read_once_the_fields_are_corrected(tmp_path: Path) -> None:
    said = {"channelAddressIdentifier": "a1", "payload": {"entryType": "FlagRaise"}}
    wrong: dict[str, Any] = {"event_payload_field": "byoc__Other__c", "event_type_field": "byoc__Another__c"}
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data", **wrong) as us:
        await us.subscribed()
        await us.at(await world.log.append("Interaction", said, "e1"))
        (kept,) = us.kept()
    with pytest.raises(NotUnderstood, match=kept.headers["replay-id"]):
        parse(kept, lane=LANE, org=ORG.model_copy(update=wrong))
    (read,) = parse(kept, lane=LANE, org=ORG)
    assert (read.kind, read.address, read.event_id) == ("internal", "a1", "e1")


async def test_while_nothing_can_be_stored_events_wait_in_order_and_few_at_a_time(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data") as us:
        await us.subscribed()
        await us.at(await publish(world, *numbered(0, 10)))
        us.full = True
        await publish(world, *numbered(10, 300))
        await wait_until(lambda: us.subscription.unkept, what="events that wait")
        await asyncio.sleep(0.3)
        assert 0 < us.subscription.unkept <= 100
        assert us.ids() == numbered(0, 10)
        world.bus.faults.disconnect()
        us.full = False
        await us.has(*numbered(10, 300))
        assert us.ids() == numbered(0, 300)


async def test_a_stop_keeps_what_is_on_its_way_and_the_place(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world:
        async with listening(world, tmp_path / "data", pace=hurried(saved_every=60)) as us:
            await us.subscribed()
            us.full = True
            await publish(world, "e1", "e2")
            await wait_until(lambda: us.subscription.unkept == 2, what="events that wait")
            asyncio.get_running_loop().call_later(0.1, setattr, us, "full", False)
        assert us.ids() == ["e1", "e2"]
        await publish(world, "e3")
        async with listening(world, tmp_path / "data") as us:
            await us.has("e3")
            assert us.ids() == ["e1", "e2", "e3"]


async def test_a_full_disk_at_the_end_loses_nothing(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world:
        async with listening(world, tmp_path / "data", pace=hurried(stop=0.1)) as us:
            await us.subscribed()
            await us.at(await publish(world, "e1"))
            us.full = True
            await publish(world, "e2", "e3")
            await wait_until(lambda: us.subscription.unkept == 2, what="events that wait")
        async with listening(world, tmp_path / "data") as us:
            await us.has("e3")
            assert us.ids() == ["e1", "e2", "e3"]


async def test_who_cannot_keep_the_beginning_begins_later(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data", first_commits_fail=1) as us:
        assert us.task is not None
        with pytest.raises(StoreUnavailable):
            await us.task
        us.task = asyncio.create_task(us.subscription.run())
        await us.subscribed()
        await publish(world, "e1")
        await us.has("e1")


async def test_an_old_place_that_leads_to_nothing_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some streams aren't refused for an old place: they stay open and bring nothing."""
    late = SteppedClock()
    async with bus_world(tmp_path / "org") as world:
        async with listening(world, tmp_path / "data", clock=late) as us:
            await us.subscribed()
            await us.at(await publish(world, "e1"))
        late.move(hours=80)
        async with listening(world, tmp_path / "data", clock=late, silence_seconds=0.3) as us:
            await us.subscribed()
            world.bus.faults.go_silent()
            await publish(world, "e2")
            await us.has("e2")
            assert us.ids() == ["e1", "e1", "e2"]
    assert "salesforce.position_lost" in actions(caplog)


async def test_a_token_that_is_not_given_is_held_or_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bus_world(tmp_path / "org") as world, listening(world, tmp_path / "data", pace=hurried(held=0.02)) as us:
        await us.subscribed()
        us.no_token = [
            OrgFault("not_authorised", "The app was revoked.", scope="org"),
            SendFailed(Verdict.again, "provider_unavailable"),
        ]
        world.bus.faults.disconnect()
        await wait_until(lambda: us.ends("token") == 2, what="the ends")
        await publish(world, "e1")
        await us.has("e1")
    (held,) = [record for record in caplog.records if vars(record).get("action") == "salesforce.held"]
    assert vars(held)["code"] == "token"
    assert "The app was revoked." in held.message


async def test_events_are_counted_and_the_warning_comes_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bus_world(tmp_path / "org") as world:
        async with listening(world, tmp_path / "data", events_per_day=10) as us:
            await us.subscribed()
            await us.at(await publish(world, *numbered(0, 7)))
        async with listening(world, tmp_path / "data", events_per_day=10) as us:
            await us.at(await publish(world, *numbered(7, 9)))
            assert us.subscription.state.events_in_a_day == 9
            assert us.subscription.state.scarce
            assert "9 of 10 events" in str(us.subscription.state.remark())
            described = us.subscription.state.described(now())
            assert (described["phase"], described["events_in_24_hours"], described["gap"]) == ("open", 9, None)
            assert isinstance(described["position_age_seconds"], float)
            text = (await us.metrics.text()).decode()
            assert 'byoc_salesforce_events_total{org="prod"} 2.0' in text
            assert 'byoc_salesforce_events_in_24_hours{org="prod"} 9.0' in text
            assert 'byoc_salesforce_connected{org="prod"} 1.0' in text
            assert 'byoc_salesforce_position_age_seconds{org="prod"}' in text
    assert actions(caplog).count("salesforce.allocation") == 1
    assert actions(caplog).count("salesforce.connected") == 2
    assert "a key that nothing is signed with" not in caplog.text
    assert "00D!token" not in caplog.text
