"""A company's own sign-in (OpenID Connect): tokens that its issuer signed become callers, beside the config's static tokens.

A token only says who somebody is. Reps, licences and permissions are in the config, and the login claim must name a rep there.
Tokens are checked here, by the issuer's public keys, without asking anybody, so that `caller_of` stays a plain function; keys are fetched in
the background. While they can't be, known keys go on, and so do static tokens.
Sources: RFC 7519 (claims), RFC 7517 (keys), RFC 8725 (what goes wrong with them), OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from adapters.contract import HttpCall, HttpReply, NoReply
from gateway.backoff import backoff
from gateway.brokers.contract import Caller
from gateway.config import OidcConfig, Org, secure_url
from gateway.errors import GatewayError
from gateway.identity.directory import ConfigDirectory, caller_for
from gateway.session.model import ChannelFacts, OrgSettings, Queue, Rep

_log = logging.getLogger(__name__)
_LEEWAY_SECONDS: Final = 30.0  # clocks that are kept by NTP differ by far less; more would lengthen a stolen token's life
_CALL_SECONDS: Final = 5.0
_FEWEST_RSA_BITS: Final = 2048  # RFC 7518, 3.3
_MOST_KEYS: Final = 100
# What a token may say that it is: nothing, a token, an access token (RFC 9068). A logout or an event token is none to sign in with.
_TYPES: Final = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
# Which signatures a key can make: (its type, its curve) to algorithms. A shared secret (`oct`) is none.
_FITTING: Final[Mapping[tuple[str, str | None], frozenset[str]]] = {
    ("RSA", None): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_PUBLIC_MEMBERS: Final = frozenset({"kty", "crv", "n", "e", "x", "y"})


class SignInUnavailable(GatewayError):
    """The issuer's keys are not available; `/readyz` says why."""


class NotAccepted(Exception):
    """The token is not good; the text is a reason for the log. `unknown_key`: the issuer may have a key that we haven't seen."""

    def __init__(self, reason: str, *, unknown_key: bool = False) -> None:
        super().__init__(reason)
        self.unknown_key = unknown_key


# ------------------------------------------------------------------------------------------------ keys and tokens


class Key(NamedTuple):
    """One public key of the issuer's, and what signatures of it count."""

    id: str | None
    algorithms: frozenset[str]
    public: Any


