"""How far a stream of events is safe: the place after which it may be read on without losing anything.

Events become durable in any order. The position never passes one that isn't durable, nor what an empty response said after it; so a process that ends at any moment
reads at worst some events twice, and each of those is found by its id.
"""

from __future__ import annotations

from collections import deque
from typing import NewType

Ticket = NewType("Ticket", int)


class Progress:
    """See the module. Replay ids are opaque: they are never compared or counted."""

    def __init__(self, position: bytes = b"") -> None:
        """`position`: where the stream is read on; empty if no place is known."""
        self.position = position
        self._waiting: deque[tuple[Ticket, bytes]] = deque()  # in the stream's order
        self._done: set[Ticket] = set()  # of those, what is durable already
        self._issued = 0

    @property
    def unfinished(self) -> int:
        """How many events aren't durable yet."""
        return len(self._waiting) - len(self._done)

    def arrived(self, replay_id: bytes) -> Ticket:
        """An event arrived, after all others so far; its ticket is for `durable`."""
        self._issued += 1
        ticket = Ticket(self._issued)
        self._waiting.append((ticket, replay_id))
        return ticket

    def durable(self, ticket: Ticket) -> None:
        """An event is on disk. Saying it twice changes nothing."""
        if self._waiting and self._waiting[0][0] <= ticket:
            self._done.add(ticket)
            self._settle()

    def passed(self, replay_id: bytes) -> None:
        """An empty response said how far the stream is: the same as an event that is durable at once."""
        if self._waiting and self._waiting[-1][0] in self._done:  # only the latest of several counts
            self._waiting[-1] = (self._waiting[-1][0], replay_id)
        else:
            self.durable(self.arrived(replay_id))

    def _settle(self) -> None:
        while self._waiting and self._waiting[0][0] in self._done:
            ticket, self.position = self._waiting.popleft()
            self._done.discard(ticket)
