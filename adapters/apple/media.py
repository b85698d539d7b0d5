"""Fetching what customers send: ask for the address, fetch, unlock; for a large answer, have Apple decode it besides.

The addresses die within seconds, so the file is fetched in the next call, and a spent address is asked for once more.
Source: Apple, "Receiving Attachments", "Receiving Large Interactive Data Payloads" (Business Chat API).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from adapters.apple import mmcs
from adapters.apple.account import AppleAccount
from adapters.apple.answers import name_of_answer
from adapters.apple.outbound import answer_of, authorised, status_code, taken
from adapters.apple.wire import BALLOON, MAX_FILE_BYTES, section, words
from adapters.contract import Fetched, Flow, HttpCall, HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.replies import Meaning, failure

_GONE: Final = Meaning(Verdict.dead, "media_gone")
_FETCH_SECONDS: Final = 120.0
_SPENT: Final = (401, 403, 404, 410)
_MAX_ANSWER_BYTES: Final = 16_777_216
FETCH_ERRORS: Final[Mapping[str, Meaning]] = dict.fromkeys(("http_400", "http_404", "http_410"), _GONE)
SPENT_ERRORS: Final[Mapping[str, Meaning]] = dict.fromkeys((f"http_{status}" for status in _SPENT), _GONE)


def media(part: MediaPart, account: AppleAccount, now: datetime) -> Flow[Fetched]:
    """The file in the clear; for a large answer, its JSON."""
    source = {name: value for name, value in part.source.items() if isinstance(value, str)}
    if not all(source.get(name) for name in ("url", "owner", "signature")):
        raise SendFailed(Verdict.dead, "media_gone", provider_code="incomplete")
    locked = yield from _fetch(part, source, account, now)
    content = _unlocked(locked, source.get("key"))
    if "bid" in source:
        return (yield from _decode(content, source["bid"], account, now))
    return Fetched(content, part.mime_type, part.name)


def _fetch(part: MediaPart, source: Mapping[str, str], account: AppleAccount, now: datetime) -> Flow[bytes]:
    address = yield from _address(source, account, now)
    reply = yield _download(address, part, account)
    if reply.status in _SPENT:
        address = yield from _address(source, account, now)
        reply = yield _download(address, part, account)
    if not taken(reply):
        raise failure(reply, now, table=SPENT_ERRORS, provider_code=status_code(reply))
    if part.size_bytes is not None and len(reply.body) != part.size_bytes:
        raise SendFailed(Verdict.again, "media_not_ready", provider_code="length_differs")
    return reply.body


def _address(source: Mapping[str, str], account: AppleAccount, now: datetime) -> Flow[str]:
    """The values go as they came: encoding an address a second time spoils it."""
    headers = {
        "source-id": account.business_id,
        "MMCS-Url": source["url"],
        "MMCS-Signature": source["signature"],
        "MMCS-Owner": source["owner"],
    }
    reply = yield from authorised(HttpCall("GET", f"{account.api_base}/preDownload", headers), account, now)
    address = words(answer_of(reply), "download-url")
    if not taken(reply):
        raise failure(reply, now, table=FETCH_ERRORS, provider_code=status_code(reply))
    if address is None:
        raise SendFailed(Verdict.again, "media_not_ready", provider_code="no_download_url")
    return address


def _download(address: str, part: MediaPart, account: AppleAccount) -> HttpCall:
    """No token goes to the files' own host. An answer is never longer than the message said, if it said."""
    limit = MAX_FILE_BYTES if part.size_bytes is None else min(part.size_bytes, MAX_FILE_BYTES)
    foreign = not account.is_own(address)
    return HttpCall("GET", address, foreign=foreign, timeout_seconds=_FETCH_SECONDS, max_reply_bytes=max(limit, 1024))


def _unlocked(locked: bytes, key: str | None) -> bytes:
    if key is None:
        return locked
    try:
        return mmcs.lock(locked, mmcs.key_from(key))
    except mmcs.NotUnlocked as fault:
        raise SendFailed(Verdict.dead, "media_gone", provider_code="bad_key") from fault


def _decode(content: bytes, bid: str, account: AppleAccount, now: datetime) -> Flow[Fetched]:
    """Apple turns its own packed form into JSON; where it won't, the packed form is kept as it is."""
    try:
        packed = mmcs.unpack(content, _MAX_ANSWER_BYTES)
    except mmcs.NotUnlocked as fault:
        raise SendFailed(Verdict.dead, "media_gone", provider_code="broken_answer") from fault
    headers = {
        "source-id": account.business_id,
        "bid": bid if bid.isascii() and bid.isprintable() else BALLOON,
        "accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    call = HttpCall(
        "POST", f"{account.api_base}/decodePayload", headers, packed, visible=False, max_reply_bytes=_MAX_ANSWER_BYTES
    )
    reply = yield from authorised(call, account, now)
    return _decoded(reply, packed, now)


def _decoded(reply: HttpReply, packed: bytes, now: datetime) -> Fetched:
    """The JSON counts whatever the status is (implementations rely on it); 403 was met where there is none."""
    answer: dict[str, Any] = answer_of(reply)
    if "data" in answer or "interactiveData" in answer:
        content = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
        return Fetched(content, "application/json", name_of_answer(section(answer, "interactiveData") or answer))
    if taken(reply) or reply.status in (400, 401, 403, 404):
        return Fetched(packed, "application/x-plist", "answer.plist")
    raise failure(reply, now, provider_code=status_code(reply))
