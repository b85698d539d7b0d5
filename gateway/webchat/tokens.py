"""Who a visitor is: our own tokens, and the proof that a company's site gives for its logged-in customers. Pure.

A visitor's token is bound to the channel, the visitor and a generation: signing in or out raises the generation, and every older token is
nobody's. Its key is made from the channel's secrets, so that no other signature of theirs can stand for it. An identity proof
is a JWT (HS256 or RS256; `sub`, `exp` at most an hour ahead, `aud`), or, where the account still allows it, a bare HMAC of the user id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from adapters.signing import any_same, hmac_hex, require_secrets
from adapters.webchat.account import WebchatAccount

_LONGEST_PROOF: Final = timedelta(hours=1)
_LEEWAY: Final = timedelta(seconds=60)
_MOST_TOKEN_CHARS: Final = 8192
_SUBJECT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class NotProven(Exception):
    """The token or proof doesn't hold; the text tells the site's developers why, and no more."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a good token says."""

    visitor_id: str
    generation: int
    issued_at: datetime
    expires_at: datetime

    def wants_renewal(self, now: datetime) -> bool:
        """Past half of its life."""
        return now - self.issued_at > (self.expires_at - self.issued_at) / 2


@dataclass(frozen=True, slots=True)
class Identity:
    """What the site has proven of its customer."""

    subject: str
    profile: Mapping[str, str] = field(default_factory=dict, repr=False)


def issue(account: WebchatAccount, visitor_id: str, generation: int, now: datetime) -> tuple[str, datetime]:
    """A token and its expiry."""
    expires = (now + timedelta(days=account.token_days)).replace(microsecond=0)
    claims = {
        "sub": visitor_id,
        "ch": account.channel_id,
        "gen": generation,
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    return jwt.encode(claims, _keys(account)[0], algorithm="HS256"), expires


def read(account: WebchatAccount, token: str, now: datetime) -> Bearer:
    """Whom the token stands for. Raises NotProven, whatever the text."""
    # The algorithm is fixed here: a token that chose its own could ask for none.
    claims = _decode(token, _keys(account), ["HS256"], now, {"options": {"require": ["sub", "exp", "iat"], "verify_aud": False}})
    generation = claims.get("gen")
    if claims.get("ch") != account.channel_id or not isinstance(claims["sub"], str) or not isinstance(generation, int):
        raise NotProven("the token is for another channel")
    return Bearer(claims["sub"], generation, _moment(claims["iat"]), _moment(claims["exp"]))


def prove(account: WebchatAccount, proof: str, now: datetime) -> Identity:
    """The identity that a JWT of the company's site proves. Raises NotProven."""
    audience = account.identity_audience or account.channel_id
    rules = {"audience": audience, "options": {"require": ["sub", "exp", "aud"]}}
    # The header only selects between two fixed pairs of key and algorithm. Otherwise the public key could serve as an HMAC secret.
    if account.identity_public_key and _algorithm(proof) == "RS256":
        claims = _decode(proof, [account.identity_public_key], ["RS256"], now, rules)
    else:
        claims = _decode(proof, [s.get_secret_value() for s in account.identity_secrets], ["HS256"], now, rules)
    if _moment(claims["exp"]) > now + _LONGEST_PROOF + _LEEWAY:
        raise NotProven("the identity token is valid for more than an hour: give it an earlier `exp`")
    return Identity(_subject(claims["sub"]), _profile(claims))


def prove_hmac(account: WebchatAccount, user_id: str, digest: str) -> Identity:
    """The identity that the old form proves, where it is allowed. Raises NotProven."""
    if not account.identity_hmac or not account.identity_secrets:
        raise NotProven("this channel only accepts identity tokens: send `identity_jwt`")
    expected = [hmac_hex(key.get_secret_value(), user_id.encode("utf-8", "surrogatepass")) for key in account.identity_secrets]
    if not any_same(digest, expected):
        raise NotProven("the hash doesn't match the user id")
    return Identity(_subject(user_id))


def _decode(token: str, keys: list[str], algorithms: list[str], now: datetime, rules: dict[str, Any]) -> dict[str, Any]:
    # Before the library parses it: base64 and JSON of any size would cost CPU before the signature is checked.
    if len(token) > _MOST_TOKEN_CHARS or not token.isascii():
        raise NotProven("this is not a token")
    for key in keys:
        try:
            # Time is ours to give, so the library's own look at the clock is off and both ends are checked below.
            options: Any = {**rules["options"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
            claims = jwt.decode(token, key, algorithms=algorithms, audience=rules.get("audience"), options=options)
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            continue
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise NotProven(f"the token is not valid: {type(error).__name__}") from None
        _in_time(claims, now)
        return claims
    raise NotProven("the token is signed with a key that isn't configured")


def _in_time(claims: dict[str, Any], now: datetime) -> None:
    if _moment(claims["exp"]) <= now:
        raise NotProven("the token has expired")
    if "nbf" in claims and _moment(claims["nbf"]) > now + _LEEWAY:
        raise NotProven("the token is not valid yet")


def _keys(account: WebchatAccount) -> list[str]:
    return [hmac_hex(secret, b"webchat visitor token") for secret in require_secrets(account.secrets, "signing secret")]


def _algorithm(token: str) -> Any:
    try:
        return jwt.get_unverified_header(token).get("alg")
    except (jwt.PyJWTError, ValueError):
        return None


def _moment(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise NotProven("the token's times contradict each other") from None


def _subject(value: Any) -> str:
    if not isinstance(value, str) or not _SUBJECT.fullmatch(value):
        raise NotProven("the subject must be a text of 1 to 200 characters")
    return value


def _profile(claims: Mapping[str, Any]) -> dict[str, str]:
    """The few claims that say something of the person; they are proven, so they outdo what a form says."""
    return {key: value[:200] for key in ("name", "email", "locale") if isinstance(value := claims.get(key), str) and value}
