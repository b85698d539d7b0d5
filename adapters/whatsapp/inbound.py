"""WhatsApp's webhooks: verification, and every kind of change that they report.

A delivery holds up to 1,000 changes, of messages, statuses, echoes of the phone app and account matters, mixed; each becomes an event of
its own, and one that makes no sense costs only itself. Sources: Meta for Developers, WhatsApp Cloud API, "Webhooks > Reference" (read 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from adapters import made
from adapters._meta import graph, webhook
from adapters._meta.webhook import NoSense, digest_of, needed, number_of, text_of
from adapters.contract import Answer, RawRequest
from adapters.envelope import (
    Author,
    CallPart,
    EndUser,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundHandover,
    InboundMessage,
    InboundReaction,
    InboundUnknown,
    ReceiptStatus,
    TextPart,
)
from adapters.reading import dict_of, kept, list_of
from adapters.replies import late_failure
from adapters.whatsapp import people, wire
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.failures import ERRORS
from adapters.whatsapp.wire import Change


def handshake(request: RawRequest, account: WhatsAppAccount) -> Answer | None:
    """Answer Meta's subscription call."""
    return webhook.handshake(request, account.verify_token)


def verify(request: RawRequest, account: WhatsAppAccount, now: datetime) -> None:
    """Raise NotAuthentic unless Meta signed these bytes. There is no signed time: nothing here can be too old."""
    webhook.verify(request, account.app_secrets)


def parse(request: RawRequest, account: WhatsAppAccount) -> list[Inbound]:
    """All events of a delivery, in order."""
    body = webhook.read(request)
    if body.get("object") != "whatsapp_business_account":
        return [
            _Reader(request, account, Change("", {}, {}), {}).unknown("other_object", body, meant_for=webhook.object_of(body))
        ]
    return webhook.gathered(
        _Reader(request, account, change, people.contacts_in(change.value)).events() for change in wire.changes(body)
    )


