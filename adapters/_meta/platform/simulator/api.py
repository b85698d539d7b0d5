"""The simulated Messenger Platform's API: what it answers to our calls, and what it then tells by webhook.

Refusals come at once; there is no `failed` webhook. Sources: Meta for Developers, Messenger Platform, "Send API", "Personas", "Conversation
routing", "Error codes" (read 2026).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.account import PlatformAccount
from adapters._meta.platform.simulator import rules
from adapters._meta.platform.simulator.files import CDN
from adapters._meta.platform.simulator.world import Chat, World
from adapters._meta.simulator.graph import graph_error, json_answer, json_of, known_keys, unknown_path
from adapters._meta.simulator.provider import Edge
from adapters.contract import Answer, RawRequest
from adapters.simulation import media_of

_ACTIONS: Final = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}


class Api(World):
    """One Page's or account's part of the Graph API."""

    cdn = CDN

    def __init__(
        self,
        account: PlatformAccount,
        dialect: rules.Dialect,
        rate: tuple[float, float],
        human_agent: bool,
        patience: timedelta | None,
    ) -> None:
        super().__init__(account, dialect, rate, patience)
        self.personas: dict[str, dict[str, str]] = {}
        self._human_agent = human_agent

    def serve(self, request: RawRequest, now: datetime) -> Answer:
        """A customer's file."""
        return self.store.fetch(request, now)

    def edge(self, request: RawRequest, path: tuple[str, ...]) -> Edge | None:
        """What hangs on the Page or account; any other node is a persona or a person."""
        node, *rest = path
        if node not in (self.account.own_id, self.account.node, "me"):
            return self._node if not rest and request.method in ("GET", "DELETE") else None
        edges: dict[tuple[str, ...], Edge] = {
            ("GET",): self._own,
            ("POST", "messages"): self._messages,
            ("POST", "message_attachments"): self.store.attach,
            ("POST", "personas"): self._make_persona,
            ("GET", "personas"): self._list_personas,
            ("POST", "take_thread_control"): self._control,
            ("POST", "pass_thread_control"): self._control,
            ("POST", "release_thread_control"): self._control,
            ("POST", "subscribed_apps"): self._subscribe,
            ("GET", "subscribed_apps"): self._subscriptions,
        }
        return edges.get((request.method, *rest))

    # ------------------------------------------------------------------------------------------------- messages

    def _messages(self, request: RawRequest, now: datetime) -> Answer:
        body = json_of(request)
        known_keys(body, rules.BODY_KEYS, "body")
        if not self.rate.take(now):
            raise graph_error(613, "Calls to this api have exceeded the rate limit.")
        chat = self._recipient(body)
        if "sender_action" in body:
            return self._action(chat, body)
        self.befall()
        return self._message(chat, body, now)

    def _recipient(self, body: dict[str, Any]) -> Chat:
        recipient = body.get("recipient")
        chat = self.phones.get(str(recipient.get("id"))) if isinstance(recipient, dict) else None
        if chat is None:
            raise graph_error(100, "No matching user found", subcode=2018001)
        if chat.blocked:
            raise graph_error(551, "This person isn't available right now.", subcode=1545041)
        return chat

    def _message(self, chat: Chat, body: dict[str, Any], now: datetime) -> Answer:
        rules.check_message(body, self.dialect)
        rules.check_window(chat, body, now, human_agent=self._human_agent)
        if chat.owner not in (None, self.account.app_id):
            raise graph_error(10, "Message not sent: another app is controlling this thread now.", subcode=2018300)
        persona, quoted = self._persona(body), _quoted(chat, body)
        message, mid = body["message"], self.message_id()
        attachment = message.get("attachment", {}).get("payload", {})
        if "attachment_id" in attachment:
            self.store.check(str(attachment["attachment_id"]), now)
        notice = str(message.get("metadata", "")).startswith("ntc_")
        more: dict[str, Any] = {"reply_to": quoted} if quoted else {}

        def show(file_id: str | None, then: datetime) -> None:
            """The message is in the chat: its echo comes (with our metadata), then its delivery. What can't be fetched is never shown."""
            if file_id == "":
                return
            chat.typing_as = None
            self.event(chat, {"message": self._echo_of(message, mid, file_id, then)}, then, from_us=True)
            media = media_of(self.files[file_id], file_id) if file_id else None
            kind: Any = "notice" if notice else "message"
            self.show(chat, mid, then, text=message.get("text"), kind=kind, speaker=persona, media=media, **more)

        link = attachment.get("url")
        self.once_fetched(None if link is None else str(link), attachment.get("attachment_id"), chat, show, now)
        return json_answer({"recipient_id": chat.address, "message_id": mid})

    def _echo_of(self, message: dict[str, Any], mid: str, file_id: str | None, now: datetime) -> dict[str, Any]:
        echo: dict[str, Any] = {"mid": mid, "is_echo": True, "app_id": int(self.account.app_id)}
        echo |= {key: message[key] for key in ("text", "metadata") if key in message}
        if file_id:
            echo["attachments"] = [{"type": message["attachment"]["type"], "payload": {"url": self.store.url(file_id, now)}}]
        return echo

    def _persona(self, body: dict[str, Any]) -> str | None:
        if "persona_id" not in body:
            return None
        persona = self.personas.get(str(body["persona_id"])) if self.dialect.personas else None
        if persona is None:
            raise graph_error(100, "Invalid persona ID: the persona doesn't exist, or is another Page's")
        return persona["name"]

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
            self.seen_by_us(chat)
        return json_answer({"recipient_id": chat.address})

    # ------------------------------------------------------------------------------------------------ other edges

    def _make_persona(self, request: RawRequest, now: datetime) -> Answer:
        body = json_of(request)
        if not self.dialect.personas:
            raise unknown_path(request)
        known_keys(body, {"name", "profile_picture_url"}, "body")
        name = body.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > 50:
            raise graph_error(100, "Param name must have 1 to 50 characters")
        persona_id = f"73{self.next_number():010d}"
        picture = str(body.get("profile_picture_url", ""))
        self.personas[persona_id] = {"id": persona_id, "name": name, "profile_picture_url": picture}
        return json_answer({"id": persona_id})

    def _list_personas(self, request: RawRequest, now: datetime) -> Answer:
        return json_answer({"data": list(self.personas.values()), "paging": {"cursors": {}}})

    def _node(self, request: RawRequest, now: datetime) -> Answer:
        """A persona, or a person's profile."""
        node = request.path.rstrip("/").rpartition("/")[2]
        if node in self.personas:
            found = self.personas[node] if request.method == "GET" else self.personas.pop(node)
            return json_answer(found if request.method == "GET" else {"success": True})
        chat = self.phones.get(node)
        if chat is None or request.method != "GET":
            raise unknown_path(request)
        name = chat.customer.title()
        known = {"name": name, "first_name": name, "username": chat.customer, "locale": "en_GB"}
        wanted = (request.param("fields") or "").split(",")
        return json_answer({"id": node, **{key: value for key, value in known.items() if key in wanted}})

    def _own(self, request: RawRequest, now: datetime) -> Answer:
        return json_answer({"id": self.account.own_id, "name": "Demo shop"})

    def _control(self, request: RawRequest, now: datetime) -> Answer:
        """The thread goes to us (`take`), to another app (`pass`), or to nobody (`release`)."""
        body, edge = json_of(request), request.path.rstrip("/").rpartition("/")[2]
        chat = self._recipient(body)
        owners = {"pass_thread_control": str(body.get("target_app_id") or self.dialect.inbox_app)}
        owners["take_thread_control"] = self.account.app_id
        chat.owner = owners.get(edge)
        return json_answer({"success": True})

    def _subscribe(self, request: RawRequest, now: datetime) -> Answer:
        self.subscribe()
        return json_answer({"success": True})

    def _subscriptions(self, request: RawRequest, now: datetime) -> Answer:
        app = {"id": self.account.app_id, "subscribed_fields": ["messages", "messaging_postbacks"]}
        return json_answer({"data": [app] if self.subscribed else []})


def _quoted(chat: Chat, body: dict[str, Any]) -> str | None:
    reply_to = body.get("reply_to")
    if not isinstance(reply_to, dict):
        return None
    line = chat.lines.get(str(reply_to.get("mid")))
    if line is None or (line.model_extra or {}).get("unsent"):
        raise graph_error(9000001, "The message that it replies to was deleted.")
    return line.id
