"""The road from the chat service to the gateway's own webhook: signed like any provider's, in order for each visitor, until taken.

Whoever passes on takes all that is pending of the visitor, from the first. So where several processes do, one after the other or at once, the webhook
receives every event for the first time in the stream's order; a repetition it knows by the event's id.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from adapters import standard_webhooks
from adapters.contract import Answer, RawRequest
from adapters.errors import NotAuthentic
from adapters.webchat import WebchatAccount
from gateway.clock import Clock
from gateway.edge.problems import Problem
from gateway.errors import GatewayError
from gateway.webchat.model import Pending, Visitor
from gateway.webchat.store import ChatStore

Intake = Callable[[str, RawRequest], Awaitable[Answer]]

_log = logging.getLogger(__name__)
_SWEEP_SECONDS: Final = 5.0
_PROFILE: Final = ("name", "email", "locale", "prechat", "page")


class Relay:
    """Tells the webhook; what it didn't take stays a row, for the visitor's repetition or the sweep."""

    def __init__(self, channels: Mapping[str, WebchatAccount], intake: Intake, store: ChatStore, clock: Clock) -> None:
        self._channels, self._intake, self._store, self._now = channels, intake, store, clock
        # Weak: a lock lives while somebody holds or awaits it, so visitors who left cost nothing.
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def turn(self, visitor: Visitor) -> asyncio.Lock:
        """Held during a visitor's commit and its relay, so that the webhook receives everything in the stream's order."""
        return self._locks.setdefault(visitor.key, asyncio.Lock())

    async def pass_on(self, visitor: Visitor, pending: Sequence[Pending]) -> None:
        """Tell the webhook what it has not taken. Raises Problem (503)."""
        if not pending:
            return
        await self.tell(visitor, f"relay:{pending[0].number}", [one.body for one in pending])
        forgotten = self._store.submit(lambda kept: kept.relayed([one.number for one in pending]))
        # Not waited for: were it lost, the webhook would know the events by their ids.
        forgotten.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def tell(self, visitor: Visitor, request_id: str, events: Sequence[Mapping[str, Any]]) -> None:
        """One signed request. Raises Problem (503) unless the webhook has made it durable."""
        account = self._channels[visitor.channel_id]
        told = {"channel_id": visitor.channel_id, "visitor": _told(visitor), "events": list(events)}
        body = json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")
        now = self._now()
        headers = {**standard_webhooks.signed_headers(account.secrets, request_id, body, now), "content-type": "application/json"}
        try:
            answer = await self._intake(visitor.channel_id, RawRequest("POST", account.webhook_url, "", (), headers, body, now))
        except NotAuthentic as error:
            _log.error(
                "the webhook refused a chat event: %s", error, extra={"action": "chat.relay", "channel": visitor.channel_id}
            )
            raise _not_taken() from error
        except GatewayError as error:
            raise _not_taken() from error
        if not 200 <= answer.status < 300:
            _log.error("the webhook refused a chat event", extra={"action": "chat.relay", "status": answer.status})
            raise _not_taken()

    async def sweep(self) -> None:
        """For ever: what was left pending by a crash, or by a webhook that could not take it."""
        while True:
            try:
                for visitor in await self._left_over():
                    await self._sweep_one(visitor)
            except GatewayError:  # reported by the store
                pass
            except Exception:  # whatever it was, the next round may go better, and without rounds nothing would heal
                _log.exception("the sweep failed", extra={"action": "chat.sweep"})
            await asyncio.sleep(_SWEEP_SECONDS)

    async def _left_over(self) -> Sequence[Visitor]:
        if not self._store.shared:
            return await self._store.read(lambda kept: kept.waiting_visitors())
        # What is younger, the process that wrote it is about to pass on.
        before = self._now() - timedelta(seconds=_SWEEP_SECONDS)
        return await self._store.write(lambda kept: kept.left_over([*self._channels], before))

    async def _sweep_one(self, visitor: Visitor) -> None:
        if visitor.channel_id not in self._channels:
            return  # the channel was taken out of the config; its rows wait for its return
        with contextlib.suppress(GatewayError, Problem):
            async with self.turn(visitor):
                await self.pass_on(visitor, await self._store.read(lambda kept: kept.pending(visitor)))


def _told(visitor: Visitor) -> dict[str, Any]:
    """What the webhook is told about the visitor."""
    proven = visitor.subject is not None
    told = {"id": visitor.visitor_id, "verified": proven, "subject": visitor.subject, "aliases": list(visitor.aliases)}
    told |= {key: visitor.profile.get(key) for key in _PROFILE}
    return {key: value for key, value in told.items() if value not in (None, [], {})}


def _not_taken() -> Problem:
    detail = "Your message is stored and will be passed on. Sending it again under the same client_id does no harm."
    return Problem("unavailable", detail, headers={"Retry-After": "2"})
