"""The Apple channel, as the conformance checks want to know it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import jwt
from pydantic import SecretStr

from adapters.apple import ADAPTER
from adapters.apple.account import AppleAccount
from adapters.apple.tokens import key_of
from adapters.conformance import Suite
from adapters.contract import RawRequest
from tests.adapters.apple.account import FIXTURES, OLD_SECRET, account


def sign(request: RawRequest, account: AppleAccount) -> RawRequest:
    """The request with a token of Apple's, made by another library; it covers no body."""
    claims = {"aud": account.msp_id, "iat": int(request.received_at.timestamp())}
    token = jwt.encode(claims, key_of(account.secrets[0].get_secret_value()), algorithm="HS256")
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


def rotate(account: AppleAccount) -> AppleAccount:
    """A secret is base64, so the kit's own won't do."""
    return account.model_copy(update={"secrets": (SecretStr(OLD_SECRET), *account.secrets)})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=account(),
    fixtures=FIXTURES,
    sign=sign,
    proof_headers=("authorization",),
    body_is_signed=False,
    rotate=rotate,
)
