"""A provider that is down for a while: what waits goes out when it is up again, and what only its own recipient holds up is left to its own times.

The steady clock stands still unless a test moves it, so no message is tried because it is due by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from gateway.clock import now
from tests.journal.outpost import Outpost, at_work, outpost, sms
from tests.journal.provider import Answering, OddProvider, Seen, json, odd_provider, text
from tests.world import wait_until

_sids = itertools.count(1)
DOWN = text("down", status=503)


class Standing:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def up(seen: Seen) -> web.StreamResponse:
    """Twilio's 201."""
    return web.json_response({"sid": f"SM{next(_sids):032x}", "status": "queued"}, status=201)


def down_for(*names: str) -> Answering:
    """Up, except for these customers."""
    return lambda seen: DOWN(seen) if customer(seen) in names else up(seen)


def customer(seen: Seen) -> str:
    return parse_qs(seen.body.decode())["To"][0]


def words(seen: Seen) -> tuple[str, str]:
    return customer(seen), parse_qs(seen.body.decode())["Body"][0]


def standing(folder: Path, provider: OddProvider, clock: Standing) -> AbstractAsyncContextManager[Outpost]:
    """An outpost whose pace makes nobody wait."""
    return outpost(folder, {"sms": sms(provider.address, messages_per_second=10_000)}, steady=clock)


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        one.will(up)
        yield one


async def at_rest(one: Outpost) -> float | None:
    """Nothing is due or in progress; in how many seconds the next message is due."""

    async def resting() -> tuple[float | None] | None:
        _, due, later, *_ = await one.broker.outbox.look({})
        return (later,) if not due and not one.gateway.sender.in_hand else None

    (later,) = await wait_until(resting, what="nothing is due")
    return later  # type: ignore[no-any-return]


async def written(one: Outpost, names: list[str], lines: int = 2) -> list[str]:
    """So many messages to each of these customers; the sessions."""
    sessions = [await one.conversation("sms", name) for name in names]
    for line in range(lines):
        for session_id in sessions:
            await one.say(session_id, f"line {line}")
    return sessions


NAMES = [f"kim{number}" for number in range(12)]


@pytest.mark.parametrize("rounds", [1, 6])
async def test_all_that_waits_goes_out_once_a_call_succeeds_again(rounds: int, provider: OddProvider, tmp_path: Path) -> None:
    clock = Standing()
    async with standing(tmp_path, provider, clock) as one:
        provider.will(DOWN)
        sessions = await written(one, NAMES)
        async with at_work(one.gateway.sender.run()):
            for _ in range(rounds):
                await at_rest(one)
                clock.move(600)
            later = await at_rest(one)
            assert later is not None
            provider.will(up)
            provider.seen.clear()
            clock.move(later + 0.001)  # one is due, the others in a while
            await at_rest(one)
        assert [await one.states(session_id) for session_id in sessions] == [["sent", "sent"]] * len(NAMES)
        seen = [words(one) for one in provider.seen]
        assert sorted(seen) == sorted((name, f"line {line}") for name in NAMES for line in range(2)), "each once"
        for name in NAMES:
            assert [line for to, line in seen if to == name] == ["line 0", "line 1"]


async def test_what_an_earlier_process_left_waiting_goes_out_too(provider: OddProvider, tmp_path: Path) -> None:
    clock = Standing()
    async with standing(tmp_path, provider, clock) as one:
        provider.will(DOWN)
        sessions = await written(one, NAMES, lines=1)
        lees = await one.conversation("sms", "lee")
        async with at_work(one.gateway.sender.run()):
            await at_rest(one)
    provider.will(up)
    async with standing(tmp_path, provider, clock) as one:
        async with at_work(one.gateway.sender.run()):
            assert await at_rest(one) is not None
            await one.say(lees, "a message that tells that it is up again")
            await at_rest(one)
        assert [await one.states(session_id) for session_id in sessions] == [["sent"]] * len(NAMES)


async def test_one_that_fails_alone_is_tried_once_more_and_then_left_to_its_own_times(
    provider: OddProvider, tmp_path: Path
) -> None:
    """However many others succeed."""
    clock = Standing()
    provider.will(down_for("kim"))
    async with standing(tmp_path, provider, clock) as one:
        (kims,) = await written(one, ["kim"])
        async with at_work(one.gateway.sender.run()):
            for number in range(20):
                await at_rest(one)
                await one.say(await one.conversation("sms", f"lee{number}"), "good day")
            await at_rest(one)
        assert await one.states(kims) == ["queued", "queued"]
        assert [words(seen) for seen in provider.seen if customer(seen) == "kim"] == [("kim", "line 0")] * 2


async def test_a_refusal_of_one_recipient_waits_whatever_others_do(provider: OddProvider, tmp_path: Path) -> None:
    """The provider says that this customer can't be reached now: another's success says nothing of that."""
    clock = Standing()
    off = json({"code": 30003, "message": "Unreachable destination handset"}, status=400)
    provider.will(lambda seen: off(seen) if customer(seen) == "kim" else up(seen))
    async with standing(tmp_path, provider, clock) as one:
        (kims,) = await written(one, ["kim"])
        async with at_work(one.gateway.sender.run()):
            await at_rest(one)
            await written(one, ["lee", "max"])
            await at_rest(one)
        assert await one.states(kims) == ["queued", "queued"]
        assert len([seen for seen in provider.seen if customer(seen) == "kim"]) == 1


async def test_a_time_that_the_provider_named_is_kept(provider: OddProvider, tmp_path: Path) -> None:
    clock = Standing()
    later = text("down", status=503, Retry_After="120")
    provider.will(lambda seen: later(seen) if customer(seen) == "kim" else up(seen))
    async with standing(tmp_path, provider, clock) as one:
        (kims,) = await written(one, ["kim"], lines=1)
        async with at_work(one.gateway.sender.run()):
            await at_rest(one)
            await written(one, ["lee"])
            wait = await at_rest(one)
            assert wait is not None
            assert wait > 100
        assert await one.states(kims) == ["queued"]
        assert len([seen for seen in provider.seen if customer(seen) == "kim"]) == 1


async def test_a_provider_that_is_down_is_asked_by_one_call_at_a_time(provider: OddProvider, tmp_path: Path) -> None:
    clock = Standing()
    async with standing(tmp_path, provider, clock) as one:
        sender, at_once = one.gateway.sender, []

        def counted(seen: Seen) -> web.StreamResponse:
            at_once.append(sender.in_hand)
            return DOWN(seen)

        provider.will(DOWN)
        await written(one, NAMES, lines=1)
        async with at_work(sender.run()):
            await at_rest(one)
            provider.will(counted)
            clock.move(600)
            await at_rest(one)
        assert at_once == [1] * len(NAMES)
