"""Every code in every channel's table of refusals, by both roads: as the answer to our call, and later, of a message that was taken.

What the rep reads must be what becomes of the message. Real HTTP to a provider that refuses as it is told, the real sender, the real store.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

import adapters
from adapters import registry
from adapters._meta.platform.failures import ERRORS as PLATFORM_ERRORS
from adapters._meta.platform.outbound import _ELSEWHERE as OWN_WORDS
from adapters._twilio.failures import MEANINGS as TWILIO_ERRORS
from adapters.apple.outbound import MESSAGE_ERRORS as APPLE_ERRORS
from adapters.contract import RawRequest
from adapters.errors import Verdict
from adapters.line.outbound import MEANINGS as LINE_ERRORS
from adapters.line.wire import _CODES as LINE_TEXTS
from adapters.open.outbound import _FAILURES as OPEN_ERRORS
from adapters.replies import AGAIN, CODES, Meaning
from adapters.webchat.outbound import _FAILURES as WEBCHAT_ERRORS
from adapters.whatsapp.failures import ERRORS as WHATSAPP_ERRORS
from gateway.journal.driver import peers_of
from gateway.journal.sender import Sender
from gateway.session.model import DeliveryState
from tests.journal.outpost import QUIET, Outpost, at_work
from tests.journal.provider import OddProvider, Seen, odd_provider
from tests.world import wait_until

DETAIL = "the provider's own words"
Answer = Callable[[str], web.Response]


def graph(code: str) -> web.Response:
    number, _, subcode = code.partition("/")
    error = {"code": int(number or 100), "message": DETAIL, **({"error_subcode": int(subcode)} if subcode else {})}
    return web.json_response({"error": error}, status=400)


def twilio(code: str) -> web.Response:
    return web.json_response({"code": int(code), "message": DETAIL, "status": 400}, status=400)


def named(code: str) -> web.Response:
    return web.json_response({"code": code, "detail": DETAIL}, status=422)


def status(code: str) -> web.Response:
    return web.Response(status=int(code.removeprefix("http_")), text=DETAIL)


def lines(code: str) -> web.Response:
    """LINE has texts in the place of codes."""
    if code.startswith("http_"):
        return status(code)
    properties = {"text_too_long": "messages[0].text", "media_url": "messages[0].originalContentUrl", "recipient": "to"}
    if code in properties:
        details = [{"property": properties[code], "message": "Length must be between 0 and 5000"}]
        return web.json_response({"message": "The request body has 1 error(s)", "details": details}, status=400)
    (text,) = (text for text, name in LINE_TEXTS if name == code)
    return web.json_response({"message": f"{text}. {DETAIL}"}, status=429 if "limit" in code else 400)


TABLES: Mapping[str, tuple[Mapping[str, Meaning], Answer]] = {
    "sms": (TWILIO_ERRORS, twilio),
    "whatsapp-twilio": (TWILIO_ERRORS, twilio),
    "whatsapp": (WHATSAPP_ERRORS, graph),
    "messenger": (PLATFORM_ERRORS, graph),
    "instagram": (PLATFORM_ERRORS, graph),
    "line": (LINE_ERRORS, lines),
    "apple": (APPLE_ERRORS, status),
    "open": (OPEN_ERRORS, named),
    "webchat": (WEBCHAT_ERRORS, named),
}
# Late, these say that nothing was delivered and pass by themselves. All else is over.
SENT_ONCE_MORE = {
    "whatsapp": {"130429", "131056"},
    "sms": {"30001", "20429"},
    "whatsapp-twilio": {"30001", "20429"},
    "open": set(),
}
# Meta says at times that the window is over although it is open, and takes the same a minute later.
MEANT_OTHERWISE = {("whatsapp", "131047"): AGAIN}
# A promise that something happens without the rep.
PROMISE = re.compile(r"automatically|try again\b|still preparing|is waiting")


def test_every_channel_is_walked() -> None:
    assert set(TABLES) == {kind for kind, adapter in registry.load().items() if type(adapter).__module__.startswith("adapters.")}


def test_a_final_sentence_promises_nothing_and_a_waiting_one_does() -> None:
    for code, words in CODES.items():
        assert not PROMISE.search(words.over), code
        assert words.waits is None or PROMISE.search(words.waits), code


def tables() -> Iterator[tuple[str, Meaning]]:
    """Of all modules, those for uploads, downloads and tokens too."""
    for module in pkgutil.walk_packages(adapters.__path__, "adapters."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Mapping) and value and all(isinstance(one, Meaning) for one in value.values()):
                yield from ((f"{module.name}.{name}[{code}]", meaning) for code, meaning in value.items())


def test_whatever_lets_a_message_wait_has_a_sentence_for_it() -> None:
    found = list(tables())
    assert len(found) > 400
    for where, meaning in found:
        words = CODES[meaning.code]
        assert meaning.verdict is not Verdict.again or words.waits, where
        assert meaning.late_wait is None or words.waits, where
        assert meaning.late_code is None or meaning.late_code in CODES, where


# ------------------------------------------------------------------------------------------------- the walk


NUMBERS = {"whatsapp": "1555{:07d}", "sms": "+1555{:07d}", "whatsapp-twilio": "whatsapp:+1555{:07d}"}


def customer(kind: str, number: int) -> str:
    return NUMBERS.get(kind, "kim-{}").format(number)


class Walk:
    """One channel, and a conversation for each code."""

    def __init__(self, kind: str, one: Outpost, provider: OddProvider) -> None:
        self.kind, self.one, self.provider = kind, one, provider
        self.sessions: dict[str, str] = {}
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def say(self, code: str, number: int) -> None:
        self.sessions[code] = await self.one.conversation(self.kind, customer(self.kind, number))
        await self.one.say(self.sessions[code], f"CASE{number}.")

    async def state(self, code: str) -> DeliveryState:
        (state,) = await self.one.deliveries(self.sessions[code])
        return state

    async def tried(self, code: str) -> bool:
        """Whether an outcome of its first try is kept."""
        query = "SELECT count(*) AS n FROM outbox_attempts a JOIN outbox o ON o.id = a.outbox_id WHERE o.session_id = ?"
        return bool(await self.one.gateway.store.readers.run(lambda c: c.execute(query, (self.sessions[code],)).fetchone()["n"]))

    async def last_detail(self, outbox_id: str) -> str:
        """What operators see of the last try."""
        query = "SELECT detail FROM outbox_attempts WHERE outbox_id = ? ORDER BY attempt"
        return str(await self.one.gateway.store.readers.run(lambda c: c.execute(query, (outbox_id,)).fetchall()[-1]["detail"]))

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """A sender of its own, which no account's earlier throttling holds up."""
        gateway = self.one.gateway
        sender = Sender(self.one.broker.outbox, gateway.driver, peers_of(gateway.loaded.channels), gateway.bell, self.now)
        async with at_work(sender.run()):
            yield
            await sender.drain()  # a call that is cut off has no outcome


