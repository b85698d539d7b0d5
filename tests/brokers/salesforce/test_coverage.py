"""The tables of docs/salesforce.md tell the truth: each test that they name is there, and nothing that the code knows is missing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.contract import HttpReply
from adapters.errors import Verdict
from gateway.brokers.salesforce.codes import RULINGS, OrgFault, failure
from gateway.brokers.salesforce.parsing import _READERS
from gateway.brokers.salesforce.stream_codes import ADVICE
from tests.brokers.salesforce.coverage import ENDPOINTS, EVENTS, PAGE, ROOT, codes, named, stream_codes, tables, written

HERE = Path(__file__).resolve().parent


def subjects(rows: object) -> set[str]:
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row.subject)}  # type: ignore[attr-defined]


def test_the_page_has_the_tables_of_now() -> None:
    text = PAGE.read_text()
    assert text == written(text), "run `python -m tests.brokers.salesforce.coverage`"


@pytest.mark.parametrize("name", sorted(named(tables())))
def test_each_test_that_the_tables_name_is_there(name: str) -> None:
    module, _, test = name.partition("::")
    path = HERE / f"{module}.py"
    assert re.search(rf"(?m)^(async )?def {test}\(", path.read_text()), f"{path.relative_to(ROOT)} has no {test}"


def test_every_row_that_says_yes_names_a_test() -> None:
    bare = [row.subject for row in (*EVENTS, *codes(), *stream_codes()) if not row.tests]
    bare += [row.subject for row in ENDPOINTS if row.made.startswith("yes") and not row.tests]
    assert bare == []


def test_every_code_and_entry_type_of_the_code_has_its_row() -> None:
    assert set(RULINGS) <= subjects(codes())
    assert set(ADVICE) <= subjects(stream_codes())
    assert set(_READERS) <= subjects(EVENTS)


@pytest.mark.parametrize(("code", "told"), [(code, row.made) for row in codes() for code in re.findall(r"`(\w+)`", row.subject)])
def test_each_code_has_the_fate_that_its_row_tells(code: str, told: str) -> None:
    body = {"code": int(code), "message": "no"} if code.isdecimal() else {"success": False, "errorReason": code}
    failed = failure(HttpReply(400, {}, json.dumps(body).encode()), datetime(2026, 3, 2, tzinfo=UTC))
    held = getattr(failed, "holds", False)
    fate = "held" if held else "failed" if failed.verdict is Verdict.dead else "sent again"
    assert told.startswith((f"**{fate}**", "**new token**"))
    assert failed.sentence is not None
    assert failed.sentence in told
    if isinstance(failed, OrgFault) and not told.startswith("**new token**"):
        assert f"all rows of the {failed.scope}." in told


# As Salesforce publishes them: what is in none of these lists would be passed over in silence.
PUBLISHED_TYPES = [
    "Message",
    "MessageDeliveryFailed",
    "RoutingWorkResult",
    "ParticipantChanged",
    "RoutingResult",
    "Note",
    "FlagRaise",
    "FlagLower",
    "EndUserConsentUpdated",
    "SessionStatusChanged",
    "ConsultConversationInfo",
    "MessageUpdated",
    "TransferProgress",
    "ParticipantsConferenced",
    "TypingStartedIndicator",
    "TypingStoppedIndicator",
    "DeliveryAcknowledgement",
    "ReadAcknowledgement",
    "ProgressIndicator",
    "QueuePosition",
    "RoutingRequested",
]
PUBLISHED_CODES = [
    *range(10001, 10040), *range(10042, 10079), *range(10082, 10107), *range(15102, 15113), 20002, 20003, 20004, 25005, 25006, 25007, 500
]  # fmt: skip
PUBLISHED_ENDPOINTS = [
    "interactions",
    "conversation",
    "conversationHistory",
    "acknowledgement",
    "route",
    "agentWork",
    "routingResult",
    "participant",
    "messagingSession",
    "consent",
    "capabilities",
    "conversationEntry",
    "attachment",
]


def test_everything_that_salesforce_publishes_has_its_row() -> None:
    assert set(PUBLISHED_TYPES) <= subjects(EVENTS)
    assert {str(code) for code in PUBLISHED_CODES} <= subjects(codes())
    assert set(PUBLISHED_ENDPOINTS) <= {subject.rpartition("/")[2] for subject in subjects(ENDPOINTS)}
    calls = {"GetTopic", "GetSchema", "Subscribe", "Publish", "PublishStream", "ManagedSubscribe"}
    assert calls <= subjects(ENDPOINTS)
