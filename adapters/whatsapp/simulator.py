"""WhatsApp's own side: phones that write to our number, and a Graph API as strict as Meta's.

As at Meta, a send is answered with 200 first and most refusals follow as a status `failed`: a closed window (131047), a customer who can't
be reached (131026). Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Media", "Error codes", "Throughput" (read 2026).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from adapters._meta.simulation import (
    Bucket,
    Hooks,
    Refused,
    check_token,
    edge_of,
    form_of,
    graph_error,
    json_answer,
    json_of,
    known_keys,
    unknown_path,
)
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, digits_of
from adapters.whatsapp.account import WhatsAppAccount

_WINDOW: Final = timedelta(hours=24)
_URL_LIVES: Final = timedelta(minutes=5)
_MEDIA_LIVES: Final = timedelta(days=7)
_CDN: Final = "whatsapp_business/attachments"
_NUMBER: Final = "15550002222"
_CAPTIONED: Final = {"image", "video", "document"}
_KEYS: Final = {"messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"}
_IMAGES: Final = {"image/jpeg", "image/png"}
_VIDEOS: Final = {"video/mp4", "video/3gpp"}
_SOUNDS: Final = {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"}
_DOCUMENTS: Final = {
    "text/plain",
    "text/csv",
    "application/pdf",
    "application/zip",
    "application/octet-stream",
    "application/json",
}
_OFFICE: Final = ("application/msword", "application/vnd.")
_MB: Final = 1024 * 1024
_MOST: Final = {"image": 5 * _MB, "video": 16 * _MB, "audio": 16 * _MB, "sticker": _MB // 2, "document": 100 * _MB}


@dataclass
class _Phone:
    """A customer's phone, as WhatsApp knows it."""

    customer: str
    lines: dict[str, Shown] = field(default_factory=dict)
    wrote_at: datetime | None = None
    blocked: bool = False
    offline: bool = False
    waiting: list[tuple[str, str | None]] = field(
        default_factory=list
    )  # not delivered yet: our message's id, and our own id of it
    unread: list[tuple[str, str | None]] = field(default_factory=list)
    typing_until: datetime | None = None
    rate: Bucket = field(default_factory=lambda: Bucket(500, 20))

    @property
    def wa_id(self) -> str:
        return f"34600{digits_of(self.customer, 6)}"

    @property
    def user_id(self) -> str:
        return f"ES.309{digits_of(self.customer, 17)}"


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file at Meta."""

    file: SimFile
    since: datetime


@dataclass(frozen=True, slots=True)
class _Pending:
    """A message of ours whose file WhatsApp still fetches from the link."""

    phone: _Phone
    message_id: str
    ours: str | None
    text: str | None


class WhatsApp:
    """The simulated Cloud API for one number. The rates are wide; Meta's are `pair=(45, 1/6)` and `number=(80, 80)`."""

    def __init__(
        self,
        account: WhatsAppAccount,
        *,
        pair: tuple[float, float] = (500, 20),
        number: tuple[float, float] = (2000, 1000),
    ) -> None:
        self.account = account
        self.hooks = Hooks(account)
        self.phones: dict[str, _Phone] = {}
        self.files: dict[str, _Stored] = {}
        self._pair = pair
        self._rate = Bucket(*number)
        self._count = 0
        self._posted: dict[str, tuple[_Phone, str]] = {}
        self._fetching: dict[str, _Pending] = {}

    # ------------------------------------------------------------------------------------------- the Graph API

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        try:
            if request.path.strip("/") == _CDN:
                return Outcome(self._cdn(request, now))
            return self._edge(request, edge_of(request), now)
        except Refused as refused:
            return Outcome(refused.answer)

    def _edge(self, request: RawRequest, edge: tuple[str, ...], now: datetime) -> Outcome:
        check_token(request, self.account)
        if edge == (self.account.phone_number_id, "messages") and request.method == "POST":
            return self._messages(json_of(request), now)
        if edge == (self.account.phone_number_id, "media") and request.method == "POST":
            return Outcome(self._upload(request, now))
        if edge == (self.account.phone_number_id,) and request.method == "GET":
            return Outcome(json_answer({"id": edge[0], "display_phone_number": _NUMBER, "verified_name": "Demo shop"}))
        if len(edge) == 1 and request.method in ("GET", "DELETE"):
            return Outcome(self._media(request.method, edge[0], now))
        raise unknown_path(request)

    def _messages(self, body: dict[str, Any], now: datetime) -> Outcome:
        if body.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.", status=400)
        if "status" in body:
            return Outcome(self._mark_read(body, now))
        kind = body.get("type", "text")
        check_message(body, kind)
        if not self._rate.take(now):
            raise graph_error(130429, "Rate limit hit", data=_details("Cloud API message throughput has been reached."))
        return self._accept(body, kind, now)

    def _accept(self, body: dict[str, Any], kind: str, now: datetime) -> Outcome:
        """200 comes first; what WhatsApp thinks of the message follows as a status."""
        given = str(body.get("to") or body.get("recipient"))
        phone = self._find(given)
        if phone is not None and not phone.rate.take(now):
            raise graph_error(
                131056, "(Business Account, Consumer Account) pair rate limit hit", data=_details("Too many messages.")
            )
        self._own_media(body.get(kind), kind, now)
        message_id = self._wamid()
        scoped = "to" not in body
        contact = {"input": given, "user_id": given} if scoped else {"input": given, "wa_id": canonical(given)}
        answer = json_answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message_id}]})
        return Outcome(answer, self._outcome(phone, body, kind, message_id, now))

    def _outcome(
        self, phone: _Phone | None, body: dict[str, Any], kind: str, message_id: str, now: datetime
    ) -> tuple[ProviderCall, ...]:
        ours = body.get("biz_opaque_callback_data")
        if phone is None or phone.blocked:
            to = phone or str(body.get("to") or body.get("recipient"))
            return (self._failed(to, message_id, ours, 131026, "Message undeliverable", now),)
        if phone.wrote_at is None or now - phone.wrote_at > _WINDOW:
            why = "Message failed to send because more than 24 hours have passed since the customer last replied to this number."
            return (self._failed(phone, message_id, ours, 131047, "Re-engagement message", now, why),)
        content = body[kind]
        if "link" in content:
            return (self._fetch(_Pending(phone, message_id, ours, content.get("caption")), content["link"]),)
        text = content.get("body") or content.get("caption")
        return self._show(_Pending(phone, message_id, ours, text), content.get("id"), now, _quoted(body))

    def _show(self, pending: _Pending, file_id: str | None, now: datetime, quoted: str | None = None) -> tuple[ProviderCall, ...]:
        """The message is on its way: `sent`, and `delivered` as soon as the phone is on."""
        phone, message_id, ours = pending.phone, pending.message_id, pending.ours
        notice = (ours or "").startswith("ntc_")
        phone.lines[message_id] = Shown(
            id=message_id,
            sender="them",
            kind="notice" if notice else "message",
            text=pending.text,
            at=now,
            media=self._described(file_id),
            **({"reply_to": quoted} if quoted else {}),
        )
        phone.typing_until = None
        phone.waiting.append((message_id, ours))
        return (self._statuses(phone, "sent", [(message_id, ours)], now), *self._deliver(phone, now))

    def _mark_read(self, body: dict[str, Any], now: datetime) -> Answer:
        known_keys(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "body")
        phone = next((one for one in self.phones.values() if body.get("message_id") in one.lines), None)
        if body["status"] != "read" or phone is None:
            raise graph_error(131009, "Parameter value is not valid", data=_details("Message ID is invalid."))
        if body.get("typing_indicator", {"type": "text"}) != {"type": "text"}:
            raise graph_error(100, "Invalid parameter: typing_indicator")
        if "typing_indicator" in body:
            phone.typing_until = now + timedelta(seconds=25)
        for line in [one for one in phone.lines.values() if one.sender == "me"]:
            phone.lines[line.id] = line.model_copy(update={"seen": True})
        return json_answer({"success": True})

    # --------------------------------------------------------------------------------------------------- files

    def _upload(self, request: RawRequest, now: datetime) -> Answer:
        fields, files = form_of(request)
        if fields.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.")
        if len(files) != 1 or files[0].field != "file":
            raise graph_error(100, "The parameter file is required.")
        mime_type = (fields.get("type") or files[0].mime_type).partition(";")[0]
        kind = _kind_of(mime_type)
        if kind is None:
            raise graph_error(
                100, f"Param file must be a file with one of the supported types. Received file of type '{mime_type}'."
            )
        if len(files[0].content) > _MOST["document"]:
            raise graph_error(131053, "Media upload error", data=_details("File size is too large."))
        return json_answer({"id": self._keep(SimFile(name=files[0].name, mime_type=mime_type, content=files[0].content), now)})

    def _keep(self, file: SimFile, now: datetime) -> str:
        self._count += 1
        file_id = f"900{self._count:09d}"
        self.files[file_id] = _Stored(file, now)
        return file_id

    def _own_media(self, content: Any, kind: str, now: datetime) -> None:
        """A file that is named by its id must be there, and of the kind."""
        if not isinstance(content, dict) or "id" not in content:
            return
        stored = self.files.get(str(content["id"]))
        if stored is None or now - stored.since > timedelta(days=30):
            raise graph_error(131009, "Parameter value is not valid", data=_details("Media ID is invalid or has expired."))
        if kind != "document" and _kind_of(stored.file.mime_type) != kind:
            raise graph_error(100, "Invalid parameter", data=_details(f"The media is no {kind}."))
        if len(stored.file.content) > _MOST[kind]:
            raise graph_error(131053, "Media upload error", data=_details(f"The file is too large for {kind}."))

    def _media(self, method: str, media_id: str, now: datetime) -> Answer:
        stored = self.files.get(media_id)
        if stored is None or now - stored.since > _MEDIA_LIVES:
            raise graph_error(100, f"Unsupported get request. Object with ID '{media_id}' does not exist", subcode=33)
        if method == "DELETE":
            del self.files[media_id]
            return json_answer({"success": True})
        digest = hashlib.sha256(stored.file.content).hexdigest()
        found = {"messaging_product": "whatsapp", "url": self._url(media_id, now), "mime_type": stored.file.mime_type}
        return json_answer({**found, "sha256": digest, "file_size": str(len(stored.file.content)), "id": media_id})

    def _url(self, media_id: str, now: datetime) -> str:
        query = {"mid": media_id, "ext": str(int((now + _URL_LIVES).timestamp()))}
        return f"{self.account.api_base}/{_CDN}/?{urlencode(query)}"

    def _cdn(self, request: RawRequest, now: datetime) -> Answer:
        token = self.account.access_token.get_secret_value()
        if not same(request.headers.get("authorization", ""), f"Bearer {token}"):
            return Answer(401)
        stored = self.files.get(request.param("mid") or "")
        expires = request.param("ext") or ""
        if stored is None or not expires.isdigit() or int(expires) < now.timestamp():
            return Answer(404)
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})

    def _described(self, file_id: str | None) -> dict[str, Any] | None:
        stored = self.files.get(file_id or "")
        if stored is None:
            return None
        size = len(stored.file.content)
        return {"name": stored.file.name, "mime_type": stored.file.mime_type, "size_bytes": size, "file_id": file_id}

    def _fetch(self, pending: _Pending, link: str) -> ProviderCall:
        self._count += 1
        call_id = f"fetch-{self._count}"
        self._fetching[call_id] = pending
        return ProviderCall(call_id, "GET", link, purpose="fetch", lane=pending.phone.wa_id)

    def _fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        pending = self._fetching.pop(call.id)
        if answer is None or answer.status != 200:
            return (self._failed(pending.phone, pending.message_id, pending.ours, 131053, "Media upload error", now),)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = call.url.partition("?")[0].rpartition("/")[2] or "file"
        return self._show(pending, self._keep(SimFile(name=name, mime_type=mime_type, content=answer.body), now), now)

    # ------------------------------------------------------------------------------------------------ webhooks

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered, or a file fetched."""
        if call.purpose == "fetch":
            return self._fetched(call, answer, now)
        again = self.hooks.again(call, answer)
        phone, line_id = self._posted.get(call.id.partition(".")[0], (None, ""))
        line = phone.lines.get(line_id) if phone else None
        if phone and line and line.status == "sending":
            status = "sending" if again else "sent" if answer is not None and answer.status == 200 else "failed"
            phone.lines[line_id] = line.model_copy(update={"status": status})
        return again

    def _value(self, **more: Any) -> dict[str, Any]:
        metadata = {"display_phone_number": _NUMBER, "phone_number_id": self.account.phone_number_id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **more}

    def _hook(self, lane: str, value: Mapping[str, Any], name: str = "messages", delay_seconds: float = 0.0) -> ProviderCall:
        entry = {"id": "204000000000001", "changes": [{"value": dict(value), "field": name}]}
        return self.hooks.post({"object": "whatsapp_business_account", "entry": [entry]}, lane, delay_seconds)

    def _statuses(self, phone: _Phone, status: str, messages: list[tuple[str, str | None]], now: datetime) -> ProviderCall:
        items = [_status(phone.wa_id, phone.user_id, status, message_id, ours, now) for message_id, ours in messages]
        return self._hook(phone.wa_id, self._value(contacts=[_contact(phone)], statuses=items))

    def _failed(
        self,
        to: _Phone | str,
        message_id: str,
        ours: str | None,
        code: int,
        title: str,
        now: datetime,
        details: str | None = None,
    ) -> ProviderCall:
        """A refusal after the 200. There is no `contacts` block with it."""
        wa_id = to.wa_id if isinstance(to, _Phone) else to
        item = _status(wa_id, to.user_id if isinstance(to, _Phone) else None, "failed", message_id, ours, now)
        error = {"code": code, "title": title, "message": title, "error_data": {"details": details or title}}
        return self._hook(wa_id, self._value(statuses=[{**item, "errors": [error]}]))

    def _deliver(self, phone: _Phone, now: datetime) -> tuple[ProviderCall, ...]:
        if phone.offline or not phone.waiting:
            return ()
        messages, phone.waiting = phone.waiting, []
        phone.unread += messages
        return (self._statuses(phone, "delivered", messages, now),)

    def _look(self, phone: _Phone, now: datetime) -> tuple[ProviderCall, ...]:
        """The customer looks at the chat: everything delivered is read."""
        messages, phone.unread = phone.unread, []
        return (self._statuses(phone, "read", messages, now),) if messages else ()

    # --------------------------------------------------------------------------------------------- the handset

    def act(self, action: Action, now: datetime) -> Outcome:
        """The customer does something on the phone."""
        known = self.phones.get(action.customer)
        phone = known or _Phone(action.customer, rate=Bucket(*self._pair))
        doing = _ACTS.get(action.kind)
        if doing is None:
            raise CannotAct(f"WhatsApp tells businesses nothing of this: {action.kind}")
        if phone.blocked and action.kind not in ("unblock", "read"):
            raise CannotAct(f"{action.customer} has blocked the business; unblock first")
        outcome = doing(self, phone, action, now)
        self.phones[action.customer] = phone
        return outcome

    def _say(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        if action.file is not None:
            return self._say_file(phone, action, action.file, now)
        if not action.text:
            raise CannotAct("say needs a text or a file")
        if len(action.text) > 65536:
            raise CannotAct("WhatsApp lets people write 65,536 characters at most")
        return self._write(phone, action, {"type": "text", "text": {"body": action.text}}, now, text=action.text)

    def _say_file(self, phone: _Phone, action: Action, file: SimFile, now: datetime) -> Outcome:
        kind = _kind_of(file.mime_type) or "document"
        if len(file.content) > _MOST["document"]:
            raise CannotAct("WhatsApp takes files up to 100 MB")
        file_id = self._keep(file, now)
        content = self._media_item(file_id, now)
        if kind == "audio":
            content["voice"] = action.details.get("voice", False) is True
        elif action.text:
            content["caption"] = action.text
        if kind == "document":
            content["filename"] = file.name
        return self._write(phone, action, {"type": kind, kind: content}, now, text=action.text, media=self._described(file_id))

    def _media_item(self, file_id: str, now: datetime) -> dict[str, Any]:
        file = self.files[file_id].file
        digest = base64.b64encode(hashlib.sha256(file.content).digest()).decode()
        return {"mime_type": file.mime_type, "sha256": digest, "id": file_id, "url": self._url(file_id, now)}

    def _sticker(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        file = action.file or SimFile(
            name="sticker.webp",
            mime_type="image/webp",
            content=b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0",
        )
        file_id = self._keep(file, now)
        content = {**self._media_item(file_id, now), "animated": False}
        return self._write(phone, action, {"type": "sticker", "sticker": content}, now, media=self._described(file_id))

    def _location(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        try:
            content = {"latitude": float(action.details["latitude"]), "longitude": float(action.details["longitude"])}
        except (KeyError, TypeError, ValueError) as cause:
            raise CannotAct("location needs details latitude and longitude") from cause
        content |= {key: action.details[key] for key in ("name", "address", "url") if key in action.details}
        shown = action.details.get("name") or f"{content['latitude']:g}, {content['longitude']:g}"
        return self._write(phone, action, {"type": "location", "location": content}, now, text=f"[location: {shown}]")

    def _card(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        name, number = str(action.details.get("name", "Leo Paz")), str(action.details.get("phone", "+34 600 000 000"))
        card = {
            "name": {"formatted_name": name, "first_name": name.partition(" ")[0]},
            "phones": [{"phone": number, "wa_id": "".join(filter(str.isdigit, number)), "type": "CELL"}],
        }
        return self._write(phone, action, {"type": "contacts", "contacts": [card]}, now, text=f"[contact: {name}]")

    def _choose(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        title = action.text or str(action.details.get("title") or "")
        if not title:
            raise CannotAct("choose needs details id and title")
        choice_id = str(action.details.get("id") or title)
        kind = action.details.get("form", "button_reply")
        item = _CHOICES.get(str(kind), _CHOICES["button_reply"])(choice_id, title, action.details)
        return self._write(phone, action, item, now, text=title)

    def _react(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        line, emoji = _line(phone, action), action.text or ""
        phone.lines[line.id] = line.model_copy(update={"reaction": emoji or None})
        reaction = {"message_id": line.id, **({"emoji": emoji} if emoji else {})}
        return self._write(phone, action, {"type": "reaction", "reaction": reaction}, now, line_id=line.id)

    def _edit(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        line = _line(phone, action, own=True)
        if not action.text or now - line.at > timedelta(minutes=15):
            raise CannotAct("edit needs a text, and WhatsApp lets people edit for 15 minutes")
        phone.lines[line.id] = line.model_copy(update={"text": action.text, "edited": True})
        changed = {"type": "text", "text": {"body": action.text}}
        edit = {"type": "edit", "edit": {"original_message_id": line.id, "message": changed}}
        return self._write(phone, action, edit, now, line_id=line.id)

    def _unsend(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        line = _line(phone, action, own=True)
        if now - line.at > timedelta(days=2):
            raise CannotAct("WhatsApp lets people delete for everyone for 2 days")
        phone.lines[line.id] = line.model_copy(update={"text": None, "media": None, "unsent": True})
        revoke = {"type": "revoke", "revoke": {"original_message_id": line.id}}
        return self._write(phone, action, revoke, now, line_id=line.id)

    def _write(
        self,
        phone: _Phone,
        action: Action,
        content: dict[str, Any],
        now: datetime,
        *,
        text: str | None = None,
        media: dict[str, Any] | None = None,
        line_id: str | None = None,
    ) -> Outcome:
        """Post what the customer wrote, after what they have read by then."""
        phone.offline = False
        arrived = self._deliver(phone, now)
        read = (*arrived, *self._look(phone, now))
        phone.wrote_at = now
        message_id = self._wamid()
        if line_id is None:
            line_id = message_id
            phone.lines[message_id] = Shown(id=message_id, sender="me", text=text, at=now, status="sending", media=media)
        item = {"from": phone.wa_id, "from_user_id": phone.user_id, "id": message_id, "timestamp": str(int(now.timestamp()))}
        value = self._value(contacts=[_contact(phone)], messages=[{**item, **_modifiers(action), **content}])
        _hide_number(value, str(action.details.get("phone", "")), phone)
        posts = self._post(phone, line_id, value, action.details)
        return Outcome(calls=(*read, *posts), line_id=line_id)

    def _post(self, phone: _Phone, line_id: str, value: dict[str, Any], details: Mapping[str, Any]) -> tuple[ProviderCall, ...]:
        times, delay = int(details.get("times", 1)), float(details.get("delay_seconds", 0.0))
        calls = tuple(self._hook(phone.wa_id, value, delay_seconds=delay) for _ in range(times))
        self._posted |= {call.id: (phone, line_id) for call in calls}
        return calls

    def _read(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        return Outcome(calls=self._look(phone, now))

    def _block(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        """Meta tells nobody; sends fail from now on."""
        phone.blocked = True
        return Outcome()

    def _unblock(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.blocked = False
        return Outcome()

    def _offline(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.offline = True
        return Outcome()

    def _online(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.offline = False
        return Outcome(calls=self._deliver(phone, now))

    # ---------------------------------------------------------------------------------------------------- rest

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing is fetched late here."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """The chat on the customer's phone."""
        phone = self.phones.get(customer)
        return list(phone.lines.values()) if phone else []

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        stored = self.files.get(file_id)
        return stored.file if stored else None

    def _find(self, given: str) -> _Phone | None:
        wanted = canonical(given)
        return next((one for one in self.phones.values() if wanted in (one.wa_id, one.user_id)), None)

    def _wamid(self) -> str:
        self._count += 1
        inner = base64.b64encode(f"{self.account.phone_number_id[-4:]}\x15\x02{self._count:010d}".encode()).decode()
        return f"wamid.HBgL{inner}"


