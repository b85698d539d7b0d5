"""How fast webhooks go through NATS: into the stream, one publish each and as the edge does it, and out of it into a SQLite inbox.

`python -m bench.stream [--replicas 3] [--seconds 5]`. The servers run on this machine with `sync_interval: always`; everything shares its cores. As a ratio to
one publish each, which is what the servers' disk allows.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from nats.aio.client import Client
from pydantic import SecretStr

from adapters.contract import RawRequest
from gateway import loops
from gateway.config.places import NatsConfig
from gateway.doorbell.local import LocalDoorbell
from gateway.errors import StoreUnavailable
from gateway.nats_inbox.edge import NatsInbox
from gateway.nats_inbox.mover import Mover
from gateway.store.inbox import SqliteInbox
from gateway.store.packing import packed
from tests.nats import nats_cluster, nats_server
from tests.world import wait_until

_BODY = b"x" * 1_000


def _request() -> RawRequest:
    headers = {"content-type": "application/json", "x-hub-signature-256": "sha256=" + "0" * 64}
    return RawRequest("POST", "https://gateway.example/webhooks/wa", "", (), headers, _BODY, datetime.now(UTC))


async def _rate(work: Callable[[int], Awaitable[None]], at_once: int, seconds: float) -> float:
    """How many a second, with so many callers."""
    done, end = 0, time.perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work(number)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(at_once)))
    return done / (time.perf_counter() - began)


async def _measure(url: SecretStr, settings: NatsConfig, folder: Path, seconds: float) -> None:
    edge = NatsInbox(url, settings)
    await edge.open()

    async def keep(channel_id: str) -> None:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        edge.put(channel_id, _request(), lambda error: kept.set_exception(error) if error else kept.set_result(None))
        await kept

    while True:  # until the servers have found each other
        try:
            await keep("first")
            break
        except StoreUnavailable:
            await asyncio.sleep(0.2)
    client = Client()
    await client.connect(url.get_secret_value().split(","))
    payload = packed(_request())

    async def publish(number: int) -> None:
        await client.request(f"{settings.stream}.plain", payload, timeout=10, headers={"Nats-Msg-Id": secrets.token_hex(8)})

    base = await _rate(publish, 64, seconds)
    print(f"one publish each, 64 callers          {base:8.0f}/s  1.00")
    await client.close()
    for channels in (1, 8):
        for callers in (64, 256):
            rate = await _rate(lambda number, of=channels: keep(f"wa{number % of}"), callers, seconds)  # type: ignore[misc]
            print(f"the edge, {callers:3} callers, {channels} channel(s)    {rate:8.0f}/s  {rate / base:.2f}")
    await edge.close()
    inbox = SqliteInbox(folder, lambda: datetime.now(UTC))
    await inbox.open()
    mover = Mover(url, settings, inbox, LocalDoorbell())
    await mover.open()
    began = time.perf_counter()
    task = asyncio.create_task(mover.run())
    await wait_until(partial(_is_empty, mover), deadline=600)
    spent = time.perf_counter() - began
    task.cancel()
    count = sum(one.rows for one in await inbox.read(lambda rows: rows.tallies()))
    print(f"the mover, {count} webhooks         {count / spent:8.0f}/s  {count / spent / base:.2f}")
    await mover.close()
    await inbox.close()


async def _is_empty(mover: Mover) -> bool:
    return not (await mover.held()).messages


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=1, choices=[1, 3])
    parser.add_argument("--seconds", type=float, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        if asked.replicas == 1:
            servers = [stack.enter_context(nats_server(folder / "nats"))]
        else:
            servers = stack.enter_context(nats_cluster(folder / "nats"))
        url = SecretStr(",".join(one.address for one in servers))
        loops.run(_measure(url, NatsConfig(replicas=asked.replicas), folder, asked.seconds))


if __name__ == "__main__":
    main()
