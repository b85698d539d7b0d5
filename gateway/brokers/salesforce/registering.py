"""What each channel can show is registered with its org, and renewed: at the start, and then every day, as Salesforce asks.

It is no row of the outbox: nothing hangs on it that a later registration doesn't bring, and the newest one counts.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from adapters.contract import Flow
from adapters.envelope import Address, ChannelId
from adapters.errors import AdapterError
from gateway.backoff import backoff
from gateway.brokers.salesforce import calls, capabilities
from gateway.brokers.salesforce.places import Places, SalesforceLink
from gateway.brokers.salesforce.tokens import Tokens
from gateway.clock import Clock
from gateway.config.salesforce import SalesforceOrg
from gateway.store.contract import Call

_log = logging.getLogger(__name__)
_DAY_SECONDS: Final = 86_400.0
Run = Callable[[Flow[Any]], Awaitable[Any]]


class Registering:
    """Of one org's channels."""

    def __init__(self, org: SalesforceOrg, places: Places, tokens: Tokens, run: Run, clock: Clock) -> None:
        self._org, self._places, self._tokens, self._run, self._clock = org, places, tokens, run, clock
        self.failing: dict[str, str] = {}  # by channel: what Salesforce said

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self._places.channels.values():
                tasks.create_task(self._keep(link), name=f"register {link.id}")

    async def _keep(self, link: SalesforceLink) -> None:
        failures = 0
        while True:
            try:
                await self._run(self._flow(link))
            except AdapterError as error:
                failures += 1
                if link.id not in self.failing:
                    _log.warning(
                        "capabilities not registered",
                        extra={"action": "salesforce.not_registered", "channel": link.id, "reason": str(error)},
                    )
                self.failing[link.id] = str(error)
                await asyncio.sleep(backoff(failures, first_seconds=5.0) + 1.0)
            else:
                failures = 0
                self.failing.pop(link.id, None)
                await asyncio.sleep(_DAY_SECONDS)

    def _flow(self, link: SalesforceLink) -> Flow[Any]:
        body: Mapping[str, Any] = capabilities.body(link.adapter.capabilities, link.settings, self._org)
        call = Call(
            id="capabilities",
            channel_id=ChannelId(self._places.lane),
            to=Address(f"{link.id}/"),
            retry_key=str(uuid.uuid4()),
            created_at=self._clock(),
            operation="capabilities",
            about=link.id,
            body=dict(body),
        )
        return calls.send(call, file=None, org=self._org, channel=link.settings, tokens=self._tokens, now=self._clock())
