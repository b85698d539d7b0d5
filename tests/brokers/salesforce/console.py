"""A simulated org on a folder of its own, without doors: customers by the calls that its REST API makes, reps by commands of its console."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from gateway.brokers.contract import Caller, Effect
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import Content, Conversation, CustomerSays, Text
from gateway.demo import cast
from gateway.demo.organisation import Organisation, Wanted
from gateway.identity.directory import caller_for
from gateway.session.commands import AcceptWork, Asked, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Presence, Session, SessionId

KIM = "+15550001111"
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def wanted(**how: Any) -> Wanted:
    """The demo's people and channels."""
    raw = yaml.safe_load(cast.cast_file().read_text())
    return Wanted("http://127.0.0.1:1", raw["orgs"], raw["channels"], "a secret of the test's", **how)


@dataclass
class Console:
    """What can be done to an org from both sides, and what it has published."""

    organisation: Organisation

    def caller(self, login: str) -> Caller:
        """A rep."""
        return caller_for(self.organisation.estate.people, login)

    async def online(self, *logins: str) -> None:
        """They take messages."""
        for login in logins:
            await self.present(login, "online")

    async def present(self, login: str, status: str) -> None:
        """What a rep says of themself."""
        await self.organisation.estate.broker.set_presence(self.caller(login), Presence(status))

    async def does(self, session_id: str, command: Asked) -> Effect:
        """The rep's command, which must succeed."""
        done = await self.organisation.estate.broker.command(self.caller(command.by), session_id, command)
        assert not isinstance(done, Refusal), done
        return done

    async def says(self, session_id: str, login: str, text: str) -> Effect:
        """A rep, to the customer."""
        return await self.does(session_id, SayToCustomer(by=login, text=text))  # type: ignore[arg-type]

    async def conversation(self, channel_id: str = "whatsapp", customer: str = KIM) -> Conversation:
        """The customer's."""
        return await self.organisation.org.converse(ids.address_of(channel_id), customer, {})

    async def customer_says(
        self,
        content: Content | str,
        channel_id: str = "whatsapp",
        customer: str = KIM,
        entry_id: str | None = None,
        *,
        anew: bool = False,
    ) -> str:
        """The id of the entry. `anew`: the org doesn't recognise one that it has."""
        own = entry_id or str(uuid.uuid4())
        said = Text(content) if isinstance(content, str) else content
        conversation = await self.conversation(channel_id, customer)
        await self.organisation.org.said(conversation, CustomerSays(own, datetime.now(UTC), said, anew=anew))
        return own

    async def session(self, channel_id: str = "whatsapp", customer: str = KIM) -> Session:
        """The open one."""
        found = await self.organisation.estate.open_session(await self.conversation(channel_id, customer))
        assert found is not None
        return found

    async def taken(self, login: str = "ana", channel_id: str = "whatsapp") -> SessionId:
        """A session that this rep has accepted."""
        await self.online(login)
        await self.customer_says("hello", channel_id)
        session = await self.session(channel_id)
        await self.does(session.id, AcceptWork(by=login))  # type: ignore[arg-type]
        return session.id

    async def published(self, after: int = 0) -> list[tuple[str, dict[str, Any]]]:
        """(event type, payload) of everything on the bus."""
        page = await self.organisation.log.after(after, 1_000)
        return [(row.event_type, json.loads(row.payload)) for row in page.events]

    async def until(self, entry_type: str, count: int = 1) -> list[dict[str, Any]]:
        """The payloads of all events of this type, once there are so many."""
        end = time.monotonic() + 30
        while True:
            every = await self.published()
            found = [payload["payload"] for _, payload in every if payload["payload"].get("entryType") == entry_type]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"no {entry_type}; there are {[p['payload'].get('entryType') for _, p in every]}"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def console(folder: Path, **how: Any) -> AsyncIterator[Console]:
    """An org at work."""
    async with Organisation(wanted(**how), folder).working() as organisation:
        yield Console(organisation)


def content_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's own content."""
    return dict(payload["entryPayload"])
