"""What customers are to see, posted to your server; and their files, fetched from where you said.

The `webhook-id` of a post is our message's id, the same on every try: whoever remembers the ids that it has taken never shows a message
twice, so a post whose answer was lost is made again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters import standard_webhooks
from adapters.contract import Fetched, Flow, HttpCall, HttpReply, Sent, json_call
from adapters.envelope import MediaPart, Notice, Outbound, Say, Speaker, TypingSignal
from adapters.errors import SendFailed, Verdict
from adapters.open import wire
from adapters.open.account import OpenAccount
from adapters.reading import answer_of, optional
from adapters.replies import AGAIN, THROTTLED, Meaning, dead, failure, fetched

MAX_TEXT: Final = 10_000
MAX_FILE_BYTES: Final = 100 * 1024 * 1024

# The codes that your server may answer with: ours, as docs/codes.md explains them.
_FAILURES: Final = {
    **{code: dead(code) for code in wire.CODES},
    "provider_unavailable": AGAIN,
    "rate_limited": THROTTLED,
    "quota_exhausted": Meaning(Verdict.again, "quota_exhausted", timedelta(hours=1), throttles_account=True),
}


def send(message: Outbound, account: OpenAccount, now: datetime) -> Flow[Sent]:
    """One signed post. Raises SendFailed."""
    call = json_call("POST", account.deliver_url, _event(message), visible=not isinstance(message, TypingSignal))
    proof = standard_webhooks.signed_headers(account.signing_secrets, message.id, call.body, now, by_all=True)
    reply = yield replace(call, headers={**call.headers, **proof})
    # 409: it was taken at an earlier try.
    if not 200 <= reply.status < 300 and reply.status != 409:
        raise failure(reply, now, table=_FAILURES, provider_code=_code_of(reply))
    return Sent(message_ids=(message.id,))


def _code_of(reply: HttpReply) -> str | None:
    code = optional(answer_of(reply), "code")
    return code[:64] if code else None


def _event(message: Outbound) -> dict[str, Any]:
    common = {"id": message.id, "to": message.to, "at": message.created_at.isoformat().replace("+00:00", "Z")}
    if isinstance(message, TypingSignal):
        return {"type": "typing", **common, "on": message.on, **_speaker("from", message.speaker)}
    if isinstance(message, Notice):
        return {"type": "notice", **common, "code": message.code, "text": message.text, **_speaker("about", message.about)}
    return {"type": "message", **common, **_said(message), "human": message.human, **_speaker("from", message.speaker)}


def _said(message: Say) -> dict[str, Any]:
    file = message.file
    shown = {"name": file.name, "mime_type": file.mime_type, "size_bytes": file.size_bytes, "url": file.url} if file else None
    said = {"text": message.text, "file": shown, "reply_to": message.reply_to and message.reply_to.removeprefix(f"{message.to}/")}
    return {key: value for key, value in said.items() if value is not None}


def _speaker(role: str, speaker: Speaker | None) -> dict[str, Any]:
    """Under that name, when the customer is to be told who it is."""
    return {role: {"name": speaker.name, "avatar_url": speaker.avatar_url}} if speaker else {}


def media(part: MediaPart, account: OpenAccount, now: datetime) -> Flow[Fetched]:
    """The file at the address that you named. Raises SendFailed."""
    url = part.source.get("url")
    if not isinstance(url, str):
        raise SendFailed(Verdict.dead, "media_gone")
    reply = yield HttpCall("GET", url, foreign=True, timeout_seconds=60, max_reply_bytes=MAX_FILE_BYTES)
    return fetched(reply, part, now)
