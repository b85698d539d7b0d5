"""What crossed the wire for a line of a handset: on every channel, through a whole demo, and piece by piece."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.contract import Answer, RawRequest
from adapters.simulation import Action
from gateway.config import Channel
from gateway.demo import cast, wire
from gateway.demo.wire import Crossing, Step, Wire
from gateway.demo.wire_text import MASKED, Mask, request_text, unpacked
from gateway.logs import secrets_of
from tests.world import CHANNELS, PNG, Rep, World, demo, wait_until

NOW: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)


async def road(world: World, channel_id: str, line: str, customer: str = "kim") -> list[dict[str, str]]:
    reply = await world.call("GET", f"/phones/{channel_id}/wire", params={"customer": customer, "line": line})
    assert reply.status == 200, reply
    assert set(reply.json) == {"items"}
    for item in reply.json["items"]:
        assert set(item) == {"step", "at", "title", "text"}
        assert datetime.fromisoformat(item["at"]).tzinfo is not None
    return list(reply.json["items"])


@asynccontextmanager
async def conversation(world: World, channel_id: str) -> AsyncIterator[tuple[Rep, str]]:
    """Kim writes, Ana takes it."""
    ana, kim = world.rep("ana"), world.customer(channel_id)
    await ana.present()
    assert (await kim.says("hello")).status == 201
    session = await ana.take(channel_id)
    yield ana, session["id"]


async def line_of(world: World, channel_id: str, text: str) -> str:
    """The id of the line on Kim's handset that says this, as soon as it is there."""
    kim = world.customer(channel_id)

    async def found() -> str | None:
        return next((line["id"] for line in await kim.handset() if text in (line["text"] or "")), None)

    return str(await wait_until(found, what=f"{text!r} on {channel_id}"))


def no_secret_in(world: World, channel_id: str, steps: list[dict[str, str]]) -> None:
    secrets = secrets_of(world.host.channels[channel_id].account)
    assert secrets
    told = json.dumps(steps, ensure_ascii=False)
    assert [secret for secret in secrets if secret in told] == []


@pytest.mark.parametrize("channel_id", [*CHANNELS, "sms-standard"])
async def test_the_whole_road_of_a_message_there_and_back(tmp_path: Path, channel_id: str) -> None:
    async with demo(tmp_path) as world, conversation(world, channel_id) as (ana, session_id):
        line = await line_of(world, channel_id, "hello")

        async def taken() -> list[dict[str, str]] | None:
            steps = await road(world, channel_id, line)
            return steps if any(step["step"] == "envelope" for step in steps) else None

        there = await wait_until(taken, what="the webhook answered")
        hook = next(step for step in there if f"/webhooks/{channel_id}" in step["title"])
        assert (hook["step"], hook["title"].split(" · ")[1]) == ("webhook", "answered 200")
        envelope = json.loads(next(step for step in there if step["step"] == "envelope" and step["title"] == "message")["text"])
        assert (envelope["channel_id"], envelope["parts"]) == (channel_id, [{"type": "text", "text": "hello"}])

        assert (await ana.say(session_id, "How can I help?")).status == 201
        back = await road(world, channel_id, await line_of(world, channel_id, "How can I help?"))
        request = [step for step in back if step["step"] == "request"][-1]  # Messenger makes a persona before
        assert "How can I help?" in request["text"]
        assert request["title"].startswith("POST /")
        assert all("hello" not in step["text"] for step in back)
        assert all("How can I help?" not in step["text"] for step in there)
        no_secret_in(world, channel_id, there + back)
        if channel_id != "webchat":  # its calls are signed, and carry no token
            assert MASKED in request["text"]


