"""Peers from PyPI beside the gateway: webhooks answered per second on one core, as a ratio to bare aiohttp in the same round. Each gets a text of its own
provider. None of them stores anything before it answers; the gateway does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from bench import servers
from bench.against import bare_rate, load_up
from bench.load import drive
from bench.results import Line
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import NUMBER_ID, SECRET, Traffic, post
from bench.venvs import python_with, versions

_APPS: Final = Path(__file__).resolve().parent / "peers"
_CONNECTIONS: Final = 64
_WORDS: Final = "Hello, my order {number} has not arrived yet. Could you look, please? " * 2


@dataclass(frozen=True, slots=True)
class Peer:
    """`requirements` begin with the peer itself. `request(number)` is a webhook as its provider sends it."""

    key: str
    title: str
    requirements: tuple[str, ...]
    app: str
    arguments: tuple[str, ...]
    request: Callable[[int], bytes]
    signed: bool = True


def _line(number: int) -> bytes:
    event = {
        "type": "message",
        "mode": "active",
        "timestamp": 1_789_640_000_000 + number,
        "source": {"type": "user", "userId": f"U{number % 500:032x}"},
        "webhookEventId": f"01{number:024d}",
        "deliveryContext": {"isRedelivery": False},
        "replyToken": f"{number:032x}",
        "message": {"type": "text", "id": f"{number:018d}", "quoteToken": "q" * 60, "text": _WORDS.format(number=number)},
    }
    body = json.dumps({"destination": "U" + "0" * 32, "events": [event]}).encode()
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    return post("/callback", {"Content-Type": "application/json", "X-Line-Signature": signature}, body)


def _bot(number: int) -> bytes:
    activity = {
        "type": "message",
        "id": f"{number:024d}",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "serviceUrl": "http://127.0.0.1:9",
        "channelId": "emulator",
        "from": {"id": f"user-{number % 500}", "name": "Ana Ruiz"},
        "conversation": {"id": f"conversation-{number % 500}"},
        "recipient": {"id": "bot", "name": "Bot"},
        "locale": "en-US",
        "text": _WORDS.format(number=number),
        "entities": [],
        "channelData": {"clientActivityID": f"{number:024d}"},
    }
    return post("/api/messages", {"Content-Type": "application/json"}, json.dumps(activity).encode())


PEERS: Final = (
    Peer("line", "line-bot-sdk + aiohttp", ("line-bot-sdk", "aiohttp", "uvloop"), "line_app.py", (SECRET,), _line),
    Peer(
        "pywa",
        "pywa + FastAPI",
        ("pywa", "fastapi", "uvicorn", "uvloop", "httptools"),
        "whatsapp_app.py",
        (SECRET, NUMBER_ID),
        Traffic(path="/webhook").request,
    ),
    Peer(
        "botbuilder",
        "botbuilder-integration-aiohttp",
        ("botbuilder-integration-aiohttp", "uvloop"),
        "bot_app.py",
        (),
        _bot,
        signed=False,
    ),
)


def measure(bench: Bench) -> None:
    """The bare server once a round, then each peer."""
    pythons = {peer.key: python_with(peer.key, peer.requirements) for peer in PEERS}
    bare = bare_rate(bench, _CONNECTIONS)
    for peer in PEERS:
        port, python = servers.free_port(), pythons[peer.key]
        command = (str(python), str(_APPS / peer.app), str(port), *peer.arguments)
        with (
            TemporaryDirectory(prefix="byoc-bench-", dir=bench.folder) as folder,
            servers.running(Path(folder), port, command) as server,
        ):
            if peer.signed:
                _check_that_it_verifies(server, peer)
            rate = load_up(bench, server, _CONNECTIONS, bench.seconds(4), request=peer.request)
        bench.note(f"peers.{peer.key}", rate.per_second / bare.per_second)
        bench.remark(f"peers.{peer.key}", versions(python, peer.requirements[:1]))


def _check_that_it_verifies(server: Server, peer: Peer) -> None:
    """Whoever takes a forged webhook isn't measured: it would have less to do."""
    forged = peer.request(0).replace(b"order", b"ardor")
    if uvloop.run(drive(server.port, iter([forged]), connections=1)).answered:
        raise RuntimeError(f"{peer.title} takes a webhook whose signature is wrong")


SUBJECT: Final = Subject(
    "peers",
    "other libraries' least applications at 64 connections, as a ratio to bare aiohttp (installs them in a cache folder)",
    tuple(Line(f"peers.{peer.key}", f"{peer.title}, at {_CONNECTIONS} connections, to bare", "ratio") for peer in PEERS),
    measure,
    option="peers",
)
