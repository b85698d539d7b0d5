"""A real server, and a store behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.places import NatsConfig
from gateway.nats_inbox.edge import NatsInbox
from gateway.store.inbox import SqliteInbox
from tests.nats import NatsServer, nats_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path / "nats") as one:
        yield one


@pytest.fixture
def settings() -> NatsConfig:
    return NatsConfig(max_bytes=64 << 20)


@pytest.fixture
async def edge(server: NatsServer, settings: NatsConfig) -> AsyncIterator[NatsInbox]:
    one = NatsInbox(server.url, settings)
    await one.open()
    yield one
    await one.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    one = SqliteInbox(tmp_path, lambda: datetime.now(UTC))
    await one.open()
    yield one
    await one.close()
