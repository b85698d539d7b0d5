"""Customers' files: fetched early and kept, because providers' addresses die. The text never waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import file_sentence_of
from gateway.backoff import backoff
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell
from gateway.errors import StoreUnavailable
from gateway.journal.contract import MediaShelf, Peer
from gateway.journal.driver import Driver
from gateway.store.contract import PendingFile

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 8
_MOST_ATTEMPTS: Final = 12
_LONGEST_PAUSE_SECONDS: Final = 15.0


class Fetcher:
    """See the module."""

    def __init__(
        self,
        shelf: MediaShelf,
        driver: Driver,
        peers: Mapping[str, Peer],
        bell: Doorbell,
        clock: Clock,
        max_bytes: int,
    ) -> None:
        self._shelf, self._driver, self._peers, self._bell, self._clock = shelf, driver, peers, bell, clock
        self._max_bytes = max_bytes
        self._in_hand: set[str] = set()
        self._pause = 0.0  # after what was fetched and could not be kept

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                room = _AT_ONCE - len(self._in_hand)
                items = await self._shelf.pending(limit=room, busy=frozenset(self._in_hand)) if room > 0 else []
                for item in items:
                    self._in_hand.add(item.id)
                    tasks.create_task(self._fetch(item), name=f"fetch {item.id}")
                if not items:
                    await self._bell.wait("media", 1.0)

    async def _fetch(self, item: PendingFile) -> None:
        try:
            await self._try(item)
            self._pause = 0.0
        except StoreUnavailable:  # reported by the store; meanwhile, providers aren't asked for the same files again and again
            self._pause = min(2 * self._pause or 1.0, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(self._pause)
        finally:
            self._in_hand.discard(item.id)
            self._bell.ring("media")

    async def _try(self, item: PendingFile) -> None:
        peer = self._peers.get(item.channel_id)
        if peer is None:
            await self._shelf.failed(
                item,
                reason="The channel of this file is no longer configured. An operator must add it again; then ask the customer to resend the file.",
            )
            return
        try:
            async with asyncio.timeout(120):
                fetched = await self._driver.run(peer.media(item.part, self._clock()))
        except SendFailed as failed:
            await self._not_now(item, failed)
        except Unsupported as error:
            await self._shelf.failed(item, reason=str(error))
        except StoreUnavailable:
            raise
        except Exception as error:
            fault = SendFailed(Verdict.again, "provider_unavailable", provider_code=type(error).__name__)
            await self._not_now(item, fault)
        else:
            if len(fetched.content) > self._max_bytes:
                await self._shelf.failed(item, reason=_too_large(self._max_bytes))
            else:
                await self._shelf.ready(item, fetched)

    async def _not_now(self, item: PendingFile, failed: SendFailed) -> None:
        refused = failed.verdict is Verdict.dead
        over = refused or item.attempts + 1 >= _MOST_ATTEMPTS
        if over or item.attempts == 0:  # the tries between say nothing new
            theirs = {"status": failed.status, "provider_code": failed.provider_code}
            about = {"channel": item.channel_id, "media": item.id, "code": failed.code, **theirs}
            if over:
                _log.warning("file not fetched", extra={"action": "media.failed", **about})
            else:
                _log.warning("file not fetched yet", extra={"action": "media.later", **about})
        if over:
            own = failed.sentence if refused else None
            await self._shelf.failed(item, reason=own or file_sentence_of(failed.code))
            return
        asked = (failed.again_at - self._clock()).total_seconds() if failed.again_at else 0.0
        seconds = max(asked, backoff(item.attempts + 1, most_seconds=300))
        await self._shelf.later(item, seconds=seconds, reason=file_sentence_of(failed.code, waits=True))


def _too_large(most: int) -> str:
    return f"The file is larger than {most} bytes. Ask the customer for a smaller one."
