"""Bodies are cut off while they come in; who asks too often waits."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.edge.limits import Buckets, Limits, Rate
from tests.edge.conftest import Site

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"limits": getattr(request, "param", Limits(max_body_bytes=10_000, max_file_bytes=50_000, body_seconds=20))}


async def test_a_body_that_announces_too_much_is_refused_before_a_byte_of_it(site: Site) -> None:
    async with _half_request(site, "Content-Length: 1000000000") as (reader, _):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in head


async def test_a_form_that_announces_too_much_is_refused_before_a_byte_of_it(site: Site) -> None:
    headers = ("Content-Length: 1000000000", "Content-Type: multipart/form-data; boundary=x")
    async with _half_request(site, *headers) as (reader, _):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")


async def test_a_stranger_is_refused_before_a_byte_of_the_body(site: Site) -> None:
    async with _half_request(site, "Content-Length: 5000", login="nobody") as (reader, _):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")


async def test_a_body_without_a_length_is_cut_off_at_the_limit(site: Site) -> None:
    async with _half_request(site, "Transfer-Encoding: chunked") as (reader, writer):
        answer = asyncio.create_task(reader.readline())
        sent = 0
        while not answer.done() and sent < 1_000_000:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()
            await asyncio.wait([answer], timeout=0.05)
            sent += 0x1000
        assert (await answer).startswith(b"HTTP/1.1 413 ")
        assert sent < 100_000


async def test_what_a_compressed_body_unpacks_to_counts(site: Site) -> None:
    bomb = gzip.compress(json.dumps({"text": "x" * 5_000_000}).encode())
    assert len(bomb) < 10_000
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=bomb, headers=headers)
    assert (reply.status, reply.code) == (413, "too_large")


async def test_a_compressed_body_within_the_limit_is_read(site: Site) -> None:
    body = gzip.compress(json.dumps({"text": "hello"}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = await site.api(login="ana")("POST", "/sessions/none/messages", data=body, headers=headers)
    assert reply.code == "session_not_found"


async def test_a_body_that_isnt_compressed_as_it_says_is_400(site: Site) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=b"{}", headers=headers)
    assert reply.status == 400


async def test_the_largest_body_passes(site: Site) -> None:
    frame = len(json.dumps({"text": ""}))
    for size, status in ((10_000 - frame, 404), (10_001 - frame, 413)):
        reply = await site.api(login="ana").post("/sessions/none/messages", {"text": "x" * size})
        assert reply.status == status


@pytest.mark.parametrize("settings", [Limits(body_seconds=0.2)], indirect=True)
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_trickles_is_given_up(site: Site, content_type: str) -> None:
    async with _half_request(site, "Content-Length: 5000", f"Content-Type: {content_type}") as (reader, writer):
        writer.write(b'{"')
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")


async def test_a_caller_who_goes_in_the_middle_of_a_body_leaves_nothing_behind(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with _half_request(site, "Content-Length: 5000", "Content-Type: application/json") as (_, writer):
        writer.write(b'{"text": ')
        await writer.drain()
    assert (await site.api(login="ana").get("/me")).status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("settings", [Limits(requests=Rate(per_second=0.01, burst=3))], indirect=True)
async def test_who_asks_too_often_waits_and_others_dont(site: Site) -> None:
    ana = site.api(login="ana")
    replies = [await ana.get("/me") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert 90 <= int(replies[3].headers["Retry-After"]) <= 100
    assert (await site.api(login="ben").get("/me")).status == 200


@pytest.mark.parametrize("settings", [Limits(wrong_tokens=Rate(per_second=0.01, burst=2))], indirect=True)
async def test_who_guesses_tokens_waits(site: Site) -> None:
    assert (await site.api(login="ana").get("/me")).status == 200
    replies = [await site.api(f"guess-{n}").get("/me") for n in range(3)]
    assert [reply.status for reply in replies] == [401, 401, 429]
    assert (await site.api(login="ana").get("/me")).status == 200


class Time:
    """Seconds that are set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_up_again_with_time() -> None:
    time = Time()
    buckets = Buckets(Rate(per_second=2, burst=3), time)
    assert [buckets.take("ana") for _ in range(4)] == [0, 0, 0, 1]
    time.now += 0.499
    assert buckets.take("ana") == 1
    time.now += 0.001
    assert buckets.take("ana") == 0
    time.now += 3_600
    assert [buckets.take("ana") for _ in range(4)] == [0, 0, 0, 1]


def test_a_slow_bucket_says_how_long_to_wait() -> None:
    buckets = Buckets(Rate(per_second=0.1, burst=1), Time())
    assert [buckets.take("ana"), buckets.take("ana"), buckets.wait("ana")] == [0, 10, 10]


def test_buckets_are_bounded() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), Time())
    for number in itertools.islice(itertools.count(), 50_100):
        buckets.take(str(number))
    assert len(buckets._levels) == 50_000


@asynccontextmanager
async def _half_request(
    site: Site, *headers: str, login: str = "ana"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The head of a POST of a message, and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.http.port)
    lines = ["POST /api/v1/sessions/x/messages HTTP/1.1", "Host: x", f"Authorization: Bearer token-{login}", *_with_type(headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()


def _with_type(headers: tuple[str, ...]) -> Iterator[str]:
    yield from headers
    if not any(header.startswith("Content-Type") for header in headers):
        yield "Content-Type: application/json"
