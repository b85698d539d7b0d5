"""Events of visitors, as the chat service posts them. Dict readers, lenient: an event we don't know costs only itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from adapters import made, standard_webhooks
from adapters.contract import RawRequest
from adapters.envelope import (
    Address,
    ChoicePart,
    EndUser,
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundProfile,
    InboundReceipt,
    InboundTyping,
    InboundUnknown,
    MediaPart,
    Part,
    ReceiptStatus,
    UnknownPart,
)
from adapters.errors import NotUnderstood
from adapters.reading import Fields, Malformed, count, dict_of, each, json_object, list_of, moment, optional, text
from adapters.referral import Referral, referral
from adapters.webchat.account import WebchatAccount

_RECEIPTS: Final[Mapping[Any, ReceiptStatus]] = {"read": ReceiptStatus.read, "delivered": ReceiptStatus.delivered}


def verify(request: RawRequest, account: WebchatAccount, now: datetime) -> None:
    """The chat service signs the raw body with one of the account's secrets."""
    standard_webhooks.check(request.headers, request.body, account.secrets, now)


def parse(request: RawRequest, account: WebchatAccount) -> list[Inbound]:
    """All events of the request, in order. Raises NotUnderstood unless it is an object with a list of events."""
    body = json_object(request.body)
    if not isinstance(body.get("events"), list):
        raise NotUnderstood("the body has no list of `events`")
    try:
        visitor = _end_user(dict_of(body.get("visitor")))
    except ValueError:  # without a visitor every event is malformed
        visitor = None
    return each(request, account, _single(body["events"]), lambda event, fields: _read(event, visitor, fields))


def _single(events: Iterable[Any]) -> Iterator[tuple[str | None, Any]]:
    """The events with their ids; a receipt for many messages as one for each, since a receipt of ours names one outbox id."""
    for event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        messages = list_of(event.get("messages")) if kind in ("read", "delivered") else []
        for message in messages:
            yield f"{kind}:{optional(dict_of(message), 'id')}", {**event, "messages": [message]}
        if not messages:
            yield optional(dict_of(event), "id"), event


def _read(event: Any, visitor: EndUser | None, fields: Fields) -> Inbound:
    if not isinstance(event, dict) or visitor is None:
        raise Malformed("an event is an object, of a visitor with an id")
    text(event, "id")
    common = {**fields, "end_user": visitor, "provider_time": moment(event.get("at"))}
    kind = event.get("type")
    if kind == "message":
        return _message(event, common)
    if kind in ("read", "delivered"):
        return _receipt(_RECEIPTS[kind], event, common)
    if kind == "typing":
        return InboundTyping(**common, on=bool(event.get("on")))
    if kind == "ended":
        return InboundEnded(**common | {"remember": {"ended_at": optional(event, "at")}}, reason="ended")
    if kind == "profile":
        return InboundProfile(**common)
    return InboundUnknown(**common, reason=optional(event, "type") or "no_type")


def _message(event: dict[str, Any], common: Fields) -> InboundMessage:
    message = dict_of(event.get("message"))
    return made.message(
        **common,
        message_id=text(message, "id"),
        parts=(_part(message),),
        reply_to=optional(message, "reply_to"),
        referral=_page(dict_of(event.get("page"))),
    )


def _page(page: dict[str, Any]) -> Referral | None:
    """The page of the site that the visitor writes from."""
    used = frozenset({"url", "title"})
    return referral("page", url=page.get("url"), headline=page.get("title"), given=page, used=used)


def _part(message: dict[str, Any]) -> Part:
    words, file, choice = optional(message, "text"), message.get("file"), message.get("choice")
    if isinstance(file, dict):
        return _media(file, words)
    if isinstance(choice, dict):
        return ChoicePart(id=optional(choice, "id"), title=optional(choice, "title") or words or "")
    if words:
        return made.text(text=words)
    return UnknownPart(provider_type="message", fallback="[the visitor sent something that this version can't show]")


def _media(file: dict[str, Any], caption: str | None) -> MediaPart:
    mime_type = optional(file, "mime_type")
    return MediaPart(
        media=_family(mime_type),
        mime_type=mime_type,
        name=optional(file, "name"),
        size_bytes=count(file, "size_bytes"),
        caption=caption,
        source={"file_id": text(file, "id")},
    )


def _family(mime_type: str | None) -> Literal["image", "video", "audio", "file"]:
    family = (mime_type or "").partition("/")[0]
    return next((known for known in ("image", "video", "audio") if known == family), "file")


def _receipt(status: ReceiptStatus, event: dict[str, Any], common: Fields) -> InboundReceipt:
    message = dict_of(next(iter(list_of(event.get("messages"))), None))
    return made.receipt(**common, status=status, message_ids=(text(message, "id"),), outbox_id=optional(message, "outbox_id"))


def _end_user(visitor: dict[str, Any]) -> EndUser:
    """What the visitor says about themself (form, page) is in `profile`; `username` only has what the site has verified."""
    verified = visitor.get("verified") is True
    profile = {key: visitor[key] for key in ("email", "page", "prechat") if visitor.get(key)}
    return made.end_user(
        address=Address(text(visitor, "id")),
        aliases=tuple(Address(alias) for alias in list_of(visitor.get("aliases")) if isinstance(alias, str)),
        name=optional(visitor, "name"),
        username=optional(visitor, "subject") if verified else None,
        locale=optional(visitor, "locale"),
        profile={**profile, "verified": verified},
    )
