"""Access tokens: the assertion, how long a token is used, several keys, and what a refusal means."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import load_pem_x509_certificate

from adapters.contract import HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from gateway.brokers.salesforce.codes import OrgFault
from gateway.brokers.salesforce.tokens import CAUSES, BadKey, Tokens, audience_of, cause_of, load_keys, path_of
from tests.brokers.salesforce.keys import key_pair
from tests.brokers.salesforce.mapped import NOW, Played, an_org, answered, played, tokens_of

ORG = an_org()
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def claims_of(call: HttpCall, name: str = "first") -> dict[str, object]:
    """Checked as Salesforce checks it: by the certificate."""
    form = parse_qs(call.body.decode(), strict_parsing=True)
    assert form["grant_type"] == [GRANT]
    key = load_pem_x509_certificate(key_pair(name)[1]).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    audience = "https://login.salesforce.com"
    return jwt.decode(form["assertion"][0], key, ["RS256"], audience=audience, options={"verify_exp": False})


def test_the_assertion_says_who_and_for_whom_and_is_short_lived() -> None:
    call = next(tokens_of(ORG).bearer(NOW))
    assert (call.method, call.url) == ("POST", "https://login.salesforce.com/services/oauth2/token")
    assert call.visible is False
    assert claims_of(call) == {
        "iss": "consumer",
        "sub": "gateway@acme.example",
        "aud": "https://login.salesforce.com",
        "exp": int(NOW.timestamp()) + 120,
    }


AUDIENCES = [
    ("https://login.salesforce.com", "https://login.salesforce.com"),
    ("https://test.salesforce.com", "https://test.salesforce.com"),
    ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
    ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
    ("https://acme--uat.my.salesforce.com", "https://test.salesforce.com"),
    ("http://127.0.0.1:8080/org", "http://127.0.0.1:8080/org"),
]


@pytest.mark.parametrize(("login", "audience"), AUDIENCES)
def test_an_orgs_own_domain_is_no_audience(login: str, audience: str) -> None:
    assert audience_of(login) == audience


def test_a_token_is_held_and_renewed_before_its_end() -> None:
    tokens, salesforce = tokens_of(ORG), Played()
    first = played(tokens.bearer(NOW), salesforce)
    assert played(tokens.bearer(NOW + timedelta(minutes=11)), salesforce) == first
    assert played(tokens.bearer(NOW + timedelta(minutes=13)), salesforce) == "token-2"


def test_a_tokens_own_end_counts() -> None:
    token = jwt.encode({"exp": int((NOW + timedelta(hours=2)).timestamp())}, "k" * 32)
    tokens = tokens_of(ORG)
    assert played(tokens.bearer(NOW), lambda call: answered({"access_token": token}, 200)) == token
    assert tokens.good_until == NOW + timedelta(minutes=96)
    short = tokens_of(ORG)
    played(short.bearer(NOW), lambda call: answered({"access_token": "t", "expires_in": "100"}, 200))
    assert short.good_until == NOW + timedelta(seconds=80)


def test_a_refused_token_is_renewed_once_for_all() -> None:
    tokens, salesforce = tokens_of(ORG), Played()
    old = played(tokens.bearer(NOW), salesforce)
    new = played(tokens.bearer(NOW, refused=old), salesforce)
    assert new != old
    assert played(tokens.bearer(NOW, refused=old), salesforce) == new  # another call had been refused, too


def refusing(error: str, description: str, status: int = 400) -> HttpReply:
    return answered({"error": error, "error_description": description}, status)


def test_the_next_key_is_tried_while_one_is_being_replaced() -> None:
    """The app knows the second certificate alone; afterwards that key signs first."""
    tokens = tokens_of(ORG, "new", "old")
    signed: list[str] = []

    def salesforce(call: HttpCall) -> HttpReply:
        try:
            claims_of(call, "old")
        except jwt.InvalidSignatureError:
            signed.append("new")
            return refusing("invalid_grant", "invalid assertion")
        signed.append("old")
        return answered({"access_token": "t"}, 200)

    assert played(tokens.bearer(NOW), salesforce) == "t"
    tokens.forget()
    assert played(tokens.bearer(NOW), salesforce) == "t"
    assert signed == ["new", "old", "old"]


def test_a_refusal_of_all_keys_holds_the_org() -> None:
    with pytest.raises(OrgFault) as caught:
        played(
            tokens_of(ORG, "new", "old").bearer(NOW), lambda call: refusing("invalid_grant", "user hasn't approved this consumer")
        )
    failed = caught.value
    assert (failed.scope, failed.code, failed.provider_code) == ("org", "not_authorised", "invalid_grant")
    assert failed.sentence == CAUSES["user_not_approved"]


def test_after_a_refusal_nobody_asks_for_some_seconds() -> None:
    """All customers' rows would, each for itself; once it is repaired, the first one that asks goes on."""
    tokens, asked = tokens_of(ORG), 0

    def salesforce(call: HttpCall) -> HttpReply:
        nonlocal asked
        asked += 1
        return refusing("invalid_grant", "invalid assertion") if asked == 1 else answered({"access_token": "t"}, 200)

    for seconds in (0, 5, 9):
        with pytest.raises(OrgFault) as caught:
            played(tokens.bearer(NOW + timedelta(seconds=seconds)), salesforce)
        assert caught.value.sentence == CAUSES["certificate"]
    assert asked == 1
    assert played(tokens.bearer(NOW + timedelta(seconds=10)), salesforce) == "t"


