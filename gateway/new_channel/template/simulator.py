"""The provider's own side: it signs webhooks, answers the API, and refuses what the real one refuses.

Write it from the provider's pages and not from the adapter, or both share the same mistakes.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from adapters.contract import Answer, RawRequest
from adapters.errors import NotUnderstood
from adapters.reading import json_object
from adapters.signing import hmac_hex, same
from adapters.simulation import Action, CannotAct, Phone, PlainProvider, Refused, Shown
from gateway.new_channel.template.account import ExampleAccount

_KINDS = {"text": {"text"}, "notice": {"text"}, "image": {"url", "name"}, "typing": {"on"}}


class ExampleSimulator(PlainProvider[ExampleAccount]):
    """The provider and its customers' phones."""

    def __init__(self, account: ExampleAccount) -> None:
        super().__init__(account)
        self._taken: dict[str, Answer] = {}

    def address_of(self, customer: str) -> str:
        """The provider's id of a person."""
        return f"u_{customer}"

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """With the signature."""
        secret = self.account.secrets[0].get_secret_value()
        return {"content-type": "application/json", "x-example-signature": hmac_hex(secret, body)}

    def event(self, action: Action, phone: Phone, line_id: str, now: datetime) -> bytes | None:
        """What the provider sends when a customer does something."""
        if action.kind in ("read", "block", "unblock"):
            return None
        if action.kind == "say":
            said: dict[str, Any] = {"type": "message", "message": self._said(action, line_id)}
        elif action.kind in ("typing", "end"):
            said = {"type": "typing", "on": action.on} if action.kind == "typing" else {"type": "left"}
        else:
            raise CannotAct(f"{action.kind} is not something that this channel supports")
        return self._written(said, phone, now)

    def _said(self, action: Action, line_id: str) -> dict[str, Any]:
        words = {"text": action.text} if action.text else {}
        if action.file is None:
            return {"id": line_id, "type": "text", **words}
        return {"id": line_id, "type": "image", "url": f"{self.account.api_base}/files/{line_id}", **words}

    def _written(self, said: dict[str, Any], phone: Phone, now: datetime) -> bytes:
        user = {"id": phone.address, "name": phone.customer.capitalize()}
        event = {"id": f"ev_{self.next_number()}", "at": now.isoformat(), "user": user, **said}
        return json.dumps({"events": [event]}, ensure_ascii=False).encode()

    def reached(self, phone: Phone, line: Shown, now: datetime) -> None:
        """Tell that it was delivered."""
        self.post(self._written({"type": "delivered", "ref": line.id}, phone, now), phone, now)

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """One call of ours."""
        if request.method == "GET" and request.path.startswith("/files/"):
            file = self.files.get(request.path.removeprefix("/files/"))
            return Answer(200, file.content, {"content-type": file.mime_type}) if file else _no(404, "no_file").answer
        if not same(request.headers.get("authorization", ""), f"Bearer {self.account.token.get_secret_value()}"):
            raise _no(401, "bad_token")
        if (request.method, request.path) != ("POST", "/messages"):
            raise _no(404, "no_such_call")
        try:
            message = json_object(request.body)
        except NotUnderstood as fault:
            raise _no(400, "bad_json") from fault
        ref = str(message.get("ref"))
        if ref not in self._taken:
            self._taken[ref] = self._take(message, ref, now)
        return self._taken[ref]

    def _take(self, message: dict[str, Any], ref: str, now: datetime) -> Answer:
        kind, phone = str(message.get("type")), self.phones.get(str(message.get("to")))
        if kind not in _KINDS or set(message) - {"to", "ref", "type", *_KINDS[kind]}:
            raise _no(400, "unknown_field")
        if phone is None or phone.blocked:
            raise _no(422, "blocked" if phone else "unknown_user")
        words = message.get("text")
        if kind in ("text", "notice") and not words:
            raise _no(422, "empty")
        if len(words or "") > 2000:
            raise _no(422, "text_too_long")
        if kind != "typing":
            self.show(phone, ref, now, text=words, kind="notice" if kind == "notice" else "message")
        if kind == "image":
            self.fetch(message["url"], phone, ref, message["name"], "image/png")
        return Answer(200, json.dumps({"id": f"out_{self.next_number()}"}).encode(), {"content-type": "application/json"})


def _no(status: int, code: str) -> Refused:
    return Refused(Answer(status, json.dumps({"code": code}).encode(), {"content-type": "application/json"}))
