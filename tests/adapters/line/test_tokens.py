"""Channel access tokens: got, kept, renewed, changed. The simulated LINE judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import RSAAlgorithm
from pydantic import ValidationError

from adapters.contract import HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from adapters.line import ADAPTER, LineAccount
from adapters.line.simulator import LineSimulator
from adapters.line.tokens import token_call
from tests.adapters.line.account import (
    ACCOUNT,
    NOW,
    SECRET,
    SIM_KIM,
    TOKEN,
    act,
    an_account,
    as_reply,
    as_request,
    refused,
    reply,
    result,
    run,
    say,
    taken,
)
from tests.adapters.outgoing import play

UNAUTHORISED = refused(401, "Authentication failed due to the following reason: invalid token. Confirm that …")


@cache
def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem() -> str:
    return a_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def asking(access: str, **changes: Any) -> LineAccount:
    """An account that asks LINE for its tokens."""
    key = {} if access == "short_lived" else {"assertion_key": pem(), "assertion_key_id": "kid-1"}
    return an_account(**{"access": access, "access_tokens": [], "line_channel_id": "1650000001", **key, **changes})


def with_kim(account: LineAccount) -> LineSimulator:
    """A simulated LINE that kim has written on."""
    simulator = LineSimulator(account)
    simulator.act(act("say", text="hi"), NOW)
    return simulator


KINDS = [
    ("short_lived", {}, "/v2/oauth/accessToken"),
    ("v2.1", {}, "/oauth2/v2.1/token"),
    ("stateless", {}, "/oauth2/v3/token"),
    ("stateless", {"assertion_key": None, "assertion_key_id": None}, "/oauth2/v3/token"),
]


@pytest.mark.parametrize(("access", "changes", "path"), KINDS)
def test_each_kind_is_got_and_used(access: str, changes: dict[str, Any], path: str) -> None:
    account = asking(access, **changes)
    simulator = with_kim(account)
    flow = ADAPTER.send(say(to=SIM_KIM), account, NOW)
    first = next(flow)
    assert first.url == account.api_base + path
    assert (first.cache_seconds > 0, first.refresh, first.visible) == (True, False, False)
    second = flow.send(as_reply(simulator.handle(as_request(first, account), NOW).answer))
    assert second.headers["Authorization"].startswith("Bearer issued-")
    assert simulator.handle(as_request(second, account), NOW).answer.status == 200
    assert simulator.handset("kim")[-1].text == "Hello, Ben here."


def test_a_key_may_be_a_json_web_key() -> None:
    account = asking("v2.1", assertion_key=RSAAlgorithm.to_jwk(a_key()))
    run(ADAPTER.send(say(to=SIM_KIM), account, NOW), simulator := with_kim(account))
    assert simulator.handset("kim")[-1].text == "Hello, Ben here."


def test_the_assertion_says_what_line_asks_for() -> None:
    """Source: LINE Developers, "Issue channel access tokens v2.1"."""
    form = parse_qs(token_call(asking("v2.1"), NOW).body.decode())
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assertion = form["client_assertion"][0]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert {key: claims[key] for key in ("iss", "sub", "aud", "token_exp")} == {
        "iss": "1650000001",
        "sub": "1650000001",
        "aud": "https://api.line.me/",
        "token_exp": 3600,
    }


@pytest.mark.parametrize("access", ["short_lived", "v2.1", "stateless"])
def test_equal_calls_so_that_the_cache_finds_them(access: str) -> None:
    account = asking(access)
    start = datetime(2026, 9, 21, 14, 15, tzinfo=UTC)
    calls = {token_call(account, start + timedelta(seconds=s)).body for s in (0, 1, 450, 899)}
    assert len(calls) == 1


@pytest.mark.parametrize("seconds", [0, 1, 899, 900, 1000])
def test_an_assertion_always_has_time_left_and_never_too_much(seconds: int) -> None:
    now = datetime(2026, 9, 21, 14, 15, tzinfo=UTC) + timedelta(seconds=seconds)
    form = parse_qs(token_call(asking("v2.1"), now).body.decode())
    claims = jwt.decode(form["client_assertion"][0], options={"verify_signature": False})
    assert timedelta(minutes=15) <= datetime.fromtimestamp(claims["exp"], UTC) - now <= timedelta(minutes=30)


def test_a_token_outlives_the_time_that_it_is_kept() -> None:
    lives = {"short_lived": 30 * 86_400, "v2.1": 3600, "stateless": 900}
    for access, life in lives.items():
        assert token_call(asking(access), NOW).cache_seconds <= life * 2 / 3


def test_a_day_of_v2_1_tokens_stays_below_the_thirty_that_a_channel_may_have() -> None:
    account = asking("v2.1")
    simulator = LineSimulator(account)
    for span in range(96):
        at = NOW + timedelta(minutes=15 * span)
        assert simulator.handle(as_request(token_call(account, at), account, at), at).answer.status == 200


def test_a_refused_token_is_renewed_once() -> None:
    account = asking("short_lived")
    fresh = [reply(200, {"access_token": name, "expires_in": 9, "token_type": "Bearer"}) for name in ("old", "new")]
    calls, sent = play(ADAPTER.send(say(), account, NOW), fresh[0], UNAUTHORISED, fresh[1], taken())
    assert [call.refresh for call in calls] == [False, False, True, False]
    assert [call.headers["Authorization"] for call in calls[1::2]] == ["Bearer old", "Bearer new"]
    assert sent.message_ids


def test_a_renewed_token_that_is_refused_too_needs_an_operator() -> None:
    fresh = reply(200, {"access_token": "t", "expires_in": 9, "token_type": "Bearer"})
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(), asking("short_lived"), NOW), fresh, UNAUTHORISED, fresh, UNAUTHORISED)
    assert (caught.value.verdict, caught.value.code) == (Verdict.dead, "not_authorised")


def test_two_long_lived_tokens_while_they_are_changed() -> None:
    account = an_account(access_tokens=["tok_new", TOKEN])
    calls, sent = play(ADAPTER.send(say(), account, NOW), UNAUTHORISED, taken())
    assert [call.headers["Authorization"] for call in calls] == ["Bearer tok_new", f"Bearer {TOKEN}"]
    assert sent.message_ids


NO_TOKEN = [
    (reply(400, {"error": "invalid_client", "error_description": "invalid client_secret"}), "dead", "not_authorised"),
    (reply(400, {"error": "invalid_request"}), "dead", "not_authorised"),
    (reply(500), "again", "provider_unavailable"),
    (reply(429), "again", "rate_limited"),
    (reply(200, {}), "again", "provider_unavailable"),
    (NoReply("read timeout", sent=True), "again", "provider_unavailable"),
    (NoReply("refused", sent=False), "again", "provider_unavailable"),
]


@pytest.mark.parametrize("prefer_reply", [False, True])
@pytest.mark.parametrize(("answer", "verdict", "code"), NO_TOKEN, ids=str)
def test_without_a_token_nothing_was_sent(answer: HttpReply | Exception, verdict: str, code: str, prefer_reply: bool) -> None:
    account = asking("stateless", prefer_reply=prefer_reply)
    kept = {"reply_token": {"token": "t", "at": NOW.isoformat()}}
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(memory=kept), account, NOW), answer)
    assert (caught.value.verdict.value, caught.value.code) == (verdict, code)


def test_a_lost_reply_stays_unknown_though_the_next_token_fails() -> None:
    account = asking("short_lived", prefer_reply=True)
    kept = {"reply_token": {"token": "t", "at": NOW.isoformat()}}
    fresh = reply(200, {"access_token": "t", "expires_in": 9, "token_type": "Bearer"})
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(memory=kept), account, NOW), fresh, NoReply("timeout", sent=True), reply(500))
    assert caught.value.verdict is Verdict.unknown


# ---------------------------------------------------------------------------------- the simulated LINE, refusing


def bad(account: LineAccount, now: datetime = NOW, *, by: LineAccount | None = None) -> int:
    """The status of a request for a token, signed by another account's settings."""
    call = token_call(by or account, now)
    return LineSimulator(account).handle(as_request(call, account, now), NOW).answer.status