@pytest.mark.parametrize(
    "reply", [HttpReply(503, {}, b""), HttpReply(429, {}, b""), refusing("rate_limit_exceeded", "login rate exceeded")]
)
def test_a_busy_endpoint_is_asked_again(reply: HttpReply) -> None:
    with pytest.raises(SendFailed) as caught:
        played(tokens_of(ORG).bearer(NOW), lambda call: reply)
    assert caught.value.verdict is Verdict.again
    assert not getattr(caught.value, "holds", False)


def test_no_answer_is_no_refusal() -> None:
    flow = tokens_of(ORG).bearer(NOW)
    next(flow)
    with pytest.raises(SendFailed) as caught:
        flow.throw(NoReply("timed out", sent=True))
    assert caught.value.verdict is Verdict.again


REFUSALS = [
    ("invalid_grant", "invalid assertion", "certificate"),
    ("invalid_grant", "user hasn't approved this consumer", "user_not_approved"),
    ("invalid_grant", "user hasn\u2019t approved this consumer", "user_not_approved"),
    ("invalid_app_access", "user is not admin approved to access this app", "user_not_approved"),
    ("invalid_grant", "audience is invalid", "audience"),
    ("invalid_grant", "assertion expired", "clock"),
    ("invalid_grant", "expired authorization code", "clock"),
    ("invalid_grant", "authentication failure", "user"),
    ("inactive_user", "user is inactive", "user"),
    ("invalid_client_id", "client identifier invalid", "app"),
    ("invalid_client", "invalid client credentials", "app"),
    ("invalid_grant", "ip restricted", "network"),
    ("", "", "address"),
]


@pytest.mark.parametrize(("error", "description", "cause"), REFUSALS)
def test_a_refusal_names_its_cause(error: str, description: str, cause: str) -> None:
    assert cause_of(error, description) == CAUSES[cause]


def test_an_unknown_refusal_is_quoted() -> None:
    assert "invalid_scope: no such scope" in cause_of("invalid_scope", "no such\n scope")


# ----------------------------------------------------------------------------------------------------------------- keys


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, secret: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def test_keys_are_read_in_order_also_with_written_line_ends() -> None:
    first, second = key_pair("first")[0], key_pair("second")[0].strip().replace(b"\n", b"\\n")
    assert [key.key_size for key in load_keys([first, second])] == [2048, 2048]


WRONG = [
    ("garbage", lambda: b"hunter2", "is not a PEM private key"),
    ("certificate", lambda: key_pair()[1], "is a certificate"),
    ("cut off", lambda: key_pair()[0][:400], "is not a PEM private key"),
    ("curve", lambda: pem(ec.generate_private_key(ec.SECP256R1())), "is not an RSA key"),
    ("passphrase", lambda: pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "is encrypted"),
    ("short", lambda: pem(rsa.generate_private_key(65537, 1024)), "is shorter than 2048 bits"),  # noqa: S505
]


@pytest.mark.parametrize(("made", "why"), [(made, why) for _, made, why in WRONG], ids=[name for name, _, _ in WRONG])
def test_a_wrong_key_is_named_and_not_shown(made: object, why: str) -> None:
    wrong = made()  # type: ignore[operator]
    with pytest.raises(BadKey) as caught:
        load_keys([key_pair()[0], wrong])
    told = repr(caught.value)
    assert f"private key 2 {why}" in told
    assert caught.value.__cause__ is None
    assert not any(line.decode() in told for line in wrong.splitlines() if line and not line.startswith(b"-----"))


def test_a_key_may_be_in_a_file() -> None:
    assert path_of("file:/run/secrets/key.pem") == "/run/secrets/key.pem"
    assert path_of(key_pair()[0].decode()) is None


def test_secrets_are_in_no_repr() -> None:
    tokens = tokens_of(ORG)
    played(tokens.bearer(NOW), lambda call: answered({"access_token": "very-secret"}, 200))
    flow = Tokens(ORG, load_keys([key_pair()[0]])).bearer(NOW)
    assert "very-secret" not in repr(tokens) + repr(vars(tokens))
    assert "assertion" not in repr(next(flow))
