"""A gateway whose providers are a test's own: its stores, its broker and one worker at a time; no doors."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, MediaPart, Part, TextPart
from gateway import config
from gateway.app import Gateway
from gateway.brokers.contract import Effect, Line
from gateway.clock import Clock, now
from gateway.identity.directory import caller_for
from gateway.session.commands import AcceptWork, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import DeliveryState, Login, Presence
from tests.world import PNG

QUIET = {"*": {"joined": None}}  # no join notices, so that what is sent is what a test says


def sms(api_base: str, **more: Any) -> dict[str, Any]:
    """A channel without a retry key."""
    account = {
        "account_sid": "AC" + "0" * 32,
        "auth_tokens": ["an-auth-token-of-some-length"],
        "number": "+15550002222",
        "api_base": api_base,
    }
    return {"kind": "sms", "org": "acme", "queue": "support", "notices": QUIET, "account": account, **more}


def line(api_base: str, **more: Any) -> dict[str, Any]:
    """A channel with one."""
    account = {
        "channel_secrets": ["a-secret-of-some-length"],
        "access_tokens": ["a-token-of-some-length"],
        "api_base": api_base,
        "data_base": api_base,
    }
    return {"kind": "line", "org": "acme", "queue": "support", "notices": QUIET, "account": account, **more}


def whatsapp(api_base: str, **more: Any) -> dict[str, Any]:
    """A channel without one, on which a file goes up before the message that shows it."""
    account = {
        "app_secrets": ["a-secret-of-some-length"],
        "verify_token": "a-word-of-some-length",
        "access_token": "a-token-of-some-length",
        "phone_number_id": "1",
        "api_base": api_base,
    }
    return {"kind": "whatsapp", "org": "acme", "queue": "support", "notices": QUIET, "account": account, **more}


class Outpost:
    """See the module."""

    def __init__(
        self,
        data_dir: Path,
        channels: dict[str, Any],
        *,
        clock: Clock = now,
        steady: Clock | None = None,
        fault: Callable[[str], None] | None = None,
        **settings: Any,
    ) -> None:
        people = {"ana": {"name": "Ana", "capacity": 1000}, "sam": {"name": "Sam", "supervisor": True}}
        org = {"reps": people, "queues": {"support": {"name": "Support", "reps": ["ana"]}}}
        loaded = config.build({"data_dir": str(data_dir), "orgs": {"acme": org}, "channels": channels, **settings})
        self.gateway = Gateway(loaded, clock=clock, steady=steady, fault=fault)
        self.broker = self.gateway.broker
        self._numbers = itertools.count()
        self.ana, self._sam = (caller_for(loaded.orgs["acme"], login) for login in ("ana", "sam"))

    async def conversation(self, channel_id: str, name: str = "kim", *parts: Part) -> str:
        """Somebody has written, and Ana has taken it; the session."""
        number = next(self._numbers)
        message = InboundMessage(
            channel_id=ChannelId(channel_id),
            event_id=f"event-{number}",
            message_id=f"message-{number}",
            end_user=EndUser(address=Address(name)),
            received_at=datetime.now(UTC),
            parts=parts or (TextPart(text="hello"),),
        )
        await self.broker.set_presence(self.ana, Presence.online)
        assert await self.broker.take_in([message]) == [None]
        page = await self.broker.sessions(self.ana, status=None, mine=False, q=None, cursor=None, limit=1)
        session_id = page.items[0].id
        assert isinstance(await self.broker.command(self.ana, session_id, AcceptWork(by=Login("ana"))), Effect)
        return session_id

    async def say(self, session_id: str, text: str, file: MediaPart | None = None) -> None:
        answer = await self.broker.command(self.ana, session_id, SayToCustomer(by=Login("ana"), text=text, file=file))
        assert isinstance(answer, Effect), answer

    async def picture(self) -> MediaPart:
        """Ana's, to be said."""
        return await self.broker.store_file(self.ana, "dot.png", "image/png", PNG)

    async def lines(self, session_id: str) -> list[Line]:
        page = await self.broker.entries(self._sam, session_id, before=None, after=0, limit=1_000)
        assert not isinstance(page, Refusal)
        return list(page.items)

    async def deliveries(self, session_id: str) -> list[DeliveryState]:
        return [one for line in await self.lines(session_id) for one in line.delivery]

    async def states(self, session_id: str) -> list[str]:
        return [one.status for one in await self.deliveries(session_id)]


@asynccontextmanager
async def outpost(data_dir: Path, channels: dict[str, Any], **settings: Any) -> AsyncIterator[Outpost]:
    """Open."""
    one = Outpost(data_dir, channels, **settings)
    await one.gateway.inbox.open()
    await one.broker.open()
    try:
        yield one
    finally:
        await one.gateway.driver.close()
        await one.gateway.inbox.close()
        await one.broker.close()


@asynccontextmanager
async def at_work(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A worker, until the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        outcome = await asyncio.gather(task, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in outcome), outcome
