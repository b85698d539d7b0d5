"""Whatever bytes a webhook's head and body hold: the request is answered by itself, kept as it was verified, and costs no other request anything."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.simulation import Action, ProviderCall
from tests.store.backends import webhooks
from tests.world import World, demo, puts_of, wait_until

pytestmark = pytest.mark.acceptance


def head(target: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    """A request as bytes, for what no client would let us write."""
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: here", b"Connection: close", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in headers), b"", b""]) + body


def as_bytes(call: ProviderCall, *more: tuple[bytes, bytes]) -> bytes:
    """A provider's call with further headers, as a proxy may add them."""
    target = "/" + call.url.partition("#")[0].split("/", 3)[3]
    return head(target.encode(), call.body, *((n.encode(), v.encode()) for n, v in call.headers.items()), *more)


def status_of(world: World, request: bytes) -> int:
    """Blocking: send it on a connection of its own; the status."""
    host, port = world.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            if not (more := sock.recv(4_096)):
                raise AssertionError(f"no answer, but {answer!r}")
            answer += more
    return int(answer.split(b" ", 2)[1])


def words_of(world: World, channel_id: str, count: int) -> Iterator[ProviderCall]:
    """Genuine webhooks of several customers."""
    channel = world.gateway.loaded.channels[channel_id]
    provider = channel.adapter.simulate(channel.account)
    for number in range(count):
        act = Action(kind="say", customer=f"kim-{number}", text=f"hello {number}")
        yield next(call for call in provider.act(act, datetime.now(UTC)).calls if call.purpose == "webhook")


def kept(data_dir: Path) -> list[Any]:
    """(channel, state, reason) of every webhook."""
    return [(row.channel_id, row.state, row.reason) for row in webhooks(data_dir)]


async def test_a_header_of_any_bytes_costs_no_other_webhook_anything(tmp_path: Path) -> None:
    """A proxy adds a place's name in Latin-1; the other requests are in flight with it."""
    async with demo(tmp_path) as world:
        calls = [as_bytes(call) for call in words_of(world, "sms", 20)]
        odd = [as_bytes(call, (b"X-Geo-City", b"Z\xfcrich")) for call in words_of(world, "whatsapp", 3)]
        mixed = [*calls[:7], odd[0], *calls[7:14], odd[1], *calls[14:], odd[2]]
        answers = await asyncio.gather(*(asyncio.to_thread(status_of, world, one) for one in mixed))
        assert set(answers) == {200}
        await wait_until(lambda: all(state == "done" for _, state, _ in kept(tmp_path)), what="all are read")
        assert [reason for _, _, reason in kept(tmp_path)] == [None] * 23


# No line end and no NUL: the server's own parser refuses those.
_VALUE = st.binary(max_size=40).map(lambda value: bytes(b for b in value if b not in b"\r\n\0"))
_TARGET = st.binary(max_size=20).map(lambda value: bytes(b for b in value if b > 32 and b not in b"#\x7f"))


async def test_what_was_verified_is_what_is_read_whatever_bytes_it_holds(tmp_path: Path) -> None:
    """LINE signs the body alone, so that everything else may be anything."""
    async with demo(tmp_path) as world:
        channel = world.gateway.loaded.channels["line"]
        secret = channel.account.model_dump()["channel_secrets"][0].get_secret_value().encode()
        verified = puts_of(world)

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(value=_VALUE, query=_TARGET, below=_TARGET, body=st.binary(max_size=200) | st.text().map(_as_message))
        def any_request(value: bytes, query: bytes, below: bytes, body: bytes) -> None:
            verified.clear()
            signature = base64.b64encode(hmac.digest(secret, body, hashlib.sha256))
            target = b"/webhooks/line" + (b"/" + below if below else b"") + (b"?" + query if query else b"")
            status = status_of(world, head(target, body, (b"X-Line-Signature", signature), (b"X-Any", value)))
            if status != 200:  # the server can't make a request of it
                assert (status, verified) == (400, [])
                return
            (request,) = verified
            again = webhooks(tmp_path)[-1].request
            assert (again.method, again.url, again.path, again.query) == (
                request.method,
                request.url,
                request.path,
                request.query,
            )
            assert (again.headers, again.body) == (request.headers, request.body)
            assert again.body == body
            assert again.headers["x-any"].encode("utf-8", "surrogateescape") == value.strip(b" \t")

        await asyncio.to_thread(any_request)
        await wait_until(lambda: all(state != "waiting" for _, state, _ in kept(tmp_path)), what="all are read, or put aside")
        calls = [as_bytes(call) for call in words_of(world, "line", 1)]
        assert await asyncio.to_thread(status_of, world, calls[0]) == 200


def _as_message(text: str) -> bytes:
    """A message of LINE's with these words."""
    message = {"type": "text", "id": f"id of {text}", "text": text}
    event = {
        "type": "message",
        "webhookEventId": f"event of {text}",
        "timestamp": 1_789_640_000_000,
        "source": {"type": "user", "userId": "U1"},
        "deliveryContext": {"isRedelivery": False},
        "message": message,
    }
    return json.dumps({"destination": "U0", "events": [event]}).encode()
