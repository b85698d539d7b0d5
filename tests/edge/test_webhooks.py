"""How a webhook is answered, byte by byte: by the connection itself where it is as most are, and by aiohttp where it isn't, with one meaning."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.contract import RawRequest
from gateway import clock, config
from gateway.doorbell.contract import inbox_topic
from gateway.doorbell.local import LocalDoorbell
from gateway.edge.webhook_route import WebhookRoute
from gateway.edge.webhooks import Front, Webhooks
from gateway.errors import StoreUnavailable
from gateway.metrics import Metrics
from tests.world import wait_until

SECRET = "the-channels-secret"
PUBLIC = "https://gateway.example"
LIMIT = 2_000
ORGS = {"acme": {"reps": {"ana": {"name": "Ana"}}, "queues": {"support": {"name": "Support", "reps": ["ana"]}}}}
CHANNELS: dict[str, dict[str, Any]] = {
    "line": {
        "kind": "line",
        "account": {"channel_secrets": [SECRET], "access_tokens": ["a-token-of-the-channel"], "bot_user_id": "U" + "0" * 32},
    },
    "whatsapp": {
        "kind": "whatsapp",
        "account": {
            "app_secrets": [SECRET],
            "verify_token": "made-up-by-the-operator",
            "access_token": "a-token-of-the-app",
            "phone_number_id": "107000000000002",
        },
    },
}


def post(body: bytes = b"{}", *headers: bytes, path: bytes = b"/webhooks/line", length: bytes | None = None) -> bytes:
    """A webhook of LINE's, signed: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/."""
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256))
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: here", b"X-Line-Signature: " + signature, *headers]
    return b"\r\n".join([*lines, b"Content-Length: " + (length or b"%d" % len(body)), b"", b""]) + body


def in_chunks(body: bytes, *headers: bytes) -> bytes:
    """The same in one chunk."""
    head = post(body, b"Transfer-Encoding: chunked", *headers).partition(b"\r\nContent-Length")[0]
    return head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@dataclass
class Kept:
    """A store in memory. It answers at once, or when it is told to."""

    rows: list[tuple[str, RawRequest]] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)
    at_once: bool = True
    fault: Exception | None = None

    def put(self, channel_id: str, request: RawRequest, done: Any) -> None:
        """See `gateway.store.inbox_contract`."""
        self.rows.append((channel_id, request))
        self.waiting.append(done)
        if self.at_once:
            asyncio.get_running_loop().call_soon(self.commit)

    def commit(self) -> None:
        """Everything is on disk, or nothing is."""
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done(self.fault)

    @property
    def bodies(self) -> list[bytes]:
        """Of what was given, in order."""
        return [request.body for _, request in self.rows]


@dataclass
class Heard:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """Somebody's connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> Heard:
        """The next one."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Heard(int(head[0].split()[1]), headers, body)

    async def answers(self, data: bytes, count: int) -> list[int]:
        """The statuses of so many answers to these bytes."""
        self.writer.write(data)
        return [(await self.answer()).status for _ in range(count)]

    async def is_closed(self) -> bool:
        """By the gateway; anything else that it says is a fault."""
        async with asyncio.timeout(20):
            return await self.reader.read() == b""

    async def is_open(self) -> bool:
        """A webhook is answered on it."""
        return await self.answers(post(b"{}"), 1) == [200]


@dataclass
class Door:
    """All that answers webhooks, with a store in memory behind it and one address of aiohttp's beside it."""

    kept: Kept
    webhooks: Webhooks
    front: Front
    metrics: Metrics
    bell: LocalDoorbell
    server: asyncio.Server
    unfronted: asyncio.Server  # aiohttp alone
    refusing: dict[str, str]
    lines: list[Line] = field(default_factory=list)

    async def line(self, server: asyncio.Server | None = None) -> Line:
        """A new connection."""
        self.lines.append(Line(*await asyncio.open_connection(*(server or self.server).sockets[0].getsockname())))
        return self.lines[-1]

    def counted(self, outcome: str, channel_id: str = "line") -> float:
        """Of `byoc_webhooks`."""
        return self.metrics.registry.get_sample_value("byoc_webhooks_total", {"channel": channel_id, "outcome": outcome}) or 0.0

    def timed(self, channel_id: str = "line") -> float:
        """How many times were noted."""
        return self.metrics.registry.get_sample_value("byoc_webhook_seconds_count", {"channel": channel_id}) or 0.0


