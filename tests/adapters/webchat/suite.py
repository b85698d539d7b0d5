"""Web chat, as the conformance checks want to know it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters import standard_webhooks
from adapters.conformance import WITH_SIMULATOR, Suite
from adapters.contract import RawRequest
from adapters.webchat import ADAPTER, WebchatAccount
from tests.adapters.webchat.account import ACCOUNT, FIXTURES


def sign(request: RawRequest, account: WebchatAccount) -> RawRequest:
    """The request as the chat service would send it with this body."""
    proof = standard_webhooks.signed_headers(account.secrets, "relay:1", request.body, request.received_at)
    return replace(request, headers={**request.headers, **proof})


_BROWSER: Final = "the simulator is a browser; tests/webchat joins both with the chat service between them"

SUITE: Final = Suite(
    adapter=ADAPTER,
    account=ACCOUNT,
    fixtures=FIXTURES,
    sign=sign,
    proof_headers=("webhook-id", "webhook-timestamp", "webhook-signature"),
    skip=dict.fromkeys(WITH_SIMULATOR, _BROWSER),
)
