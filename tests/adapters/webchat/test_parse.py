"""What the fixtures don't show: strange times, strange visitors, whole bodies that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.envelope import InboundMessage, InboundUnknown
from adapters.errors import NotUnderstood
from adapters.webchat import ADAPTER
from tests.adapters.webchat.account import ACCOUNT, events, webhook

TEXT: dict[str, Any] = {"id": "m_1", "type": "message", "message": {"id": "m_1", "text": "hello"}}


@pytest.mark.parametrize("at", [None, "", "yesterday", True, [], "2026-11-02T12:00:00", "0001-01-01T00:00:00+14:00"])
def test_a_strange_time_is_no_reason_to_reject(at: Any) -> None:
    (message,) = ADAPTER.parse(events({**TEXT, "at": at}), ACCOUNT)
    assert isinstance(message, InboundMessage)
    assert message.provider_time is None


@pytest.mark.parametrize("visitor", [{"id": ""}, {"id": []}, {"id": None}])
def test_an_event_without_a_visitor_costs_only_itself(visitor: dict[str, Any]) -> None:
    (unknown,) = ADAPTER.parse(events(TEXT, **visitor), ACCOUNT)
    assert isinstance(unknown, InboundUnknown)
    assert unknown.reason == "malformed"


@pytest.mark.parametrize("kind", [None, 7, [], {}, "MESSAGE"])
def test_a_strange_type_is_kept(kind: Any) -> None:
    (unknown,) = ADAPTER.parse(events({"id": "e", "type": kind}), ACCOUNT)
    assert isinstance(unknown, InboundUnknown)
    assert unknown.raw["id"] == "e"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"events": {}}', b'{"visitor": {}}', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_without_events_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        ADAPTER.parse(webhook(body), ACCOUNT)


def test_malformed_events_are_told_apart_by_their_content() -> None:
    first, second, third = ADAPTER.parse(events({"a": 1}, {"a": 2}, {"a": 1}), ACCOUNT)
    assert first.event_id == third.event_id
    assert first.event_id != second.event_id


def test_what_a_visitor_says_of_themself_is_no_proof() -> None:
    (message,) = ADAPTER.parse(events(TEXT, subject="user-42", verified=False, name="Lea"), ACCOUNT)
    assert isinstance(message, InboundMessage)
    assert message.end_user.username is None
    assert message.end_user.profile["verified"] is False
