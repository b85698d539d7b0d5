"""Access tokens of an org by the OAuth 2.0 JWT bearer flow; one token serves the Interaction Service, the REST API and the Pub/Sub API.

The token is held in memory, and not in the driver's cache: the stream, which makes no HTTP calls, uses it as well, and an assertion is good for minutes, so that
equal calls would be rare. Source: Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.contract import Flow, HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from adapters.reading import answer_of, moment, optional
from adapters.replies import meaning_of_status, retry_after
from gateway.brokers.salesforce.codes import OrgFault
from gateway.config.salesforce import SalesforceOrg

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION: Final = timedelta(minutes=2)  # at most three are allowed; the third is for clocks that differ
# Salesforce doesn't say how long a token lives: it is the org's session timeout, of which the shortest is 15 minutes.
_SHORTEST_LIFE: Final = timedelta(minutes=15)
_LONGEST_LIFE: Final = timedelta(hours=12)
_HOLD: Final = timedelta(seconds=60)
# After a refusal nobody asks for so long: the rows of all customers would, each for itself, and Salesforce counts sign-ins.
_QUIET: Final = timedelta(seconds=10)
_LEAST_BITS: Final = 2048
_OTHER_KEY_MAY_HELP: Final = frozenset({"invalid_grant", "invalid_client", "invalid_assertion"})


class BadKey(ValueError):
    """A private key that can't sign; the text says which and why, and never shows it."""


def path_of(setting: str) -> str | None:
    """The path of a key that is given as `file:/path`; None: the setting is the PEM itself."""
    return setting.removeprefix("file:") if setting.startswith("file:") else None


def load_keys(pems: Sequence[bytes]) -> tuple[RSAPrivateKey, ...]:
    """The keys of these PEM texts, in order. Raises BadKey, which names the first wrong one by its place, from 1."""
    return tuple(_load(number, pem) for number, pem in enumerate(pems, 1))


