"""Sending through LINE.

A *push* costs quota and takes a retry key: LINE shows it once however often it is tried within a day (a 409 says that it was taken
before). A *reply* is free and needs a young reply token, which works once; it takes no retry key. So with replies a lost answer
can't be told from a lost request: one more try with the same token is harmless, but a push after it may show the message twice.
Source: LINE Developers, "Messaging API reference" (Send reply message, Send push message) and "Retrying a failed API request".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.contract import Flow, HttpCall, HttpReply, NoReply, Sent
from adapters.envelope import Notice, Outbound, OutboundFile, Say, Speaker, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.line import memory, tokens, wire
from adapters.line.account import LineAccount
from adapters.line.duration import duration_ms
from adapters.line.inbound import tracking_id
from adapters.replies import REFUSED, THROTTLED, Meaning, failure
from adapters.text import cut, measure

MAX_TEXT: Final = 5000  # UTF-16 code units. Source: LINE Developers, "Character counting in a text"
MAX_NAME: Final = 20
MAX_PREVIEW_BYTES: Final = 1_000_000
# Keys are kept for 24 hours from the first request, of which we only know that it came after the message was written.
RETRY_KEY_LIFE: Final = timedelta(hours=23)

_FAULT: Final = Meaning(Verdict.dead, "account_fault")
_CONTENT: Final = Meaning(Verdict.dead, "content_refused")

MEANINGS: Final[Mapping[str, Meaning]] = {
    "invalid_body": _CONTENT,
    "invalid_property": _CONTENT,
    "invalid_json": _CONTENT,
    "invalid_reply_token": REFUSED,  # only seen after the push was tried, or where there is none
    "text_too_long": Meaning(Verdict.dead, "too_long"),
    "media_url": Meaning(Verdict.dead, "media_refused"),
    "recipient": Meaning(Verdict.dead, "recipient_unreachable"),
    "failed_to_send": Meaning(Verdict.dead, "recipient_unreachable"),
    "authentication_failed": Meaning(Verdict.dead, "not_authorised"),
    "access_denied": _FAULT,
    "not_found": _FAULT,  # of a path: what LINE doesn't know as a recipient it refuses with a 400
    "http_410": _FAULT,
    "http_413": _CONTENT,
    "unsupported_content_type": _FAULT,
    # LINE gives no Retry-After. The limit is 2,000 requests a second, so that a few seconds are plenty.
    "rate_limited": Meaning(Verdict.again, "rate_limited", wait=timedelta(seconds=5), throttles_account=True),
    "http_429": THROTTLED,
    "monthly_limit": Meaning(Verdict.dead, "quota_exhausted"),
}


def send(message: Outbound, account: LineAccount, now: datetime) -> Flow[Sent]:
    """Show a message or notice to the customer, or the loading animation."""
    if isinstance(message, TypingSignal):
        return (yield from _loading(message, account, now))
    if memory.blocked(message.memory):
        raise SendFailed(Verdict.dead, "blocked")
    objects = _objects(message, account)
    yield from _marking_read(message, account, now)
    reply = yield from _delivering(message, objects, account, now)
    # LINE refuses some display names (its own brand, for example) and says so only in the error.
    if _names_sender(reply):  # nothing was shown: the name goes before the text instead
        reply = yield from _delivering(message, [_unnamed(o) for o in objects], account, now)
    # 409: LINE took this retry key before, so the message was sent by an earlier try.
    if reply.status not in (200, 409):
        raise failure(reply, now, table=MEANINGS, provider_code=_code(reply))
    return _sent(reply, message, account, now)


def retry_safe(message: Outbound, account: LineAccount, tried_at: datetime, now: datetime) -> bool:
    """A lost push can be tried again while LINE knows its key; a lost reply can't."""
    may_have_replied = account.prefer_reply and memory.had_reply_token(message.memory, tried_at, account.reply_token_seconds)
    return not may_have_replied and now - message.created_at < RETRY_KEY_LIFE