def simulate(account: WhatsAppAccount) -> WhatsApp:
    """Meta's side of this number."""
    return WhatsApp(account)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo; all secrets are made up."""
    return {
        "phone_number_id": f"107{digits_of(channel_id, 12)}",
        "app_secrets": [f"demo-app-secret-{channel_id}"],
        "verify_token": f"demo-verify-token-{channel_id}",
        "access_token": f"demo-access-token-{channel_id}",
        "api_base": base,
    }


_ACTS: Final[dict[str, Callable[[WhatsApp, _Phone, Action, datetime], Outcome]]] = {
    "say": WhatsApp._say,
    "read": WhatsApp._read,
    "sticker": WhatsApp._sticker,
    "location": WhatsApp._location,
    "contact": WhatsApp._card,
    "choose": WhatsApp._choose,
    "react": WhatsApp._react,
    "edit": WhatsApp._edit,
    "unsend": WhatsApp._unsend,
    "block": WhatsApp._block,
    "unblock": WhatsApp._unblock,
    "offline": WhatsApp._offline,
    "online": WhatsApp._online,
}


def _button_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": choice_id, "title": title}}}


def _list_reply(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    reply = {"id": choice_id, "title": title, **({"description": details["description"]} if "description" in details else {})}
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": reply}}


def _template_button(choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "button", "button": {"payload": choice_id, "text": title}}


_CHOICES: Final[dict[str, Callable[[str, str, Mapping[str, Any]], dict[str, Any]]]] = {
    "button_reply": _button_reply,
    "list_reply": _list_reply,
    "button": _template_button,
}


def canonical(number: str) -> str:
    """The number as WhatsApp knows it: Brazil's ninth digit put in, Mexico's and Argentina's mobile digit left out."""
    digits = number.removeprefix("+")
    if digits.startswith("55") and len(digits) == 12:
        return f"{digits[:4]}9{digits[4:]}"
    if digits.startswith("549"):
        return f"54{digits[3:]}"
    return f"52{digits[3:]}" if digits.startswith("521") and len(digits) == 13 else digits


