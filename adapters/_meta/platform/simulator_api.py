"""The simulated Messenger Platform's API: what it answers to our calls, and what it then tells by webhook.

Refusals come at once; there is no `failed` webhook. Sources: Meta for Developers, Messenger Platform, "Send API", "Personas", "Conversation
routing", "Error codes" (read 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters._meta.platform import simulator_rules as rules
from adapters._meta.platform.simulator_files import Files
from adapters._meta.platform.simulator_world import Chat, World
from adapters._meta.simulation import (
    Bucket,
    Refused,
    check_token,
    edge_of,
    graph_error,
    json_answer,
    json_of,
    known_keys,
    unknown_path,
)
from adapters.contract import Answer, RawRequest
from adapters.simulation import Outcome, ProviderCall, Shown, SimFile

_ACTIONS: Final = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}


@dataclass(frozen=True, slots=True)
class _Pending:
    """A message of ours on its way into a chat: its id, itself, and how the chat shows it."""

    chat: Chat
    mid: str
    message: Mapping[str, Any]
    shown: Mapping[str, Any]


class Api:
    """One Page's or account's part of the Graph API."""

    def __init__(self, world: World, files: Files, rate: tuple[float, float], human_agent: bool) -> None:
        self.personas: dict[str, dict[str, str]] = {}
        self._world = world
        self._files = files
        self._human_agent = human_agent
        self._rate = Bucket(*rate)
        self._fetching: dict[str, _Pending] = {}

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        try:
            if request.path.strip("/").startswith("cdn/"):
                return Outcome(self._files.fetch(request, now))
            return self._edge(request, edge_of(request), now)
        except Refused as refused:
            return Outcome(refused.answer)

    def _edge(self, request: RawRequest, edge: tuple[str, ...], now: datetime) -> Outcome:
        check_token(request, self._world.account)
        node, *rest = edge
        ours = node in (self._world.account.own_id, self._world.account.node, "me")
        found = _EDGES.get((request.method, *rest)) if ours else None
        if found is not None:
            return found(self, request, now)
        if not rest and request.method in ("GET", "DELETE") and not ours:
            return Outcome(self._node(request, node))
        raise unknown_path(request)

    # ------------------------------------------------------------------------------------------------- messages

    def _messages(self, request: RawRequest, now: datetime) -> Outcome:
        body = json_of(request)
        known_keys(body, rules.BODY_KEYS, "body")
        if not self._rate.take(now):
            raise graph_error(613, "Calls to this api have exceeded the rate limit.")
        chat = self._recipient(body)
        if "sender_action" in body:
            return Outcome(self._action(chat, body))
        mischief = self._world.orders.next()
        return mischief.upon(Outcome() if mischief.refuses else self._message(chat, body, now))

    def _recipient(self, body: dict[str, Any]) -> Chat:
        recipient = body.get("recipient")
        chat = self._world.chat_of(recipient.get("id")) if isinstance(recipient, dict) else None
        if chat is None:
            raise graph_error(100, "No matching user found", subcode=2018001)
        if chat.blocked:
            raise graph_error(551, "This person isn't available right now.", subcode=1545041)
        return chat

    def _message(self, chat: Chat, body: dict[str, Any], now: datetime) -> Outcome:
        rules.check_message(body, self._world.dialect)
        rules.check_window(chat, body, now, human_agent=self._human_agent)
        if chat.owner not in (None, self._world.account.app_id):
            raise graph_error(10, "Message not sent: another app is controlling this thread now.", subcode=2018300)
        persona, quoted = self._persona(body), _quoted(chat, body)
        attachment = body["message"].get("attachment", {}).get("payload", {})
        if "attachment_id" in attachment:
            self._files.check(str(attachment["attachment_id"]), now)
        notice = str(body["message"].get("metadata", "")).startswith("ntc_")
        shown = {"speaker": persona, "kind": "notice" if notice else "message", **({"reply_to": quoted} if quoted else {})}
        pending = _Pending(chat, self._world.mid(), body["message"], shown)
        answer = json_answer({"recipient_id": chat.person_id, "message_id": pending.mid})
        if "url" in attachment:
            return Outcome(answer, (self._fetch(pending, str(attachment["url"])),))
        return Outcome(answer, self._show(pending, attachment.get("attachment_id"), now))

    def _persona(self, body: dict[str, Any]) -> str | None:
        if "persona_id" not in body:
            return None
        persona = self.personas.get(str(body["persona_id"])) if self._world.dialect.personas else None
        if persona is None:
            raise graph_error(100, "Invalid persona ID: the persona doesn't exist, or is another Page's")
        return persona["name"]

    def _show(self, pending: _Pending, file_id: str | None, now: datetime) -> tuple[ProviderCall, ...]:
        """The message is in the chat: its echo comes (with our metadata), then its delivery."""
        chat, message = pending.chat, pending.message
        media = self._files.described(file_id) if file_id else None
        chat.lines[pending.mid] = Shown(
            id=pending.mid, sender="them", at=now, text=message.get("text"), media=media, **pending.shown
        )
        chat.typing_as = None
        chat.waiting.append(pending.mid)
        echo: dict[str, Any] = {"mid": pending.mid, "is_echo": True, "app_id": int(self._world.account.app_id)}
        echo |= {key: message[key] for key in ("text", "metadata") if key in message}
        if file_id:
            echo["attachments"] = [{"type": message["attachment"]["type"], "payload": {"url": self._files.url(file_id, now)}}]
        return (*self._world.hook(chat, {"message": echo}, now, from_us=True), *self._world.deliver(chat, now))

    def _action(self, chat: Chat, body: dict[str, Any]) -> Answer:
        if "message" in body:
            raise graph_error(100, "message and sender_action can't be in one call", subcode=2018014)
        action = body["sender_action"]
        if action not in _ACTIONS:
            raise graph_error(100, f"Param sender_action must be one of {sorted(_ACTIONS)}")
        persona = self._persona(body)
        if action in ("typing_on", "typing_off"):
            chat.typing_as = (persona or "Page") if action == "typing_on" else None
        if action == "mark_seen":
            for line in [one for one in chat.lines.values() if one.sender == "me"]:
                chat.lines[line.id] = line.model_copy(update={"seen": True})
        return json_answer({"recipient_id": chat.person_id})

    def _fetch(self, pending: _Pending, url: str) -> ProviderCall:
        """A file that we gave as a link is fetched before the message is shown."""
        call_id = f"fetch-{self._world.count()}"
        self._fetching[call_id] = pending
        return ProviderCall(call_id, "GET", url, purpose="fetch", lane=pending.chat.person_id)

    def fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """Meta fetches while we wait for the answer; here it comes after. What can't be fetched is never shown."""
        pending = self._fetching.pop(call.id)
        if answer is None or answer.status != 200:
            return ()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = call.url.partition("?")[0].rpartition("/")[2] or "file"
        return self._show(pending, self._files.keep(SimFile(name=name, mime_type=mime_type, content=answer.body), now), now)

    # ------------------------------------------------------------------------------------------------ other edges

    def _attach(self, request: RawRequest, now: datetime) -> Outcome:
        return self._files.attach(request, now)

    def _make_persona(self, request: RawRequest, now: datetime) -> Outcome:
        body = json_of(request)
        if not self._world.dialect.personas:
            raise unknown_path(request)
        known_keys(body, {"name", "profile_picture_url"}, "body")
        name = body.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > 50:
            raise graph_error(100, "Param name must have 1 to 50 characters")
        persona_id = f"73{self._world.count():010d}"
        picture = str(body.get("profile_picture_url", ""))
        self.personas[persona_id] = {"id": persona_id, "name": name, "profile_picture_url": picture}
        return Outcome(json_answer({"id": persona_id}))

    def _list_personas(self, request: RawRequest, now: datetime) -> Outcome:
        return Outcome(json_answer({"data": list(self.personas.values()), "paging": {"cursors": {}}}))

    def _node(self, request: RawRequest, node: str) -> Answer:
        """A persona, or a person's profile."""
        if node in self.personas:
            found = self.personas[node] if request.method == "GET" else self.personas.pop(node)
            return json_answer(found if request.method == "GET" else {"success": True})
        chat = self._world.chat_of(node)
        if chat is None or request.method != "GET":
            raise unknown_path(request)
        name = chat.customer.title()
        known = {"name": name, "first_name": name, "username": chat.customer, "locale": "en_GB"}
        wanted = (request.param("fields") or "").split(",")
        return json_answer({"id": node, **{key: value for key, value in known.items() if key in wanted}})

    def _own(self, request: RawRequest, now: datetime) -> Outcome:
        return Outcome(json_answer({"id": self._world.account.own_id, "name": "Demo shop"}))

    def _control(self, request: RawRequest, now: datetime) -> Outcome:
        """The thread goes to us (`take`), to another app (`pass`), or to nobody (`release`)."""
        body, edge = json_of(request), request.path.rstrip("/").rpartition("/")[2]
        chat = self._recipient(body)
        owners = {"pass_thread_control": str(body.get("target_app_id") or self._world.dialect.inbox_app)}
        owners["take_thread_control"] = self._world.account.app_id
        chat.owner = owners.get(edge)
        return Outcome(json_answer({"success": True}))

    def _subscribe(self, request: RawRequest, now: datetime) -> Outcome:
        self._world.subscribe()
        return Outcome(json_answer({"success": True}))

    def _subscriptions(self, request: RawRequest, now: datetime) -> Outcome:
        app = {"id": self._world.account.app_id, "subscribed_fields": ["messages", "messaging_postbacks"]}
        return Outcome(json_answer({"data": [app] if self._world.subscribed else []}))


def _quoted(chat: Chat, body: dict[str, Any]) -> str | None:
    reply_to = body.get("reply_to")
    if not isinstance(reply_to, dict):
        return None
    line = chat.lines.get(str(reply_to.get("mid")))
    if line is None or (line.model_extra or {}).get("unsent"):
        raise graph_error(9000001, "The message that it replies to was deleted.")
    return line.id


_EDGES: Final[dict[tuple[str, ...], Callable[[Api, RawRequest, datetime], Outcome]]] = {
    ("GET",): Api._own,
    ("POST", "messages"): Api._messages,
    ("POST", "message_attachments"): Api._attach,
    ("POST", "personas"): Api._make_persona,
    ("GET", "personas"): Api._list_personas,
    ("POST", "take_thread_control"): Api._control,
    ("POST", "pass_thread_control"): Api._control,
    ("POST", "release_thread_control"): Api._control,
    ("POST", "subscribed_apps"): Api._subscribe,
    ("GET", "subscribed_apps"): Api._subscriptions,
}