async def ping(request: web.Request) -> web.Response:
    """What isn't a webhook."""
    return web.Response(text=(await request.text()) or "pong")


@asynccontextmanager
async def opened(*, keepalive_seconds: float = 60.0, read_seconds: float = 20.0) -> AsyncIterator[Door]:
    channels = {name: {**channel, "org": "acme", "queue": "support"} for name, channel in CHANNELS.items()}
    loaded = config.build({"orgs": ORGS, "channels": channels})
    kept, metrics, bell = Kept(), Metrics(), LocalDoorbell()
    refusing: dict[str, str] = {}
    webhooks = Webhooks(
        loaded.channels,
        kept,
        bell,
        metrics,
        clock.now,
        public_url=PUBLIC,
        max_bytes=LIMIT,
        read_seconds=read_seconds,
        refusing=refusing,
    )
    app = web.Application()
    app.router.add_route("*", "/ping", ping)
    WebhookRoute(webhooks).install(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, lingering_time=0.2, shutdown_timeout=20)
    await runner.setup()
    behind = cast("web.Server", runner.server)
    front = Front(webhooks, behind, keepalive_seconds=keepalive_seconds)
    loop = asyncio.get_running_loop()
    server, unfronted = [await loop.create_server(factory, "127.0.0.1", 0) for factory in (front, behind)]
    door = Door(kept, webhooks, front, metrics, bell, server, unfronted, refusing)
    try:
        yield door
    finally:
        for line in door.lines:
            line.writer.close()
        server.close()
        unfronted.close()
        await asyncio.gather(front.stop(1), runner.cleanup())


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as one:
        yield one


# ------------------------------------------------------------------------------------- exchanges, byte by byte

LONG = b"x" * (LIMIT + 1)
ONE, TWO = b'{"events": [1]}', b'{"events": [2]}'
FORGED = post(ONE).replace(b"X-Line-Signature: ", b"X-Line-Signature: A")
PING = b"GET /ping HTTP/1.1\r\nHost: here\r\n\r\n"
# What is sent; the statuses of the answers; the bodies that are kept; whether the connection stays.
EXCHANGES: dict[str, tuple[bytes, list[int], list[bytes], bool]] = {
    "a webhook": (post(ONE), [200], [ONE], True),
    "one without a body": (post(b""), [200], [b""], True),
    "two in one packet": (post(ONE) + post(TWO), [200, 200], [ONE, TWO], True),
    "a hundred in one packet": (post(ONE) * 100, [200] * 100, [ONE] * 100, True),
    "a forged one between two": (post(ONE) + FORGED + post(TWO), [200, 403, 200], [ONE, TWO], True),
    "kept alive in so many words": (post(ONE, b"Connection: Keep-Alive") + post(TWO), [200, 200], [ONE, TWO], True),
    "below the channel's address": (post(ONE, path=b"/webhooks/line/below/it"), [200], [ONE], True),
    "another address": (PING, [200], [], True),
    "another address with a body": (
        b"POST /ping HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nabc" + PING,
        [200, 200],
        [],
        True,
    ),
    # aiohttp has the connection from the first request that isn't as most are; a usual webhook on it ends it.
    "another address before and between": (PING + post(ONE) + PING + post(TWO), [200, 200], [ONE], False),
    "another address after a webhook": (post(ONE) + PING + PING, [200, 200, 200], [ONE], True),
    "with a query": (post(ONE, path=b"/webhooks/line?a=b") + post(TWO, path=b"/webhooks/line?a=c"), [200, 200], [ONE, TWO], True),
    "a channel's id in percents": (post(ONE, path=b"/webhooks/l%69ne"), [200], [ONE], False),
    "the whole address": (post(ONE, path=b"http://here/webhooks/line"), [200], [ONE], False),
    "in chunks": (in_chunks(ONE) + in_chunks(TWO), [200, 200], [ONE, TWO], True),
    "of HTTP/1.0": (post(ONE).replace(b"HTTP/1.1", b"HTTP/1.0"), [200], [ONE], False),
    "to be the last": (post(ONE, b"Connection: close"), [200], [ONE], False),
    "announced": (post(ONE, b"Expect: 100-continue"), [100, 200], [ONE], False),
    "a header's name twice": (post(ONE, b"X-Forwarded-For: 1", b"X-Forwarded-For: 2"), [200], [ONE], False),
    "a header that isn't UTF-8": (post(ONE, b"X-City: Z\xfcrich") + post(TWO), [200, 200], [ONE, TWO], True),
    "a setup call": (
        b"GET /webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=made-up-by-the-operator&hub.challenge=77 HTTP/1.1\r\nHost: here\r\n\r\n",
        [200],
        [],
        True,
    ),
    "by a method that the provider doesn't use": (b"GET /webhooks/line HTTP/1.1\r\nHost: here\r\n\r\n", [403], [], True),
    "by HEAD": (b"HEAD /webhooks/line HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", [405], [], False),
    "by PUT": (b"PUT /webhooks/line HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n", [405], [], True),
    "a channel that isn't there": (post(ONE, path=b"/webhooks/nowhere"), [404], [], True),
    "over the limit": (post(LONG)[: -len(LONG)], [413], [], False),  # answered though nothing of its body arrives
    "in chunks over the limit": (in_chunks(LONG), [413], [], True),
    "without a host": (post(ONE).replace(b"Host: here\r\n", b""), [400], [], False),
    "two lengths": (post(ONE, b"Content-Length: 2"), [400], [], False),
    "a length and chunks": (post(ONE, b"Transfer-Encoding: chunked"), [400], [], False),
    "a length with a sign": (post(ONE, length=b"+15"), [400], [], False),
    "a length that no body has": (post(ONE, length=b"9" * 30), [400], [], False),
    "a space before the colon": (post(ONE, b"X-Any : 1"), [400], [], False),
    "a line that goes on": (post(ONE, b"X-Any: 1", b" 2"), [400], [], False),
    "a NUL in a header": (post(ONE, b"X-Any: \x00"), [400], [], False),
    "too many headers": (post(ONE, *(b"X-%d: 1" % n for n in range(130))), [400], [], False),
    "a header that is too long": (post(ONE, b"X-Any: " + b"x" * 9_000), [400], [], False),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400], [], False),
}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange(name: str, door: Door) -> None:
    await exchange(name, door)


