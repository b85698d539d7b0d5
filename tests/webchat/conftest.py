"""A world for each test, on each store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from gateway.store.postgresql.connecting import SCHEMA
from gateway.store.postgresql.database import PostgresDatabase
from tests import postgresql
from tests.webchat.world import World


@cache
def _database() -> str:
    server = postgresql.shared()
    url = server.url(server.new_database())
    PostgresDatabase(url).prepare()
    return url


@pytest.fixture
def database() -> str:
    """A PostgreSQL database in which there is nothing of web chat's. One for all tests of a process: making one takes longer than most of them."""
    with psycopg.connect(_database()) as connection:
        connection.execute(f"TRUNCATE {SCHEMA}.visitor, {SCHEMA}.event, {SCHEMA}.relay, {SCHEMA}.file".encode())
    return _database()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest) -> str | None:
    """A store: None is SQLite in the test's folder, else the address of a database."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("database"))


NewWorld: TypeAlias = Callable[..., World]


@pytest.fixture
def new_world(where: str | None, tmp_path: Path) -> NewWorld:
    """Makes one with these settings of the channel."""

    def made(**settings: Any) -> World:
        one = World(tmp_path, **settings)
        one.database = where
        return one

    return made


@pytest.fixture
async def world(new_world: NewWorld) -> AsyncIterator[World]:
    async with new_world().running() as running:
        yield running
