"""Sending on WhatsApp: texts, files (uploaded first), notices and typing; and fetching the customer's files.

A 200 means accepted, nothing more: most refusals come later, as a status `failed` with one of the same codes. There is no retry key; our
outbox id travels as `biz_opaque_callback_data` and comes back with each status, which settles a send whose answer was lost.
Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Media", "Error codes" (read 2026).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from adapters._meta import graph
from adapters._meta.webhook import dict_of, list_of, text_of
from adapters.contract import Fetched, FileRule, Flow, FormFile, HttpCall, HttpReply, Sent
from adapters.envelope import MediaPart, Notice, Outbound, OutboundFile, Say, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import AGAIN, REFUSED, SENTENCES, THROTTLED, Meaning
from adapters.text import rule_among
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.wire import is_scoped

MAX_TEXT: Final = 4096
MAX_CAPTION: Final = 1024
WINDOW: Final = timedelta(hours=24)
_MB: Final = 1_000_000  # Meta doesn't say which megabyte; the smaller one is safe

# What is not among the first three goes as a document. Source: "Media > Supported media types".
FILES: Final = (
    FileRule(media="image", mime_types=("image/jpeg", "image/png"), max_bytes=5 * _MB),
    FileRule(media="video", mime_types=("video/mp4", "video/3gpp"), max_bytes=16 * _MB),
    FileRule(
        media="audio",
        mime_types=("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
        max_bytes=16 * _MB,
        captions=False,
    ),
    FileRule(media="file", max_bytes=100 * _MB),
)
_TYPES: Final = {"image": "image", "video": "video", "audio": "audio", "file": "document"}


def _dead(code: str) -> Meaning:
    return Meaning(Verdict.dead, code)


_ACCOUNT: Final = _dead("account_fault")
_CONTENT: Final = _dead("content_refused")
_TOKEN: Final = _dead("not_authorised")
_SLOWER: Final = Meaning(Verdict.again, "rate_limited", wait=timedelta(minutes=1), throttles_account=True)
_MUCH_SLOWER: Final = Meaning(Verdict.again, "rate_limited", wait=timedelta(hours=1), throttles_account=True)

# Never by HTTP status alone: the rate limits come with 400. Source: "Error codes".
ERRORS: Final[Mapping[str, Meaning]] = {
    # token, permission, configuration: nothing goes out until an operator mends it
    "0": _TOKEN,
    "190": _TOKEN,
    "10": _TOKEN,
    **{str(code): _TOKEN for code in range(200, 300)},
    "131005": _TOKEN,
    "3": _ACCOUNT,
    "33": _ACCOUNT,  # the number was deleted
    "368": _ACCOUNT,  # blocked for a breach of policy
    "130497": _ACCOUNT,  # this country isn't allowed to the business
    "131031": _ACCOUNT,  # locked
    "131037": _ACCOUNT,  # display name not approved
    "131042": _ACCOUNT,  # payment
    "131045": _ACCOUNT,  # registration
    "133010": _ACCOUNT,  # not registered
    "131030": _ACCOUNT,  # a test number, and the customer not among its five
    # slower, please
    "4": _SLOWER,  # calls of the app
    "80007": _SLOWER,  # of the business account
    "130429": THROTTLED,  # of the number
    "131056": Meaning(Verdict.again, "rate_limited", wait=timedelta(seconds=6)),  # too many to this one customer
    "131048": _MUCH_SLOWER,  # too many were reported as spam
    "131064": _MUCH_SLOWER,
    "133016": _MUCH_SLOWER,  # registration calls
    "131057": Meaning(Verdict.again, "provider_unavailable", wait=timedelta(minutes=5), throttles_account=True),  # maintenance
    # passing trouble
    "1": AGAIN,
    "2": AGAIN,
    "131000": AGAIN,
    "131016": AGAIN,
    "133000": AGAIN,
    "133004": AGAIN,
    "131053": Meaning(Verdict.again, "media_not_ready", wait=timedelta(seconds=30)),  # the upload failed on their side
    # window and consent
    "131047": _dead("outside_window"),
    "131049": _dead("filtered"),  # held back for the ecosystem's health
    "131050": _dead("opted_out"),  # of marketing
    "130472": _dead("filtered"),  # the customer is part of an experiment
    "131063": _dead("filtered"),
    # recipient and content
    "131026": _dead("recipient_unreachable"),  # also a customer who blocked us; Meta doesn't tell which
    "131021": _dead("recipient_unreachable"),  # to ourselves
    "131062": _CONTENT,  # not to a business-scoped id
    "100": _CONTENT,
    "131008": _CONTENT,
    "131009": _CONTENT,
    "131051": _CONTENT,
    "131052": _dead("media_refused"),
    "135000": REFUSED,
    "137000": _dead("recipient_unreachable"),  # the identity hash is no longer the customer's
    # templates
    "132000": _CONTENT,
    "132001": _ACCOUNT,
    "132005": _dead("too_long"),
    "132007": _CONTENT,
    "132012": _CONTENT,
    "132015": _ACCOUNT,  # paused
    "132016": _ACCOUNT,  # disabled
    "132068": _ACCOUNT,
    "132069": _SLOWER,
    # groups, which we don't write to
    **{str(code): REFUSED for code in (131020, 131041, *range(131201, 131216))},
}


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
        raise SendFailed(Verdict.dead, "outside_window", SENTENCES["outside_window"])


def _envelope(message: Say | Notice) -> dict[str, Any]:
    """Whom it goes to: the number where we know it, else the business-scoped id in `recipient`."""
    common: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    known = message.memory.get("wa_id")
    if not is_scoped(message.to):
        common["to"] = message.to
    elif isinstance(known, str) and known:
        common["to"] = known
    else:
        common["recipient"] = message.to
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
        raise SendFailed(Verdict.dead, "media_refused", SENTENCES["media_refused"])
    kind = _TYPES[rule.media]
    content = yield from _reference(file, account, now)
    if message.text and rule.captions:
        content["caption"] = message.text
    if kind == "document":
        content["filename"] = file.name
    return {"type": kind, kind: content}


def _reference(file: OutboundFile, account: WhatsAppAccount, now: datetime) -> Flow[dict[str, Any]]:
    """Upload the file, so that Meta needn't reach us; its id lives 30 days. Without bytes, the link."""
    if not file.content:
        return {"link": file.url}
    mime_type = file.mime_type.partition(";")[0].strip().lower()
    form = FormFile("file", file.name, mime_type, file.content)
    fields = {"messaging_product": "whatsapp", "type": mime_type}
    reply = yield graph.upload(account, f"{account.phone_number_id}/media", fields, form)
    media_id = text_of(graph.content(reply).get("id"))
    if not graph.good(reply) or media_id is None:
        raise _upload_failed(reply, now)
    return {"id": media_id}


