"""What visitors are sent, and their files: signed calls to the chat service.

The outbox id travels along and is what the service appends by, exactly once; so a repeated delivery is safe, and receipts name it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from adapters import standard_webhooks
from adapters.contract import Fetched, Flow, HttpCall, HttpReply, Sent
from adapters.envelope import MediaPart, Notice, Outbound, OutboundFile, Say, Speaker, TypingSignal
from adapters.errors import SendFailed, Verdict
from adapters.reading import answer_of
from adapters.replies import THROTTLED, Meaning, failure
from adapters.webchat import wire
from adapters.webchat.account import WebchatAccount

_FAILURES: Final = {
    "conversation_closed": Meaning(Verdict.dead, "conversation_closed"),
    "visitor_not_found": Meaning(Verdict.dead, "recipient_unreachable"),
    "unauthenticated": Meaning(Verdict.dead, "not_authorised"),
    "not_found": Meaning(Verdict.dead, "account_fault"),
    "file_missing": Meaning(Verdict.again, "provider_unavailable"),  # the flow starts again, with the file
    "too_large": Meaning(Verdict.dead, "media_refused"),
    "invalid_input": Meaning(Verdict.dead, "content_refused"),
    "rate_limited": THROTTLED,
}
_LARGEST_FILE: Final = 100 * 1024 * 1024
_LINK_LIFE: Final = timedelta(minutes=10)


def send(message: Outbound, account: WebchatAccount, now: datetime) -> Flow[Sent]:
    """One event to the visitor's stream; a file's bytes go first. Raises SendFailed."""
    file_id = None
    if isinstance(message, Say) and message.file and message.file.content:
        reply = yield _upload(message.id, message.file, account, now)
        file_id = _taken(reply, now).get("id")
    body = json.dumps(_event(message, file_id), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    reply = yield HttpCall(
        "POST", f"{account.chat_base}/deliver", headers=_signed(message.id, body, account, now), body=body, visible=True
    )
    taken = _taken(reply, now)
    return Sent(message_ids=(taken["id"],) if isinstance(taken.get("id"), str) else ())


def media(part: MediaPart, account: WebchatAccount, now: datetime) -> Flow[Fetched]:
    """The visitor's file, by a link that we sign ourselves. Raises SendFailed."""
    file_id = str(part.source.get("file_id", ""))
    expires = int((now + _LINK_LIFE).timestamp())
    query = urlencode(wire.file_query(account.secrets, account.channel_id, file_id, expires))
    reply = yield HttpCall(
        "GET", f"{account.chat_base}/files/{quote(file_id, safe='')}?{query}", timeout_seconds=60, max_reply_bytes=_LARGEST_FILE
    )
    if reply.status in (404, 410):
        raise SendFailed(Verdict.dead, "media_gone", provider_code=f"http_{reply.status}")
    if reply.status != 200:
        raise _failed(reply, now)
    return Fetched(reply.body, mime_type=part.mime_type or reply.headers.get("content-type"), name=part.name)


def _upload(outbox_id: str, file: OutboundFile, account: WebchatAccount, now: datetime) -> HttpCall:
    headers = _signed(outbox_id, file.content, account, now) | {"content-type": "application/octet-stream"}
    return HttpCall(
        "POST", f"{account.chat_base}/deliver/file", headers=headers, body=file.content, visible=False, timeout_seconds=60
    )


def _event(message: Outbound, file_id: Any) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "message", "id": message.id, "to": message.to, "at": message.created_at.isoformat()}
    if message.memory.get("ended_at"):
        event["after_end"] = message.memory["ended_at"]
    if isinstance(message, TypingSignal):
        return {**event, "type": "typing", "on": message.on, "from": _speaker(message.speaker, "rep")}
    if isinstance(message, Notice):
        return {
            **event,
            "type": "notice",
            "code": message.code,
            "text": message.text,
            "participant": _speaker(message.about, "rep"),
        }
    said = {"text": message.text, "reply_to": message.reply_to, "file": _file(message.file, file_id) if message.file else None}
    return {
        **event,
        "from": _speaker(message.speaker, "rep" if message.human else "bot"),
        **{key: value for key, value in said.items() if value is not None},
    }


def _speaker(speaker: Speaker | None, kind: str) -> dict[str, Any]:
    if speaker is None:
        return {"kind": kind, "name": None, "avatar": None}
    return {"kind": kind, "name": speaker.name, "avatar": speaker.avatar_url}


def _file(file: OutboundFile, file_id: Any) -> dict[str, Any]:
    """By the id of the service's own copy, or, where the bytes weren't at hand, by our link."""
    where = {"id": file_id} if file_id else {"url": file.url}
    return {**where, "name": file.name, "mime_type": file.mime_type, "size_bytes": file.size_bytes}


def _signed(outbox_id: str, body: bytes, account: WebchatAccount, now: datetime) -> dict[str, str]:
    return {**standard_webhooks.signed_headers(account.secrets, outbox_id, body, now), "content-type": "application/json"}


def _taken(reply: HttpReply, now: datetime) -> dict[str, Any]:
    if not 200 <= reply.status < 300:
        raise _failed(reply, now)
    return answer_of(reply)


def _failed(reply: HttpReply, now: datetime) -> SendFailed:
    return failure(reply, now, table=_FAILURES, provider_code=wire.problem_code(answer_of(reply)))
