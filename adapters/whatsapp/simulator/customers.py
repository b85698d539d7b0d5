"""What customers of the simulated WhatsApp do on their phones, and what Meta tells us of it.

Beyond what all of Meta's channels can (`adapters._meta.simulator.provider`), `details` may hold: `forwarded`, `phone` `omit` or `empty` (a
person with a username), `voice`, `form` of a choice (`button_reply`, `list_reply`, `button`, `flow`, `call_permission` with the id `accept` or
`reject`), `product` (that is asked about), `order` (as Meta writes one), and `event` (`missed_call`, `unsupported`, `marketing_stop`,
`marketing_resume`, or a change of who they are). `staff` wrote in the phone app; the agent, while it answers.
Changes: `changed_number` (told with the old number and the new one), `changed_both` (with the new id too), `changed_id` (another number as
well, of which nothing is told); `number` in `details` takes over one that nobody has now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from adapters._meta.simulator.provider import GraphWishes
from adapters.simulation import CannotAct, Deed, Doing, Shown, SimFile
from adapters.whatsapp.simulator.rules import MOST_BYTES, kind_of
from adapters.whatsapp.simulator.world import NUMBER, WhatsAppPhone, World

_STICKER: Final = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
_AGENT: Final = "99000000000001"
_Deed: TypeAlias = Deed[WhatsAppPhone, GraphWishes]


class Customers(World):
    """The people at the other end."""

    no_sticker = SimFile(name="sticker.webp", mime_type="image/webp", content=_STICKER)
    deletes_for = timedelta(days=2)

    # ------------------------------------------------------------------------------------------------ on the wire

    def item(self, deed: _Deed, message_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """A message."""
        known = {"from": deed.phone.wa_id, "from_user_id": deed.phone.user_id, "id": message_id, "timestamp": _stamp(deed)}
        return {**known, **self._modifiers(deed), **content}

    def told(self, deed: _Deed, items: list[dict[str, Any]]) -> bytes:
        """As `messages`, with the person."""
        value = self.value(contacts=[deed.phone.contact()], messages=items)
        _hide_number(value, str(deed.details.get("phone", "")), deed.phone)
        return self._or_standby(deed.phone, value, "messages")

    def _or_standby(self, phone: WhatsAppPhone, value: dict[str, Any], name: str) -> bytes:
        """As that field; while the agent answers, one level deeper, as `standby`."""
        if not phone.agent:
            return self.changed(value, name)
        said = {key: value.pop(key) for key in ("contacts", "messages", "message_echoes") if key in value}
        return self.changed({**value, "standby": said}, "standby")

    def text(self, text: str) -> dict[str, Any]:
        """Of what length WhatsApp lets people write."""
        if len(text) > 65_536:
            raise CannotAct("WhatsApp takes texts up to 65,536 characters")
        return _text(text)

    def attached(self, deed: _Deed, file: SimFile, file_id: str) -> dict[str, Any]:
        """As what it is; anything unknown is a document."""
        kind = kind_of(file.mime_type) or "document"
        if len(file.content) > MOST_BYTES["document"]:
            raise CannotAct("WhatsApp takes files up to 100 MB")
        content = self.store.item(file_id, deed.now)
        if kind == "audio":
            content["voice"] = deed.details.get("voice", False) is True
        elif deed.action.text and kind != "sticker":
            content["caption"] = deed.action.text
        if kind == "document":
            content["filename"] = file.name
        return {"type": kind, kind: content}

    def sticker(self, deed: _Deed, file_id: str) -> dict[str, Any]:
        """One that stands still."""
        return {"type": "sticker", "sticker": {**self.store.item(file_id, deed.now), "animated": False}}

    def located(self, latitude: float, longitude: float, details: Mapping[str, Any]) -> dict[str, Any]:
        """A pin, perhaps with the name of what is there."""
        more = {key: details[key] for key in ("name", "address", "url") if key in details}
        return {"type": "location", "location": {"latitude": latitude, "longitude": longitude, **more}}

    def chosen(self, choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
        """In its form."""
        form = _CHOICES.get(str(details.get("form", "button_reply")))
        if form is None:
            raise CannotAct(f"the form of a choice is one of {sorted(_CHOICES)}")
        return form(choice_id, title, details)

    def reaction(self, line_id: str, emoji: str) -> dict[str, Any]:
        """Without an emoji it is taken back."""
        return {"type": "reaction", "reaction": {"message_id": line_id, **({"emoji": emoji} if emoji else {})}}

    def edit(self, deed: _Deed, line_id: str) -> dict[str, Any]:
        """The new text."""
        return {"type": "edit", "edit": {"original_message_id": line_id, "message": _text(deed.action.text or "")}}

    def revocation(self, line_id: str) -> dict[str, Any]:
        """Deleted for everyone."""
        return {"type": "revoke", "revoke": {"original_message_id": line_id}}

    def _modifiers(self, deed: _Deed) -> dict[str, Any]:
        """What may ride on any kind: the message that it answers, that it was forwarded, the ad that it came from."""
        context: dict[str, Any] = {}
        target = deed.action.target
        if deed.action.kind == "choose" and not target:
            target = next((line.id for line in reversed(deed.phone.lines.values()) if line.sender == "them"), "wamid.OURS")
        if target and deed.action.kind in ("say", "choose", "location", "contact", "sticker"):
            context = {"from": NUMBER, "id": target}
        if deed.details.get("forwarded"):
            context["forwarded"] = True
        if "product" in deed.details:  # the message that showed it is named, be it one that no app of ours has sent
            context = {"from": NUMBER, "id": "wamid.CATALOGUE", **context, "referred_product": deed.details["product"]}
        referral = deed.details.get("referral")
        return {**({"context": context} if context else {}), **({"referral": referral} if referral else {})}

    # ------------------------------------------------------------------------------------- what else they can do

    def doings(self) -> Mapping[str, Doing[WhatsAppPhone, GraphWishes]]:
        """Cards as well."""
        return {**super().doings(), "contact": self._card}

    def tales(self) -> Mapping[str, Doing[WhatsAppPhone, GraphWishes]]:
        """What is told otherwise than as a message."""
        return {"owner": self._hand_over, "order": self._order, "event": self._happen, "staff": self._echo}

    def _card(self, deed: _Deed) -> str:
        name, number = str(deed.details.get("name", "Leo Paz")), str(deed.details.get("phone_number", "+34 600 000 000"))
        card = {
            "name": {"formatted_name": name, "first_name": name.partition(" ")[0]},
            "phones": [{"phone": number, "wa_id": "".join(filter(str.isdigit, number)), "type": "CELL"}],
        }
        return self.write(deed, [{"type": "contacts", "contacts": [card]}], f"[contact: {name}]")

    def _order(self, deed: _Deed) -> str:
        """A cart of the catalogue."""
        order = deed.details["order"]
        items = order.get("product_items") if isinstance(order, dict) else None
        if (
            not isinstance(items, list)
            or not items
            or not all(isinstance(one, dict) and one.get("product_retailer_id") for one in items)
        ):
            raise CannotAct("order needs product_items, each with a product_retailer_id")
        shown = ", ".join(f"{one.get('quantity', 1)} × {one['product_retailer_id']}" for one in items)
        note = f"\n{order['text']}" if order.get("text") else ""
        return self.write(deed, [{"type": "order", "order": order}], f"[order: {shown}]{note}")

    def _call(self, deed: _Deed) -> str:
        """The customer calls, and hangs up when nobody answers."""
        phone, call_id = deed.phone, f"wacid.{self.message_id().removeprefix('wamid.')}"
        known = {"id": call_id, "from": phone.wa_id, "from_user_id": phone.user_id, "to": NUMBER, "direction": "USER_INITIATED"}
        phone.wrote_at = deed.now
        phone.lines[call_id] = Shown(id=call_id, sender="me", text="[called, nobody answered]", at=deed.now, status="sent")
        events: list[dict[str, Any]] = [
            {"event": "connect", "session": {"sdp_type": "offer", "sdp": "v=0\r\n"}},
            {"event": "terminate", "status": "FAILED"},
        ]
        for one in events:
            value = self.value(contacts=[phone.contact()], calls=[{**known, "timestamp": _stamp(deed), **one}])
            self.tell(deed, self.changed(value, "calls"))
        return call_id

    def _hand_over(self, deed: _Deed) -> None:
        """Meta's agent takes the conversation, or passes it to us. Only who is concerned is told, without `metadata` about the number."""
        owner = deed.details["owner"]
        if owner not in ("bot", "us"):
            raise CannotAct("owner is bot or us")
        kind = "control_passed" if owner == "us" else "control_taken"
        deed.phone.agent = owner == "bot"
        told = {"metadata": str(deed.details["metadata"])} if "metadata" in deed.details else {}
        roles = {
            "previous_owner_app_id": _AGENT,
            "previous_owner_app_role": "meta_business_agent",
            "previous_owner_role": "ai_agent",
        }
        if owner == "us":
            told |= {**roles, "new_owner_role": "escalation"}
        else:
            told |= {"previous_owner_role": "escalation", "new_owner_role": "ai_agent"}
        value = self.value(
            recipient=self.value()["metadata"],
            sender={"phone_number": deed.phone.wa_id},
            timestamp=_stamp(deed),
            type=kind,
            **{kind: told},
        )
        del value["metadata"]
        self.tell(deed, self.changed(value, "messaging_handovers"))

    def _echo(self, deed: _Deed) -> str:
        """Our own side wrote to the customer in the WhatsApp Business app."""
        phone, text = deed.phone, deed.action.text
        if not text:
            raise CannotAct("staff needs a text")
        message_id = self.message_id()
        phone.lines[message_id] = Shown(id=message_id, sender="them", text=text, at=deed.now)
        if phone.agent:
            echo = {"id": message_id, "timestamp": _stamp(deed), "message": {"to": phone.wa_id, **_text(text)}}
            self.tell(deed, self._or_standby(phone, self.value(message_echoes=[echo]), "standby"))
            return message_id
        known = {"from": NUMBER, "to": phone.wa_id, "to_user_id": phone.user_id, "id": message_id, "timestamp": _stamp(deed)}
        value = self.value(contacts=[phone.contact()], message_echoes=[{**known, **_text(text)}])
        self.tell(deed, self.changed(value, "smb_message_echoes"))
        return message_id

    def _happen(self, deed: _Deed) -> str | None:
        """Something that WhatsApp tells of a customer beside messages."""
        event, phone = str(deed.details["event"]), deed.phone
        if event == "missed_call":
            return self._call(deed)
        if event in ("marketing_stop", "marketing_resume"):
            known = {"wa_id": phone.wa_id, "user_id": phone.user_id, "category": "marketing_messages"}
            choice = {**known, "timestamp": int(deed.now.timestamp()), "value": event.removeprefix("marketing_")}
            value = self.value(contacts=[phone.contact()], user_preferences=[choice])
            self.tell(deed, self.changed(value, "user_preferences"))
            return None
        if event in _CHANGES:
            item = self._changes_to(deed, _CHANGES[event])
        elif event == "unsupported":
            item = self.item(deed, self.message_id(), _unsupported())
        else:
            raise CannotAct(f"no such event: {event}")
        self.tell(deed, self.changed(self.value(messages=[item])))
        return None

    def _changes_to(self, deed: _Deed, told: tuple[str, ...]) -> dict[str, Any]:
        """They have another number from now on, and WhatsApp says what it says of it. There is no `contacts` block with it."""
        phone, number = deed.phone, deed.details.get("number")
        if number is not None and (not str(number).isdecimal() or self.find(str(number))):
            raise CannotAct(f"{number} is not a number, or is already in use")
        before, item = replace(phone), self.item(deed, self.message_id(), {"type": "system"})
        phone.moves(str(number) if number is not None else None)
        if "user_id" in told:
            phone.gets_another_id()
        system = {"type": "user_changed_number", "wa_id": phone.wa_id, "user_id": phone.user_id}
        words = f"changed from {before.wa_id} to {phone.wa_id}"
        if "wa_id" not in told:
            system |= {"type": "user_changed_user_id", "previous_user_id": before.user_id}
            words = f"changed from {before.user_id} to {phone.user_id}"
            del item["from"], item["from_user_id"]
        said = {key: value for key, value in system.items() if key in (*told, "type", "previous_user_id")}
        return {**item, "system": {"body": f"User {phone.customer.title()} {words}", **said}}