@asynccontextmanager
async def walk(kind: str, answer: Callable[[Seen], web.StreamResponse], data_dir: Path) -> AsyncIterator[Walk]:
    async with odd_provider() as provider:
        provider.will(answer)
        account = registry.load()[kind].demo(kind, provider.address, f"{provider.address}/webhooks/{kind}")
        account |= {"api_base": provider.address} if kind == "webchat" else {}
        account |= {"deliver_url": f"{provider.address}/deliver"} if kind == "open" else {}
        channel = {
            "kind": kind,
            "org": "acme",
            "queue": "support",
            "notices": QUIET,
            "account": account,
            "messages_per_second": 500,
        }
        one = Outpost(data_dir, {kind: channel}, clock=lambda: walking.now())
        walking = Walk(kind, one, provider)
        await one.gateway.inbox.open()
        await one.broker.open()
        try:
            yield walking
        finally:
            await one.gateway.driver.close()
            await one.gateway.inbox.close()
            await one.broker.close()


def case(seen: Seen) -> int:
    found = re.search(rb"CASE(\d+)", seen.body)
    assert found, seen
    return int(found[1])


@pytest.mark.parametrize("kind", TABLES)
async def test_the_answer_to_our_call(kind: str, tmp_path: Path) -> None:
    table, answer = TABLES[kind]
    codes = sorted(table, key=lambda code: (table[code].throttles_account, code))

    def refuse(seen: Seen) -> web.Response:
        code = codes[case(seen)]
        reply = answer(code)
        if table[code].throttles_account:
            reply.headers["Retry-After"] = "3600"  # so that its next try doesn't hold up the next code's
        return reply

    async with walk(kind, refuse, tmp_path) as walking:
        for number, code in enumerate(codes):
            await walking.say(code, number)
            if table[code].throttles_account:  # it would hold up the others
                async with walking.sending():
                    await wait_until(partial(walking.tried, code), what=code)
            elif number + 1 == len(codes) or table[codes[number + 1]].throttles_account:
                async with walking.sending():
                    for one in codes[: number + 1]:
                        await wait_until(partial(walking.tried, one), what=one)
        waiting = []
        for code in codes:
            state, meaning = await walking.state(code), MEANT_OTHERWISE.get((kind, code), table[code])
            assert (code, state.code) == (code, meaning.code)
            if meaning.verdict is Verdict.again:
                waiting.append(code)
                assert (code, state.reason) == (code, CODES[meaning.code].waits)
                assert state.status in ("queued", "sending"), code
            else:
                assert (code, state.status) == (code, "unknown" if meaning.verdict is Verdict.unknown else "failed")
                assert state.reason in (CODES[meaning.code].over, OWN_WORDS), code
        # A day later nothing is tried any more, and none of it promises that.
        walking.ahead = timedelta(hours=25)
        async with walking.sending():
            for code in waiting:
                await wait_until(partial(_is, walking, code, "failed"), what=code)
        for code in waiting:
            state = await walking.state(code)
            assert state.reason == CODES[state.code or ""].over
            assert not PROMISE.search(state.reason or "")


