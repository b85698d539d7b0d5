"""Which messages of a channel wait for another try: so that the begin is logged once for each cause, and the end once; and whether some of them wait
for the account, whose next success lets them go."""

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
        # By channel, cause and row: when it is tried. Those that failed last stand last.
        self._waits: defaultdict[str, defaultdict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self._none_for_account: set[str] = set()  # at first no channel: the last process may have left some

    def again(self, item: OutboxItem, outcome: Again) -> None:
        """It was not taken, and is tried again."""
        now, why = self._clock(), outcome.why
        same = self._waits[item.channel_id][f"{why.code} {why.provider_code}"]
        while same and same[first := next(iter(same))] < now - _FORGOTTEN_SECONDS:
            del same[first]
        if not same:
            theirs = {"status": why.status, "provider_code": why.provider_code}
            about = {"channel": item.channel_id, "row": item.id, "code": why.code, **theirs}
            _log.warning("messages wait for another try", extra={"action": "outbox.again", **about})
        for waiting in self._waits[item.channel_id].values():
            waiting.pop(item.id, None)
        same[item.id] = now + outcome.seconds
        if outcome.sooner is not None:
            self._none_for_account.discard(item.channel_id)

    def waits(self, channel_id: str) -> dict[str, int]:
        """How many wait, by cause."""
        return {cause: len(rows) for cause, rows in self._waits.get(channel_id, {}).items() if rows}

    def over(self, item: OutboxItem) -> None:
        """It has an outcome."""
        waits = self._waits[item.channel_id]
        found = [waiting.pop(item.id, None) for waiting in waits.values()]
        if any(at is not None for at in found) and not any(waits.values()):
            _log.info("no message is waiting for another try", extra={"action": "outbox.goes_on", "channel": item.channel_id})

    def may_hasten(self, channel_id: str) -> bool:
        """A call of the account has succeeded: whether messages may wait for that. True once for all of them, until another waits for it."""
        if channel_id in self._none_for_account:
            return False
        self._none_for_account.add(channel_id)
        return True

    def not_hastened(self, channel_id: str) -> None:
        """It could not be written down, so the next success does it."""
        self._none_for_account.discard(channel_id)
