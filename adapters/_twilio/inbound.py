"""What Twilio's webhooks say, in the common envelope: one message or one status each, never a batch.

There is no time in them. Sources: Twilio, "Twilio's request to your incoming message Webhook URL", "Outbound Message Status in
Status Callbacks", "Customize users' opt-in and opt-out experience with Advanced Opt-Out".
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from pydantic import JsonValue

from adapters import made
from adapters._twilio import failures, signature, wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.failures import OPTED_OUT
from adapters._twilio.wire import Fields
from adapters.contract import RawRequest
from adapters.envelope import (
    Address,
    ChoicePart,
    EndUser,
    Inbound,
    InboundEnded,
    InboundUnknown,
    LocationPart,
    MediaPart,
    Part,
    ReceiptStatus,
    SignedReading,
    UnknownPart,
)
from adapters.phone_numbers import other_spelling
from adapters.referral import Referral, referral
from adapters.replies import late_failure
from adapters.signing import sha256_hex

LAST_SID: Final = "last_sid"  # memory: their last message, to show typing under
WROTE_TO: Final = "wrote_to"  # memory: which number of a service's they wrote to last
BY_SERVICE: Final = "by_service"  # memory: the messaging service that it arrived through

_STATUSES: Final = {
    "sent": ReceiptStatus.sent,
    "partially_delivered": ReceiptStatus.sent,  # not all of its segments arrived, so not delivered
    "delivered": ReceiptStatus.delivered,
    "read": ReceiptStatus.read,
    "failed": ReceiptStatus.failed,  # Twilio didn't hand it on
    "undelivered": ReceiptStatus.failed,  # the carrier or channel didn't
    "canceled": ReceiptStatus.failed,
}
_ANSWERED: Final = frozenset({"STOP", "START", "HELP"})  # OptOutType: Twilio has replied to these itself
_NUMBER: Final = re.compile(r"(whatsapp:)?\+?[0-9]{3,15}")  # a phone number or a short code
_MEDIA: Final = tuple((f"MediaUrl{index}", f"MediaContentType{index}") for index in range(20))  # Twilio sends 10 at most
_ADDRESSES: Final = frozenset(address for address, _ in _MEDIA)
_USED: Final = frozenset(
    f"Referral{name}" for name in ("SourceType", "SourceId", "Headline", "Body", "SourceUrl", "MediaUrl", "CtwaClid")
)
_PLACE: Final = {"FromCity": "city", "FromState": "state", "FromZip": "zip", "FromCountry": "country"}


@dataclass(frozen=True)
class Manner:
    """What differs between the channels: which words end a conversation, and whether a picture carries the text as its caption."""

    stop_words: frozenset[str] = frozenset()
    start_words: frozenset[str] = frozenset()
    captions: bool = False
    prefix: str = ""  # before every address of the channel; webhooks were seen without it


class _Webhook(NamedTuple):
    """One webhook; what all its events share."""

    request: RawRequest
    account: TwilioAccount
    manner: Manner
    signed: SignedReading

    def common(self, event_id: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What every event carries."""
        return {
            "channel_id": self.account.channel_id,
            "event_id": event_id,
            "received_at": self.request.received_at,
            "raw": dict(raw),
            "signed": self.signed,
        }

    def unknown(self, reason: str, raw: Mapping[str, Any], meant_for: str | None = None) -> InboundUnknown:
        """Something kept for operators."""
        digest = sha256_hex(self.request.url.encode("utf-8", "replace") + self.request.body)[:32]
        common = self.common(f"{raw.get('MessageSid') or 'event'}:{digest}", raw)
        return InboundUnknown(**common, reason=reason, meant_for=meant_for)


def parse(request: RawRequest, account: TwilioAccount, manner: Manner) -> list[Inbound]:
    """The events of one webhook; at least one. Raises NotUnderstood if the body isn't a form."""
    told = wire.form(request)
    hook = _Webhook(request, account, manner, signature.reading(request, told))
    if told is None and not wire.is_form(request) and isinstance(event := wire.loads(request.body), dict | list):
        return [hook.unknown("json_event", {"body": event})]
    fields = wire.read(request, told)
    try:
        return list(_events(fields, hook))
    except ValueError:
        return [hook.unknown("malformed", fields)]


def _events(fields: Fields, hook: _Webhook) -> Iterator[Inbound]:
    sid = _sid(fields)
    if sid and not wire.is_sid(sid):
        yield hook.unknown("malformed", fields)
    elif status := _status(fields):
        yield _receipt(status, fields, hook)
    elif not sid:
        yield hook.unknown("call" if "CallSid" in fields else fields.get("EventType", "no_message"), fields)
    elif not fields.get("From"):
        yield hook.unknown("no_sender", fields)
    elif other := _other_than_ours(fields, hook.account):
        yield hook.unknown("other_number", fields, meant_for=other)
    else:
        yield from _message(sid, fields, hook)


