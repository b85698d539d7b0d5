"""What the simulated Graph API has for all of Meta's channels: signed webhooks and their redelivery, error bodies, forms, rates.

Sources: Meta for Developers, "Webhooks", "Error codes", "Throughput"; the gaps between redeliveries are not published, ours grow alike.
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
from adapters.signing import hmac_hex, same
from adapters.simulation import ProviderCall

# Meta repeats what isn't answered with 200, at growing gaps, for up to 36 hours or 7 days (its pages differ).
REDELIVERY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0)
_TRACE: Final = "AByocSimulatedTrace"


class Refused(Exception):
    """The simulated Graph API says no; `answer` is its error body."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


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
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        raise graph_error(100, "Invalid parameter: a multipart form is needed")
    fields: dict[str, str] = {}
    files: list[FormFile] = []
    for part in (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        _read_part(head.decode("utf-8", "replace"), body, fields, files)
    return fields, files


def _read_part(head: str, body: bytes, fields: dict[str, str], files: list[FormFile]) -> None:
    name = re.search(r'\bname="([^"]*)"', head)
    file_name = re.search(r'\bfilename="([^"]*)"', head)
    mime_type = re.search(r"(?im)^content-type:\s*([^\r\n]+)", head)
    if name and file_name:
        mime = mime_type[1].strip() if mime_type else "application/octet-stream"
        files.append(FormFile(name[1], file_name[1], mime, body))
    elif name:
        fields[name[1]] = body.decode("utf-8", "replace")


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


@dataclass
class Hooks:
    """The webhooks that Meta sends to us: signed, numbered, and sent again until they are taken."""

    account: MetaAccount
    count: int = 0

    def post(self, body: Mapping[str, Any], lane: str, delay_seconds: float = 0.0) -> ProviderCall:
        """One signed POST."""
        self.count += 1
        raw = written(body)
        return ProviderCall(
            id=f"hook-{self.count}",
            method="POST",
            url=self.account.webhook_url,
            headers=self._headers(raw),
            body=raw,
            lane=lane,
            delay_seconds=delay_seconds,
            timeout_seconds=5.0,
        )

    def _headers(self, raw: bytes) -> dict[str, str]:
        secret = self.account.app_secrets[0].get_secret_value()
        return {
            "content-type": "application/json",
            "user-agent": "facebookexternalua",
            "x-hub-signature": f"sha1={hmac_hex(secret, raw, 'sha1')}",
            "x-hub-signature-256": f"sha256={hmac_hex(secret, raw)}",
        }

    def again(self, call: ProviderCall, answer: Answer | None) -> tuple[ProviderCall, ...]:
        """The next delivery of a webhook that wasn't answered with 200; none when it was, or when Meta gives up."""
        if (answer is not None and answer.status == 200) or call.attempt > len(REDELIVERY_SECONDS):
            return ()
        return (
            ProviderCall(
                id=f"{call.id.partition('.')[0]}.{call.attempt + 1}",
                method=call.method,
                url=call.url,
                headers=call.headers,
                body=call.body,
                lane=call.lane,
                delay_seconds=REDELIVERY_SECONDS[call.attempt - 1],
                timeout_seconds=call.timeout_seconds,
                attempt=call.attempt + 1,
            ),
        )
