"""The channel as the conformance kit sees it: what it is tested with. `byoc channels --grade` finds it by the entry point in pyproject.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.signing import hmac_hex
from gateway.new_channel.template import ADAPTER
from gateway.new_channel.template.account import ExampleAccount

# Made up: the account that the fixtures are signed for.
SETTINGS: Final = {
    "channel_id": "example",
    "webhook_url": "https://gw.example.test/webhooks/example",
    "secrets": ["a-secret-for-tests"],
    "token": "a-token-for-tests",
    "api_base": "https://api.example.test",
}


def sign(request: RawRequest, account: ExampleAccount) -> RawRequest:
    """The request as the provider would sign this body."""
    proof = {"x-example-signature": hmac_hex(account.secrets[0].get_secret_value(), request.body)}
    return replace(request, headers={**request.headers, **proof})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=ExampleAccount.model_validate(SETTINGS),
    fixtures=Path(__file__).parents[1] / "tests" / "fixtures",
    sign=sign,
    proof_headers=("x-example-signature",),
)