class _Reader(NamedTuple):
    """Reads one change; what all its events share is at hand."""

    request: RawRequest
    account: WhatsAppAccount
    change: Change
    contacts: people.Contacts

    def events(self) -> Iterator[Inbound]:
        """The change's events, in their order."""
        number = self.change.phone_number_id
        if number is not None and number != self.account.phone_number_id:
            yield self.unknown("other_number", self.change.value, meant_for=number)
        elif self.change.field == "standby":
            yield from self._standby()
        elif self.change.field == "messaging_handovers":
            yield self._one(self.change.value, _Reader.handover)
        elif self.change.field not in _LISTS:
            yield self.unknown(self.change.field, self.change.value)
        else:
            yield from self._listed(_LISTS[self.change.field])

    def _listed(self, lists: dict[str, Callable[[_Reader, dict[str, Any]], Inbound]]) -> Iterator[Inbound]:
        found = False
        for name, read in lists.items():
            for item in webhook.listed(self.change.value, name):
                found = True
                yield self._one(item, read)
        if not found:
            yield self.unknown("empty", self.change.value)

    def _one(self, item: object, read: Callable[[_Reader, dict[str, Any]], Inbound]) -> Inbound:
        try:
            return read(self, dict_of(item))
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            return self.unknown("malformed", dict_of(item) or {"item": item})

    def common(self, event_id: str, item: dict[str, Any], end_user: EndUser | None) -> dict[str, Any]:
        """What every event carries."""
        return {
            "channel_id": self.account.channel_id,
            "event_id": event_id,
            "end_user": end_user,
            "provider_time": wire.time_of(item),
            "received_at": self.request.received_at,
            "raw": item,
        }

    def unknown(self, reason: str, item: dict[str, Any], end_user: EndUser | None = None, **more: Any) -> InboundUnknown:
        """Something kept for operators. Account matters have no id: theirs is made from content and time of the delivery."""
        raw, reason = kept(item), reason or "nameless"
        event_id = f"{reason}:{digest_of(raw, text_of(self.change.entry.get('time')))}"
        return InboundUnknown(**self.common(event_id, raw, end_user), reason=reason, **more)

    def _standby(self) -> Iterator[Inbound]:
        """Another responder (Meta's agent) is answering the customer; the messages of both are one level deeper. They are kept aside,
        receipts and changes mean what they always do. Source: "Webhooks > Reference > standby" (August 2026).
        """
        value = dict_of(self.change.value.get("standby")) or self.change.value  # some relays leave the level out
        inner = Change("standby", {**self.change.value, **value}, self.change.entry)
        reader = _Reader(self.request, self.account, inner, people.contacts_in(inner.value))
        for found in reader._listed(_STANDBY):
            aside = isinstance(found, InboundMessage) and found.author is not Author.provider
            yield found.model_copy(update={"standby": True, "event_id": f"standby:{found.event_id}"}) if aside else found

    # ------------------------------------------------------------------------------------------------ messages

    def message(self, item: dict[str, Any]) -> Inbound:
        """One of `messages[]`."""
        end_user = people.changed(item, self.contacts) if people.is_change(item) else people.sender_of(item, self.contacts)
        if end_user is None:
            raise NoSense("no sender")
        if text_of(item.get("group_id")):
            return self.unknown("group", item, end_user)
        read = _KINDS.get(text_of(item.get("type")) or "", _Reader._said)
        return read(self, item, end_user)

    def _said(self, item: dict[str, Any], end_user: EndUser) -> Inbound:
        message_id = needed(item.get("id"), "id")
        return made.message(
            **self.common(message_id, item, end_user),
            message_id=message_id,
            parts=wire.parts_of(item),
            reply_to=wire.quoted(item),
            forwarded=wire.forwarded(item),
            referral=wire.referral_of(item),
            remember=_memory(end_user, message_id),
        )

    def _reaction(self, item: dict[str, Any], end_user: EndUser, author: Author = Author.end_user) -> Inbound:
        reaction = dict_of(item.get("reaction"))
        event_id = needed(item.get("id"), "id")
        return InboundReaction(
            **self.common(event_id, item, end_user),
            author=author,
            message_id=needed(reaction.get("message_id"), "reaction.message_id"),
            emoji=text_of(reaction.get("emoji")),  # "" or nothing: taken back
            remember=_number(end_user) if author is Author.end_user else {},  # typing can't hang on a reaction
        )

    def _edit(self, item: dict[str, Any], end_user: EndUser, author: Author = Author.end_user) -> Inbound:
        edit = dict_of(item.get("edit"))
        event_id = needed(item.get("id"), "id")
        return InboundEdit(
            **self.common(event_id, item, end_user),
            author=author,
            message_id=needed(edit.get("original_message_id"), "edit.original_message_id"),
            parts=wire.parts_of(dict_of(edit.get("message"))),
        )

    def _revoke(self, item: dict[str, Any], end_user: EndUser, author: Author = Author.end_user) -> Inbound:
        original = needed(dict_of(item.get("revoke")).get("original_message_id"), "revoke.original_message_id")
        event_id = needed(item.get("id"), "id")
        return InboundDeletion(**self.common(event_id, item, end_user), author=author, message_id=original)

    def _system(self, item: dict[str, Any], end_user: EndUser) -> Inbound:
        """WhatsApp's own words: a changed number, a changed id, a changed identity. The thread stays, and follows the person."""
        message_id, system = needed(item.get("id"), "id"), dict_of(item.get("system"))
        words = text_of(system.get("body")) or f"[{(text_of(system.get('type')) or 'system').replace('_', ' ')}]"
        return made.message(
            **self.common(message_id, item, end_user),
            message_id=message_id,
            author=Author.provider,
            parts=(TextPart(text=words),),
            remember={"wa_id": people.number_among(end_user)} if end_user.formerly else _number(end_user),
        )

    # ------------------------------------------------------------------------------------------------ statuses

    def status(self, item: dict[str, Any]) -> Inbound:
        """One of `statuses[]`: the status of a message of ours."""
        message_id, status = needed(item.get("id"), "id"), needed(item.get("status"), "status")
        end_user = people.recipient_of(item, self.contacts)
        if text_of(item.get("recipient_type")) == "group":
            return self.unknown("group", item, end_user)
        if status not in _STATUSES:
            return self.unknown(f"status_{status}", item, end_user)
        return made.receipt(
            **self.common(f"{message_id}:{status}", item, end_user),
            status=_STATUSES[status],
            message_ids=(message_id,),
            outbox_id=text_of(item.get("biz_opaque_callback_data")),
            **(_why(item) if status == "failed" else {}),
        )

    # ----------------------------------------------------------------------------------- echoes, people, account

    def echo(self, item: dict[str, Any]) -> Inbound:
        """What staff wrote in the WhatsApp Business app. It doesn't say who; what we send by the API is never echoed."""
        number, scoped = item.get("to"), item.get("to_user_id")
        end_user = people.person(number, scoped, None, people.contact_of(self.contacts, number, scoped))
        message_id, kind = needed(item.get("id"), "id"), text_of(item.get("type"))
        if end_user is None:
            raise NoSense("no recipient")
        if change := _CHANGES.get(kind or ""):
            return change(self, item, end_user, Author.business)
        return made.message(
            **self.common(message_id, item, end_user),
            message_id=message_id,
            author=Author.business,
            parts=wire.parts_of(item),
            reply_to=wire.quoted(item),
            forwarded=wire.forwarded(item),
        )

    def preference(self, item: dict[str, Any]) -> Inbound:
        """The customer's choice about marketing. Answers to what they ask stay allowed, so nothing ends here."""
        number, scoped = item.get("wa_id"), item.get("user_id")
        end_user = people.person(number, scoped, None, people.contact_of(self.contacts, number, scoped))
        value = text_of(item.get("value")) or "choice"
        return self.unknown(f"marketing_{value}", item, end_user, remember={"marketing": value} if end_user else {})

    def renamed(self, item: dict[str, Any]) -> Inbound:
        """A new business-scoped id, as a person gets with a new number. An older form of `user_changed_user_id`; nobody can subscribe to it."""
        end_user = people.updated(item, self.contacts)
        number = people.number_among(end_user) if end_user else None
        return self.unknown("user_id_update", item, end_user, remember={"wa_id": number} if end_user else {})

    def responder(self, item: dict[str, Any]) -> Inbound:
        """What the other responder wrote: the message is inside its echo."""
        return self.echo({**item, **dict_of(item.get("message")), "id": item.get("id") or dict_of(item.get("message")).get("id")})

    def call(self, item: dict[str, Any]) -> Inbound:
        """A call that has ended. A missed call from the customer is a message, because they are waiting for an answer.

        It has no `duration` or is `FAILED`. Calls that were held, and ours, are kept for operators. Source: "Calling > User-initiated
        calls" (read 2026); the status is written in small and in capital letters there.
        """
        call_id, event = needed(item.get("id"), "id"), text_of(item.get("event")) or "call"
        theirs = (text_of(item.get("direction")) or "").upper() == "USER_INITIATED"
        end_user = people.sender_of(item, self.contacts) if theirs else None
        held = number_of(item.get("duration")) and (text_of(item.get("status")) or "").upper() != "FAILED"
        if event != "terminate" or end_user is None or held:
            return self.unknown(f"call_{event}", item, end_user)
        return made.message(
            **self.common(f"call:{call_id}", item, end_user), message_id=call_id, parts=(CallPart(),), remember=_number(end_user)
        )

    def handover(self, value: dict[str, Any]) -> Inbound:
        """Who answers the customer changed. `control_passed` is told to the new responder, `control_taken` to the one before; so the first
        is ours now, and the second is no longer. Source: "Webhooks > Reference > messaging_handovers" (September 2026).
        """
        kind = needed(value.get("type"), "type")
        told, sender = dict_of(value.get(kind)), dict_of(value.get("sender"))
        number = (text_of(sender.get("phone_number")) or text_of(sender.get("wa_id")) or "").removeprefix("+")
        end_user = people.person(number, sender.get("user_id"))
        if end_user is None or kind not in _HANDOVERS:
            return self.unknown(f"handover_{kind}", value, end_user)
        change, side = _HANDOVERS[kind]
        role = text_of(told.get(f"{side}_owner_app_role")) or text_of(told.get(f"{side}_owner_role"))
        return InboundHandover(
            **self.common(f"handover:{digest_of(kept(value))}", value, end_user),
            change=change,
            app=_ROLES.get(role or "", role),
            app_id=told.get(f"{side}_owner_app_id"),
            metadata=told.get("metadata"),
        )

    def fault(self, item: dict[str, Any]) -> Inbound:
        """An error of the account or the system, beside or instead of messages."""
        error = graph.error_in(item)
        return self.unknown(f"error_{error.code}" if error else "error", item)


