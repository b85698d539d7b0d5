"""The event stream: signing in, resuming without a hole, and cutting off whoever doesn't read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from gateway.brokers.contract import Caller, Event, EventsGone
from gateway.edge.api.stream import CLOSES, Pace, wire
from gateway.edge.limits import Limits, Rate
from gateway.errors import BrokerUnavailable
from tests.edge.conftest import Site
from tests.edge.described import eventually


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return getattr(request, "param", {})


async def closed(socket: ClientWebSocketResponse) -> tuple[int | None, str]:
    """Read on to the close frame: its code and its words."""
    async with asyncio.timeout(20):
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.CLOSE:
                return message.data, str(message.extra)
            if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
                return socket.close_code, ""


# ------------------------------------------------------------------------------------------------- signing in


async def test_a_program_signs_in_by_header(site: Site) -> None:
    stream = await site.api(login="ana").events()
    assert stream.seen[0]["data"]["login"] == "ana"
    await stream.socket.close()


async def test_a_page_signs_in_by_subprotocol(site: Site) -> None:
    socket = await site.http.ws_connect("/api/v1/events", protocols=("byoc", "bearer.token-ana"))
    assert socket.protocol == "byoc"  # the token isn't sent back
    assert (await socket.receive_json())["data"]["login"] == "ana"
    await socket.close()


async def test_a_page_signs_in_by_its_first_frame(site: Site) -> None:
    socket = await site.http.ws_connect("/api/v1/events")
    await socket.send_json({"type": "hello", "token": "token-ana", "after": 3})
    hello = await socket.receive_json()
    assert (hello["type"], hello["id"], hello["data"]["login"]) == ("hello", 3, "ana")
    await socket.close()


@pytest.mark.parametrize(
    "how",
    [{"headers": {"Authorization": "Bearer wrong"}}, {"protocols": ("byoc", "bearer.wrong")}],
    ids=["header", "subprotocol"],
)
async def test_a_wrong_token_is_refused_before_the_upgrade(site: Site, how: dict[str, Any]) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.http.ws_connect("/api/v1/events", **how)
    assert refused.value.status == 401
    assert refused.value.headers is not None
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_in_the_url_is_refused(site: Site) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.http.ws_connect("/api/v1/events?token=token-ana")
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"type": "hello", "token": "wrong"}', 4401),
        ('{"type": "hello"}', 4400),
        ('{"type": "hello", "token": "token-ana", "aftre": 1}', 4400),
        ('{"type": "hello", "token": "token-ana", "after": "1"}', 4400),
        ("{", 4400),
        ("[" * 10_000, 4400),
        (b"\x00\x01", 4400),
    ],
)
async def test_a_first_frame_that_isnt_right_ends_the_stream(site: Site, frame: str | bytes, code: int) -> None:
    socket = await site.http.ws_connect("/api/v1/events")
    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
    assert await closed(socket) == (code, CLOSES[code])


@pytest.mark.parametrize("settings", [{"pace": Pace(hello=0.1)}], indirect=True)
async def test_who_says_no_hello_is_let_go(site: Site) -> None:
    socket = await site.http.ws_connect("/api/v1/events")
    assert (await closed(socket))[0] == 4408


@pytest.mark.parametrize("settings", [{"limits": Limits(wrong_tokens=Rate(per_second=0.01, burst=1))}], indirect=True)
async def test_who_guesses_in_first_frames_waits(site: Site) -> None:
    codes = []
    for number in range(2):
        socket = await site.http.ws_connect("/api/v1/events")
        await socket.send_json({"type": "hello", "token": f"guess-{number}"})
        codes.append((await closed(socket))[0])
    assert codes == [4401, 4429]


async def test_a_plain_request_is_told_to_upgrade(site: Site) -> None:
    reply = await site.api(login="ana").get("/events")
    assert (reply.status, reply.code, reply.headers["Upgrade"]) == (426, "upgrade_required", "websocket")


async def test_a_strangers_page_may_not_connect(site: Site) -> None:
    headers = {"Authorization": "Bearer token-ana"}
    for origin in ("https://evil.example", "null", "http://[", "http://127.0.0.1:1"):
        with pytest.raises(WSServerHandshakeError) as refused:
            await site.http.ws_connect("/api/v1/events", headers=headers, origin=origin)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    "settings", [{"origins": ("https://desk.example",), "public_url": "https://byoc.example/"}], indirect=True
)
async def test_our_pages_and_listed_ones_may_connect(site: Site) -> None:
    ours = f"http://127.0.0.1:{site.http.port}"
    for origin in (ours, "https://desk.example", "https://byoc.example"):
        stream = await site.api(login="ana").events(origin=origin)
        await stream.socket.close()


# ------------------------------------------------------------------------------------------------ what is told


async def test_what_happens_comes_in_the_apis_shapes(site: Site) -> None:
    await site.online("ana", "ben")
    ana = await site.api(login="ana").events()
    await site.customer_says("my door squeaks")
    entry = await ana.until("entry")
    assert entry["data"]["entry"]["text"] == "my door squeaks"
    session_id = entry["session_id"]
    offered = await ana.until("work_offered")
    assert offered["session_id"] == session_id
    assert offered["data"]["expires_at"].endswith("Z")

    api = site.api(login="ana")
    assert (await api.post(f"/sessions/{session_id}/accept")).status == 200
    assert (await ana.until("session"))["data"]["session"]["id"] == session_id
    ben = await site.api(login="ben").events()
    reply = await api.post(f"/sessions/{session_id}/invitations", {"recipient": {"type": "agent", "id": "ben"}})
    received = await ben.until("invitation_received")
    assert received["data"]["invitation"]["id"] == reply.json["id"]
    assert (await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{reply.json['id']}/decline")).status == 200
    declined = await ana.until("invitation_declined")
    assert declined["data"]["by"] == {"id": "ben", "name": "Ben"}
    await api.post(f"/sessions/{session_id}/typing", {"on": True})
    for stream in (ana, ben):
        await stream.socket.close()


async def test_typing_has_no_number_and_goes_to_the_others_alone(site: Site) -> None:
    session_id = await _conference(site)
    ben = await site.api(login="ben").events()
    ana = await site.api(login="ana").events()
    await _post(site, "ana", f"/sessions/{session_id}/typing", {"on": True})
    typing = await ben.until("typing")
    assert (typing["id"], typing["session_id"], typing["data"]["who"]["id"]) == (None, session_id, "ana")
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "done"})
    await ana.until("entry")
    assert "typing" not in [frame["type"] for frame in ana.seen]


async def test_M4_no_event_carries_a_whisper_to_another_rep(site: Site) -> None:
    session_id = await _conference(site)
    ana, ben, sam = [await site.api(login=login).events() for login in ("ana", "ben", "sam")]
    await _post(site, "ana", f"/sessions/{session_id}/flag", {"text": "flag-canary"})
    await _post(site, "sam", f"/sessions/{session_id}/whispers", {"text": "whisper-canary"})
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "said last"})
    for stream in (ana, ben, sam):
        while (await stream.until("entry"))["data"]["entry"]["text"] != "said last":
            pass
    assert "whisper-canary" in str(ana.seen)
    assert "whisper-canary" in str(sam.seen)
    assert "canary" not in str(ben.seen)


async def test_another_orgs_people_hear_nothing(site: Site) -> None:
    zoe = await site.api(login="zoe").events()
    session_id = await site.session()
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "ours"})
    assert (await site.api(login="zoe")("PUT", "/presence", json={"status": "online"})).status == 200
    frame = await zoe.until("presence")
    assert frame["data"]["login"] == "zoe"
    assert [seen["type"] for seen in zoe.seen] == ["hello", "presence"]


# ---------------------------------------------------------------------------------------------------- resuming


async def test_a_stream_resumes_by_number_without_a_hole_or_a_double(site: Site) -> None:
    session_id = await site.session()
    first = await site.api(login="ana").events()
    begin = first.seen[0]["id"]
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "one"})
    seen = await first.until("entry")
    await first.socket.close()
    for text in ("two", "three"):
        await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": text})

    again = await site.api(login="ana").events(f"/events?after={seen['id']}")
    assert again.seen[0]["id"] == seen["id"]
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "four"})
    texts = []
    while "four" not in texts:
        texts.append((await again.until("entry"))["data"]["entry"]["text"])
    assert texts == ["two", "three", "four"]
    numbers = [frame["id"] for frame in again.seen[1:] if frame["id"] is not None]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > seen["id"] > begin


async def test_nothing_is_missed_between_hello_and_the_state_read_after_it(site: Site) -> None:
    session_id = await site.session()
    stream = await site.api(login="ana").events()
    await _post(site, "ana", f"/sessions/{session_id}/messages", {"text": "in between"})
    assert (await stream.until("entry"))["data"]["entry"]["text"] == "in between"


async def test_resuming_from_what_is_no_longer_kept_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        raise EventsGone
        yield

    monkeypatch.setattr(site.broker, "events", gone)
    stream = await site.api(login="ana").events("/events?after=1")
    assert await closed(stream.socket) == (4410, CLOSES[4410])


async def test_a_number_that_was_never_given_out_is_none_to_resume_from(site: Site) -> None:
    await site.session()
    stream = await site.api(login="ana").events("/events?after=99999")
    assert await closed(stream.socket) == (4410, CLOSES[4410])


@pytest.mark.parametrize("after", ["-1", "x", "9007199254740992", "1&after=2"])
async def test_a_number_that_is_none_is_refused(site: Site, after: str) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.http.ws_connect(f"/api/v1/events?after={after}", headers={"Authorization": "Bearer token-ana"})
    assert refused.value.status == 422


# ----------------------------------------------------------------------------------------------- life and death


async def test_L5_the_broker_knows_who_is_there(site: Site) -> None:
    async def connected(expected: bool) -> None:
        async def as_expected() -> bool:
            return (await site.api(login="ana").get("/presence")).json["connected"] is expected

        await eventually(as_expected)

    one, two = await site.api(login="ana").events(), await site.api(login="ana").events()
    await connected(True)
    await one.socket.close()
    await connected(True)
    # No close frame: the connection just breaks off.
    two.socket._response.connection.transport.abort()  # type: ignore[union-attr]
    await connected(False)


async def test_a_ping_is_answered(site: Site) -> None:
    stream = await site.api(login="ana").events()
    await stream.socket.send_json({"type": "ping"})
    assert (await stream.frame())["type"] == "pong"


@pytest.mark.parametrize("frame", ["{", '{"type": "subscribe"}', "[]", '"ping"'])
async def test_a_frame_that_isnt_understood_ends_the_stream(site: Site, frame: str) -> None:
    stream = await site.api(login="ana").events()
    await stream.socket.send_str(frame)
    assert (await closed(stream.socket))[0] == 4400


@pytest.mark.parametrize("settings", [{"pace": Pace(heartbeat=0.05)}], indirect=True)
async def test_an_idle_stream_shows_that_it_lives(site: Site) -> None:
    socket = await site.http.ws_connect("/api/v1/events", headers={"Authorization": "Bearer token-ana"}, autoping=True)
    types = [json.loads(await socket.receive_str(timeout=20))["type"] for _ in range(3)]
    assert types == ["hello", "heartbeat", "heartbeat"]
    await socket.close()


@pytest.mark.parametrize("settings", [{"pace": Pace(heartbeat=0.05)}], indirect=True)
async def test_a_token_that_is_taken_back_ends_the_stream(site: Site) -> None:
    stream = await site.api(login="ana").events()
    site.directory.revoked.add("token-ana")
    assert (await closed(stream.socket))[0] == 4401


@pytest.mark.parametrize("settings", [{"limits": Limits(streams_per_caller=2)}], indirect=True)
async def test_a_caller_may_hold_so_many_streams(site: Site) -> None:
    for _ in range(2):
        await site.api(login="ana").events()
    third = await site.http.ws_connect("/api/v1/events", headers={"Authorization": "Bearer token-ana"})
    assert (await closed(third))[0] == 4429
    await site.api(login="ben").events()


@pytest.mark.parametrize("settings", [{"limits": Limits(strange_streams_per_address=2)}], indirect=True)
async def test_an_address_may_hold_so_many_streams_that_have_not_said_whose_they_are(site: Site) -> None:
    waiting = [await site.http.ws_connect("/api/v1/events") for _ in range(2)]
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.http.ws_connect("/api/v1/events")
    assert refused.value.status == 429
    await site.api(login="ana").events()
    await waiting[0].send_json({"type": "hello", "token": "token-ben"})
    assert (await waiting[0].receive_json())["type"] == "hello"
    third = await site.http.ws_connect("/api/v1/events")
    await third.close()


async def test_frames_of_every_length_arrive_whole_and_in_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6455 writes a length in one, three or nine bytes; several frames may go in one write."""
    lengths = [0, 1, 65_300, *range(65_390, 65_450), 70_000, 3, 200_000]

    async def several(caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        yield [_an_event(number, "x" * length) for number, length in enumerate(lengths)]
        await asyncio.Event().wait()

    monkeypatch.setattr(site.broker, "events", several)
    stream = await site.api(login="ana").events()
    for number, length in enumerate(lengths):
        frame = await stream.frame()
        assert (frame["id"], len(frame["data"]["name"])) == (number, length)
    for text in ("", "x" * 125, "x" * 126, "ü" * 63, "x" * 65_535, "x" * 65_536):
        size = len(text.encode())
        assert wire(text)[2 + (0 if size < 126 else 2 if size < 65_536 else 8) :] == text.encode()
    await stream.socket.close()


@pytest.mark.parametrize("settings", [{"pace": Pace(write=0.2, farewell=5)}], indirect=True)
async def test_a_reader_that_is_too_slow_is_cut_off_and_told_to_resume(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood(caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        for number in range(1, 10_000):
            yield [_an_event(number, "x" * 10_000)]

    monkeypatch.setattr(site.broker, "events", flood)
    socket = await site.http.ws_connect("/api/v1/events", headers={"Authorization": "Bearer token-ana"})
    # Reading nothing until the server has had enough; only then what had been sent before is read, and the close after it.
    await eventually(lambda: _was_cut_off(site))
    assert await closed(socket) == (4429, CLOSES[4429])


@pytest.mark.parametrize("settings", [{"pace": Pace(write=0.2, farewell=0.2)}], indirect=True)
async def test_a_reader_that_never_reads_doesnt_hold_its_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood(caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        for number in range(1, 10_000):
            yield [_an_event(number, "x" * 10_000)]

    monkeypatch.setattr(site.broker, "events", flood)
    socket = await site.http.ws_connect("/api/v1/events", headers={"Authorization": "Bearer token-ana"})
    await eventually(lambda: _was_cut_off(site))
    await eventually(lambda: _nobody_listens(site))
    await socket.close()


@pytest.mark.parametrize(("error", "code"), [(BrokerUnavailable("away"), 1013), (RuntimeError("bug"), 1011)])
async def test_a_broker_that_fails_ends_the_stream_with_a_code(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, code: int
) -> None:
    async def failing(caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        raise error
        yield

    monkeypatch.setattr(site.broker, "events", failing)
    stream = await site.api(login="ana").events()
    assert await closed(stream.socket) == (code, CLOSES[code])
    assert [getattr(r, "action", "") for r in caplog.records].count("events.failed") == (code == 1011)


async def test_draining_tells_streams_to_come_back_elsewhere(site: Site) -> None:
    stream = await site.api(login="ana").events()
    await site.surface.drain()
    assert await closed(stream.socket) == (1001, CLOSES[1001])
    with pytest.raises(WSServerHandshakeError) as refused:
        await site.http.ws_connect("/api/v1/events", headers={"Authorization": "Bearer token-ana"})
    assert refused.value.status == 503


def test_close_reasons_fit_a_close_frame() -> None:
    assert [code for code, text in CLOSES.items() if len(text.encode()) > 123] == []


async def _conference(site: Site) -> str:
    session_id = await site.session()
    await site.online("ben")
    body = {"recipient": {"type": "agent", "id": "ben"}}
    invitation = await site.api(login="ana").post(f"/sessions/{session_id}/invitations", body)
    await _post(site, "ben", f"/sessions/{session_id}/invitations/{invitation.json['id']}/accept")
    return session_id


async def _post(site: Site, login: str, path: str, body: Any = None) -> None:
    reply = await site.api(login=login).post(path, body)
    assert reply.status < 300, reply


async def _metrics(site: Site) -> str:
    async with site.http.get("/metrics") as response:
        return await response.text()


async def _was_cut_off(site: Site) -> bool:
    return 'reason="4429"' in await _metrics(site)


async def _nobody_listens(site: Site) -> bool:
    return "byoc_event_streams 0.0" in await _metrics(site)


def _an_event(number: int, text: str) -> Event:
    return Event(number=number, type="media", session_id=None, at=datetime.now(UTC), data={"number": 1, "name": text})
