"""What `parse` costs on each channel for an ordinary small event, and `verify` and `parse` together for a megabyte made to be slow.

Ordinary are 1,000 of the channel's recorded text events, in one request where the channel has batches.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.errors import NotAuthentic, NotUnderstood
from bench.results import Line
from bench.subject import Bench, Subject

_SUITES: Final = Path(__file__).resolve().parent.parent / "tests" / "adapters"
KINDS: Final = tuple(sorted(path.parent.name for path in _SUITES.glob("*/suite.py")))
_MEGABYTE: Final = 1_000_000
_EVENTS: Final = 1_000  # Meta's largest batch
# Where the channel's list of events is in its body, and the id of an event within it.
_BATCHES: Final[dict[str, tuple[tuple[str | int, ...], tuple[str, ...]]]] = {
    "line": (("events",), ("webhookEventId",)),
    "whatsapp": (("entry", 0, "changes", 0, "value", "messages"), ("id",)),
    "messenger": (("entry", 0, "messaging"), ("message", "mid")),
    "instagram": (("entry", 0, "messaging"), ("message", "mid")),
    "webchat": (("events",), ("id",)),
    "open": (("events",), ("id",)),
}
_SLOW: Final[dict[str, bytes]] = {
    "empty objects": b"[" + b"{}," * 300_000 + b"{}]",
    "empty lists": b"[" + b"[]," * 300_000 + b"[]]",
    "numbers": b"[" + b"1," * 450_000 + b"1]",
    "short keys": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "many keys": b"{" + b",".join(b'"%d":"%011d"' % (n, n) for n in range(49_000)) + b"}",
    "escapes": b'["' + b"\\ud83d\\ude00" * 80_000 + b'"]',
    "deep": b"[" * 500_000 + b"]" * 500_000,
    "one text": b'"' + b"x" * _MEGABYTE + b'"',
    "pairs": b"&".join(b"k%d=v" % n for n in range(90_000)),
    "percent signs": b"Body=" + b"%E2%98%82" * 110_000,
}


def ordinary(kind: str, suite: Suite) -> list[RawRequest]:
    """1,000 events, in as few requests as the channel's provider would make."""
    recorded = next(case.request for case in suite.events if case.name == "text")
    if kind not in _BATCHES:
        return [recorded] * _EVENTS
    return [replace(recorded, body=_batch(json.loads(recorded.body), *_BATCHES[kind]))]


def _batch(body: Any, place: tuple[str | int, ...], key: tuple[str, ...]) -> bytes:
    if "events" in place and "events" not in body:
        body = {"events": [body]}
    holder = body
    for step in place:
        holder = holder[step]
    written = json.dumps(holder[0])
    holder[:] = [json.loads(written) for _ in range(_EVENTS)]
    for number, event in enumerate(holder):
        inner = event
        for step in key[:-1]:
            inner = inner[step]
        inner[key[-1]] = f"{inner.get(key[-1], '')}{number}"
    return json.dumps(body).encode()


def cost(work: Callable[[], int], rounds: int) -> tuple[float, int]:
    """The least processor time in seconds, and what came out: other work on the machine only ever makes it longer."""
    best, found = float("inf"), 0
    for _ in range(rounds):
        begun = time.process_time()
        found = work()
        best = min(best, time.process_time() - begun)
    return best, found


def parsing(suite: Suite, requests: list[RawRequest]) -> Callable[[], int]:
    """Parses requests that were verified; how many events."""
    return lambda: sum(len(suite.adapter.parse(request, suite.account)) for request in requests)


def road(suite: Suite, requests: list[RawRequest]) -> Callable[[], int]:
    """Verifies and parses signed requests; how many events."""
    signed = [suite.sign(request, suite.account) for request in requests]

    def work() -> int:
        found = 0
        for request in signed:
            with suppress(NotAuthentic, NotUnderstood):
                suite.adapter.verify(request, suite.account, request.received_at)
                found += len(suite.adapter.parse(request, suite.account))
        return found

    return work


def measure(bench: Bench) -> None:
    """Each channel, then the worst of all shapes on all channels."""
    worst, where = 0.0, ""
    for kind in KINDS:
        suite: Suite = importlib.import_module(f"tests.adapters.{kind}.suite").SUITE
        requests = ordinary(kind, suite)
        seconds, events = cost(parsing(suite, requests), bench.count(5, 2))
        if events < _EVENTS:
            raise RuntimeError(f"{kind}: {events} of {_EVENTS} events were understood")
        bench.note(f"parse.{kind}", seconds / events * 1e6)
        for name, body in _SLOW.items():
            seconds, _ = cost(road(suite, [replace(requests[0], body=body)]), bench.count(2))
            if (ms := seconds * 1000 * _MEGABYTE / len(body)) > worst:
                worst, where = ms, f"{name}, {kind}"
    bench.note("parse.worst", worst)
    bench.remark("parse.worst", where)


SUBJECT: Final = Subject(
    "parse",
    "parse, for a small event on each channel; verify and parse, for the slowest megabyte",
    (
        *(Line(f"parse.{kind}", f"parse a small event: {kind}", "µs", 15, "low") for kind in KINDS),
        Line("parse.worst", "verify and parse a megabyte made to be slow, worst channel", "ms", 50, "low"),
    ),
    measure,
    rounds=1,
)