def _stamp(deed: _Deed) -> str:
    return str(int(deed.now.timestamp()))


def _text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def _button_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": choice_id, "title": title}}}


def _list_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    reply = {"id": choice_id, "title": title, **({"description": details["description"]} if "description" in details else {})}
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": reply}}


def _template_button(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "button", "button": {"payload": choice_id, "text": title}}


def _flow(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    fields = details.get("fields", {})
    if not isinstance(fields, dict):
        raise CannotAct("the fields of a flow are an object")
    answers = json.dumps({"flow_token": choice_id, **fields})
    return {
        "type": "interactive",
        "interactive": {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": title, "response_json": answers}},
    }


def _call_permission(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request for permission to call; `expires` (Unix seconds) ends it, else it lasts."""
    reply = {"response": choice_id, "is_permanent": "expires" not in details, "response_source": "user_action"}
    if choice_id not in ("accept", "reject"):
        raise CannotAct("the id of a call_permission is accept or reject")
    if choice_id == "reject":
        del reply["is_permanent"]
    elif "expires" in details:
        reply["expiration_timestamp"] = str(details["expires"])
    return {"type": "interactive", "interactive": {"type": "call_permission_reply", "call_permission_reply": reply}}


_CHOICES: Final[dict[str, Callable[[str, str, Mapping[str, Any]], dict[str, Any]]]] = {
    "button_reply": _button_reply,
    "list_reply": _list_reply,
    "button": _template_button,
    "flow": _flow,
    "call_permission": _call_permission,
}


def _unsupported() -> dict[str, Any]:
    title = "Message type unknown"
    error = {
        "code": 131051,
        "title": title,
        "message": title,
        "error_data": {"details": "Message type is currently not supported."},
    }
    return {"type": "unsupported", "errors": [error], "unsupported": {"type": "poll"}}


_CHANGES: Final[dict[str, tuple[str, ...]]] = {
    "changed_number": ("wa_id",),
    "changed_both": ("wa_id", "user_id"),
    "changed_id": ("user_id",),
}


def _hide_number(value: dict[str, Any], how: str, phone: WhatsAppPhone) -> None:
    """People with a username have no number: left out (`omit`), or `""` (`empty`), as Meta has sent it both ways."""
    if how not in ("omit", "empty"):
        return
    contact = value["contacts"][0]
    contact["profile"]["username"] = f"@{phone.customer}"
    for item, key in ((contact, "wa_id"), *((message, "from") for message in value["messages"])):
        if how == "omit":
            del item[key]
        else:
            item[key] = ""
