"""Somebody's server at the other end of an open channel, with its customers' phones: as strict as a good one is.

It checks our signature and its time, takes an id once (a second post of it is answered alike and shown once), fetches files from their
addresses, and tells what was delivered and read. Source: docs/open-channel.md; Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from adapters import standard_webhooks
from adapters.contract import Answer, RawRequest
from adapters.errors import NotAuthentic, NotUnderstood
from adapters.open.account import OpenAccount
from adapters.open.outbound import MAX_TEXT
from adapters.reading import dict_of, json_object
from adapters.simulation import Action, CannotAct, Phone, PlainProvider, Refused, Shown, place

_COMMON: Final = {"type", "id", "to", "at"}
_FIELDS: Final = {
    "message": _COMMON | {"text", "file", "reply_to", "human", "from"},
    "notice": _COMMON | {"text", "code", "about"},
    "typing": _COMMON | {"on", "from"},
}


class OpenSimulator(PlainProvider[OpenAccount]):
    """The server and the phones."""

    def __init__(self, account: OpenAccount) -> None:
        super().__init__(account)
        self._taken: set[str] = set()

    def address_of(self, customer: str) -> str:
        """A plain name with a mark, as somebody's user ids look."""
        return f"user-{customer}"

    # ------------------------------------------------------------------------------------------- its webhooks

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """Signed as Standard Webhooks lays it down."""
        proof = standard_webhooks.signed_headers(self.account.secrets, f"req_{number}", body, now)
        return {**proof, "content-type": "application/json"}

    def event(self, action: Action, phone: Phone, line_id: str, now: datetime) -> bytes | None:
        """As docs/open-channel.md shows it."""
        write = _EVENTS.get(action.kind)
        if write is None:
            raise CannotAct(f"{action.kind} is nothing that this server tells")
        said = write(self, action, phone, line_id)
        return None if said is None else self._written(phone, said, now)

    def _written(self, phone: Phone, said: Mapping[str, Any], now: datetime) -> bytes:
        sender = {"id": phone.address, "name": phone.customer.capitalize()}
        event = {"type": said["type"], "from": sender, "at": now.isoformat(), **said}
        return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")

    def _message(self, action: Action, phone: Phone, line_id: str) -> dict[str, Any]:
        if action.kind == "location":
            place(action.details)
        if action.kind == "choose" and not (action.text or action.details):
            raise CannotAct("choose needs an id or a title")
        if action.kind != "say":
            about = dict(action.details) if action.kind == "location" else {**action.details, **_worded(action)}
            return {"type": "message", "message_id": line_id, {"choose": "choice"}.get(action.kind, action.kind): about}
        said: dict[str, Any] = {"type": "message", "message_id": line_id, "text": action.text, "reply_to": action.target}
        if action.file:
            shown = {"name": action.file.name, "mime_type": action.file.mime_type, "size_bytes": len(action.file.content)}
            said["files"] = [{**shown, "url": f"{self.account.deliver_url.rstrip('/')}/files/{line_id}"}]
        return {key: value for key, value in said.items() if value is not None}

    def _about(self, action: Action, phone: Phone, line_id: str) -> dict[str, Any]:
        about: dict[str, Any] = {"type": _ABOUT[action.kind], "message_id": action.target}
        if action.kind == "unsend":
            return about
        return about | ({"emoji": action.text} if action.kind == "react" else {"text": action.text or ""})

    def _typing(self, action: Action, phone: Phone, line_id: str) -> dict[str, Any]:
        return {"type": "typing", "on": action.on}

    def _ended(self, action: Action, phone: Phone, line_id: str) -> dict[str, Any]:
        return {"type": "ended", "reason": "blocked" if action.kind == "block" else "ended"}

    def _silent(self, action: Action, phone: Phone, line_id: str) -> None:
        return None

    def reached(self, phone: Phone, line: Shown, now: datetime) -> None:
        """Tell that it was delivered."""
        self.post(self._written(phone, {"type": "receipt", "status": "delivered", "ids": [line.id]}, now), phone, now)

    def was_read(self, phone: Phone, line_ids: Sequence[str], now: datetime) -> None:
        """Tell it, all in one."""
        self.post(self._written(phone, {"type": "receipt", "status": "read", "ids": list(line_ids)}, now), phone, now)

    # ------------------------------------------------------------------------------------------------ our calls

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """A post of ours, or a file of a customer's."""
        if request.method == "GET" and request.path.startswith("/files/"):
            file = self.files.get(request.path.removeprefix("/files/"))
            if file is None:
                raise _refused(404, "not_found", "there is no such file")
            return Answer(200, file.content, {"content-type": file.mime_type})
        if request.path.rstrip("/") or request.method != "POST":
            raise _refused(404, "not_found", "post to the address itself")
        self._authenticate(request, now)
        event = self._checked(request)
        if event["id"] not in self._taken:
            self._show(event, self._phone_at(str(event["to"])), now)
            self._taken.add(str(event["id"]))
        return Answer(204)

    def trouble(self, status: int) -> Answer:
        """As a server in trouble answers."""
        code = "rate_limited" if status == 429 else "provider_unavailable" if status >= 500 else "refused"
        return _refused(status, code, "as you wished").answer

    def _authenticate(self, request: RawRequest, now: datetime) -> None:
        try:
            standard_webhooks.check(request.headers, request.body, self.account.signing_secrets, now)
        except NotAuthentic as fault:
            raise _refused(401, "not_authorised", str(fault)) from fault

    def _checked(self, request: RawRequest) -> dict[str, Any]:
        """The event, if it is exactly what the page promises."""
        try:
            event = json_object(request.body)
        except NotUnderstood as fault:
            raise _refused(400, "refused", str(fault)) from fault
        kind = event.get("type")
        if request.headers.get("content-type") != "application/json" or kind not in _FIELDS or set(event) - _FIELDS[kind]:
            raise _refused(400, "refused", f"unknown fields or type: {sorted(event)}")
        if not isinstance(event.get("id"), str) or event["id"] != request.headers["webhook-id"]:
            raise _refused(400, "refused", "the id is not the request's")
        if len(event.get("text") or "") > MAX_TEXT:
            raise _refused(422, "too_long", f"at most {MAX_TEXT} characters")
        if kind == "message" and not event.get("text") and not event.get("file"):
            raise _refused(422, "content_refused", "an empty message")
        return event

    def _phone_at(self, address: str) -> Phone:
        phone = self.phones.get(address)
        if phone is None:
            raise _refused(422, "recipient_unreachable", "nobody has this id")
        if phone.blocked:
            raise _refused(422, "blocked", "they have blocked you")
        return phone

    def _show(self, event: dict[str, Any], phone: Phone, now: datetime) -> None:
        if event["type"] == "typing":
            return
        speaker, file = dict_of(event.get("from")).get("name"), event.get("file")
        kind: Any = event["type"]
        self.show(phone, event["id"], now, text=event.get("text"), kind=kind, speaker=speaker, reply_to=event.get("reply_to"))
        if file:
            self.fetch(file["url"], phone, event["id"], file["name"], file["mime_type"])


def _worded(action: Action) -> dict[str, Any]:
    """The words of a contact, a sticker or a choice, given as the action's text."""
    if action.text is None:
        return {}
    return {{"contact": "name", "sticker": "text"}.get(action.kind, "title"): action.text}


def _refused(status: int, code: str, detail: str) -> Refused:
    body = json.dumps({"code": code, "detail": detail}).encode()
    return Refused(Answer(status, body, {"content-type": "application/problem+json"}))


_ABOUT: Final = {"react": "reaction", "edit": "edit", "unsend": "deletion"}
_Write = Callable[[OpenSimulator, Action, Phone, str], dict[str, Any] | None]
_EVENTS: Final[Mapping[str, _Write]] = {
    **dict.fromkeys(("say", "location", "contact", "sticker", "choose"), OpenSimulator._message),
    **dict.fromkeys(_ABOUT, OpenSimulator._about),
    **dict.fromkeys(("end", "block"), OpenSimulator._ended),
    **dict.fromkeys(("read", "unblock"), OpenSimulator._silent),
    "typing": OpenSimulator._typing,
}
