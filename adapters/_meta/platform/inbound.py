"""Webhooks of the Messenger Platform, for both Messenger and Instagram: every kind of event.

A delivery holds entries, an entry holds events (`messaging`), or those of a thread that another app holds now (`standby`).
Sources: Meta for Developers, Messenger Platform, "Webhooks reference", "Conversation routing"; Instagram, "Messaging webhooks" (read 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapters import made
from adapters._meta import webhook
from adapters._meta.account import PlatformAccount
from adapters._meta.platform import people, wire
from adapters._meta.webhook import NoSense, digest_of, needed, text_of
from adapters.contract import RawRequest
from adapters.envelope import (
    Author,
    EndUser,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundHandover,
    InboundMessage,
    InboundReaction,
    InboundReferral,
    InboundUnknown,
    Part,
    ReceiptStatus,
    TextPart,
)
from adapters.reading import dict_of, kept, list_of
from adapters.referral import Referral

_ABOUT: Final = {"sender", "recipient", "timestamp", "optin_ref", "prior_message"}
_OUR_IDS: Final = ("msg_", "ntc_")
# Apps of Meta's own that answer conversations. Source: Messenger Platform, "Conversation routing".
_INBOXES: Final = {"263902037430900": "Meta's inbox", "1217981644879628": "Meta's inbox"}


def parse(request: RawRequest, account: PlatformAccount, kind: str) -> list[Inbound]:
    """All events of a delivery, in order. `kind` is the `object` that this channel is for: `page` or `instagram`."""
    body = webhook.read(request)
    if body.get("object") != kind:
        return [_Reader(request, account, {}).unknown("other_object", body, meant_for=webhook.object_of(body))]
    return webhook.gathered(_Reader(request, account, entry).events() for entry in webhook.objects_in(body, "entry"))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one entry; what all its events share is at hand."""

    request: RawRequest
    account: PlatformAccount
    entry: dict[str, Any]

    def events(self) -> Iterator[Inbound]:
        """The entry's events, in their order."""
        known = text_of(self.entry.get("id"))
        if known is not None and known != self.account.own_id:
            yield self.unknown("other_account", self.entry, meant_for=known)
            return
        found = False
        for name, read in (("messaging", _Reader.event), ("standby", _Reader.standby), ("changes", _Reader.changed)):
            for item in webhook.listed(self.entry, name):
                found = True
                yield self._one(item, read)
        if not found:
            yield self.unknown("empty", self.entry)

    def _one(self, item: object, read: Callable[[_Reader, dict[str, Any]], Inbound]) -> Inbound:
        try:
            return read(self, dict_of(item))
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            return self.unknown("malformed", dict_of(item) or {"item": item})

    def event(self, item: dict[str, Any]) -> Inbound:
        """One of `messaging[]`: it is what its key says."""
        for key, read in _EVENTS.items():
            if isinstance(item.get(key), dict):
                return read(self, item, item[key])
        reason = next((key for key in item if key not in _ABOUT), None)
        if reason is None:
            raise NoSense("nothing in it")
        return self.unknown(reason, item, self._customer(item))

    def standby(self, item: dict[str, Any]) -> Inbound:
        """Another app holds the thread, and answers. What is said is kept aside; receipts and changes mean what they always do."""
        found = self.event(item)
        if self.account.read_standby or not isinstance(found, InboundMessage | InboundReferral):
            return found
        return found.model_copy(update={"standby": True, "event_id": f"standby:{found.event_id}"})

    def changed(self, item: dict[str, Any]) -> Inbound:
        """Some events come as `{"field", "value"}`, with the same in `value`."""
        value = dict_of(item.get("value"))
        if "sender" in value:
            return self.standby(value) if item.get("field") == "standby" else self.event(value)
        return self.unknown(text_of(item.get("field")) or "nothing", item)

    # ---------------------------------------------------------------------------------------------- what is shared

    def _customer(self, item: dict[str, Any]) -> EndUser | None:
        """Whoever of sender and recipient isn't we."""
        return people.customer_of(item, self.account.own_id)

    def _known_customer(self, item: dict[str, Any]) -> EndUser:
        customer = self._customer(item)
        if customer is None:
            raise NoSense("nobody on the other side")
        return customer

    def common(self, event_id: str, item: dict[str, Any], end_user: EndUser | None) -> dict[str, Any]:
        """What every event carries."""
        return {
            "channel_id": self.account.channel_id,
            "event_id": event_id,
            "end_user": end_user,
            "provider_time": wire.time_of(item.get("timestamp")),
            "received_at": self.request.received_at,
            "raw": item,
        }

    def unknown(self, reason: str, item: dict[str, Any], end_user: EndUser | None = None, **more: Any) -> InboundUnknown:
        """Something kept for operators."""
        raw, reason = kept(item), reason or "nameless"
        return InboundUnknown(**self.common(f"{reason}:{digest_of(raw)}", raw, end_user), reason=reason, **more)

    # ------------------------------------------------------------------------------------------------- messages

    def _message(self, item: dict[str, Any], message: dict[str, Any]) -> Inbound:
        mid, end_user = needed(message.get("mid"), "message.mid"), self._known_customer(item)
        if message.get("is_echo") is True:
            return self._echo(item, message, mid, end_user)
        if message.get("is_deleted") is True:
            return InboundDeletion(**self.common(f"deletion:{mid}", item, end_user), message_id=mid)
        return self._said(item, message, mid, end_user, wire.parts_of(message))

    def _said(
        self, item: dict[str, Any], holder: dict[str, Any], mid: str, end_user: EndUser, parts: tuple[Part, ...]
    ) -> Inbound:
        return made.message(
            **self.common(mid, item, end_user),
            message_id=mid,
            parts=parts,
            reply_to=wire.quoted(holder),
            remember=people.remembered(end_user),
            referral=wire.referral_of(holder),
        )

    def _echo(self, item: dict[str, Any], message: dict[str, Any], mid: str, end_user: EndUser) -> Inbound:
        """Our own app's: it was sent. Another's (the inbox is one): our side said something elsewhere, nobody knows who."""
        metadata = text_of(message.get("metadata")) or ""
        ours = metadata if metadata.startswith(_OUR_IDS) else None
        if text_of(message.get("app_id")) == self.account.app_id:
            return made.receipt(
                **self.common(f"echo:{mid}", item, end_user), status=ReceiptStatus.sent, message_ids=(mid,), outbox_id=ours
            )
        if message.get("is_deleted") is True:
            return self.unknown("echo_deleted", item, end_user)
        return made.message(
            **self.common(mid, item, end_user),
            message_id=mid,
            author=Author.business,
            parts=wire.parts_of(message),
            reply_to=wire.quoted(message),
        )

    def _postback(self, item: dict[str, Any], postback: dict[str, Any]) -> Inbound:
        mid = text_of(postback.get("mid")) or f"postback:{digest_of(kept(item))}"
        return self._said(item, postback, mid, self._known_customer(item), (wire.postback_part(postback),))

    def _order(self, item: dict[str, Any], order: dict[str, Any]) -> Inbound:
        mid = f"order:{digest_of(kept(item))}"
        return self._said(item, order, mid, self._known_customer(item), (wire.order_part(order),))

    def _edit(self, item: dict[str, Any], edit: dict[str, Any]) -> Inbound:
        mid = needed(edit.get("mid"), "message_edit.mid")
        return InboundEdit(
            **self.common(f"edit:{mid}:{text_of(edit.get('num_edit'))}", item, self._known_customer(item)),
            message_id=mid,
            parts=(TextPart(text=needed(edit.get("text"), "message_edit.text")),),
        )

    def _reaction(self, item: dict[str, Any], reaction: dict[str, Any]) -> Inbound:
        customer, mid = self._known_customer(item), needed(reaction.get("mid"), "reaction.mid")
        if text_of(dict_of(item.get("sender")).get("id")) == self.account.own_id:
            return self.unknown("echo_reaction", item, customer)
        return InboundReaction(
            **self.common(f"reaction:{digest_of(kept(item))}", item, customer),
            message_id=mid,
            emoji=wire.emoji_of(reaction),
        )

    # ------------------------------------------------------------------------------------------------- receipts

    def _delivery(self, item: dict[str, Any], delivery: dict[str, Any]) -> Inbound:
        return self._mark(item, ReceiptStatus.delivered, delivery)

    def _read(self, item: dict[str, Any], read: dict[str, Any]) -> Inbound:
        return self._mark(item, ReceiptStatus.read, read)

    def _mark(self, item: dict[str, Any], status: ReceiptStatus, mark: dict[str, Any]) -> Inbound:
        """A watermark: all that was sent until then. Deliveries may name messages, Instagram's reads name one."""
        mids = [*list_of(mark.get("mids")), mark.get("mid")]
        named = tuple(mid for mid in map(text_of, mids) if mid)
        until = wire.time_of(mark.get("watermark"))
        if until is None and not named:
            raise NoSense("neither a watermark nor a message")
        return made.receipt(
            **self.common(f"{status}:{digest_of(kept(item))}", item, self._known_customer(item)),
            status=status,
            message_ids=named,
            up_to=until,
        )

    # ---------------------------------------------------------------------------------------------------- rest

    def _passed(self, item: dict[str, Any], handover: dict[str, Any]) -> Inbound:
        """Told to the new owner, which is the app that holds the thread from now on."""
        return self._handover(item, handover, "pass_thread_control", self.account.app_id)

    def _taken(self, item: dict[str, Any], handover: dict[str, Any]) -> Inbound:
        """Told to the app that held the thread until now."""
        return self._handover(item, handover, "take_thread_control", None)

    def _handover(self, item: dict[str, Any], handover: dict[str, Any], key: str, default: str | None) -> Inbound:
        """The thread went to another app, or came to us. `previous_owner_app_id` is null where nobody held it."""
        customer, ours = self._customer(item), self.account.app_id
        before, owner = text_of(handover.get("previous_owner_app_id")), text_of(handover.get("new_owner_app_id"))
        remember = {"thread_owner": owner} if owner and customer else {}
        if customer is None or ((owner or default) != ours and before not in (None, ours)):
            return self.unknown(key, item, customer, remember=remember)  # between two other apps
        to_us = (owner or default) == ours
        return self._change(item, customer, "to_us" if to_us else "away", before if to_us else owner, handover, remember=remember)

    def _requested(self, item: dict[str, Any], request: dict[str, Any]) -> Inbound:
        """Another app asks us, who hold the thread, to pass it."""
        asking = text_of(request.get("requested_owner_app_id"))
        return self._change(item, self._known_customer(item), "requested", asking, request)

    def _change(
        self,
        item: dict[str, Any],
        customer: EndUser,
        change: Literal["to_us", "away", "requested"],
        app_id: str | None,
        told: dict[str, Any],
        **more: Any,
    ) -> Inbound:
        return InboundHandover(
            **self.common(f"{change}:{digest_of(kept(item))}", item, customer),
            change=change,
            may_answer=change == "away" and self.account.take_thread,
            app=_INBOXES.get(app_id or ""),
            app_id=app_id,
            metadata=told.get("metadata"),
            **more,
        )

    def _referral(self, item: dict[str, Any], given: dict[str, Any]) -> Inbound:
        """The customer opened the thread by a link or an ad, and has said nothing yet."""
        return self._came(item, "referral", wire.referral_in(given))

    def _optin(self, item: dict[str, Any], optin: dict[str, Any]) -> Inbound:
        """An agreement to be written to; the end of one (`STOP NOTIFICATIONS`) is none, and is kept for operators."""
        kind = text_of(optin.get("type"))
        reason = f"optin_{kind}" if kind else "optin"
        if (text_of(optin.get("notification_messages_status")) or "").upper().startswith("STOP"):
            return self.unknown(reason, item, self._customer(item))
        return self._came(item, reason, wire.optin_in(optin))

    def _came(self, item: dict[str, Any], reason: str, referral: Referral | None) -> Inbound:
        """A checkbox's event names nobody but a reference, and nothing can be answered to it before it is used."""
        known = text_of(dict_of(item.get("sender")).get("id")) not in (None, self.account.own_id)
        customer = self._customer(item)
        if referral is None or customer is None or not known:
            return self.unknown(reason, item, customer)
        event_id = f"{reason}:{digest_of(kept(item))}"
        return InboundReferral(**self.common(event_id, item, customer), referral=referral)

    def _policy(self, item: dict[str, Any], policy: dict[str, Any]) -> Inbound:
        """Meta warns, blocks or unblocks the Page; no customer is concerned."""
        return self.unknown(f"policy_{text_of(policy.get('action')) or 'enforcement'}", item)


# In this order: a message may carry a referral, and is a message.
_EVENTS: Final[dict[str, Callable[[_Reader, dict[str, Any], dict[str, Any]], Inbound]]] = {
    "message": _Reader._message,
    "postback": _Reader._postback,
    "message_edit": _Reader._edit,
    "reaction": _Reader._reaction,
    "delivery": _Reader._delivery,
    "read": _Reader._read,
    "order": _Reader._order,
    "optin": _Reader._optin,
    "policy_enforcement": _Reader._policy,
    "pass_thread_control": _Reader._passed,
    "take_thread_control": _Reader._taken,
    "request_thread_control": _Reader._requested,
    "referral": _Reader._referral,
}
