"""Who may post to us: the token, the destination, and what hostile headers end in."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from adapters.apple import tokens
from adapters.apple.inbound import verify
from adapters.errors import NotAuthentic
from tests.adapters.apple.account import (
    BUSINESS,
    KIM,
    MSP,
    NOW,
    OLD_SECRET,
    SECRET,
    TOKEN_IN,
    TOKEN_OUT,
    account,
    event,
    request,
)

KEY = base64.b64decode(SECRET)


def status(**headers: str) -> int:
    """What the caller is told for the usual request with these headers; 200 when it passes."""
    try:
        verify(request(event(), zipped=True, **headers), account(), NOW)
    except NotAuthentic as refused:
        return refused.status
    return 200


def signed(claims: Any, secret: str = SECRET, header: dict[str, Any] | None = None) -> str:
    """A token made by another's code."""
    return "Bearer " + jwt.encode(claims, base64.b64decode(secret), algorithm="HS256", headers=header)


def test_the_golden_tokens() -> None:
    assert tokens.sign({"iss": MSP, "iat": 1_700_000_000}, SECRET) == TOKEN_OUT
    assert tokens.sign({"aud": MSP, "iat": 1_700_000_000}, SECRET) == TOKEN_IN
    assert status() == 200


def test_our_tokens_please_another_library() -> None:
    token = tokens.bearer(MSP, SECRET, NOW).removeprefix("Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_iat": False})
    assert claims == {"iss": MSP, "iat": int(NOW.timestamp())}


def test_tokens_of_another_library_please_us() -> None:
    now = int(NOW.timestamp())
    assert status(authorization=signed({"iat": now, "aud": MSP})) == 200
    assert status(authorization=signed({"iat": now, "aud": ["x", MSP.upper()]})) == 200
    assert status(authorization=signed({"iat": now, "aud": MSP}, header={"kid": "1"})) == 200
    assert status(authorization=signed({"iat": now + 0.5, "aud": MSP}).replace("Bearer", "bearer")) == 200


def test_unsigned() -> None:
    assert status(authorization="") == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer a.b.c.d",
        f"Basic {TOKEN_IN}",
        TOKEN_IN,
        f"Bearer {TOKEN_IN[:-1]}",
        f"Bearer {TOKEN_IN[:-2]}AA",
        f"Bearer x{TOKEN_IN}",
        f"Bearer {TOKEN_IN}=",
        f"Bearer {TOKEN_IN} x",
        f"Bearer {TOKEN_OUT}",  # ours has no aud
        "Bearer é.ü.☃",
        "Bearer \ud800.\udfff.x",
        "Bearer " + "a" * 100_000,
        "Bearer " + "a." * 100_000,
        "Bearer \0.\0.\0",
    ],
    ids=range(18),
)
def test_a_wrong_token(authorization: str) -> None:
    assert status(authorization=authorization) == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": MSP},
        {"aud": MSP, "iat": None},
        {"aud": MSP, "iat": "1700000000"},
        {"aud": MSP, "iat": True},
        {"aud": MSP, "iat": 1e400},
        {"aud": MSP, "iat": float("nan")},
        {"aud": MSP, "iat": 10**400},
        {"iat": 1_700_000_000},
        {"aud": "99999999-2222-3333-4444-555555555555", "iat": 1_700_000_000},
        {"aud": [], "iat": 1_700_000_000},
        {"aud": {"x": MSP}, "iat": 1_700_000_000},
        {"iss": MSP, "iat": 1_700_000_000},
    ],
)
def test_signed_claims_that_will_not_do(claims: dict[str, Any]) -> None:
    assert status(authorization=f"Bearer {tokens.sign(claims, SECRET)}") == 403


@pytest.mark.parametrize("payload", [b"[]", b"null", b"7", b"{", b"\xff", b"[" * 3000])
def test_signed_payloads_that_are_no_claims(payload: bytes) -> None:
    head = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in (b'{"alg":"HS256"}', payload))
    mac = base64.urlsafe_b64encode(jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head, KEY))
    assert status(authorization=f"Bearer {(head + b'.' + mac.rstrip(b'=')).decode()}") == 403


@pytest.mark.parametrize("alg", ["none", "HS512", "RS256", "hs256", None, 256])
def test_another_algorithm_is_refused_though_the_signature_is_right(alg: object) -> None:
    payload = json.dumps({"aud": MSP, "iat": 1_700_000_000}).encode()
    head = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in (json.dumps({"alg": alg}).encode(), payload))
    mac = base64.urlsafe_b64encode(jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head, KEY))
    assert status(authorization=f"Bearer {(head + b'.' + mac.rstrip(b'=')).decode()}") == 403
    assert status(authorization=f"Bearer {head.decode()}.") == 403


def test_one_byte_changed_anywhere_in_the_token() -> None:
    for place, letter in enumerate(TOKEN_IN):
        other = "A" if letter != "A" else "B"
        assert status(authorization=f"Bearer {TOKEN_IN[:place]}{other}{TOKEN_IN[place + 1 :]}") == 403, place


def test_the_secret_is_used_decoded() -> None:
    undecoded = jwt.encode({"aud": MSP, "iat": 1_700_000_000}, SECRET.encode(), algorithm="HS256")
    assert status(authorization=f"Bearer {undecoded}") == 403


def test_second_secret() -> None:
    both = account(secrets=(SecretStr(OLD_SECRET), SecretStr(SECRET)))
    verify(request(event()), both, NOW)
    with pytest.raises(NotAuthentic):
        verify(request(event()), account(secrets=(SecretStr(OLD_SECRET),)), NOW)


def test_too_old_and_from_the_future() -> None:
    for ahead in (timedelta(hours=1, seconds=1), timedelta(hours=-1, seconds=-30)):
        with pytest.raises(NotAuthentic, match="too old"):
            verify(request(event()), account(), NOW + ahead)
        verify(request(event()), account(token_age_seconds=0), NOW + ahead)


@pytest.mark.parametrize("destination", ["", "x", KIM, "7a3f1c52-0000-4000-8000-0000000000b2", "é", "\udcff"])
def test_unknown_destination(destination: str) -> None:
    assert status(destination_id=destination) == 404


def test_the_destination_in_its_other_spellings() -> None:
    assert status(destination_id=f"urn:biz:{BUSINESS}") == 200
    assert status(destination_id=BUSINESS.upper()) == 200
    assert status(destination_id=KIM, source_id=BUSINESS) == 200  # an echo


@pytest.mark.parametrize("path", ["", "/", "/messages", "/message/message", "/Message", "/message/../x"])
def test_another_address(path: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        verify(replace(request(event()), path=path), account(), NOW)
    assert refused.value.status == 404


def test_the_body_is_not_looked_at() -> None:
    verify(replace(request(event()), body=b"\x1f\x8b broken"), account(), NOW)


def test_no_secret_in_errors_or_repr() -> None:
    assert SECRET not in f"{account()!r}{account().model_dump()}"
    with pytest.raises(ValidationError, match="not base64") as fault:
        account(secrets=("not base64 at all!",))
    assert "not base64 at all!" not in str(fault.value)
    for empty in ((), ("",)):
        with pytest.raises(ValidationError):
            account(secrets=empty)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_header_ends_in_not_authentic(text: str) -> None:
    assert status(authorization=text) in (401, 403)
    assert status(authorization=f"Bearer {text}") in (401, 403)
    assert status(destination_id=text, source_id=text) == 404
