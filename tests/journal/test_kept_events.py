"""Events of every channel come out of a lane as they went in, without the provider's own words."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import registry
from adapters.conformance.finding import suite_of
from adapters.contract import Adapter
from adapters.envelope import INBOUND
from gateway.brokers.lanes import as_kept


@pytest.mark.parametrize("adapter", registry.load().values(), ids=lambda one: str(one.kind))
def test_an_event_comes_out_as_it_went_in(adapter: Adapter[Any]) -> None:
    suite = suite_of(adapter)
    if suite is None:  # a channel of somebody else's, without fixtures
        return
    events = [
        event for case in suite.cases if isinstance(case.expected, list) for event in adapter.parse(case.request, suite.account)
    ]
    assert events
    assert [INBOUND.validate_json(as_kept(one)) for one in events] == [one.model_copy(update={"raw": {}}) for one in events]