_CHANGES: Final[dict[str, Callable[..., Inbound]]] = {
    "reaction": _Reader._reaction,
    "edit": _Reader._edit,
    "revoke": _Reader._revoke,
}
_KINDS: Final[dict[str, Callable[[_Reader, dict[str, Any], EndUser], Inbound]]] = {**_CHANGES, "system": _Reader._system}

_LISTS: Final[dict[str, dict[str, Callable[[_Reader, dict[str, Any]], Inbound]]]] = {
    "messages": {"messages": _Reader.message, "statuses": _Reader.status, "errors": _Reader.fault},
    "smb_message_echoes": {"message_echoes": _Reader.echo},
    "user_preferences": {"user_preferences": _Reader.preference},
    "user_id_update": {"user_id_update": _Reader.renamed},
    "calls": {"calls": _Reader.call, "errors": _Reader.fault},
}

_STANDBY: Final[dict[str, Callable[[_Reader, dict[str, Any]], Inbound]]] = {
    "messages": _Reader.message,
    "message_echoes": _Reader.responder,
    "statuses": _Reader.status,
}

# What became of the conversation, and which side's app is told of.
_HANDOVERS: Final[dict[str, tuple[Literal["to_us", "away"], Literal["previous", "new"]]]] = {
    "control_passed": ("to_us", "previous"),
    "control_taken": ("away", "new"),
}