def _sent(reply: HttpReply, message: Say | Notice, account: LineAccount, now: datetime) -> Sent:
    taken = wire.sent_messages(reply)
    remember = {key: value for id_, token in taken for key, value in memory.quotable(id_, token).items()}
    if _usable_token(message, account, now):
        remember |= memory.no_reply_token()
    if _read_mark(message, account):
        remember |= {"mark_as_read": None}
    return Sent(tuple(id_ for id_, _ in taken if id_), remember)


# --------------------------------------------------------------------------------------------- reply or push


def _delivering(message: Say | Notice, objects: list[dict[str, Any]], account: LineAccount, now: datetime) -> Flow[HttpReply]:
    body = {"messages": objects, "notificationDisabled": isinstance(message, Notice)}
    if token := _usable_token(message, account, now):
        reply = yield from _replying({"replyToken": token, **body}, account, now)
        if reply is not None:
            return reply
    return (yield from _pushing(message, body, account, now))


def _usable_token(message: Say | Notice, account: LineAccount, now: datetime) -> str | None:
    if not account.prefer_reply:
        return None
    return memory.fresh_reply_token(message.memory, message.created_at, now, account.reply_token_seconds)


def _replying(body: dict[str, Any], account: LineAccount, now: datetime) -> Flow[HttpReply | None]:
    """The free way. None: LINE wants the token no more, and nothing was shown.

    A lost answer is asked for once more: a token works once, so a 200 now means that the first try had not come through. Refused now,
    the first try may have spent the token.
    """
    doubtful = False
    for _ in range(2):
        try:
            reply = yield from tokens.call(
                account, now, lambda token: _post(account, "/v2/bot/message/reply", body, token, visible=True)
            )
        except (NoReply, SendFailed) as lost:
            # Not sent at all: nothing was shown, so the usual retry of the row is safe.
            if not doubtful and not (isinstance(lost, NoReply) and lost.sent):
                raise  # it did not get there
            doubtful = True
            continue
        if reply.status < 500 and not (doubtful and reply.status != 200):
            return None if wire.error_code(reply) == "invalid_reply_token" else reply
        doubtful = True
    raise SendFailed(Verdict.unknown, "no_answer", remember=memory.no_reply_token())


def _pushing(message: Say | Notice, body: dict[str, Any], account: LineAccount, now: datetime) -> Flow[HttpReply]:
    headers = {"X-Line-Retry-Key": message.retry_key}
    try:
        return (
            yield from tokens.call(
                account,
                now,
                lambda token: _post(account, "/v2/bot/message/push", {"to": message.to, **body}, token, headers, visible=True),
            )
        )
    except NoReply as lost:
        if not lost.sent:
            raise
        # LINE forgets retry keys after that time: another try with the key could be shown twice.
        if now - message.created_at >= RETRY_KEY_LIFE:
            raise SendFailed(Verdict.unknown, "no_answer") from lost
        raise SendFailed(Verdict.again, "provider_unavailable") from lost


def _post(
    account: LineAccount,
    path: str,
    body: dict[str, Any],
    token: str,
    headers: Mapping[str, str] | None = None,
    *,
    visible: bool,
) -> HttpCall:
    return HttpCall(
        "POST",
        account.api_base + path,
        headers={"Content-Type": "application/json", **tokens.authorised(token), **(headers or {})},
        body=wire.dump(body),
        visible=visible,
    )


def _code(reply: HttpReply) -> str:
    """LINE's refusal of a request names the property, which is more specific than the text."""
    code = wire.error_code(reply)
    if code not in ("invalid_body", "invalid_property"):
        return code
    for name, text in wire.error_properties(reply):
        if name.endswith(".text") and "length" in text.lower():
            return "text_too_long"
        if name.endswith(("originalContentUrl", "previewImageUrl")):
            return "media_url"
        if name == "to" or "'to'" in text:
            return "recipient"
    return code


# ---------------------------------------------------------------------------------------------- what is shown


