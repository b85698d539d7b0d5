"""A company's sign-in for tests: a real OpenID Connect issuer on a socket of this machine, with real keys."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE: Final = "byoc"
CLIENT: Final = "desk"
_BY_TYPE: Final[dict[type, Any]] = {
    rsa.RSAPrivateKey: RSAAlgorithm,
    ec.EllipticCurvePrivateKey: ECAlgorithm,
    ed25519.Ed25519PrivateKey: OKPAlgorithm,
}


@dataclass(frozen=True)
class SigningKey:
    """A key pair under its id."""

    id: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """What is published of it."""
        how = next(how for kind, how in _BY_TYPE.items() if isinstance(self.private, kind))
        return {**how.to_jwk(self.private.public_key(), as_dict=True), "kid": self.id, "use": "sig"}


def rsa_key(key_id: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    return SigningKey(key_id, algorithm, rsa.generate_private_key(65537, bits))


def ec_key(key_id: str) -> SigningKey:
    return SigningKey(key_id, "ES256", ec.generate_private_key(ec.SECP256R1()))


def ed_key(key_id: str) -> SigningKey:
    return SigningKey(key_id, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would write."""
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(sign(signed.encode()))}"


@dataclass
class Company:
    """The issuer. `keys` are published, the first of them signs; `away` answers nothing but 503; `asked` counts the calls by path."""

    keys: list[SigningKey]
    address: str = ""
    away: bool = False
    called: str | None = None  # another name than it has
    more_keys: list[Any] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def claims(self, login: str = "ana", **other: Any) -> dict[str, Any]:
        """Of a good token; what is given as None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": f"id-of-{login}",
            "preferred_username": login,
            "iat": now,
            "exp": now + 600,
            **other,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, login: str = "ana", *, key: SigningKey | None = None, header: dict[str, Any] | None = None, **other: Any
    ) -> str:
        """A token that it signs."""
        key = key or self.keys[0]
        return jwt.encode(
            self.claims(login, **other), key.private, algorithm=key.algorithm, headers={"kid": key.id, **(header or {})}
        )

    def settings(self, **other: Any) -> dict[str, Any]:
        """For the gateway's config."""
        return {"issuer": self.address, "audience": AUDIENCE, "org": "acme", "name": "Acme", **other}

    # ------------------------------------------------------------------------------------------------ its doors

    async def discovery(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.called or self.address,
                "jwks_uri": f"{self.address}/keys",
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "subject_types_supported": ["public"],
            }
        )

    async def published(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": [*(key.jwk for key in self.keys), *self.more_keys]})

    async def authorize(self, request: web.Request) -> web.Response:
        """Everybody who comes is Ana; a code that is good once."""
        code = secrets.token_urlsafe()
        self.codes[code] = dict(request.query)
        back = urlencode({"code": code, "state": request.query["state"]})
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{back}")

    async def exchange(self, request: web.Request) -> web.Response:
        """The code for a token, to whoever has its verifier (RFC 7636)."""
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), {})
        challenge = base64url(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        headers = {"Access-Control-Allow-Origin": "*"}
        if challenge != asked.get("code_challenge") or form["redirect_uri"] != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400, headers=headers)
        audience = asked.get("audience", "nobody")
        return web.json_response({"access_token": self.token(aud=audience), "token_type": "Bearer"}, headers=headers)

    def application(self) -> web.Application:
        @web.middleware
        async def around(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
            self.asked[request.path] += 1
            if self.away:
                raise web.HTTPServiceUnavailable
            answer: web.StreamResponse = await handler(request)
            return answer

        app = web.Application(middlewares=[around])
        app.router.add_get("/.well-known/openid-configuration", self.discovery)
        app.router.add_get("/keys", self.published)
        app.router.add_get("/authorize", self.authorize)
        app.router.add_post("/token", self.exchange)
        return app


@asynccontextmanager
async def company(*keys: SigningKey) -> AsyncIterator[Company]:
    """An issuer that listens."""
    one = Company(list(keys))
    runner = web.AppRunner(one.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        one.address = f"http://{host}:{port}"
        yield one
    finally:
        await runner.cleanup()
