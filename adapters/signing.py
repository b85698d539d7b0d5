"""Comparing proofs without telling by the clock how far they agree, and the HMACs that providers use.

Every hostile input ends in False or `NotAuthentic`, never in another error: `hmac.compare_digest` raises on non-ASCII
text, so all comparing is done on bytes; a header that can't be decoded is simply not authentic.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from pydantic import SecretStr

from adapters.errors import NotAuthentic


def hmac_hex(secret: str, data: bytes, digest: str = "sha256") -> str:
    """Lower-case hex HMAC."""
    return hmac.digest(secret.encode(), data, digest).hex()  # in one step: half the time of hmac.new


def hmac_base64(secret: str, data: bytes, digest: str = "sha256") -> str:
    """Base64 HMAC (standard alphabet, padded)."""
    return base64.b64encode(hmac.digest(secret.encode(), data, digest)).decode()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in constant time; any text at all may be given."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))


def any_same(given: str, expected: Iterable[str]) -> bool:
    """Whether `given` is one of `expected`; all are compared, so that the time doesn't reveal which."""
    found = False
    for one in expected:
        found |= same(given, one)
    return found


def require_secrets(secrets: Sequence[SecretStr], what: str) -> tuple[str, ...]:
    """The secrets in the clear; without any, nothing is authentic."""
    # An empty secret would verify whatever an attacker signs with the empty key.
    values = tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())
    if not values:
        raise NotAuthentic(f"no {what} is configured, so nothing can be verified")
    return values


def check_repeated(given: str | None, secrets: Sequence[SecretStr], what: str) -> None:
    """For providers that sign nothing but repeat a secret in a header. Raises NotAuthentic: 401 without any, 403 for a wrong one."""
    expected = require_secrets(secrets, what)
    if not given:
        raise NotAuthentic(f"the {what} is missing", status=401)
    if not any_same(given, expected):
        raise NotAuthentic(
            f"the {what} is not the configured one", hint=f"check that the provider has the same {what} as the account"
        )


def sha256_hex(data: bytes) -> str:
    """Lower-case hex digest."""
    return hashlib.sha256(data).hexdigest()