def check_message(body: dict[str, Any], kind: str) -> None:
    """Refuse what Graph refuses at once: unknown keys, a missing recipient, texts that are too long."""
    if kind not in ("text", *_MOST):
        raise graph_error(131051, "Unsupported message type", data=_details(f"Message type {kind} is not supported."))
    known_keys(body, {*_KEYS, kind}, "body")
    if not body.get("to") and not body.get("recipient"):
        raise graph_error(131008, "Required parameter is missing", data=_details("Parameter 'to' is mandatory"))
    if len(str(body.get("biz_opaque_callback_data", ""))) > 512:
        raise graph_error(
            131009, "Parameter value is not valid", data=_details("biz_opaque_callback_data must be at most 512 characters")
        )
    content = body.get(kind)
    if not isinstance(content, dict):
        raise graph_error(131008, "Required parameter is missing", data=_details(f"Parameter '{kind}' is mandatory"))
    if kind == "text":
        _check_text(content)
    else:
        _check_media(content, kind)


def _check_text(content: dict[str, Any]) -> None:
    known_keys(content, {"body", "preview_url"}, "text")
    if not isinstance(content.get("body"), str) or not content["body"].strip():
        raise graph_error(100, "The parameter text['body'] is required.")
    if len(content["body"]) > 4096:
        raise graph_error(100, "Param text['body'] must be at most 4096 characters long.")