def keys_of(document: object, algorithms: Sequence[str]) -> tuple[Key, ...]:
    """The keys of a JWK set that can sign with one of these algorithms; others are ignored."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = (_key(one, frozenset(algorithms)) for one in (listed if isinstance(listed, list) else [])[:_MOST_KEYS])
    return tuple(key for key in found if key)


def _key(raw: object, algorithms: frozenset[str]) -> Key | None:
    if not isinstance(raw, dict) or raw.get("use", "sig") != "sig":
        return None
    kind, curve, stated = raw.get("kty"), raw.get("crv"), raw.get("alg")
    if not all(one is None or isinstance(one, str) for one in (kind, curve, stated)):
        return None
    fitting = _FITTING.get((kind or "", curve), frozenset()) & algorithms & (frozenset({stated}) if stated else algorithms)
    if not fitting:
        return None
    try:
        # Only what is public: were a private part published, it must not come into our hands.
        public = jwt.PyJWK({k: v for k, v in raw.items() if k in _PUBLIC_MEMBERS}, min(fitting)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and public.key_size < _FEWEST_RSA_BITS:
        return None
    return Key(raw["kid"] if isinstance(raw.get("kid"), str) else None, fitting, public)


def claims_of(token: str, keys: Sequence[Key], settings: OidcConfig, now: datetime) -> dict[str, Any]:
    """What the issuer says in this token. Raises NotAccepted for whatever isn't its token, for us, and valid now."""
    try:
        header = jwt.get_unverified_header(token)
        key = _key_for(header, keys)
        # The algorithms are the key's and the config's, never the token's own choice (RFC 8725, 3.1).
        claims = jwt.decode(
            token,
            key.public,
            algorithms=sorted(key.algorithms),
            audience=settings.audience,
            issuer=settings.issuer,
            # Times are compared below, with the clock that was given.
            options={"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as fault:
        raise NotAccepted(type(fault).__name__) from fault
    _check_times(claims, now.timestamp())
    return claims


def _key_for(header: Mapping[str, Any], keys: Sequence[Key]) -> Key:
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise NotAccepted("its type")
    if "crit" in header:  # demands of whoever checks it what we don't know (RFC 7515, 4.1.11)
        raise NotAccepted("crit")
    algorithm, key_id = header.get("alg"), header.get("kid")
    able = [key for key in keys if algorithm in key.algorithms]
    named = [key for key in able if key_id is None or key.id == key_id]
    if len(named) == 1 or (named and key_id is not None):
        return named[0]
    if key_id is not None and all(key.id != key_id for key in keys):
        raise NotAccepted("its key is unknown", unknown_key=True)
    raise NotAccepted("no key for it")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, begins = claims["exp"], claims.get("nbf", -math.inf)
    if not _is_number(expires) or not now < expires + _LEEWAY_SECONDS:
        raise NotAccepted("it has expired")
    if "nbf" in claims and (not _is_number(begins) or not begins - _LEEWAY_SECONDS <= now):
        raise NotAccepted("it is not valid yet")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# ------------------------------------------------------------------------------------------------------ the issuer

SecureUrl = Annotated[str, AfterValidator(secure_url)]


class Discovered(BaseModel):
    """What the issuer says of itself (OpenID Connect Discovery 1.0, 3), as far as we need it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: str
    jwks_uri: SecureUrl
    authorization_endpoint: SecureUrl | None = None
    token_endpoint: SecureUrl | None = None


class SignInPage(NamedTuple):
    """Where the desk sends people to sign in, and where it exchanges their code."""

    authorization_endpoint: str
    token_endpoint: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds: keys are fetched again every `fresh`; for a token whose key is unknown at once, but not within `again` of the last
    try; after `stale` without success the gateway is not ready."""

    fresh: float = 300.0
    again: float = 30.0
    stale: float = 3600.0


Call = Callable[[HttpCall], Awaitable[HttpReply]]


@dataclass(slots=True)
class Issuer:
    """The issuer's keys, kept fresh by `run`. `call` makes a request (raises NoReply); `kept` is the file where the issuer's addresses stay
    for a start while it is away. All on one event loop."""

    settings: OidcConfig
    call: Call
    kept: Path
    pace: Pace = field(default_factory=Pace)
    keys: tuple[Key, ...] = ()
    found: Discovered | None = None
    _fault: str = "not asked yet"
    _failures: int = 0
    _tried_at: float = -math.inf
    _good_at: float = -math.inf
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """A first try, bounded; what fails is made up for by `run`."""
        self.found = await asyncio.to_thread(self._remembered)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CALL_SECONDS):
                await self.fetch()
        if self.settings.client_id and self.sign_in_page() is None:
            why = f"the desk has no sign-in button: {self._fault}; restart the gateway once the issuer answers"
            _log.warning(why, extra={"action": "oidc.no_button"})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._until_due()
            await self.fetch()

    async def _until_due(self) -> None:
        rest = backoff(self._failures, most_seconds=self.pace.again) if self._failures else self.pace.fresh
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(self._tried_at, _loop_time() - rest) + rest):
                await self._wanted.wait()
                await asyncio.sleep(self._tried_at + self.pace.again - _loop_time())

    def look_again(self) -> None:
        """A token names a key that we don't have: perhaps it is new."""
        self._wanted.set()

    async def fetch(self) -> None:
        """Ask for addresses and keys; on failure those that are known stay."""
        self._wanted.clear()
        self._tried_at = _loop_time()
        try:
            keys = await self._fetched()
        except SignInUnavailable as fault:
            self._failures += 1
            self._fault = str(fault)
            _log.warning("the issuer's keys are not available: %s", fault, extra={"action": "oidc.unavailable"})
        else:
            self.keys, self._failures, self._good_at = keys, 0, _loop_time()

    async def _fetched(self) -> tuple[Key, ...]:
        if self.settings.client_id or not self.settings.jwks_url:
            self.found = await self._discover()
        url = self.settings.jwks_url or (self.found.jwks_uri if self.found else "")
        keys = keys_of(await self._json(url, "its key set"), self.settings.algorithms)
        if not keys:
            raise SignInUnavailable(f"it has no key for {', '.join(self.settings.algorithms)}")
        return keys

    async def _discover(self) -> Discovered:
        url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = Discovered.model_validate(await self._json(url, "its discovery document"))
        except ValidationError as error:
            places = ", ".join(str(one["loc"][0]) if one["loc"] else "all" for one in error.errors())
            raise SignInUnavailable(f"its discovery document is not valid: {places}") from error
        if found.issuer != self.settings.issuer:  # else anybody's document would do (Discovery 4.3)
            raise SignInUnavailable(f"it calls itself {found.issuer!r}; if that is right, set `issuer` to it")
        if found != self.found:
            await asyncio.to_thread(self.kept.write_text, found.model_dump_json())
        return found

    async def _json(self, url: str, what: str) -> object:
        try:
            reply = await self.call(HttpCall("GET", url, headers={"accept": "application/json"}, timeout_seconds=_CALL_SECONDS))
        except NoReply as lost:
            raise SignInUnavailable(f"{what} can't be read: {lost}") from lost
        if reply.status != 200:
            raise SignInUnavailable(f"{what} can't be read: HTTP {reply.status}")
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise SignInUnavailable(f"{what} is not JSON") from error

    def _remembered(self) -> Discovered | None:
        try:
            found = Discovered.model_validate_json(self.kept.read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.issuer == self.settings.issuer else None

    async def ready(self) -> None:
        """Raises SignInUnavailable while nobody new could sign in."""
        if not self.keys or _loop_time() - self._good_at > self.pace.stale:
            raise SignInUnavailable(f"the issuer's keys are not available: {self._fault}")

    def sign_in_page(self) -> SignInPage | None:
        """None if the desk is not a client of the issuer, or the issuer's addresses aren't known yet."""
        found = self.found
        if not self.settings.client_id or not found or not found.authorization_endpoint or not found.token_endpoint:
            return None
        more = urlencode(self.settings.sign_in_params)
        glue = "&" if "?" in found.authorization_endpoint else "?"
        return SignInPage(found.authorization_endpoint + (glue + more if more else ""), found.token_endpoint)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


# --------------------------------------------------------------------------------------------------- the directory


class OidcDirectory:
    """See `gateway.brokers.contract.Directory`: static tokens first, then the issuer's."""

    def __init__(self, static: ConfigDirectory, issuer: Issuer, orgs: Mapping[str, Org]) -> None:
        self._static, self._issuer = static, issuer
        self._callers = {(org.id, str(login)): caller_for(org, login) for org in orgs.values() for login in org.reps}

    def caller_of(self, token: str, now: datetime) -> Caller | None:
        """See the contract."""
        caller = self._static.caller_of(token, now)
        if caller is not None or token.count(".") != 2:
            return caller
        try:
            return self._caller(claims_of(token, self._issuer.keys, self._issuer.settings, now))
        except NotAccepted as fault:
            if fault.unknown_key:
                self._issuer.look_again()
            _log.info("a token was refused: %s", fault, extra={"action": "oidc.refused"})
            return None

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        settings = self._issuer.settings
        org = settings.org if settings.org_claim is None else claims.get(settings.org_claim)
        login = claims.get(settings.login_claim)
        if not isinstance(org, str) or not isinstance(login, str):
            raise NotAccepted("its org or login is missing")
        if settings.login_claim == "email" and claims.get("email_verified") is False:
            raise NotAccepted("its e-mail address is not verified")
        caller = self._callers.get((org, login))
        if caller is None:
            raise NotAccepted(f"{login!r} is not a rep of {org!r}")
        return caller

    def rep(self, org: str, login: str) -> Rep | None:
        """See the contract."""
        return self._static.rep(org, login)

    def queue(self, org: str, id: str) -> Queue | None:
        """See the contract."""
        return self._static.queue(org, id)

    def channel(self, org: str, id: str) -> ChannelFacts | None:
        """See the contract."""
        return self._static.channel(org, id)

    def settings(self, org: str) -> OrgSettings:
        """See the contract."""
        return self._static.settings(org)
