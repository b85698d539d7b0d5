"""Fetching the customer's files from Meta.

Source: Meta for Developers, WhatsApp Cloud API, "Media" (read 2026).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from adapters._meta import graph
from adapters._meta.webhook import text_of
from adapters.contract import Fetched, Flow, HttpCall, HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.replies import dead
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.failures import ERRORS

_MOST_BYTES: Final = 101_000_000  # a document may have 100 MB


def media(part: MediaPart, account: WhatsAppAccount, now: datetime) -> Flow[Fetched]:
    """Look the file's address up, then fetch it there. An address dies after 5 minutes, so a 404 asks for a fresh one, once.

    `phone_number_id` is not added to the look-up: for a customer's file that fails.
    """
    media_id = text_of(part.source.get("id"))
    if media_id is None:
        raise SendFailed(Verdict.dead, "media_gone")
    reply = HttpReply(404)
    for _ in range(2):
        found = yield graph.get(account, media_id)
        if not graph.good(found):
            raise graph.refused(found, now, _LOOKING)
        reply = yield _download(found, account)
        if reply.status != 404:
            break
    if reply.status != 200:
        raise graph.refused(reply, now, _LOOKING) if reply.status != 404 else _gone()
    return _fetched(reply, graph.content(found), part)


_LOOKING: Final = {**ERRORS, "100": dead("media_gone"), "131052": dead("media_gone")}


def _gone() -> SendFailed:
    return SendFailed(Verdict.dead, "media_gone", provider_code="http_404")


def _download(found: HttpReply, account: WhatsAppAccount) -> HttpCall:
    address = text_of(graph.content(found).get("url"))
    if address is None:
        raise SendFailed(Verdict.again, "media_not_ready", provider_code="no_url")
    ours = address.startswith(account.api_base + "/")
    headers = graph.bearer(account)
    if not ours and not _trusted(address, account):
        del headers["authorization"]  # never show our token to a host that isn't Meta's
    return HttpCall("GET", address, headers, foreign=not ours, timeout_seconds=120.0, max_reply_bytes=_MOST_BYTES)


def _trusted(address: str, account: WhatsAppAccount) -> bool:
    try:
        pieces = urlsplit(address)
        host = pieces.hostname or ""
    except ValueError:
        return False
    return pieces.scheme == "https" and any(host == one or host.endswith(f".{one}") for one in account.media_hosts)


def _fetched(reply: HttpReply, found: dict[str, Any], part: MediaPart) -> Fetched:
    expected = text_of(found.get("sha256")) or text_of(part.source.get("sha256"))
    if expected and not _fits(reply.body, expected):
        raise SendFailed(Verdict.again, "media_not_ready", provider_code="sha256")
    mime_type = text_of(found.get("mime_type")) or part.mime_type or reply.headers.get("content-type")
    return Fetched(reply.body, mime_type=mime_type, name=part.name)


def _fits(body: bytes, expected: str) -> bool:
    """Meta writes the digest in base64 here and in hex there."""
    digest = hashlib.sha256(body)
    plain = base64.b64encode(digest.digest()).decode().rstrip("=")
    no_digest = len(expected) not in (len(plain), len(plain) + 1, 64)
    return no_digest or expected.lower() == digest.hexdigest() or expected.rstrip("=") == plain
