"""Channel access tokens of all four kinds, and calls that need one.

Asking for a token is a call that may be answered from the driver's cache, so that each is asked for well before the one before it
ends. An assertion (JWT) holds a time, yet the calls must be equal to be found in the cache: it is made for a span of the clock, not
for a moment. Source: LINE Developers, "Channel access token" and "Issue channel access tokens v2.1".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import jwt
from pydantic import SecretStr

from adapters.contract import Flow, HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from adapters.line import wire
from adapters.line.account import LineAccount
from adapters.replies import Meaning, failure

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SPAN_SECONDS: Final = 900  # an assertion is good for at most 30 minutes; made for a span of 15, it never has less than 15 left
# A v2.1 token could live 30 days, but a channel may have at most 30 of them at once, and each span of each of our processes takes
# a new one: with an hour each, four at a time and process.
_V2_1_SECONDS: Final = 3600
_CACHE_SECONDS: Final = {"short_lived": 86_400.0, "v2.1": 900.0, "stateless": 600.0}
_REFUSED: Final = {
    code: Meaning(Verdict.dead, "not_authorised")
    for code in ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client")
}


def call(account: LineAccount, now: datetime, make: Callable[[str], HttpCall]) -> Flow[HttpReply]:
    """Make a call with a live token. One that LINE refuses (401) is renewed, or the next is taken, once.

    A `NoReply` that comes out is of the call itself, never of getting the token.
    """
    if account.access == "long_lived":
        return (yield from _with_any(account.access_tokens, make))
    reply = yield make((yield from _issued(account, now, refresh=False)))
    if reply.status == 401:
        reply = yield make((yield from _issued(account, now, refresh=True)))
    return reply


def authorised(token: str) -> dict[str, str]:
    """The header that every call carries."""
    return {"Authorization": f"Bearer {token}"}


def _with_any(tokens: tuple[SecretStr, ...], make: Callable[[str], HttpCall]) -> Flow[HttpReply]:
    reply = yield make(tokens[0].get_secret_value())
    for token in tokens[1:]:
        if reply.status != 401:
            break
        reply = yield make(token.get_secret_value())
    return reply


def _issued(account: LineAccount, now: datetime, *, refresh: bool) -> Flow[str]:
    request = token_call(account, now, refresh=refresh)
    try:
        reply = yield request
    except NoReply as lost:
        raise SendFailed(Verdict.again, "provider_unavailable") from lost
    body = wire.read_json(reply)
    if reply.status != 200:
        raise failure(reply, now, table=_REFUSED, provider_code=wire.optional(body, "error"))
    token = wire.optional(body, "access_token")
    if token is None:
        raise SendFailed(Verdict.again, "provider_unavailable", provider_code="no_access_token")
    return token


def token_call(account: LineAccount, now: datetime, *, refresh: bool = False) -> HttpCall:
    """The request for a channel access token of the account's kind."""
    path, form = {"short_lived": _short_lived, "v2.1": _v2_1, "stateless": _stateless}[account.access](account, now)
    return HttpCall(
        "POST",
        account.api_base + path,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({"grant_type": "client_credentials", **form}).encode(),
        visible=False,
        cache_seconds=_CACHE_SECONDS[account.access],
        refresh=refresh,
    )


def _short_lived(account: LineAccount, now: datetime) -> tuple[str, dict[str, str]]:
    return "/v2/oauth/accessToken", _by_secret(account)


def _v2_1(account: LineAccount, now: datetime) -> tuple[str, dict[str, str]]:
    return "/oauth2/v2.1/token", _by_assertion(account, now, token_exp=_V2_1_SECONDS)


def _stateless(account: LineAccount, now: datetime) -> tuple[str, dict[str, str]]:
    return "/oauth2/v3/token", _by_assertion(account, now) if account.assertion_key else _by_secret(account)


def _by_secret(account: LineAccount) -> dict[str, str]:
    return {"client_id": account.line_channel_id or "", "client_secret": account.channel_secrets[0].get_secret_value()}


def _by_assertion(account: LineAccount, now: datetime, **claims: int) -> dict[str, str]:
    return {"client_assertion_type": _JWT_BEARER, "client_assertion": assertion(account, now, **claims)}


def assertion(account: LineAccount, now: datetime, **claims: int) -> str:
    """The signed JWT that proves who we are; the same all through a span of 15 minutes."""
    span_start = int(now.timestamp()) // _SPAN_SECONDS * _SPAN_SECONDS
    payload = {
        "iss": account.line_channel_id,
        "sub": account.line_channel_id,
        "aud": "https://api.line.me/",
        "exp": span_start + 2 * _SPAN_SECONDS,
        **claims,
    }
    headers = {"kid": account.assertion_key_id}
    return jwt.encode(payload, account.signing_key(), algorithm="RS256", headers=headers)
