"""Telegram's side: the Bot API and the phones of people who write to the bot.

Faithful in what bites: it never tells what was delivered or read, shows a message as often as it is sent, wants the token in the path, asks
to wait in the body, and serves files at another path. Source: core.telegram.org/bots/api.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from adapters.contract import Answer, RawRequest
from adapters.errors import NotUnderstood
from adapters.multipart import read_form
from adapters.reading import dict_of, json_object, optional
from adapters.signing import same
from adapters.simulation import Action, CannotAct, Phone, PlainProvider, Refused, SimFile, digits_of
from adapters.text import measure

METHODS: Final = {"sendMessage": ("text", 4096), "sendPhoto": ("caption", 1024), "sendDocument": ("caption", 1024)}


class TelegramSimulator(PlainProvider[Any]):
    """One bot and its private chats."""

    def address_of(self, customer: str) -> str:
        """A private chat has its person's id."""
        return "1" + digits_of(customer, 9)

    def line_id(self, number: int) -> str:
        """A message's id is a number."""
        return str(number)

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """The secret, as setWebhook was given it."""
        secret = self.account.secret_tokens[0].get_secret_value()
        return {"content-type": "application/json", "x-telegram-bot-api-secret-token": secret}

    def event(self, action: Action, phone: Phone, line_id: str, now: datetime) -> bytes | None:
        """An update."""
        person = {"id": int(phone.address), "is_bot": False, "first_name": phone.customer.capitalize(), "language_code": "en"}
        head = {"from": person, "chat": {"id": int(phone.address), "type": "private"}, "date": int(now.timestamp())}
        kind, said = self._said(action, line_id)
        if kind == "callback_query":
            update = {"id": line_id, "from": person, "message": {"message_id": 1, **head}, **said}
        else:
            update = {"message_id": int(line_id), **head, **said}
        return json.dumps({"update_id": self.next_number(), kind: update}, ensure_ascii=False).encode()

    def _said(self, action: Action, line_id: str) -> tuple[str, dict[str, Any]]:
        if action.kind in ("block", "unblock"):
            return "my_chat_member", {"new_chat_member": {"status": "kicked" if action.kind == "block" else "member"}}
        if action.kind == "choose":
            return "callback_query", {"data": str(action.details.get("id") or action.text)}
        if action.kind == "edit":
            return "edited_message", {"message_id": int(action.target or 0), "edit_date": int(line_id), "text": action.text}
        if action.kind not in ("say", "location", "contact", "sticker"):
            raise CannotAct(f"Telegram doesn't tell bots of this: {action.kind}")
        quoted = {"reply_to_message": {"message_id": int(action.target)}} if action.target else {}
        if action.kind != "say":
            return "message", {**quoted, action.kind: dict(action.details)}
        return "message", quoted | (_file_said(action.file, line_id, action.text) if action.file else {"text": action.text})

    def is_message(self, request: RawRequest) -> bool:
        """What mischief may befall."""
        return request.path.rpartition("/")[2] in METHODS

    def trouble(self, status: int) -> Answer:
        """In Telegram's words; the time to wait stands in the body alone."""
        return _no(status, "Too Many Requests: retry after 1" if status == 429 else "Internal Server Error", retry_after=1).answer

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """One method, or a file."""
        token, _, method = request.path.removeprefix("/file").lstrip("/").partition("/")
        if not same(token, f"bot{self.account.bot_token.get_secret_value()}"):
            raise _no(401, "Unauthorized")
        if request.path.startswith("/file/"):
            if shown := self.files.get(method.rpartition("/")[2].partition(".")[0]):
                return Answer(200, shown.content, {"content-type": "application/octet-stream"})
            raise _no(404, "Not Found")
        fields, file = _read(request)
        if method == "getFile":
            found = str(fields.get("file_id")).removeprefix("AgAC")
            if found not in self.files:
                raise _no(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
            return _yes({"file_id": fields["file_id"], "file_path": f"files/{found}.{self.files[found].name}"})
        phone = self.phones.get(str(fields.get("chat_id")))
        if phone is None or phone.blocked:
            raise _no(403, "Forbidden: bot was blocked by the user") if phone else _no(400, "Bad Request: chat not found")
        return _yes(True) if method == "sendChatAction" else self._shown(method, fields, file, phone, now)

    def _shown(self, method: str, fields: dict[str, Any], file: SimFile | None, phone: Phone, now: datetime) -> Answer:
        if method not in METHODS:
            raise _no(404, "Not Found")
        (name, most), line_id = METHODS[method], self.line_id(self.next_number())
        words = fields.get(name)
        if measure(words or "", "utf16") > most:
            raise _no(400, f"Bad Request: message {'caption ' if name == 'caption' else ''}is too long")
        if not (words or file):
            raise _no(400, "Bad Request: message text is empty")
        notice = fields.get("disable_notification") is True
        quoted = optional(dict_of(fields.get("reply_parameters")), "message_id")
        self.show(phone, line_id, now, text=words, file=file, kind="notice" if notice else "message", reply_to=quoted)
        return _yes({"message_id": int(line_id), "date": int(now.timestamp())})


def _file_said(file: SimFile, line_id: str, caption: str | None) -> dict[str, Any]:
    sized = {"file_id": f"AgAC{line_id}", "file_size": len(file.content)}
    words = {"caption": caption} if caption else {}
    if file.mime_type.startswith("image/"):
        return {"photo": [{"file_id": "small"}, sized], **words}
    return {"document": {**sized, "file_name": file.name, "mime_type": file.mime_type}, **words}


def _read(request: RawRequest) -> tuple[dict[str, Any], SimFile | None]:
    try:
        if request.headers.get("content-type") == "application/json":
            return json_object(request.body), None
        fields, files = read_form(request)
    except (NotUnderstood, ValueError) as fault:
        raise _no(400, "Bad Request: can't parse the request") from fault
    return dict(fields), SimFile(name=files[0].name, mime_type=files[0].mime_type, content=files[0].content)


def _yes(result: Any) -> Answer:
    return Answer(200, json.dumps({"ok": True, "result": result}).encode(), {"content-type": "application/json"})


def _no(status: int, words: str, **parameters: int) -> Refused:
    body = {"ok": False, "error_code": status, "description": words, "parameters": parameters}
    return Refused(Answer(status, json.dumps(body).encode(), {"content-type": "application/json"}))
