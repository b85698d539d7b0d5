"""What providers say of people: looked up once for each conversation, so that reps see a name instead of an id. A name never delays a message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from adapters.errors import AdapterError
from gateway.clock import Clock
from gateway.config import Channel
from gateway.doorbell.contract import Doorbell
from gateway.journal.contract import Profiles
from gateway.journal.driver import Driver

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 8


class Profiler:
    """See the module. A failed lookup is not repeated: the provider refuses it, or the name isn't worth more calls."""

    def __init__(self, profiles: Profiles, driver: Driver, channels: Mapping[str, Channel], bell: Doorbell, clock: Clock) -> None:
        self._profiles, self._driver, self._bell, self._clock = profiles, driver, bell, clock
        self._channels = {key: channel for key, channel in channels.items() if channel.adapter.profile is not None}

    async def run(self) -> None:
        """Work until cancelled."""
        if not self._channels:
            return
        while True:
            unknown = await self._profiles.unknown(sorted(self._channels), limit=_AT_ONCE)
            await asyncio.gather(*(self._look_up(channel_id, address) for channel_id, address in unknown))
            if not unknown:
                await self._bell.wait("people", 2.0)

    async def _look_up(self, channel_id: str, address: str) -> None:
        channel = self._channels[channel_id]
        end_user = await self._profiles.end_user(channel_id, address)
        found = end_user
        try:
            assert channel.adapter.profile is not None  # noqa: S101
            async with asyncio.timeout(20):
                found = await self._driver.run(channel.adapter.profile(end_user, channel.account, self._clock()))
        except (AdapterError, TimeoutError) as error:
            _log.info("no profile", extra={"action": "profile.none", "channel": channel_id, "reason": type(error).__name__})
        except Exception:
            _log.exception("adapter failed", extra={"action": "profile.failed", "channel": channel_id})
        await self._profiles.learned(channel_id, address, found)
