"""The proof that LINE sent a webhook. Source of the scheme: LINE Developers, "Verify webhook signature"; the vectors were computed
with openssl from the scheme's description."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from adapters.contract import RawRequest
from adapters.errors import NotAuthentic
from adapters.line import ADAPTER
from tests.adapters.line.account import ACCOUNT, NOW, SECRET, an_account, fixture, webhook

VECTORS = [
    (b'{"destination":"U00000000000000000000000000000001","events":[]}', "YQU0voYIh8lUA1XaYoIEZg9trJlhjyu9qVt6HqVvWf4="),
    (
        '{"destination":"U00000000000000000000000000000001","events":[{"type":"message","text":"héllo 👋"}]}'.encode(),
        "NTSEHsYOE9EMCSJg8d0GsNfmuq/6cOA+4/5Zywa/0W8=",
    ),
]


def signed(body: bytes, signature: str | None) -> RawRequest:
    request = webhook(body)
    request.headers = {} if signature is None else {"x-line-signature": signature}
    return request


@pytest.mark.parametrize(("body", "signature"), VECTORS, ids=["ascii", "utf8"])
def test_vectors(body: bytes, signature: str) -> None:
    ADAPTER.verify(signed(body, signature), ACCOUNT, NOW)


def test_no_signature_is_401() -> None:
    with pytest.raises(NotAuthentic) as caught:
        ADAPTER.verify(signed(b"{}", None), ACCOUNT, NOW)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "x",
        "=" * 44,
        VECTORS[0][1][:-1],
        VECTORS[0][1] + "=",
        f" {VECTORS[0][1]}",
        VECTORS[0][1].lower(),
        VECTORS[1][1],
        "ünïcode-" + VECTORS[0][1],
        "\udcff\udc00",
        "\x00" * 44,
        "a" * 100_000,
    ],
    ids=lambda signature: ascii(signature[:20]),
)
def test_a_wrong_or_mangled_signature_is_403(signature: str) -> None:
    with pytest.raises(NotAuthentic) as caught:
        ADAPTER.verify(signed(VECTORS[0][0], signature), ACCOUNT, NOW)
    assert caught.value.status == 403


def test_one_byte_changed() -> None:
    request = fixture("text")
    for place in range(0, len(request.body), 7):
        changed = request.body[:place] + bytes([request.body[place] ^ 1]) + request.body[place + 1 :]
        with pytest.raises(NotAuthentic):
            ADAPTER.verify(replace(request, body=changed), ACCOUNT, NOW)


def test_signature_fails_when_the_body_was_parsed_and_written_anew() -> None:
    """github.com/line/line-bot-sdk-nodejs/issues/230: only the raw bytes count."""
    request = fixture("text")
    with pytest.raises(NotAuthentic):
        ADAPTER.verify(replace(request, body=request.body.replace(b'","', b'", "', 1)), ACCOUNT, NOW)


def test_old_and_new_secret_at_once() -> None:
    account = an_account(channel_secrets=["fedcba9876543210fedcba9876543210", SECRET])
    ADAPTER.verify(webhook(b"{}"), account, NOW)
    ADAPTER.verify(webhook(b"{}", secret="fedcba9876543210fedcba9876543210"), account, NOW)
    with pytest.raises(NotAuthentic):
        ADAPTER.verify(webhook(b"{}", secret="0" * 32), account, NOW)


def test_no_secret_at_all_refuses_everything() -> None:
    account = ACCOUNT.model_copy(update={"channel_secrets": (SecretStr(""),)})
    with pytest.raises(NotAuthentic):
        ADAPTER.verify(webhook(b"{}", secret=""), account, NOW)


def test_the_body_is_not_read_before_it_is_proven() -> None:
    ADAPTER.verify(webhook(b"\xff not JSON"), ACCOUNT, NOW)
