"""From where an org's stream is read on.

- A place is known: from there (CUSTOM).
- The very first time: from now on (LATEST). That it was begun, and when, is kept before the first connection. Should the process or the stream end before any
  place was learned, the next connection reads from the EARLIEST event and passes over those that were published before the beginning: so nothing that
  came after it is lost.
- The org doesn't know the place any more: from the EARLIEST event, at most `catch_up_events` of them. What was dealt with already is recognised by its
  event id. If more than that remain, the stream goes on from now, and what is left out is a gap.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from gateway.brokers.salesforce.progress import Progress
from gateway.brokers.salesforce.stream_state import Gap
from gateway.store.contract import StreamPosition

Preset: TypeAlias = Literal["LATEST", "EARLIEST", "CUSTOM"]
RETENTION: Final = timedelta(hours=72)  # of events in the org: Salesforce Developers, "Event Message Durability"
_CLOCKS_APART: Final = timedelta(minutes=5)  # ours and Salesforce's


class Start(NamedTuple):
    """Where a connection begins to read."""

    preset: Preset
    replay_id: bytes = b""


class Bookmark:
    """See the module. Times come as arguments."""

    def __init__(self, kept: StreamPosition | None, now: datetime, *, catch_up_events: int) -> None:
        """`kept`: what the store has; None: the stream was never begun."""
        self._catch_up_events = catch_up_events
        self._began = kept.at if kept else now  # where no place is known: what was published since then is wanted
        self._fresh = kept is None
        self._from_earliest: datetime | None = None  # read again since then: what was published later is new
        self._left = 0
        self.progress = Progress(kept.replay_id if kept else b"")
        self._everything_up_to = self._began

    @property
    def catching_up(self) -> bool:
        """Whether events of the past are read again."""
        return self._from_earliest is not None

    def position(self) -> StreamPosition:
        """To be kept. Before the first connection too."""
        known = self.progress.position
        return StreamPosition(known, self._everything_up_to if known else self._began)

    def heard(self, now: datetime) -> None:
        """Everything that was read is durable, and the stream brought something at this time."""
        self._everything_up_to = now

    def start(self, now: datetime) -> Start:
        """A connection is about to be made, and nothing is on its way to the inbox."""
        if self.progress.position:
            return Start("CUSTOM", self.progress.position)
        if self._fresh:
            self._fresh = False
            return Start("LATEST")
        if self._from_earliest is None:
            self._from_earliest, self._left = now, self._catch_up_events
        return Start("EARLIEST")

    def wanted(self, published: datetime | None) -> bool:
        """Whether an event is to be kept: not one of before the beginning. A catch-up ends with what was published after it began."""
        if self._from_earliest is None:
            return True
        self._left -= 1
        if published is not None and published >= self._from_earliest:
            self._from_earliest = None
        return published is None or published >= self._began - _CLOCKS_APART

    def caught_up(self) -> None:
        """An empty response: there is nothing more to read now."""
        self._from_earliest = None

    def may_be_gone(self, now: datetime) -> bool:
        """Whether the place is older than what the org keeps."""
        return bool(self.progress.position) and now - self._everything_up_to > RETENTION

    @property
    def exhausted(self) -> bool:
        """Whether as many events of the past were read as may be."""
        return self._from_earliest is not None and self._left <= 0

    def lost(self, now: datetime) -> Gap | None:
        """The org doesn't know the place any more, and nothing is on its way to the inbox. A gap, if the place is older than what the org keeps."""
        since = self._everything_up_to
        self.progress, self._fresh, self._from_earliest = Progress(), False, None
        self._began = min(since, now - RETENTION)  # all that there is
        if now - since <= RETENTION:
            return None
        return Gap(since, now - RETENTION, "the stream was not read for longer than the org keeps its events.")

    def go_on_from_now(self, last_read: datetime | None, now: datetime) -> Gap:
        """A catch-up is `exhausted`, and nothing is on its way to the inbox: the rest is left out. `last_read`: when the last event was published that was read."""
        since = max(last_read, self._began) if last_read is not None else None
        self.progress, self._fresh, self._from_earliest = Progress(), True, None
        self._began = self._everything_up_to = now
        return Gap(since, now, f"more than {self._catch_up_events} events were to be read again (`catch_up_events`).")