def _load(number: int, pem: bytes) -> RSAPrivateKey:
    # A setting from the environment often has its line ends written out.
    text = pem.replace(b"\\n", b"\n").strip() + b"\n"
    if b"-----BEGIN CERTIFICATE" in text or b"-----BEGIN PUBLIC" in text:
        raise BadKey(f"private key {number} is a certificate or public key. Give the private key that belongs to it.")
    try:
        key = load_pem_private_key(text, password=None)
    except TypeError:
        raise BadKey(f"private key {number} is encrypted. Give it without a passphrase (openssl rsa -in KEY -out NEW).") from None
    except (ValueError, UnsupportedAlgorithm):  # the cause may quote it
        raise BadKey(
            f"private key {number} is not a PEM private key. It begins with -----BEGIN PRIVATE KEY-----, and all lines are needed."
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise BadKey(f"private key {number} is not an RSA key, which RS256 needs. Make one with openssl genrsa 2048.")
    if key.key_size < _LEAST_BITS:
        raise BadKey(f"private key {number} is shorter than {_LEAST_BITS} bits. Make a longer one with openssl genrsa 2048.")
    return key


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    until: datetime


class Tokens:
    """The token that is held for one org, shared by all calls and the stream of a process. It isn't shown in `repr`."""

    def __init__(self, org: SalesforceOrg, keys: Sequence[RSAPrivateKey]) -> None:
        self._org, self._keys = org, tuple(keys)
        self._held: _Held | None = None
        self._last_good = 0  # the key that worked last is tried first
        self._refusal: tuple[HttpReply, datetime] | None = None  # the last answer, and when, if it was a refusal

    def bearer(self, now: datetime, *, refused: str | None = None) -> Flow[str]:
        """A live token: the one that is held, or a new one when it is near its end, or when it is the `refused` one.

        Raises `codes.OrgFault` (scope `org`) when Salesforce refuses all keys, or has done so within seconds; SendFailed (`again`) when it doesn't answer.
        """
        held = self._held
        if held is not None and held.token != refused and now < held.until:
            return held.token
        if self._refusal is not None and timedelta(0) <= now - self._refusal[1] < _QUIET:
            raise refused_token(self._refusal[0], now)
        return (yield from self._new(now))

    def _new(self, now: datetime) -> Flow[str]:
        refusal: HttpReply | None = None
        for place in range(len(self._keys)):
            index = (self._last_good + place) % len(self._keys)
            try:
                reply = yield token_call(self._org, self._keys[index], now)
            except NoReply as lost:
                raise SendFailed(Verdict.again, "provider_unavailable", provider_code="no_token") from lost
            token = optional(answer_of(reply), "access_token")
            if reply.status == 200 and token is not None:
                self._last_good, self._refusal = index, None
                self._held = _Held(token, now + _life(answer_of(reply), token, now) * 4 / 5)
                return token
            refusal = refusal or reply  # of the key that signs; what is said of an older one hides the cause
            if optional(answer_of(reply), "error") not in _OTHER_KEY_MAY_HELP:
                refusal = reply
                break
        assert refusal is not None  # noqa: S101 - the config asks for a key at least
        self._refusal = refusal, now
        raise refused_token(refusal, now)

    @property
    def good_until(self) -> datetime | None:
        """When the token that is held will be replaced; None: none is held."""
        return self._held.until if self._held else None

    def forget(self) -> None:
        """Ask for a new one next time."""
        self._held = self._refusal = None


def token_call(org: SalesforceOrg, key: RSAPrivateKey, now: datetime) -> HttpCall:
    """The request for a token; a redirect or an answer other than `{"access_token"}` is a refusal."""
    claims = {
        "iss": org.consumer_key,
        "sub": org.username,
        "aud": audience_of(org.login_url),
        "exp": int((now + _ASSERTION).timestamp()),
    }
    form = {"grant_type": _GRANT, "assertion": jwt.encode(claims, key, algorithm="RS256")}
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return HttpCall(
        "POST", f"{org.login_url}/services/oauth2/token", headers, urlencode(form).encode(), visible=False, proxy=org.proxy
    )


def audience_of(login_url: str) -> str:
    """Who the assertion is for. An org's own domain issues tokens, but is no audience: it is that of production or sandboxes.
    Source: Salesforce Help, as above; how sandboxes are told: "My Domain URL Formats"."""
    host = urlsplit(login_url).hostname or ""
    if not host.endswith(".my.salesforce.com"):
        return login_url
    name = host.removesuffix(".my.salesforce.com")
    return (
        "https://test.salesforce.com"
        if "--" in name or name.endswith((".sandbox", ".scratch"))
        else "https://login.salesforce.com"
    )


def refused_token(reply: HttpReply, now: datetime) -> SendFailed:
    """The error to raise for an answer of the token endpoint without a token; returned, not raised."""
    body = answer_of(reply)
    error, description = optional(body, "error") or "", optional(body, "error_description") or ""
    about: dict[str, Any] = {
        "provider_code": error or f"http_{reply.status}",
        "status": reply.status,
        "detail": description or None,
    }
    asked = retry_after(reply.headers, now)
    if meaning_of_status(reply.status).verdict is Verdict.again or error in ("rate_limit_exceeded", "temporarily_unavailable"):
        return SendFailed(Verdict.again, "provider_unavailable", again_at=asked, **about)
    return OrgFault("not_authorised", cause_of(error, description), scope="org", again_at=asked or now + _HOLD, **about)


def _life(body: dict[str, Any], token: str, now: datetime) -> timedelta:
    """How long the token is good for, as far as it is said: by `expires_in`, or by the token's own `exp` if it is a JWT."""
    seconds = body.get("expires_in")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdecimal():
        seconds = int(seconds[:9])
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 1e9:
        return min(timedelta(seconds=seconds), _LONGEST_LIFE)
    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except jwt.PyJWTError:
        return _SHORTEST_LIFE
    ends = moment(seconds=claims.get("exp"))
    return min(max(ends - now, timedelta(0)), _LONGEST_LIFE) if ends is not None else _SHORTEST_LIFE


CAUSES: Final = {
    "certificate": "Salesforce doesn't accept the signature: the certificate of this private key is not uploaded to the external client app, or another one is. "
    "Upload it (OAuth settings, JWT bearer flow), and check that it belongs to the first of `private_keys`.",
    "user_not_approved": "The user is not pre-authorised for the app. Set the app's policy to “Admin approved users are pre-authorized”, and assign it to a profile or permission set that the user has. Salesforce says the same of a `username` that the org doesn't have.",
    "audience": "The audience is wrong: `login_url` is not where this org signs in. Production and developer orgs use https://login.salesforce.com, sandboxes https://test.salesforce.com.",
    "clock": "Salesforce takes the assertion for expired or not yet valid. Set this machine's clock; it may be two minutes off at most.",
    "user": "Salesforce doesn't know the user, or it is frozen, locked or inactive. Check `username`; in a sandbox its name ends in the sandbox's name.",
    "app": "Salesforce doesn't know `consumer_key`, or the app is blocked or was made minutes ago. Copy the key from the external client app, and wait ten minutes after making one.",
    "address": "There is no token endpoint at `login_url`. Check the address.",
    "network": "Salesforce doesn't let this address sign in. Relax the app's IP restrictions, or allow the gateway's address range.",
}
"""Causes of a refusal, each with its fix: the usual five (`certificate`, `user_not_approved`, `audience`, `clock`, `user`), and those that are told as plainly."""

# Salesforce's words, in small letters; the first that is found counts.
_WORDS: Final = (
    ("audience", "audience"),
    ("expired", "clock"),
    ("not yet valid", "clock"),
    ("validity", "clock"),
    ("exp ", "clock"),
    ("hasn't approved", "user_not_approved"),
    ("not approved", "user_not_approved"),
    ("not admin approved", "user_not_approved"),
    ("ip restricted", "network"),
    ("invalid assertion", "certificate"),
    ("signature", "certificate"),
    ("certificate", "certificate"),
    ("client identifier", "app"),
    ("invalid client", "app"),
    ("user is locked", "user"),
    ("inactive", "user"),
    ("user", "user"),
    ("subject", "user"),
    ("authentication failure", "user"),
)
_ERRORS: Final = {
    "invalid_client_id": "app",
    "invalid_client": "app",
    "app_not_found": "app",
    "invalid_app_access": "user_not_approved",
    "inactive_user": "user",
    "inactive_org": "user",
    "invalid_assertion": "certificate",
    "unauthorized_client": "user_not_approved",
}


def cause_of(error: str, description: str) -> str:
    """Which of the usual causes a refusal of the token endpoint has, with the fix, in a sentence or two for operators."""
    return CAUSES.get(cause_named(error, description), _unknown(error, description))


def cause_named(error: str, description: str) -> str:
    """The key in `CAUSES`; empty where none is recognised."""
    said = description.casefold().replace("\u2019", "'")
    by_error = _ERRORS.get(error)
    if not error and not description:
        return "address"
    return by_error or next((cause for words, cause in _WORDS if words in said), "")


def _unknown(error: str, description: str) -> str:
    said = " ".join(f"{error}: {description}".split())[:200].strip(": ")
    return f"Salesforce refused to issue a token ({said}). Check the external client app, `consumer_key`, `username`, `login_url` and the clock."
