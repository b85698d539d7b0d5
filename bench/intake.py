"""How many customers' messages the broker takes in per second, in batches of several sizes, on a real file.

    python bench/intake.py [--messages 2000] [--customers 200] [--batches 1 20 100] [--rounds 3]

The customers write in turn. A first message opens a session, which is offered to a rep; the others are added to it. Sizes are measured in turn, several rounds of
them, and the best round of each counts, since other work on the machine only ever slows one down. The processor's time for an event tells more on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart  # noqa: E402
from gateway import config  # noqa: E402
from gateway.app import Gateway  # noqa: E402
from gateway.brokers.contract import Caller  # noqa: E402
from gateway.session.model import Login, Presence  # noqa: E402

CHANNEL = ChannelId("sms")
SMS = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["a-token-for-the-bench"], "number": "+15550002222"}
WORLD = {
    "orgs": {
        "bench": {
            "reps": {f"rep{n}": {"name": f"Rep {n}", "capacity": 1_000} for n in range(5)},
            "queues": {"all": {"name": "All", "reps": [f"rep{n}" for n in range(5)]}},
        }
    },
    "channels": {CHANNEL: {"kind": "sms", "org": "bench", "queue": "all", "account": SMS}},
}


def messages(count: int, customers: int) -> list[InboundMessage]:
    """Each of another customer than the one before."""
    return [
        InboundMessage(
            channel_id=CHANNEL,
            event_id=f"event-{number}",
            message_id=f"message-{number}",
            end_user=EndUser(address=Address(f"+1555{number % customers:07d}"), name=f"Customer {number % customers}"),
            received_at=datetime.now(UTC),
            parts=(TextPart(text=f"Hello, where is my order {number}?"),),
        )
        for number in range(count)
    ]


def cut(events: Sequence[InboundMessage], size: int) -> Iterator[Sequence[InboundMessage]]:
    """Into batches."""
    return (events[start : start + size] for start in range(0, len(events), size))


class Cost(NamedTuple):
    """Of one event, in seconds: on the wall's clock, and of the processor."""

    elapsed: float
    processor: float


async def cost(size: int, count: int, customers: int) -> Cost:
    """In batches of this size, on a new file."""
    with tempfile.TemporaryDirectory(prefix="byoc-bench-") as folder:
        broker = Gateway(config.build({"data_dir": folder, **WORLD})).broker
        await broker.open()
        await broker.set_presence(Caller(login=Login("rep0"), org="bench", name="Rep 0"), Presence.online)
        events = messages(count, customers)
        begun, used = time.perf_counter(), time.process_time()
        for batch in cut(events, size):
            faults = [fault for fault in await broker.take_in(batch) if fault is not None]
            if faults:
                raise faults[0]
        spent = Cost((time.perf_counter() - begun) / count, (time.process_time() - used) / count)
        await broker.close()
    return spent


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds: dict[int, list[Cost]] = {size: [] for size in asked.batches}
    for _ in range(asked.rounds):
        for size in asked.batches:
            rounds[size].append(asyncio.run(cost(size, asked.messages, asked.customers)))
    print(f"{asked.messages:,} messages of {asked.customers} customers; the best of {asked.rounds} rounds\n")
    print(f"{'batch of':>10}{'events/s':>12}{'ratio':>8}{'CPU µs/event':>16}{'ratio':>8}")
    best = {size: Cost(min(c.elapsed for c in found), min(c.processor for c in found)) for size, found in rounds.items()}
    first = best[asked.batches[0]]
    for size, one in best.items():
        speed, used = f"{1 / one.elapsed:12,.0f}{first.elapsed / one.elapsed:8.1f}", one.processor * 1e6
        print(f"{size:10}{speed}{used:16,.0f}{first.processor / one.processor:8.1f}")


if __name__ == "__main__":
    main()
