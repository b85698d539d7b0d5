"""LINE, as the conformance checks want to know it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.line import ADAPTER, LineAccount
from tests.adapters.line.account import an_account


def sign(request: RawRequest, account: LineAccount) -> RawRequest:
    """The request as LINE would send it with this body."""
    secret = account.channel_secrets[0].get_secret_value().encode()
    signature = base64.b64encode(hmac.new(secret, request.body, hashlib.sha256).digest()).decode()
    return replace(request, headers={**request.headers, "x-line-signature": signature})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=an_account(preview_image_url="https://cdn.example.test/preview.png"),  # else videos go as links
    fixtures=Path(__file__).parent / "fixtures",
    sign=sign,
    proof_headers=("x-line-signature",),
)
