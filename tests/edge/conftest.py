"""The API as callers meet it: a real server and the real broker on SQLite."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, Part, TextPart
from adapters.sms import ADAPTER
from gateway import clock, config
from gateway.brokers.contract import Caller
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.doorbell.local import LocalDoorbell
from gateway.edge.api.install import Surface, install
from gateway.identity.directory import ConfigDirectory
from gateway.links import MediaLinks
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.sqlite import SqliteStore
from tests.edge.described import Api, Description

SMS = {"account_sid": f"AC{1:032x}", "auth_tokens": ["a-secret-of-some-length"], "number": "+15550002222"}
WORLD: dict[str, Any] = {
    "orgs": {
        "acme": {
            "settings": {"leave_notice_hold_seconds": 0},
            "reps": {
                "ana": {"name": "Ana", "tokens": ["token-ana"]},
                "ben": {"name": "Ben", "tokens": ["token-ben"]},
                "cleo": {
                    "name": "Cleo",
                    "permissions": ["messaging_agent", "enhanced_chat_rep", "run_flows"],
                    "tokens": ["token-cleo"],
                },
                "sam": {"name": "Sam", "supervisor": True, "tokens": ["token-sam"]},
            },
            "queues": {"support": {"name": "Support", "reps": ["ana", "ben", "cleo"]}},
            "flows": {"escalate": {"name": "Escalate", "rules": [{"to": {"type": "queue", "id": "support"}}]}},
        },
        "other": {"reps": {"zoe": {"name": "Zoe", "supervisor": True, "tokens": ["token-zoe"]}}},
    },
    "channels": {
        "sms": {"kind": "sms", "org": "acme", "queue": "support", "account": SMS},
        "sms-standard": {"kind": "sms", "org": "acme", "queue": "support", "edition": "standard", "account": SMS},
    },
}


class Directory(ConfigDirectory):
    """From the config; a test may revoke a token."""

    def __init__(self, loaded: config.Loaded) -> None:
        super().__init__(loaded.config, loaded.orgs, loaded.channels)
        self.revoked: set[str] = set()

    def caller_of(self, token: str, now: datetime) -> Caller | None:
        return None if token in self.revoked else super().caller_of(token, now)


@dataclass
class Site:
    """A gateway with its API alone: what customers do is told to the broker directly."""

    broker: EmbeddedBroker
    directory: Directory
    http: TestClient[Any, Any]
    surface: Surface
    description: Description
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def api(self, token: str | None = None, *, login: str | None = None) -> Api:
        """The API for a token, or for a rep's."""
        return Api(self.http, self.description, f"token-{login}" if login else token)

    async def customer_says(
        self,
        text: str = "hello",
        *,
        channel: str = "sms",
        address: str = "+15550001111",
        name: str | None = "Kim",
        parts: tuple[Part, ...] = (),
    ) -> None:
        """A customer writes."""
        number = next(self._count)
        message = InboundMessage(
            channel_id=ChannelId(channel),
            event_id=f"event-{number}",
            message_id=f"message-{number}",
            end_user=EndUser(address=Address(address), name=name),
            received_at=datetime.now(UTC),
            parts=parts or (TextPart(text=text),),
        )
        await self.broker.take_in([message])

    async def online(self, *logins: str) -> None:
        """These reps take messaging work."""
        for login in logins:
            assert (await self.api(login=login)("PUT", "/presence", json={"status": "online"})).status == 200

    async def session(self, login: str = "ana", **said: Any) -> str:
        """A session that this rep has taken; they are online."""
        await self.online(login)
        await self.customer_says(**said)
        api = self.api(login=login)
        listed = (await api.get("/sessions?status=waiting")).json["items"]
        taken = await api.post(f"/sessions/{listed[0]['id']}/accept")
        assert taken.status == 200, taken
        return str(taken.json["id"])


def world_of(described: dict[str, Any]) -> config.Loaded:
    """The world with SMS as its only kind of channel: what a desk does is the same on all."""
    read = config.GatewayConfig.model_validate(described)
    channels = {
        key: config.Channel(key, channel, ADAPTER, ADAPTER.account.model_validate(_account(key, channel)))
        for key, channel in read.channels.items()
    }
    return config.Loaded(read, channels)


def _account(channel_id: str, channel: config.ChannelConfig) -> dict[str, Any]:
    return {**channel.account, "channel_id": channel_id, "webhook_url": f"http://gateway.example/webhooks/{channel_id}"}


@pytest.fixture
def settings() -> dict[str, Any]:
    """What `install` is given; a test overrides this fixture or changes it before it asks for `site`."""
    return {}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedBroker, config.Loaded]]:
    loaded = world_of(WORLD)
    ground = Ground(loaded.channels, loaded.orgs, MediaLinks("secret", "http://gateway.example"), clock.new_id, clock.steady)
    store = SqliteStore(tmp_path, clock.now, ground.fault)
    made = EmbeddedBroker(store, ground, LocalDoorbell(), clock.now, Folder(tmp_path / "media", MEDIA))
    await made.open()
    running = asyncio.create_task(made.hub.run())
    yield made, loaded
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.close()


@pytest.fixture
async def site(broker: tuple[EmbeddedBroker, config.Loaded], settings: dict[str, Any]) -> AsyncIterator[Site]:
    made, loaded = broker
    directory = Directory(loaded)
    app = web.Application()
    surface = install(app, made, directory, **settings)
    async with TestClient(TestServer(app)) as http:
        async with http.get("/openapi.json") as response:
            description = described(await response.text())
        yield Site(made, directory, http, surface, description)


@cache
def described(text: str) -> Description:
    """The same text, read once."""
    return Description(json.loads(text))
