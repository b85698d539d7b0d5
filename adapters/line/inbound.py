"""LINE's webhooks: proving them, and reading their events.

One body may hold several events, of several users; a body without any is the console's connection check. LINE promises each
event at least once, in no promised order; `webhookEventId` is the same on each redelivery.
Source: LINE Developers, "Messaging API reference", webhooks; webhook.yml in github.com/line/line-openapi.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from adapters import made
from adapters.contract import RawRequest
from adapters.envelope import (
    Address,
    ChoicePart,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundHandover,
    InboundUnknown,
    ReceiptStatus,
    from_unix,
)
from adapters.errors import NotAuthentic
from adapters.line import memory, wire
from adapters.line.account import LineAccount
from adapters.line.contents import part
from adapters.line.wire import Json, Malformed
from adapters.signing import any_same, hmac_base64, require_secrets

SIGNATURE_HEADER: Final = "x-line-signature"


def verify(request: RawRequest, account: LineAccount, now: datetime) -> None:
    """The signature is the base64 HMAC-SHA256 of the raw body under the channel secret (used as text, not decoded).

    Neither URL nor time is signed, so a replay is only told by its event ids.
    Source: LINE Developers, "Verify webhook signature".
    """
    secrets = require_secrets(account.channel_secrets, "channel secret")
    given = request.headers.get(SIGNATURE_HEADER)
    if given is None:
        raise NotAuthentic(f"{SIGNATURE_HEADER} is missing", status=401)
    if not any_same(given, [hmac_base64(secret, request.body) for secret in secrets]):
        raise NotAuthentic(f"{SIGNATURE_HEADER} does not match the body", hint="check that the channel secret is the current one")


def parse(request: RawRequest, account: LineAccount) -> list[Inbound]:
    """Every event, in order; none for a connection check."""
    destination, events = wire.read_webhook(request.body)
    ours = destination is None or account.bot_user_id in (None, destination)
    return [_read(event, account, request.received_at, None if ours else destination) for event in events]


def _read(event: Any, account: LineAccount, received_at: datetime, meant_for: str | None) -> Inbound:
    common = _Common(event if isinstance(event, dict) else {}, account, received_at, meant_for is None)
    try:
        if not isinstance(event, dict):
            raise Malformed("the event is not an object")
        return _sort(event, common, meant_for)
    except (Malformed, ValidationError):
        return _unknown(event, common, "malformed")


def _sort(event: Json, common: _Common, meant_for: str | None) -> Inbound:
    kind = wire.text(event, "type")
    if meant_for is not None:
        return _unknown(event, common, "other_account", meant_for)
    source = wire.inner(event, "source").get("type")
    if source in ("group", "room"):
        return _unknown(event, common, "group")  # we serve people one by one
    if _is_check(event):
        return _unknown(event, common, "connection_check")
    reader = _READERS.get(kind)
    if reader is None:
        return _unknown(event, common, _REASONS.get(kind, kind))
    return reader(event, common)


def _is_check(event: Json) -> bool:
    """The console's old check sends events with dummy tokens (all 0, all f); answering them fails.

    Source: github.com/line/line-bot-sdk-python/issues/188
    """
    return event.get("replyToken") in ("0" * 32, "f" * 32)


class _Common:
    """The fields that every envelope has."""

    def __init__(self, event: Json, account: LineAccount, received_at: datetime, ours: bool) -> None:
        self.account = account
        self.event = event
        self.received_at = received_at
        self.happened_at = from_unix(event.get("timestamp"), unit="ms")
        # Whoever writes in a group must not be taken for the same person alone: their reply token answers to all.
        source = wire.inner(event, "source")
        alone = ours and source.get("type") == "user" and not _is_check(event)
        user_id = wire.optional(source, "userId") if alone else None
        self.end_user = made.end_user(address=Address(user_id)) if user_id else None

    def fields(self, **remember: JsonValue) -> dict[str, Any]:
        """For an envelope's constructor; `remember` joins the reply token."""
        return {
            "channel_id": self.account.channel_id,
            "event_id": wire.optional(self.event, "webhookEventId") or _digest(self.event),
            "end_user": self.end_user,
            "provider_time": self.happened_at,
            "received_at": self.received_at,
            "remember": {**self._reply_token(), **remember},
            "raw": self.event,
        }

    def said(self, **remember: JsonValue) -> dict[str, Any]:
        """The same, of an event that proves that the customer has not blocked us."""
        self.require_end_user()
        return self.fields(heard_at=self.milliseconds, **remember)

    def require_end_user(self) -> None:
        """Raises Malformed if the event doesn't say whose it is."""
        if self.end_user is None:
            raise Malformed("source.userId is missing")

    @property
    def milliseconds(self) -> int:
        """When it happened, by LINE's clock; by ours if LINE gives no time."""
        return round((self.happened_at or self.received_at).timestamp() * 1000)

    def _reply_token(self) -> dict[str, JsonValue]:
        token = wire.optional(self.event, "replyToken")
        return memory.reply_token(token, self.received_at) if token and self.end_user else {}


