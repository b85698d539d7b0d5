"""A lasting failure is reported once, its end once; what fails and works by turns doesn't fill the log."""

from __future__ import annotations

import logging

import pytest

from gateway.outage import Outage


class Seconds:
    """A monotonic clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def outage(seconds: Seconds) -> Outage:
    return Outage(logging.getLogger("test"), "writing to x.db", "store", seconds)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.action for record in caplog.records]  # type: ignore[attr-defined]


def test_a_failure_is_reported_once_and_so_is_its_end(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    outage.worked()
    for _ in range(100):
        outage.failed("the disk is full")
    assert outage.reason == "the disk is full"
    for _ in range(100):
        outage.worked()
    assert outage.reason is None
    assert said(caplog) == ["store.failing", "store.works"]
    assert all(record.exc_info is None for record in caplog.records)


def test_what_fails_by_turns_is_reported_a_few_times_a_minute(
    outage: Outage, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(600):
        outage.failed("Input/output error")
        outage.worked()
        seconds.now += 0.1
    assert len(said(caplog)) == 12  # every ten seconds that it fails, and that it works


def test_the_last_word_is_the_truth(outage: Outage, seconds: Seconds, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        outage.failed("Input/output error")
        outage.worked()
    outage.failed("Input/output error")
    seconds.now += 10
    outage.failed("Input/output error")
    assert said(caplog) == ["store.failing", "store.works", "store.failing"]