def test_every_exchange_on_the_loop_that_a_gateway_runs_on() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def each() -> None:
        for name in EXCHANGES:
            async with opened() as door:
                await exchange(name, door)
        for end in (stopped_with_work_in_hand, stopped_in_time):
            async with opened() as door:
                await end(door)

    uvloop.run(each())


async def exchange(name: str, door: Door) -> None:
    """One of the table."""
    sent, statuses, bodies, stays = EXCHANGES[name]
    line = await door.line()
    if name == "by HEAD":  # its answer has a length, and no body
        line.writer.write(sent)
        assert (await line.reader.readuntil(b"\r\n\r\n")).split()[1] == b"405"
    else:
        assert await line.answers(sent, len(statuses)) == statuses
    assert door.kept.bodies == bodies
    if stays:
        assert (await line.answers(PING, 1)) == [200]
    else:
        assert await line.is_closed()
    assert door.counted("accepted") == len(bodies)
    assert door.timed() == len(bodies)


class Wire(asyncio.Transport):
    """The server's end of a connection, for a test that decides what arrives when."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self.written, self.closed, self.reading = b"", False, True
        self.first = door.front()
        self.protocol: asyncio.BaseProtocol = self.first
        self.first.connection_made(self)

    def arrives(self, data: bytes) -> None:
        """Some bytes of it."""
        cast("asyncio.Protocol", self.protocol).data_received(data)

    async def answers(self, count: int) -> list[bytes]:
        """The statuses of all that was answered, once there are so many."""
        await wait_until(lambda: self.written.count(b"HTTP/1.1 ") >= count)
        return [part[:3] for part in self.written.split(b"HTTP/1.1 ")[1:]]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def test_packets_may_be_cut_anywhere(door: Door) -> None:
    stream = post(ONE) + FORGED + post(b"") + post(TWO) + PING
    for at in range(1, len(stream)):
        wire = Wire(door)
        wire.arrives(stream[:at])
        wire.arrives(stream[at:])
        assert await wire.answers(5) == [b"200", b"403", b"200", b"200", b"200"], stream[:at]
        wire.close()
    assert door.kept.bodies == [ONE, b"", TWO] * (len(stream) - 1)


async def test_every_byte_may_be_a_packet(door: Door) -> None:
    wire = Wire(door)
    for number in range(len(post(ONE))):
        wire.arrives(post(ONE)[number : number + 1])
    assert await wire.answers(1) == [b"200"]
    assert door.kept.bodies == [ONE]
    wire.close()


# ------------------------------------------------------------------------------------- one meaning

_NAMES = st.sampled_from(["X-Any", "x-any", "X_Any", "Content-Type", "Content-Encoding", "Cookie", "X-Line-Signature", "X.Any"])
_VALUES = st.binary(max_size=12).map(lambda value: bytes(b for b in value if b not in b"\r\n"))
_ODD = st.sampled_from(
    [
        b"Connection: keep-alive",
        b"Connection: close",
        b"Expect: 100-continue",
        b"Content-Length: 2",
        b"Host: two",
        b"Upgrade: x",
        b"A:b",
        b"A:",
    ]
)
_TARGETS = st.text("/webhooks.line~-_%?#=&;é ", max_size=8).map(lambda text: b"/webhooks/line" + text.encode())


async def test_whichever_way_a_webhook_goes_it_is_kept_alike(door: Door) -> None:
    """Each is sent to the connection in front and to aiohttp alone: the answer has the same status, and the same is kept."""
    loop = asyncio.get_running_loop()

    async def sent(request: bytes, server: asyncio.Server) -> tuple[Any, ...]:
        door.kept.rows.clear()
        line = await door.line(server)
        line.writer.write(request)
        heard = await line.answer()
        if heard.status == 100:
            heard = await line.answer()
        line.writer.close()
        kept = [(channel_id, replace(raw, received_at=clock.now().min)) for channel_id, raw in door.kept.rows]
        told = heard.headers.get("content-type"), heard.headers.get("server"), heard.headers.get("retry-after")
        return heard.status, heard.body, told if heard.status != 400 else None, kept

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        body=st.binary(max_size=30),
        headers=st.lists(st.tuples(_NAMES, _VALUES).map(lambda one: one[0].encode() + b": " + one[1]) | _ODD, max_size=5),
        path=_TARGETS | st.just(b"/webhooks/line"),
        length=st.sampled_from([b"%d"] * 4 + [b"00%d", b"  %d", b"%d \t", b"-%d", b"+%d", b"0x%d", b"%d, %d", b""]),
        change=st.sampled_from(
            [(b"", b"")] * 4 + [(b"HTTP/1.1", b"HTTP/1.0"), (b"POST", b"GET"), (b"POST", b"post"), (b"Host:", b"host:\t")]
        ),
    )
    def any_request(body: bytes, headers: Sequence[bytes], path: bytes, length: bytes, change: tuple[bytes, bytes]) -> None:
        request = post(body, *headers, path=path, length=length.replace(b"%d", b"%d" % len(body)) or b" ").replace(*change, 1)
        ours, theirs = (
            asyncio.run_coroutine_threadsafe(sent(request, server), loop).result(60) for server in (door.server, door.unfronted)
        )
        assert ours == theirs

    await asyncio.to_thread(any_request)


# ------------------------------------------------------------------------------------- what is kept


async def test_what_is_kept_is_what_was_sent(door: Door) -> None:
    line = await door.line()
    request = post(ONE, b"X-City: Z\xfcrich", b"Authorization:  Bearer x \t", path=b"/webhooks/line/a/~b.c")
    assert await line.answers(request, 1) == [200]
    ((channel_id, raw),) = door.kept.rows
    assert (channel_id, raw.method, raw.url, raw.path) == ("line", "POST", f"{PUBLIC}/webhooks/line/a/~b.c", "/a/~b.c")
    assert (raw.query, raw.body) == ((), ONE)
    assert raw.headers["x-city"].encode("utf-8", "surrogateescape") == b"Z\xfcrich"
    assert raw.headers["authorization"] == "Bearer x"
    assert [name for name in raw.headers if name != name.lower()] == []
    assert raw.received_at.tzinfo is not None


async def test_it_is_answered_when_it_is_on_disk_and_not_before(door: Door) -> None:
    door.kept.at_once = False
    wire = Wire(door)
    wire.arrives(post(ONE))
    await asyncio.sleep(0.01)
    assert (wire.written, door.counted("accepted")) == (b"", 0)
    door.kept.commit()
    assert await wire.answers(1) == [b"200"]
    assert door.counted("accepted") == 1
    await door.bell.wait(inbox_topic("line"), 60)  # the receiver is told
    wire.close()


async def test_each_is_answered_before_the_next_is_looked_at(door: Door) -> None:
    door.kept.at_once = False
    wire = Wire(door)
    wire.arrives(post(ONE) + post(TWO)[:40])
    wire.arrives(post(TWO)[40:] + PING)
    assert door.kept.bodies == [ONE]
    assert not wire.reading, "what is sent on and on waits at the other side"
    door.kept.commit()
    await wait_until(lambda: len(door.kept.rows) == 2)
    assert wire.written.count(b"HTTP/1.1 200") == 1
    door.kept.commit()
    assert await wire.answers(3) == [b"200"] * 3
    assert wire.reading
    wire.close()


async def test_one_who_reads_no_answers_is_not_read_from(door: Door) -> None:
    wire = Wire(door)
    wire.first.pause_writing()
    wire.arrives(post(ONE))
    wire.arrives(post(TWO))
    assert (door.kept.bodies, wire.reading) == ([], False)
    wire.first.resume_writing()
    assert await wire.answers(2) == [b"200", b"200"]
    assert (door.kept.bodies, wire.reading) == ([ONE, TWO], True)
    wire.close()


async def test_one_who_is_gone_before_the_answer_leaves_a_webhook_that_is_kept(door: Door) -> None:
    door.kept.at_once = False
    wire = Wire(door)
    wire.arrives(post(ONE) + post(TWO))
    wire.close()
    await asyncio.sleep(0)
    door.kept.commit()
    await asyncio.sleep(0)
    assert (wire.written, door.kept.bodies, door.counted("accepted")) == (b"", [ONE], 1)
    assert door.front.connections == set()


async def test_one_who_is_gone_in_the_middle_of_a_body_leaves_nothing(door: Door) -> None:
    line = await door.line()
    line.writer.write(post(ONE)[:-1])
    await wait_until(lambda: any(one._slow for one in door.front.connections))
    line.writer.close()
    await wait_until(lambda: not door.front.connections)
    assert door.kept.rows == []


# ------------------------------------------------------------------------------------- when it isn't


async def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async with opened(read_seconds=0.05) as door:
        line = await door.line()
        line.writer.write(post(ONE) + post(TWO)[:-1])
        assert (await line.answer()).status == 200
        slow = await line.answer()
        assert (slow.status, slow.headers["connection"]) == (408, "close")
        assert b"request_too_slow" in slow.body
        assert await line.is_closed()
        assert (door.kept.bodies, door.counted("refused")) == ([ONE], 1)


async def test_without_a_disk_the_provider_is_told_to_send_it_again(door: Door) -> None:
    door.kept.fault = StoreUnavailable("the disk is full")
    line = await door.line()
    line.writer.write(post(ONE) + post(TWO))
    for _ in range(2):
        heard = await line.answer()
        assert (heard.status, heard.headers["retry-after"], heard.headers["content-type"]) == (
            503,
            "5",
            "application/problem+json",
        )
    assert (door.counted("failed"), door.counted("accepted"), door.timed()) == (2, 0, 0)
    door.kept.fault = None
    assert await line.is_open()


async def test_a_request_that_cannot_be_stored_fails_alone(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.kept.fault = ValueError("no row can hold this")
    line = await door.line()
    line.writer.write(post(ONE))
    heard = await line.answer()
    assert (heard.status, b"internal_error" in heard.body) == (500, True)
    (record,) = [record for record in caplog.records if getattr(record, "action", "") == "webhook.failed"]
    assert (record.__dict__["reason"], record.exc_info is not None) == ("ValueError", True)
    door.kept.fault = None
    assert await line.is_open()


async def test_a_forged_one_is_logged_and_leaves_no_row(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    line = await door.line()
    line.writer.write(FORGED)
    heard = await line.answer()
    assert (heard.status, heard.body, heard.headers["server"]) == (403, b"not authentic\n", "byoc")
    assert [record.__dict__["channel"] for record in caplog.records if getattr(record, "action", "") == "webhook.refused"] == [
        "line"
    ]
    assert (door.kept.rows, door.counted("refused")) == ([], 1)


async def test_an_adapter_that_fails_costs_one_answer(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("a bug")

    line = await door.line()
    with monkeypatch.context() as patch:
        channel = cast("Any", door.webhooks.channels["line"])
        patch.setattr(channel, "adapter", replace(channel.adapter, verify=broken))
        assert await line.answers(post(ONE), 1) == [500]
    assert await line.is_open()


async def test_the_answers_date_is_that_of_its_second(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count(1)
    monkeypatch.setattr("gateway.edge.webhook_answers.formatdate", lambda usegmt: f"date {next(numbers)}")
    line = await door.line()
    dates = []
    for second in (1, 1, 2):
        monkeypatch.setattr("gateway.edge.webhook_answers.time", lambda second=second: second + 0.5)
        line.writer.write(post(ONE))
        dates.append((await line.answer()).headers["date"])
    assert dates == ["date 1", "date 1", "date 2"]


# ------------------------------------------------------------------------------------- the end


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    async with opened(keepalive_seconds=0.05) as door:
        line = await door.line()
        assert await line.is_open()
        assert await line.is_closed()
        fresh = await door.line()
        assert await fresh.is_closed()


async def test_a_stop_answers_what_has_begun_and_closes_the_rest(door: Door) -> None:
    await stopped_with_work_in_hand(door)


async def stopped_with_work_in_hand(door: Door) -> None:
    """One webhook is being kept, half of another has arrived, and a third connection is idle."""
    door.kept.at_once = False
    idle, kept, half = [await door.line() for _ in range(3)]
    kept.writer.write(post(ONE) + PING)
    half.writer.write(post(TWO)[:-1])
    await wait_until(
        lambda: door.kept.rows and any(one._slow for one in door.front.connections) and len(door.front.connections) == 3
    )
    stopping = asyncio.create_task(door.front.stop(60))
    assert await idle.is_closed()
    half.writer.write(post(TWO)[-1:])
    await wait_until(lambda: len(door.kept.rows) == 2)
    assert not stopping.done()
    door.kept.commit()
    for line in (kept, half):
        assert (await line.answer()).status == 200
        assert await line.is_closed()
    await stopping


async def test_a_stop_waits_only_so_long(door: Door) -> None:
    await stopped_in_time(door)


async def stopped_in_time(door: Door) -> None:
    """The disk doesn't answer."""
    door.kept.at_once = False
    line = await door.line()
    line.writer.write(post(ONE))
    await wait_until(lambda: door.kept.rows)
    await door.front.stop(0.01)
    assert await line.is_closed()
    door.kept.commit()  # whoever is told then is gone


