"""The tokens that Apple and an MSP show each other: JWTs, HS256 with the base64-decoded API secret, in both directions.

Ours say `iss`, Apple's say `aud`, both the MSP id; both carry `iat` (seconds) and no `exp`: each side sets its own age limit.
Source: Apple, "Authorizing Messages" (Business Chat API).

Written out rather than left to a JWT library, so that the time is an argument and every hostile text ends in None.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

_HEADER: Final = b'{"alg":"HS256","typ":"JWT"}'
_MAX_LENGTH: Final = 8192  # Apple's are of some 200 characters


def key_of(secret: str) -> bytes:
    """The HMAC key: the decoded secret. Raises ValueError if it isn't base64."""
    return base64.b64decode(secret.strip().encode("ascii"), validate=True)


def sign(claims: Mapping[str, Any], secret: str) -> str:
    """The token for these claims, compact and with the claims in the order given."""
    payload = json.dumps(claims, separators=(",", ":")).encode()
    signed = _encode(_HEADER) + b"." + _encode(payload)
    return (signed + b"." + _encode(_mac(key_of(secret), signed))).decode()


def bearer(msp_id: str, secret: str, now: datetime) -> str:
    """The `Authorization` header of a call to Apple."""
    return f"Bearer {sign({'iss': msp_id, 'iat': int(now.timestamp())}, secret)}"


def claims_of(authorization: str, secrets: Iterable[str]) -> dict[str, Any] | None:
    """The claims of a `Bearer` token that one of the secrets has signed; None for anything else at all.

    The signature is checked before a claim is read; all secrets are tried, so that the time doesn't reveal which.
    """
    token = authorization.encode("utf-8", "surrogatepass")
    scheme, _, token = token.strip().partition(b" ")
    head, _, signature = token.strip().rpartition(b".")
    if scheme.lower() != b"bearer" or len(token) > _MAX_LENGTH or head.count(b".") != 1:
        return None
    signed = False
    for secret in secrets:
        signed |= hmac.compare_digest(signature, _encode(_mac(key_of(secret), head)))
    header, payload = (_object(_decode(part)) for part in head.split(b"."))
    if not signed or header is None or header.get("alg") != "HS256":
        return None
    return payload


def fresh(claims: Mapping[str, Any], now: datetime, age_seconds: int) -> bool:
    """Whether `iat` is there and lies within the age allowed, before or after now; any age, for 0."""
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return False
    # A NaN compares false with all, so it is not fresh; from an integer, any other integer can be taken.
    return age_seconds == 0 or -age_seconds <= int(now.timestamp()) - issued <= age_seconds


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(data: bytes) -> bytes | None:
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _object(data: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
