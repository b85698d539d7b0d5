"""What is logged of messages that wait: the begin once for each cause, and the end once."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from adapters.envelope import Address, ChannelId, Say
from gateway.journal.contract import OutboxItem
from gateway.journal.held_up import HeldUp
from gateway.store.contract import Again, Why

ACCOUNT = Again(Why("provider_unavailable", "It waits.", "http_503"), 10, sooner=0)
OWN = Again(Why("recipient_unreachable", "It waits.", "30003"), 10)


def item(name: str, channel_id: str = "sms") -> OutboxItem:
    message = Say(
        id=name,
        retry_key=name,
        created_at=datetime(2026, 11, 2, tzinfo=UTC),
        to=Address(name),
        channel_id=ChannelId(channel_id),
        text="good day",
    )
    return OutboxItem(id=name, channel_id=channel_id, message=message, media_id=None, attempts=1)


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["action"].removeprefix("outbox.") for record in caplog.records]


@pytest.fixture
def held_up(caplog: pytest.LogCaptureFixture) -> HeldUp:
    caplog.set_level("INFO")
    return HeldUp(lambda: 0.0)


def test_a_cause_is_told_once_however_often_and_however_many_fail_by_it(
    held_up: HeldUp, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("kim", "kim", "lee", "kim"):
        held_up.again(item(name), ACCOUNT)
    assert actions(caplog) == ["again"]
    held_up.again(item("kim"), OWN)
    assert actions(caplog) == ["again", "again"]
    held_up.over(item("kim"))
    assert actions(caplog) == ["again", "again"], "lee waits"
    held_up.over(item("lee"))
    assert actions(caplog) == ["again", "again", "goes_on"]
    held_up.over(item("max"))
    assert actions(caplog) == ["again", "again", "goes_on"], "it never waited"


def test_what_was_to_be_tried_an_hour_ago_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    times = itertools.count(step=3_700)
    held_up = HeldUp(lambda: next(times))
    held_up.again(item("kim"), ACCOUNT)
    held_up.again(item("lee"), ACCOUNT)
    assert actions(caplog) == ["again", "again"]


def test_a_success_lets_go_what_waits_for_the_account_once(held_up: HeldUp) -> None:
    assert held_up.may_hasten("sms"), "what the last process left"
    assert not held_up.may_hasten("sms")
    held_up.again(item("kim"), OWN)
    assert not held_up.may_hasten("sms")
    held_up.again(item("lee"), ACCOUNT)
    assert held_up.may_hasten("sms")
    assert not held_up.may_hasten("sms")
    held_up.not_hastened("sms")
    assert held_up.may_hasten("sms")
