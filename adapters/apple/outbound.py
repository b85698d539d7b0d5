"""What we post to Apple: `POST {gateway}/message`, answered 200 with an empty body when taken. No receipts ever come.

Apple draws all our bubbles alike, without a name: the speaker's name is put before the text. A notice is an ordinary text with the header
`auto-reply: true`, as is whatever no person wrote. Source: Apple, "Messages sent", "Type text", "Type richLink"; UX design guide.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.apple import mmcs, tokens
from adapters.apple.account import AppleAccount
from adapters.apple.wire import OBJECT_MARK, section, words
from adapters.contract import Flow, HttpCall, HttpReply, Sent
from adapters.envelope import Notice, Outbound, OutboundFile, Say, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import AGAIN, REFUSED, THROTTLED, Meaning, failure
from adapters.text import cut

_OUR_MESSAGES: Final = uuid.UUID("d3a1a0a6-54fb-5c0e-8d57-0f6f2d1c7b11")
_LINK: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_UPLOAD_SECONDS: Final = 120.0  # 100 MB at 1 MB/s, and some

# Apple documents the statuses for its own calls to us; 410 was met in the field, 429 is nowhere documented.
MESSAGE_ERRORS: Final[Mapping[str, Meaning]] = {
    "http_400": Meaning(Verdict.dead, "content_refused"),
    "http_401": Meaning(Verdict.dead, "not_authorised"),
    "http_403": Meaning(Verdict.dead, "not_authorised"),
    "http_404": REFUSED,  # the customer, our business or the address that we call isn't known; the answer doesn't say which
    "http_410": Meaning(Verdict.dead, "conversation_closed"),
    "http_413": Meaning(Verdict.dead, "too_long"),
    "http_429": THROTTLED,
    "http_500": AGAIN,
    "http_502": AGAIN,
    "http_503": AGAIN,
    "http_504": Meaning(Verdict.unknown, "no_answer"),  # something behind the gateway was too slow: it may have gone out
}
UPLOAD_ERRORS: Final[Mapping[str, Meaning]] = {
    "http_400": Meaning(Verdict.dead, "media_refused"),
    "http_413": Meaning(Verdict.dead, "media_refused"),
    "http_415": Meaning(Verdict.dead, "media_refused"),
}
# At the upload address itself no token is asked: these say that it has expired, and the next try asks for a new one.
SPENT_ADDRESS: Final[Mapping[str, Meaning]] = {
    **UPLOAD_ERRORS,
    **dict.fromkeys(("http_401", "http_403", "http_404", "http_410"), AGAIN),
}


def send(message: Outbound, account: AppleAccount, now: datetime) -> Flow[Sent]:
    """One message, notice or typing signal."""
    if message.memory.get("closed"):
        raise _closed()
    if isinstance(message, TypingSignal):
        return (yield from _post(message, account, now, {"type": "typing_start" if message.on else "typing_end"}))
    if isinstance(message, Notice):
        return (yield from _post(message, account, now, _text(message.text)))
    if message.file:
        attachment = yield from _upload(message.file, message, account, now)
        return (yield from _post(message, account, now, _with_file(attachment, message.text or "")))
    return (yield from _say(message, account, now))


def message_id(retry_key: str) -> str:
    """Apple's id of our message: the same on every try. Version 5, by which our own echoes are known."""
    return str(uuid.uuid5(_OUR_MESSAGES, retry_key))


def authorised(call: HttpCall, account: AppleAccount, now: datetime) -> Flow[HttpReply]:
    """Make a call with a token; where Apple refuses it, once more with the next secret, for one of them is being replaced."""
    reply = None
    for secret in account.secrets:
        token = tokens.bearer(account.msp_id, secret.get_secret_value(), now)
        reply = yield dataclasses.replace(call, headers={"Authorization": token, **call.headers})
        if reply.status not in (401, 403):
            break
    if reply is None:
        raise SendFailed(Verdict.dead, "not_authorised")
    return reply


def status_code(reply: HttpReply) -> str:
    """Apple has no error codes: the status is the code."""
    return f"http_{reply.status}"


def taken(reply: HttpReply) -> bool:
    """Apple documents 200 alone; to call another success a failure would send the message twice."""
    return 200 <= reply.status < 300