def _digest(event: object) -> str:
    """An id for an event that has none, the same on each delivery."""
    content = {k: v for k, v in event.items() if k != "deliveryContext"} if isinstance(event, Mapping) else event
    return "sha256-" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unknown(event: Any, common: _Common, reason: str, meant_for: str | None = None) -> InboundUnknown:
    fields = common.fields() | {"meant_for": meant_for}
    if not isinstance(event, dict):
        fields |= {"event_id": _digest(event), "raw": {"event": event}}
    reason = reason or "nameless"
    try:
        return InboundUnknown(reason=reason, **fields)
    except ValidationError:  # nested deeper than we keep
        return InboundUnknown(reason=reason, **fields | {"raw": {"event": json.dumps(event)}})


# -------------------------------------------------------------------------------------------------- events


def _message(event: Json, common: _Common) -> Inbound:
    message = wire.inner(event, "message")
    message_id = wire.text(message, "id")
    token = wire.optional(message, "markAsReadToken")
    remember = memory.quotable(message_id, wire.optional(message, "quoteToken")) | ({"mark_as_read": token} if token else {})
    return made.message(
        **common.said(**remember),
        message_id=message_id,
        parts=(part(message),),
        reply_to=wire.optional(message, "quotedMessageId"),
        standby=_standby(event),
    )


def _standby(event: Json) -> bool:
    """Another tool of the account has the chat at present and answers it; we only listen. Source: LINE Developers, "Control chat
    initiative" (module channels)."""
    return event.get("mode") == "standby"


def _activated(event: Json, common: _Common) -> Inbound:
    """The chat is ours to answer."""
    common.require_end_user()
    return InboundHandover(**common.fields(), change="to_us")


def _deactivated(event: Json, common: _Common) -> Inbound:
    """Another tool of the account answers now."""
    common.require_end_user()
    return InboundHandover(**common.fields(), change="away")


def _edited(event: Json, common: _Common) -> Inbound:
    """Not sent for one-to-one chats so far (2026-07); if it comes, it reads as in groups."""
    message = wire.inner(event, "message")
    return InboundEdit(**common.said(), message_id=wire.text(message, "id"), parts=(part(message),))


def _unsend(event: Json, common: _Common) -> Inbound:
    """LINE asks us to respect it: what was taken back must not be shown. Source: LINE Developers, "Development guidelines"."""
    return InboundDeletion(**common.said(), message_id=wire.text(wire.inner(event, "unsend"), "messageId"))


def _postback(event: Json, common: _Common) -> Inbound:
    """A tapped button or a picked date. LINE sends what we gave as `data`, not the words on the button."""
    postback = wire.inner(event, "postback")
    data, params = wire.text(postback, "data"), wire.inner(postback, "params")
    if "newRichMenuAliasId" in params:
        return _unknown(event, common, "menu_switch")  # the customer turned a page of the menu, and said nothing
    picked = next((wire.optional(params, key) for key in ("datetime", "date", "time") if key in params), None)
    choice = ChoicePart(id=data, title=picked or data or "[postback]", fields=dict(params))
    fields = common.said()
    return made.message(**fields, message_id=fields["event_id"], parts=(choice,), standby=_standby(event))


def _unfollow(event: Json, common: _Common) -> Inbound:
    """The customer blocked the account."""
    common.require_end_user()
    return InboundEnded(**common.fields(blocked_at=common.milliseconds, **memory.no_reply_token()), reason="blocked")


def _follow(event: Json, common: _Common) -> Inbound:
    """The customer added or unblocked the account: a contact, and no conversation until they write."""
    return InboundUnknown(**common.said(), reason="follow")


def _video_seen(event: Json, common: _Common) -> Inbound:
    """A video was watched to its end; its tracking id is our message's."""
    outbox_id = outbox_id_of(wire.text(wire.inner(event, "videoPlayComplete"), "trackingId"))
    if outbox_id is None:
        return _unknown(event, common, "video_play_complete")  # a video that another tool sent
    return made.receipt(**common.said(), status=ReceiptStatus.read, outbox_id=outbox_id)


def tracking_id(outbox_id: str) -> str:
    """Our message's id as LINE takes it for a video: no underscores. Source: LINE Developers, "Video message", `trackingId`."""
    return outbox_id.replace("_", ".", 1)


def outbox_id_of(tracking: str) -> str | None:
    """The other way round; None: not ours."""
    return tracking.replace(".", "_", 1) if tracking.startswith(("msg.", "ntc.")) else None


_READERS: Final[Mapping[str, Callable[[Json, _Common], Inbound]]] = {
    "message": _message,
    "messageEdited": _edited,
    "unsend": _unsend,
    "postback": _postback,
    "unfollow": _unfollow,
    "follow": _follow,
    "videoPlayComplete": _video_seen,
    "activated": _activated,
    "deactivated": _deactivated,
}

# Events that are kept, but say nothing in a conversation. What is not listed keeps LINE's own word as its reason.
_REASONS: Final[Mapping[str, str]] = {
    "join": "group",
    "leave": "group",
    "memberJoined": "group",
    "memberLeft": "group",
    "beacon": "beacon",
    "accountLink": "account_link",
    "membership": "membership",
    "module": "module",
    "botSuspended": "bot_suspended",
    "botResumed": "bot_resumed",
    "delivery": "phone_number_delivery",  # of a notification addressed by phone number, which we never send
}
