"""What a message costs each role, and what it costs PostgreSQL, for docs/sizing.json: `python -m bench.costs [--write]`.

One process of each role, one kind of work after the other, and each alone: so what the database did is the work's. Processor time is that of all threads and
processes. What a role uses for its start is taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from aiohttp import web

from adapters.contract import RawRequest
from bench import desk, machine, servers, sizing
from bench.load import drive
from bench.provider import Provider, listening
from bench.roles import Roles, roles
from bench.servers import Server
from bench.subject import Bench
from bench.traffic import NUMBER_ID, PATH, Traffic, signed
from gateway.store.packing import packed

_PATIENCE_SECONDS: Final = 300.0
_SETTLED_SECONDS: Final = 2.0  # servers tell their statistics about once a second
_STATISTICS: Final = b"""
    SELECT sum(xact_commit), sum(tup_inserted + tup_updated + tup_deleted), pg_current_wal_insert_lsn() - '0/0', sum(pg_database_size(datname))
    FROM pg_stat_database WHERE datname = current_database()"""


@dataclass(frozen=True)
class Meter:
    """What a database has done so far."""

    commits: float
    rows: float
    wal: float
    size: float
    processor: float

    @staticmethod
    def read(whole: Roles) -> Meter:
        """Once its statistics are told."""
        time.sleep(_SETTLED_SECONDS)
        pid = int((whole.database.folder / "postmaster.pid").read_text().split()[0])
        with psycopg.connect(whole.database.url(), autocommit=True) as connection:
            row = connection.execute(_STATISTICS).fetchone()
        assert row is not None
        commits, rows, wal, size = map(float, row)
        return Meter(commits, rows, wal, size, machine.processor_seconds(pid))

    def costs(self, before: Meter, work: str, count: int) -> dict[str, float]:
        """Of one piece of work, as docs/sizing.json names them."""
        return {
            f"database.{what}.{work}": max(1e-9, getattr(self, what) - getattr(before, what)) / count
            for what in ("processor", "commits", "rows", "wal")
        }


class Noting(Provider):
    """Remembers to whom it sent what: `sent` by the message's id."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}

    async def messages(self, request: web.Request) -> web.Response:
        """See `Provider`."""
        answer = await super().messages(request)
        if answer.status == 200:
            told = json.loads(answer.text or "")
            self.sent[told["messages"][0]["id"]] = told["contacts"][0]["wa_id"]
        return answer


def receipt(message_id: str, person: str) -> bytes:
    """A webhook of Meta's: it was delivered."""
    status = {"id": message_id, "status": "delivered", "timestamp": str(int(time.time())), "recipient_id": person}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550002222", "phone_number_id": NUMBER_ID},
        "statuses": [status],
    }
    entry = {"id": "204000000000001", "changes": [{"field": "messages", "value": value}]}
    return signed(PATH, json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - nothing rings for it
            await asyncio.sleep(0.1)


async def measured(bench: Bench, *, people: int, webhooks: int, each: int) -> dict[str, float]:
    """All costs but those that `docs/performance.json` has."""
    port, found = servers.free_port(), dict[str, float]()
    settings: dict[str, Any] = {"provider": port, "reps": {"ana": {"capacity": people}}}
    with roles(bench, **settings) as whole:

        async def start(role: str) -> Server:
            return await asyncio.to_thread(whole.start, role)

        async def meter() -> Meter:
            return await asyncio.to_thread(Meter.read, whole)

        async def idle(role: str) -> float:
            one = await start(role)
            await asyncio.sleep(_SETTLED_SECONDS)
            used = one.processor_seconds()
            await asyncio.to_thread(one.stop)
            return used

        starts = {role: await idle(role) for role in ("broker", "sender")}
        begun = await meter()

        edge = await start("edge")
        used, before = edge.processor_seconds(), await meter()
        await drive(edge.port, iter(Traffic(people=people).requests(webhooks)), connections=64, insist=True)
        found["edge.accept"] = (edge.processor_seconds() - used) / webhooks
        found |= (after := await meter()).costs(before, "accept", webhooks)

        broker = await start("broker")
        await _until(lambda: whole.applied() >= webhooks)
        found["broker.apply"] = (broker.processor_seconds() - starts["broker"]) / webhooks
        found |= (await meter()).costs(after, "apply", webhooks)

        api = await start("api")
        async with desk.reps(api, "ana") as (ana,):
            await ana.online()
            sessions = await _accepted(ana, people)
            await asyncio.to_thread(broker.stop)
            used, before, said = api.processor_seconds(), await meter(), people * each
            for number in range(each):
                for first in range(0, people, 32):
                    some = sessions[first : first + 32]
                    await asyncio.gather(*(ana.say(one, f"Your order number {number} leaves tomorrow, by post.") for one in some))
            found["api.write"] = (api.processor_seconds() - used) / said
            found |= (await meter()).costs(before, "write", said)
            used = api.processor_seconds()
            for one in sessions:
                await ana.call("GET", f"/sessions/{one}/entries?limit=50")
            found["api.read"] = (api.processor_seconds() - used) / people

        async with listening(Noting(), port) as them:
            before, waiting = await meter(), whole.queued()
            sender = await start("sender")
            await _until(lambda: whole.queued() == 0 and them.taken >= waiting)
            them.check()
            found["sender.send"] = (sender.processor_seconds() - starts["sender"]) / waiting
            found |= (after := await meter()).costs(before, "send", waiting)
            await asyncio.to_thread(sender.stop)

        told = [receipt(message_id, person) for message_id, person in them.sent.items()]
        await drive(edge.port, iter(told), connections=64, insist=True)
        before = await meter()
        broker = await start("broker")
        await _until(lambda: whole.delivered() >= len(told))
        found["broker.receipt"] = (broker.processor_seconds() - starts["broker"]) / len(told)
        found |= (ended := await meter()).costs(before, "receipt", len(told))
        found["database.bytes"] = (ended.size - begun.size) / (webhooks + them.taken)
    found["nats.bytes"] = _in_the_stream()
    return found


async def _accepted(ana: desk.Rep, people: int) -> list[str]:
    """Every session that waits."""
    found: set[str] = set()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(found) < people:
            page = await ana.call("GET", "/sessions?status=waiting&limit=100")
            for one in page["items"]:
                if one["offer"]:
                    await ana.call("POST", f"/sessions/{one['id']}/accept")
                    found.add(one["id"])
            await asyncio.sleep(0.05)
    return sorted(found)


def _in_the_stream() -> float:
    """Of a message of the stream, by webhook: a webhook as an edge packs it, and the server's own header."""
    body = Traffic().body(1)
    headers = {
        "content-type": "application/json",
        "x-hub-signature-256": f"sha256={'0' * 64}",
        "user-agent": "facebookexternalua",
    }
    request = RawRequest("POST", f"https://byoc.example.com{PATH}", "", (), headers, body, datetime.now(UTC))
    return float(len(packed(request)) + 100)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m bench.costs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the figures into docs/sizing.json, and what follows from them into docs/sizing.md",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="how long, 1 is usual")
    asked = parser.parse_args(arguments)
    machine.settle()
    bench = Bench(folder=Path(tempfile.gettempdir()), scale=asked.scale)
    found = asyncio.run(measured(bench, people=bench.count(200, 20), webhooks=bench.count(20_000, 200), each=bench.count(25, 2)))
    for key, value in found.items():
        print(f"{key:28} {value:.6g}")
    if asked.write:
        sizing.note(found, f"`python -m bench.costs`, {machine.described()}; {datetime.now(UTC):%Y-%m-%d}")
        sizing.main(["--write"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