def answer_of(reply: HttpReply) -> dict[str, Any]:
    """The JSON object of an answer; empty where there is none."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _closed() -> SendFailed:
    return SendFailed(Verdict.dead, "conversation_closed")


def _say(message: Say, account: AppleAccount, now: datetime) -> Flow[Sent]:
    text = (message.text or "").strip()
    if not text:
        raise Unsupported("an empty message can't be sent: write a text or add a file")
    link = _link(text, message) if account.rich_links else None
    if link is not None:
        try:
            return (yield from _post(message, account, now, link))
        except SendFailed as refused:  # 400: Apple won't make a card of it, and hasn't taken it
            if refused.provider_code != "http_400":
                raise
    return (yield from _post(message, account, now, _text(text)))


def _text(text: str) -> dict[str, Any]:
    """Remove the attachment mark from a text without an attachment."""
    return {"type": "text", "body": text.replace(OBJECT_MARK, "")}


def _link(text: str, message: Say) -> dict[str, Any] | None:
    """A card for a text that is only a link; a speaker's name before it goes into the card's title."""
    prefix = f"{message.speaker.name}: " if message.speaker and text.startswith(f"{message.speaker.name}: ") else ""
    url = text.removeprefix(prefix)
    if not _LINK.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not parts.hostname:
        return None
    title = prefix + cut(f"{parts.hostname}{parts.path.rstrip('/')}", 80)
    return {"type": "richLink", "richLinkData": {"url": url, "title": title}}


def _with_file(attachment: dict[str, str], text: str) -> dict[str, Any]:
    return {"type": "text", "body": OBJECT_MARK + text.replace(OBJECT_MARK, ""), "attachments": [attachment]}


def _post(message: Outbound, account: AppleAccount, now: datetime, content: dict[str, Any]) -> Flow[Sent]:
    ours = message_id(message.retry_key)
    body = {"v": 1, "id": ours, "sourceId": account.business_id, "destinationId": message.to, **content}
    headers = {"Content-Type": "application/json", "id": ours, "Source-Id": account.business_id, "Destination-Id": message.to}
    if not message.human and not isinstance(message, TypingSignal):
        headers["auto-reply"] = "true"
    if account.msp_agent:
        headers["msp-agent"] = account.msp_agent
    call = HttpCall("POST", f"{account.api_base}/message", headers, json.dumps(body).encode(), visible=True)
    reply = yield from authorised(call, account, now)
    if not taken(reply):
        raise _refused(reply, now)
    return Sent((ours,))


def _refused(reply: HttpReply, now: datetime) -> SendFailed:
    fault = failure(reply, now, table=MESSAGE_ERRORS, provider_code=status_code(reply))
    if reply.status == 410:
        fault.remember = {"closed": True}
    return fault


def _upload(file: OutboundFile, message: Say, account: AppleAccount, now: datetime) -> Flow[dict[str, str]]:
    """Lock the file, ask for a place, put it there; what comes out is the attachment that the message names."""
    if not file.content:
        raise SendFailed(Verdict.dead, "media_refused")
    secret = tokens.key_of(account.secrets[0].get_secret_value())
    key = mmcs.file_key(secret, message.retry_key, file.content)
    locked, size = mmcs.lock(file.content, key), str(len(file.content))
    place = yield from _place(size, account, now)
    checksum = yield from _put(place["upload-url"], locked, account, now)
    return {
        "name": file.name,
        "mimeType": file.mime_type,
        "size": size,  # a text: Apple's sample insists on it
        "key": mmcs.key_field(key),
        "url": place["mmcs-url"],
        "owner": place["mmcs-owner"],
        "signature-base64": checksum,
    }


def _place(size: str, account: AppleAccount, now: datetime) -> Flow[dict[str, str]]:
    headers = {"Source-Id": account.business_id, "MMCS-Size": size}
    reply = yield from authorised(HttpCall("GET", f"{account.api_base}/preUpload", headers), account, now)
    if not taken(reply):
        raise failure(reply, now, table=UPLOAD_ERRORS, provider_code=status_code(reply))
    answer = answer_of(reply)
    found = {name: words(answer, name) or "" for name in ("upload-url", "mmcs-url", "mmcs-owner")}
    if not all(found.values()):
        raise SendFailed(Verdict.again, "provider_unavailable", provider_code="pre_upload_incomplete")
    return found


def _put(url: str, locked: bytes, account: AppleAccount, now: datetime) -> Flow[str]:
    headers = {"Content-Type": "application/octet-stream"}
    own = account.is_own(url)
    reply = yield HttpCall("POST", url, headers, locked, foreign=not own, visible=False, timeout_seconds=_UPLOAD_SECONDS)
    if not taken(reply):
        raise failure(reply, now, table=SPENT_ADDRESS, provider_code=status_code(reply))
    checksum = words(section(answer_of(reply), "singleFile"), "fileChecksum")
    if checksum is None:
        raise SendFailed(Verdict.again, "provider_unavailable", provider_code="upload_incomplete")
    return checksum
