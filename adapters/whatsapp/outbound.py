"""Sending on WhatsApp: texts, files (uploaded first), notices and typing.

A 200 means accepted, nothing more: most refusals come later, as a status `failed` with one of the same codes. There is no retry key; our
outbox id travels as `biz_opaque_callback_data` and comes back with each status, which settles a send whose answer was lost.
Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Media", "Error codes" (read 2026).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta import graph
from adapters._meta.webhook import text_of
from adapters.contract import FileRule, Flow, FormFile, HttpReply, Sent
from adapters.envelope import Notice, Outbound, OutboundFile, Say, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.reading import dict_of, list_of
from adapters.text import as_link, rule_among
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.failures import ERRORS
from adapters.whatsapp.people import is_scoped

MAX_TEXT: Final = 4096
MAX_CAPTION: Final = 1024
WINDOW: Final = timedelta(hours=24)
_MB: Final = 1_000_000  # Meta doesn't say which megabyte; the smaller one is safe

# What is not among the first three goes as a document, as far as Meta takes it: its page lists "txt, pdf, doc, xls, ppt and other valid types",
# the upload takes the listed ones alone (seen by many since 2024). Source: "Media > Supported media types".
FILES: Final = (
    FileRule(media="image", mime_types=("image/jpeg", "image/png"), max_bytes=5 * _MB),
    FileRule(media="video", mime_types=("video/mp4", "video/3gpp"), max_bytes=16 * _MB),
    FileRule(
        media="audio",
        mime_types=("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"),
        max_bytes=16 * _MB,
        captions=False,
    ),
    FileRule(media="file", max_bytes=100 * _MB),
)
# A file of Opus sound is an Ogg file (RFC 7845, section 9); by its other name, Meta takes the upload and then refuses the message with 131053.
_SAME_TYPE: Final = {"audio/opus": "audio/ogg"}
_TYPES: Final = {"image": "image", "video": "video", "audio": "audio", "file": "document"}


# ----------------------------------------------------------------------------------------------------- sending


def send(message: Outbound, account: WhatsAppAccount, now: datetime) -> Flow[Sent]:
    """Say, notify or show typing."""
    if isinstance(message, TypingSignal):
        return (yield from _typing(message, account, now))
    check_window(message, now)
    content = yield from _content(message, account, now)
    body = {**_envelope(message), **content, "biz_opaque_callback_data": message.id}
    reply = yield graph.post(account, f"{account.phone_number_id}/messages", body, visible=True)
    return _sent(reply, message, now)


def check_window(message: Say | Notice, now: datetime) -> None:
    """Raise SendFailed when the 24 hours since the customer's last message are over: only templates may go then."""
    if message.last_inbound_at is not None and now - message.last_inbound_at > WINDOW:
        raise SendFailed(Verdict.dead, "outside_window")


def _envelope(message: Say | Notice) -> dict[str, Any]:
    """Whom it goes to: the number where the person has one that we know, else the business-scoped id in `recipient`."""
    common: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    known = message.memory.get("wa_id")
    if isinstance(known, str) and known in (message.to, *message.aliases):
        common["to"] = known
    elif is_scoped(message.to):
        common["recipient"] = message.to
    elif message.to.isdecimal():
        common["to"] = message.to
    else:  # the number that they were known by now belongs to somebody else
        raise SendFailed(Verdict.dead, "recipient_unreachable")
    if isinstance(message, Say) and message.reply_to:
        common["context"] = {"message_id": message.reply_to}
    return common


def _content(message: Say | Notice, account: WhatsAppAccount, now: datetime) -> Flow[dict[str, Any]]:
    if isinstance(message, Notice):
        return _text(_as_notice(message.text, account), account)
    if message.file is not None:
        return (yield from _file(message, message.file, account, now))
    if not message.text:
        raise Unsupported("WhatsApp can't carry an empty message: write a text or add a file")
    return _text(message.text, account)


def _text(text: str, account: WhatsAppAccount) -> dict[str, Any]:
    linked = account.link_previews and ("https://" in text or "http://" in text)
    return {"type": "text", "text": {"body": text, "preview_url": True} if linked else {"body": text}}


def _as_notice(text: str, account: WhatsAppAccount) -> str:
    """Italics hold within one line only, and an underscore inside would end them."""
    plain = "_" in text or "\n" in text
    return text if plain else account.notice_format.replace("{text}", text)


