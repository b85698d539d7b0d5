"""What the suites of this folder run on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store.inbox_contract import Inbox
from tests.store.backends import BACKENDS, Backend, Jobs, Time
from tests.store.stores import STORES


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with BACKENDS[request.param]() as backend:
        yield backend


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def inbox(store: Backend, tmp_path: Path, time: Time) -> AsyncIterator[Inbox]:
    """Open, in a folder of its own."""
    one = store.inbox(tmp_path, time)
    await one.open()
    yield one
    await one.close()


@pytest.fixture(params=STORES)
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    """On an empty store of sessions."""
    with STORES[request.param](tmp_path) as does:
        yield does