def _check_media(content: dict[str, Any], kind: str) -> None:
    allowed = {"id", "link"} | ({"caption"} if kind in _CAPTIONED else set())
    known_keys(content, allowed | ({"filename"} if kind == "document" else {"voice"} if kind == "audio" else set()), kind)
    if ("id" in content) == ("link" in content):
        raise graph_error(100, f"Param {kind} must have exactly one of id and link.")
    if len(content.get("caption", "")) > 1024:
        raise graph_error(100, f"Param {kind}['caption'] must be at most 1024 characters long.")


def _kind_of(mime_type: str) -> str | None:
    bare = mime_type.partition(";")[0].strip().lower()
    named = {**dict.fromkeys(_IMAGES, "image"), **dict.fromkeys(_VIDEOS, "video"), **dict.fromkeys(_SOUNDS, "audio")}
    if bare in named:
        return named[bare]
    if bare == "image/webp":
        return "sticker"
    return "document" if bare in _DOCUMENTS or bare.startswith(_OFFICE) or "/" in bare else None


def _details(text: str) -> dict[str, str]:
    return {"messaging_product": "whatsapp", "details": text}


def _contact(phone: _Phone) -> dict[str, Any]:
    return {"profile": {"name": phone.customer.title()}, "wa_id": phone.wa_id, "user_id": phone.user_id}