def _file(message: Say, file: OutboundFile, account: WhatsAppAccount, now: datetime) -> Flow[dict[str, Any]]:
    rule = rule_among(file, FILES)
    if rule is None:
        raise SendFailed(Verdict.dead, "media_refused")
    kind = _TYPES[rule.media]
    try:
        content = yield from _reference(file, account, now)
    except _TypeRefused:
        return _text(as_link(message.text or "", file), account)
    if message.text and rule.captions:
        content["caption"] = message.text
    if kind == "document":
        content["filename"] = file.name
    return {"type": kind, kind: content}


class _TypeRefused(Exception):
    """Meta doesn't take files of this type."""


def _reference(file: OutboundFile, account: WhatsAppAccount, now: datetime) -> Flow[dict[str, Any]]:
    """Upload the file, so that Meta needn't reach us; its id lives 30 days. Without bytes, the link. Raises _TypeRefused, SendFailed."""
    if not file.content:
        return {"link": file.url}
    mime_type = file.mime_type.partition(";")[0].strip().lower()
    mime_type = _SAME_TYPE.get(mime_type, mime_type)
    form = FormFile("file", file.name, mime_type, file.content)
    fields = {"messaging_product": "whatsapp", "type": mime_type}
    reply = yield graph.upload(account, f"{account.phone_number_id}/media", fields, form)
    media_id = text_of(graph.content(reply).get("id"))
    if not graph.good(reply) or media_id is None:
        raise _upload_failed(reply, now)
    return {"id": media_id}


def _upload_failed(reply: HttpReply, now: datetime) -> SendFailed | _TypeRefused:
    """Nothing was sent yet, so an unclear answer means again. A bad parameter can only be the file's type: all others are ours."""
    error = graph.error_of(reply)
    if error is not None and error.code == "100":
        return _TypeRefused(error.message)
    failed = graph.refused(reply, now, ERRORS)
    if failed.verdict is Verdict.unknown:
        return SendFailed(Verdict.again, "provider_unavailable", provider_code=failed.provider_code)
    return failed


def _sent(reply: HttpReply, message: Say | Notice, now: datetime) -> Sent:
    answer = graph.content(reply)
    if not graph.good(reply, answer):
        raise _failed(reply, message, now)
    ids = tuple(i for i in (text_of(dict_of(one).get("id")) for one in list_of(answer.get("messages"))) if i)
    if not ids:
        raise graph.unclear(reply)
    return Sent(message_ids=ids, remember=_number(answer))


def _number(answer: dict[str, Any]) -> dict[str, Any]:
    """WhatsApp may know the number in another form than we dialled (Brazil's ninth digit, Mexico's 1): keep theirs."""
    found = (text_of(dict_of(one).get("wa_id")) for one in list_of(answer.get("contacts")))
    number = next((one for one in found if one), None)
    return {"wa_id": number} if number else {}


def _failed(reply: HttpReply, message: Say | Notice, now: datetime) -> SendFailed:
    error = graph.error_of(reply)
    if error is not None and error.code == "131047" and _wrote_just_now(message, now):
        return _once_more(now, reply.status)
    return graph.refused(reply, now, ERRORS)


def _wrote_just_now(message: Say | Notice, now: datetime) -> bool:
    """Meta refuses at times although the window is open, and takes the same a minute later; we try for three."""
    inside = message.last_inbound_at is not None and now - message.last_inbound_at <= WINDOW
    return inside and now - message.created_at < timedelta(minutes=3)


def _once_more(now: datetime, status: int) -> SendFailed:
    again_at = now + timedelta(minutes=1)
    return SendFailed(Verdict.again, "provider_unavailable", provider_code="131047", status=status, again_at=again_at)


def _typing(message: TypingSignal, account: WhatsAppAccount, now: datetime) -> Flow[Sent]:
    """Typing hangs on the customer's last message, and marks it read. It ends by itself, so there is no call for that."""
    last = message.memory.get("last_message_id")
    if not message.on or not isinstance(last, str):
        return Sent()
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": last, "typing_indicator": {"type": "text"}}
    reply = yield graph.post(account, f"{account.phone_number_id}/messages", body, visible=False)
    if not graph.good(reply):
        raise graph.refused(reply, now, ERRORS)
    return Sent()