def _sid(fields: Fields) -> str:
    """The message's id; older callbacks have one of the other names only."""
    return fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid") or ""


def _status(fields: Fields) -> str:
    """The status of a message of ours; empty for a message to us."""
    status = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower()
    return "" if status in ("received", "receiving") else status


def _other_than_ours(fields: Fields, account: TwilioAccount) -> str | None:
    """The number (or service) that the customer wrote to, if it isn't this channel's: an answer from ours would come from a stranger.

    A service has many numbers, and answers go out from the one that was written to (`outbound`).
    """
    to, service, own = fields.get("To", ""), fields.get("MessagingServiceSid", ""), account.own_number
    if account.messaging_service_sid:
        return service if service not in ("", account.messaging_service_sid) else None
    return to if to and own and _bare(to) != _bare(own) else None


def _bare(number: str) -> str:
    return number.removeprefix("whatsapp:").strip().removeprefix("+")


# ------------------------------------------------------------------------------------------------- messages


def _message(sid: str, fields: Fields, hook: _Webhook) -> Iterator[Inbound]:
    end_user = _end_user(fields, hook.manner)
    opt_out = fields.get("OptOutType", "").upper()
    consent = opt_out or _keyword(fields, hook.manner)
    yield made.message(
        **hook.common(sid, fields),
        end_user=end_user,
        remember={LAST_SID: sid, **_written_to(fields, hook.account), **_remembered(consent)},
        message_id=sid,
        parts=tuple(_parts(fields, hook)),
        reply_to=fields.get("OriginalRepliedMessageSid") or None,
        forwarded=_forwarded(fields),
        referral=_referral(fields),
        automatic_reply=opt_out in _ANSWERED,
    )
    if consent == "STOP":
        yield InboundEnded(**hook.common(f"{sid}:opted_out", fields), end_user=end_user, reason="opted_out")


def _forwarded(fields: Fields) -> Literal["once", "often"] | None:
    """WhatsApp's marks, as texts."""
    if fields.get("FrequentlyForwarded", "").lower() == "true":
        return "often"
    return "once" if fields.get("Forwarded", "").lower() == "true" else None


def _referral(fields: Fields) -> Referral | None:
    """The ad or post of Meta's that the customer clicked on (WhatsApp). Source: Twilio, "WhatsApp-specific parameters"."""
    given = {name.removeprefix("Referral"): value for name, value in fields.items() if value and name.startswith("Referral")}
    if not given:
        return None
    return referral(
        "ad" if given.get("SourceType") == "ad" else "post" if given.get("SourceType") == "post" else "other",
        id=given.get("SourceId"),
        headline=given.get("Headline"),
        body=given.get("Body"),
        url=given.get("SourceUrl"),
        media_url=given.get("MediaUrl"),
        click_id=given.get("CtwaClid"),
        given={f"Referral{name}": value for name, value in given.items()},
        used=_USED,
    )


def _keyword(fields: Fields, manner: Manner) -> str:
    """STOP or START, if the whole text is such a word, as carriers read it. A button titled "Cancel" doesn't count."""
    word = "" if _choice(fields) else fields.get("Body", "").strip().lower()
    if word in manner.stop_words:
        return "STOP"
    return "START" if word in manner.start_words else ""


def _remembered(consent: str) -> dict[str, JsonValue]:
    if consent == "STOP":
        return {OPTED_OUT: True}
    return {OPTED_OUT: None} if consent == "START" else {}


def _written_to(fields: Fields, account: TwilioAccount) -> dict[str, JsonValue]:
    """With a service: which of its numbers they know us by. An RCS sender (`rcs:…`) is the service's own to pick."""
    if not account.messaging_service_sid:
        return {}
    to = fields.get("To", "")
    number = to if _NUMBER.fullmatch(to) else None
    return {WROTE_TO: number, BY_SERVICE: (fields.get("MessagingServiceSid") or None) if number else None}


def _end_user(fields: Fields, manner: Manner) -> EndUser:
    """Who wrote: the address that answers go to, then the ids of WhatsApp's beside it, and a number's other spelling, to be matched alone."""
    ids = [one for one in (fields.get("ExternalUserId", ""), fields.get("ParentExternalUserId", "")) if one]
    place: dict[str, JsonValue] = {name: fields[theirs] for theirs, name in _PLACE.items() if fields.get(theirs)}
    return _person(fields["From"], ids, manner, fields.get("ProfileName") or None, place)


def _person(
    address: str, ids: list[str], manner: Manner, name: str | None = None, profile: dict[str, JsonValue] | None = None
) -> EndUser:
    first, *others = [Address(_addressed(one, manner)) for one in (address, *ids)]
    other = other_spelling(first)
    spellings = (first, Address(other)) if other else (first,)
    return made.end_user(
        address=first,
        aliases=tuple([one for one in dict.fromkeys((*others, *spellings)) if one != first]) if others or other else (),
        lent=tuple([one for one in spellings if _NUMBER.fullmatch(one)]) if manner.prefix else (),
        name=name,
        profile=profile or {},
    )


