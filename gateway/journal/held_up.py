"""Which messages of a channel wait for another try: so that the begin is logged once for each cause, and the end once."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Final

from gateway.clock import Elapsed, elapsed
from gateway.journal.contract import OutboxItem
from gateway.store.contract import Again

_log = logging.getLogger(__name__)
# A message may have been settled otherwise, by a receipt, say: what should have been tried so long ago holds nothing up any more.
_FORGOTTEN_SECONDS: Final = 3600.0


class HeldUp:
    """See the module."""

    def __init__(self, clock: Elapsed = elapsed) -> None:
        self._clock = clock
        self._waits: dict[str, dict[str, tuple[str, float]]] = defaultdict(
            dict
        )  # by channel and row: the cause, and when it is tried

    def again(self, item: OutboxItem, outcome: Again) -> None:
        """It was not taken, and is tried again."""
        now, why = self._clock(), outcome.why
        before = {row: (cause, at) for row, (cause, at) in self._waits[item.channel_id].items() if at > now - _FORGOTTEN_SECONDS}
        cause = f"{why.code} {why.provider_code}"
        self._waits[item.channel_id] = {**before, item.id: (cause, now + outcome.seconds)}
        if cause not in {known for known, _ in before.values()}:
            theirs = {"status": why.status, "provider_code": why.provider_code}
            about = {"channel": item.channel_id, "row": item.id, "code": why.code, **theirs}
            _log.warning("messages wait for another try", extra={"action": "outbox.again", **about})

    def over(self, item: OutboxItem) -> None:
        """It has an outcome."""
        waits = self._waits[item.channel_id]
        if waits.pop(item.id, None) is not None and not waits:
            _log.info("no message is waiting for another try", extra={"action": "outbox.goes_on", "channel": item.channel_id})
