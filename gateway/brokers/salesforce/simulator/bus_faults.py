"""What can go wrong with the simulated Pub/Sub API, and how much it delivers in a day."""

from __future__ import annotations

import sys
from collections import deque
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.brokers.salesforce.simulator.bus_refusals import REFUSALS, Refused
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.clock import Clock

_DAY: Final = timedelta(hours=24)


class Stream(Protocol):
    """An open subscription, as far as faults go."""

    def cut(self, code: str) -> None:
        """End with this code."""
        ...

    def hush(self) -> None:
        """Stay open and send nothing any more."""
        ...


class BusFaults:
    """Switches, besides those of `Faults` that concern the bus, which are obeyed, too.

    `deliver_twice`: each event is delivered twice, one after the other. `lost`: every replay id is refused. `permitted`: whether the user may read the event at all.
    `daily`: most deliveries in 24 hours, each subscriber's counted; None: no limit.
    """

    def __init__(self, clock: Clock, org: Faults) -> None:
        self.deliver_twice = self.lost = False
        self.permitted = True
        self.daily: int | None = None
        self.streams: set[Stream] = set()
        self._clock, self._org = clock, org
        self._refusals: deque[str] = deque()
        self._delivered: deque[tuple[datetime, int]] = deque()
        org.on_disconnect.append(self.disconnect)

    def disconnect(self, code: str = "service.unavailable") -> None:
        """End all open streams; new ones work."""
        for stream in list(self.streams):
            stream.cut(code)

    def go_silent(self) -> None:
        """The streams that are open now stay so and bring nothing any more, not even a keepalive; new ones work."""
        for stream in list(self.streams):
            stream.hush()

    def refuse(self, code: str, times: int = 1) -> None:
        """Refuse the next calls, whatever they are, with a code of the published list, written without its prefix. Raises KeyError for another."""
        REFUSALS[code]
        self._refusals.extend([code] * times)

    def unavailable(self, times: int) -> None:
        """Refuse the next calls with `service.unavailable`."""
        self.refuse("service.unavailable", times)

    def heal(self) -> None:
        """No more faults, for the streams that come. What was delivered still counts."""
        self.deliver_twice, self.lost, self.permitted, self.daily = False, False, True, None
        self._refusals.clear()

    def meet(self) -> None:
        """A call begins. Raises Refused when it is its turn."""
        if self._refusals:
            raise Refused(self._refusals.popleft())

    @property
    def deliveries(self) -> int:
        """How often each event is delivered."""
        return 2 if self.deliver_twice or self._org.state.deliver_twice else 1

    @property
    def replay_lost(self) -> bool:
        """Whether every replay id is refused."""
        return self.lost or self._org.state.replay_lost

    @property
    def delivered(self) -> int:
        """Deliveries within the last 24 hours."""
        while self._delivered and self._delivered[0][0] <= self._clock() - _DAY:
            self._delivered.popleft()
        return sum(count for _, count in self._delivered)

    def left(self) -> int:
        """How many events may still be delivered. Raises Refused when it is none."""
        if self._org.state.allocation_used:
            raise Refused("subscription.limit.exceeded")
        if self.daily is None:
            return sys.maxsize
        if (left := self.daily - self.delivered) <= 0:
            raise Refused("subscription.limit.exceeded")
        return left

    def deliver(self, count: int) -> None:
        """So many events are being delivered."""
        self._delivered.append((self._clock(), count))
