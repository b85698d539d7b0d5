"""Events that were sent to a number, account or page that isn't the channel's own.

Such an id is often a mistyped one in the config, and then all customers of the channel are behind it: so each is logged once, and every event counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from adapters.envelope import InboundUnknown
from gateway.metrics import Metrics

_log = logging.getLogger(__name__)
_MOST_LOGGED: Final = 1_000  # ids; an app with more numbers than that knows what it does


class Misdirected:
    """See the module. `channels`: the ids of those configured; their series begin at 0, so that an alarm sees the first event."""

    def __init__(self, channels: Iterable[str], metrics: Metrics) -> None:
        self._logged: set[tuple[str, str]] = set()
        self._counted = {channel: metrics.misdirected.labels(channel) for channel in channels}

    def note(self, row_id: int, events: Sequence[InboundUnknown]) -> None:
        """What of a webhook has no meaning here."""
        for event in events:
            if event.meant_for is not None:
                self._one(row_id, event, event.meant_for[:128])

    def _one(self, row_id: int, event: InboundUnknown, meant_for: str) -> None:
        self._counted[event.channel_id].inc()
        seen = (event.channel_id, meant_for)
        if seen in self._logged or len(self._logged) >= _MOST_LOGGED:
            return
        self._logged.add(seen)
        about = {"row": row_id, "channel": event.channel_id, "reason": event.reason, "meant_for": meant_for}
        _log.warning("events for another destination", extra={"action": "inbox.misdirected", **about})
