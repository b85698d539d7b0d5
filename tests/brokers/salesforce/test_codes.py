"""Salesforce's error codes: what becomes of a row, and what an operator is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.contract import HttpReply
from adapters.errors import SendFailed, Verdict
from adapters.replies import CODES
from gateway.brokers.salesforce.codes import RULINGS, OrgFault, failure, token_refused, worked
from tests.brokers.salesforce.mapped import NOW, answered

# Salesforce's list, whole: what isn't below is in no list.
LISTED = [
    *range(10001, 10040),
    *range(10042, 10079),
    *range(10082, 10107),
    *range(15102, 15113),
    *(20002, 20003, 20004),
    *(25005, 25006, 25007),
    500,
]
AGAIN = [10019, 10055, 10056, 10094, 20002, 20003, 20004, 500]
ORG = [10003, 10005, 10016, 10093, 10099, 15102]
CHANNEL = [10001, 10002, 10006, 10017, 10026, 10027, 10031, 10035, 10052, 10069, 10070, 15104]
TOKEN = 10004
CONTENT = [code for code in LISTED if code not in {*AGAIN, *ORG, *CHANNEL, TOKEN}]


def refusal(code: object, status: int = 400) -> SendFailed:
    return failure(answered({"code": code, "message": "no"}, status), NOW)


@pytest.mark.parametrize("code", LISTED)
def test_every_code_has_a_meaning_and_a_sentence_for_operators(code: int) -> None:
    failed = refusal(code)
    assert failed.provider_code == str(code)
    assert failed.code in CODES
    assert failed.sentence is not None
    assert failed.sentence.endswith(".")
    assert str(code) in RULINGS


@pytest.mark.parametrize("code", AGAIN)
def test_what_passes_is_tried_again(code: int) -> None:
    failed = refusal(code)
    assert failed.verdict is Verdict.again
    assert not getattr(failed, "holds", False)


@pytest.mark.parametrize(("code", "scope"), [*((code, "org") for code in ORG), *((code, "channel") for code in CHANNEL)])
def test_a_fault_of_the_set_up_holds_rows_and_kills_none(code: int, scope: str) -> None:
    failed = refusal(code)
    assert isinstance(failed, OrgFault)
    assert (failed.holds, failed.scope, failed.verdict) == (True, scope, Verdict.again)


@pytest.mark.parametrize("code", CONTENT)
def test_content_kills_one_row(code: int) -> None:
    failed = refusal(code)
    assert failed.verdict is Verdict.dead
    assert not failed.throttles_account


@pytest.mark.parametrize(
    "reply",
    [
        answered({"code": 12345, "message": "Interaction request rate limit exceeded"}, 400),
        answered({"message": "Interaction request rate limit exceeded"}, 503),
        HttpReply(429, {}, b"slow down"),
    ],
)
def test_over_the_rate_limit_the_whole_account_slows_down(reply: HttpReply) -> None:
    failed = failure(reply, NOW)
    assert (failed.verdict, failed.code, failed.throttles_account) == (Verdict.again, "rate_limited", True)
    assert failed.again_at == NOW + timedelta(seconds=1)


def test_salesforces_own_time_counts() -> None:
    failed = failure(answered({"code": 10019, "message": "read-only"}, 503, **{"retry-after": "90"}), NOW)
    assert failed.again_at == NOW + timedelta(seconds=90)


UNKNOWN = [
    (500, {"code": 99999, "message": "?"}, Verdict.again, False),
    (502, None, Verdict.again, False),
    (408, None, Verdict.again, False),
    (400, {"code": 99999, "message": "?"}, Verdict.dead, False),
    (422, None, Verdict.dead, False),
    (401, None, Verdict.again, True),
    (403, {"code": 99999, "message": "?"}, Verdict.again, True),
    (404, None, Verdict.again, True),
    (302, None, Verdict.again, True),
    (404, {"code": 99999, "message": "?"}, Verdict.dead, False),
]


@pytest.mark.parametrize(("status", "body", "verdict", "holds"), UNKNOWN)
def test_an_unknown_code_goes_by_its_status(status: int, body: object, verdict: Verdict, holds: bool) -> None:
    reply = answered(body, status) if body else HttpReply(status, {}, b"<html>a proxy's page</html>")
    failed = failure(reply, NOW)
    assert (failed.verdict, getattr(failed, "holds", False)) == (verdict, holds)
    assert failed.sentence is not None
    if status != 401:
        assert ("99999" if body else str(status)) in failed.sentence


REFUSED_WITH_200 = [
    ({"success": False, "errorDetail": {"code": 10022, "message": "no"}}, "10022"),
    ({"success": False, "errorReason": "CHANNEL_ADDRESS_IS_INACTIVE"}, "CHANNEL_ADDRESS_IS_INACTIVE"),
    ({"success": False, "code": 10055, "message": "again"}, "10055"),
]


@pytest.mark.parametrize(("body", "code"), REFUSED_WITH_200)
def test_a_good_status_may_carry_a_refusal(body: object, code: str) -> None:
    reply = answered(body, 200)
    assert not worked(reply)
    assert failure(reply, NOW).provider_code == code


@pytest.mark.parametrize("status", [200, 202])
def test_success(status: int) -> None:
    assert worked(answered({"success": True}, status))
    assert worked(HttpReply(status, {}, b""))


def test_a_token_is_refused_by_status_or_by_code() -> None:
    assert token_refused(HttpReply(401, {}, b""))
    assert token_refused(answered({"code": 10004, "message": "no"}, 403))
    assert not token_refused(answered({"code": 10003, "message": "no"}, 403))
    assert isinstance(refusal(10004, 401), OrgFault)
