"""The handshake and the signature of all of Meta's channels."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from adapters._meta import webhook
from adapters._meta.simulator.graph import written
from adapters.contract import RawRequest
from adapters.errors import NotAuthentic, NotUnderstood

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SECRET = (SecretStr("app_secret_x"),)
TOKEN = SecretStr("verify-me")

# Secret `app_secret_x`. Meta signs what is on the wire, so the same letter has two signatures, by how it was written.
ESCAPED = rb'{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"message":{"text":"caf\u00e9"}}]}]}'
LITERAL = '{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"message":{"text":"café"}}]}]}'.encode()
VECTORS = [
    (ESCAPED, "26326768a64de8f71d4dffffaeec2e294a5bb3f23f37ddabd9ec5e5112a07558"),
    (LITERAL, "cc6d8210c9f95638400c1ea361af204e1634fb6ccf816021949f8a7712731abe"),
]


def post(body: bytes, signature: str | None) -> RawRequest:
    headers = {} if signature is None else {"x-hub-signature-256": signature}
    return RawRequest("POST", "https://gw.example.test/webhooks/x", "", (), headers, body, NOW)


def get(**query: str) -> RawRequest:
    pairs = tuple((f"hub.{name}", value) for name, value in query.items())
    return RawRequest("GET", "https://gw.example.test/webhooks/x", "", pairs, {}, b"", NOW)


@pytest.mark.parametrize(("body", "digest"), VECTORS, ids=["escaped", "literal"])
def test_vectors(body: bytes, digest: str) -> None:
    webhook.verify(post(body, f"sha256={digest}"), SECRET)


@pytest.mark.parametrize(("body", "digest"), [(ESCAPED, VECTORS[1][1]), (LITERAL, VECTORS[0][1])])
def test_the_same_words_written_otherwise_are_not_authentic(body: bytes, digest: str) -> None:
    with pytest.raises(NotAuthentic):
        webhook.verify(post(body, f"sha256={digest}"), SECRET)


def test_missing_is_401_and_wrong_is_403() -> None:
    with pytest.raises(NotAuthentic) as missing:
        webhook.verify(post(ESCAPED, None), SECRET)
    with pytest.raises(NotAuthentic) as wrong:
        webhook.verify(post(ESCAPED, "sha256=" + "0" * 64), SECRET)
    assert (missing.value.status, wrong.value.status) == (401, 403)


GOOD = VECTORS[0][1]


@pytest.mark.parametrize(
    "signature",
    [
        GOOD,
        f"sha1={GOOD}",
        f"sha256={GOOD.upper()}",
        f"sha256={GOOD[:-1]}",
        f"sha256={GOOD}0",
        f" sha256={GOOD}",
        f"sha256 = {GOOD}",
        f"sha256={GOOD[:-1]}é",
        "sha256=☂",
        "sha256=",
        "\ud800",
    ],
)
def test_mangled_signatures(signature: str) -> None:
    with pytest.raises(NotAuthentic):
        webhook.verify(post(ESCAPED, signature), SECRET)


def test_old_secret_is_good_while_both_are_there() -> None:
    webhook.verify(post(ESCAPED, f"sha256={GOOD}"), (SecretStr("the-new-one"), *SECRET))
    with pytest.raises(NotAuthentic):
        webhook.verify(post(ESCAPED, f"sha256={GOOD}"), (SecretStr("the-new-one"),))


@pytest.mark.parametrize("secrets", [(), (SecretStr(""),)])
def test_without_a_secret_nothing_is_authentic(secrets: tuple[SecretStr, ...]) -> None:
    with pytest.raises(NotAuthentic):
        webhook.verify(post(ESCAPED, f"sha256={GOOD}"), secrets)


def test_the_older_signature_counts_for_nothing() -> None:
    old = RawRequest("POST", "u", "", (), {"x-hub-signature": "sha1=0"}, ESCAPED, NOW)
    with pytest.raises(NotAuthentic) as missing:
        webhook.verify(old, SECRET)
    assert missing.value.status == 401


def test_the_challenge_comes_back_bare() -> None:
    answer = webhook.handshake(get(mode="subscribe", verify_token="verify-me", challenge="1158201444"), TOKEN)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"mode": "subscribe", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "verify-you", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "vérify☂", "challenge": "1"},
        {"mode": "unsubscribe", "verify_token": "verify-me", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "verify-me"},
        {"mode": "subscribe", "verify_token": "verify-me", "challenge": "1" * 10_000},
    ],
)
def test_other_subscription_calls_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(NotAuthentic):
        webhook.handshake(get(**query), TOKEN)


def test_a_subscription_call_never_passes_without_a_token_of_ours() -> None:
    with pytest.raises(NotAuthentic):
        webhook.handshake(get(mode="subscribe", verify_token="", challenge="1"), SecretStr(""))


def test_events_are_no_handshake() -> None:
    assert webhook.handshake(post(ESCAPED, None), TOKEN) is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_bodies_that_make_no_sense(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        webhook.read(post(body, None))


def test_half_an_emoji_is_replaced() -> None:
    body = webhook.read(post(rb'{"a":["x\ud83dy"],"b":{"\udc4d":"\ud83d\udc4d"}}', None))
    assert body == {"a": ["x\ufffdy"], "b": {"\ufffd": "👍"}}


def test_the_simulated_wire_form_is_meta_s() -> None:
    assert written({"text": "café / 👍"}) == rb'{"text":"caf\u00e9 \/ \ud83d\udc4d"}'