def test_the_simulator_refuses_wrong_proofs() -> None:
    other_key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = asking("v2.1")
    assert bad(account) == 200
    assert bad(account, by=asking("v2.1", assertion_key=other_key)) == 400
    assert bad(account, by=asking("v2.1", assertion_key_id="kid-2")) == 400
    assert bad(account, by=asking("v2.1", line_channel_id="1650000002")) == 400
    assert bad(account, NOW - timedelta(hours=1)) == 400
    assert bad(account, NOW + timedelta(hours=1)) == 400
    assert bad(asking("short_lived"), by=asking("short_lived", channel_secrets=["0" * 32])) == 400


def test_the_simulator_refuses_tokens_past_their_end() -> None:
    account = asking("stateless")
    simulator = with_kim(account)
    issued = as_reply(simulator.handle(as_request(token_call(account, NOW), account), NOW).answer)
    flow = ADAPTER.send(say(to=SIM_KIM), account, NOW)
    next(flow)
    call: HttpCall = flow.send(issued)
    assert simulator.handle(as_request(call, account), NOW + timedelta(minutes=14)).answer.status == 200
    assert simulator.handle(as_request(call, account), NOW + timedelta(minutes=15)).answer.status == 401


# ------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"access_tokens": []}, "issue one in the console"),
        ({"access": "short_lived"}, "line_channel_id"),
        ({"access": "v2.1", "line_channel_id": "1"}, "assertion_key"),
        ({"assertion_key": "x"}, "assertion_key_id"),
        ({"assertion_key": "x", "assertion_key_id": "k"}, "PEM or as a JSON Web Key"),
        ({"assertion_key": '{"kty": "oct"}', "assertion_key_id": "k"}, "PEM or as a JSON Web Key"),
        ({"assertion_key": "{", "assertion_key_id": "k"}, "PEM or as a JSON Web Key"),
        ({"channel_secrets": []}, "channel_secrets"),
        ({"colour": "green"}, "colour"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_told_with_their_mend(settings: dict[str, Any], fix: str) -> None:
    with pytest.raises(ValidationError, match=fix) as caught:
        an_account(**settings)
    for secret in (SECRET, TOKEN):
        assert secret not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    account = asking("v2.1", access_tokens=[TOKEN])
    shown = repr(account) + repr(token_call(account, NOW)) + repr(next(ADAPTER.send(say(), ACCOUNT, NOW)))
    for secret in (SECRET, TOKEN, "PRIVATE KEY", "client_assertion="):
        assert secret not in shown
