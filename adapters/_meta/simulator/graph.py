"""How the simulated Graph API speaks, for all of Meta's channels: paths, tokens, error bodies, rates.

Sources: Meta for Developers, "Webhooks", "Error codes", "Throughput".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from adapters._meta.account import MetaAccount
from adapters.contract import Answer, FormFile, RawRequest
from adapters.multipart import read_form
from adapters.signing import hmac_hex, same
from adapters.simulation import Refused

_TRACE: Final = "AByocSimulatedTrace"


def json_answer(body: Mapping[str, Any], status: int = 200) -> Answer:
    """An answer as the Graph API gives it."""
    return Answer(status, json.dumps(body).encode(), {"content-type": "application/json; charset=UTF-8"})


def graph_error(
    code: int, message: str, *, status: int = 400, subcode: int | None = None, data: Mapping[str, Any] | None = None
) -> Refused:
    """Meta's error body, ready to be raised."""
    error: dict[str, Any] = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    if data is not None:
        error["error_data"] = dict(data)
    return Refused(json_answer({"error": {**error, "fbtrace_id": _TRACE}}, status))


def unknown_path(request: RawRequest) -> Refused:
    """What Graph says to a path that it doesn't know."""
    message = f"Unsupported {request.method.lower()} request. Object with ID '{request.path.strip('/')}' does not exist"
    return graph_error(100, message, subcode=33)


def check_token(request: RawRequest, account: MetaAccount) -> None:
    """Graph takes the token as a header or as `access_token`; anything else is error 190. The proof is checked where it is given."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.param("access_token") or ""
    token = account.access_token.get_secret_value()
    if not same(given, token):
        raise graph_error(190, "Invalid OAuth access token - Cannot parse access token", status=401)
    proof = request.param("appsecret_proof")
    if (proof is not None or account.prove_calls) and not same(
        proof or "", hmac_hex(account.app_secrets[0].get_secret_value(), token.encode())
    ):
        raise graph_error(100, "Invalid appsecret_proof provided in the API argument")


def edge_of(request: RawRequest) -> tuple[str, ...]:
    """The path behind the version, in pieces. A missing or odd version is refused, as an old app's would be."""
    version, *rest = request.path.strip("/").split("/")
    if not re.fullmatch(r"v\d+\.\d+", version) or not rest:
        raise unknown_path(request)
    return tuple(rest)


def json_of(request: RawRequest) -> dict[str, Any]:
    """The JSON object of a call to us."""
    try:
        body = json.loads(request.body)
    except ValueError as cause:
        raise graph_error(100, "Invalid parameter: the body is not valid JSON") from cause
    if not isinstance(body, dict):
        raise graph_error(100, "Invalid parameter: the body is no object")
    return body


def known_keys(value: Mapping[str, Any], allowed: set[str], where: str) -> None:
    """Graph names the first key that it doesn't know."""
    for key in value:
        if key not in allowed:
            raise graph_error(100, f'Invalid parameter: Unexpected key "{key}" on param "{where}".')


def form_of(request: RawRequest) -> tuple[dict[str, str], list[FormFile]]:
    """The fields and files of a multipart form."""
    try:
        return read_form(request)
    except ValueError as cause:
        raise graph_error(100, "Invalid parameter: a multipart form is needed") from cause


@dataclass
class Bucket:
    """A rate: `burst` at once, then `per_second`. Time is an argument."""

    burst: float
    per_second: float
    level: float = field(default=0.0)
    since: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Use one of the rate, if there is one."""
        if self.since is not None:
            self.level = max(0.0, self.level - (now - self.since).total_seconds() * self.per_second)
        self.since = now
        if self.level + 1 > self.burst:
            return False
        self.level += 1
        return True


def written(body: Mapping[str, Any]) -> bytes:
    """JSON as Meta puts it on the wire: compact, non-ASCII as `\\uXXXX`, slashes escaped."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


def demo_app(channel_id: str, base: str) -> dict[str, Any]:
    """The settings of an app for the demo; all secrets are made up."""
    return {
        "app_secrets": [f"demo-app-secret-{channel_id}"],
        "verify_token": f"demo-verify-token-{channel_id}",
        "access_token": f"demo-access-token-{channel_id}",
        "api_base": base,
    }
