"""The calls to Twilio: create a message, fetch a file. Sources: Twilio, "Messages resource" and "Media resource"."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Final, NoReturn
from urllib.parse import quote, urlencode, urljoin

from adapters._twilio import failures, wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.failures import OPTED_OUT
from adapters._twilio.inbound import BY_SERVICE, WROTE_TO
from adapters.contract import Fetched, Flow, HttpCall, HttpReply, Sent
from adapters.envelope import MediaPart, Notice, OutboundFile, Say
from adapters.errors import SendFailed, Verdict
from adapters.replies import failure

MAX_FILE_BYTES: Final = 26_214_400  # more than any of Twilio's channels lets a customer send
_REDIRECTS: Final = (301, 302, 303, 307, 308)
# The webhook may be faster than the file store; past this time a missing file isn't late but deleted.
_SETTLES_IN: Final = timedelta(minutes=10)

# By hand, as Python's own table is that of the machine it runs on.
_ENDINGS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "video/quicktime": ".mov",
    "audio/amr": ".amr",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/calendar": ".ics",
    "application/pdf": ".pdf",
}

Form = list[tuple[str, str]]


def dead(code: str, provider_code: str | None = None) -> NoReturn:
    """Refuse for good, before any call, with the sentence of that code."""
    raise SendFailed(Verdict.dead, code, provider_code=provider_code)


def refuse_opted_out(message: Say | Notice) -> None:
    """Twilio would answer 21610, and with a service only later, in a callback; so nothing is sent after STOP until START."""
    if message.memory.get(OPTED_OUT):
        dead("opted_out")


def create(message: Say | Notice, account: TwilioAccount, now: datetime, sender: str | None, content: Form) -> Flow[Sent]:
    """Create the message; `content` is its body, files or template."""
    form: Form = [
        ("To", message.to),
        *_sender(message, account, sender),
        *content,
        ("StatusCallback", status_callback(account, message.id)),
    ]
    if account.validity_seconds:
        form.append(("ValidityPeriod", str(account.validity_seconds)))
    url, content_type = f"{account.resources}/Messages.json", "application/x-www-form-urlencoded"
    reply = yield _post(url, account, urlencode(form).encode(), content_type, visible=True)
    if not 200 <= reply.status < 300:
        raise failures.failed(reply, now)
    return _sent(reply)


def status_callback(account: TwilioAccount, outbox_id: str) -> str:
    """The address for Twilio's status callbacks. The query returns our id; the fragment makes Twilio retry."""
    overrides = f"#{account.connection_overrides}" if account.connection_overrides else ""
    return f"{account.webhook_url}/status?m={quote(outbox_id, safe='')}{overrides}"


def show_typing(account: TwilioAccount, base: str, sid: str, now: datetime) -> Flow[Sent]:
    """Mark a message of the customer's as read, and show that we type (WhatsApp only)."""
    body = json.dumps({"channel": "WHATSAPP", "messageId": sid}).encode()
    reply = yield _post(f"{base}/v3/Indicators/Typing.json", account, body, "application/json", visible=False)
    if not 200 <= reply.status < 300:
        raise failures.failed(reply, now)
    return Sent()


def body_and_file(text: str | None, file: OutboundFile | None) -> Form:
    """The fields of a text, a file, or both."""
    form = [("Body", text)] if text else []
    return form + ([("MediaUrl", file.url)] if file else [])


def media(part: MediaPart, account: TwilioAccount, now: datetime) -> Flow[Fetched]:
    """Fetch a file of the customer's. Our credentials go to this account's own resources alone, and never along a redirect."""
    url = str(part.source.get("url", ""))
    reply = yield _get(url, account)
    for _ in range(3):
        if reply.status not in _REDIRECTS:
            break
        url = urljoin(url, reply.headers.get("location", ""))
        reply = yield _get_elsewhere(url, account)
    if reply.status != 200:
        raise _not_fetched(reply, part, now)
    mime_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower() or part.mime_type
    return Fetched(content=reply.body, mime_type=mime_type, name=part.name or _name(part, mime_type))


# ------------------------------------------------------------------------------------------------ the pieces


def _sender(message: Say | Notice, account: TwilioAccount, sender: str | None) -> Form:
    """With a service, the number that the customer wrote to, which is one of the service's; where that isn't known, the service picks, and
    keeps to it for each customer. Without one, our own. Source: Twilio, "Messages resource": `From` beside `MessagingServiceSid` names a
    sender of its pool."""
    if not account.messaging_service_sid:
        return [("From", sender or "")]
    service = ("MessagingServiceSid", account.messaging_service_sid)
    number = message.memory.get(WROTE_TO)
    if not isinstance(number, str) or not number:
        return [service]
    known_by_service = message.memory.get(BY_SERVICE) == account.messaging_service_sid
    return [service, ("From", number)] if known_by_service else [("From", number)]


def _authorization(account: TwilioAccount) -> str:
    return "Basic " + base64.b64encode(":".join(account.credentials).encode()).decode()


def _post(url: str, account: TwilioAccount, body: bytes, content_type: str, *, visible: bool) -> HttpCall:
    headers = {"authorization": _authorization(account), "content-type": content_type, "accept": "application/json"}
    return HttpCall("POST", url, headers=headers, body=body, visible=visible)


def _get(url: str, account: TwilioAccount) -> HttpCall:
    """With our credentials where the file is this account's own; else, as for any address from outside, without."""
    if not url.startswith(f"{account.resources}/"):
        return _get_elsewhere(url, account)
    return HttpCall("GET", url, headers={"authorization": _authorization(account)}, max_reply_bytes=MAX_FILE_BYTES)


def _get_elsewhere(url: str, account: TwilioAccount) -> HttpCall:
    """Without credentials: Twilio redirects to signed addresses of its file store, which refuse them."""
    ours = url.startswith(f"{account.api_base}/")
    if not (ours or url.startswith("https://")):
        dead("media_address_refused" if url else "media_gone")
    return HttpCall("GET", url, foreign=not ours, max_reply_bytes=MAX_FILE_BYTES)


def _sent(reply: HttpReply) -> Sent:
    sid = wire.members(reply).get("sid")
    return Sent(message_ids=(sid,) if isinstance(sid, str) and sid else ())


def _not_fetched(reply: HttpReply, part: MediaPart, now: datetime) -> SendFailed:
    if reply.status == 404 and now - _since(part, now) < _SETTLES_IN:
        return SendFailed(Verdict.again, "media_not_ready", provider_code="http_404")
    if reply.status in (400, 404, 410):
        return SendFailed(Verdict.dead, "media_gone", provider_code=f"http_{reply.status}")
    return failure(reply, now)


def _since(part: MediaPart, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(part.source.get("since", "")))
    except ValueError:
        return now - _SETTLES_IN


def _name(part: MediaPart, mime_type: str | None) -> str:
    """The last part of the file's address with the ending of its type, as Twilio gives no name."""
    stem = str(part.source.get("url", "")).partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"{stem[:64] or part.media}{_ENDINGS.get(mime_type or '', '')}"
