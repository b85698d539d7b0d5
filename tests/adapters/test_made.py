"""What is made without pydantic's checks is what the class itself makes, and what would break later goes through its checks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from adapters import made
from adapters.envelope import Address, EndUser, InboundMessage, InboundReceipt, ReceiptStatus, SignedReading, TextPart

KIM = EndUser(address=Address("kim"))
EVENT: dict[str, Any] = {"channel_id": "c", "event_id": "e", "received_at": datetime(2026, 11, 2, tzinfo=UTC)}
MESSAGE: dict[str, Any] = {**EVENT, "end_user": KIM, "message_id": "m", "parts": (TextPart(text="hello"),)}
KINDS: list[tuple[type[BaseModel], Callable[..., BaseModel], dict[str, Any]]] = [
    (TextPart, made.text, {"text": "hello"}),
    (EndUser, made.end_user, {"name": "Kim", "address": "kim", "profile": {"email": "kim@example.test"}}),
    (SignedReading, made.signed_reading, {"proof": "p", "reading": "r"}),
    (InboundReceipt, made.receipt, {**EVENT, "status": ReceiptStatus.read}),
    (InboundMessage, made.message, {"reply_to": "l", **MESSAGE, "raw": {"a": [1]}}),
]


@pytest.mark.parametrize(("kind", "make", "given"), KINDS, ids=[kind.__name__ for kind, _, _ in KINDS])
def test_it_is_what_the_class_makes(kind: type[BaseModel], make: Callable[..., BaseModel], given: dict[str, Any]) -> None:
    checked, found = kind(**given), make(**given)
    assert type(found) is kind
    assert found == checked
    assert found.model_dump_json() == checked.model_dump_json()
    assert found.model_fields_set == checked.model_fields_set
    for other in (copy.deepcopy(found), found.model_copy()):
        assert other == checked
    with pytest.raises(ValidationError, match="frozen"):
        setattr(found, next(iter(given)), "other")


def test_nothing_is_shared_by_two() -> None:
    assert made.end_user(address=Address("a")).profile is not made.end_user(address=Address("b")).profile


@pytest.mark.parametrize(
    "wrong",
    [{"unheard_of": 1}, {"raw": {"half a pair": "\ud83d"}}, {"raw": {"a list": [{1: 2}, ...]}}],
    ids=str,
)
def test_what_no_store_takes_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made.message(**{**MESSAGE, **wrong})


def test_what_is_needed_must_be_there() -> None:
    with pytest.raises(ValidationError, match="message_id"):
        made.message(**{name: value for name, value in MESSAGE.items() if name != "message_id"})


def test_nesting_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"deeper": deep}
    with pytest.raises(ValidationError):
        made.message(**{**MESSAGE, "raw": deep})


def test_a_copy_is_equal_and_its_own() -> None:
    copied = made.copied(KIM)
    assert (copied, copied.model_fields_set) == (KIM, KIM.model_fields_set)
    copied.__dict__["name"] = "Kim"
    assert KIM.name is None
    assert copied != KIM
