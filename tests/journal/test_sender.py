"""The sender against providers that misbehave, over real HTTP: nothing is shown twice, nothing is lost, nobody waits for another's trouble."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from adapters.replies import CODES
from gateway.backoff import LONGEST_BACKOFF
from gateway.clock import now, steady
from gateway.journal.sender import Sender
from tests.journal.outpost import Outpost, at_work, line, outpost, sms, whatsapp
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
        assert notice.code == "recipient_unreachable"
        assert notice.reason == "The message could not reach the customer: this address takes no messages, or the phone is off."


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


# ---------------------------------------------------------------- what was never called is never `unknown`


async def test_what_waits_for_its_pace_when_the_process_dies_goes_out_after_the_start(
    provider: OddProvider, tmp_path: Path
) -> None:
    slow, quick = sms(provider.address, messages_per_second=0.01), sms(provider.address)
    names = [f"kim{number}" for number in range(20)]
    async with outpost(tmp_path, {"sms": slow}) as one:
        sessions = [await one.conversation("sms", name) for name in names]
        for session_id, name in zip(sessions, names, strict=True):
            await one.say(session_id, f"to {name}")
        async with at_work(sending(one).run()):  # cancelled while most wait: as far as the file knows, the process died
            await wait_until(lambda: settled(one, sessions, "sent", 10))
            await asyncio.sleep(0.2)
    assert len(provider.seen) < 20, "some wait"
    async with outpost(tmp_path, {"sms": quick}) as one, at_work(sending(one).run()):
        for session_id in sessions:
            assert await all_over(one, session_id) == ["sent"]
        assert sorted(shown(provider)) == sorted(f"to {name}" for name in names), "each once"


async def settled(one: Outpost, sessions: list[str], state: str, at_least: int) -> bool:
    states = [each for session_id in sessions for each in await one.states(session_id)]
    return states.count(state) >= at_least


async def test_a_stop_does_not_wait_for_the_pace(provider: OddProvider, tmp_path: Path) -> None:
    async with outpost(tmp_path, {"sms": sms(provider.address, messages_per_second=0.01)}) as one:
        sessions = [await one.conversation("sms", f"kim{number}") for number in range(20)]
        for session_id in sessions:
            await one.say(session_id, "to you")
        async with at_work(sending(one).run()):
            await wait_until(lambda: settled(one, sessions, "sent", 10))
            async with asyncio.timeout(5):
                await sending(one).drain()
            states = [state for session_id in sessions for state in await one.states(session_id)]
            assert set(states) == {"sent", "queued"}
            assert states.count("sent") == len(provider.seen)


def meta(seen: Seen) -> web.StreamResponse:
    """Takes files and messages."""
    upload = seen.path.endswith("/media")
    return json({"id": "1234567"} if upload else {"messages": [{"id": "wamid.1"}]})(seen)


def calls(provider: OddProvider) -> list[str]:
    """`media` or `messages`, as they came."""
    return [seen.path.rpartition("/")[2] for seen in provider.seen]


async def test_what_died_while_its_file_went_up_is_sent_after_the_start(provider: OddProvider, tmp_path: Path) -> None:
    """The upload shows the customer nothing; WhatsApp has no retry key."""
    channels = {"whatsapp": whatsapp(provider.address)}
    provider.may_answer.clear()
    async with outpost(tmp_path, channels) as one:
        session_id = await one.conversation("whatsapp", "15551230001")
        await one.say(session_id, "look", file=await one.picture())
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            assert await one.states(session_id) == ["queued"], "nothing is under way to the customer yet"
    provider.may_answer.set()
    provider.will(meta)
    async with outpost(tmp_path, channels) as one, at_work(sending(one).run()):
        assert await all_over(one, session_id) == ["sent"]
        assert calls(provider) == ["media", "media", "messages"]


async def test_a_stop_does_not_wait_for_a_file_on_its_way_up(provider: OddProvider, tmp_path: Path) -> None:
    channels = {"whatsapp": whatsapp(provider.address)}
    provider.may_answer.clear()
    async with outpost(tmp_path, channels) as one:
        session_id = await one.conversation("whatsapp", "15551230001")
        await one.say(session_id, "look", file=await one.picture())
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            async with asyncio.timeout(5):
                await sending(one).drain()
            assert await one.states(session_id) == ["queued"]
            assert calls(provider) == ["media"]


async def test_an_upload_that_takes_too_long_is_tried_again(
    provider: OddProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.sender._FLOW_SECONDS", 0.3)
    provider.may_answer.clear()
    async with outpost(tmp_path, {"whatsapp": whatsapp(provider.address)}) as one:
        session_id = await one.conversation("whatsapp", "15551230001")
        await one.say(session_id, "look", file=await one.picture())
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            await asyncio.sleep(0.5)
            assert await one.states(session_id) == ["queued"]
            provider.will(meta)
            provider.may_answer.set()
            assert await all_over(one, session_id) == ["sent"]
        assert calls(provider).count("messages") == 1


async def test_an_outcome_that_cannot_be_kept_now_is_kept_later_and_what_follows_waits(
    provider: OddProvider, tmp_path: Path
) -> None:
    """The provider has it, and nobody else knows: without a retry key, a lost outcome would be `unknown`."""
    full = asyncio.Event()

    def fault(point: str) -> None:
        if point == "called" and len(provider.seen) == 1:
            full.set()
        if point == "before_commit" and full.is_set():
            raise OSError("the disk is full")

    async with outpost(tmp_path, {"sms": sms(provider.address)}, fault=fault) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        await one.say(session_id, "second")
        async with at_work(sending(one).run()):
            await wait_until(full.is_set)
            await asyncio.sleep(0.1)
            assert await one.states(session_id) == ["sending", "queued"]
            full.clear()
            assert await all_over(one, session_id) == ["sent", "sent"]
        assert shown(provider) == ["first", "second"]


async def test_a_call_that_cannot_be_written_down_is_not_made(provider: OddProvider, tmp_path: Path) -> None:
    full = False

    def fault(point: str) -> None:
        if full and point == "before_commit":
            raise OSError("the disk is full")

    async with outpost(tmp_path, {"sms": sms(provider.address)}, fault=fault) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        full = True
        async with at_work(sending(one).run()):
            await asyncio.sleep(0.3)
            assert (shown(provider), await one.states(session_id)) == ([], ["queued"])
            full = False
            assert await all_over(one, session_id) == ["sent"]
        assert shown(provider) == ["first"]


async def test_a_file_that_is_gone_costs_only_its_message(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(meta)
    async with outpost(tmp_path, {"whatsapp": whatsapp(provider.address)}) as one:
        session_id = await one.conversation("whatsapp", "15551230001")
        picture = await one.picture()
        await one.say(session_id, "look", file=picture)
        await one.say(session_id, "and now?")
        await one.gateway.files.delete([str(picture.media_id)])
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["failed", "sent"]


@pytest.mark.parametrize("step", [-3_600, -45, 3_600])
async def test_a_step_of_the_wall_clock_stops_no_sending(step: int, provider: OddProvider, tmp_path: Path) -> None:
    """Neither the pace, nor a pause that the provider asked for, nor the next try of a message."""
    stepped = timedelta(0)
    slow_down, down = text("slow down", status=429, Retry_After="1"), text("down", status=503)
    provider.will(taken(), slow_down, down, taken())
    channels = {"sms": sms(provider.address, messages_per_second=20)}
    async with outpost(tmp_path, channels, clock=lambda: now() + stepped, steady=steady) as one:
        sessions = [await one.conversation("sms", f"kim{number}") for number in range(3)]
        async with at_work(sending(one).run()):
            await one.say(sessions[0], "first")
            assert await all_over(one, sessions[0]) == ["sent"]
            provider.may_answer.clear()
            for session_id in sessions[1:]:
                await one.say(session_id, "next")
            await wait_until(lambda: len(provider.seen) >= 2)
            stepped = timedelta(seconds=step)  # while the calls are under way
            provider.may_answer.set()
            for session_id in sessions:
                await one.say(session_id, "after the step")
            assert [await all_over(one, session_id) for session_id in sessions] == [["sent", "sent"]] * 3


@pytest.mark.parametrize("page", ["", "<html>404 Not Found</html>"])
async def test_a_bare_404_is_a_refusal_and_the_log_says_with_what(
    page: str, provider: OddProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says that our address of the provider is wrong as often as that the customer's is; so nobody is told that it is the customer's."""
    provider.will(text(page, status=404))
    async with outpost(tmp_path, {"sms": sms(provider.address), "line": line(provider.address)}) as one:
        for channel in ("sms", "line"):
            session_id = await one.conversation(channel)
            await one.say(session_id, "first")
            async with at_work(sending(one).run()):
                assert await all_over(one, session_id) == ["failed"]
            (state,) = await one.deliveries(session_id)
            assert (state.code, state.reason) == ("refused", CODES["refused"].over)
    logged = [vars(record) for record in caplog.records if getattr(record, "action", "") == "outbox.failed"]
    assert [(one["channel"], one["code"], one["status"], one["provider_code"]) for one in logged] == [
        ("sms", "refused", 404, "http_404"),
        ("line", "refused", 404, "http_404"),
    ]
    assert page == "" or all(page not in str(one) for one in logged), "the provider's words may quote the customer's"


