"""`byoc`, with simulated providers that send a webhook that wasn't taken again within two seconds, for as long as it takes.

    python -m tests.acceptance.patient_demo demo --port PORT --data DIR

Real ones, and so the simulated, pause for minutes after a few refusals, and some give up. Where every third webhook is refused on purpose, that happens to one of a few
hundred: then a test would wait for a provider, and not for the gateway.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.contract import Answer, ProviderCall
from adapters.simulation.provider import Provider
from gateway.cli import main

_MOST_SECONDS = 2.0
_settled = Provider.settled


def settled(self: Provider[Any, Any, Any], call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
    """See `Provider`."""

    def again(call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall:
        next_one = type(self).again(self, call, answer, now) or self.repeated(call, _MOST_SECONDS)
        return replace(next_one, delay_seconds=min(next_one.delay_seconds, _MOST_SECONDS))

    self.again = again  # type: ignore[method-assign]
    return _settled(self, call, answer, now)


if __name__ == "__main__":
    Provider.settled = settled  # type: ignore[method-assign]
    main()
