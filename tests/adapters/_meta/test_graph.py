"""What the Graph API's answers mean, whatever the channel."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from adapters._meta import graph
from adapters._meta.account import MetaAccount
from adapters._meta.simulator.graph import Bucket
from adapters.contract import HttpReply
from adapters.errors import Verdict
from adapters.replies import Meaning

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
TABLE = {"10": Meaning(Verdict.dead, "not_authorised"), "10/2018278": Meaning(Verdict.dead, "outside_window")}


def account(**changes: Any) -> MetaAccount:
    secrets: dict[str, Any] = {
        "app_secrets": (SecretStr("app_secret_x"),),
        "verify_token": SecretStr("v"),
        "access_token": SecretStr("sample-token"),
    }
    return MetaAccount(**{**secrets, **changes})


def reply(status: int, body: Any) -> HttpReply:
    return HttpReply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def error(code: int, subcode: int | None = None) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) No", "code": code, **({"error_subcode": subcode} if subcode is not None else {})}}


@pytest.mark.parametrize(
    ("answer", "verdict", "code", "provider_code"),
    [
        (reply(400, error(10, 2018278)), Verdict.dead, "outside_window", "10/2018278"),
        (reply(400, error(10, 7)), Verdict.dead, "not_authorised", "10/7"),
        (reply(403, error(10, 0)), Verdict.dead, "not_authorised", "10"),
        (reply(200, error(10)), Verdict.dead, "not_authorised", "10"),
        (reply(400, error(99)), Verdict.dead, "refused", "99"),
        (reply(500, error(99)), Verdict.again, "provider_unavailable", "99"),
        (reply(500, b"<html>"), Verdict.again, "provider_unavailable", "http_500"),
        (reply(429, b""), Verdict.again, "rate_limited", "http_429"),
        (reply(502, b"<html>Bad gateway"), Verdict.unknown, "no_answer", "http_502"),
        (reply(504, b""), Verdict.unknown, "no_answer", "http_504"),
        (reply(200, b"not json"), Verdict.unknown, "no_answer", "http_200"),
        (reply(200, b"[" * 100_000), Verdict.unknown, "no_answer", "http_200"),
        (reply(401, b"{}"), Verdict.dead, "not_authorised", "http_401"),
    ],
)
def test_refusals(answer: HttpReply, verdict: Verdict, code: str, provider_code: str) -> None:
    failed = graph.refused(answer, NOW, TABLE)
    assert (failed.verdict, failed.code, failed.provider_code) == (verdict, code, provider_code)


def test_details_say_more_than_the_message() -> None:
    told = graph.error_in({"code": 131047, "message": "(#131047) Short", "error_data": {"details": "Long"}})
    assert told is not None
    assert (told.code, told.message) == ("131047", "Long")


@pytest.mark.parametrize("value", [None, [], "x", {}, {"code": None}, {"code": {}}, {"code": True}])
def test_what_is_no_error(value: Any) -> None:
    assert graph.error_in(value) is None


def test_the_token_stands_in_a_header_and_never_in_the_address() -> None:
    call = graph.post(account(), "1/messages", {"a": "é"}, visible=False)
    assert call.headers["authorization"] == "Bearer sample-token"
    assert call.url == "https://graph.facebook.com/v25.0/1/messages"
    assert "sample-token" not in repr(call)


def test_calls_are_proved_where_the_app_demands_it() -> None:
    call = graph.get(account(prove_calls=True), "1")
    assert call.url.endswith("/1?appsecret_proof=3e35a6d490936a670aacca58936ff4cc8d35b0d7535cef2a52726b69bafc76a2")


def test_a_bucket_fills_again_with_time() -> None:
    bucket = Bucket(2, 0.5)
    assert [bucket.take(NOW) for _ in range(3)] == [True, True, False]
    assert [bucket.take(NOW + timedelta(seconds=2)) for _ in range(2)] == [True, False]