def logged(caplog: pytest.LogCaptureFixture, *actions: str) -> list[tuple[str, str | None, str | None]]:
    """(action, code, the provider's code) of each such line."""
    records = [vars(record) for record in caplog.records if getattr(record, "action", "") in actions]
    return [(one["action"], one.get("code"), one.get("provider_code")) for one in records]


async def test_the_log_says_when_messages_begin_to_wait_and_when_none_does_any_more(
    provider: OddProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each cause, not for each message nor each try."""
    caplog.set_level("INFO")
    down, busy = text("down", status=503), json({"code": 20429, "message": "Too many"}, status=429)
    provider.will(*[down] * 5, *[busy] * 3, taken())
    async with outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        sessions = [await one.conversation("sms", f"kim{number}") for number in range(4)]
        for session_id in sessions:
            await one.say(session_id, "to you")
        async with at_work(sending(one).run()):
            for session_id in sessions:
                assert await all_over(one, session_id) == ["sent"]
    assert logged(caplog, "outbox.again", "outbox.goes_on") == [
        ("outbox.again", "provider_unavailable", "http_503"),
        ("outbox.again", "rate_limited", "20429"),
        ("outbox.goes_on", None, None),
    ]


UNSENDABLE = ["“a-token-of-some-length”", "a-token-öf-some-length", "a-token-of\nsome-length"]


@pytest.mark.parametrize("token", UNSENDABLE)
@pytest.mark.parametrize("kind", ["line", "whatsapp", "messenger"])
async def test_a_message_whose_request_cant_be_written_has_failed_and_is_not_unknown(
    kind: str,
    token: str,
    provider: OddProvider,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The config is checked for such tokens; that the check knows them all is not what a customer's message may hang on."""
    channel = line(provider.address) if kind == "line" else whatsapp(provider.address)
    channel["account"]["access_tokens" if kind == "line" else "access_token"] = [token] if kind == "line" else token
    if kind == "messenger":
        del channel["account"]["phone_number_id"]
        channel |= {"kind": "messenger", "account": channel["account"] | {"page_id": "1", "app_id": "1"}}
    monkeypatch.setattr("gateway.config.loading.secret_faults", lambda *_: iter(()))
    async with outpost(tmp_path, {kind: channel}) as one:
        session_id = await one.conversation(kind, "15550001111")
        await one.say(session_id, "first")
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["failed"]
        (state,) = await one.deliveries(session_id)
    assert (state.code, state.reason) == (
        "adapter_fault",
        "The request to the provider can't be written, so nothing was sent. An operator must check the channel's token; then send it again.",
    )
    assert not provider.seen
    (record,) = [one for one in caplog.records if getattr(one, "action", "") == "outbox.unsendable"]
    assert "authorization" in vars(record)["reason"].lower()
    assert all(token not in str(vars(one)) for one in caplog.records)


async def test_what_waits_for_a_retry_goes_on_though_the_wall_clock_was_set_back_before_a_start(
    provider: OddProvider, tmp_path: Path
) -> None:
    """The old process's steady clock was an hour ahead of the new one's: no row may wait for longer than a pause between tries is."""
    provider.will(text("down", status=503), taken())
    at = now()
    async with outpost(tmp_path, {"sms": sms(provider.address)}, clock=lambda: at, steady=lambda: at) as one:
        session_id = await one.conversation("sms")
        await one.say(session_id, "first")
        async with at_work(sending(one).run()):
            await wait_until(lambda: provider.seen)
            await wait_until(lambda: not sending(one).in_hand)
        assert await one.states(session_id) == ["queued"]
    back = at - timedelta(hours=1)
    async with outpost(tmp_path, {"sms": sms(provider.address)}, clock=lambda: back, steady=lambda: back) as one:
        later = (await one.broker.outbox.look({})).later
        assert later is not None
        assert later <= LONGEST_BACKOFF
        back += timedelta(seconds=LONGEST_BACKOFF)
        async with at_work(sending(one).run()):
            assert await all_over(one, session_id) == ["sent"]
