"""The simulated LINE's channel access tokens: asking for them, and which are good.

Source: LINE Developers, "Messaging API reference", Channel access token; channel-access-token.yml in github.com/line/line-openapi.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import jwt

from adapters.contract import Answer
from adapters.line.account import LineAccount
from adapters.simulation import hex_of

_MOST_V2_1 = 30  # valid tokens of a channel at once


@dataclass
class Tokens:
    """Those that were issued, with their ends. `revoked` long-lived ones are refused."""

    account: LineAccount
    issued: dict[str, datetime] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    count: int = 0

    def good(self, token: str, now: datetime) -> bool:
        """Whether LINE takes this token now."""
        lasting = {secret.get_secret_value() for secret in self.account.access_tokens}
        end = self.issued.get(token)
        return token not in self.revoked and (token in lasting or (end is not None and now < end))

    def issue(self, path: str, body: bytes, now: datetime) -> Answer | None:
        """Answer a request for a token; None: no such path."""
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        if path == "/v2/oauth/accessToken":
            return self._by_secret(form, timedelta(days=30), now)
        if path == "/oauth2/v3/token":
            way = self._by_assertion if "client_assertion" in form else self._by_secret
            return way(form, timedelta(minutes=15), now)
        if path == "/oauth2/v2.1/token":
            return self._by_assertion(form, None, now)
        return None

    def _by_secret(self, form: dict[str, str], life: timedelta, now: datetime) -> Answer:
        secrets = {secret.get_secret_value() for secret in self.account.channel_secrets[:1]}
        if form.get("client_id") != self.account.line_channel_id or form.get("client_secret") not in secrets:
            return _error("invalid_client", "invalid client_secret")
        return self._new(form, life, now)

    def _by_assertion(self, form: dict[str, str], life: timedelta | None, now: datetime) -> Answer:
        try:
            claims = self._claims(form.get("client_assertion", ""))
        except jwt.InvalidTokenError:
            return _error("invalid_client", "Invalid client assertion")
        left = timedelta(seconds=claims.get("exp", 0) - now.timestamp())
        if not timedelta(0) < left <= timedelta(minutes=30):
            return _error("invalid_client", "Invalid exp")
        seconds = claims.get("token_exp")
        if life is None and not (isinstance(seconds, int) and 0 < seconds <= 30 * 86_400):
            return _error("invalid_request", "Invalid token_exp")
        if life is None and sum(now < end for end in self.issued.values()) >= _MOST_V2_1:
            return _error("invalid_request", "Too many valid tokens")
        return self._new(form, life or timedelta(seconds=seconds or 0), now)

    def _claims(self, assertion: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(assertion)
        if header.get("kid") != self.account.assertion_key_id:
            raise jwt.InvalidTokenError("unknown kid")
        options: Any = {"verify_exp": False, "require": ["iss", "sub", "aud", "exp"]}
        key = self.account.signing_key().public_key()
        claims: dict[str, Any] = jwt.decode(assertion, key, ["RS256"], options=options, audience="https://api.line.me/")
        if not claims["iss"] == claims["sub"] == self.account.line_channel_id:
            raise jwt.InvalidTokenError("unknown channel")
        return claims

    def _new(self, form: dict[str, str], life: timedelta, now: datetime) -> Answer:
        if form.get("grant_type") != "client_credentials":
            return _error("unsupported_grant_type", "grant_type must be client_credentials")
        self.count += 1
        token = "issued-" + hex_of(f"{self.account.channel_id} {self.count}", 32)
        self.issued[token] = now + life
        body = {
            "access_token": token,
            "expires_in": int(life.total_seconds()),
            "token_type": "Bearer",
            "key_id": f"key{self.count}",
        }
        return Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})


def _error(error: str, description: str) -> Answer:
    body = {"error": error, "error_description": description}
    return Answer(400, json.dumps(body).encode(), {"content-type": "application/json"})