@pytest.mark.parametrize(
    ("channel_id", "calls"),
    [
        ("whatsapp", ["/media", "/messages"]),
        ("messenger", ["/message_attachments", "/personas", "/messages"]),
        ("apple", ["/preUpload", "/mmcs/upload/00000001", "/message"]),
        ("webchat", ["/deliver/file", "/deliver"]),
        ("line", ["/push"]),
    ],
)
async def test_uploads_belong_to_the_message_that_names_them(tmp_path: Path, channel_id: str, calls: list[str]) -> None:
    async with demo(tmp_path) as world, conversation(world, channel_id) as (ana, session_id):
        await line_of(world, channel_id, "hello")
        kim = world.customer(channel_id)
        assert (await ana.say(session_id, file=PNG)).status == 201
        picture = await wait_until(lambda: picture_on(kim), what="the picture on the handset")
        requests = [step["title"] for step in await road(world, channel_id, picture["id"]) if step["step"] == "request"]
        assert len(requests) == len(calls), requests
        for title, path in zip(requests, calls, strict=True):
            assert title.split(" · ")[0].endswith(path), requests


async def picture_on(kim: Any) -> Any:
    return next((line for line in await kim.seen("message") if line["media"]), None)


async def test_receipts_stand_on_the_road_of_what_they_are_about(tmp_path: Path) -> None:
    async with demo(tmp_path) as world, conversation(world, "whatsapp") as (ana, session_id):
        await ana.say(session_id, "first")
        await ana.say(session_id, "second")
        await line_of(world, "whatsapp", "second")
        line = await line_of(world, "whatsapp", "first")

        async def receipts() -> list[str] | None:
            steps = await road(world, "whatsapp", line)
            found = [json.loads(step["text"]) for step in steps if step["step"] == "envelope"]
            return [one["status"] for one in found] if len(found) == 2 else None

        assert await wait_until(receipts) == ["sent", "delivered"]


async def test_a_road_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async with demo(tmp_path) as world, conversation(world, "line") as (ana, session_id):
        await ana.say(session_id, "How can I help?")
        lines = [await line_of(world, "line", text) for text in ("hello", "How can I help?")]
        before = [await road(world, "line", line) for line in lines]
    async with demo(tmp_path) as world:
        after = [await road(world, "line", line) for line in lines]
    assert [[(s["step"], s["at"], s["title"]) for s in steps] for steps in after] == [
        [(s["step"], s["at"], s["title"]) for s in steps] for steps in before
    ]
    assert [step["step"] for step in after[0]] == ["webhook", "envelope"]


async def test_what_a_customer_does_to_a_line_stands_on_its_road(tmp_path: Path) -> None:
    async with demo(tmp_path) as world, conversation(world, "line"):
        line = await line_of(world, "line", "hello")
        assert (await world.customer("line").does("unsend", target=line)).status == 201

        async def told() -> list[str] | None:
            titles = [step["title"] for step in await road(world, "line", line) if step["step"] == "envelope"]
            return titles if len(titles) == 2 else None

        assert await wait_until(told) == ["message", "deletion"]


async def test_what_arrives_later_has_its_request_all_the_same(tmp_path: Path) -> None:
    async with demo(tmp_path) as world, conversation(world, "line") as (ana, session_id):
        kim = world.customer("line")
        await line_of(world, "line", "joined")
        await kim.does("offline")
        await ana.say(session_id, "while you were away")

        async def sent() -> bool:
            page = await ana.get(f"/sessions/{session_id}/entries")
            return any(
                d["status"] == "sent" for e in page.json["items"] if e["text"] == "while you were away" for d in e["delivery"]
            )

        await wait_until(sent, what="taken by the provider")
        await kim.does("online")
        steps = await road(world, "line", await line_of(world, "line", "while you were away"))
        assert [step["title"] for step in steps] == ["POST /v2/bot/message/push · answered 200"]


