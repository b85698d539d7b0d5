"""How long `verify` and `parse` take for a megabyte, on each channel: a large batch of ordinary events, and shapes made to be slow.

    python bench/parse.py [KIND …] [--profile]

The aim is 50 ms for a megabyte. Ordinary are 1,000 of the channel's recorded text events, in one
request where the channel has batches. Small events cost more for a megabyte than large ones: what counts is the event.
"""

from __future__ import annotations

import argparse
import cProfile
import gzip
import importlib
import json
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.errors import NotAuthentic, NotUnderstood

MEGABYTE: Final = 1_000_000
AIM_MS: Final = 50
EVENTS: Final = 1_000  # Meta's largest batch
# Where the channel's list of events stands in its body, and the id of an event within it.
BATCHES: Final[dict[str, tuple[tuple[str | int, ...], tuple[str, ...]]]] = {
    "line": (("events",), ("webhookEventId",)),
    "whatsapp": (("entry", 0, "changes", 0, "value", "messages"), ("id",)),
    "messenger": (("entry", 0, "messaging"), ("message", "mid")),
    "instagram": (("entry", 0, "messaging"), ("message", "mid")),
    "webchat": (("events",), ("id",)),
    "open": (("events",), ("id",)),
}
SLOW: Final[dict[str, bytes]] = {
    "empty objects": b"[" + b"{}," * 300_000 + b"{}]",
    "empty lists": b"[" + b"[]," * 300_000 + b"[]]",
    "numbers": b"[" + b"1," * 450_000 + b"1]",
    "short keys": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "escapes": b'["' + b"\\ud83d\\ude00" * 80_000 + b'"]',
    "deep": b"[" * 500_000 + b"]" * 500_000,
    "one text": b'"' + b"x" * MEGABYTE + b'"',
    "pairs": b"&".join(b"k%d=v" % n for n in range(90_000)),
    "percent signs": b"Body=" + b"%E2%98%82" * 110_000,
}


def suites(kinds: list[str]) -> Iterator[tuple[str, Suite]]:
    """The channels' test accounts and recorded payloads."""
    for path in sorted((Path(__file__).resolve().parent.parent / "tests" / "adapters").glob("*/suite.py")):
        kind = path.parent.name
        if not kinds or kind in kinds:
            yield kind, importlib.import_module(f"tests.adapters.{kind}.suite").SUITE


def large(kind: str, suite: Suite) -> tuple[list[RawRequest], int]:
    """1,000 ordinary events, in one request where the channel has batches, and their size before packing."""
    recorded = next(case.request for case in suite.events if case.name == "text")
    if kind in BATCHES:
        batch = replace(recorded, body=_batch(json.loads(recorded.body), *BATCHES[kind]))
        return [batch], len(batch.body)
    plain = gzip.decompress(recorded.body) if recorded.body.startswith(b"\x1f\x8b") else recorded.body
    return [recorded] * EVENTS, len(plain) * EVENTS


def _batch(body: Any, place: tuple[str | int, ...], key: tuple[str, ...]) -> bytes:
    if "events" in place and "events" not in body:
        body = {"events": [body]}
    holder = body
    for step in place:
        holder = holder[step]
    written = json.dumps(holder[0])
    holder[:] = [json.loads(written) for _ in range(EVENTS)]
    for number, event in enumerate(holder):
        inner = event
        for step in key[:-1]:
            inner = inner[step]
        inner[key[-1]] = f"{inner.get(key[-1], '')}{number}"
    return json.dumps(body).encode()


def measured(work: Callable[[], int], rounds: int = 5) -> tuple[float, int]:
    """The best processor time in ms, and what came out."""
    best, found = float("inf"), 0
    for _ in range(rounds):
        begun = time.process_time()
        found = work()
        best = min(best, (time.process_time() - begun) * 1000)
    return best, found


def road(suite: Suite, requests: list[RawRequest]) -> Callable[[], int]:
    """Verify and parse signed requests; how many events."""
    signed = [suite.sign(request, suite.account) for request in requests]

    def work() -> int:
        found = 0
        for request in signed:
            with suppress(NotAuthentic, NotUnderstood):
                suite.adapter.verify(request, suite.account, request.received_at)
                found += len(suite.adapter.parse(request, suite.account))
        return found

    return work


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--profile", action="store_true", help="show where the time of the large batch goes")
    asked = parser.parse_args()
    print(f"{'channel':16} {'events':>7} {'bytes':>9} {'ms':>8} {'ms/MB':>7} {'µs/event':>9}   worst made-up shape, ms/MB")
    for kind, suite in suites(asked.kinds):
        requests, size = large(kind, suite)
        work = road(suite, requests)
        if asked.profile:
            profile = cProfile.Profile()
            profile.runcall(work)
            pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        ms, events = measured(work)
        slow = {
            name: measured(road(suite, [replace(requests[0], body=body)]), 2)[0] * MEGABYTE / len(body)
            for name, body in SLOW.items()
        }
        worst = max(slow, key=lambda name: slow[name])
        print(
            f"{kind:16} {events:7} {size:9} {ms:8.1f} {ms * MEGABYTE / size:7.1f} {ms * 1000 / max(1, events):9.1f}   "
            f"{worst}: {slow[worst]:.0f}{'  (over the aim)' if max(ms * MEGABYTE / size, slow[worst]) > AIM_MS else ''}"
        )


if __name__ == "__main__":
    main()
