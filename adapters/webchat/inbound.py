"""Events of visitors, as the chat service posts them. Dict readers, lenient: an event we don't know costs only itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from adapters import standard_webhooks
from adapters.contract import RawRequest
from adapters.envelope import (
    Address,
    ChoicePart,
    EndUser,
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundReceipt,
    InboundTyping,
    InboundUnknown,
    MediaPart,
    Part,
    ReceiptStatus,
    TextPart,
    UnknownPart,
)
from adapters.errors import NotUnderstood
from adapters.webchat.account import WebchatAccount

_Reader = Callable[[dict[str, Any], EndUser, dict[str, Any]], Iterator[Inbound]]


def verify(request: RawRequest, account: WebchatAccount, now: datetime) -> None:
    """The chat service signs the raw body with one of the account's secrets."""
    standard_webhooks.check(request.headers, request.body, account.secrets, now)


def parse(request: RawRequest, account: WebchatAccount) -> list[Inbound]:
    """All events of the request, in order. Raises NotUnderstood when it is no object with a list of events."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("the body is no JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("events"), list):
        raise NotUnderstood("the body is no object with a list of `events`")
    visitor = body.get("visitor")
    return [one for raw in body["events"] for one in _event(raw, visitor, account, request.received_at)]


def _event(raw: Any, visitor: Any, account: WebchatAccount, received_at: datetime) -> Iterator[Inbound]:
    try:
        common = {
            "channel_id": account.channel_id,
            "event_id": _text(raw["id"], needed=True),
            "provider_time": _time(raw.get("at")),
            "received_at": received_at,
            "raw": raw,
        }
        read: _Reader = _KINDS.get(raw.get("type"), _unknown)
        yield from read(raw, _end_user(visitor), common)
    except (KeyError, TypeError, ValueError, AttributeError):
        yield _malformed(raw, account, received_at)


def _malformed(raw: Any, account: WebchatAccount, received_at: datetime) -> InboundUnknown:
    content = json.dumps(raw, sort_keys=True).encode()
    return InboundUnknown(
        channel_id=account.channel_id,
        event_id=f"malformed:{hashlib.sha256(content).hexdigest()}",
        received_at=received_at,
        reason="malformed",
        raw=raw if isinstance(raw, dict) else {"value": raw},
    )


def _message(raw: dict[str, Any], end_user: EndUser, common: dict[str, Any]) -> Iterator[Inbound]:
    message = raw["message"]
    yield InboundMessage(
        **common,
        end_user=end_user,
        message_id=_text(message["id"], needed=True),
        parts=tuple(_parts(message)),
        reply_to=_text(message.get("reply_to")),
        referral=_object(raw.get("page")),
    )


def _parts(message: dict[str, Any]) -> Iterator[Part]:
    text, file, choice = _text(message.get("text")), message.get("file"), message.get("choice")
    if isinstance(file, dict):
        yield _media(file, text)
    elif isinstance(choice, dict):
        yield ChoicePart(id=_text(choice.get("id")), title=_text(choice.get("title")) or text or "")
    elif text:
        yield TextPart(text=text)
    else:
        yield UnknownPart(provider_type="message", fallback="[the visitor sent something this version can't show]")


def _media(file: dict[str, Any], caption: str | None) -> MediaPart:
    mime_type = _text(file.get("mime_type"))
    size = file.get("size_bytes")
    return MediaPart(
        media=_family(mime_type),
        mime_type=mime_type,
        name=_text(file.get("name")),
        size_bytes=size if isinstance(size, int) else None,
        caption=caption,
        source={"file_id": _text(file["id"], needed=True)},
    )


def _family(mime_type: str | None) -> Literal["image", "video", "audio", "file"]:
    family = (mime_type or "").partition("/")[0]
    return next((known for known in ("image", "video", "audio") if known == family), "file")


def _receipts(status: ReceiptStatus) -> _Reader:
    """One receipt a message: each is known by our outbox id, and a receipt of our own form names just one."""

    def receipts(raw: dict[str, Any], end_user: EndUser, common: dict[str, Any]) -> Iterator[Inbound]:
        for message in raw["messages"]:
            yield InboundReceipt(
                **{**common, "event_id": f"{status}:{_text(message['id'], needed=True)}"},
                end_user=end_user,
                status=status,
                message_ids=(message["id"],),
                outbox_id=_text(message.get("outbox_id")),
            )

    return receipts


def _typing(raw: dict[str, Any], end_user: EndUser, common: dict[str, Any]) -> Iterator[Inbound]:
    yield InboundTyping(**common, end_user=end_user, on=bool(raw["on"]))


def _ended(raw: dict[str, Any], end_user: EndUser, common: dict[str, Any]) -> Iterator[Inbound]:
    yield InboundEnded(**common, end_user=end_user, reason="ended")


def _unknown(raw: dict[str, Any], end_user: EndUser, common: dict[str, Any]) -> Iterator[Inbound]:
    yield InboundUnknown(**common, end_user=end_user, reason=_text(raw.get("type")) or "no_type")


_KINDS: Final[Mapping[Any, _Reader]] = {
    "message": _message,
    "read": _receipts(ReceiptStatus.read),
    "delivered": _receipts(ReceiptStatus.delivered),
    "typing": _typing,
    "ended": _ended,
}


def _end_user(visitor: Any) -> EndUser:
    """What the visitor told of themself (form, page) stands in `profile`; `username` only what the site has proven."""
    prechat = _object(visitor.get("prechat"))
    verified = visitor.get("verified") is True
    profile = {key: visitor[key] for key in ("email", "page") if visitor.get(key)}
    return EndUser(
        address=Address(_text(visitor["id"], needed=True) or ""),
        aliases=tuple(Address(alias) for alias in visitor.get("aliases") or () if isinstance(alias, str)),
        name=_text(visitor.get("name")),
        username=_text(visitor.get("subject")) if verified else None,
        locale=_text(visitor.get("locale")),
        profile={**profile, "verified": verified, **({"prechat": prechat} if prechat else {})},
    )


def _text(value: Any, *, needed: bool = False) -> Any:
    """A text that isn't empty, or None; raises ValueError where one is needed."""
    if isinstance(value, str) and value:
        return value
    if needed:
        raise ValueError("a text is needed")
    return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