async def test_what_can_t_be_told_is_refused(tmp_path: Path) -> None:
    async with demo(tmp_path) as world, conversation(world, "sms"):
        line = await line_of(world, "sms", "hello")
        for path, status in (
            (f"/phones/sms/wire?customer=kim&line={line}x", 404),
            (f"/phones/sms/wire?customer=leo&line={line}", 404),  # it is on another's handset
            (f"/phones/nowhere/wire?customer=kim&line={line}", 404),
            (f"/phones/sms/wire?line={line}", 422),
            ("/phones/sms/wire?customer=kim", 422),
        ):
            reply = await world.call("GET", path)
            assert (reply.status, reply.headers["Content-Type"].split(";")[0]) == (status, "application/problem+json"), path


# ------------------------------------------------------------------------------------------------- piece by piece


class Bench:
    """A record with LINE's simulator, driven by hand."""

    def __init__(self, data_dir: Path) -> None:
        self.channel: Channel = cast.load(1, data_dir).channels["line"]
        self.sim = self.channel.adapter.simulate(self.channel.account)
        self.wire = Wire(self.channel, self.sim)

    def does(self, kind: str, **more: Any) -> tuple[str, Any]:
        action = Action(kind=kind, customer="kim", **more)  # type: ignore[arg-type]
        outcome = self.sim.act(action, NOW)
        self.wire.acted(action, outcome, NOW)
        return outcome.line_id or "", outcome.calls

    def settle(self, call: Any, answer: Answer | None) -> Any:
        following = self.sim.settled(call, answer, NOW)
        self.wire.settled(call, answer, following, NOW)
        return following

    def titles(self, line: str) -> list[str]:
        return [f"{step.step}: {step.title}" for step in self.wire.steps(line)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_webhook_that_was_not_taken_has_no_envelope_and_comes_again(bench: Bench) -> None:
    line, (call,) = bench.does("say", text="hello")
    assert bench.titles(line) == ["webhook: POST /webhooks/line · no answer yet"]
    (again,) = bench.settle(call, Answer(503))
    assert bench.titles(line) == ["webhook: POST /webhooks/line · answered 503", "webhook: POST /webhooks/line · no answer yet"]
    bench.settle(again, Answer(200))
    assert bench.titles(line)[1:] == ["webhook: POST /webhooks/line · answered 200", "envelope: message"]
    assert bench.wire.steps(line)[1].at == NOW + timedelta(seconds=again.delay_seconds)


def test_a_webhook_that_came_twice_is_shown_twice(bench: Bench) -> None:
    line, calls = bench.does("say", text="hello", details={"times": 2})
    for call in calls:
        bench.settle(call, Answer(200))
    assert [title.partition(":")[0] for title in bench.titles(line)] == ["webhook", "envelope"] * 2


def test_of_a_batch_the_line_s_own_envelope_is_shown(bench: Bench) -> None:
    line, (call,) = bench.does("say", text="hello", details={"together_with": ["leo"]})
    bench.settle(call, Answer(200))
    (envelope,) = [step for step in bench.wire.steps(line) if step.step == "envelope"]
    assert json.loads(envelope.text)["message_id"] == line


def test_the_record_is_bounded(bench: Bench) -> None:
    first, _ = bench.does("say", text="first")
    for number in range(wire._MOST_CALLS):
        last, _ = bench.does("say", text=str(number))
    assert bench.titles(first) == []
    assert len(bench.titles(last)) == 1


def test_a_body_that_is_too_long_is_cut_and_not_parsed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST_BYTES", 200)
    line, (call,) = bench.does("say", text="hello " * 100)
    bench.settle(call, Answer(200))
    (step,) = bench.wire.steps(line)
    assert isinstance(step, Step)
    assert len(step.text) < 600


def test_what_can_t_be_understood_says_why(bench: Bench) -> None:
    line, (call,) = bench.does("say", text="hello")
    bench.settle(call, Answer(200))
    crossing = bench.wire._crossings[0]
    crossing.request.body = b"{"
    assert bench.titles(line)[1] == "envelope: not understood"


SECRET: Final = 'a "secret"/with+signs'
NOBODY: Final = Mask([])


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        "a%20%22secret%22%2Fwith%2Bsigns",
        "a+%22secret%22%2Fwith%2Bsigns",
        r"a \"secret\"/with+signs",
        "YSAic2VjcmV0Ii93aXRoK3NpZ25z",
    ],
)
def test_a_secret_is_masked_however_it_is_written(written: str) -> None:
    assert Mask([SECRET, "short"])(f"x {written} short") == f"x {MASKED} short"