def _addressed(address: str, manner: Manner) -> str:
    """With the channel's prefix, and a plus before a number's digits: without them the same person would be another, whom nothing reaches."""
    if not manner.prefix or address.startswith(manner.prefix):
        return address
    return f"{manner.prefix}{'+' if address.isdecimal() else ''}{address}"


def _parts(fields: Fields, hook: _Webhook) -> list[Part]:
    body, media, choice = _body(fields), _media(fields, hook.request), _choice(fields)
    if choice and body in ("", choice.title):
        body = ""
    if hook.manner.captions and len(media) == 1 and body:
        media, body = [media[0].model_copy(update={"caption": body})], ""
    parts: list[Part] = [made.text(text=body)] if body else []
    parts += [choice] if choice else []
    parts += media
    parts += [place] if (place := _location(fields)) else []
    return parts or [_nothing(fields)]


def _nothing(fields: Fields) -> UnknownPart:
    """A message without anything that we can read: a file without address, a kind that Twilio added, or really empty."""
    kind = fields.get("MessageType") or ("media" if wire.number(fields.get("NumMedia")) else "empty")
    return UnknownPart(provider_type=kind, fallback="[empty message]" if kind in ("empty", "text") else f"[{kind}]")


def _media(fields: Fields, request: RawRequest) -> list[MediaPart]:
    """The files, each at its own address at Twilio; there is no file name."""
    found: list[MediaPart] = []
    if _ADDRESSES.isdisjoint(fields):
        return found
    for address, kind in _MEDIA:
        if url := fields.get(address):
            mime_type = fields.get(kind, "").lower() or None
            source: dict[str, JsonValue] = {"url": url, "since": request.received_at.isoformat()}
            found.append(MediaPart(media=_family(mime_type), mime_type=mime_type, source=source))
    return found


def _family(mime_type: str | None) -> Any:
    family = (mime_type or "").partition("/")[0]
    return family if family in ("image", "video", "audio") else "file"


def _location(fields: Fields) -> LocationPart | None:
    latitude, longitude = wire.number(fields.get("Latitude")), wire.number(fields.get("Longitude"))
    if latitude is None or longitude is None:
        return None
    return LocationPart(
        latitude=latitude, longitude=longitude, name=fields.get("Label") or None, address=fields.get("Address") or None
    )


def _choice(fields: Fields) -> ChoicePart | None:
    """A pressed button, a picked list item, or a filled form (RCS and WhatsApp only)."""
    written = fields.get("FlowData") or fields.get("InteractiveData")
    form = wire.loads(written) if written else None
    picked = fields.get("ButtonPayload") or fields.get("ListId")
    title = fields.get("ButtonText") or fields.get("ListTitle") or ""
    if not (picked or title or form):
        return None
    answers = form if isinstance(form, dict) else {"answer": form} if form else {}
    return ChoicePart(id=picked or None, title=title or fields.get("Body") or picked or "[form]", fields=answers)


# ------------------------------------------------------------------------------------- the text and its oddities


def _body(fields: Fields) -> str:
    body = fields.get("Body", "")
    return body if fields.get("MediaUrl0") else _unwrapped(body)


def _unwrapped(body: str) -> str:
    """A long text that some carriers hand over in base64, as an SMS or as an MMS without files; anything else as it is.

    It may be cut anywhere, also inside a character, which is then left out. Words happen to be base64 too, so only what is long and turns into
    readable text counts.
    """
    if len(body) < 60:
        return body
    try:
        content = base64.b64decode(body[: len(body) - len(body) % 4], validate=True)
    except (binascii.Error, ValueError):
        return body
    text = _whole_characters(content)
    readable = text is not None and all(letter.isprintable() or letter in "\r\n\t" for letter in text)
    return text if text is not None and readable else body


def _whole_characters(content: bytes) -> str | None:
    """UTF-8, without what is left of a last character that was cut; None for other bytes."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return None


# ------------------------------------------------------------------------------------------------- the rest


def _receipt(status: str, fields: Fields, hook: _Webhook) -> Inbound:
    """What became of a message of ours; `m` in the address is our own id, so that no callback comes too early to be matched."""
    known, sid = _STATUSES.get(status), _sid(fields)
    if known is None or not sid:
        return hook.unknown(f"status_{status}", fields)
    failed = known is ReceiptStatus.failed
    provider_code = (fields.get("ErrorCode") or None) if failed else None
    detail = fields.get("ErrorMessage") or None
    why = late_failure(failures.MEANINGS.get(provider_code or ""), provider_code, detail) if failed else {}
    return made.receipt(
        **hook.common(f"{sid}:{status}", fields),
        end_user=_person(fields["To"], [], hook.manner) if fields.get("To") else None,
        remember={OPTED_OUT: True} if why.get("code") == "opted_out" else {},
        status=known,
        message_ids=(sid,),
        outbox_id=hook.request.param("m") or None,
        **why,
    )
