"""Whatever comes, only the documented errors come out: `verify` gives NotAuthentic, `parse` NotUnderstood, and what is read can be kept.

Recorded payloads of every channel are the seeds. `--slow` runs the long form, 50,000 examples and more, other ones each time.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.conformance import HOSTILE, NotConforming, Suite, load_cases
from adapters.contract import Answer, RawRequest
from adapters.envelope import INBOUND, InboundUnknown
from adapters.errors import NotAuthentic, NotUnderstood
from tests.kit.mutations import requests

HERE = Path(__file__).resolve().parent.parent / "adapters"
KINDS = sorted(path.parent.name for path in HERE.glob("*/suite.py"))
QUICK, LONG = 2_000 // len(KINDS), 60_000 // len(KINDS)
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]


def suite_of(kind: str) -> Suite:
    suite: Suite = importlib.import_module(f"tests.adapters.{kind}.suite").SUITE
    return suite


def strange_requests(suite: Suite) -> st.SearchStrategy[RawRequest]:
    try:
        cases = suite.cases
    except NotConforming:  # a channel whose fixtures are just being changed
        cases = load_cases(suite.fixtures, suite.adapter, suite.account)
    return st.sampled_from(cases).flatmap(requests)


def run(kind: str, examples: int, *, derandomize: bool) -> None:
    suite = suite_of(kind)

    @settings(max_examples=examples, deadline=None, derandomize=derandomize, database=None, suppress_health_check=HEALTH)
    @given(request=strange_requests(suite), forged=st.sampled_from([None, None, *HOSTILE]))
    def holds(request: RawRequest, forged: str | None) -> None:
        check(suite, request, forged)

    holds()


def check(suite: Suite, request: RawRequest, forged: str | None) -> None:
    adapter, account = suite.adapter, suite.account
    if forged is not None:
        refused(suite, replace(request, headers={**request.headers, **dict.fromkeys(suite.proof_headers, forged)}))
    signed = suite.sign(request, account)
    try:
        answer = adapter.handshake(signed, account)
        assert answer is None or isinstance(answer, Answer)
        adapter.verify(signed, account, signed.received_at)
    except NotAuthentic:
        pass
    try:
        events = adapter.parse(signed, account)
    except NotUnderstood:
        return
    for event in events:
        assert event.event_id
        assert event.channel_id == account.channel_id
        assert not isinstance(event, InboundUnknown) or event.reason
        assert INBOUND.validate_json(INBOUND.dump_json(event)).event_id == event.event_id  # it can be kept and read again
        assert INBOUND.validate_python(event.model_dump(), strict=True) == event  # also if it was made without pydantic's checks
    again = adapter.parse(replace(signed, received_at=signed.received_at + timedelta(days=6)), account)
    assert [one.event_id for one in again] == [one.event_id for one in events], "other ids on redelivery"


def refused(suite: Suite, request: RawRequest) -> None:
    with pytest.raises(NotAuthentic):
        suite.adapter.verify(request, suite.account, request.received_at)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_ends_well(kind: str) -> None:
    run(kind, QUICK, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_ends_well_for_long(kind: str) -> None:
    run(kind, LONG, derandomize=False)


# What earlier runs have found, kept by hand.
FOUND = [
    ("whatsapp", b'{"object": "\xed\xa0\x80", "entry": []}'),
    ("messenger", b'{"object": "page", "entry": [{"id": "101000000000009", "messaging": [{"": null}]}]}'),
    ("instagram", b'{"object": "instagram", "entry": [{"messaging": [{"\xed\xa0\x80": {}}]}]}'),
    ("whatsapp", b'{"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "", "value": {}}]}]}'),
    ("line", b'{"events": [{"type": "", "webhookEventId": "1", "source": {"type": "user", "userId": "U1"}}]}'),
]


@pytest.mark.parametrize(("kind", "body"), FOUND)
def test_what_was_found_once(kind: str, body: bytes) -> None:
    suite = suite_of(kind)
    check(suite, replace(suite.events[0].request, body=body), None)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_the_fuzzing_finds_what_it_should() -> None:
    """An adapter that trips over one missing field is found out."""
    suite = suite_of("open")

    def careless(request: RawRequest, account: Any) -> Any:
        found = suite.adapter.parse(request, account)
        if b'"from": null' in request.body or b'"from"' not in request.body:
            raise KeyError("from")
        return found

    broken = replace(suite, adapter=replace(suite.adapter, parse=careless))

    # Found is enough here; making the example small takes longer than finding it.
    @settings(
        max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=HEALTH, phases=[Phase.generate]
    )
    @given(request=strange_requests(broken))
    def holds(request: RawRequest) -> None:
        check(broken, request, None)

    with pytest.raises(KeyError):
        holds()