_ROLES: Final = {
    "meta_business_agent": "Meta's business agent",
    "ai_agent": "Meta's business agent",
    "business_app": "the WhatsApp Business app",
    "escalation": "the escalation partner's app",
}

_STATUSES: Final = {
    "sent": ReceiptStatus.sent,
    "delivered": ReceiptStatus.delivered,  # left out when the chat is open
    "read": ReceiptStatus.read,
    "played": ReceiptStatus.read,  # a voice message, heard for the first time
    "failed": ReceiptStatus.failed,
}


def _why(item: dict[str, Any]) -> dict[str, Any]:
    """What a failure says; the codes are those of the send call."""
    error = next((one for one in map(graph.error_in, list_of(item.get("errors"))) if one), None)
    if error is None:
        return late_failure(None, None)
    return late_failure(error.meaning(ERRORS), error.code, error.message)


def _memory(end_user: EndUser, message_id: str) -> dict[str, Any]:
    """What answers need: the number, which sends take before the id, and the last message, which typing hangs on."""
    number = people.number_among(end_user)
    return {"last_message_id": message_id, "wa_id": number} if number else {"last_message_id": message_id}


def _number(end_user: EndUser) -> dict[str, Any]:
    number = people.number_among(end_user)
    return {"wa_id": number} if number else {}