def _objects(message: Say | Notice, account: LineAccount) -> list[dict[str, Any]]:
    if isinstance(message, Notice):
        return [{"type": "text", "text": message.text, **_sender(message.about)}]
    sender = _sender(message.speaker)
    objects = [_text(message, sender)] if message.text else []
    if message.file:
        objects.append(_file(message.file, message, account) | sender)
    if not objects:
        raise Unsupported("a message needs a text or a file")
    return objects


def _text(message: Say, sender: dict[str, Any]) -> dict[str, Any]:
    token = memory.quote_token(message.memory, message.reply_to) if message.reply_to else None
    return {"type": "text", "text": message.text, **({"quoteToken": token} if token else {}), **sender}


def _file(file: OutboundFile, message: Say, account: LineAccount) -> dict[str, Any]:
    """LINE fetches files by their address, and has no kind for documents: those go as links."""
    small = file.media == "image" and file.size_bytes <= MAX_PREVIEW_BYTES
    preview = file.url if small else account.preview_image_url
    if file.media == "image":
        return {"type": "image", "originalContentUrl": file.url, "previewImageUrl": preview or file.url}
    if file.media == "video" and preview:
        return {
            "type": "video",
            "originalContentUrl": file.url,
            "previewImageUrl": preview,
            "trackingId": tracking_id(message.id),
        }
    if file.media == "audio":
        return {"type": "audio", "originalContentUrl": file.url, "duration": duration_ms(file.content)}
    return {"type": "text", "text": f"{file.name}: {file.url}"}


def _sender(speaker: Speaker | None) -> dict[str, Any]:
    """Name and picture beside the bubble. Source: LINE Developers, "Change icon and display name"."""
    name = sender_name(speaker.name) if speaker else ""
    if speaker is None or not name:
        return {}
    icon = speaker.avatar_url
    usable = icon is not None and icon.startswith("https://") and len(icon) <= 2000
    return {"sender": {"name": name, **({"iconUrl": icon} if usable else {})}}


def sender_name(name: str) -> str:
    """A public name as LINE takes it: at most 20 UTF-16 units, and without its own: the word goes, CAROLINE becomes Caroline."""
    bare = re.sub(r"\bline\b", " ", name, flags=re.IGNORECASE)
    calm = re.sub(r"\w*LINE\w*", lambda word: word[0].capitalize(), bare)
    return cut(" ".join(calm.split()), MAX_NAME, "utf16")


def _names_sender(reply: HttpReply) -> bool:
    """LINE forbids more words in names than it documents."""
    return reply.status == 400 and any(".sender" in name for name, _ in wire.error_properties(reply))


def _unnamed(shown: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in shown.items() if key != "sender"}
    name = shown.get("sender", {}).get("name")
    if name and shown["type"] == "text" and measure(named := f"{name}: {shown['text']}", "utf16") <= MAX_TEXT:
        bare["text"] = named
    return bare


# ------------------------------------------------------------------------------------------- typing, read mark


def _loading(message: TypingSignal, account: LineAccount, now: datetime) -> Flow[Sent]:
    """LINE's only sign of typing; it ends by itself, or with the next message. Source: "Display a loading animation"."""
    if message.on and not memory.blocked(message.memory):
        body = {"chatId": message.to, "loadingSeconds": account.loading_seconds}
        yield from tokens.call(
            account, now, lambda token: _post(account, "/v2/bot/chat/loading/start", body, token, visible=False)
        )
    return Sent()


def _marking_read(message: Say | Notice, account: LineAccount, now: datetime) -> Flow[None]:
    """Mark the customer's messages as read when a person answers. A failure doesn't prevent the answer."""
    mark = _read_mark(message, account)
    if mark is None:
        return
    try:
        body = {"markAsReadToken": mark}
        yield from tokens.call(account, now, lambda token: _post(account, "/v2/bot/chat/markAsRead", body, token, visible=False))
    except NoReply:
        return


def _read_mark(message: Say | Notice, account: LineAccount) -> str | None:
    mark = message.memory.get("mark_as_read")
    return mark if account.mark_as_read and message.human and isinstance(mark, str) else None
