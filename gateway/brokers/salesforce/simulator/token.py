"""The org's token endpoint: OAuth 2.0 JWT bearer flow, as `POST /services/oauth2/token` does it, and the tokens themselves.

Errors have Salesforce's own words, since set-up checks read them: `{"error": "invalid_grant", "error_description": "audience is invalid"}`, always with status 400.

| what is wrong | error, error_description |
| --- | --- |
| another grant type | `unsupported_grant_type`, grant type not supported |
| no such consumer key | `invalid_client_id`, client identifier invalid |
| signature of none of the app's certificates, another algorithm, not a JWT, exp missing or too far ahead | `invalid_grant`, invalid assertion |
| aud isn't a login address | `invalid_grant`, audience is invalid |
| exp in the past | `invalid_grant`, expired authorization code |
| no such user, or the user never approved the app | `invalid_grant`, user hasn't approved this consumer |
| the app is for users whom the admin approves, and this isn't one | `invalid_app_access`, user is not admin approved to access this app |

Source: help.salesforce.com, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration" and "OAuth 2.0 Authorization Errors"; the text for an expired assertion as
reported in github.com/newrelic/newrelic-salesforce-exporter/issues/31.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from gateway.brokers.salesforce.simulator.contract import INTERACTION_SCOPE, TokenSession
from gateway.clock import Clock

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES: Final = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
_LONGEST: Final = timedelta(minutes=3)
_FAR: Final = timedelta(minutes=3)  # beyond them: well-known clients sign for five minutes, and are served
_LATE: Final = timedelta(seconds=30)  # between two machines' clocks
_LIFETIME: Final = timedelta(hours=2)


class TokenRefusal(Exception):
    """The token endpoint says no."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class App:
    """An external client app. `certificates`: PEM, all valid at once, so that a key can be replaced. `users`: usernames that may use it.
    `admin_approves`: only those are let in, with another error for the rest."""

    consumer_key: str
    certificates: tuple[bytes, ...]
    users: frozenset[str]
    scopes: frozenset[str] = frozenset({INTERACTION_SCOPE, "api", "refresh_token"})
    admin_approves: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A Salesforce user whom apps sign in as."""

    username: str
    id: str
    name: str = "Integration User"


@dataclass(slots=True)
class IssuedTokens:
    """Implements `Tokens` in memory: after a restart of the org all tokens are gone, as when an admin revokes them."""

    org_id: str
    clock: Clock
    users: Mapping[str, User]
    lifetime: timedelta = _LIFETIME
    _sessions: dict[str, TokenSession] = field(default_factory=dict, repr=False)

    def issue(self, username: str, consumer_key: str, scopes: frozenset[str]) -> TokenSession:
        """See `Tokens`."""
        now = self.clock()
        self._sessions = {token: session for token, session in self._sessions.items() if session.expires_at > now}
        token = f"{self.org_id[:15]}!{secrets.token_urlsafe(72)}"
        session = TokenSession(
            token, self.org_id, self.users[username].id, username, consumer_key, scopes, self.clock() + self.lifetime
        )
        self._sessions[token] = session
        return session

    def check(self, token: str) -> TokenSession | None:
        """See `Tokens`."""
        session = self._sessions.get(token)
        return session if session is not None and session.expires_at > self.clock() else None

    def expire_all(self) -> None:
        """See `Tokens`."""
        self._sessions.clear()


class Grants:
    """Turns assertions into tokens. `audiences`: the login addresses that an assertion may name, besides Salesforce's own."""

    def __init__(self, apps: Sequence[App], tokens: IssuedTokens, audiences: frozenset[str] = frozenset()) -> None:
        self.apps = {app.consumer_key: app for app in apps}
        self._tokens = tokens
        self._audiences = AUDIENCES | {address.rstrip("/") for address in audiences}

    def grant(self, form: Mapping[str, str], *, at: str | None = None) -> TokenSession:
        """A token for the fields of a request's form. `at`: the address that was called, an audience, too. Raises TokenRefusal."""
        if form.get("grant_type") != GRANT:
            raise TokenRefusal("unsupported_grant_type", "grant type not supported")
        assertion = form.get("assertion", "")
        app = self._app(assertion)
        claims = _verified(assertion, app)
        if str(claims.get("aud")).rstrip("/") not in {*self._audiences, at}:
            raise TokenRefusal("invalid_grant", "audience is invalid")
        _check_expiry(claims.get("exp"), self._tokens.clock())
        username = str(claims.get("sub"))
        if username not in app.users or username not in self._tokens.users:
            if app.admin_approves and username in self._tokens.users:
                raise TokenRefusal("invalid_app_access", "user is not admin approved to access this app")
            raise TokenRefusal("invalid_grant", "user hasn't approved this consumer")
        return self._tokens.issue(username, app.consumer_key, app.scopes)

    def _app(self, assertion: str) -> App:
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except (jwt.InvalidTokenError, ValueError):
            raise _invalid() from None
        app = self.apps.get(str(claims.get("iss")))
        if app is None:
            raise TokenRefusal("invalid_client_id", "client identifier invalid")
        return app


def _verified(assertion: str, app: App) -> dict[str, Any]:
    # Only the signature is checked here: `exp` may be a text of digits, which PyJWT refuses and Salesforce accepts.
    options: Any = dict.fromkeys(("verify_exp", "verify_aud", "verify_iat", "verify_nbf", "verify_sub", "verify_jti"), False)
    for certificate in app.certificates:
        key = load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            continue  # Salesforce takes RSA keys alone for this flow
        with suppress(jwt.InvalidTokenError):
            return jwt.decode(assertion, key, algorithms=["RS256"], options=options)
    raise _invalid()


def _check_expiry(exp: object, now: datetime) -> None:
    try:
        ahead = float(str(exp)) - now.timestamp()
    except ValueError:
        raise _invalid() from None
    if ahead <= -_LATE.total_seconds():
        raise TokenRefusal("invalid_grant", "expired authorization code")
    if not ahead <= (_LONGEST + _FAR).total_seconds():
        raise _invalid()


def _invalid() -> TokenRefusal:
    return TokenRefusal("invalid_grant", "invalid assertion")


def answer(session: TokenSession, *, instance_url: str, login_url: str) -> dict[str, Any]:
    """The body of a granted request."""
    return {
        "access_token": session.token,
        "scope": " ".join(sorted(session.scopes)),
        "instance_url": instance_url,
        "id": f"{login_url}/id/{session.org_id}/{session.user_id}",
        "token_type": "Bearer",
    }


def user_info(session: TokenSession, user: User, *, login_url: str) -> dict[str, Any]:
    """The body of `GET /services/oauth2/userinfo`."""
    return {
        "sub": f"{login_url}/id/{session.org_id}/{session.user_id}",
        "user_id": session.user_id,
        "organization_id": session.org_id,
        "preferred_username": session.username,
        "nickname": user.name,
        "name": user.name,
        "email": session.username,
        "active": True,
        "urls": {},
    }
