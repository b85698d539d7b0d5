"""Signed HTTP as Standard Webhooks lays it down: an id, a time and the raw body under one HMAC.

Headers `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`, a list of `v1,<base64>` parted by spaces, so that an old and
a new secret can both sign. What is signed is `{id}.{timestamp}.{body}`. A secret that begins `whsec_` is base64; any other stands for its own bytes.
Source: Standard Webhooks 1.0.0, "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from adapters.errors import NotAuthentic
from adapters.signing import any_same, require_secrets

# Wide enough for two clocks that drift, narrow enough that a captured request is soon worth nothing.
WINDOW: Final = timedelta(minutes=5)


def key_of(secret: str) -> bytes:
    """The bytes that sign. A `whsec_` secret that isn't valid base64 is used as its own bytes, rather than raising."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256."""
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()


def signed_headers(
    secrets: Sequence[SecretStr], message_id: str, body: bytes, now: datetime, *, by_all: bool = False
) -> dict[str, str]:
    """The three headers, signed by the first secret, or `by_all`, so that a receiver who knows only one of them is content.

    Raises NotAuthentic without any secret.
    """
    timestamp = str(int(now.timestamp()))
    signing = require_secrets(secrets, "signing secret")[: None if by_all else 1]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in signing),
    }


def check(headers: Mapping[str, str], body: bytes, secrets: Sequence[SecretStr], now: datetime) -> str:
    """The request's id, if one of the secrets signed it within the window. Raises NotAuthentic whatever the bytes."""
    keys = require_secrets(secrets, "signing secret")
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not message_id or not timestamp or not given:
        raise NotAuthentic("webhook-id, webhook-timestamp and webhook-signature are required", status=401)
    expected = [signature(key, message_id, timestamp, body) for key in keys]
    if not any([any_same(one, expected) for one in given.split(" ")[:8]]):  # noqa: C419 - all are compared, none first
        raise NotAuthentic("the signature doesn't match the body")
    _within_window(timestamp, now)
    return message_id


def _within_window(timestamp: str, now: datetime) -> None:
    """Checked last: only the holder of a secret learns that it was the clock."""
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:
        raise NotAuthentic("webhook-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise NotAuthentic("webhook-timestamp is too far from now", hint=f"signed at {timestamp}; check both clocks")