def test_a_secret_is_not_cut_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.demo.wire_text._MOST_CHARS", 20)
    assert (
        request_text("POST", "/", [], {}, b"1234567890 secret-of-ours", Mask(["secret-of-ours"]))
        == f"POST /\n\n1234567890 {MASKED[:1]}\n…"
    )


def test_tokens_are_masked_by_the_name_they_go_by() -> None:
    text = request_text(
        "POST",
        "/x",
        [("access_token", "one"), ("hub.verify_token", "two"), ("m", "3")],
        {"Authorization": "Bearer four", "cookie": "five", "x-line-retry-key": "six", "content-type": "application/json"},
        b'{"client_secret": "seven", "deep": [{"access_token": "eight", "text": "nine"}]}',
        NOBODY,
    )
    assert text.splitlines()[:5] == [
        f"POST /x?access_token={MASKED}&hub.verify_token={MASKED}&m=3",
        f"Authorization: Bearer {MASKED}",
        f"cookie: {MASKED}",
        "x-line-retry-key: six",
        "content-type: application/json",
    ]
    assert "seven" not in text
    assert "eight" not in text
    assert "nine" in text


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("application/json", b'{"a":1}', '{\n  "a": 1\n}'),
        ("application/json", b'{"a":', '{"a":'),
        ("application/json", b"[" * 100_000, "[" * 100),
        ("application/x-www-form-urlencoded", b"Body=hello+you&To=%2B1&empty=", "Body=hello you\nTo=+1\nempty="),
        ("application/octet-stream", b"\x00\x01\xff", "(3 bytes)"),
        ("text/plain", "grüß dich".encode(), "grüß dich"),
        ("text/plain", b"\x1b[31m", "(5 bytes)"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            'name="a"\n\nb',
        ),
        ("multipart/form-data", b"no boundary", ""),
    ],
)
def test_a_body_is_shown_in_its_own_form(kind: str, body: bytes, shown: str) -> None:
    text = request_text("POST", "/", [], {"content-type": kind}, body, NOBODY)
    assert text.startswith(f"POST /\ncontent-type: {kind}\n\n")
    assert shown in text
    assert len(text) < 25_000


def test_a_packed_body_is_unpacked_within_bounds() -> None:
    headers = {"Content-Encoding": "gzip"}
    assert unpacked(gzip.compress(b"hello"), headers) == b"hello"
    assert len(unpacked(gzip.compress(b"0" * 50_000_000), headers)) == 1_048_576
    assert unpacked(b"no gzip", headers) == b"no gzip"
    assert unpacked(gzip.compress(b"hello")[:-9], headers)[:2] == b"\x1f\x8b"


@pytest.mark.parametrize(
    ("told", "is_an_id"),
    [
        ("whatsapp", False),
        ("wamid.1", True),
        ("ATjVGvQxkzBdLwYqHsRcFmNbPeUo", True),  # a checksum in base64 may be without a digit
        ("Everything is fine with this request", False),
    ],
)
def test_an_answer_gives_ids_and_no_words(told: str, is_an_id: bool) -> None:
    request = RawRequest(method="POST", url="http://127.0.0.1/x", path="/x", query=(), headers={}, body=b"{}", received_at=NOW)
    crossing = Crossing("request", request, "/x", frozenset(), Answer(200, json.dumps({"one": told}).encode()))
    assert crossing.given == ([told.encode()] if is_an_id else [])
