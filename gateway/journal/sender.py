"""From the outbox to the providers: in order per conversation, one at a time, paced per account; one slow account delays no other.

A row is leased (durably) before its call. If the process dies in the call, the lease runs out and the next process knows that the outcome isn't
known: with a retry key the provider tells a repetition from a new message, so it is sent again; without one it is `unknown`, and a receipt
or a person tells.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from adapters.contract import Sent
from adapters.envelope import TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import SENTENCES
from gateway.clock import Clock
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell
from gateway.errors import StoreUnavailable
from gateway.journal.contract import Outbox, OutboxItem
from gateway.journal.driver import Driver
from gateway.journal.pacing import Pace
from gateway.journal.retries import backoff
from gateway.metrics import Metrics

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LEASE_SECONDS: Final = 120.0  # more than any flow takes
_FLOW_SECONDS: Final = 90.0
_AT_ONCE_PER_CHANNEL: Final = 32
_GIVE_UP_AFTER: Final = timedelta(hours=24)


class Sender:
    """See the module."""

    def __init__(
        self,
        outbox: Outbox,
        driver: Driver,
        channels: Mapping[str, Channel],
        bell: Doorbell,
        clock: Clock,
        metrics: Metrics | None = None,
        fault: Callable[[str], None] | None = None,
    ) -> None:
        self._fault = fault or (lambda point: None)  # walks through the points around a call in tests
        self._metrics = metrics or Metrics()
        self._outbox, self._driver, self._channels, self._bell, self._clock = outbox, driver, channels, bell, clock
        self._paces = {key: Pace(channel.config.messages_per_second, clock) for key, channel in channels.items()}
        self._in_hand: dict[str, set[str]] = {key: set() for key in channels}
        self._draining = False
        self._looking = False  # between asking for work and having it in hand
        self._less = asyncio.Event()  # rung for `drain` whenever less may be in hand

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                due, later = await self._due()
                for signal in await self._outbox.typing():
                    tasks.create_task(self._signal(signal), name="typing")
                self._looking = True
                leased = await asyncio.gather(*(self._lease(channel) for channel in due))
                items = [item for batch in leased for item in batch]
                for item in items:
                    self._in_hand[item.channel_id].add(item.address)
                    tasks.create_task(self._deliver(item), name=f"send {item.id}")
                self._looking = False
                self._less.set()
                if not items:
                    await self._bell.wait("outbox", self._patience(due, later))

    async def drain(self) -> None:
        """Take no new work; return when all that is in hand is done."""
        self._draining = True
        while self._looking or any(self._in_hand.values()):
            self._less.clear()
            await self._less.wait()

    async def _due(self) -> tuple[list[str], datetime | None]:
        try:
            return await self._outbox.due()
        except StoreUnavailable as error:
            return await self._wait_for_store(error, ([], None))

    @staticmethod
    async def _wait_for_store(error: StoreUnavailable, nothing: T) -> T:
        _log.warning("store unavailable", extra={"action": "outbox.wait", "reason": str(error)})
        await asyncio.sleep(1)
        return nothing

    def _patience(self, due: list[str], later: datetime | None) -> float:
        moments = [at for at in (later, *(self._paces[c].paused_until for c in due if c in self._paces)) if at]
        seconds = min(((at - self._clock()).total_seconds() for at in moments), default=1.0)
        return min(1.0, max(0.005, seconds))

    async def _lease(self, channel_id: str) -> list[OutboxItem]:
        busy = self._in_hand.get(channel_id)
        if busy is None or self._draining or self._paces[channel_id].paused:
            return []
        room = _AT_ONCE_PER_CHANNEL - len(busy)
        if room <= 0:
            return []
        try:
            return await self._outbox.lease(channel_id, seconds=_LEASE_SECONDS, limit=room, busy=sorted(busy))
        except StoreUnavailable as error:  # here, so that what the other channels leased isn't forgotten
            return await self._wait_for_store(error, [])

    async def _deliver(self, item: OutboxItem) -> None:
        try:
            await self._try(item)
        except StoreUnavailable as error:  # the lease runs out, and the row says what it can
            _log.error("outcome not kept", extra={"action": "outbox.lost", "row": item.id, "reason": str(error)})
        finally:
            self._in_hand[item.channel_id].discard(item.address)
            self._less.set()
            self._bell.ring("outbox")

    async def _try(self, item: OutboxItem) -> None:
        channel = self._channels[item.channel_id]
        self._fault("leased")
        if item.lost_at is not None and not _may_repeat(channel, item, item.lost_at, self._clock()):
            await self._over(item, "unknown", "no_answer", SENTENCES["no_answer"], None)
            return
        await self._paces[item.channel_id].turn()
        try:
            async with asyncio.timeout(_FLOW_SECONDS):
                sent = await self._driver.run(channel.adapter.send(item.message, channel.account, self._clock()))
        except SendFailed as failed:
            await self._failed(item, failed)
        except Unsupported as error:
            await self._over(item, "skipped", "unsupported", str(error), None)
        except TimeoutError:
            await self._over(item, "unknown", "no_answer", SENTENCES["no_answer"], None)
        except StoreUnavailable:
            raise
        except Exception:
            _log.exception("adapter failed", extra={"action": "outbox.failed", "row": item.id, "channel": item.channel_id})
            sentence = "The channel's adapter failed on this message. An operator must look; then send again."
            await self._over(item, "failed", "adapter_fault", sentence, None)
        else:
            self._fault("called")
            await self._outbox.sent(item, sent if isinstance(sent, Sent) else Sent())
            self._metrics.sends.labels(item.channel_id, "sent").inc()

    async def _failed(self, item: OutboxItem, failed: SendFailed) -> None:
        if failed.verdict is Verdict.unknown:
            await self._over(item, "unknown", failed.code, failed.sentence, failed.provider_code, failed.remember)
        elif failed.verdict is Verdict.dead:
            # M3: a notice that can't be delivered now is skipped, with the reason, and stops nothing.
            state = "skipped" if item.message.kind == "notice" else "failed"
            await self._over(item, state, failed.code, failed.sentence, failed.provider_code, failed.remember)
        elif self._clock() - item.message.created_at > _GIVE_UP_AFTER:
            await self._over(item, "failed", failed.code, failed.sentence, failed.provider_code)
        else:
            await self._again(item, failed)

    async def _again(self, item: OutboxItem, failed: SendFailed) -> None:
        jitter = timedelta(seconds=backoff(item.attempts))
        at = max(failed.again_at or self._clock(), self._clock() + jitter)
        if failed.throttles_account:
            self._paces[item.channel_id].pause(failed.again_at or at)
        self._metrics.sends.labels(item.channel_id, "again").inc()
        detail = f"{failed.code} {failed.provider_code or ''}".strip()
        await self._outbox.again(item, at=at, code=failed.code, detail=detail, remember=failed.remember)

    async def _over(
        self,
        item: OutboxItem,
        state: str,
        code: str,
        reason: str,
        provider_code: str | None,
        remember: Mapping[str, Any] | None = None,
    ) -> None:
        _log.warning(
            "message %s", state, extra={"action": f"outbox.{state}", "row": item.id, "channel": item.channel_id, "code": code}
        )
        self._metrics.sends.labels(item.channel_id, state).inc()
        await self._outbox.over(item, state, code=code, reason=reason, provider_code=provider_code, remember=remember)

    async def _signal(self, signal: TypingSignal) -> None:
        channel = self._channels.get(signal.channel_id)
        if channel is None:
            return
        try:
            async with asyncio.timeout(10):
                await self._driver.run(channel.adapter.send(signal, channel.account, self._clock()))
        except Exception as error:  # its loss is nothing
            _log.debug(
                "typing lost", extra={"action": "typing.lost", "channel": signal.channel_id, "reason": type(error).__name__}
            )


def _may_repeat(channel: Channel, item: OutboxItem, lost_at: datetime, now: datetime) -> bool:
    """Whether a message whose outcome isn't known may be sent once more without being shown twice."""
    judge = channel.adapter.retry_safe
    if judge is not None:
        return judge(item.message, channel.account, lost_at, now)
    return channel.adapter.capabilities.retry_key
