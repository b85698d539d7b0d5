"""The Messenger Platform's own side, for Messenger and Instagram: chats with a Page or account, and a Send API as strict as Meta's.

What differs between the two stands in a `Dialect`. Refusals come at once, with the codes of the error pages; there is no `failed` webhook.
Sources: Meta for Developers, Messenger Platform, "Send API", "Personas", "Error codes", "Conversation routing", "Webhooks" (read 2026).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from adapters._meta.account import PlatformAccount
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
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, digits_of

WINDOW: Final = timedelta(hours=24)
AGENT_WINDOW: Final = timedelta(days=7)
# Answered with an error since April 27 2026.
_GONE_TAGS: Final = {"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"}
_BODY_KEYS: Final = {
    "recipient",
    "messaging_type",
    "tag",
    "message",
    "persona_id",
    "reply_to",
    "notification_type",
    "sender_action",
    "payload",
}
_MESSAGE_KEYS: Final = {"text", "attachment", "quick_replies", "metadata"}
_ACTIONS: Final = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}
_CDN_LIVES: Final = timedelta(days=1)
_MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the channels of the platform."""

    object: str
    inbox_app: str
    max_text: int
    text_in_bytes: bool = False
    personas: bool = False
    deliveries: bool = False
    watermarks: bool = False
    edits: bool = False
    unsends: bool = False
    most_bytes: Mapping[str, int] = field(default_factory=dict)
    upload_fields: Mapping[str, str] = field(default_factory=dict)
    mime_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Chat:
    """A customer's chat with us."""

    customer: str
    lines: dict[str, Shown] = field(default_factory=dict)
    wrote_at: datetime | None = None
    blocked: bool = False
    offline: bool = False
    owner: str | None = None  # the app that holds the thread; None: nobody, so whoever is asked may answer
    waiting: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    edits: dict[str, int] = field(default_factory=dict)
    typing_as: str | None = None

    @property
    def person_id(self) -> str:
        """The person's id, scoped to us."""
        return f"61{digits_of(self.customer, 14)}"


@dataclass(frozen=True, slots=True)
class _Stored:
    file: SimFile
    since: datetime


