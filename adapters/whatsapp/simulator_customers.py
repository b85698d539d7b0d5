"""What customers of the simulated WhatsApp do on their phones, and what Meta tells us of it.

Beyond what every handset can, `details` may hold: `forwarded`, `referral` (an ad), `phone` `omit` or `empty` (a person with a username),
`voice`, `form` of a choice (`button_reply`, `list_reply`, `button`, `flow`, `call_permission` with the id `accept` or `reject`), `product` (that is
asked about), `order` (as Meta writes one), `owner` (`bot`: Meta's agent answers from now on; `us`: it hands over, with `metadata`), `batch` (so many texts in one delivery), `staff` (our own side
wrote in the phone app; the agent, while it answers), `event` (`missed_call`, `unsupported`, `marketing_stop`, `marketing_resume`, or a change of who they are), and `mischief` (see `_meta`).
Changes: `changed_number` (told with the old number and the new one), `changed_both` (with the new id too), `changed_id` (another number as
well, of which nothing is told); `number` in `details` takes over one that nobody has now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.mischief import asked_for
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile
from adapters.whatsapp.simulator_files import Files
from adapters.whatsapp.simulator_rules import MOST_BYTES, kind_of
from adapters.whatsapp.simulator_world import NUMBER, Phone, World

_STICKER: Final = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
_MOST_IN_ONE: Final = 1000
_AGENT: Final = "99000000000001"


class Customers:
    """The people at the other end."""

    def __init__(self, world: World, files: Files) -> None:
        self._world = world
        self._files = files

    def act(self, action: Action, now: datetime) -> Outcome:
        """One of them does something. Raises CannotAct."""
        phone = self._world.phone(action.customer)
        doing = _ACTS.get(action.kind)
        if doing is None:
            raise CannotAct(f"WhatsApp tells businesses nothing of this: {action.kind}")
        if phone.blocked and action.kind not in ("unblock", "read"):
            raise CannotAct(f"{action.customer} has blocked the business; unblock first")
        ordered = asked_for(action.details)
        outcome = doing(self, phone, action, now)
        self._world.orders.add(ordered)
        self._world.phones[action.customer] = phone
        return outcome

    # ------------------------------------------------------------------------------------------------- writing

    def _say(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        if "owner" in action.details:
            return self._hand_over(phone, action, now)
        if "order" in action.details:
            return self._order(phone, action, now)
        event = action.details.get("event")
        if event == "missed_call":
            return self._call(phone, action, now)
        if event is not None:
            return self._happen(phone, action, str(event), now)
        if action.details.get("staff"):
            return self._echo(phone, action, now)
        if action.file is not None:
            return self._say_file(phone, action, action.file, now)
        if not action.text or len(action.text) > 65_536:
            raise CannotAct("say needs a text (65,536 characters at most) or a file")
        return self._write(phone, action, _text(action.text), now, text=action.text)

    def _order(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """A cart of the catalogue."""
        order = action.details["order"]
        items = order.get("product_items") if isinstance(order, dict) else None
        if (
            not isinstance(items, list)
            or not items
            or not all(isinstance(one, dict) and one.get("product_retailer_id") for one in items)
        ):
            raise CannotAct("order needs product_items, each with a product_retailer_id")
        shown = ", ".join(f"{one.get('quantity', 1)} × {one['product_retailer_id']}" for one in items)
        note = f"\n{order['text']}" if order.get("text") else ""
        return self._write(phone, action, {"type": "order", "order": order}, now, text=f"[order: {shown}]{note}")

    def _call(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """The customer calls, and hangs up when nobody answers."""
        call_id = f"wacid.{self._world.wamid().removeprefix('wamid.')}"
        known = {"id": call_id, "from": phone.wa_id, "from_user_id": phone.user_id, "to": NUMBER, "direction": "USER_INITIATED"}
        stamp = str(int(now.timestamp()))
        phone.wrote_at = now
        phone.lines[call_id] = Shown(id=call_id, sender="me", text="[called, nobody answered]", at=now, status="sent")
        events: list[dict[str, Any]] = [
            {"event": "connect", "session": {"sdp_type": "offer", "sdp": "v=0\r\n"}},
            {"event": "terminate", "status": "FAILED"},
        ]
        values = [self._world.value(contacts=[phone.contact()], calls=[{**known, "timestamp": stamp, **one}]) for one in events]
        calls = [call for value in values for call in self._world.post(phone, call_id, value, action.details, "calls")]
        return Outcome(calls=tuple(calls), line_id=call_id)

    def _hand_over(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """Meta's agent takes the conversation, or passes it to us. Only who is concerned is told, without `metadata` about the number."""
        owner = str(action.details["owner"])
        if owner not in ("bot", "us"):
            raise CannotAct("owner is bot or us")
        kind = "control_passed" if owner == "us" else "control_taken"
        phone.agent = owner == "bot"
        told = {"metadata": str(action.details["metadata"])} if "metadata" in action.details else {}
        roles = {
            "previous_owner_app_id": _AGENT,
            "previous_owner_app_role": "meta_business_agent",
            "previous_owner_role": "ai_agent",
        }
        if owner == "us":
            told |= {**roles, "new_owner_role": "escalation"}
        else:
            told |= {"previous_owner_role": "escalation", "new_owner_role": "ai_agent"}
        value = self._world.value(
            recipient=self._world.value()["metadata"],
            sender={"phone_number": phone.wa_id},
            timestamp=str(int(now.timestamp())),
            type=kind,
            **{kind: told},
        )
        del value["metadata"]
        return Outcome(calls=self._world.post(phone, "", value, action.details, "messaging_handovers"))

    def _say_file(self, phone: Phone, action: Action, file: SimFile, now: datetime) -> Outcome:
        kind = kind_of(file.mime_type) or "document"
        if len(file.content) > MOST_BYTES["document"]:
            raise CannotAct("WhatsApp takes files up to 100 MB")
        file_id = self._files.keep(file, now)
        content = self._files.item(file_id, now)
        if kind == "audio":
            content["voice"] = action.details.get("voice", False) is True
        elif action.text and kind != "sticker":
            content["caption"] = action.text
        if kind == "document":
            content["filename"] = file.name
        message = {"type": kind, kind: content}
        return self._write(phone, action, message, now, text=action.text, media=self._files.described(file_id))

    def _sticker(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        file = action.file or SimFile(name="sticker.webp", mime_type="image/webp", content=_STICKER)
        file_id = self._files.keep(file, now)
        content = {**self._files.item(file_id, now), "animated": False}
        message = {"type": "sticker", "sticker": content}
        return self._write(phone, action, message, now, media=self._files.described(file_id))

    def _location(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        try:
            content = {"latitude": float(action.details["latitude"]), "longitude": float(action.details["longitude"])}
        except (KeyError, TypeError, ValueError) as cause:
            raise CannotAct("location needs details latitude and longitude") from cause
        content |= {key: action.details[key] for key in ("name", "address", "url") if key in action.details}
        shown = action.details.get("name") or f"{content['latitude']:g}, {content['longitude']:g}"
        return self._write(phone, action, {"type": "location", "location": content}, now, text=f"[location: {shown}]")

    def _card(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        name, number = str(action.details.get("name", "Leo Paz")), str(action.details.get("phone_number", "+34 600 000 000"))
        card = {
            "name": {"formatted_name": name, "first_name": name.partition(" ")[0]},
            "phones": [{"phone": number, "wa_id": "".join(filter(str.isdigit, number)), "type": "CELL"}],
        }
        return self._write(phone, action, {"type": "contacts", "contacts": [card]}, now, text=f"[contact: {name}]")

    def _choose(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        title = action.text or str(action.details.get("title") or "")
        form = _CHOICES.get(str(action.details.get("form", "button_reply")))
        if not title or form is None:
            raise CannotAct(f"choose needs details id and title, and a form of {sorted(_CHOICES)}")
        message = form(str(action.details.get("id") or title), title, action.details)
        asked = action.target or next((line.id for line in reversed(phone.lines.values()) if line.sender == "them"), "wamid.OURS")
        return self._write(phone, action.model_copy(update={"target": asked}), message, now, text=title)

    # ------------------------------------------------------------------------------------- what was written before

    def _react(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        line, emoji = _line(phone, action), action.text or ""
        phone.lines[line.id] = line.model_copy(update={"reaction": emoji or None})
        reaction = {"message_id": line.id, **({"emoji": emoji} if emoji else {})}
        return self._write(phone, action, {"type": "reaction", "reaction": reaction}, now, line_id=line.id)

    def _edit(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        line = _line(phone, action, own=True)
        if not action.text or now - line.at > timedelta(minutes=15):
            raise CannotAct("edit needs a text, and WhatsApp lets people edit for 15 minutes")
        phone.lines[line.id] = line.model_copy(update={"text": action.text, "edited": True})
        edit = {"original_message_id": line.id, "message": _text(action.text)}
        return self._write(phone, action, {"type": "edit", "edit": edit}, now, line_id=line.id)

    def _unsend(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        line = _line(phone, action, own=True)
        if now - line.at > timedelta(days=2):
            raise CannotAct("WhatsApp lets people delete for everyone for 2 days")
        phone.lines[line.id] = line.model_copy(update={"text": None, "media": None, "unsent": True})
        revoke = {"type": "revoke", "revoke": {"original_message_id": line.id}}
        return self._write(phone, action, revoke, now, line_id=line.id)

    # ----------------------------------------------------------------------------------------------- the webhook

    def _write(
        self,
        phone: Phone,
        action: Action,
        content: dict[str, Any],
        now: datetime,
        *,
        text: str | None = None,
        media: dict[str, Any] | None = None,
        line_id: str | None = None,
    ) -> Outcome:
        """Post what the customer wrote, after what they have read by then."""
        items = [self._item(phone, {**_modifiers(action), **one}, now) for one in _batch(content, action)]
        phone.offline = False
        before = (*self._world.deliver(phone, now), *self._world.look(phone, now))
        phone.wrote_at = now
        if line_id is None:
            line_id = items[0]["id"]
            for item in items:
                shown = _body(item) or text
                phone.lines[item["id"]] = Shown(id=item["id"], sender="me", text=shown, at=now, status="sending", media=media)
        value = self._world.value(contacts=[phone.contact()], messages=items)
        _hide_number(value, str(action.details.get("phone", "")), phone)
        return Outcome(calls=(*before, *self._tell(phone, line_id, value, action.details)), line_id=line_id)

    def _tell(self, phone: Phone, line_id: str, value: dict[str, Any], details: Mapping[str, Any]) -> tuple[ProviderCall, ...]:
        """As `messages`; while the agent answers, one level deeper, as `standby`."""
        if not phone.agent:
            return self._world.post(phone, line_id, value, details)
        said = {key: value.pop(key) for key in ("contacts", "messages", "message_echoes") if key in value}
        return self._world.post(phone, line_id, {**value, "standby": said}, details, "standby")

    def _item(self, phone: Phone, content: dict[str, Any], now: datetime) -> dict[str, Any]:
        stamp = str(int(now.timestamp()))
        return {"from": phone.wa_id, "from_user_id": phone.user_id, "id": self._world.wamid(), "timestamp": stamp, **content}

    def _echo(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """Our own side wrote to the customer in the WhatsApp Business app."""
        if not action.text:
            raise CannotAct("staff needs a text")
        message_id, stamp = self._world.wamid(), str(int(now.timestamp()))
        phone.lines[message_id] = Shown(id=message_id, sender="them", text=action.text, at=now)
        if phone.agent:
            echo = {"id": message_id, "timestamp": stamp, "message": {"to": phone.wa_id, **_text(action.text)}}
            value = self._world.value(message_echoes=[echo])
            return Outcome(calls=self._tell(phone, message_id, value, action.details), line_id=message_id)
        known = {"from": NUMBER, "to": phone.wa_id, "to_user_id": phone.user_id, "id": message_id, "timestamp": stamp}
        value = self._world.value(contacts=[phone.contact()], message_echoes=[{**known, **_text(action.text)}])
        return Outcome(calls=self._world.post(phone, message_id, value, action.details, "smb_message_echoes"), line_id=message_id)

    def _happen(self, phone: Phone, action: Action, event: str, now: datetime) -> Outcome:
        """Something that WhatsApp tells of a customer beside messages."""
        if event.startswith("marketing_"):
            choice = {
                "wa_id": phone.wa_id,
                "user_id": phone.user_id,
                "category": "marketing_messages",
                "timestamp": int(now.timestamp()),
            }
            value = self._world.value(contacts=[phone.contact()], user_preferences=[{**choice, "value": event[10:]}])
            return Outcome(calls=self._world.post(phone, "", value, action.details, "user_preferences"))
        if event in _CHANGES:
            item = self._changes_to(phone, _CHANGES[event], action, now)
        elif event == "unsupported":
            item = self._item(phone, _unsupported(phone), now)
        else:
            raise CannotAct(f"no such event: {event}")
        return Outcome(calls=self._world.post(phone, "", self._world.value(messages=[item]), action.details))

    def _changes_to(self, phone: Phone, told: tuple[str, ...], action: Action, now: datetime) -> dict[str, Any]:
        """They have another number from now on, and WhatsApp says what it says of it. There is no `contacts` block with it."""
        number = action.details.get("number")
        if number is not None and (not str(number).isdecimal() or self._world.find(str(number))):
            raise CannotAct(f"{number} is no number, or somebody has it")
        before, item = replace(phone), self._item(phone, {"type": "system"}, now)
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

    # ------------------------------------------------------------------------------------------------- the rest

    def _read(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        return Outcome(calls=self._world.look(phone, now))

    def _block(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """Meta tells nobody; sends fail from now on."""
        phone.blocked = True
        return Outcome()

    def _unblock(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.blocked = False
        return Outcome()

    def _offline(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.offline = True
        return Outcome()

    def _online(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.offline = False
        return Outcome(calls=self._world.deliver(phone, now))


_ACTS: Final[dict[str, Callable[[Customers, Phone, Action, datetime], Outcome]]] = {
    "say": Customers._say,
    "read": Customers._read,
    "sticker": Customers._sticker,
    "location": Customers._location,
    "contact": Customers._card,
    "choose": Customers._choose,
    "react": Customers._react,
    "edit": Customers._edit,
    "unsend": Customers._unsend,
    "block": Customers._block,
    "unblock": Customers._unblock,
    "offline": Customers._offline,
    "online": Customers._online,
}


def _text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def _body(item: dict[str, Any]) -> str | None:
    return str(item["text"]["body"]) if item["type"] == "text" else None


def _batch(content: dict[str, Any], action: Action) -> list[dict[str, Any]]:
    """Meta may put up to 1,000 updates into one delivery."""
    count = int(action.details.get("batch", 1))
    if count == 1 or content["type"] != "text":
        return [content]
    if not 1 < count <= _MOST_IN_ONE:
        raise CannotAct(f"a delivery holds {_MOST_IN_ONE} updates at most")
    return [_text(f"{action.text} {number}") for number in range(1, count + 1)]


def _button_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": choice_id, "title": title}}}


def _list_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    reply = {"id": choice_id, "title": title, **({"description": details["description"]} if "description" in details else {})}
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": reply}}


def _template_button(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "button", "button": {"payload": choice_id, "text": title}}


def _flow(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    answers = json.dumps({"flow_token": choice_id, **dict(details.get("fields", {}))})
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


def _unsupported(phone: Phone) -> dict[str, Any]:
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


def _line(phone: Phone, action: Action, *, own: bool = False) -> Shown:
    line = phone.lines.get(action.target or "")
    if line is None or (own and line.sender != "me"):
        raise CannotAct(f"{action.kind} needs the id of a line on the handset" + (" that the customer wrote" if own else ""))
    return line


def _modifiers(action: Action) -> dict[str, Any]:
    """What may ride on any kind: the message that it answers, that it was forwarded, the ad that it came from."""
    context: dict[str, Any] = {}
    if action.target and action.kind in ("say", "choose", "location", "contact", "sticker"):
        context = {"from": NUMBER, "id": action.target}
    if action.details.get("forwarded"):
        context["forwarded"] = True
    if "product" in action.details:  # the message that showed it is named, be it one that no app of ours has sent
        context = {"from": NUMBER, "id": "wamid.CATALOGUE", **context, "referred_product": action.details["product"]}
    referral = action.details.get("referral")
    return {**({"context": context} if context else {}), **({"referral": referral} if referral else {})}


def _hide_number(value: dict[str, Any], how: str, phone: Phone) -> None:
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
