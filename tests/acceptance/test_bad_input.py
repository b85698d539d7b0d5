"""What providers and strangers may send, by real HTTP: refused without a trace, or kept with its reason; never a crash, never without bound."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import registry
from adapters.simulation import Action, ProviderCall
from gateway.edge.webhooks import Webhooks
from tests.acceptance.processes import byoc
from tests.store.backends import webhooks
from tests.world import World, demo, wait_until

pytestmark = pytest.mark.acceptance

# Where each provider puts its signature.
SIGNED_BY = {
    "sms": "x-twilio-signature",
    "whatsapp": "x-hub-signature-256",
    "messenger": "x-hub-signature-256",
    "line": "x-line-signature",
    "apple": "authorization",
}


def rows(data_dir: Path) -> int:
    """How many webhooks were kept."""
    return len(webhooks(data_dir))


def genuine(world: World, channel_id: str) -> ProviderCall:
    """A webhook that a provider of this channel's would send."""
    channel = world.gateway.loaded.channels[channel_id]
    provider = channel.adapter.simulate(channel.account)
    act = Action(kind="say", customer="kim", text="hello")
    return next(call for call in provider.act(act, datetime.now(UTC)).calls if call.purpose == "webhook")


async def post(world: World, call: ProviderCall, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> int:
    path = call.url.partition("#")[0].removeprefix(world.address)
    sent = call.headers if headers is None else headers
    reply = await world.call(call.method, path, headers=sent, data=call.body if body is None else body)
    return reply.status


def forged(call: ProviderCall, header: str) -> list[dict[str, str]]:
    """The call's headers with a signature that is missing, wrong or no signature at all."""
    name = next(name for name in call.headers if name.lower() == header)
    right = call.headers[name]
    others = {key: value for key, value in call.headers.items() if key != name}
    changed = right[:-5] + ("A" if right[-5] != "A" else "B") + right[-4:]
    mangled = [
        changed,
        right[:-1],
        right[:3],
        right + "0",
        "",
        "=",
        "sha256=",
        "Bearer",
        "é" * 20,
        "\x80\xff",
        ",,,",
        "0" * 4_000,
    ]
    return [others, *({**others, name: value} for value in mangled)]


@pytest.mark.parametrize("channel_id", SIGNED_BY)
async def test_a_signature_that_is_missing_wrong_or_mangled_leaves_no_row(channel_id: str, tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        call = genuine(world, channel_id)
        for headers in forged(call, SIGNED_BY[channel_id]):
            assert await post(world, call, headers) in (401, 403), headers
        if channel_id != "apple":  # Apple signs who calls, not what is said
            assert await post(world, call, body=call.body.replace(b"hello", b"hallo")) in (401, 403)
        assert rows(tmp_path) == 0
        assert 200 <= await post(world, call) < 300
        assert rows(tmp_path) == 1


async def test_nobody_signs_in_by_a_channel_that_is_not_there(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        assert (await world.call("POST", "/webhooks/nowhere", data=b"{}")).status == 404
        assert rows(tmp_path) == 0


# ------------------------------------------------------------------------------------------------ too much


async def heard(world: World, head: str, *, chunk: bytes = b"", most: int = 0) -> tuple[str, int]:
    """Send a head, then `chunk` again and again (at most `most` bytes) until an answer comes: its first line, and how much was sent."""
    host, port = world.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.replace("\n", "\r\n").encode())
        answer = asyncio.create_task(reader.readline())
        sent = 0
        while chunk and not answer.done() and sent < most:
            writer.write(chunk)
            await asyncio.wait([answer, asyncio.create_task(writer.drain())], return_when=asyncio.FIRST_COMPLETED)
            sent += len(chunk)
        async with asyncio.timeout(20):
            return (await answer).decode().strip(), sent
    finally:
        writer.transport.abort()


async def test_a_body_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        limit = world.gateway.config.limits.webhook_max_bytes
        head = f"POST /webhooks/whatsapp HTTP/1.1\nHost: here\nContent-Length: {limit + 1}\n\n"
        line, _ = await heard(world, head)  # not one byte of the body
        assert line.startswith("HTTP/1.1 413"), line


async def test_a_body_without_end_is_cut_at_the_limit(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        limit = world.gateway.config.limits.webhook_max_bytes
        head = "POST /webhooks/whatsapp HTTP/1.1\nHost: here\nTransfer-Encoding: chunked\n\n"
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        line, sent = await heard(world, head, chunk=chunk, most=10 * limit)
        assert line.startswith("HTTP/1.1 413"), line
        assert sent < 10 * limit, "it would have gone on"
        assert rows(tmp_path) == 0


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with demo(tmp_path) as world:
        webhooks: Webhooks = world.gateway.webhooks
        monkeypatch.setattr(webhooks, "read_seconds", 0.2)  # the setting is 10 s by default
        head = "POST /webhooks/whatsapp HTTP/1.1\nHost: here\nContent-Length: 100\n\n{"
        line, _ = await heard(world, head)
        assert line.startswith("HTTP/1.1 408"), line
        assert rows(tmp_path) == 0


# -------------------------------------------------------------------------------------------- not understood


def signed_by_meta(world: World, body: bytes) -> dict[str, str]:
    """As Meta does: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads."""
    secret = world.gateway.loaded.channels["whatsapp"].account.app_secrets[0].get_secret_value()  # type: ignore[attr-defined]
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def signed_by_line(world: World, body: bytes) -> dict[str, str]:
    """As LINE does: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/."""
    secret = world.gateway.loaded.channels["line"].account.channel_secrets[0].get_secret_value()  # type: ignore[attr-defined]
    return {"X-Line-Signature": base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()}


async def test_broken_json_with_a_right_signature_is_taken_and_waits_for_an_operator(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        broken = b'{"object": "whatsapp_business_account", "entry": [\xff'
        taken = await world.call("POST", "/webhooks/whatsapp", headers=signed_by_meta(world, broken), data=broken)
        assert taken.status == 200
        other = b'{"destination": "U0", "events": {}}'
        taken = await world.call("POST", "/webhooks/line", headers=signed_by_line(world, other), data=other)
        assert taken.status == 200

        async def listed() -> list[str]:
            lines = (await byoc("inbox", "list", "--data", str(tmp_path))).out.splitlines()
            return lines if len(lines) == 2 else []

        first, second = await wait_until(listed, what="both stand in `byoc inbox list`")
        assert "whatsapp" in first
        assert "line" in second
        assert all(len(line.split("  ", 3)[3]) > 10 for line in (first, second)), "with their reasons"
        row_id = first.split()[0]
        shown = json.loads((await byoc("inbox", "show", row_id, "--data", str(tmp_path))).out)
        assert shown["state"] == "stuck"
        assert shown["body"].startswith('{"object"')
        # Nothing behind it is held up.
        assert (await world.customer("whatsapp").says("hello")).status == 201
        ana = world.rep("ana")
        await ana.present()
        await ana.take("whatsapp")


# ----------------------------------------------------------------------------------------- callers of the API


async def test_an_unknown_field_is_pointed_to(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        refused = await world.rep("ana")("PUT", "/presence", json={"status": "online", "colour": "red"})
        assert refused.status == 422
        assert refused.headers["Content-Type"].startswith("application/problem+json")
        assert [error["pointer"] for error in refused.json["errors"]] == ["/colour"]


async def test_many_recipients_at_once_are_no_recipient(tmp_path: Path) -> None:
    """C1: a list is invalid input."""
    async with demo(tmp_path) as world:
        body = {"recipient": [{"type": "agent", "id": "ben"}, {"type": "agent", "id": "cleo"}]}
        refused = await world.rep("ana").post("/sessions/ses_none/invitations", body)
        assert refused.status == 422
        assert [error["pointer"] for error in refused.json["errors"]] == ["/recipient"]


def test_every_channel_of_ours_is_tried() -> None:
    plug_in_like = {"webchat"}  # its webhooks are made in this process
    ours = {kind for kind in registry.load() if kind in {"sms", "whatsapp", "messenger", "line", "apple", "webchat"}}
    assert set(SIGNED_BY) == ours - plug_in_like