class PlatformSimulator:
    """One Page or account. The rates are wide by default; Meta's is `rate=(300, 300)`."""

    def __init__(
        self,
        account: PlatformAccount,
        dialect: Dialect,
        *,
        rate: tuple[float, float] = (2000, 1000),
        human_agent: bool | None = None,
    ) -> None:
        self.account = account
        self.dialect = dialect
        self.hooks = Hooks(account)
        self.chats: dict[str, Chat] = {}
        self.files: dict[str, _Stored] = {}
        self.personas: dict[str, dict[str, str]] = {}
        self._human_agent = account.human_agent if human_agent is None else human_agent
        self._rate = Bucket(*rate)
        self._count = 0
        self._posted: dict[str, tuple[Chat, str]] = {}
        self._fetching: dict[str, tuple[Chat, dict[str, Any], str]] = {}

    # ------------------------------------------------------------------------------------------- the Graph API

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        try:
            if request.path.strip("/").startswith("cdn/"):
                return Outcome(self._cdn(request, now))
            return self._edge(request, edge_of(request), now)
        except Refused as refused:
            return Outcome(refused.answer)

    def _edge(self, request: RawRequest, edge: tuple[str, ...], now: datetime) -> Outcome:
        check_token(request, self.account)
        node, *rest = edge
        ours = node in (self.account.own_id, self.account.node, "me")
        found = _EDGES.get((request.method, *rest)) if ours else None
        if found is not None:
            return found(self, request, now)
        if not rest and request.method in ("GET", "DELETE") and not ours:
            return Outcome(self._node(request, node))
        raise unknown_path(request)

    def _messages(self, request: RawRequest, now: datetime) -> Outcome:
        body = json_of(request)
        known_keys(body, _BODY_KEYS, "body")
        if not self._rate.take(now):
            raise graph_error(613, "Calls to this api have exceeded the rate limit.")
        chat = self._recipient(body)
        if "sender_action" in body:
            return Outcome(self._action(chat, body, now))
        self._check_message(body)
        self._check_window(chat, body, now)
        if chat.owner not in (None, self.account.app_id):
            raise graph_error(10, "Message not sent: another app is controlling this thread now.", subcode=2018300)
        persona = self._persona(body)
        return self._accept(chat, body, persona, now)

    def _recipient(self, body: dict[str, Any]) -> Chat:
        recipient = body.get("recipient")
        person_id = recipient.get("id") if isinstance(recipient, dict) else None
        chat = next((one for one in self.chats.values() if one.person_id == person_id), None)
        if chat is None:
            raise graph_error(100, "No matching user found", subcode=2018001)
        if chat.blocked:
            raise graph_error(551, "This person isn't available right now.", subcode=1545041)
        return chat

    def _check_message(self, body: dict[str, Any]) -> None:
        message = body.get("message")
        if not isinstance(message, dict) or ("text" in message) == ("attachment" in message):
            raise graph_error(100, "Invalid parameter: a message has either a text or an attachment", subcode=2018047)
        known_keys(message, _MESSAGE_KEYS, "message")
        if "text" in message:
            self._check_text(message["text"])
        elif not isinstance(message["attachment"], dict) or not isinstance(message["attachment"].get("payload"), dict):
            raise graph_error(100, "Invalid parameter: attachment")
        if len(message.get("metadata", "")) > 1000:
            raise graph_error(100, "Length of param message[metadata] must be less than or equal to 1000")

    def _check_text(self, text: Any) -> None:
        if not isinstance(text, str) or not text.strip():
            raise graph_error(100, "param message[text] must be non-empty.")
        if (len(text.encode()) if self.dialect.text_in_bytes else len(text)) > self.dialect.max_text:
            raise graph_error(100, f"Length of param message[text] must be less than or equal to {self.dialect.max_text}")

    def _check_window(self, chat: Chat, body: dict[str, Any], now: datetime) -> None:
        kind, tag = body.get("messaging_type", "RESPONSE"), body.get("tag")
        if kind not in ("RESPONSE", "UPDATE", "MESSAGE_TAG"):
            raise graph_error(100, "Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG}")
        if tag in _GONE_TAGS:
            raise graph_error(100, f"The tag {tag} is no longer supported.", subcode=1893061)
        if (kind == "MESSAGE_TAG") != (tag is not None) or tag not in (None, "HUMAN_AGENT"):
            raise graph_error(100, "Invalid parameter: messaging_type and tag don't fit")
        if tag and not self._human_agent:
            raise graph_error(10, "To use Human Agent, your use of this endpoint must be reviewed and approved.", subcode=2018065)
        age = now - chat.wrote_at if chat.wrote_at else AGENT_WINDOW * 2
        if age > (AGENT_WINDOW if tag else WINDOW):
            raise graph_error(10, "This message is sent outside of allowed window.", subcode=2018278)

    def _persona(self, body: dict[str, Any]) -> str | None:
        if "persona_id" not in body:
            return None
        persona = self.personas.get(str(body["persona_id"])) if self.dialect.personas else None
        if persona is None:
            raise graph_error(100, "Invalid persona ID: the persona doesn't exist, or is another Page's")
        return persona["name"]

    def _accept(self, chat: Chat, body: dict[str, Any], persona: str | None, now: datetime) -> Outcome:
        quoted = body.get("reply_to", {}).get("mid") if isinstance(body.get("reply_to"), dict) else None
        if quoted is not None and (quoted not in chat.lines or (chat.lines[quoted].model_extra or {}).get("unsent")):
            raise graph_error(9000001, "The message that it replies to was deleted.")
        mid, message = self._mid(), body["message"]
        answer = {"recipient_id": chat.person_id, "message_id": mid}
        extra = {"reply_to": quoted} if quoted else {}
        notice = str(message.get("metadata", "")).startswith("ntc_")
        shown = {"speaker": persona, "kind": "notice" if notice else "message", **extra}
        if "text" in message:
            return Outcome(json_answer(answer), self._show(chat, mid, message, {**shown, "text": message["text"]}, now))
        payload = message["attachment"]["payload"]
        if "attachment_id" in payload:
            file_id = str(payload["attachment_id"])
            if file_id not in self.files or now - self.files[file_id].since > timedelta(days=90):
                raise graph_error(100, "The attachment id is invalid, or has expired.", subcode=2018074)
            described = self._described(file_id)
            return Outcome(json_answer(answer), self._show(chat, mid, message, {**shown, "media": described}, now))
        return Outcome(json_answer(answer), (self._fetch(chat, mid, message, shown, str(payload.get("url", ""))),))

    def _show(
        self, chat: Chat, mid: str, message: dict[str, Any], shown: dict[str, Any], now: datetime
    ) -> tuple[ProviderCall, ...]:
        """The message is in the chat: its echo comes (with our metadata), then its delivery."""
        chat.lines[mid] = Shown(id=mid, sender="them", at=now, **shown)
        chat.typing_as = None
        chat.waiting.append(mid)
        echo = {"mid": mid, "is_echo": True, "app_id": int(self.account.app_id), **_echoed(message, shown, self._cdn_url, now)}
        return (self._hook(chat, {"message": echo}, now, from_us=True), *self._deliver(chat, now))

    def _action(self, chat: Chat, body: dict[str, Any], now: datetime) -> Answer:
        if "message" in body:
            raise graph_error(100, "message and sender_action can't be in one call", subcode=2018014)
        action = body["sender_action"]
        if action not in _ACTIONS:
            raise graph_error(100, f"Param sender_action must be one of {sorted(_ACTIONS)}")
        persona = self._persona(body)
        if action in ("typing_on", "typing_off"):
            chat.typing_as = (persona or "Page") if action == "typing_on" else None
        return json_answer({"recipient_id": chat.person_id})

    # ---------------------------------------------------------------------------------------- files and personas

    def _attach(self, request: RawRequest, now: datetime) -> Outcome:
        fields, files = form_of(request)
        for key, value in self.dialect.upload_fields.items():
            if fields.get(key) != value:
                raise graph_error(100, f"The parameter {key} must be {value}.")
        try:
            kind = json.loads(fields["message"])["attachment"]["type"]
        except (KeyError, TypeError, ValueError) as cause:
            raise graph_error(100, "The parameter message is required.") from cause
        if len(files) != 1 or files[0].field != "filedata":
            raise graph_error(100, "The parameter filedata is required.")
        file = SimFile(name=files[0].name, mime_type=files[0].mime_type, content=files[0].content)
        self._check_file(file, kind)
        return Outcome(json_answer({"attachment_id": self._keep(file, now)}))

    def _check_file(self, file: SimFile, kind: str) -> None:
        most = self.dialect.most_bytes.get(kind)
        if most is None:
            raise graph_error(100, "Param message[attachment][type] is unknown")
        allowed = self.dialect.mime_types.get(kind)
        if (allowed is not None and file.mime_type not in allowed) or (
            kind in ("image", "video", "audio") and not file.mime_type.startswith(kind)
        ):
            raise graph_error(100, f"The type of file you're trying to attach isn't allowed: {file.mime_type}", subcode=2018047)
        if len(file.content) > most:
            raise graph_error(100, "The file size exceeds the limit", subcode=2018109)

    def _keep(self, file: SimFile, now: datetime) -> str:
        self._count += 1
        file_id = f"98{self._count:010d}"
        self.files[file_id] = _Stored(file, now)
        return file_id

    def _make_persona(self, request: RawRequest, now: datetime) -> Outcome:
        body = json_of(request)
        if not self.dialect.personas:
            raise unknown_path(request)
        known_keys(body, {"name", "profile_picture_url"}, "body")
        name = body.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > 50:
            raise graph_error(100, "Param name must have 1 to 50 characters")
        self._count += 1
        persona_id = f"73{self._count:010d}"
        self.personas[persona_id] = {
            "id": persona_id,
            "name": name,
            "profile_picture_url": str(body.get("profile_picture_url", "")),
        }
        return Outcome(json_answer({"id": persona_id}))

    def _list_personas(self, request: RawRequest, now: datetime) -> Outcome:
        return Outcome(json_answer({"data": list(self.personas.values()), "paging": {"cursors": {}}}))

    def _node(self, request: RawRequest, node: str) -> Answer:
        """A persona, or a person's profile."""
        if node in self.personas:
            if request.method == "GET":
                return json_answer(self.personas[node])
            del self.personas[node]
            return json_answer({"success": True})
        chat = next((one for one in self.chats.values() if one.person_id == node), None)
        if chat is None or request.method != "GET":
            raise unknown_path(request)
        known = {"name": chat.customer.title(), "first_name": chat.customer.title(), "username": chat.customer, "locale": "en_GB"}
        wanted = (request.param("fields") or "").split(",")
        return json_answer({"id": node, **{key: value for key, value in known.items() if key in wanted}})

    def _own(self, request: RawRequest, now: datetime) -> Outcome:
        return Outcome(json_answer({"id": self.account.own_id, "name": "Demo shop"}))

    def _control(self, request: RawRequest, now: datetime) -> Outcome:
        """The thread goes to us (`take`), to another app (`pass`), or to nobody (`release`)."""
        body, edge = json_of(request), request.path.rstrip("/").rpartition("/")[2]
        chat = self._recipient(body)
        if edge == "pass_thread_control":
            chat.owner = str(body.get("target_app_id") or self.dialect.inbox_app)
        else:
            chat.owner = self.account.app_id if edge == "take_thread_control" else None
        return Outcome(json_answer({"success": True}))

    def _described(self, file_id: str) -> dict[str, Any]:
        file = self.files[file_id].file
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}

    def _cdn_url(self, file_id: str, now: datetime) -> str:
        query = urlencode({"oe": format(int((now + _CDN_LIVES).timestamp()), "x")})
        return f"{self.account.api_base}/cdn/{file_id}/{quote(self.files[file_id].file.name)}?{query}"

    def _cdn(self, request: RawRequest, now: datetime) -> Answer:
        """Files are served without a token, until their address dies."""
        stored = self.files.get(request.path.strip("/").split("/")[1])
        try:
            expires = int(request.param("oe") or "", 16)
        except ValueError:
            expires = 0
        if stored is None or expires < now.timestamp():
            return Answer(403, b"URL signature expired", {"content-type": "text/plain"})
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})

    def _fetch(self, chat: Chat, mid: str, message: dict[str, Any], shown: dict[str, Any], url: str) -> ProviderCall:
        self._count += 1
        call_id = f"fetch-{self._count}"
        self._fetching[call_id] = (chat, {"message": message, "shown": shown}, mid)
        return ProviderCall(call_id, "GET", url, purpose="fetch", lane=chat.person_id)

    def _fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """Meta fetches while we wait for the answer; here it comes after. What can't be fetched is never shown."""
        chat, kept, mid = self._fetching.pop(call.id)
        if answer is None or answer.status != 200:
            return ()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = call.url.partition("?")[0].rpartition("/")[2] or "file"
        file_id = self._keep(SimFile(name=name, mime_type=mime_type, content=answer.body), now)
        return self._show(chat, mid, kept["message"], {**kept["shown"], "media": self._described(file_id)}, now)

    # ------------------------------------------------------------------------------------------------ webhooks

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered, or a file fetched."""
        if call.purpose == "fetch":
            return self._fetched(call, answer, now)
        again = self.hooks.again(call, answer)
        chat, line_id = self._posted.get(call.id.partition(".")[0], (None, ""))
        line = chat.lines.get(line_id) if chat else None
        if chat and line and line.status == "sending":
            status = "sending" if again else "sent" if answer is not None and answer.status == 200 else "failed"
            chat.lines[line_id] = line.model_copy(update={"status": status})
        return again

    def _hook(
        self, chat: Chat, event: Mapping[str, Any], now: datetime, *, from_us: bool = False, delay_seconds: float = 0.0
    ) -> ProviderCall:
        them, us = {"id": chat.person_id}, {"id": self.account.own_id}
        stamp = int(now.timestamp() * 1000)
        item = {"sender": us if from_us else them, "recipient": them if from_us else us, "timestamp": stamp, **event}
        elsewhere = chat.owner not in (None, self.account.app_id) and "pass_thread_control" not in event
        entry = {"id": self.account.own_id, "time": stamp, "standby" if elsewhere else "messaging": [item]}
        return self.hooks.post({"object": self.dialect.object, "entry": [entry]}, chat.person_id, delay_seconds)

    def _deliver(self, chat: Chat, now: datetime) -> tuple[ProviderCall, ...]:
        if chat.offline or not chat.waiting:
            return ()
        mids, chat.waiting = chat.waiting, []
        chat.unread += mids
        if not self.dialect.deliveries:
            return ()
        return (self._hook(chat, {"delivery": {"mids": mids, "watermark": int(now.timestamp() * 1000)}}, now),)

    def _look(self, chat: Chat, now: datetime) -> tuple[ProviderCall, ...]:
        """The customer looks at the chat: one watermark on Messenger, one event a message on Instagram."""
        mids, chat.unread = chat.unread, []
        if not mids:
            return ()
        if self.dialect.watermarks:
            return (self._hook(chat, {"read": {"watermark": int(now.timestamp() * 1000)}}, now),)
        return tuple(self._hook(chat, {"read": {"mid": mid}}, now) for mid in mids)

    # --------------------------------------------------------------------------------------------- the handset

    def act(self, action: Action, now: datetime) -> Outcome:
        """The customer does something in the chat."""
        chat = self.chats.get(action.customer) or Chat(action.customer)
        doing = _ACTS.get(action.kind)
        if doing is None:
            raise CannotAct(f"Meta tells us nothing of this: {action.kind}")
        if chat.blocked and action.kind not in ("unblock", "read"):
            raise CannotAct(f"{action.customer} has blocked the business; unblock first")
        outcome = doing(self, chat, action, now)
        self.chats[action.customer] = chat
        return outcome

    def _say(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        if action.file is None and not action.text:
            raise CannotAct("say needs a text or a file")
        message: dict[str, Any] = {"text": action.text} if action.text else {}
        media = None
        if action.file is not None:
            file_id = self._keep(action.file, now)
            media = self._described(file_id)
            message["attachments"] = [{"type": _family(action.file.mime_type), "payload": {"url": self._cdn_url(file_id, now)}}]
        return self._write(chat, action, message, now, text=action.text, media=media)

    def _sticker(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Since August 30 2026 a sticker comes as `sticker` alone; `details` `{"twice": true}` gives the form of the summer before."""
        file = action.file or SimFile(name="thumb.png", mime_type="image/png", content=b"\x89PNG thumb")
        file_id = self._keep(file, now)
        payload = {"url": self._cdn_url(file_id, now), "sticker_id": int(action.details.get("sticker_id", 369239263222822))}
        kinds = ("image", "sticker") if action.details.get("twice") else ("sticker",)
        message = {"attachments": [{"type": kind, "payload": payload} for kind in kinds]}
        return self._write(chat, action, message, now, media=self._described(file_id))

    def _location(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        try:
            place = {"lat": float(action.details["latitude"]), "long": float(action.details["longitude"])}
        except (KeyError, TypeError, ValueError) as cause:
            raise CannotAct("location needs details latitude and longitude") from cause
        message = {"attachments": [{"type": "location", "payload": {"coordinates": place}}]}
        return self._write(chat, action, message, now, text=f"[location: {place['lat']:g}, {place['long']:g}]")

    def _choose(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        title = action.text or str(action.details.get("title") or "")
        if not title:
            raise CannotAct("choose needs details id and title")
        payload = str(action.details.get("id") or title)
        if action.details.get("form") == "postback":
            return self._write(chat, action, {"title": title, "payload": payload}, now, text=title, key="postback")
        return self._write(chat, action, {"text": title, "quick_reply": {"payload": payload}}, now, text=title)

    def _react(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        line, emoji = _line(chat, action), action.text
        chat.lines[line.id] = line.model_copy(update={"reaction": emoji})
        reaction = {"mid": line.id, "action": "react" if emoji else "unreact"}
        if emoji:
            reaction |= {"reaction": "other", "emoji": emoji}
        return self._tell(chat, action, {"reaction": reaction}, now, line.id)

    def _edit(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        if not self.dialect.edits:
            raise CannotAct("Instagram tells nothing of edits")
        line = _line(chat, action, own=True)
        number = chat.edits.get(line.id, 0) + 1
        if not action.text or now - line.at > timedelta(minutes=15) or number > 5:
            raise CannotAct("edit needs a text, and Messenger lets people edit 5 times within 15 minutes")
        chat.edits[line.id] = number
        chat.lines[line.id] = line.model_copy(update={"text": action.text, "edited": True})
        return self._tell(chat, action, {"message_edit": {"mid": line.id, "text": action.text, "num_edit": number}}, now, line.id)

    def _unsend(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Messenger tells nobody; Instagram does."""
        line = _line(chat, action, own=True)
        chat.lines[line.id] = line.model_copy(update={"text": None, "media": None, "unsent": True})
        if not self.dialect.unsends:
            return Outcome(line_id=line.id)
        return self._tell(chat, action, {"message": {"mid": line.id, "is_deleted": True}}, now, line.id)

    def _write(
        self,
        chat: Chat,
        action: Action,
        content: dict[str, Any],
        now: datetime,
        *,
        text: str | None = None,
        media: dict[str, Any] | None = None,
        key: str = "message",
    ) -> Outcome:
        """Post what the customer wrote, after what they have read by then."""
        mid = self._mid()
        quoted = {"reply_to": {"mid": action.target}} if action.target else {}
        referral = {"referral": action.details["referral"]} if "referral" in action.details else {}
        chat.lines[mid] = Shown(id=mid, sender="me", text=text, at=now, status="sending", media=media)
        return self._tell(chat, action, {key: {"mid": mid, **content, **quoted, **referral}}, now, mid)

    def _tell(self, chat: Chat, action: Action, event: Mapping[str, Any], now: datetime, line_id: str) -> Outcome:
        chat.offline = False
        before = (*self._deliver(chat, now), *self._look(chat, now))
        chat.wrote_at = now
        times, delay = int(action.details.get("times", 1)), float(action.details.get("delay_seconds", 0.0))
        calls = tuple(self._hook(chat, event, now, delay_seconds=delay) for _ in range(times))
        self._posted |= {call.id: (chat, line_id) for call in calls}
        return Outcome(calls=(*before, *calls), line_id=line_id)

    def _read(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        return Outcome(calls=self._look(chat, now))

    def _block(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Meta tells nobody; sends fail from now on."""
        chat.blocked = True
        return Outcome()

    def _unblock(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.blocked = False
        return Outcome()

    def _offline(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.offline = True
        return Outcome()

    def _online(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.offline = False
        return Outcome(calls=self._deliver(chat, now))

    # ---------------------------------------------------------------------------------------------------- rest

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing is fetched late here."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """The chat as the customer sees it."""
        chat = self.chats.get(customer)
        return list(chat.lines.values()) if chat else []

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        stored = self.files.get(file_id)
        return stored.file if stored else None

    def _mid(self) -> str:
        self._count += 1
        return "m_" + base64.urlsafe_b64encode(f"{self.account.own_id[-6:]}:{self._count:012d}".encode()).decode().rstrip("=")


def _echoed(message: dict[str, Any], shown: dict[str, Any], url: Callable[[str, datetime], str], now: datetime) -> dict[str, Any]:
    """What an echo repeats of a message."""
    known: dict[str, Any] = {key: message[key] for key in ("text", "metadata") if key in message}
    if "attachment" in message and shown.get("media"):
        address = url(shown["media"]["file_id"], now)
        known["attachments"] = [{"type": message["attachment"].get("type", "file"), "payload": {"url": address}}]
    return known


def _family(mime_type: str) -> str:
    family = mime_type.partition("/")[0]
    return family if family in ("image", "video", "audio") else "file"


def _line(chat: Chat, action: Action, *, own: bool = False) -> Shown:
    line = chat.lines.get(action.target or "")
    if line is None or (own and line.sender != "me"):
        raise CannotAct(f"{action.kind} needs the id of a line on the handset" + (" that the customer wrote" if own else ""))
    return line


_EDGES: Final[dict[tuple[str, ...], Callable[[PlatformSimulator, RawRequest, datetime], Outcome]]] = {
    ("GET",): PlatformSimulator._own,
    ("POST", "messages"): PlatformSimulator._messages,
    ("POST", "message_attachments"): PlatformSimulator._attach,
    ("POST", "personas"): PlatformSimulator._make_persona,
    ("GET", "personas"): PlatformSimulator._list_personas,
    ("POST", "take_thread_control"): PlatformSimulator._control,
    ("POST", "pass_thread_control"): PlatformSimulator._control,
    ("POST", "release_thread_control"): PlatformSimulator._control,
}

_ACTS: Final[dict[str, Callable[[PlatformSimulator, Chat, Action, datetime], Outcome]]] = {
    "say": PlatformSimulator._say,
    "read": PlatformSimulator._read,
    "sticker": PlatformSimulator._sticker,
    "location": PlatformSimulator._location,
    "choose": PlatformSimulator._choose,
    "react": PlatformSimulator._react,
    "edit": PlatformSimulator._edit,
    "unsend": PlatformSimulator._unsend,
    "block": PlatformSimulator._block,
    "unblock": PlatformSimulator._unblock,
    "offline": PlatformSimulator._offline,
    "online": PlatformSimulator._online,
}
