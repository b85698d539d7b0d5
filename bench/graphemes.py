"""Texts that are slow to cut, as long as a rep's may be (100,000 code points): flags alone, or accents on one letter. Each is received from a customer, and sent to one."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from adapters.contract import RawRequest
from adapters.envelope import InboundMessage
from bench.results import Line
from bench.servers import config_of, free_port
from bench.subject import Bench, Subject
from bench.traffic import Traffic
from gateway import config
from gateway.app import Gateway
from gateway.brokers.contract import Caller, Effect
from gateway.session.commands import AcceptWork, SayToCustomer
from gateway.session.model import Login, Presence

_COUNT: Final = 100_000
_TEXTS: Final = {
    "flags": "\N{REGIONAL INDICATOR SYMBOL LETTER N}\N{REGIONAL INDICATOR SYMBOL LETTER O}",
    "accents": "\N{COMBINING ACUTE ACCENT}",
}


def _text(kind: str, count: int) -> str:
    return f"a{_TEXTS[kind] * count}"[:count]


def _request(number: int, text: str) -> RawRequest:
    body = json.loads(Traffic(people=1).body(number))
    body["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] = text
    return RawRequest(
        method="POST", url="", path="", query=(), headers={}, body=json.dumps(body).encode(), received_at=datetime.now(UTC)
    )


async def _costs(count: int, folder: Path) -> dict[str, float]:
    """Processor time in ms, all threads', by `KIND.in` and `KIND.out`."""
    costs: dict[str, float] = {}
    loaded = config.build(config_of(free_port(), folder))
    channel = loaded.channels["whatsapp"]
    broker = Gateway(loaded).broker
    await broker.open()
    ana = Caller(login=Login("ana"), org="bench", name="Ana")
    await broker.set_presence(ana, Presence.online)
    numbers = itertools.count()

    async def receive(text: str) -> float:
        request, begun = _request(next(numbers), text), time.process_time()
        (message,) = channel.adapter.parse(request, channel.account)
        assert isinstance(message, InboundMessage)
        (fault,) = await broker.take_in([message])
        if fault is not None:
            raise fault
        return (time.process_time() - begun) * 1000

    async def say(text: str) -> float:
        begun = time.process_time()
        answer = await broker.command(ana, session_id, SayToCustomer(by=ana.login, text=text))
        assert isinstance(answer, Effect), answer
        return (time.process_time() - begun) * 1000

    await receive("hello")
    (session,) = (await broker.sessions(ana, status=None, mine=False, q=None, cursor=None, limit=1)).items
    session_id = session.id
    await broker.command(ana, session_id, AcceptWork(by=ana.login))
    await say("hello")  # what is done once is done
    for kind in _TEXTS:
        costs[f"{kind}.in"] = await receive(_text(kind, count))
        costs[f"{kind}.out"] = await say(_text(kind, count))
    await broker.close()
    return costs


def measure(bench: Bench) -> None:
    """Parsed, decided, split and stored. The ratio is to half of the length: 2 where the time grows with the length alone."""
    found: list[dict[str, float]] = []
    for count in (bench.count(_COUNT // 2), bench.count(_COUNT)):
        with TemporaryDirectory(prefix="byoc-bench-", dir=bench.folder) as folder:
            found.append(asyncio.run(_costs(count, Path(folder))))
    half, whole = found
    for kind in _TEXTS:
        for way in ("in", "out"):
            bench.note(f"graphemes.{kind}.{way}", whole[f"{kind}.{way}"])
        bench.note(f"graphemes.{kind}.growth", max(whole[f"{kind}.{way}"] / half[f"{kind}.{way}"] for way in ("in", "out")))


def _lines() -> tuple[Line, ...]:
    return tuple(
        line
        for kind in _TEXTS
        for line in (
            Line(
                f"graphemes.{kind}.in", f"a message of 100,000 code points, all {kind}, received: processor time", "ms", 50, "low"
            ),
            Line(f"graphemes.{kind}.out", f"a message of 100,000 code points, all {kind}, sent: processor time", "ms", 50, "low"),
            Line(f"graphemes.{kind}.growth", f"messages of {kind}: time for twice the length", "ratio", 2.5, "low"),
        )
    )


SUBJECT: Final = Subject("graphemes", "one message of 100,000 code points, all flags or all accents, each way", _lines(), measure)
