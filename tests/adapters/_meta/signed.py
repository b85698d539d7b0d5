"""Webhooks as Meta makes them, for the tests of its three channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from adapters._meta.simulator.graph import written
from adapters.contract import RawRequest
from adapters.signing import hmac_hex


class Signing(Protocol):
    """An account whose app signs."""

    @property
    def app_secrets(self) -> tuple[SecretStr, ...]:
        """The first signs."""
        ...

    @property
    def webhook_url(self) -> str:
        """Where the webhook goes."""
        ...


def sign(given: RawRequest, by: Signing) -> RawRequest:
    """The request with the signature of the account's first secret."""
    signature = hmac_hex(by.app_secrets[0].get_secret_value(), given.body)
    return replace(given, headers={**given.headers, "x-hub-signature-256": f"sha256={signature}"})


def posted(body: Mapping[str, Any] | bytes, to: Signing, at: datetime) -> RawRequest:
    """A signed webhook."""
    raw = body if isinstance(body, bytes) else written(body)
    return sign(RawRequest("POST", to.webhook_url, "", (), {"content-type": "application/json"}, raw, at), to)