def _status(wa_id: str, user_id: str | None, status: str, message_id: str, ours: str | None, now: datetime) -> dict[str, Any]:
    item: dict[str, Any] = {"id": message_id, "status": status, "timestamp": str(int(now.timestamp())), "recipient_id": wa_id}
    if user_id:
        item["recipient_user_id"] = user_id
    if ours:
        item["biz_opaque_callback_data"] = ours
    if status in ("sent", "delivered"):
        item["pricing"] = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    return item


def _quoted(body: dict[str, Any]) -> str | None:
    context = body.get("context")
    return str(context.get("message_id")) if isinstance(context, dict) else None


def _line(phone: _Phone, action: Action, *, own: bool = False) -> Shown:
    line = phone.lines.get(action.target or "")
    if line is None or (own and line.sender != "me"):
        raise CannotAct(f"{action.kind} needs the id of a line on the handset" + (" that the customer wrote" if own else ""))
    return line


def _modifiers(action: Action) -> dict[str, Any]:
    """What may ride on any kind: the message that it answers, that it was forwarded, the ad that it came from."""
    context: dict[str, Any] = {}
    if action.target and action.kind in ("say", "choose", "location", "contact", "sticker"):
        context = {"from": _NUMBER, "id": action.target}
    if action.details.get("forwarded"):
        context["forwarded"] = True
    referral = action.details.get("referral")
    return {**({"context": context} if context else {}), **({"referral": referral} if referral else {})}


def _hide_number(value: dict[str, Any], how: str, phone: _Phone) -> None:
    """People with a username have no number: left out (`omit`), or `""` (`empty`), as Meta has sent it both ways."""
    contact, message = value["contacts"][0], value["messages"][0]
    if how not in ("omit", "empty"):
        return
    contact["profile"]["username"] = f"@{phone.customer}"
    for item, key in ((contact, "wa_id"), (message, "from")):
        if how == "omit":
            del item[key]
        else:
            item[key] = ""
