"""The sender against providers that misbehave, over real HTTP: nothing is shown twice, nothing is lost, nobody waits for another's trouble."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from gateway.journal.sender import Sender
from tests.journal.outpost import Outpost, at_work, line, outpost, sms
from tests.journal.provider import Answering, OddProvider, Seen, json, odd_provider, text
from tests.world import wait_until

_sids = itertools.count(1)


def taken() -> Answering:
    """Twilio's 201."""

    def answer(seen: Seen) -> web.Response:
        return web.json_response({"sid": f"SM{next(_sids):032x}", "status": "queued"}, status=201)

    return answer


def shown(provider: OddProvider) -> list[str]:
    """The texts that reached the provider."""
    return [parse_qs(seen.body.decode())["Body"][0] for seen in provider.seen]


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        one.will(taken())
        yield one


def sending(one: Outpost) -> Sender:
    return one.gateway.sender


async def all_over(one: Outpost, session_id: str) -> list[str]:
    """The states, once nothing waits any more."""

    async def over() -> list[str]:
        states = await one.states(session_id)
        return [] if {"queued", "sending"} & set(states) else states

    return list(await wait_until(over, what="nothing waits"))


async def test_messages_go_in_order_one_at_a_time(provider: OddProvider, tmp_path: Path) -> None:
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        for number in range(5):
            await one.say(session_id, f"line {number}")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["sent"] * 5
        assert shown(provider) == [f"line {number}" for number in range(5)]


async def test_a_provider_in_trouble_is_asked_again_and_what_follows_waits(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("down", status=503), taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["sent", "sent"]
        assert shown(provider) == ["first", "first", "second"]


async def test_a_provider_that_asks_for_patience_gets_it_from_the_whole_account(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("slow down", status=429, Retry_After="2"), taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        kims = await one.conversation("sms", "kim")
        await one.say(kims, "to kim")
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            asked = time.monotonic()
            lees = await one.conversation("sms", "lee")
            await one.say(lees, "to lee")
            assert await all_over(one, kims) == ["sent"]
            assert await all_over(one, lees) == ["sent"]
            assert time.monotonic() - asked > 1.5
        assert sorted(shown(provider)[1:]) == ["to kim", "to lee"]


async def test_a_refusal_is_told_and_lets_the_next_go(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(json({"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}, status=400), taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["failed", "sent"]
        refused, _ = await one.deliveries(session_id)
        assert refused.code
        assert refused.reason
        assert shown(provider) == ["first", "second"]


async def test_a_lost_answer_is_unknown_where_nothing_tells_a_repetition(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(None, taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["unknown", "sent"]
        assert shown(provider) == ["first", "second"], "not once more"


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(None, json({"sentMessages": [{"id": "1"}]}))
    async with outpost(tmp_path, {"line": line(provider.address)}) as one:
        session_id = await one.conversation("line", "U" + "1" * 32)
        await one.say(session_id, "first")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["sent"]
        keys = [seen.headers["x-line-retry-key"] for seen in provider.seen]
        assert len(keys) == 2
        assert len(set(keys)) == 1


async def test_one_conversations_trouble_is_not_anothers(provider: OddProvider, tmp_path: Path) -> None:
    def by_customer(seen: Seen) -> web.StreamResponse:
        return text("down", status=503)(seen) if b"To=kim" in seen.body else taken()(seen)

    provider.will(by_customer)
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        kims, lees = await one.conversation("sms", "kim"), await one.conversation("sms", "lee")
        await one.say(kims, "to kim")
        await one.say(lees, "to lee")
        async with at_work(sending(one).run()):
            assert await all_over(one, lees) == ["sent"]
            assert await one.states(kims) in (["queued"], ["sending"])


async def test_one_accounts_slowness_is_not_anothers(provider: OddProvider, tmp_path: Path) -> None:
    async with odd_provider() as slow:
        slow.may_answer.clear()
        channels = {"slow": sms(slow.address), "sms": sms(provider.address)}
        async with outpost(tmp_path, channels) as one:
            waits = [await one.conversation("slow", f"kim{number}") for number in range(40)]
            for session_id in waits:
                await one.say(session_id, "to a slow one")
            async with at_work(sending(one).run()):
                await wait_until(lambda: len(slow.seen) >= 20)
                quick = await one.conversation("sms", "lee")
                await one.say(quick, "to a quick one")
                assert await all_over(one, quick) == ["sent"]


async def test_a_notice_that_is_refused_is_skipped_and_stops_nothing(provider: OddProvider, tmp_path: Path) -> None:
    """M3"""
    provider.will(json({"code": 21211, "message": "Invalid number", "status": 400}, status=400), taken())
    async with outpost(tmp_path, {"sms": sms(provider.address, notices={})}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "good day")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["skipped", "sent"]
        (notice, _) = await one.deliveries(session_id)
        assert notice.reason


async def test_an_answer_that_is_no_answer_costs_only_its_message(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("<html>what?</html>", status=201), taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            first, second = await all_over(one, session_id)
        assert (first in ("unknown", "failed", "sent"), second) == (True, "sent")
        assert shown(provider) == ["first", "second"], "taken or not, not twice"


async def test_draining_waits_for_what_is_in_hand_and_takes_nothing_new(provider: OddProvider, tmp_path: Path) -> None:
    provider.may_answer.clear()
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            draining = asyncio.create_task(sending(one).drain())
            await asyncio.wait([draining], timeout=0.2)
            assert not draining.done()
            provider.may_answer.set()
            async with asyncio.timeout(10):
                await draining
            assert await one.states(session_id) == ["sent", "queued"]
            assert shown(provider) == ["first"]


async def test_what_was_in_the_call_when_the_process_died_is_not_sent_again_without_a_key(
    provider: OddProvider, tmp_path: Path
) -> None:
    provider.may_answer.clear()
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        async with at_work(sending(one).run()):  # cancelled in the call: as far as the file knows, the process died
            await wait_until(lambda: provider.seen)
    provider.may_answer.set()
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one, at_work(sending(one).run()):
        assert await all_over(one, session_id) == ["unknown"]
        assert shown(provider) == ["first"]
