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
    """The HMAC of `data` in lower-case hex. `secret` counts in UTF-8; `digest` is a name of hashlib's (`sha256`, `sha1`)."""
    return hmac.digest(secret.encode(), data, digest).hex()  # in one step: half the time of hmac.new


def hmac_base64(secret: str, data: bytes, digest: str = "sha256") -> str:
    """The HMAC of `data` in base64 (standard alphabet, padded). `secret` counts in UTF-8; `digest` is a name of hashlib's."""
    return base64.b64encode(hmac.digest(secret.encode(), data, digest)).decode()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in time that depends on their lengths alone. Any text may be given, also one that no encoding takes."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))


def any_same(given: str, expected: Iterable[str]) -> bool:
    """Whether `given` is one of `expected`; all are compared, so that the time doesn't reveal which."""
    found = False
    for one in expected:
        found |= same(given, one)
    return found


def require_secrets(secrets: Sequence[SecretStr], what: str) -> tuple[str, ...]:
    """The secrets in the clear, without empty ones, in order. Raises NotAuthentic (403) when none is left; `what` names them in its text."""
    # An empty secret would verify whatever an attacker signs with the empty key.
    values = tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())
    if not values:
        raise NotAuthentic(f"no {what} is configured, so nothing can be verified")
    return values


def check_repeated(given: str | None, secrets: Sequence[SecretStr], what: str) -> None:
    """The check for a provider that signs nothing but repeats a secret in a header.

    `given` is the header's value, None without one. Raises NotAuthentic: 401 without a value, 403 for a wrong one or an account without
    secrets; `what` names the header in its text. It proves nothing of the body.
    """
    expected = require_secrets(secrets, what)
    if not given:
        raise NotAuthentic(f"the {what} is missing", status=401)
    if not any_same(given, expected):
        raise NotAuthentic(
            f"the {what} is not the configured one", hint=f"check that the provider has the same {what} as the account"
        )


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of `data` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()