async def _is(walking: Walk, code: str, status: str) -> bool:
    return (await walking.state(code)).status == status


# --------------------------------------------------------------------------------------------------- late


def whatsapp_status(walking: Walk, code: str, number: int) -> dict[str, Any]:
    account = walking.one.gateway.loaded.channels["whatsapp"].account.model_dump()
    error = {"code": int(code), "title": "Failed", "error_data": {"details": DETAIL}}
    told = {
        "id": f"ID{number}",
        "status": "failed",
        "timestamp": "1789640000",
        "recipient_id": customer("whatsapp", number),
        "errors": [error],
    }
    value = {"metadata": {"phone_number_id": account["phone_number_id"]}, "statuses": [told]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}


async def late(walking: Walk, code: str, number: int) -> None:
    """The provider's status, through the adapter."""
    kind, content_type, query = walking.kind, "application/json", ""
    if kind == "whatsapp":
        body = json.dumps(whatsapp_status(walking, code, number)).encode()
    elif kind == "open":
        ours = (await walking.state(code)).outbox_id
        event = {
            "type": "receipt",
            "from": customer(kind, number),
            "status": "failed",
            "ids": [ours],
            "code": code,
            "detail": DETAIL,
        }
        body = json.dumps(event).encode()
    else:
        sid = f"SM{number:032x}"
        fields = {
            "MessageSid": sid,
            "MessageStatus": "undelivered",
            "ErrorCode": code,
            "ErrorMessage": DETAIL,
            "To": customer(kind, number),
        }
        body, content_type = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        query = (await walking.state(code)).outbox_id
    channel = walking.one.gateway.loaded.channels[kind]
    headers = {"content-type": content_type, "webhook-id": f"late-{number}", "x-twilio-signature": f"late-{number}"}
    request = RawRequest("POST", "https://gw.example", "", (("m", query),) if query else (), headers, body, walking.now())
    assert await walking.one.broker.take_in(channel.adapter.parse(request, channel.account)) == [None]


def taken(seen: Seen) -> web.Response:
    number = case(seen)
    return web.json_response({"sid": f"SM{number:032x}", "messages": [{"id": f"ID{number}"}]}, status=201)


@pytest.mark.parametrize("kind", SENT_ONCE_MORE)
async def test_a_late_status(kind: str, tmp_path: Path) -> None:
    table, _ = TABLES[kind]
    # A subcode comes in the answer to a call alone. The last is in no table.
    codes = [*sorted(code for code in table if "/" not in code), "99999"]
    async with walk(kind, taken, tmp_path) as walking:
        for number, code in enumerate(codes):
            await walking.say(code, number)
        async with walking.sending():
            for code in codes:
                await wait_until(partial(_is, walking, code, "sent"), what=code)
        for number, code in enumerate(codes):
            await late(walking, code, number)
        for code in codes:
            state = await walking.state(code)
            assert (code, state.status) == (code, "queued" if code in SENT_ONCE_MORE[kind] else "failed")
            assert state.code in CODES
            words = CODES[state.code or ""]
            assert (code, state.reason) == (code, words.waits if state.status == "queued" else words.over)
            assert DETAIL in await walking.last_detail(state.outbox_id)
        # What says that it waits goes out; what doesn't, doesn't.
        walking.ahead, before = timedelta(minutes=10), len(walking.provider.seen)
        async with walking.sending():
            for code in SENT_ONCE_MORE[kind]:
                await wait_until(partial(_is, walking, code, "sent"), what=code)
        assert {codes[case(seen)] for seen in walking.provider.seen[before:]} == SENT_ONCE_MORE[kind]


async def test_a_late_131053_is_about_the_file(tmp_path: Path) -> None:
    async with walk("whatsapp", taken, tmp_path) as walking:
        await walking.say("131053", 0)
        async with walking.sending():
            await wait_until(lambda: _is(walking, "131053", "sent"))
        await late(walking, "131053", 0)
        state = await walking.state("131053")
        assert (state.status, state.code) == ("failed", "media_refused")
