"""Signed HTTP after Standard Webhooks: the published vector, rotation, and whatever a stranger may send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from adapters import standard_webhooks
from adapters.errors import NotAuthentic
from adapters.webchat import ADAPTER, wire
from tests.adapters.webchat.account import ACCOUNT, NOW, SECRET, an_account, webhook

# The worked example of the Standard Webhooks reference libraries.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_TIME = datetime.fromtimestamp(1614265330, UTC)


def test_the_published_vector() -> None:
    assert standard_webhooks.signed_headers(
        [SecretStr(VECTOR_SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", VECTOR_BODY, VECTOR_TIME
    ) == (VECTOR_HEADERS)
    checked = standard_webhooks.check(VECTOR_HEADERS, VECTOR_BODY, [SecretStr(VECTOR_SECRET)], VECTOR_TIME)
    assert checked == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_one_of_several_signatures_is_enough() -> None:
    several = {**VECTOR_HEADERS, "webhook-signature": f"v1,AAAA v1a,BBBB {VECTOR_HEADERS['webhook-signature']}"}
    standard_webhooks.check(several, VECTOR_BODY, [SecretStr(VECTOR_SECRET)], VECTOR_TIME)


@pytest.mark.parametrize("drift", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_a_clock_may_drift_by_five_minutes(drift: timedelta) -> None:
    ADAPTER.verify(webhook(b"{}"), ACCOUNT, NOW + drift)


@pytest.mark.parametrize("drift", [timedelta(minutes=-5, seconds=-1), timedelta(minutes=5, seconds=1)])
def test_a_replay_outside_the_window_is_refused(drift: timedelta) -> None:
    with pytest.raises(NotAuthentic, match="too far from now") as refused:
        ADAPTER.verify(webhook(b"{}"), ACCOUNT, NOW + drift)
    assert refused.value.status == 403


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "１６１４", "9" * 400, "1614265330 "])
def test_a_time_that_is_no_number_is_refused(timestamp: str) -> None:
    signed = standard_webhooks.signature(SECRET, "m", timestamp, b"{}")
    headers = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": signed}
    with pytest.raises(NotAuthentic):
        standard_webhooks.check(headers, b"{}", [SecretStr(SECRET)], NOW)


def test_the_old_secret_is_accepted_beside_the_new() -> None:
    rotated = an_account(secrets=["webchat-newer-secret-000000000", SECRET])
    ADAPTER.verify(webhook(b"{}"), rotated, NOW)
    ADAPTER.verify(webhook(b"{}", account=rotated), rotated, NOW)


def test_a_secret_that_only_looks_like_base64_still_signs() -> None:
    secret = SecretStr("whsec_not base64!")
    headers = standard_webhooks.signed_headers([secret], "m", b"{}", NOW)
    assert standard_webhooks.check(headers, b"{}", [secret], NOW) == "m"


def test_a_link_to_a_file_is_for_that_file_and_runs_out() -> None:
    until = int(NOW.timestamp()) + 60
    query = wire.file_query(ACCOUNT.secrets, "web1", "f_1", until)
    wire.check_file_query(ACCOUNT.secrets, "web1", "f_1", query, NOW)
    for channel, file, when in (("web2", "f_1", NOW), ("web1", "f_2", NOW), ("web1", "f_1", NOW + timedelta(seconds=61))):
        with pytest.raises(NotAuthentic):
            wire.check_file_query(ACCOUNT.secrets, channel, file, query, when)
    for hostile in ({"exp": "☂", "sig": "\udcff"}, {}, {**query, "exp": str(until + 1)}, {"exp": "9" * 400, "sig": query["sig"]}):
        with pytest.raises(NotAuthentic):
            wire.check_file_query(ACCOUNT.secrets, "web1", "f_1", hostile, NOW)
