"""The simulated token endpoint: whom it lets in, and what it says to the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from gateway.brokers.salesforce.simulator.token import GRANT, App, Grants, IssuedTokens, TokenRefusal, User
from tests.brokers.salesforce.keys import key_pair

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORG = "00D000000000001EAA"
KEY = "3MVG9consumer"
USERS = {
    name: User(name, f"0050000000000{number:02}") for number, name in enumerate(("byoc@example.com", "other@example.com"), 1)
}
APP = App(KEY, (key_pair()[1],), frozenset({"byoc@example.com"}))
CLAIMS: dict[str, Any] = {
    "iss": KEY,
    "sub": "byoc@example.com",
    "aud": "https://login.salesforce.com",
    "exp": int(NOW.timestamp()) + 180,
}


class Time:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def tokens(clock: Time) -> IssuedTokens:
    return IssuedTokens(ORG, clock, USERS, timedelta(hours=1))


def form(claims: dict[str, Any], *, key: bytes | None = None, algorithm: str = "RS256") -> dict[str, str]:
    return {"grant_type": GRANT, "assertion": jwt.encode(claims, key or key_pair()[0], algorithm=algorithm)}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


REFUSED: list[tuple[str, Callable[[], dict[str, str]], tuple[str, str]]] = [
    ("another grant", lambda: {"grant_type": "password"}, ("unsupported_grant_type", "grant type not supported")),
    ("no assertion", lambda: {"grant_type": GRANT}, ("invalid_grant", "invalid assertion")),
    ("no JWT", lambda: {"grant_type": GRANT, "assertion": "a.b.c"}, ("invalid_grant", "invalid assertion")),
    ("unknown app", lambda: form(CLAIMS | {"iss": "3MVG9nobody"}), ("invalid_client_id", "client identifier invalid")),
    ("another's key", lambda: form(CLAIMS, key=key_pair("stranger")[0]), ("invalid_grant", "invalid assertion")),
    ("RS512", lambda: form(CLAIMS, algorithm="RS512"), ("invalid_grant", "invalid assertion")),
    (
        "signed with a shared secret",
        lambda: form(CLAIMS, key=b"a secret of thirty-two bytes or so", algorithm="HS256"),
        ("invalid_grant", "invalid assertion"),
    ),
    ("another audience", lambda: form(CLAIMS | {"aud": "https://example.com"}), ("invalid_grant", "audience is invalid")),
    ("no audience", lambda: form(without("aud")), ("invalid_grant", "audience is invalid")),
    ("expired", lambda: form(CLAIMS | {"exp": int(NOW.timestamp()) - 60}), ("invalid_grant", "expired authorization code")),
    ("too far ahead", lambda: form(CLAIMS | {"exp": int(NOW.timestamp()) + 600}), ("invalid_grant", "invalid assertion")),
    ("milliseconds", lambda: form(CLAIMS | {"exp": int(NOW.timestamp() * 1000)}), ("invalid_grant", "invalid assertion")),
    ("no expiry", lambda: form(without("exp")), ("invalid_grant", "invalid assertion")),
    ("expiry not a number", lambda: form(CLAIMS | {"exp": "nan"}), ("invalid_grant", "invalid assertion")),
    ("unknown user", lambda: form(CLAIMS | {"sub": "no@example.com"}), ("invalid_grant", "user hasn't approved this consumer")),
    (
        "user not let in",
        lambda: form(CLAIMS | {"sub": "other@example.com"}),
        ("invalid_grant", "user hasn't approved this consumer"),
    ),
]


@pytest.mark.parametrize(("request_form", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(request_form: Callable[[], dict[str, str]], said: tuple[str, str], tokens: IssuedTokens) -> None:
    with pytest.raises(TokenRefusal) as refusal:
        Grants([APP], tokens).grant(request_form())
    assert (refusal.value.error, refusal.value.description) == said


def test_a_user_whom_the_admin_has_not_approved(tokens: IssuedTokens) -> None:
    with pytest.raises(TokenRefusal, match="not admin approved"):
        Grants([replace(APP, admin_approves=True)], tokens).grant(form(CLAIMS | {"sub": "other@example.com"}))


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS,
        CLAIMS | {"exp": str(CLAIMS["exp"])},
        CLAIMS | {"exp": f"{CLAIMS['exp']}.0"},
        CLAIMS | {"exp": int(NOW.timestamp()) - 10},
        CLAIMS | {"aud": "https://test.salesforce.com/"},
        CLAIMS | {"aud": "https://example.my.salesforce.com"},
    ],
    ids=["as documented", "exp as text", "exp as a decimal", "a slow clock", "sandbox", "own domain"],
)
def test_granted(claims: dict[str, Any], tokens: IssuedTokens) -> None:
    session = Grants([APP], tokens, frozenset({"https://example.my.salesforce.com"})).grant(form(claims))
    assert tokens.check(session.token) == session
    assert (session.username, session.user_id, session.org_id) == ("byoc@example.com", "005000000000001", ORG)
    assert "interaction_api" in session.scopes
    assert session.token not in repr(session)


def test_while_a_key_is_replaced_both_are_taken(tokens: IssuedTokens) -> None:
    grants = Grants([replace(APP, certificates=(key_pair()[1], key_pair("next")[1]))], tokens)
    assert grants.grant(form(CLAIMS)).token != grants.grant(form(CLAIMS, key=key_pair("next")[0])).token


def test_tokens_end(clock: Time, tokens: IssuedTokens) -> None:
    first, second = (tokens.issue("byoc@example.com", KEY, frozenset()) for _ in range(2))
    assert tokens.check(first.token)
    assert tokens.check(second.token)
    clock.now += timedelta(hours=1)
    assert tokens.check(first.token) is None
    third = tokens.issue("byoc@example.com", KEY, frozenset())
    tokens.expire_all()
    assert tokens.check(third.token) is None
    assert tokens.check("") is None