def _upload_failed(reply: HttpReply, now: datetime) -> SendFailed:
    """Nothing was sent yet, so an unclear answer means again; a bad parameter can only be the file."""
    failed = graph.refused(reply, now, {**ERRORS, "100": _dead("media_refused")})
    if failed.verdict is Verdict.unknown:
        return SendFailed(
            Verdict.again, "provider_unavailable", SENTENCES["provider_unavailable"], provider_code=failed.provider_code
        )
    return failed


def _sent(reply: HttpReply, message: Say | Notice, now: datetime) -> Sent:
    if not graph.good(reply):
        raise _failed(reply, message, now)
    answer = graph.content(reply)
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
        return _once_more(now)
    return graph.refused(reply, now, ERRORS)


def _wrote_just_now(message: Say | Notice, now: datetime) -> bool:
    """Meta refuses at times although the window is open, and takes the same a minute later; we try for three."""
    inside = message.last_inbound_at is not None and now - message.last_inbound_at <= WINDOW
    return inside and now - message.created_at < timedelta(minutes=3)


def _once_more(now: datetime) -> SendFailed:
    again_at = now + timedelta(minutes=1)
    return SendFailed(
        Verdict.again, "outside_window", SENTENCES["provider_unavailable"], provider_code="131047", again_at=again_at
    )


def _typing(message: TypingSignal, account: WhatsAppAccount, now: datetime) -> Flow[Sent]:
    """Typing hangs on the customer's last message, and marks it read. It ends by itself, so there is no call for that."""
    last = message.memory.get("last_message_id")
    if not message.on or not isinstance(last, str):
        return Sent()
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": last, "typing_indicator": {"type": "text"}}
    reply = yield graph.post(account, f"{account.phone_number_id}/messages", body)
    if not graph.good(reply):
        raise graph.refused(reply, now, ERRORS)
    return Sent()


# ----------------------------------------------------------------------------------------------- fetching files


def media(part: MediaPart, account: WhatsAppAccount, now: datetime) -> Flow[Fetched]:
    """Look the file's address up, then fetch it there. An address dies after 5 minutes, so a 404 asks for a fresh one, once.

    `phone_number_id` is not added to the look-up: for a customer's file that fails.
    """
    media_id = text_of(part.source.get("id"))
    if media_id is None:
        raise SendFailed(Verdict.dead, "media_gone", SENTENCES["media_gone"])
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


_LOOKING: Final = {**ERRORS, "100": _dead("media_gone"), "131052": _dead("media_gone")}


def _gone() -> SendFailed:
    return SendFailed(Verdict.dead, "media_gone", SENTENCES["media_gone"], provider_code="http_404")


def _download(found: HttpReply, account: WhatsAppAccount) -> HttpCall:
    address = text_of(graph.content(found).get("url"))
    if address is None:
        raise SendFailed(Verdict.again, "media_not_ready", SENTENCES["media_not_ready"], provider_code="no_url")
    ours = address.startswith(account.api_base + "/")
    headers = graph.bearer(account)
    if not ours and not _trusted(address, account):
        del headers["authorization"]  # never show our token to a host that isn't Meta's
    return HttpCall("GET", address, headers, foreign=not ours, timeout_seconds=120.0, max_reply_bytes=FILES[-1].max_bytes + _MB)


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
        raise SendFailed(Verdict.again, "media_not_ready", SENTENCES["media_not_ready"], provider_code="sha256")
    mime_type = text_of(found.get("mime_type")) or part.mime_type or reply.headers.get("content-type")
    return Fetched(reply.body, mime_type=mime_type, name=part.name)


def _fits(body: bytes, expected: str) -> bool:
    """Meta writes the digest in base64 here and in hex there."""
    digest = hashlib.sha256(body)
    plain = base64.b64encode(digest.digest()).decode().rstrip("=")
    no_digest = len(expected) not in (len(plain), len(plain) + 1, 64)
    return no_digest or expected.lower() == digest.hexdigest() or expected.rstrip("=") == plain
