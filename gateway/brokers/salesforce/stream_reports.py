"""What becomes known of an org's stream: its state for operators, lines of the log, metrics, and the meter of what the org delivers in a day."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gateway.brokers.salesforce.meter import Meter
from gateway.brokers.salesforce.stream_codes import Course, Ended, label
from gateway.brokers.salesforce.stream_state import Gap, StreamState
from gateway.clock import Clock
from gateway.metrics import Metrics
from gateway.outage import Outage

_log = logging.getLogger(__name__)


class StreamReports:
    """See the module."""

    def __init__(self, name: str, meter: Meter, metrics: Metrics, clock: Clock) -> None:
        self.state, self.meter = StreamState(name, meter.allowance), meter
        self._name, self._metrics, self._clock = name, metrics, clock
        self._outage = Outage(_log, "the stream of an org's events", "salesforce_events")
        self._held = ""  # the code that was reported
        metrics.before_reading(self.refresh)

    def heard(self, events: int, rpc_id: str) -> None:
        """A response with so many events."""
        now, state = self._clock(), self.state
        self.opened(rpc_id)
        state.rpc_id = rpc_id or state.rpc_id
        if not events:
            state.last_keepalive_at = now
            return
        state.last_event_at = now
        self.meter.count(events, now)
        self._metrics.salesforce_events.labels(self._name).inc(events)
        self._count_day(now)

    def opened(self, rpc_id: str = "") -> None:
        """Events can arrive."""
        state = self.state
        if state.phase == "open":
            return
        state.phase, state.code, state.sentence, state.retry_at = "open", "", "", None
        state.connected_since, self._held = self._clock(), ""
        self._outage.worked()
        _log.info("events can arrive", extra={"action": "salesforce.connected", "org": self._name, "rpc_id": rpc_id})

    def ended(self, ended: Ended, failures: int, pause: float) -> None:
        """A connection ended; the next one is tried after so many seconds. One end is nothing to worry about."""
        state = self.state
        state.code, state.sentence, state.rpc_id = ended.code, ended.sentence, ended.rpc_id or state.rpc_id
        state.connected_since, state.retry_at = None, self._clock() + timedelta(seconds=pause)
        state.phase = "held" if ended.course in (Course.hold, Course.allowance) else "waiting"
        self._metrics.salesforce_ends.labels(self._name, label(ended.code)).inc()
        extra = {"org": self._name, "code": ended.code, "rpc_id": ended.rpc_id, "again_in": round(pause, 1)}
        if state.phase == "held":
            if self._held != ended.code:
                _log.error("events don't arrive: %s", ended.sentence, extra={"action": "salesforce.held", **extra})
            self._held = ended.code
        elif failures > 1:
            self._outage.failed(ended.sentence, **extra)
        else:
            _log.info("the stream of events ended", extra={"action": "salesforce.ended", **extra})

    def stopped(self) -> None:
        """By the gateway."""
        self.state.phase, self.state.connected_since = "stopped", None

    def lost(self, ended: Ended) -> None:
        """The org doesn't know the place in the stream."""
        extra = {"action": "salesforce.position_lost", "org": self._name, "code": ended.code, "rpc_id": ended.rpc_id}
        _log.warning("the place in the stream is lost; events of the past are read again", extra=extra)

    def gap(self, gap: Gap) -> None:
        """Events may never be read."""
        self.state.gap = gap
        extra = {"action": "salesforce.gap", "org": self._name, "since": str(gap.since), "until": str(gap.until)}
        _log.error("events of the org may be lost: %s", gap.reason, extra=extra)

    def current(self) -> StreamState:
        """The state as it is now."""
        self._count_day(self._clock())
        return self.state

    async def refresh(self) -> None:
        """Bring the gauges up to date."""
        now, state, m = self._clock(), self.current(), self._metrics
        m.salesforce_connected.labels(self._name).set(state.phase == "open")
        m.salesforce_day.labels(self._name).set(state.events_in_a_day)
        m.salesforce_allowance.labels(self._name).set(state.allowance)
        if (age := state.position_age(now)) is not None:
            m.salesforce_position_age.labels(self._name).set(age)

    def _count_day(self, now: datetime) -> None:
        self.state.events_in_a_day = self.meter.last_day(now)
        verdict = self.meter.verdict(now)
        self.state.scarce = verdict == "warn" or (self.state.scarce and verdict is None)
        if verdict == "warn":
            extra = {"action": "salesforce.allocation", "org": self._name, "events": self.state.events_in_a_day}
            _log.warning("80 % of the events that the org may deliver in 24 hours are used up", extra=extra)
