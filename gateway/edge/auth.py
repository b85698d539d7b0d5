"""Who calls: a bearer token (RFC 6750) in the Authorization header, never in a URL, where logs and histories would keep it.

A browser can't set that header on a WebSocket. There the token may come as a subprotocol (`byoc, bearer.TOKEN`) or in the
first frame; `gateway.edge.api.events` does the latter.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.brokers.contract import Caller, Directory
from gateway.clock import Elapsed, elapsed
from gateway.edge.limits import Buckets, Rate
from gateway.edge.problems import Problem

SUBPROTOCOL: Final = "byoc"
_MAX_TOKEN_CHARS: Final = 8_192  # an OIDC token with many claims has 2-4 kB
_REMEMBERED: Final = 10_000  # digests of tokens that were good lately: 10,000 x 32 bytes


class Doorkeeper:
    """Tells callers by their tokens, and slows down whoever guesses.

    Wrong tokens are counted per address. An address that spent its budget is refused before its token is looked at, unless
    that token was good before: reps behind one office router must not be locked out by a neighbour who guesses.
    """

    def __init__(self, directory: Directory, now: Callable[[], datetime], guesses: Rate | None, time: Elapsed = elapsed) -> None:
        self._directory = directory
        self._now = now
        self._guesses = Buckets(guesses, time) if guesses else None
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def caller_of_request(self, request: web.Request, address: str) -> Caller:
        """Whose request it is. Raises Problem: 401, or 429 after too many wrong tokens."""
        return self.caller_of_token(token_of_header(request.headers.getall("Authorization", [])), address)

    def caller_of_token(self, token: str, address: str) -> Caller:
        """Whose token it is. Raises Problem: 401, or 429 after too many wrong tokens."""
        # surrogatepass: a header may hold bytes that aren't UTF-8, and must end in 401, not in an error.
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        now = self._now()
        if self._guesses and digest not in self._good and (wait := self._guesses.wait(address)):
            raise Problem(
                "rate_limited",
                "This address sent too many wrong tokens. Wait, then try again with the right one.",
                headers={"Retry-After": str(wait)},
            )
        caller = self._directory.caller_of(token, now) if _may_be_a_token(token) else None
        if caller is None:
            # It may have been valid until now: a revoked token must not bypass the limit.
            self._good.pop(digest, None)
            if self._guesses:
                self._guesses.take(address)
            raise unauthenticated("This token is not valid, or has expired. Sign in again.", error="invalid_token")
        self._remember(digest)
        return caller

    def _remember(self, digest: bytes) -> None:
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)


def token_of_header(values: list[str]) -> str:
    """The token of `Authorization: Bearer TOKEN`. Raises Problem (401) without exactly one."""
    if len(values) != 1:
        raise unauthenticated("Send your token once, as `Authorization: Bearer TOKEN`.")
    scheme, _, token = values[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated("Send your token as `Authorization: Bearer TOKEN`.")
    return token.strip()


def token_of_subprotocols(request: web.Request) -> str | None:
    """The token of `Sec-WebSocket-Protocol: byoc, bearer.TOKEN`, if there is one."""
    offered = [p.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", []) for p in value.split(",")]
    return next((p.removeprefix("bearer.") for p in offered if p.startswith("bearer.")), None)


def unauthenticated(detail: str, *, error: str | None = None) -> Problem:
    """401 with the challenge that RFC 6750 asks for."""
    challenge = 'Bearer realm="byoc"' + (f', error="{error}"' if error else "")
    return Problem("unauthenticated", detail, headers={"WWW-Authenticate": challenge})


def _may_be_a_token(token: str) -> bool:
    """Visible ASCII: anything else can't be compared in constant time and is nobody's."""
    return 0 < len(token) <= _MAX_TOKEN_CHARS and token.isascii() and token.isprintable() and " " not in token
