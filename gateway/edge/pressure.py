"""Back-pressure: while a channel's webhooks arrive faster than they are applied, it refuses them early, so that what was accepted gets done, and reps and
health checks are served meanwhile. Providers send again what was refused.

Each channel is judged by itself, by the age of its oldest webhook that isn't applied: one that is flooded refuses nothing of the others. It begins at the
limit and goes on until half of it, so that it doesn't begin and end by turns. A backlog whose oldest webhook stays the same isn't outrun: something
holds it up, and keeping webhooks until that is repaired is what the inbox is for. Bodies that wait for the disk fill the memory whichever channel they
are of, so there is a limit on those of all channels, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.clock import Elapsed, elapsed

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.1
_SAME_SECONDS: Final = 0.02  # two readings of one arrival differ by less
_MOST_UNWRITTEN_BYTES: Final = 64 * 1024 * 1024


class Backlog(Protocol):
    """What waits in the inbox; see `gateway.store.inbox_contract.Inbox`."""

    def backlog_seconds(self, channel_id: str) -> float:
        """The age of the channel's oldest waiting webhook."""
        ...

    def unwritten_bytes(self) -> int:
        """The size of what isn't on disk yet."""
        ...


@dataclass(slots=True)
class _Lane:
    """A channel. `arrived_at`: when its oldest waiting webhook did; `moved_at`: when that last changed."""

    arrived_at: float
    moved_at: float
    outrun: bool = False

    def look(self, age: float, now: float, most: float) -> bool:
        """Whether it refuses from now on."""
        if not age or abs(now - age - self.arrived_at) > _SAME_SECONDS:
            self.arrived_at, self.moved_at = now - age, now
        moves = now - self.moved_at < most / 2
        self.outrun = moves and age > (most / 2 if self.outrun else most)
        return self.outrun


class Pressure:
    """See the module. It holds the channels that refuse webhooks now: the hot road asks whether one is in it, and nothing else.

    `refusing`: which they were at the last look, and why.
    """

    def __init__(self, channels: Iterable[str], inbox: Backlog, *, backlog_seconds: float, time: Elapsed = elapsed) -> None:
        self.refusing: dict[str, str] = {}
        self._inbox, self._most, self._time = inbox, backlog_seconds, time
        self._lanes = {channel_id: _Lane(time(), time()) for channel_id in channels}
        self._full = False

    def __contains__(self, channel_id: object) -> bool:
        """Whether it refuses. Where nothing waits any more, it is over at once: the next look may come after a webhook that the gateway is idle for."""
        if channel_id not in self.refusing:
            return False
        if not self._full and not self._inbox.backlog_seconds(str(channel_id)):
            self.look()
        return channel_id in self.refusing

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Judge all channels."""
        now, unwritten = self._time(), self._inbox.unwritten_bytes()
        self._full = unwritten > (_MOST_UNWRITTEN_BYTES / 2 if self._full else _MOST_UNWRITTEN_BYTES)
        for channel_id, lane in self._lanes.items():
            outrun = lane.look(self._inbox.backlog_seconds(channel_id), now, self._most)
            if outrun or self._full:
                why = "webhooks arrive faster than they are applied" if outrun else "too much waits for the disk"
                if channel_id not in self.refusing:
                    _log.warning("webhooks are put off: %s", why, extra={"action": "webhook.put_off", "channel": channel_id})
                self.refusing[channel_id] = why
            elif self.refusing.pop(channel_id, None):
                _log.warning("webhooks are accepted again", extra={"action": "webhook.goes_on", "channel": channel_id})

    def told(self) -> str | None:
        """For people: which channels refuse now, and why; None: none does."""
        told = "; ".join(f"{channel_id}: {why}" for channel_id, why in sorted(self.refusing.items()))
        return f"put off for now, and providers send again ({told})" if told else None
