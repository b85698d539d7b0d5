"""An open channel, as the conformance checks want to know it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters import standard_webhooks
from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.open import ADAPTER, OpenAccount
from tests.adapters.open.account import ACCOUNT, FIXTURES


def sign(request: RawRequest, account: OpenAccount) -> RawRequest:
    """The request as a server would send it with this body."""
    request_id = request.headers.get("webhook-id", "req_1")
    proof = standard_webhooks.signed_headers(account.secrets, request_id, request.body, request.received_at)
    return replace(request, headers={**request.headers, **proof})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=ACCOUNT,
    fixtures=FIXTURES,
    sign=sign,
    proof_headers=("webhook-id", "webhook-timestamp", "webhook-signature"),
)