# ------------------------------------------------------------------------------------------------ put off for now

SETUP = EXCHANGES["a setup call"][0]


async def test_what_is_put_off_is_told_when_to_come_again_and_neither_verified_nor_kept(door: Door) -> None:
    line = await door.line()
    door.refusing["line"] = "too many"
    line.writer.write(post(ONE) + FORGED)
    for answer in (await line.answer(), await line.answer()):
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (door.kept.rows, door.counted("put_off"), door.counted("refused")) == ([], 2, 0)
    del door.refusing["line"]
    assert await line.answers(post(ONE), 1) == [200], "on the same connection"


@pytest.mark.parametrize("name", ["with a query", "in chunks", "a channel's id in percents"])
async def test_by_aiohttps_road_too(name: str, door: Door) -> None:
    door.refusing["line"] = "too many"
    line = await door.line()
    assert (await line.answers(EXCHANGES[name][0], 1)) == [503]
    assert (door.kept.rows, door.counted("put_off") >= 1) == ([], True)


async def test_others_are_not_put_off_and_setup_calls_never_are(door: Door) -> None:
    door.refusing["whatsapp"] = "too many"
    line = await door.line()
    assert await line.answers(post(ONE) + SETUP, 2) == [200, 200]


async def test_a_long_body_is_not_read(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered though nothing of it arrives."""
    monkeypatch.setattr("gateway.edge.webhooks._MOST_OF_A_HANDSHAKE", 100)
    door.refusing["line"] = "too many"
    line, body = await door.line(), b"x" * 101
    line.writer.write(post(body)[: -len(body)])
    answer = await line.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert await line.is_closed()
