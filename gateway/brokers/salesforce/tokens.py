"""Access tokens of an org by the OAuth 2.0 JWT bearer flow; one token serves the Interaction Service, the REST API and the Pub/Sub API.

Source: Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from adapters.contract import Flow
from gateway.config.salesforce import SalesforceOrg


class BadKey(ValueError):
    """A private key that can't sign; the text says which and why, and never shows it."""


def path_of(setting: str) -> str | None:
    """The path of a key that is given as `file:/path`; None: the setting is the PEM itself."""
    return setting.removeprefix("file:") if setting.startswith("file:") else None


def load_keys(pems: Sequence[bytes]) -> tuple[RSAPrivateKey, ...]:
    """The keys of these PEM texts, in order. Raises BadKey, which names the first wrong one by its place, from 1."""
    raise NotImplementedError


class Tokens:
    """The token that is held for one org, shared by all calls and the stream of a process. It isn't shown in `repr`."""

    def __init__(self, org: SalesforceOrg, keys: Sequence[RSAPrivateKey]) -> None:
        self._org, self._keys = org, tuple(keys)

    def bearer(self, now: datetime, *, refused: str | None = None) -> Flow[str]:
        """A live token: the one that is held, or a new one when it is near its end, or when it is the `refused` one.

        Raises `codes.OrgFault` (scope `org`) when Salesforce refuses all keys, SendFailed (`again`) when it doesn't answer.
        """
        raise NotImplementedError
        yield


def cause_of(error: str, description: str) -> str:
    """Which of the usual causes a refusal of the token endpoint has, with the fix, in a sentence or two for operators."""
    raise NotImplementedError
