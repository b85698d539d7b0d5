"""Metrics for Prometheus. One registry per gateway, made by a call, so that two gateways in a process don't count each other's work.

Counters are counted where things happen; gauges of what waits are set just before each reading, by whoever registered with
`before_reading`, so that nobody queries the store between readings.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.errors import BrokerUnavailable, StoreUnavailable

log: Final = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# The API answers in milliseconds; what takes longer waits for a commit or for the loop.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_REFRESH_SECONDS: Final = 5.0  # Prometheus gives up after 10 s by default


class Timings(Collector):
    """A histogram for a hot road: noting a time costs a tenth of what the library's own does, because nothing is locked. To be used on one
    loop alone."""

    def __init__(self, name: str, documentation: str, label: str) -> None:
        self._about, self._label = (name, documentation), label
        self._noted: dict[str, tuple[list[int], list[float]]] = {}

    def note(self, value: str, seconds: float) -> None:
        """It took so long; `value` is the label's."""
        counts, total = self._noted.get(value) or self._noted.setdefault(value, ([0] * (len(_SECONDS) + 1), [0.0]))
        counts[bisect_left(_SECONDS, seconds)] += 1
        total[0] += seconds

    def taken(self) -> dict[str, tuple[list[int], list[float]]]:
        """What was noted, by label; it begins at zero again."""
        noted, self._noted = self._noted, {}
        return noted

    def add(self, noted: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
        """What another process noted."""
        for value, (counts, total) in noted.items():
            mine, sum_of_mine = self._noted.setdefault(value, ([0] * len(counts), [0.0]))
            mine[:] = [one + other for one, other in zip(mine, counts, strict=True)]
            sum_of_mine[0] += total[0]

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client: the buckets count what is at most so long, all that is shorter too."""
        family = HistogramMetricFamily(*self._about, labels=[self._label])
        bounds = [*(str(bound) for bound in _SECONDS), "+Inf"]
        for value, (counts, total) in self._noted.items():
            family.add_metric([value], buckets=list(zip(bounds, accumulate(counts), strict=True)), sum_value=total[0])
        yield family


class Metrics:
    """All series of one gateway. Labels are bounded: channel ids of the config, routes of the code, codes of a table."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        self.api_requests = Counter("byoc_api_requests", "API calls answered", ["method", "route", "status"], registry=made)
        self.api_seconds = Histogram("byoc_api_seconds", "Time to an API answer", ["route"], buckets=_SECONDS, registry=made)
        self.refusals = Counter("byoc_refusals", "Commands that a rule refused", ["code"], registry=made)
        self.event_streams = Gauge("byoc_event_streams", "Open event streams of reps", registry=made)
        self.event_streams_cut = Counter(
            "byoc_event_streams_cut", "Event streams closed by the gateway", ["reason"], registry=made
        )
        self.webhooks = Counter("byoc_webhooks", "Webhook requests answered", ["channel", "outcome"], registry=made)
        self.webhook_seconds = Timings("byoc_webhook_seconds", "Time to a webhook's answer", "channel")
        made.register(self.webhook_seconds)
        self.inbound = Counter("byoc_inbound", "Customers' events, applied or failed", ["channel", "kind"], registry=made)
        self.misdirected = Counter("byoc_misdirected", "Events for a destination that isn't ours", ["channel"], registry=made)
        self.sends = Counter("byoc_sends", "Attempts to send, by outcome", ["channel", "verdict"], registry=made)
        self.inbox_rows = Gauge("byoc_inbox_rows", "Stored webhooks", ["channel", "state"], registry=made)
        self.inbox_oldest = Gauge("byoc_inbox_oldest_seconds", "Age of the oldest unread webhook", ["channel"], registry=made)
        self.stream_messages = Gauge(
            "byoc_stream_messages", "Messages in the NATS stream, each of one webhook or more", ["stream"], registry=made
        )
        self.stream_oldest = Gauge(
            "byoc_stream_oldest_seconds", "Age of the oldest message in the NATS stream", ["stream"], registry=made
        )
        self.outbox_rows = Gauge("byoc_outbox_rows", "Messages in the outbox, by state", ["channel", "state"], registry=made)
        self.outbox_oldest = Gauge("byoc_outbox_oldest_seconds", "Age of the oldest unsent message", ["channel"], registry=made)
        self.sessions = Gauge("byoc_sessions", "Sessions", ["status"], registry=made)
        self.salesforce_events = Counter("byoc_salesforce_events", "Platform events that arrived", ["org"], registry=made)
        self.salesforce_ends = Counter("byoc_salesforce_ends", "Ends of an org's event stream", ["org", "code"], registry=made)
        self.salesforce_connected = Gauge("byoc_salesforce_connected", "1: an org's events can arrive", ["org"], registry=made)
        self.salesforce_position_age = Gauge(
            "byoc_salesforce_position_age_seconds", "Time since all of an org's events were stored", ["org"], registry=made
        )
        self.salesforce_day = Gauge("byoc_salesforce_events_in_24_hours", "Events of the last 24 hours", ["org"], registry=made)
        self.salesforce_allowance = Gauge(
            "byoc_salesforce_events_allowed", "Events that the org may deliver in 24 hours", ["org"], registry=made
        )
        self._taken: dict[tuple[str, ...], float] = {}
        self._refreshers: list[Callable[[], Awaitable[None]]] = []

    def before_reading(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Have gauges set just before each reading. A refresher that fails is logged, and its gauges keep their last values."""
        self._refreshers.append(refresh)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """An API call was answered; `route` is the path's template."""
        self.api_requests.labels(method, route, str(status)).inc()
        self.api_seconds.labels(route).observe(seconds)

    def webhook(
        self, channel: str, outcome: Literal["accepted", "handshake", "refused", "too_large", "put_off", "failed"]
    ) -> None:
        """A webhook request was answered."""
        self.webhooks.labels(channel, outcome).inc()

    def webhooks_taken(self) -> dict[str, Any]:
        """What was counted of webhooks since the last time, for the process that answers /metrics: `count_webhooks` there."""
        counts = {
            tuple(one.labels.values()): one.value
            for series in self.webhooks.collect()
            for one in series.samples
            if one.name.endswith("_total")
        }
        since = [(*labels, value - self._taken.get(labels, 0)) for labels, value in counts.items()]
        self._taken = counts
        return {"webhooks": since, "seconds": self.webhook_seconds.taken()}

    def count_webhooks(self, taken: Mapping[str, Any]) -> None:
        """What another process counted."""
        for channel, outcome, count in taken["webhooks"]:
            self.webhooks.labels(channel, outcome).inc(count)
        self.webhook_seconds.add(taken["seconds"])

    async def text(self) -> bytes:
        """All series in Prometheus' text format, the gauges fresh."""
        await asyncio.gather(*(self._refresh(refresher) for refresher in self._refreshers))
        return generate_latest(self.registry)

    async def _refresh(self, refresher: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(_REFRESH_SECONDS):
                await refresher()
        except (StoreUnavailable, BrokerUnavailable):  # reported by whoever failed; the gauges stay as they were
            return
        except Exception:  # whatever it is: the other series must still be told
            log.exception("gauges not refreshed", extra={"action": "metrics.refresh_failed"})
