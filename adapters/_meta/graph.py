"""Calls to the Graph API, and what its errors say.

An error is `{"error": {"message", "type", "code", "error_subcode"?, "error_data": {"details"}?, "fbtrace_id"}}`. The HTTP status alone says
little: WhatsApp gives 400 for its rate limits. Source: Meta for Developers, "Error codes" of WhatsApp's Cloud API and of the Messenger Platform.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from adapters._meta.account import MetaAccount
from adapters._meta.webhook import text_of
from adapters.contract import FormFile, HttpCall, HttpReply
from adapters.errors import SendFailed, Verdict
from adapters.reading import dict_of
from adapters.replies import Meaning, failure
from adapters.signing import hmac_hex

# A gateway between us and Meta gave up waiting: Meta may well have taken the message. Neither API has a retry key.
_LOST_ON_THE_WAY: Final = (502, 504)


def url(account: MetaAccount, path: str, query: Mapping[str, str] | None = None) -> str:
    """The address of a node or edge, with the version."""
    pairs = {**(query or {}), **({"appsecret_proof": _proof(account)} if account.prove_calls else {})}
    return f"{account.api_base}/{account.graph_version}/{path}{'?' if pairs else ''}{urlencode(pairs)}"


def _proof(account: MetaAccount) -> str:
    return hmac_hex(account.app_secrets[0].get_secret_value(), account.access_token.get_secret_value().encode())


def bearer(account: MetaAccount) -> dict[str, str]:
    """The token as a header. In the URL, as in Meta's samples, it would appear in logs."""
    return {"authorization": f"Bearer {account.access_token.get_secret_value()}", "user-agent": "byoc-gateway"}


def get(account: MetaAccount, path: str, query: Mapping[str, str] | None = None, *, cache_seconds: float = 0.0) -> HttpCall:
    """Read a node."""
    return HttpCall("GET", url(account, path, query), bearer(account), cache_seconds=cache_seconds)


def post(
    account: MetaAccount,
    path: str,
    body: Mapping[str, Any],
    *,
    visible: bool,
    cache_seconds: float = 0.0,
    refresh: bool = False,
) -> HttpCall:
    """Write to an edge, in JSON."""
    headers = {**bearer(account), "content-type": "application/json"}
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return HttpCall(
        "POST", url(account, path), headers, body=written, visible=visible, cache_seconds=cache_seconds, refresh=refresh
    )


def upload(account: MetaAccount, path: str, fields: Mapping[str, str], file: FormFile) -> HttpCall:
    """Write to an edge, as a form with a file. Slow for large files, and never visible."""
    return HttpCall(
        "POST", url(account, path), bearer(account), fields=fields, files=(file,), visible=False, timeout_seconds=120.0
    )


@dataclass(frozen=True, slots=True)
class GraphError:
    """One error of Meta's, in an answer or in a webhook. `code` is `CODE` or `CODE/SUBCODE`; `message` is for people."""

    code: str
    message: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def meaning(self, table: Mapping[str, Meaning]) -> Meaning | None:
        """By code and subcode together, else by the subcode alone (`/2018278`), else by the code alone."""
        code, slash, subcode = self.code.partition("/")
        return table.get(self.code) or table.get(slash + subcode) or table.get(code)


def error_in(value: object) -> GraphError | None:
    """The error that an `error` or `errors[]` object describes."""
    error = dict_of(value)
    code, subcode = text_of(error.get("code")), text_of(error.get("error_subcode"))
    if code is None:
        return None
    details = text_of(dict_of(error.get("error_data")).get("details"))
    message = details or text_of(error.get("message")) or text_of(error.get("title")) or ""
    return GraphError(f"{code}/{subcode}" if subcode and subcode != "0" else code, message, error)


def content(reply: HttpReply) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    try:
        return dict_of(json.loads(reply.body))
    except (ValueError, RecursionError):
        return {}


def error_of(reply: HttpReply) -> GraphError | None:
    """The error that an answer reports, also one with status 200."""
    return error_in(content(reply).get("error"))


def good(reply: HttpReply, read: Mapping[str, Any] | None = None) -> bool:
    """Whether the answer is a success: 2xx, and no `error` in it. `read`: its content, if that was read already."""
    return 200 <= reply.status < 300 and error_in((content(reply) if read is None else read).get("error")) is None


def refused(reply: HttpReply, now: datetime, table: Mapping[str, Meaning]) -> SendFailed:
    """What to raise for an answer that isn't a success (or a success without the expected content)."""
    error = error_of(reply)
    if error is None:
        return unclear(reply) if reply.status < 300 or reply.status in _LOST_ON_THE_WAY else failure(reply, now)
    meaning = error.meaning(table)
    known = {error.code: meaning} if meaning else None
    return failure(reply, now, table=known, provider_code=error.code, detail=error.message)


def unclear(reply: HttpReply) -> SendFailed:
    """The answer says neither success nor failure, so the message may have been sent."""
    return SendFailed(Verdict.unknown, "no_answer", provider_code=f"http_{reply.status}", status=reply.status)
