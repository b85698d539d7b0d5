"""Three servers that keep the stream on three disks: any one of them may go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error
from pydantic import SecretStr

from gateway.config.places import NatsConfig
from gateway.errors import StoreUnavailable
from gateway.nats_inbox.edge import NatsInbox
from gateway.store.inbox import SqliteInbox
from tests.nats import NatsServer, nats_cluster
from tests.nats_inbox.scenes import moving, until_there
from tests.store.backends import keep
from tests.store.test_inbox import request
from tests.world import wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[NatsServer]]:
    with nats_cluster(tmp_path / "nats") as servers:
        yield servers


async def leader(servers: list[NatsServer]) -> NatsServer:
    for server in servers:
        client = Client()
        try:
            await client.connect(server.address, allow_reconnect=False)
            answer = json.loads((await client.request("$JS.API.STREAM.INFO.BYOC_INBOX", timeout=5)).data)
        except (OSError, Error):  # that one is away
            answer = {}
        finally:
            await client.close()
        names = {f"n{n}": one for n, one in enumerate(servers)}
        if (name := answer.get("cluster", {}).get("leader")) in names:
            return names[name]
    raise AssertionError("no leader")


@pytest.mark.parametrize("how", ["killed", pytest.param("frozen", marks=pytest.mark.slow)])
async def test_a_leader_that_is_gone_while_webhooks_arrive_loses_and_doubles_nothing(
    how: str, cluster: list[NatsServer], tmp_path: Path
) -> None:
    url = SecretStr(",".join(server.address for server in cluster))
    settings = NatsConfig(replicas=3, max_bytes=64 << 20)
    edge = NatsInbox(url, settings)
    await edge.open()
    async with asyncio.timeout(60):  # until the three have found each other
        while True:
            try:
                await keep(edge, "line", request(b"0"))
                break
            except StoreUnavailable:
                await asyncio.sleep(0.2)
    store = SqliteInbox(tmp_path, lambda: datetime.now(UTC))
    await store.open()
    told: dict[int, Exception | None] = {0: None}
    anyone = NatsServer(tmp_path / "none")
    anyone.address = url.get_secret_value()
    sent = 1
    given: list[int] = []
    async with moving(anyone, settings, store):
        victim = await leader(cluster)
        for number in range(300):
            if number == 100:
                await wait_until(lambda: len(told) > 50)
                victim.kill() if how == "killed" else victim.freeze()
            edge.put("line", request(b"%d" % sent), partial(told.__setitem__, sent))
            sent += 1
            await asyncio.sleep(0.002)
        await wait_until(lambda: len(told) == sent)
        victim.start() if how == "killed" else victim.thaw()
        kept = [number for number, error in sorted(told.items()) if error is None]
        while not set(kept) <= set(given):
            given += [int(body) for body in await until_there(store, "line", 1)]
    assert given == sorted(set(given)), "in order, and once"
    assert len(kept) > 50
    await edge.close()
    await store.close()
